import { type Bytes, Errno, FopError, type Gfid, IaType, gfidToBuffer, gfidToString, toBuffer } from '@glusterts/libglusterfs';
import { type Brick, type Target, check } from './brick.js';
import { directoryHandleTarget, gfid2pathValue, handleName } from './handle-path.js';
import { Xattr } from './keys.js';

/*
 * What ties a name to a gfid on disk: the trusted.gfid xattr, the handle below .glusterfs, gfid2path and pgfid
 * (spec/brick.md, §2.3, §2.4, §2.6).
 */

const XATTR_CREATE = 1;
/** A file with more links gets no further gfid2path xattrs. */
const GFID2PATH_LINKS_MAX = 500;

/** Makes a non-directory's handle; fine if it is there. Answers −errno; −EEXIST when the gfid is another file's. */
export function makeFileHandle(brick: Brick, path: Bytes, gfid: Gfid): number {
  const { storage } = brick;
  const name = handleName(gfid);
  const handle = `${brick.hidden}/${name}` as Bytes;
  const result = brick.hashDirectories.within(gfid, name, () => storage.link(path, handle));
  if (result < 0 && result !== -Errno.EEXIST) return result;
  if (result === 0) return 0;
  const ours = storage.lstat(path, 4);
  if (ours < 0) return ours;
  const theirs = storage.lstat(handle, 5);
  if (theirs < 0) return theirs;
  return storage.cells.sameInode(4, 5) ? 0 : -Errno.EEXIST;
}

/** Makes a directory's handle; an existing one is left alone. */
export function makeDirectoryHandle(brick: Brick, gfid: Gfid, parent: Gfid, name: Bytes): number {
  const handle = handleName(gfid);
  const target = directoryHandleTarget(parent, name);
  const result = brick.hashDirectories.within(gfid, handle, () => brick.storage.symlink(target, `${brick.hidden}/${handle}` as Bytes));
  return result === -Errno.EEXIST ? 0 : result;
}

export function makeHandle(brick: Brick, path: Bytes, gfid: Gfid, type: IaType, parent: Gfid, name: Bytes): number {
  return type === IaType.DIR ? makeDirectoryHandle(brick, gfid, parent, name) : makeFileHandle(brick, path, gfid);
}

export function removeHandle(brick: Brick, gfid: Gfid): number {
  return brick.storage.unlink(brick.handlePath(gfid));
}

/** Removes a directory's handle if it still names (parent, name); one that was made anew elsewhere stays. */
export function removeDirectoryHandle(brick: Brick, gfid: Gfid, parent: Gfid, name: Bytes): void {
  const handle = brick.handlePath(gfid);
  if (brick.storage.readlink(handle) === directoryHandleTarget(parent, name)) brick.storage.unlink(handle);
}

/**
 * Gives a new entry its gfid and its handle. Throws what fails; then a handle made by this call is gone again.
 * @param at the entry: its path, or an fd of it
 */
export function setGfid(brick: Brick, at: Target, path: Bytes, gfid: Gfid, type: IaType, parent: Gfid, name: Bytes): void {
  const result = brick.setx(at, Xattr.GFID, gfidToBuffer(gfid), XATTR_CREATE);
  if (result < 0 && result !== -Errno.EEXIST) throw new FopError(-result);
  const owner = result === 0 ? gfid : brick.diskGfid(at);
  check(makeHandle(brick, path, owner, type, parent, name));
}

/** Adds the gfid2path xattr of a name; 0, or −errno. @param links the client-visible count, with this name */
export function addGfid2path(brick: Brick, at: Target, parent: Gfid, name: Bytes, links: number): number {
  if (!brick.settings.gfid2path || links > GFID2PATH_LINKS_MAX) return 0;
  const value = gfid2pathValue(parent, name);
  const key = (Xattr.GFID2PATH + brick.storage.xxh64(value)) as Bytes;
  const result = brick.setx(at, key, toBuffer(value), XATTR_CREATE);
  return result === -Errno.EEXIST ? 0 : result;
}

/** Removes the gfid2path xattr of a name; absent is fine. */
export function removeGfid2path(brick: Brick, path: Bytes, parent: Gfid, name: Bytes): number {
  if (!brick.settings.gfid2path) return 0;
  const key = (Xattr.GFID2PATH + brick.storage.xxh64(gfid2pathValue(parent, name))) as Bytes;
  const result = brick.storage.lremovexattr(path, key);
  return result === -Errno.ENODATA ? 0 : result;
}

/** Changes the number of a file's links in one parent (`trusted.pgfid.<parent>`, u32 BE; removed at 0). */
export function changePgfid(brick: Brick, at: Target, parent: Gfid, change: 1 | -1): number {
  if (!brick.settings.pgfid) return 0;
  const key = (Xattr.PGFID + gfidToString(parent)) as Bytes;
  const old = brick.getx(at, key);
  const count = (typeof old === 'number' || old.length !== 4 ? 0 : Buffer.from(old).readUInt32BE()) + change;
  if (count <= 0) {
    const result = brick.removex(at, key);
    return result === -Errno.ENODATA ? 0 : result;
  }
  const value = Buffer.alloc(4);
  value.writeUInt32BE(count);
  return brick.setx(at, key, value, 0);
}
