import type { Mdata } from './dict.js';
import type { Gfid } from './gfid.js';
import { IATT_FLAGS_DEFAULT, Iatt, type IaType } from './iatt.js';
import { type WireSource, type WireTarget, take } from './wire-cursor.js';

/** Sizes in bytes of iattx and mdata in XDR (spec/rpc-wire.md, §5.1), of v3.3's iatt (§10), and of the C structs (§4.4). */
export const IATTX_SIZE = 148;
export const IATT_V330_SIZE = 100;
export const MDATA_SIZE = 36;
export const IATT_NATIVE_SIZE = 152;
export const MDATA_NATIVE_SIZE = 40;

const TWO32 = 4294967296;

/** Writes a 64-bit integer held as a number, signed or not. Without bigint: times and sizes are read by the thousand. */
export function putInt53(view: DataView, offset: number, value: number): void {
  view.setInt32(offset, Math.floor(value / TWO32));
  view.setUint32(offset + 4, value >>> 0);
}

/** An unsigned 64-bit integer as a number; exact up to 2^53−1, nearest above. */
export function getUint53(view: DataView, offset: number): number {
  const high = view.getUint32(offset);
  const low = view.getUint32(offset + 4);
  // V8 boxes every product, also a small one: most numbers are kept out of it, and Iatts have no boxes in seven of their fields.
  return high === 0 ? low : high * TWO32 + low;
}

/** An unsigned 64-bit integer. Most of an iatt's are 0, and that needs no BigInt of its own. */
function getBig(view: DataView, offset: number): bigint {
  return view.getUint32(offset + 4) === 0 && view.getUint32(offset) === 0 ? 0n : view.getBigUint64(offset);
}

const wide = new BigUint64Array(1);
/** Low word first: all machines that this runs on are little-endian. */
const words = new Uint32Array(wide.buffer);

/** Writes a 64-bit integer, signed or not: through memory, since V8 calls a function for DataView's own setter. */
export function putBig(view: DataView, offset: number, value: bigint): void {
  if (value === 0n) {
    view.setUint32(offset, 0);
    view.setUint32(offset + 4, 0);
    return;
  }
  wide[0] = value;
  view.setUint32(offset, words[1] ?? 0);
  view.setUint32(offset + 4, words[0] ?? 0);
}

/** A signed 64-bit integer as a number; exact within ±(2^53−1), nearest outside. */
export function getInt53(view: DataView, offset: number): number {
  const high = view.getInt32(offset);
  const low = view.getUint32(offset + 4);
  return high === 0 ? low : high * TWO32 + low;
}

function putInt53LE(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setInt32(offset + 4, Math.floor(value / TWO32), true);
}

function getInt53LE(view: DataView, offset: number): number {
  const high = view.getInt32(offset + 4, true);
  const low = view.getUint32(offset, true);
  return high === 0 ? low : high * TWO32 + low;
}

/** Writes the 16 bytes of a gfid. A loop over chars: a call into C++ costs more than 16 stores. */
export function putGfid(bytes: Uint8Array, offset: number, gfid: Gfid): void {
  for (let i = 0; i < 16; i++) bytes[offset + i] = gfid.charCodeAt(i);
}

/** Appends an iattx. */
export function writeIattx(w: WireTarget, iatt: Iatt): void {
  const at = w.reserve(IATTX_SIZE);
  putIattx(w.bytes, w.view, at, iatt);
}

/** Writes an iattx at an offset. */
export function putIattx(bytes: Uint8Array, view: DataView, at: number, iatt: Iatt): void {
  putGfid(bytes, at, iatt.ia_gfid);
  putInt53(view, at + 16, iatt.ia_flags);
  putBig(view, at + 24, iatt.ia_ino);
  putBig(view, at + 32, iatt.ia_dev);
  putBig(view, at + 40, iatt.ia_rdev);
  putInt53(view, at + 48, iatt.ia_size);
  putInt53(view, at + 56, iatt.ia_blocks);
  putBig(view, at + 64, iatt.ia_attributes);
  putBig(view, at + 72, iatt.ia_attributes_mask);
  putInt53(view, at + 80, iatt.ia_atime);
  putInt53(view, at + 88, iatt.ia_mtime);
  putInt53(view, at + 96, iatt.ia_ctime);
  putInt53(view, at + 104, iatt.ia_btime);
  view.setUint32(at + 112, iatt.ia_atime_nsec);
  view.setUint32(at + 116, iatt.ia_mtime_nsec);
  view.setUint32(at + 120, iatt.ia_ctime_nsec);
  view.setUint32(at + 124, iatt.ia_btime_nsec);
  view.setUint32(at + 128, iatt.ia_nlink);
  view.setUint32(at + 132, iatt.ia_uid);
  view.setUint32(at + 136, iatt.ia_gid);
  view.setUint32(at + 140, iatt.ia_blksize);
  view.setUint32(at + 144, iatt.mode);
}

/** Reads an iattx. Throws WireFormatError. */
export function readIattx(r: WireSource): Iatt {
  const at = take(r, IATTX_SIZE);
  const view = r.view;
  const iatt = new Iatt();
  iatt.ia_gfid = r.bytes.toString('latin1', at, at + 16) as Gfid;
  iatt.ia_flags = getUint53(view, at + 16);
  iatt.ia_ino = view.getBigUint64(at + 24);
  iatt.ia_dev = view.getBigUint64(at + 32);
  iatt.ia_rdev = getBig(view, at + 40);
  iatt.ia_size = getUint53(view, at + 48);
  iatt.ia_blocks = getUint53(view, at + 56);
  iatt.ia_attributes = getBig(view, at + 64);
  iatt.ia_attributes_mask = getBig(view, at + 72);
  iatt.ia_atime = getInt53(view, at + 80);
  iatt.ia_mtime = getInt53(view, at + 88);
  iatt.ia_ctime = getInt53(view, at + 96);
  iatt.ia_btime = getInt53(view, at + 104);
  iatt.ia_atime_nsec = view.getUint32(at + 112);
  iatt.ia_mtime_nsec = view.getUint32(at + 116);
  iatt.ia_ctime_nsec = view.getUint32(at + 120);
  iatt.ia_btime_nsec = view.getUint32(at + 124);
  iatt.ia_nlink = view.getUint32(at + 128);
  iatt.ia_uid = view.getUint32(at + 132);
  iatt.ia_gid = view.getUint32(at + 136);
  iatt.ia_blksize = view.getUint32(at + 140);
  iatt.mode = view.getUint32(at + 144);
  return iatt;
}

/** Appends v3.3's iatt (spec/rpc-wire.md, §10): no btime, no attributes, times of 32 bits. */
export function writeIattV330(w: WireTarget, iatt: Iatt): void {
  const at = w.reserve(IATT_V330_SIZE);
  const view = w.view;
  putGfid(w.bytes, at, iatt.ia_gfid);
  view.setBigUint64(at + 16, iatt.ia_ino);
  view.setBigUint64(at + 24, iatt.ia_dev);
  view.setUint32(at + 32, iatt.mode);
  view.setUint32(at + 36, iatt.ia_nlink);
  view.setUint32(at + 40, iatt.ia_uid);
  view.setUint32(at + 44, iatt.ia_gid);
  view.setBigUint64(at + 48, iatt.ia_rdev);
  putInt53(view, at + 56, iatt.ia_size);
  view.setUint32(at + 64, iatt.ia_blksize);
  putInt53(view, at + 68, iatt.ia_blocks);
  view.setUint32(at + 76, iatt.ia_atime);
  view.setUint32(at + 80, iatt.ia_atime_nsec);
  view.setUint32(at + 84, iatt.ia_mtime);
  view.setUint32(at + 88, iatt.ia_mtime_nsec);
  view.setUint32(at + 92, iatt.ia_ctime);
  view.setUint32(at + 96, iatt.ia_ctime_nsec);
}

/** Reads v3.3's iatt. Its validity bits are the usual ones. Throws WireFormatError. */
export function readIattV330(r: WireSource): Iatt {
  const at = take(r, IATT_V330_SIZE);
  const view = r.view;
  const iatt = new Iatt();
  iatt.ia_gfid = r.bytes.toString('latin1', at, at + 16) as Gfid;
  iatt.ia_flags = IATT_FLAGS_DEFAULT;
  iatt.ia_ino = view.getBigUint64(at + 16);
  iatt.ia_dev = view.getBigUint64(at + 24);
  iatt.mode = view.getUint32(at + 32);
  iatt.ia_nlink = view.getUint32(at + 36);
  iatt.ia_uid = view.getUint32(at + 40);
  iatt.ia_gid = view.getUint32(at + 44);
  iatt.ia_rdev = getBig(view, at + 48);
  iatt.ia_size = getUint53(view, at + 56);
  iatt.ia_blksize = view.getUint32(at + 64);
  iatt.ia_blocks = getUint53(view, at + 68);
  iatt.ia_atime = view.getUint32(at + 76);
  iatt.ia_atime_nsec = view.getUint32(at + 80);
  iatt.ia_mtime = view.getUint32(at + 84);
  iatt.ia_mtime_nsec = view.getUint32(at + 88);
  iatt.ia_ctime = view.getUint32(at + 92);
  iatt.ia_ctime_nsec = view.getUint32(at + 96);
  return iatt;
}

/** Writes an mdata in XDR at an offset (spec/rpc-wire.md, §4.3). */
export function putMdata(view: DataView, at: number, mdata: Mdata): void {
  putInt53(view, at, mdata.atime);
  putInt53(view, at + 8, mdata.mtime);
  putInt53(view, at + 16, mdata.ctime);
  view.setUint32(at + 24, mdata.atime_nsec);
  view.setUint32(at + 28, mdata.mtime_nsec);
  view.setUint32(at + 32, mdata.ctime_nsec);
}

/** Reads an mdata in XDR. Throws WireFormatError. */
export function readMdata(r: WireSource): Mdata {
  const at = take(r, MDATA_SIZE);
  const view = r.view;
  return {
    atime: getInt53(view, at),
    atime_nsec: view.getUint32(at + 24),
    mtime: getInt53(view, at + 8),
    mtime_nsec: view.getUint32(at + 28),
    ctime: getInt53(view, at + 16),
    ctime_nsec: view.getUint32(at + 32),
  };
}

const PROT_BITS = 12;

/** st_mode's permission bits as C's bit-field has them, suid in bit 0 … others' x in bit 11; and back: it is its own inverse. */
function reverseProt(prot: number): number {
  let reversed = 0;
  for (let bit = 0; bit < PROT_BITS; bit++) if (prot & (1 << bit)) reversed |= 1 << (PROT_BITS - 1 - bit);
  return reversed;
}

/** The C struct iatt of a 64-bit little-endian process, as legacy dicts carry it (spec/rpc-wire.md, §4.4). */
export function encodeIattNative(iatt: Iatt): Buffer {
  const bytes = Buffer.alloc(IATT_NATIVE_SIZE);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  putInt53LE(view, 0, iatt.ia_flags);
  view.setBigUint64(8, iatt.ia_ino, true);
  view.setBigUint64(16, iatt.ia_dev, true);
  view.setBigUint64(24, iatt.ia_rdev, true);
  putInt53LE(view, 32, iatt.ia_size);
  view.setUint32(40, iatt.ia_nlink, true);
  view.setUint32(44, iatt.ia_uid, true);
  view.setUint32(48, iatt.ia_gid, true);
  view.setUint32(52, iatt.ia_blksize, true);
  putInt53LE(view, 56, iatt.ia_blocks);
  putInt53LE(view, 64, iatt.ia_atime);
  putInt53LE(view, 72, iatt.ia_mtime);
  putInt53LE(view, 80, iatt.ia_ctime);
  putInt53LE(view, 88, iatt.ia_btime);
  view.setUint32(96, iatt.ia_atime_nsec, true);
  view.setUint32(100, iatt.ia_mtime_nsec, true);
  view.setUint32(104, iatt.ia_ctime_nsec, true);
  view.setUint32(108, iatt.ia_btime_nsec, true);
  view.setBigUint64(112, iatt.ia_attributes, true);
  view.setBigUint64(120, iatt.ia_attributes_mask, true);
  putGfid(bytes, 128, iatt.ia_gfid);
  view.setUint32(144, iatt.ia_type, true);
  view.setUint32(148, reverseProt(iatt.ia_prot), true);
  return bytes;
}

/** Reads the C struct iatt; undefined when the bytes are not of its size. */
export function decodeIattNative(bytes: Uint8Array): Iatt | undefined {
  if (bytes.length !== IATT_NATIVE_SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const iatt = new Iatt();
  iatt.ia_gfid = Buffer.from(bytes.buffer, bytes.byteOffset + 128, 16).toString('latin1') as Gfid;
  iatt.ia_flags = getInt53LE(view, 0);
  iatt.ia_type = (view.getUint32(144, true) & 7) as IaType;
  iatt.ia_prot = reverseProt(view.getUint32(148, true));
  iatt.ia_nlink = view.getUint32(40, true);
  iatt.ia_uid = view.getUint32(44, true);
  iatt.ia_gid = view.getUint32(48, true);
  iatt.ia_blksize = view.getUint32(52, true);
  iatt.ia_size = getInt53LE(view, 32);
  iatt.ia_blocks = getInt53LE(view, 56);
  iatt.ia_ino = view.getBigUint64(8, true);
  iatt.ia_dev = view.getBigUint64(16, true);
  iatt.ia_rdev = view.getBigUint64(24, true);
  iatt.ia_attributes = view.getBigUint64(112, true);
  iatt.ia_attributes_mask = view.getBigUint64(120, true);
  iatt.ia_atime = getInt53LE(view, 64);
  iatt.ia_mtime = getInt53LE(view, 72);
  iatt.ia_ctime = getInt53LE(view, 80);
  iatt.ia_btime = getInt53LE(view, 88);
  iatt.ia_atime_nsec = view.getUint32(96, true);
  iatt.ia_mtime_nsec = view.getUint32(100, true);
  iatt.ia_ctime_nsec = view.getUint32(104, true);
  iatt.ia_btime_nsec = view.getUint32(108, true);
  return iatt;
}

/** The C struct mdata (spec/rpc-wire.md, §4.4). */
export function encodeMdataNative(mdata: Mdata): Buffer {
  const bytes = Buffer.alloc(MDATA_NATIVE_SIZE);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  putInt53LE(view, 0, mdata.atime);
  putInt53LE(view, 8, mdata.mtime);
  putInt53LE(view, 16, mdata.ctime);
  view.setUint32(24, mdata.atime_nsec, true);
  view.setUint32(28, mdata.mtime_nsec, true);
  view.setUint32(32, mdata.ctime_nsec, true);
  return bytes;
}

/** Reads the C struct mdata; undefined when the bytes are not of its size. */
export function decodeMdataNative(bytes: Uint8Array): Mdata | undefined {
  if (bytes.length !== MDATA_NATIVE_SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    atime: getInt53LE(view, 0),
    atime_nsec: view.getUint32(24, true),
    mtime: getInt53LE(view, 8),
    mtime_nsec: view.getUint32(28, true),
    ctime: getInt53LE(view, 16),
    ctime_nsec: view.getUint32(32, true),
  };
}
