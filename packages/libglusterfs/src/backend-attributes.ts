import type { Bytes } from './bytes.js';
import type { Mdata } from './dict.js';
import { type Gfid, NULL_GFID, gfidToIno } from './gfid.js';
import { IATT_FLAGS_DEFAULT, Iatt, IaType } from './iatt.js';
import type { StatCells, StatSlot } from './platform/storage.js';

/* What a file on a brick's disk tells of itself: for storage/posix, and for clients that read such a file themselves. */

/** The times of an object, the same on all bricks (spec/brick.md, §2.5). */
export const MDATA_XATTR = 'trusted.glusterfs.mdata' as Bytes;
/** Bytes of {@link MDATA_XATTR}. */
export const MDATA_XATTR_SIZE = 57;
export const MDATA_XATTR_VERSION = 1;

/** The iatt of what lies in a stat slot; times from the backend (spec/brick.md, §3.1). Its handle is a link that doesn't count. */
export function backendIatt(cells: StatCells, slot: StatSlot, gfid: Gfid): Iatt {
  const iatt = new Iatt();
  const mode = cells.mode(slot);
  iatt.mode = mode;
  iatt.ia_gfid = gfid;
  iatt.ia_flags = IATT_FLAGS_DEFAULT;
  if (gfid === NULL_GFID) {
    iatt.ia_ino = 0xffffffffffffffffn;
    iatt.ia_flags &= ~0x100;
  } else {
    iatt.ia_ino = gfidToIno(gfid);
  }
  const nlink = cells.nlink(slot);
  iatt.ia_nlink = iatt.ia_type === IaType.DIR || nlink === 0 ? nlink : nlink - 1;
  iatt.ia_uid = cells.uid(slot);
  iatt.ia_gid = cells.gid(slot);
  const size = cells.size(slot);
  iatt.ia_size = size;
  iatt.ia_blksize = cells.blksize(slot);
  iatt.ia_blocks = Math.min(cells.blocks(slot), Math.floor((size + 511) / 512));
  iatt.ia_dev = cells.dev(slot);
  const major = cells.rdevMajor(slot);
  const minor = cells.rdevMinor(slot);
  if (major !== 0 || minor !== 0) iatt.ia_rdev = (BigInt(major) << 32n) | BigInt(minor);
  iatt.ia_atime = cells.atime(slot);
  iatt.ia_atime_nsec = cells.atimeNsec(slot);
  iatt.ia_mtime = cells.mtime(slot);
  iatt.ia_mtime_nsec = cells.mtimeNsec(slot);
  iatt.ia_ctime = cells.ctime(slot);
  iatt.ia_ctime_nsec = cells.ctimeNsec(slot);
  return iatt;
}

/** Reads the value of {@link MDATA_XATTR}; undefined when it isn't one. */
export function decodeMdataXattr(value: Uint8Array): Mdata | undefined {
  if (value.length < MDATA_XATTR_SIZE || value[0] !== MDATA_XATTR_VERSION) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  // Times may be before 1970: sign-extended 64-bit seconds.
  const word = (offset: number): number => view.getInt32(offset) * 2 ** 32 + view.getUint32(offset + 4);
  return { ctime: word(9), ctime_nsec: word(17), mtime: word(25), mtime_nsec: word(33), atime: word(41), atime_nsec: word(49) };
}

/** Puts an object's times into its iatt. */
export function applyMdata(iatt: Iatt, times: Mdata): void {
  iatt.ia_ctime = times.ctime;
  iatt.ia_ctime_nsec = times.ctime_nsec;
  iatt.ia_mtime = times.mtime;
  iatt.ia_mtime_nsec = times.mtime_nsec;
  iatt.ia_atime = times.atime;
  iatt.ia_atime_nsec = times.atime_nsec;
}
