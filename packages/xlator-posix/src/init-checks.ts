import { type Bytes, Errno, OpenFlag, ROOT_GFID, type Storage, gfidParse, gfidToBuffer } from '@glusterts/libglusterfs';
import { ROOT_HANDLE, ROOT_HANDLE_TARGET } from './handle-path.js';
import { Xattr } from './keys.js';

/* What must hold before a brick may serve (spec/brick.md, §1.6). Each failure ends the process: hence plain Errors with the reason. */

const XATTR_CREATE = 1;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

export interface BrickRequirements {
  readonly root: Bytes;
  /** Text of a UUID, if the volfile gives one. */
  readonly volumeId: string | undefined;
  readonly mandateAttribute: boolean;
  readonly uid: number;
  readonly gid: number;
}

/** Checks and prepares a brick's root; answers an fd of it, which stays open. Throws an Error that says what is wrong. */
export function prepareBrick(storage: Storage, wanted: BrickRequirements): number {
  const { root } = wanted;
  if (storage.stat(root, 0) < 0 || (storage.cells.mode(0) & S_IFMT) !== S_IFDIR) throw new Error(`Directory '${root}' doesn't exist, exiting.`);
  checkXattrSupport(storage, wanted);
  checkVolumeId(storage, wanted);
  checkRootGfid(storage, root);
  const fd = storage.open(root, OpenFlag.RDONLY | OpenFlag.DIRECTORY, 0);
  if (fd < 0) throw new Error(`opening ${root} failed with errno ${-fd}`);
  try {
    makeDirectories(storage, root);
    checkRootHandle(storage, root);
    if (wanted.uid !== -1 || wanted.gid !== -1) {
      const result = storage.lchown(root, wanted.uid, wanted.gid);
      if (result < 0) throw new Error(`chown of ${root} failed with errno ${-result}`);
    }
  } catch (error) {
    storage.close(fd);
    throw error;
  }
  return fd;
}

function checkXattrSupport(storage: Storage, { root, mandateAttribute }: BrickRequirements): void {
  const value = storage.lgetxattr(root, 'user.x' as Bytes);
  if (value === -Errno.EOPNOTSUPP && mandateAttribute) throw new Error(`Extended attribute not supported, exiting: ${root}`);
}

function checkVolumeId(storage: Storage, { root, volumeId }: BrickRequirements): void {
  if (volumeId === undefined) return;
  const id = gfidParse(volumeId);
  if (id === undefined) throw new Error(`wrong volume-id (${volumeId}) set in volume file`);
  const value = storage.lgetxattr(root, Xattr.VOLUME_ID);
  if (value === -Errno.ENODATA) throw new Error(`Extended attribute trusted.glusterfs.volume-id is absent: ${root}`);
  if (typeof value === 'number') throw new Error(`${root}: failed to fetch volume-id, errno ${-value}`);
  if (value.length !== 16 || Buffer.compare(value, gfidToBuffer(id)) !== 0) throw new Error(`mismatching volume-id (${Buffer.from(value).toString('hex')}) received. already is a part of volume ${volumeId}: ${root}`);
}

function checkRootGfid(storage: Storage, root: Bytes): void {
  const wanted = gfidToBuffer(ROOT_GFID);
  const value = storage.lgetxattr(root, Xattr.GFID);
  if (value === -Errno.ENODATA) {
    const result = storage.lsetxattr(root, Xattr.GFID, wanted, XATTR_CREATE);
    if (result < 0) throw new Error(`${root}: failed to set gfid, errno ${-result}`);
    return;
  }
  if (typeof value === 'number') throw new Error(`${root}: failed to fetch gfid, errno ${-value}`);
  if (value.length !== 16 || Buffer.compare(value, wanted) !== 0) throw new Error(`${root}: gfid (${Buffer.from(value).toString('hex')}) is not that of glusterfs '/'`);
}

function makeDirectory(storage: Storage, path: Bytes, mode: number): void {
  const result = storage.mkdir(path, mode);
  if (result === 0) return;
  if (result !== -Errno.EEXIST) throw new Error(`Creating directory ${path} failed with errno ${-result}`);
  if (storage.lstat(path, 0) < 0 || (storage.cells.mode(0) & S_IFMT) !== S_IFDIR) throw new Error(`${path} is not a directory`);
}

function makeDirectories(storage: Storage, root: Bytes): void {
  const hidden = `${root}/.glusterfs`;
  makeDirectory(storage, hidden as Bytes, 0o700);
  for (let i = 0; i < 256; i++) makeDirectory(storage, `${hidden}/${i.toString(16).padStart(2, '0')}` as Bytes, 0o700);
  makeDirectory(storage, `${hidden}/landfill` as Bytes, 0o755);
  makeDirectory(storage, `${hidden}/unlink` as Bytes, 0o600);
}

/** The root's handle leads to the root; elsewhere, if the brick was copied or mounted wrongly. */
function checkRootHandle(storage: Storage, root: Bytes): void {
  const hidden = `${root}/.glusterfs`;
  const handle = `${hidden}/${ROOT_HANDLE}` as Bytes;
  if (storage.stat(root, 0) < 0) throw new Error(`${root} is gone`);
  const result = storage.stat(handle, 1);
  if (result === -Errno.ENOENT) {
    makeDirectory(storage, `${hidden}/00/00` as Bytes, 0o700);
    const made = storage.symlink(ROOT_HANDLE_TARGET, handle);
    if (made < 0) throw new Error(`symlink ${handle} failed with errno ${-made}`);
    return;
  }
  if (result < 0) throw new Error(`stat of ${handle} failed with errno ${-result}`);
  if (!storage.cells.sameInode(0, 1)) throw new Error(`Different dirs ${root} != ${handle}`);
}
