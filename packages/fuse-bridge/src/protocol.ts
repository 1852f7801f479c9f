/**
 * Numbers of the kernel's FUSE protocol (linux/fuse.h), as far as mount/fuse speaks it (spec/client.md, §6).
 */
export const Opcode = {
  LOOKUP: 1, FORGET: 2, GETATTR: 3, SETATTR: 4, READLINK: 5, SYMLINK: 6, MKNOD: 8, MKDIR: 9, UNLINK: 10, RMDIR: 11, RENAME: 12,
  LINK: 13, OPEN: 14, READ: 15, WRITE: 16, STATFS: 17, RELEASE: 18, FSYNC: 20, SETXATTR: 21, GETXATTR: 22, LISTXATTR: 23,
  REMOVEXATTR: 24, FLUSH: 25, INIT: 26, OPENDIR: 27, READDIR: 28, RELEASEDIR: 29, FSYNCDIR: 30, GETLK: 31, SETLK: 32,
  SETLKW: 33, ACCESS: 34, CREATE: 35, INTERRUPT: 36, DESTROY: 38, BATCH_FORGET: 42, FALLOCATE: 43, READDIRPLUS: 44, LSEEK: 46,
} as const;

/** Flags of INIT. */
export const InitFlag = {
  ASYNC_READ: 0x1, POSIX_LOCKS: 0x2, BIG_WRITES: 0x20, DONT_MASK: 0x40, FLOCK_LOCKS: 0x400, AUTO_INVAL_DATA: 0x1000,
  DO_READDIRPLUS: 0x2000, ASYNC_DIO: 0x8000, WRITEBACK_CACHE: 0x10000, PARALLEL_DIROPS: 0x40000, MAX_PAGES: 0x400000, HANDLE_KILLPRIV_V2: 0x10000000,
} as const;

/** Which fields of a SETATTR count. */
export const Fattr = {
  MODE: 0x1, UID: 0x2, GID: 0x4, SIZE: 0x8, ATIME: 0x10, MTIME: 0x20, FH: 0x40, ATIME_NOW: 0x80, MTIME_NOW: 0x100, LOCKOWNER: 0x200, CTIME: 0x400, KILL_SUIDGID: 0x800,
} as const;

/** open_flags of OPEN's, OPENDIR's and CREATE's replies. */
export const Fopen = { DIRECT_IO: 1, KEEP_CACHE: 2 } as const;

/** Codes of messages that we send unasked; they stand in the place of an error, with unique 0. */
export const Notify = { INVAL_INODE: 2, INVAL_ENTRY: 3, PRUNE: 9 } as const;

export const GETATTR_FH = 1;
/** A WRITE by somebody without CAP_FSETID. */
export const WRITE_KILL_SUIDGID = 4;
export const FSYNC_DATASYNC = 1;
export const LK_FLOCK = 1;

export const ROOT_NODEID = 1;
export const FUSE_MAJOR = 7;
/** MAX_PAGES came with 28; we know nothing that later minors need of us. */
export const FUSE_MINOR = 31;

export const IN_HEADER_SIZE = 40;
export const OUT_HEADER_SIZE = 16;
export const ENTRY_OUT_SIZE = 128;
export const ATTR_OUT_SIZE = 104;
export const OPEN_OUT_SIZE = 16;
export const DIRENT_SIZE = 24;

/** Largest READ and WRITE, in bytes: 256 pages, the kernel's own limit (fs.fuse.max_pages_limit). */
export const IO_SIZE_MAX = 1 << 20;
/** The whole of the largest message that isn't a WRITE: a SETXATTR of 64 KiB with a long name. */
export const MESSAGE_SIZE_MAX = IO_SIZE_MAX + 4096;

export const NAME_SIZE_MAX = 1024;
export const PATH_SIZE_MAX = 4096;
export const XATTR_SIZE_MAX = 65536;
