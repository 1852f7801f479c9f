import { type Bytes, Dict } from '@glusterts/libglusterfs';

export const VERSION = 'trusted.ec.version' as Bytes;
export const SIZE = 'trusted.ec.size' as Bytes;
export const CONFIG = 'trusted.ec.config' as Bytes;
export const DIRTY = 'trusted.ec.dirty' as Bytes;
/** Asked beside the xattrop: the brick's own size of its fragment file. */
export const GET_SIZE = 'get-size' as Bytes;
export const EC_PREFIX = 'trusted.ec.';
export const INODELK_DOM_COUNT = 'glusterfs.inodelk-dom-count' as Bytes;
export const INODELK_COUNT = 'glusterfs.inodelk-count' as Bytes;

/** Our own question to our own bricks: the number of the last inodelk granted on the inode; 0 while one is held. Others leave it out. */
export const GENERATION = 'glusterts.inodelk-generation' as Bytes;

/**
 * A call within another one, which our own bricks do when that has succeeded (docs/chained-calls.md). In the request: there is something to be done, or it
 * is only to be told whether the brick can; in the answer: how it went, 0 or an errno. What: an inodelk of that domain for that owner on the file that a CREATE makes, with
 * its lock number in the answer; additions to the xattrs whose names follow `ALONG_ADD` behind a WRITE.
 */
export const ALONG = 'glusterts.along' as Bytes;
export const ALONG_DOMAIN = 'glusterts.along-domain' as Bytes;
export const ALONG_OWNER = 'glusterts.along-owner' as Bytes;
export const ALONG_GENERATION = 'glusterts.along-generation' as Bytes;
export const ALONG_ADD = 'glusterts.along:';
/** In an INODELK that gives a lock back, to bricks that know `ALONG`: gfids and owners (16 and 8 bytes) of other locks of the domain that go with it. */
export const UNLOCK_ALSO = 'glusterts.unlock-also' as Bytes;
/** Told to write-behind about a file that was made to be written to: what is written first is better sent along with the close. */
export const HOLD = 'glusterts.hold-first-write' as Bytes;
/** Told by write-behind: the file is being closed behind this write. */
export const CLOSING = 'glusterts.closing' as Bytes;

/** Our own question in RENAME: the name of an xattr of the file, which comes with the answer. Others leave it out. */
export const WITH_XATTR = 'glusterts.with-xattr' as Bytes;

/** Marks the data version of a brick that is being healed (spec/ec.md, §26). */
export const HEALING_BIT = 1n << 62n;

/** Two's-complement big-endian 64-bit numbers. */
export function u64s(...values: readonly bigint[]): Uint8Array {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, i) => bytes.writeBigUInt64BE(BigInt.asUintN(64, value), i * 8));
  return bytes;
}

/** A number of 8 bytes; undefined when it is absent or of another length. */
export function readU64(dict: Dict | undefined, key: Bytes): bigint | undefined {
  const value = dict?.getBin(key);
  return value?.length === 8 ? Buffer.from(value.buffer, value.byteOffset, 8).readBigUInt64BE() : undefined;
}

/** Data and metadata version; one value of old stands for both. */
export function readPair(dict: Dict | undefined, key: Bytes): [bigint, bigint] | undefined {
  const value = dict?.getBin(key);
  if (value === undefined || (value.length !== 8 && value.length !== 16)) return undefined;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  const data = bytes.readBigUInt64BE(0);
  return [data, value.length === 16 ? bytes.readBigUInt64BE(8) : data];
}

/** The xdata of a caller with EC's question for the number of locks (spec/ec.md, §7). */
export function withLockCount(xdata: Dict | undefined, domain: string): Dict {
  return (xdata?.clone() ?? new Dict()).setStr(INODELK_DOM_COUNT, domain);
}

/** As `withLockCount` if that is asked; the caller's own xdata else. */
export function withLockCountIf(asks: boolean, xdata: Dict | undefined, domain: string): Dict | undefined {
  return asks ? withLockCount(xdata, domain) : xdata;
}
