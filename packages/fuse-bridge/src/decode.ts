import { type Bytes, Errno, type IoVec } from '@glusterts/libglusterfs';
import { FSYNC_DATASYNC, Fattr, GETATTR_FH, IN_HEADER_SIZE, MESSAGE_SIZE_MAX, NAME_SIZE_MAX, Opcode, PATH_SIZE_MAX, WRITE_KILL_SUIDGID } from './protocol.js';

/** What every request begins with. */
export interface FuseHeader {
  readonly opcode: number;
  readonly unique: number;
  readonly nodeid: number;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}

/** A lock as the kernel says it: `end` is included, 2^63−1 stands for "to the end"; `type` is F_RDLCK 0, F_WRLCK 1, F_UNLCK 2. */
export interface FuseLock {
  readonly start: bigint;
  readonly end: bigint;
  readonly type: number;
  readonly pid: number;
}

/** Arguments of a request. `owner` is the lock owner's 8 bytes, empty when it is 0; sizes and offsets are bytes. */
export type FuseBody =
  | { readonly op: 'lookup' | 'unlink' | 'rmdir' | 'removexattr'; readonly name: Bytes }
  | { readonly op: 'forget'; readonly forgets: readonly { readonly nodeid: number; readonly nlookup: number }[] }
  | { readonly op: 'getattr'; readonly fh: number | undefined }
  | SetattrBody
  | { readonly op: 'readlink' | 'statfs' | 'destroy' }
  | { readonly op: 'symlink'; readonly name: Bytes; readonly target: Bytes }
  | { readonly op: 'mknod'; readonly mode: number; readonly rdev: number; readonly umask: number; readonly name: Bytes }
  | { readonly op: 'mkdir'; readonly mode: number; readonly umask: number; readonly name: Bytes }
  | { readonly op: 'rename'; readonly newdir: number; readonly name: Bytes; readonly newname: Bytes }
  | { readonly op: 'link'; readonly oldnodeid: number; readonly name: Bytes }
  | { readonly op: 'open' | 'opendir'; readonly flags: number }
  | { readonly op: 'create'; readonly flags: number; readonly mode: number; readonly umask: number; readonly name: Bytes }
  | { readonly op: 'read'; readonly fh: number; readonly offset: number; readonly size: number; readonly flags: number; readonly owner: Bytes }
  | { readonly op: 'write'; readonly fh: number; readonly offset: number; readonly size: number; readonly flags: number; readonly owner: Bytes; readonly kill: boolean; readonly data: Uint8Array | IoVec }
  | { readonly op: 'release' | 'releasedir'; readonly fh: number; readonly flags: number; readonly owner: Bytes }
  | { readonly op: 'flush'; readonly fh: number; readonly owner: Bytes }
  | { readonly op: 'fsync' | 'fsyncdir'; readonly fh: number; readonly datasync: boolean }
  | { readonly op: 'setxattr'; readonly name: Bytes; readonly value: Uint8Array; readonly flags: number }
  | { readonly op: 'getxattr'; readonly name: Bytes; readonly size: number }
  | { readonly op: 'listxattr'; readonly size: number }
  | { readonly op: 'init'; readonly major: number; readonly minor: number; readonly max_readahead: number; readonly flags: number }
  | { readonly op: 'readdir' | 'readdirplus'; readonly fh: number; readonly offset: bigint; readonly size: number }
  | { readonly op: 'getlk' | 'setlk' | 'setlkw'; readonly fh: number; readonly owner: Bytes; readonly lock: FuseLock; readonly lk_flags: number }
  | { readonly op: 'access'; readonly mask: number }
  | { readonly op: 'interrupt'; readonly target: number }
  | { readonly op: 'fallocate'; readonly fh: number; readonly offset: number; readonly length: number; readonly mode: number }
  | { readonly op: 'lseek'; readonly fh: number; readonly offset: number; readonly whence: number }
  | { readonly op: 'unsupported' };

export interface SetattrBody {
  readonly op: 'setattr';
  /** Bits of `Fattr`. */
  readonly valid: number;
  readonly fh: number | undefined;
  readonly size: number;
  readonly owner: Bytes;
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
  readonly atimensec: number;
  readonly mtimensec: number;
  readonly ctimensec: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface FuseRequest {
  readonly header: FuseHeader;
  readonly body: FuseBody;
}

/** A message that is none. `unique` is the request to be answered with `errno`, or undefined when not even that could be read. */
export class FuseProtocolError extends Error {
  override readonly name = 'FuseProtocolError';
  readonly unique: number | undefined;
  readonly errno: Errno;

  constructor(message: string, unique: number | undefined, errno: Errno = Errno.EIO) {
    super(message);
    this.unique = unique;
    this.errno = errno;
  }
}

const TWO_32 = 2 ** 32;
const NONE = '' as Bytes;
/** Requests of one BATCH_FORGET. */
const FORGETS_MAX = MESSAGE_SIZE_MAX / 16;

/** Reads little-endian fields, never beyond the message. */
class FuseReader {
  readonly #bytes: Buffer;
  readonly #unique: number;
  at = IN_HEADER_SIZE;

  constructor(bytes: Buffer, unique: number) {
    this.#bytes = bytes;
    this.#unique = unique;
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  fail(message: string, errno?: Errno): never {
    throw new FuseProtocolError(message, this.#unique, errno);
  }

  /** Moves on by `size` bytes; returns where they begin. */
  take(size: number): number {
    const from = this.at;
    if (size > this.#bytes.length - from) this.fail('a request is shorter than its arguments');
    this.at = from + size;
    return from;
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.take(4));
  }

  /** A 64-bit number that must be a safe integer. */
  u64(): number {
    const from = this.take(8);
    const value = this.#bytes.readUInt32LE(from + 4) * TWO_32 + this.#bytes.readUInt32LE(from);
    if (!Number.isSafeInteger(value)) this.fail('a number is out of range', Errno.EFBIG);
    return value;
  }

  /** Seconds: signed. */
  time(): number {
    const from = this.take(8);
    return this.#bytes.readInt32LE(from + 4) * TWO_32 + this.#bytes.readUInt32LE(from);
  }

  big(): bigint {
    return this.#bytes.readBigUInt64LE(this.take(8));
  }

  owner(): Bytes {
    const from = this.take(8);
    if (this.#bytes.readUInt32LE(from) === 0 && this.#bytes.readUInt32LE(from + 4) === 0) return NONE;
    return this.#bytes.toString('latin1', from, from + 8) as Bytes;
  }

  /** Bytes up to a NUL, which is skipped. */
  string(limit: number): Bytes {
    const end = this.#bytes.indexOf(0, this.at);
    if (end < 0) this.fail('a name has no end');
    if (end - this.at > limit) this.fail('a name is too long', Errno.ENAMETOOLONG);
    const text = this.#bytes.toString('latin1', this.at, end) as Bytes;
    this.at = end + 1;
    return text;
  }

  /** A name within a directory. */
  name(): Bytes {
    const name = this.string(NAME_SIZE_MAX);
    if (name.length === 0 || name.includes('/')) this.fail('a name is empty or has a slash', Errno.EINVAL);
    return name;
  }

  bytes(size: number): Uint8Array {
    const from = this.take(size);
    return this.#bytes.subarray(from, from + size);
  }
}

/**
 * Reads one message from the kernel. Pure: no byte beyond the message is looked at, and what it keeps of it are views.
 * @param payload the data of a WRITE when they lie apart
 * Throws a {@link FuseProtocolError} for what is no request, and nothing else.
 */
export function decodeRequest(message: Uint8Array, payload?: IoVec): FuseRequest {
  const bytes = Buffer.isBuffer(message) ? message : Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  if (bytes.length < IN_HEADER_SIZE) throw new FuseProtocolError('a message is shorter than its header', undefined);
  const uniqueHigh = bytes.readUInt32LE(12);
  const nodeHigh = bytes.readUInt32LE(20);
  const unique = uniqueHigh * TWO_32 + bytes.readUInt32LE(8);
  if (!Number.isSafeInteger(unique)) throw new FuseProtocolError('a request number is out of range', undefined);
  if (bytes.readUInt32LE(0) !== bytes.length + (payload?.size ?? 0)) throw new FuseProtocolError('a message is not as long as it says', unique);
  const nodeid = nodeHigh * TWO_32 + bytes.readUInt32LE(16);
  if (!Number.isSafeInteger(nodeid)) throw new FuseProtocolError('a node id is out of range', unique, Errno.ESTALE);
  const header: FuseHeader = {
    opcode: bytes.readUInt32LE(4), unique, nodeid, uid: bytes.readUInt32LE(24), gid: bytes.readUInt32LE(28), pid: bytes.readInt32LE(32),
  };
  if (payload && header.opcode !== Opcode.WRITE) throw new FuseProtocolError('only a WRITE has data', unique);
  return { header, body: decodeBody(header, new FuseReader(bytes, unique), payload) };
}

function decodeBody(header: FuseHeader, r: FuseReader, payload: IoVec | undefined): FuseBody {
  switch (header.opcode) {
    case Opcode.LOOKUP: return { op: 'lookup', name: r.name() };
    case Opcode.FORGET: return { op: 'forget', forgets: [{ nodeid: header.nodeid, nlookup: r.u64() }] };
    case Opcode.BATCH_FORGET: return { op: 'forget', forgets: batchForget(r) };
    case Opcode.GETATTR: {
      const flags = r.u32();
      r.take(4);
      const fh = r.u64();
      return { op: 'getattr', fh: flags & GETATTR_FH ? fh : undefined };
    }
    case Opcode.SETATTR: return setattr(r);
    case Opcode.READLINK: return { op: 'readlink' };
    case Opcode.SYMLINK: {
      const name = r.name();
      return { op: 'symlink', name, target: r.string(PATH_SIZE_MAX) };
    }
    case Opcode.MKNOD: {
      const mode = r.u32();
      const rdev = r.u32();
      const umask = r.u32();
      r.take(4);
      return { op: 'mknod', mode, rdev, umask, name: r.name() };
    }
    case Opcode.MKDIR: {
      const mode = r.u32();
      return { op: 'mkdir', mode, umask: r.u32(), name: r.name() };
    }
    case Opcode.UNLINK: return { op: 'unlink', name: r.name() };
    case Opcode.RMDIR: return { op: 'rmdir', name: r.name() };
    case Opcode.RENAME: {
      const newdir = r.u64();
      const name = r.name();
      return { op: 'rename', newdir, name, newname: r.name() };
    }
    case Opcode.LINK: return { op: 'link', oldnodeid: r.u64(), name: r.name() };
    case Opcode.OPEN: return { op: 'open', flags: openFlags(r) };
    case Opcode.OPENDIR: return { op: 'opendir', flags: openFlags(r) };
    case Opcode.CREATE: {
      const flags = r.u32();
      const mode = r.u32();
      const umask = r.u32();
      r.take(4);
      return { op: 'create', flags, mode, umask, name: r.name() };
    }
    case Opcode.READ: {
      const { fh, offset, size, flags, owner } = io(r);
      return { op: 'read', fh, offset, size, flags, owner };
    }
    case Opcode.WRITE: {
      const { fh, offset, size, flags, owner, ioFlags } = io(r);
      if (size !== r.left + (payload?.size ?? 0) || (payload && r.left > 0)) r.fail('a WRITE has not as much data as it says');
      return { op: 'write', fh, offset, size, flags, owner, kill: (ioFlags & WRITE_KILL_SUIDGID) !== 0, data: payload ?? r.bytes(size) };
    }
    case Opcode.STATFS: return { op: 'statfs' };
    case Opcode.RELEASE: return { op: 'release', ...release(r) };
    case Opcode.RELEASEDIR: return { op: 'releasedir', ...release(r) };
    case Opcode.FSYNC: return { op: 'fsync', ...fsync(r) };
    case Opcode.FSYNCDIR: return { op: 'fsyncdir', ...fsync(r) };
    case Opcode.SETXATTR: {
      const size = r.u32();
      const flags = r.u32();
      const name = r.string(NAME_SIZE_MAX);
      return { op: 'setxattr', name, value: r.bytes(size), flags };
    }
    case Opcode.GETXATTR: {
      const size = r.u32();
      r.take(4);
      return { op: 'getxattr', name: r.string(NAME_SIZE_MAX), size };
    }
    case Opcode.LISTXATTR: return { op: 'listxattr', size: r.u32() };
    case Opcode.REMOVEXATTR: return { op: 'removexattr', name: r.string(NAME_SIZE_MAX) };
    case Opcode.FLUSH: {
      const fh = r.u64();
      r.take(8);
      return { op: 'flush', fh, owner: r.owner() };
    }
    case Opcode.INIT: {
      const major = r.u32();
      const minor = r.u32();
      // A kernel of another major sends no more than these.
      if (r.left < 8) return { op: 'init', major, minor, max_readahead: 0, flags: 0 };
      const max_readahead = r.u32();
      return { op: 'init', major, minor, max_readahead, flags: r.u32() };
    }
    case Opcode.READDIR: return { op: 'readdir', ...readdir(r) };
    case Opcode.READDIRPLUS: return { op: 'readdirplus', ...readdir(r) };
    case Opcode.GETLK: return { op: 'getlk', ...lock(r) };
    case Opcode.SETLK: return { op: 'setlk', ...lock(r) };
    case Opcode.SETLKW: return { op: 'setlkw', ...lock(r) };
    case Opcode.ACCESS: return { op: 'access', mask: r.u32() };
    case Opcode.INTERRUPT: return { op: 'interrupt', target: r.u64() };
    case Opcode.DESTROY: return { op: 'destroy' };
    case Opcode.FALLOCATE: {
      const fh = r.u64();
      const offset = r.u64();
      const length = r.u64();
      return { op: 'fallocate', fh, offset, length, mode: r.u32() };
    }
    case Opcode.LSEEK: {
      const fh = r.u64();
      const offset = r.u64();
      return { op: 'lseek', fh, offset, whence: r.u32() };
    }
    default: return { op: 'unsupported' };
  }
}

function openFlags(r: FuseReader): number {
  const flags = r.u32();
  r.take(4);
  return flags;
}

function batchForget(r: FuseReader): { nodeid: number; nlookup: number }[] {
  const count = r.u32();
  r.take(4);
  if (count > FORGETS_MAX || count * 16 > r.left) r.fail('a BATCH_FORGET is shorter than it says');
  const forgets: { nodeid: number; nlookup: number }[] = [];
  for (let i = 0; i < count; i++) forgets.push({ nodeid: r.u64(), nlookup: r.u64() });
  return forgets;
}

function setattr(r: FuseReader): SetattrBody {
  const valid = r.u32();
  r.take(4);
  const fh = r.u64();
  // The kernel fills in a size also when it does not count.
  const size = valid & Fattr.SIZE ? r.u64() : (r.take(8), 0);
  const owner = r.owner();
  const atime = r.time();
  const mtime = r.time();
  const ctime = r.time();
  const atimensec = r.u32();
  const mtimensec = r.u32();
  const ctimensec = r.u32();
  const mode = r.u32();
  r.take(4);
  const uid = r.u32();
  const gid = r.u32();
  return {
    op: 'setattr', valid, fh: valid & Fattr.FH ? fh : undefined, size, owner: valid & Fattr.LOCKOWNER ? owner : NONE, atime, mtime, ctime, atimensec, mtimensec, ctimensec, mode, uid, gid,
  };
}

/** fuse_read_in and fuse_write_in are alike. */
function io(r: FuseReader): { fh: number; offset: number; size: number; ioFlags: number; flags: number; owner: Bytes } {
  const fh = r.u64();
  const offset = r.u64();
  const size = r.u32();
  const ioFlags = r.u32();
  const owner = r.owner();
  const flags = r.u32();
  r.take(4);
  return { fh, offset, size, ioFlags, flags, owner };
}

function release(r: FuseReader): { fh: number; flags: number; owner: Bytes } {
  const fh = r.u64();
  const flags = r.u32();
  r.take(4);
  return { fh, flags, owner: r.owner() };
}

function fsync(r: FuseReader): { fh: number; datasync: boolean } {
  const fh = r.u64();
  return { fh, datasync: (r.u32() & FSYNC_DATASYNC) !== 0 };
}

function readdir(r: FuseReader): { fh: number; offset: bigint; size: number } {
  const fh = r.u64();
  const offset = r.big();
  return { fh, offset, size: r.u32() };
}

function lock(r: FuseReader): { fh: number; owner: Bytes; lock: FuseLock; lk_flags: number } {
  const fh = r.u64();
  const owner = r.owner();
  const start = r.big();
  const end = r.big();
  const type = r.u32();
  const pid = r.u32();
  return { fh, owner, lock: { start, end, type, pid }, lk_flags: r.u32() };
}
