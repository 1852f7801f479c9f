import { type Bytes, type Dirent, type Iatt, type Statvfs } from '@glusterts/libglusterfs';
import { ATTR_OUT_SIZE, DIRENT_SIZE, ENTRY_OUT_SIZE, FUSE_MAJOR, FUSE_MINOR, Notify, OPEN_OUT_SIZE, OUT_HEADER_SIZE } from './protocol.js';

/** How long the kernel may trust an answer; seconds and nanoseconds. */
export interface Validity {
  readonly sec: number;
  readonly nsec: number;
}

/** Splits an option of seconds with fractions (spec/client.md, §6.7). */
export function validity(seconds: number): Validity {
  const sec = Math.floor(seconds);
  return { sec, nsec: Math.round((seconds - sec) * 1e9) };
}

export const NOT_VALID: Validity = { sec: 0, nsec: 0 };

/** What st_blksize says, always (spec/client.md, §6.6). */
export const BLKSIZE = 131072;
const TWO_32 = 2 ** 32;

/** The high and low halves of a number that may be negative or over 2^32. */
function writeU64(out: Buffer, value: number, at: number): void {
  out.writeUInt32LE(value >>> 0, at);
  out.writeInt32LE(Math.floor(value / TWO_32) | 0, at + 4);
}

const wide = new BigUint64Array(1);
/** Low word first: all machines that this runs on are little-endian. */
const words = new Uint32Array(wide.buffer);

/** Buffer's own takes a BigInt apart with BigInts. */
function writeBig(out: Buffer, value: bigint, at: number): void {
  wide[0] = value;
  out.writeUInt32LE(words[0] ?? 0, at);
  out.writeUInt32LE(words[1] ?? 0, at + 4);
}

function writeTime(out: Buffer, sec: number, at: number): void {
  writeU64(out, sec, at);
}

/** st_ino as `--enable-ino32` makes it (spec/client.md, §6.6). */
export function squashIno(ino: bigint, ino32: boolean): bigint {
  return ino32 ? (ino & 0xffffffffn) ^ (ino >> 32n) : ino;
}

/** fuse_attr, 88 bytes. */
function writeAttr(out: Buffer, at: number, stat: Iatt, isRoot: boolean, ino32: boolean): void {
  writeBig(out, isRoot ? 1n : squashIno(stat.ia_ino, ino32), at);
  writeU64(out, stat.ia_size, at + 8);
  writeU64(out, stat.ia_blocks, at + 16);
  writeTime(out, stat.ia_atime, at + 24);
  writeTime(out, stat.ia_mtime, at + 32);
  writeTime(out, stat.ia_ctime, at + 40);
  out.writeUInt32LE(stat.ia_atime_nsec, at + 48);
  out.writeUInt32LE(stat.ia_mtime_nsec, at + 52);
  out.writeUInt32LE(stat.ia_ctime_nsec, at + 56);
  out.writeUInt32LE(stat.mode, at + 60);
  out.writeUInt32LE(stat.ia_nlink >>> 0, at + 64);
  out.writeUInt32LE(stat.ia_uid >>> 0, at + 68);
  out.writeUInt32LE(stat.ia_gid >>> 0, at + 72);
  out.writeUInt32LE(stat.ia_rdev === 0n ? 0 : encodeRdev(stat.ia_rdev), at + 76);
  out.writeUInt32LE(BLKSIZE, at + 80);
  out.writeUInt32LE(0, at + 84);
}

/** The kernel's 32-bit device number (new_encode_dev) of an iatt's. */
export function encodeRdev(rdev: bigint): number {
  const major = Number((rdev >> 32n) & 0xfffn);
  const minor = Number(rdev & 0xfffffn);
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** Major and minor of the kernel's 32-bit device number. */
export function decodeRdev(rdev: number): { major: number; minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}

export interface EntryOut {
  readonly nodeid: number;
  readonly entry: Validity;
  readonly attr: Validity;
  readonly stat: Iatt;
}

/** fuse_entry_out. */
function writeEntry(out: Buffer, at: number, reply: EntryOut, ino32: boolean): void {
  writeU64(out, reply.nodeid, at);
  writeU64(out, 0, at + 8);
  writeU64(out, reply.entry.sec, at + 16);
  writeU64(out, reply.attr.sec, at + 24);
  out.writeUInt32LE(reply.entry.nsec, at + 32);
  out.writeUInt32LE(reply.attr.nsec, at + 36);
  writeAttr(out, at + 40, reply.stat, reply.nodeid === 1, ino32);
}

export function encodeEntry(reply: EntryOut, ino32: boolean): Buffer {
  const out = Buffer.allocUnsafe(ENTRY_OUT_SIZE);
  writeEntry(out, 0, reply, ino32);
  return out;
}

/** "No such name", which the kernel may remember for a while (spec/client.md, §6.7). */
export function encodeNegativeEntry(entry: Validity): Buffer {
  const out = Buffer.alloc(ENTRY_OUT_SIZE);
  writeU64(out, entry.sec, 16);
  out.writeUInt32LE(entry.nsec, 32);
  return out;
}

/** fuse_entry_out and fuse_open_out, CREATE's reply. */
export function encodeCreate(reply: EntryOut, ino32: boolean, fh: number, openFlags: number): Buffer {
  const out = Buffer.allocUnsafe(ENTRY_OUT_SIZE + OPEN_OUT_SIZE);
  writeEntry(out, 0, reply, ino32);
  writeOpen(out, ENTRY_OUT_SIZE, fh, openFlags);
  return out;
}

export function encodeAttr(attr: Validity, stat: Iatt, isRoot: boolean, ino32: boolean): Buffer {
  const out = Buffer.allocUnsafe(ATTR_OUT_SIZE);
  writeU64(out, attr.sec, 0);
  out.writeUInt32LE(attr.nsec, 8);
  out.writeUInt32LE(0, 12);
  writeAttr(out, 16, stat, isRoot, ino32);
  return out;
}

function writeOpen(out: Buffer, at: number, fh: number, openFlags: number): void {
  writeU64(out, fh, at);
  out.writeUInt32LE(openFlags, at + 8);
  out.writeUInt32LE(0, at + 12);
}

export function encodeOpen(fh: number, openFlags: number): Buffer {
  const out = Buffer.allocUnsafe(OPEN_OUT_SIZE);
  writeOpen(out, 0, fh, openFlags);
  return out;
}

/** fuse_write_out and fuse_getxattr_out: a number in 8 bytes. */
export function encodeSize(size: number): Buffer {
  // Most are like the one before: a program writes in pieces of one size.
  if (size === lastSize.readUInt32LE(0)) return lastSize;
  const out = Buffer.allocUnsafeSlow(8);
  out.writeUInt32LE(size, 0);
  out.writeUInt32LE(0, 4);
  lastSize = out;
  return out;
}
/** Nobody writes to it any more. */
let lastSize = Buffer.alloc(8);

export function encodeOffset(offset: number): Buffer {
  const out = Buffer.allocUnsafe(8);
  writeU64(out, offset, 0);
  return out;
}

export function encodeStatfs(statfs: Statvfs): Buffer {
  const out = Buffer.alloc(80);
  writeU64(out, statfs.f_blocks, 0);
  writeU64(out, statfs.f_bfree, 8);
  writeU64(out, statfs.f_bavail, 16);
  writeU64(out, statfs.f_files, 24);
  writeU64(out, statfs.f_ffree, 32);
  out.writeUInt32LE(statfs.f_bsize >>> 0, 40);
  out.writeUInt32LE(statfs.f_namemax >>> 0, 44);
  out.writeUInt32LE(statfs.f_frsize >>> 0, 48);
  return out;
}

export function encodeLk(lock: { start: bigint; end: bigint; type: number; pid: number }): Buffer {
  const out = Buffer.allocUnsafe(24);
  out.writeBigUInt64LE(BigInt.asUintN(64, lock.start), 0);
  out.writeBigUInt64LE(BigInt.asUintN(64, lock.end), 8);
  out.writeUInt32LE(lock.type, 16);
  out.writeUInt32LE(lock.pid >>> 0, 20);
  return out;
}

/** What INIT agrees on. Sizes in bytes. */
export interface InitOut {
  readonly minor: number;
  readonly max_readahead: number;
  readonly flags: number;
  readonly max_background: number;
  readonly congestion_threshold: number;
  readonly max_write: number;
  readonly time_gran: number;
  readonly max_pages: number;
}

/** fuse_init_out: 64 bytes, 24 for kernels before 7.23. */
export function encodeInit(init: InitOut): Buffer {
  const out = Buffer.alloc(init.minor >= 23 ? 64 : 24);
  out.writeUInt32LE(FUSE_MAJOR, 0);
  out.writeUInt32LE(Math.min(init.minor, FUSE_MINOR), 4);
  out.writeUInt32LE(init.max_readahead, 8);
  out.writeUInt32LE(init.flags, 12);
  out.writeUInt16LE(init.max_background, 16);
  out.writeUInt16LE(init.congestion_threshold, 18);
  out.writeUInt32LE(init.max_write, 20);
  if (out.length === 64) {
    out.writeUInt32LE(init.time_gran, 24);
    out.writeUInt16LE(init.max_pages, 28);
  }
  return out;
}

/** Bytes of a fuse_dirent, padded. */
export function direntSize(name: Bytes): number {
  return (DIRENT_SIZE + name.length + 7) & ~7;
}

/** fuse_dirent with its padding. Returns where the next begins. */
export function writeDirent(out: Buffer, at: number, entry: Dirent, ino32: boolean): number {
  const end = at + direntSize(entry.name);
  out.writeBigUInt64LE(BigInt.asUintN(64, squashIno(entry.d_ino, ino32)), at);
  out.writeBigUInt64LE(BigInt.asUintN(64, entry.d_off), at + 8);
  out.writeUInt32LE(entry.name.length, at + 16);
  out.writeUInt32LE(entry.d_type, at + 20);
  out.write(entry.name, at + DIRENT_SIZE, 'latin1');
  for (let i = at + DIRENT_SIZE + entry.name.length; i < end; i++) out[i] = 0;
  return end;
}

/** fuse_out_header of a reply with `size` bytes behind it; `error` is negative, or 0, or a notification's code. */
export function encodeOutHeader(unique: number, error: number, size: number): Buffer {
  const out = Buffer.allocUnsafe(OUT_HEADER_SIZE);
  out.writeUInt32LE(OUT_HEADER_SIZE + size, 0);
  out.writeInt32LE(error, 4);
  writeU64(out, unique, 8);
  return out;
}

const header = Buffer.allocUnsafeSlow(OUT_HEADER_SIZE);

/** As {@link encodeOutHeader}, in memory that the next call writes to: for what is sent at once. */
export function outHeader(unique: number, error: number, size: number): Buffer {
  header.writeUInt32LE(OUT_HEADER_SIZE + size, 0);
  header.writeInt32LE(error, 4);
  writeU64(header, unique, 8);
  return header;
}

/** The kernel shall drop what it caches of a file: attributes and all pages. */
export function encodeInvalInode(nodeid: number, pages = true): Buffer {
  const out = Buffer.alloc(OUT_HEADER_SIZE + 24);
  encodeOutHeader(0, Notify.INVAL_INODE, 24).copy(out);
  writeU64(out, nodeid, OUT_HEADER_SIZE);
  // Pages from an offset on; those of none when it is negative.
  out.writeBigInt64LE(pages ? 0n : -1n, OUT_HEADER_SIZE + 8);
  out.writeBigInt64LE(-1n, OUT_HEADER_SIZE + 16);
  return out;
}

/** The kernel shall let go of files that nobody uses (Linux 6.18 on). */
export function encodePrune(nodeids: readonly number[]): Buffer {
  const size = 16 + 8 * nodeids.length;
  const out = Buffer.alloc(OUT_HEADER_SIZE + size);
  encodeOutHeader(0, Notify.PRUNE, size).copy(out);
  out.writeUInt32LE(nodeids.length, OUT_HEADER_SIZE);
  nodeids.forEach((nodeid, i) => writeU64(out, nodeid, OUT_HEADER_SIZE + 16 + 8 * i));
  return out;
}

/** The kernel shall forget a name. */
export function encodeInvalEntry(parent: number, name: Bytes): Buffer {
  const size = 16 + name.length + 1;
  const out = Buffer.alloc(OUT_HEADER_SIZE + size);
  encodeOutHeader(0, Notify.INVAL_ENTRY, size).copy(out);
  writeU64(out, parent, OUT_HEADER_SIZE);
  out.writeUInt32LE(name.length, OUT_HEADER_SIZE + 8);
  out.write(name, OUT_HEADER_SIZE + 16, 'latin1');
  return out;
}
