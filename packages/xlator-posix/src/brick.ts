import {
  type Bytes, type CtxSlot, type Dict, Errno, type Fd, FopError, type Frame, type Gfid, type Iatt, IaType, type Inode, type Loc, type Logger, type Mdata, NULL_GFID,
  OpenFlag, type Platform, ROOT_GFID, type StatSlot, type Storage, type Xdata, applyMdata, backendIatt, decodeMdataXattr, gfidRead, gfidToString,
} from '@glusterts/libglusterfs';
import { DiskGate } from './disk-gate.js';
import { HashDirectories } from './hash-directories.js';
import { KernelCache } from './kernel-cache.js';
import { handleName, parseDirectoryHandle } from './handle-path.js';
import { Key, Xattr } from './keys.js';
import { advancedMdata, encodeMdata, mdataOfFrame } from './mdata.js';
import type { PoolWrites } from './pool-writes.js';
import type { Settings } from './settings.js';
import { Turns } from './turns.js';
import type { ColdContent } from './xdata-reply.js';

/** What a system call is pointed at: a path, or an fd. */
export type Target = Bytes | number;

/** An open file or directory of the brick. */
export interface OpenFile {
  readonly fd: number;
  readonly gfid: Gfid;
  readonly flags: number;
  /** The same file without O_DIRECT, once that was needed. */
  buffered?: number;
  /** Directories: entries read ahead, and the cookie at which they begin. */
  ahead?: { after: bigint; entries: import('@glusterts/libglusterfs').StorageDirent[]; index: number };
  /** The same for readdirp: records of the kernel, and where among their bytes. */
  records?: { after: bigint; bytes: Uint8Array; at: number };
}

/** What the brick knows of a file while it is open. */
export interface FileState {
  opens: number;
  /** Its data lie in `.glusterfs/unlink` since the last name is gone. */
  unlinked: boolean;
  /** The end of the queue of writes that must not overlap (glusterfs.write-is-append, …-update-atomic). */
  writes: Promise<unknown> | undefined;
  /** What the pool changes in it; undefined until it first does. */
  pool: PoolWrites | undefined;
}

/** Stat slots: fops use 0 to 5, statvfs 7. */
const HIDDEN_SLOT: StatSlot = 6;
const S_IFMT = 0o170000;
const S_IFLNK = 0o120000;
const PATH_SAFE = 3800;
const DEPTH_MAX = 2000;
const DIR_PATHS_MAX = 65536;

/** Throws the errno of a failed system call; else its result. */
export function check(result: number): number {
  if (result < 0) throw new FopError(-result);
  return result;
}

/** What a fop that has a change to make in its middle is rejected with; it begins again in its turn. */
export class NotInTurn extends Error {}

/** A brick's disk: paths, attributes, times and open files. All its methods run to their end without waiting. */
export class Brick {
  readonly storage: Storage;
  readonly platform: Platform;
  readonly root: Bytes;
  readonly hidden: Bytes;
  readonly log: Logger;
  readonly mdataSlot: CtxSlot<Mdata>;
  readonly fdSlot: CtxSlot<OpenFile>;
  readonly files = new Map<Gfid, FileState>();
  readonly hashDirectories: HashDirectories;
  /** Whoever changes something asks it first. */
  readonly gate: DiskGate;
  /** Whoever changes something at once, or looks at something, does so in its turn. */
  readonly turns: Turns;
  /** Whoever looks at names and attributes asks it first. */
  readonly cache: KernelCache;
  readonly #hiddenFd: number;
  /** The brick lies on a file system without a disk: no read of it waits. All its files are on the one, being linked to their handles. */
  readonly inMemory: boolean;
  settings: Settings;
  hostname = 'localhost' as Bytes;
  glusterdUuid = '' as Bytes;
  /** The reserved space is used up (spec/brick.md, §9). */
  full = false;
  /** Where a lookup collects content that it must wait for; undefined outside of one, for whom such content is left out. */
  coldContents: ColdContent[] | undefined;
  /** Since the start; for statedumps, which call them max_read and max_write. */
  bytesRead = 0;
  bytesWritten = 0;
  /** Changes of files that the pool makes now, all files together. */
  poolWrites = 0;
  readonly #dirPaths = new Map<Gfid, Bytes>();

  constructor(init: { platform: Platform; root: Bytes; log: Logger; mdataSlot: CtxSlot<Mdata>; fdSlot: CtxSlot<OpenFile>; settings: Settings }) {
    this.platform = init.platform;
    this.storage = init.platform.storage;
    this.root = init.root;
    this.hidden = `${init.root}/.glusterfs` as Bytes;
    this.log = init.log;
    this.mdataSlot = init.mdataSlot;
    this.fdSlot = init.fdSlot;
    this.settings = init.settings;
    this.hashDirectories = new HashDirectories(this.storage, this.hidden);
    this.inMemory = this.storage.inMemory(this.hidden) === 1;
    this.#hiddenFd = check(this.storage.open(this.hidden, OpenFlag.RDONLY | OpenFlag.DIRECTORY, 0));
    this.gate = new DiskGate({ platform: this.platform, log: this.log, fd: this.#hiddenFd, always: this.inMemory });
    this.turns = new Turns(this.storage, this.inMemory);
    this.cache = new KernelCache({ platform: this.platform, hidden: this.hidden, never: this.inMemory });
  }

  /** Remembers which inode `.glusterfs` is: stats that land on it answer ENOENT. */
  rememberHidden(): void {
    check(this.storage.lstat(this.hidden, HIDDEN_SLOT));
  }

  /** Gives back what the brick itself has open; once. */
  close(): void {
    this.gate.close();
    this.turns.close();
    this.cache.close();
    // On the pool, where it comes after the probes.
    void this.storage.closeAsync(this.#hiddenFd);
  }

  // ---- paths (spec/brick.md, §3.2)

  handlePath(gfid: Gfid): Bytes {
    return `${this.hidden}/${handleName(gfid)}` as Bytes;
  }

  unlinkPath(gfid: Gfid): Bytes {
    return `${this.hidden}/unlink/${gfidToString(gfid)}` as Bytes;
  }

  /** A directory's path from the root, by its handles; −errno when it has none. Cached until a directory moves or goes. */
  dirPath(gfid: Gfid, depth = 0): Bytes | number {
    if (gfid === ROOT_GFID) return this.root;
    const cached = this.#dirPaths.get(gfid);
    if (cached !== undefined) return cached;
    if (depth > DEPTH_MAX) return -Errno.ELOOP;
    const handle = this.handlePath(gfid);
    this.cache.demand(handle);
    const target = this.storage.readlink(handle);
    if (typeof target === 'number') return target === -Errno.EINVAL ? -Errno.ENOTDIR : target;
    const where = parseDirectoryHandle(target);
    if (!where) return -Errno.ENOTDIR;
    const parent = this.dirPath(where.parent, depth + 1);
    if (typeof parent === 'number') return parent;
    const path = `${parent}/${where.name}` as Bytes;
    // A path that is too long goes through the handles' own links, which the kernel follows.
    if (path.length > PATH_SAFE) return `${this.hidden}/${target.slice(6)}` as Bytes;
    this.#keepPath(gfid, path);
    return path;
  }

  #keepPath(gfid: Gfid, path: Bytes): void {
    if (this.#dirPaths.size >= DIR_PATHS_MAX) this.#dirPaths.clear();
    this.#dirPaths.set(gfid, path);
  }

  /** A directory was made, and has its handle. */
  directoryMade(gfid: Gfid, path: Bytes): void {
    if (path.length <= PATH_SAFE) this.#keepPath(gfid, path);
    this.cache.directoryMade(path);
  }

  /** An empty directory was removed: no path leads through it. */
  directoryRemoved(gfid: Gfid): void {
    this.#dirPaths.delete(gfid);
  }

  /** A directory was renamed or removed with what is in it: known paths may be wrong. */
  directoriesMoved(): void {
    this.#dirPaths.clear();
  }

  /** The path of a named location. Throws ESTALE when the parent is unknown, EINVAL for a bad name. */
  entryPath(loc: Loc): Bytes {
    const name = loc.name;
    if (name === '' || name.includes('/')) throw new FopError(Errno.EINVAL);
    return `${this.parentPath(loc)}/${name}` as Bytes;
  }

  parentPath(loc: Loc): Bytes {
    const dir = this.dirPath(loc.parentGfid);
    if (typeof dir === 'number') throw new FopError(Errno.ESTALE);
    return dir;
  }

  /**
   * The path of an inode: of a directory from the root, of everything else its handle. The entry's own path when the
   * inode's gfid isn't known. Throws ESTALE.
   */
  inodePath(loc: Loc): Bytes {
    const gfid = loc.targetGfid;
    if (gfid === NULL_GFID) return this.entryPath(loc);
    return this.gfidPath(gfid, loc.inode.ia_type);
  }

  gfidPath(gfid: Gfid, type: IaType): Bytes {
    if (gfid === ROOT_GFID) return this.root;
    const handle = this.handlePath(gfid);
    if (type !== IaType.DIR) {
      if (type !== IaType.INVAL) return handle;
      if (this.cache.lstat(handle, 5, gfid) < 0 || !this.#isDirectoryHandle(5)) return handle;
    }
    const path = this.dirPath(gfid);
    if (typeof path === 'number') throw new FopError(path === -Errno.ENOENT ? Errno.ENOENT : Errno.ESTALE);
    return path;
  }

  /** A handle that is a symlink with one name leads to a directory; a symlink of the volume has two names at least. */
  #isDirectoryHandle(slot: StatSlot): boolean {
    const { cells } = this.storage;
    return (cells.mode(slot) & S_IFMT) === S_IFLNK && cells.nlink(slot) === 1;
  }

  // ---- attributes (spec/brick.md, §3.1)

  /** The iatt of what lies in a stat slot; times from the backend. */
  iatt(slot: StatSlot, gfid: Gfid): Iatt {
    return backendIatt(this.storage.cells, slot, gfid);
  }

  isHidden(slot: StatSlot): boolean {
    return this.storage.cells.sameInode(slot, HIDDEN_SLOT);
  }

  getx(at: Target, name: Bytes): Uint8Array | number {
    return typeof at === 'number' ? this.storage.fgetxattr(at, name) : this.storage.lgetxattr(at, name);
  }

  setx(at: Target, name: Bytes, value: Uint8Array, flags: number): number {
    return typeof at === 'number' ? this.storage.fsetxattr(at, name, value, flags) : this.storage.lsetxattr(at, name, value, flags);
  }

  removex(at: Target, name: Bytes): number {
    return typeof at === 'number' ? this.storage.fremovexattr(at, name) : this.storage.lremovexattr(at, name);
  }

  listx(at: Target): Bytes[] | number {
    return typeof at === 'number' ? this.storage.flistxattr(at) : this.storage.llistxattr(at);
  }

  /** The gfid on disk; null when there is none. */
  diskGfid(at: Target): Gfid {
    const value = this.getx(at, Xattr.GFID);
    return typeof value === 'number' || value.length !== 16 ? NULL_GFID : gfidRead(value);
  }

  /** The iatt of a target whose gfid is known, with the volume's times. Throws the stat's errno. */
  stat(at: Target, gfid: Gfid, inode: Inode | undefined): Iatt {
    check(typeof at === 'number' ? this.storage.fstat(at, 0) : this.cache.lstat(at, 0, gfid));
    if (this.isHidden(0)) throw new FopError(Errno.ENOENT);
    return this.withTimes(this.iatt(0, gfid), at, inode);
  }

  /** The iatt of an entry by path; its gfid is read from the disk. */
  statEntry(path: Bytes, inode?: Inode): Iatt {
    return this.withTimes(this.statBackend(path), path, inode);
  }

  /** As `statEntry`, for those who don't need the volume's times. */
  statBackend(path: Bytes): Iatt {
    check(this.cache.lstat(path, 0));
    if (this.isHidden(0)) throw new FopError(Errno.ENOENT);
    return this.iatt(0, this.diskGfid(path));
  }

  /** The iatt of an object that this fop has made, and its first times; it has none yet. */
  statMade(frame: Frame, at: Target, gfid: Gfid, inode: Inode): Iatt {
    check(typeof at === 'number' ? this.storage.fstat(at, 0) : this.storage.lstat(at, 0));
    const iatt = this.iatt(0, gfid);
    if ((frame.flags & 7) === 0 || !this.settings.ctime) return iatt;
    // The table learns of the inode when the reply has gone up. Should it know the gfid by then, this inode is dropped.
    const owner = inode.gfid === NULL_GFID && gfid !== NULL_GFID && !inode.table.find(gfid) ? inode : this.#owner(gfid, inode);
    this.#record(at, gfid, owner, mdataOfFrame(frame), iatt);
    return iatt;
  }

  /** The iatt of the parent of a location, whose path is `dir`. */
  statParent(dir: Bytes, loc: Loc): Iatt {
    return this.stat(dir, loc.parentGfid, loc.parent);
  }

  // ---- times (spec/brick.md, §3.4)

  /** Replaces the backend's times by the volume's, if the object has them. */
  withTimes(iatt: Iatt, at: Target, inode: Inode | undefined): Iatt {
    if (!this.settings.ctime) return iatt;
    const times = this.times(at, iatt.ia_gfid, inode);
    if (times) applyMdata(iatt, times);
    return iatt;
  }

  /** The object's mdata, from its inode or from the disk; undefined when it has none. */
  times(at: Target, gfid: Gfid, inode: Inode | undefined): Mdata | undefined {
    const owner = this.#owner(gfid, inode);
    const cached = owner && this.mdataSlot.get(owner);
    if (cached) return cached;
    const value = this.getx(at, Xattr.MDATA);
    // Should that have hung, others may have set them.
    const reached = owner && this.mdataSlot.get(owner);
    if (reached) return reached;
    const times = typeof value === 'number' ? undefined : decodeMdataXattr(value);
    if (times && owner) this.mdataSlot.set(owner, times);
    return times;
  }

  /** Where the stat of `.glusterfs` lies. */
  get hiddenSlot(): StatSlot {
    return HIDDEN_SLOT;
  }

  /** The inode of the table: times are cached on that one only, since two copies would part ways. */
  #owner(gfid: Gfid, inode: Inode | undefined): Inode | undefined {
    if (!inode || gfid === NULL_GFID) return undefined;
    return inode.gfid === gfid ? inode : inode.table.find(gfid);
  }

  storeTimes(at: Target, gfid: Gfid, inode: Inode | undefined, times: Mdata): number {
    return this.#store(at, this.#owner(gfid, inode), times);
  }

  #store(at: Target, owner: Inode | undefined, times: Mdata): number {
    if (this.poolWrites > 0 && owner) this.#stale(owner.gfid);
    const result = this.setx(at, Xattr.MDATA, encodeMdata(times), 0);
    if (result === 0 && owner) this.mdataSlot.set(owner, times);
    return result;
  }

  /** The object's time step after a fop that succeeded; also into `iatt`. */
  touch(frame: Frame, at: Target, iatt: Iatt | undefined, gfid: Gfid, inode: Inode | undefined): void {
    this.#touch(frame, frame.flags & 7, at, iatt, gfid, inode);
  }

  /** The parent's time step. */
  touchParent(frame: Frame, dir: Bytes, iatt: Iatt, loc: Loc): void {
    this.#touch(frame, (frame.flags >> 3) & 7, dir, iatt, loc.parentGfid, loc.parent);
  }

  #touch(frame: Frame, bits: number, at: Target, iatt: Iatt | undefined, gfid: Gfid, inode: Inode | undefined): void {
    if (bits === 0 || !this.settings.ctime) return;
    const known = this.times(at, gfid, inode);
    const times = known ? advancedMdata(known, bits, frame) : mdataOfFrame(frame);
    if (times !== known) this.#record(at, gfid, this.#owner(gfid, inode), times, iatt);
    else if (iatt) applyMdata(iatt, times);
  }

  #record(at: Target, gfid: Gfid, owner: Inode | undefined, times: Mdata, iatt: Iatt | undefined): void {
    const result = this.#store(at, owner, times);
    if (result < 0) this.warnOfTimes(gfid, -result);
    else if (iatt) applyMdata(iatt, times);
  }

  warnOfTimes(gfid: Gfid, errno: number): void {
    this.log.warning(113130, 'gfid: setting mdata failed', { gfid: gfidToString(gfid), errno });
  }

  // ---- times that the pool stores (pool-writes.ts)

  /** Whether the pool changes this file now. */
  changesOnPool(gfid: Gfid): boolean {
    return this.poolWrites > 0 && (this.files.get(gfid)?.pool?.count ?? 0) > 0;
  }

  /** A change under way may store older times after these. */
  #stale(gfid: Gfid): void {
    const pool = this.files.get(gfid)?.pool;
    if (pool && pool.count > 0) pool.stale = true;
  }

  /** The times that a file will have after a fop; undefined when it leaves them as they are. */
  timesAhead(frame: Frame, file: OpenFile, inode: Inode): Mdata | undefined {
    const bits = frame.flags & 7;
    if (bits === 0 || !this.settings.ctime) return undefined;
    const known = this.times(file.fd, file.gfid, inode);
    const times = known ? advancedMdata(known, bits, frame) : mdataOfFrame(frame);
    return times === known ? undefined : times;
  }

  /** The fop is done, and has stored the times `ahead`: what the inode's times are now. */
  timesReached(frame: Frame, file: OpenFile, inode: Inode, ahead: Mdata): Mdata {
    const owner = this.#owner(file.gfid, inode);
    const known = owner && this.mdataSlot.get(owner);
    const times = known ? advancedMdata(known, frame.flags & 7, frame) : ahead;
    if (owner && times !== known) this.mdataSlot.set(owner, times);
    return times;
  }

  /** Stores an inode's times as they are. */
  storeTimesAgain(file: OpenFile, inode: Inode): void {
    const times = this.times(file.fd, file.gfid, inode);
    const result = times ? this.#store(file.fd, this.#owner(file.gfid, inode), times) : 0;
    if (result < 0) this.warnOfTimes(file.gfid, -result);
  }

  // ---- open files

  fileState(gfid: Gfid): FileState {
    let state = this.files.get(gfid);
    if (!state) this.files.set(gfid, (state = { opens: 0, unlinked: false, writes: undefined, pool: undefined }));
    return state;
  }

  /** Counts an open and remembers the backend's fd in the Fd. */
  opened(fd: Fd, file: OpenFile): void {
    this.fileState(file.gfid).opens++;
    this.fdSlot.set(fd, file);
  }

  openCount(gfid: Gfid): number {
    return this.files.get(gfid)?.opens ?? 0;
  }

  /** The last reference of an Fd is gone. */
  released(fd: Fd): void {
    const file = this.fdSlot.get(fd);
    if (!file) return;
    this.fdSlot.delete(fd);
    if (this.files.get(file.gfid)?.unlinked) void this.storage.closeAsync(file.fd);
    // The last one who may write gives back what was set aside for him, which may take the disk.
    else if (this.inMemory || (file.flags & OpenFlag.ACCMODE) === OpenFlag.RDONLY) this.storage.close(file.fd);
    else this.storage.inTurn(() => void this.storage.close(file.fd));
    if (file.buffered !== undefined) this.storage.close(file.buffered);
    const state = this.files.get(file.gfid);
    if (!state || --state.opens > 0) return;
    this.files.delete(file.gfid);
    if (state.unlinked) this.#changeLater(() => void this.storage.unlink(this.unlinkPath(file.gfid)));
  }

  /** Makes a change that nobody waits for, now or later. */
  #changeLater(change: () => void): void {
    const wait = this.gate.pass();
    const run = (): void => void this.turns.run(change, undefined).catch(() => undefined);
    if (wait) wait.then(run, () => undefined);
    else run();
  }

  /** For a change in the middle of a fop that makes none as a rule. Throws {@link NotInTurn}. */
  demandTurn(): void {
    if (!this.turns.running) throw new NotInTurn();
  }

  /** Before an open for writing: of a name that it has in memory the kernel doesn't wait for a frozen file system. */
  warm(path: Bytes): void {
    if (!this.gate.lively) this.storage.lstat(path, 5);
  }

  /** The backend's fd of an Fd; an anonymous one is opened now. Throws EBADF. */
  openFile(fd: Fd): OpenFile {
    return this.fdSlot.get(fd) ?? this.#openAnonymous(fd);
  }

  #openAnonymous(fd: Fd): OpenFile {
    const { gfid, ia_type } = fd.inode;
    if (!fd.anonymous) throw new FopError(Errno.EBADF);
    const directory = ia_type === IaType.DIR;
    const flags = directory ? 0o200000 : 2 | (fd.flags & ~3);
    let path = this.gfidPath(gfid, ia_type);
    this.cache.demand(path, gfid);
    this.warm(path);
    let result = this.storage.open(path, flags | 0o400000, 0);
    if (result === -Errno.ENOENT && !directory) {
      path = this.unlinkPath(gfid);
      result = this.storage.open(path, flags | 0o400000, 0);
    }
    if (result === -Errno.EROFS || result === -Errno.EACCES || result === -Errno.ETXTBSY) result = this.storage.open(path, (flags & ~3) | 0o400000, 0);
    const file = { fd: check(result), gfid, flags };
    // The same while that hung.
    const other = this.fdSlot.get(fd);
    if (other) this.storage.close(file.fd);
    else this.opened(fd, file);
    return other ?? file;
  }

  /** In a look: of an open file the inode is in memory, but its xattrs may not be. */
  demandXattrs(file: OpenFile): void {
    if (this.cache.wary) this.cache.demand(this.handlePath(file.gfid), file.gfid);
  }

  /** Whether an xattr of an open file, set at once, might wait for the disk, or for who does. */
  mayWaitForXattrs({ gfid }: OpenFile): boolean {
    const { cache } = this;
    return cache.isLoading(gfid) || (cache.wasWary && cache.wary && !cache.knows(this.handlePath(gfid)));
  }

  /** The file's iatt through its open fd. */
  statFd(file: OpenFile, inode: Inode): Iatt {
    return this.stat(file.fd, file.gfid, inode);
  }

  // ---- space (spec/brick.md, §9)

  /** Throws ENOSPC when the reserve is used up, but for GlusterFS's own clients. */
  checkSpace(frame: Frame, xdata: Xdata): void {
    if (this.full && frame.pid >= 0 && !xdata?.has(Key.INTERNAL_FOP)) throw new FopError(Errno.ENOSPC);
  }

  /** The gfid that a creation asks for. Throws EINVAL when there is none. */
  requestedGfid(xdata: Xdata): Gfid | undefined {
    const gfid = xdata?.getGfid(Key.GFID_REQ);
    return gfid === undefined || gfid === NULL_GFID ? undefined : gfid;
  }

  /** A flag in xdata: a number that isn't 0. */
  asked(xdata: Dict | undefined, name: Bytes): boolean {
    if (!xdata?.has(name)) return false;
    const value = xdata.getInt(name);
    return value !== undefined ? value !== 0n : (xdata.getBool(name) ?? false);
  }
}
