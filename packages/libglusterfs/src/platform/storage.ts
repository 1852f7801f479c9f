import type { Bytes } from '../bytes.js';
import { Errno } from '../errno.js';
import { FopError } from '../fop-error.js';

/** What a system call answers: its result, or −errno. Nothing is thrown: ENOENT is an answer. */
export type SysResult = number;

/** Where a stat puts its numbers: see {@link StatCells}. Slots are 0 to 7; a call may use any. */
export type StatSlot = number;

/**
 * The numbers of the last stat in each slot; overwritten by the next one, so read them before the next await.
 * Times are seconds and nanoseconds; blocks count 512 bytes.
 */
export interface StatCells {
  dev(slot: StatSlot): bigint;
  ino(slot: StatSlot): bigint;
  /** The same device and inode number in both slots. */
  sameInode(a: StatSlot, b: StatSlot): boolean;
  mode(slot: StatSlot): number;
  nlink(slot: StatSlot): number;
  uid(slot: StatSlot): number;
  gid(slot: StatSlot): number;
  rdevMajor(slot: StatSlot): number;
  rdevMinor(slot: StatSlot): number;
  size(slot: StatSlot): number;
  blksize(slot: StatSlot): number;
  blocks(slot: StatSlot): number;
  atime(slot: StatSlot): number;
  atimeNsec(slot: StatSlot): number;
  mtime(slot: StatSlot): number;
  mtimeNsec(slot: StatSlot): number;
  ctime(slot: StatSlot): number;
  ctimeNsec(slot: StatSlot): number;
}

/** struct statvfs, in its own units. */
export interface StorageStatvfs {
  bsize: number;
  frsize: number;
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
  favail: number;
  fsid: bigint;
  flag: number;
  namemax: number;
}

/** One entry as getdents64 tells it. */
export interface StorageDirent {
  ino: bigint;
  /** The cookie to seek to, to go on after this entry. */
  off: bigint;
  /** DT_REG …; 0: the file system doesn't say. */
  type: number;
  name: Bytes;
}

/** What {@link Storage.dirplist} shall tell. */
export interface StorageDirplist {
  /** The open directory, and its path. */
  readonly fd: number;
  readonly directory: Bytes;
  /** Xattrs in the order of the answers, each ended by a NUL; `glusterfs.content` among them asks for contents of at most `contentMax` bytes (−1: none). */
  readonly wanted: string;
  readonly contentMax: number;
  /** Of {@link DirplistFlag}. */
  readonly flags: number;
  /** Where the stat of `.glusterfs` lies. */
  readonly hidden: StatSlot;
  /** What the entries may cost: 209 bytes and the name for each. */
  readonly budget: number;
  /** How many files may be left open whose content isn't in memory: 0 leaves none, and no call leaves more than 128. */
  readonly coldMax: number;
}

/** Numbered as enum gts_dirplist_flag in native/src/dirplist.h. */
export const DirplistFlag = { ROOT: 1, SKIP_DIRECTORIES: 2, MDATA: 4, DICT: 8, CACHED: 32 } as const;

/** Numbered as enum gts_load_result in native/src/metadata_load.h. */
export const LoadResult = {
  /** The disk was asked. */
  WAITED: 1,
  /** The last of the names isn't there. */
  MISSING: 2,
} as const;

/** What {@link Storage.dirplist} has told. */
export interface StorageDirplisted {
  /** The entries as gfx_dirplist, each after a 1 (spec/rpc-wire.md, §5.4). */
  readonly bytes: Buffer;
  readonly count: number;
  readonly cost: number;
  /** Bytes of the records that are done, and the cookie of the last of them. */
  readonly consumed: number;
  readonly after: bigint;
  /** The budget is used up. */
  readonly full: boolean;
  /** Open files whose content wasn't in memory, and is on its way there. They are {@link Storage.settle}'s to close. */
  readonly cold: Int32Array;
  /** What is in them. */
  readonly coldBytes: number;
  /** The next entry's attributes aren't in memory. */
  readonly missing: boolean;
}

/** Linux's open flags, for those who open files of a brick. */
export const OpenFlag = {
  RDONLY: 0, WRONLY: 1, RDWR: 2, ACCMODE: 3, CREAT: 0o100, EXCL: 0o200, NOCTTY: 0o400, TRUNC: 0o1000, APPEND: 0o2000, NONBLOCK: 0o4000,
  DSYNC: 0o10000, DIRECT: 0o40000, LARGEFILE: 0o100000, DIRECTORY: 0o200000, NOFOLLOW: 0o400000, NOATIME: 0o1000000, SYNC: 0o4010000, PATH: 0o10000000,
} as const;
/** Modes of fallocate. */
export const FallocateMode = { KEEP_SIZE: 1, PUNCH_HOLE: 2, ZERO_RANGE: 0x10 } as const;
/** Whence of lseek. */
export const SeekWhence = { SET: 0, CUR: 1, END: 2, DATA: 3, HOLE: 4 } as const;
/** Operations of flock. */
export const FlockOp = { SH: 1, EX: 2, NB: 4, UN: 8 } as const;
/** Nanoseconds that stand for "now" and "leave as it is" in utimens. */
export const UTIME_NOW = 0x3fffffff;
export const UTIME_OMIT = 0x3ffffffe;

/**
 * Jobs of one lane run one after the other, in the order in which they were given to the pool: changes of one file, which would only wait
 * for its lock, and take threads meanwhile.
 */
export class StorageLane {
  /** struct gts_lane (native/src/syscalls_pool.h). */
  readonly memory = new Uint8Array(new ArrayBuffer(64));
  readonly #words = new Int32Array(this.memory.buffer);

  /** The errno of a {@link LaneJob}'s store that has failed since the last call; 0: none. */
  takeError(): number {
    const error = this.#words[0] ?? 0;
    if (error !== 0) this.#words[0] = 0;
    return error;
  }
}

/** Where a job runs, and an xattr that its thread stores on the fd once the job has succeeded. */
export interface LaneJob {
  readonly lane: StorageLane;
  /** The value is copied at once. */
  readonly store: { readonly name: Bytes; readonly value: Uint8Array } | undefined;
}

/** What is on the storage pool now. */
export interface StorageJobs {
  /** Jobs given to the pool and not yet answered. */
  readonly inFlight: number;
  /** Hears each time that jobs have been answered, before what waited for them goes on. */
  onDone(listener: () => void): void;
}

/**
 * The local disk: Linux system calls on names that are bytes. Calls that return a {@link SysResult} run at once, on the
 * caller's thread; those that return a promise run on a thread of the storage pool (docs/architecture.md, "Brick I/O"), and
 * are answered with −EAGAIN when it has no room.
 */
export interface Storage {
  /** False on portable TypeScript, where every call throws ENOTSUP. */
  readonly available: boolean;
  readonly cells: StatCells;
  readonly jobs: StorageJobs;
  /** A call made at once, or a write on the pool, took longer than 20 ms in the last 10 s: what can go to the pool should. */
  readonly slow: boolean;

  /**
   * Makes a change soon: before the loop waits again, and in the order in which they were given, with nothing else of JavaScript under way. Should one of its calls
   * not come back, another thread goes on with the loop, and so with everything but other changes in turn (docs/architecture.md, "Slow disks"). It may not throw.
   */
  inTurn(change: () => void): void;
  /**
   * The same for what changes nothing. It goes before changes that wait, and nothing waits for it: others are made while it hangs, until too many do.
   * @param job it may put a job into the pool, and counts as one until its turn has come
   */
  lookInTurn(look: () => void, job?: boolean): void;
  /** How many turns hang: this runs on a thread that stands in. They end in the contrary order. */
  readonly standsIn: number;

  /** An fd. O_CLOEXEC is always set. */
  open(path: Bytes, flags: number, mode: number): SysResult;
  openat(dirfd: number, name: Bytes, flags: number, mode: number): SysResult;
  close(fd: number): SysResult;
  stat(path: Bytes, slot: StatSlot): SysResult;
  lstat(path: Bytes, slot: StatSlot): SysResult;
  /** As lstat, but −EAGAIN when the kernel would have to ask the disk. Without openat2 (Linux 5.12) nobody can tell, and it waits. */
  lstatCached(path: Bytes, slot: StatSlot): SysResult;
  /** Blocks that the disk has read because of calls made at once; only grows. */
  blocksRead(): number;
  lstatat(dirfd: number, name: Bytes, slot: StatSlot): SysResult;
  fstat(fd: number, slot: StatSlot): SysResult;
  /** Throws a FopError. */
  statvfs(path: Bytes): StorageStatvfs;
  /** 1 when the path lies on a file system that is nowhere but in memory, so that reading never waits for a disk; 0 when not. */
  inMemory(path: Bytes): SysResult;
  mkdir(path: Bytes, mode: number): SysResult;
  mknod(path: Bytes, mode: number, major: number, minor: number): SysResult;
  /** A hard link; to a symlink itself, if `from` is one. */
  link(from: Bytes, to: Bytes): SysResult;
  symlink(target: Bytes, path: Bytes): SysResult;
  /** The target, or −errno. */
  readlink(path: Bytes): Bytes | SysResult;
  rename(from: Bytes, to: Bytes): SysResult;
  unlink(path: Bytes): SysResult;
  rmdir(path: Bytes): SysResult;
  truncate(path: Bytes, length: number): SysResult;
  chmod(path: Bytes, mode: number): SysResult;
  fchmod(fd: number, mode: number): SysResult;
  /** −1 leaves an id as it is. */
  lchown(path: Bytes, uid: number, gid: number): SysResult;
  fchown(fd: number, uid: number, gid: number): SysResult;
  /** Seconds and nanoseconds; a link's own times. */
  utimens(path: Bytes, atime: number, atimeNsec: number, mtime: number, mtimeNsec: number): SysResult;
  futimens(fd: number, atime: number, atimeNsec: number, mtime: number, mtimeNsec: number): SysResult;
  /** A fresh copy of the value, or −errno. */
  lgetxattr(path: Bytes, name: Bytes): Uint8Array | SysResult;
  fgetxattr(fd: number, name: Bytes): Uint8Array | SysResult;
  llistxattr(path: Bytes): Bytes[] | SysResult;
  flistxattr(fd: number): Bytes[] | SysResult;
  /** @param flags XATTR_CREATE 1, XATTR_REPLACE 2 */
  lsetxattr(path: Bytes, name: Bytes, value: Uint8Array, flags: number): SysResult;
  fsetxattr(fd: number, name: Bytes, value: Uint8Array, flags: number): SysResult;
  lremovexattr(path: Bytes, name: Bytes): SysResult;
  fremovexattr(fd: number, name: Bytes): SysResult;
  /** The next entries of an open directory, `.` and `..` included; empty at the end; or −errno. */
  getdents(fd: number): StorageDirent[] | SysResult;
  /** The same as the kernel's records (linux_dirent64), fresh. */
  rawDents(fd: number): Buffer | SysResult;
  /** Some of the entries of these records with their attributes: at least one, unless the budget is too small for it, and not so many that it takes long. Or −errno. */
  dirplist(listing: StorageDirplist, records: Uint8Array): StorageDirplisted | SysResult;
  /** Moves an open directory to a cookie of {@link StorageDirent.off}; 0n: the start. */
  seekdir(fd: number, cookie: bigint): SysResult;
  lseek(fd: number, offset: number, whence: number): SysResult;
  flock(fd: number, operation: number): SysResult;
  setrlimit(resource: number, soft: number, hard: number): SysResult;
  /** The previous mask. */
  umask(mask: number): SysResult;
  mount(source: Bytes, target: Bytes, type: Bytes, flags: number, data: Bytes): SysResult;
  umount2(target: Bytes, flags: number): SysResult;
  /** Bytes read, fewer only at the end of the file. @param nowait answers −EAGAIN when the data aren't all in memory */
  preadv(fd: number, chunks: readonly Uint8Array[], offset: number, nowait: boolean): SysResult;
  /** Bytes written; fewer when the disk became full. At most 1024 chunks. */
  pwritev(fd: number, chunks: readonly Uint8Array[], offset: number): SysResult;
  /** XXH64 with seed 0, as 16 lower-case hex digits, most significant byte first. */
  xxh64(bytes: Bytes): Bytes;

  /** Waits until small files that are being read from the disk are in memory, but no longer than that many milliseconds, and closes them. */
  settle(files: Int32Array, mostMs: number): Promise<SysResult>;
  /** Sets the mtime of an open file or directory to now: as small a change as any, to see whether changes come back. */
  probe(fd: number): Promise<SysResult>;
  /**
   * Reads into memory what a lookup of these names will need: names, inodes, xattrs, a link's target and, unless `hidden` is empty, the handle below it.
   * @param dirfd the directory that they lie in; undefined: they are absolute paths
   * @returns bits of {@link LoadResult}
   */
  loadNames(dirfd: number | undefined, names: readonly Bytes[], hidden: Bytes): Promise<SysResult>;
  /** Reads into memory the entries that the next {@link rawDents} or {@link getdents} will tell. */
  loadDents(fd: number): Promise<SysResult>;
  /** Closes where it may take long: the last close of a large file without a name frees all its blocks. */
  closeAsync(fd: number): Promise<SysResult>;
  preadvAsync(fd: number, chunks: readonly Uint8Array[], offset: number): Promise<SysResult>;
  pwritevAsync(fd: number, chunks: readonly Uint8Array[], offset: number, lane?: LaneJob): Promise<SysResult>;
  fsync(fd: number): Promise<SysResult>;
  fdatasync(fd: number): Promise<SysResult>;
  syncfs(fd: number): Promise<SysResult>;
  /** @param mode bits of {@link FallocateMode} */
  fallocate(fd: number, mode: number, offset: number, length: number, lane?: LaneJob): Promise<SysResult>;
  ftruncate(fd: number, length: number, lane?: LaneJob): Promise<SysResult>;
  /** Bytes copied. */
  copyFileRange(fdIn: number, offsetIn: number, fdOut: number, offsetOut: number, length: number): Promise<SysResult>;
}

/** What portable TypeScript has for a storage: every call throws ENOTSUP and says what to install. */
export function missingStorage(): Storage {
  const refuse = (): never => {
    throw new FopError(Errno.EOPNOTSUPP, undefined, 'the local disk needs the native addon: install cmake, g++ and make, then run `npm run build:native`');
  };
  const handler: ProxyHandler<Storage> = { get: (_target, key) => (key === 'available' ? false : refuse) };
  return new Proxy({} as Storage, handler);
}
