import type { Bytes } from './bytes.js';
import type { Dict } from './dict.js';
import type { Fd } from './fd.js';
import type { Frame } from './frame.js';
import type { Iatt, Statvfs } from './iatt.js';
import type { Inode } from './inode.js';
import type { IoVec } from './iobuf.js';
import type { Loc } from './loc.js';
import type { EntrylkCmd, EntrylkType, Flock, InodelkCmd, Lease, LkCmd, LockMigrationInfo } from './lock.js';

/** xdata: undefined is GlusterFS's null dict, which is not the same as an empty one (spec/rpc-wire.md, §17). */
export type Xdata = Dict | undefined;

export interface PlainReply { xdata: Xdata }
export interface LookupReply { inode: Inode; stat: Iatt; postparent: Iatt; xdata: Xdata }
export interface StatReply { stat: Iatt; xdata: Xdata }
export interface PrePostReply { prestat: Iatt; poststat: Iatt; xdata: Xdata }
export interface WriteReply extends PrePostReply { /** Bytes written. */ written: number }
export interface EntryReply { inode: Inode; stat: Iatt; preparent: Iatt; postparent: Iatt; xdata: Xdata }
export interface CreateReply extends EntryReply { fd: Fd }
export interface UnlinkReply { preparent: Iatt; postparent: Iatt; xdata: Xdata }
export interface RenameReply { stat: Iatt; preoldparent: Iatt; postoldparent: Iatt; prenewparent: Iatt; postnewparent: Iatt; xdata: Xdata }
export interface OpenReply { fd: Fd; xdata: Xdata }
export interface ReadlinkReply { path: Bytes; stat: Iatt; xdata: Xdata }
export interface ReadReply {
  /** Handed over: the receiver unrefs it. */
  vector: IoVec;
  stat: Iatt;
  /** The read reached the end of the file: GlusterFS's op_errno ENOENT in a successful READ. */
  eof: boolean;
  xdata: Xdata;
}
export interface StatfsReply { statfs: Statvfs; xdata: Xdata }
export interface GetxattrReply { dict: Dict; xdata: Xdata }
export interface LkReply { flock: Flock; xdata: Xdata }
export interface Dirent {
  d_ino: bigint;
  /** Where to go on after this entry; an unsigned 64-bit cookie. */
  d_off: bigint;
  /** DT_REG, DT_DIR …; 0 unknown. */
  d_type: number;
  name: Bytes;
}
export interface Direntp extends Dirent {
  /** The entry's attributes; null (type INVAL) when they must be looked up. */
  stat: Iatt;
  dict: Xdata;
  inode: Inode | undefined;
}
export interface ReaddirReply<E extends Dirent = Dirent> { entries: E[]; /** No entry follows these. */ eof: boolean; xdata: Xdata }
export interface XattropReply { dict: Dict | undefined; xdata: Xdata }
export interface RchecksumReply { weak: number; strong: Uint8Array; xdata: Xdata }
export interface SeekReply { offset: number; xdata: Xdata }
export interface LeaseReply { lease: Lease; xdata: Xdata }
export interface GetactivelkReply { locks: LockMigrationInfo[]; xdata: Xdata }
export interface CopyFileRangeReply extends PrePostReply { stat: Iatt; written: number }

/** Bits of setattr's `valid` (spec/rpc-wire.md, §9.6). */
export const SetAttr = { MODE: 0x1, UID: 0x2, GID: 0x4, SIZE: 0x8, ATIME: 0x10, MTIME: 0x20, CTIME: 0x40, ATIME_NOW: 0x80, MTIME_NOW: 0x100 } as const;
/** What seek looks for. */
export const Seek = { DATA: 0, HOLE: 1 } as const;
export type Seek = (typeof Seek)[keyof typeof Seek];
/** Operations of xattrop (spec/rpc-wire.md, §9.7). */
export const XattropOp = { ADD_ARRAY: 0, ADD_ARRAY64: 1, OR_ARRAY: 2, AND_ARRAY: 3, GET_AND_SET: 4, ADD_ARRAY_WITH_DEFAULT: 5, ADD_ARRAY64_WITH_DEFAULT: 6 } as const;
export type XattropOp = (typeof XattropOp)[keyof typeof XattropOp];

/**
 * The file operations: names, argument order and meaning are GlusterFS's. A fop resolves with its reply, or throws a
 * {@link FopError}. Sizes and offsets are bytes.
 */
export interface Fops {
  lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply>;
  stat(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply>;
  fstat(frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply>;
  truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply>;
  ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply>;
  /** @param mask R 4, W 2, X 1 */
  access(frame: Frame, loc: Loc, mask: number, xdata: Xdata): Promise<PlainReply>;
  readlink(frame: Frame, loc: Loc, size: number, xdata: Xdata): Promise<ReadlinkReply>;
  /** @param rdev a Linux dev_t */
  mknod(frame: Frame, loc: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply>;
  mkdir(frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply>;
  unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply>;
  /** @param flags 1: with everything in it */
  rmdir(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply>;
  symlink(frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply>;
  rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply>;
  link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply>;
  create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply>;
  open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply>;
  readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply>;
  /** `vector` is borrowed until the promise settles. */
  writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply>;
  flush(frame: Frame, fd: Fd, xdata: Xdata): Promise<PlainReply>;
  fsync(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PrePostReply>;
  opendir(frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply>;
  fsyncdir(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PlainReply>;
  statfs(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatfsReply>;
  /** @param flags XATTR_CREATE 1, XATTR_REPLACE 2 */
  setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply>;
  fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply>;
  /** @param name undefined: all */
  getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply>;
  fgetxattr(frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply>;
  removexattr(frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply>;
  fremovexattr(frame: Frame, fd: Fd, name: Bytes, xdata: Xdata): Promise<PlainReply>;
  lk(frame: Frame, fd: Fd, cmd: LkCmd, flock: Flock, xdata: Xdata): Promise<LkReply>;
  /** @param volume the lock's domain */
  inodelk(frame: Frame, volume: Bytes, loc: Loc, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply>;
  finodelk(frame: Frame, volume: Bytes, fd: Fd, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply>;
  /** @param name undefined: the whole directory */
  entrylk(frame: Frame, volume: Bytes, loc: Loc, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply>;
  fentrylk(frame: Frame, volume: Bytes, fd: Fd, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply>;
  /** @param offset the d_off to go on after; 0n: from the start */
  readdir(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply>;
  readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>>;
  xattrop(frame: Frame, loc: Loc, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply>;
  fxattrop(frame: Frame, fd: Fd, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply>;
  rchecksum(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<RchecksumReply>;
  /** @param valid bits of {@link SetAttr} */
  setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply>;
  fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply>;
  fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply>;
  discard(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply>;
  zerofill(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply>;
  ipc(frame: Frame, op: number, xdata: Xdata): Promise<PlainReply>;
  seek(frame: Frame, fd: Fd, offset: number, what: Seek, xdata: Xdata): Promise<SeekReply>;
  lease(frame: Frame, loc: Loc, lease: Lease, xdata: Xdata): Promise<LeaseReply>;
  getactivelk(frame: Frame, loc: Loc, xdata: Xdata): Promise<GetactivelkReply>;
  setactivelk(frame: Frame, loc: Loc, locks: readonly LockMigrationInfo[], xdata: Xdata): Promise<PlainReply>;
  copy_file_range(frame: Frame, fd_in: Fd, off_in: number, fd_out: Fd, off_out: number, len: number, flags: number, xdata: Xdata): Promise<CopyFileRangeReply>;
}

/**
 * {@link Fops} as an xlator defines them: each one or not. Spelled out because TypeScript's `Partial` would turn the methods into
 * properties, which a class could then not override with methods. `FopHandlersAgree` below holds the two against each other.
 */
export interface FopHandlers {
  lookup?(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply>;
  stat?(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply>;
  fstat?(frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply>;
  truncate?(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply>;
  ftruncate?(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply>;
  access?(frame: Frame, loc: Loc, mask: number, xdata: Xdata): Promise<PlainReply>;
  readlink?(frame: Frame, loc: Loc, size: number, xdata: Xdata): Promise<ReadlinkReply>;
  mknod?(frame: Frame, loc: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply>;
  mkdir?(frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply>;
  unlink?(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply>;
  rmdir?(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply>;
  symlink?(frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply>;
  rename?(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply>;
  link?(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply>;
  create?(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply>;
  open?(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply>;
  readv?(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply>;
  writev?(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply>;
  flush?(frame: Frame, fd: Fd, xdata: Xdata): Promise<PlainReply>;
  fsync?(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PrePostReply>;
  opendir?(frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply>;
  fsyncdir?(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PlainReply>;
  statfs?(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatfsReply>;
  setxattr?(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply>;
  fsetxattr?(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply>;
  getxattr?(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply>;
  fgetxattr?(frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply>;
  removexattr?(frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply>;
  fremovexattr?(frame: Frame, fd: Fd, name: Bytes, xdata: Xdata): Promise<PlainReply>;
  lk?(frame: Frame, fd: Fd, cmd: LkCmd, flock: Flock, xdata: Xdata): Promise<LkReply>;
  inodelk?(frame: Frame, volume: Bytes, loc: Loc, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply>;
  finodelk?(frame: Frame, volume: Bytes, fd: Fd, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply>;
  entrylk?(frame: Frame, volume: Bytes, loc: Loc, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply>;
  fentrylk?(frame: Frame, volume: Bytes, fd: Fd, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply>;
  readdir?(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply>;
  readdirp?(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>>;
  xattrop?(frame: Frame, loc: Loc, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply>;
  fxattrop?(frame: Frame, fd: Fd, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply>;
  rchecksum?(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<RchecksumReply>;
  setattr?(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply>;
  fsetattr?(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply>;
  fallocate?(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply>;
  discard?(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply>;
  zerofill?(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply>;
  ipc?(frame: Frame, op: number, xdata: Xdata): Promise<PlainReply>;
  seek?(frame: Frame, fd: Fd, offset: number, what: Seek, xdata: Xdata): Promise<SeekReply>;
  lease?(frame: Frame, loc: Loc, lease: Lease, xdata: Xdata): Promise<LeaseReply>;
  getactivelk?(frame: Frame, loc: Loc, xdata: Xdata): Promise<GetactivelkReply>;
  setactivelk?(frame: Frame, loc: Loc, locks: readonly LockMigrationInfo[], xdata: Xdata): Promise<PlainReply>;
  copy_file_range?(frame: Frame, fd_in: Fd, off_in: number, fd_out: Fd, off_out: number, len: number, flags: number, xdata: Xdata): Promise<CopyFileRangeReply>;
}
type Assert<T extends true> = T;
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
/** Fails to compile when {@link FopHandlers} and {@link Fops} drift apart. */
export type FopHandlersAgree = Assert<Same<Required<FopHandlers>, { [K in keyof Fops]: Fops[K] }>>;

export type FopName = keyof Fops;

/** All fops, with GlusterFS's fop numbers (spec/rpc-wire.md, §9.2; not the procedure numbers). */
export const FOP_NAMES = [
  'lookup', 'stat', 'fstat', 'truncate', 'ftruncate', 'access', 'readlink', 'mknod', 'mkdir', 'unlink', 'rmdir', 'symlink',
  'rename', 'link', 'create', 'open', 'readv', 'writev', 'flush', 'fsync', 'opendir', 'fsyncdir', 'statfs', 'setxattr',
  'fsetxattr', 'getxattr', 'fgetxattr', 'removexattr', 'fremovexattr', 'lk', 'inodelk', 'finodelk', 'entrylk', 'fentrylk',
  'readdir', 'readdirp', 'xattrop', 'fxattrop', 'rchecksum', 'setattr', 'fsetattr', 'fallocate', 'discard', 'zerofill',
  'ipc', 'seek', 'lease', 'getactivelk', 'setactivelk', 'copy_file_range',
] as const satisfies readonly FopName[];

/** What else the table and the server tell xlators (GlusterFS's cbks); each is optional. All are synchronous and must not throw. */
export interface Cbks {
  /** The inode leaves the table; its contexts die. */
  forget?(inode: Inode): void;
  /** The last reference of an fd on a file is gone. */
  release?(fd: Fd): void;
  /** The last reference of an fd on a directory is gone. */
  releasedir?(fd: Fd): void;
  /** A client's last connection is gone: drop what it held. */
  client_disconnect?(client: import('./frame.js').Client): void;
  /** The inode's cached data is no longer valid (sent up from md-cache or upcall to the mount). */
  invalidate?(inode: Inode): void;
}
