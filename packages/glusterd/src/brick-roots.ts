import type { Bytes, Storage } from '@glusterts/libglusterfs';
import { errnoMessage, Errno, gfidParse, gfidToBuffer } from '@glusterts/libglusterfs';
import { OpError } from './op-error.js';
import type { Brick, Volume } from './volume.js';
import { brickName } from './volume.js';

const VOLUME_ID = 'trusted.glusterfs.volume-id' as Bytes;
const GFID = 'trusted.gfid' as Bytes;
const TEST = 'trusted.glusterfs.test' as Bytes;
const XATTR_CREATE = 1;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

const reason = (result: number): string => errnoMessage(-result as Errno);
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';

/** The directories of bricks: what create checks and marks, and start checks again (spec/brick.md, §1.6; spec/glusterd.md, §11.1). */
export class BrickRoots {
  readonly #storage: Storage;
  readonly #workdir: string;

  constructor(storage: Storage, workdir: string) {
    this.#storage = storage;
    this.#workdir = workdir;
  }

  #device(path: string): bigint | undefined {
    return this.#storage.stat(path as Bytes, 0) < 0 ? undefined : this.#storage.cells.dev(0);
  }

  /**
   * Makes a new brick's directory and checks it. A directory that it made goes when a check fails.
   *
   * @returns a note for the user, or undefined
   * @throws OpError
   */
  prepare(brick: Brick, force: boolean): string | undefined {
    const path = brick.path as Bytes;
    const made = this.#storage.mkdir(path, 0o755);
    if (made < 0 && made !== -Errno.EEXIST) throw new OpError(`Failed to create brick directory for brick ${brickName(brick)}. Reason : ${reason(made)} `);
    try {
      return this.#check(brick, force);
    } catch (error) {
      if (made === 0) this.#storage.rmdir(path);
      throw error;
    }
  }

  #check(brick: Brick, force: boolean): string | undefined {
    const path = brick.path as Bytes;
    const name = brickName(brick);
    const status = this.#storage.stat(path, 0);
    if (status < 0) throw new OpError(`Failed to create brick directory for brick ${name}. Reason : ${reason(status)} `);
    if ((this.#storage.cells.mode(0) & S_IFMT) !== S_IFDIR) throw new OpError(`The provided path ${brick.path} which is already present, is not a directory`);
    if (brick.path === this.#workdir || brick.path.startsWith(`${this.#workdir}/`)) throw new OpError("Brick isn't allowed to be created inside glusterd's working directory.");
    if (!force) this.#checkPlace(brick.path, name);
    const tried = this.#storage.lsetxattr(path, TEST, Buffer.from('working\0'), 0);
    if (tried < 0) throw new OpError(`Glusterfs is not supported on brick: ${name}.\nSetting extended attributes failed, reason: ${reason(tried)}.`);
    this.#storage.lremovexattr(path, TEST);
    return this.#checkOwners(brick.path, force);
  }

  #checkPlace(path: string, name: string): void {
    const hint = "Or use 'force' at the end of the command if you want to override this behavior.";
    const device = this.#device(path);
    if (device !== this.#device(parentOf(path))) {
      throw new OpError(`The brick ${name} is a mount point. Please create a sub-directory under the mount point and use that as the brick directory. ${hint}`);
    }
    if (device === this.#device('/')) {
      throw new OpError(`The brick ${name} is being created in the root partition. It is recommended that you don't use the system's root partition for storage backend. ${hint}`);
    }
  }

  /** Neither the directory nor any above it may belong to a volume. */
  #checkOwners(path: string, force: boolean): string | undefined {
    const isOwned = (directory: string): boolean => [VOLUME_ID, GFID].some((key) => typeof this.#storage.lgetxattr(directory as Bytes, key) !== 'number');
    for (let directory = path; ; directory = parentOf(directory)) {
      if (isOwned(directory)) {
        const text = directory === path ? `${path} is already part of a volume` : `parent directory ${directory} is already part of a volume`;
        if (!force) throw new OpError(text);
        return text;
      }
      if (directory === '/') return undefined;
    }
  }

  /** Marks a brick as the volume's. */
  mark(brick: Brick, volumeId: string, force: boolean): void {
    const path = brick.path as Bytes;
    const set = this.#storage.lsetxattr(path, VOLUME_ID, this.#bytes(volumeId), force ? 0 : XATTR_CREATE);
    if (set < 0) throw new OpError(`Failed to set extended attributes trusted.glusterfs.volume-id on ${brick.path}. Reason: ${reason(set)}`);
    const made = this.#storage.mkdir(`${brick.path}/.glusterfs` as Bytes, 0o600);
    if (made < 0 && made !== -Errno.EEXIST) throw new OpError(`Failed to create directory ${brick.path}/.glusterfs. Reason : ${reason(made)}`);
  }

  #bytes(volumeId: string): Uint8Array {
    const id = gfidParse(volumeId);
    if (id === undefined) throw new OpError(`${volumeId} is no volume id`);
    return gfidToBuffer(id);
  }

  /** Device facts that the store keeps about a brick. */
  describe(brick: Brick): void {
    const device = this.#device(brick.path);
    let root = brick.path;
    while (root !== '/' && this.#device(parentOf(root)) === device) root = parentOf(root);
    brick.mountDir = root === '/' ? brick.path : brick.path.slice(root.length);
    brick.fsid = this.fsid(brick.path);
  }

  /** f_fsid as decimal text; `0` when the file system can't be asked. */
  fsid(path: string): string {
    try {
      return BigInt.asUintN(64, this.#storage.statvfs(path as Bytes).fsid).toString();
    } catch {
      return '0';
    }
  }

  /** The path without symlinks as far as it exists. */
  exists(path: string): boolean {
    return this.#device(path) !== undefined;
  }

  /**
   * What `volume start` wants of a brick; with force a missing mark is made.
   *
   * @returns false when, with force, the brick must be left out
   * @throws OpError
   */
  checkForStart(volume: Volume, brick: Brick, force: boolean): boolean {
    const path = brick.path as Bytes;
    const status = this.#storage.stat(path, 0);
    if (status < 0) {
      if (force) return false;
      throw new OpError(`Failed to find brick directory ${brick.path} for volume ${volume.name}. Reason : ${reason(status)}`);
    }
    const found = this.#storage.lgetxattr(path, VOLUME_ID);
    if (typeof found === 'number') {
      if (!force || found !== -Errno.ENODATA) throw new OpError(`Failed to get extended attribute trusted.glusterfs.volume-id for brick dir ${brick.path}. Reason : ${reason(found)}`);
      const set = this.#storage.lsetxattr(path, VOLUME_ID, this.#bytes(volume.id), XATTR_CREATE);
      if (set < 0) throw new OpError(`Failed to set extended attribute trusted.glusterfs.volume-id on ${brick.path}. Reason: ${reason(set)}`);
      return true;
    }
    const expected = Buffer.from(this.#bytes(volume.id));
    if (!expected.equals(found)) {
      throw new OpError(`Volume id mismatch for brick ${brickName(brick)}. Expected volume id ${volume.id}, volume id ${formatId(found)} found`);
    }
    return true;
  }
}

function formatId(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex').padEnd(32, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
