import type { Bytes } from './bytes.js';

declare const gfid: unique symbol;
/**
 * The identity of a file on a volume: 16 bytes, a UUID, kept as a latin-1 string of 16 chars so that it can be a Map
 * key and be compared with `===`.
 */
export type Gfid = string & { readonly [gfid]: true };

const HEX = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;

/** All zero: "not known". */
export const NULL_GFID = '\0'.repeat(16) as Gfid;
/** The volume's root, 00000000-0000-0000-0000-000000000001. */
export const ROOT_GFID = ('\0'.repeat(15) + '\x01') as Gfid;

/** Reads 16 bytes at `offset`. Throws a RangeError when they don't lie inside the buffer. */
export function gfidRead(buffer: Uint8Array, offset = 0): Gfid {
  if (offset < 0 || offset + 16 > buffer.length) throw new RangeError('a gfid needs 16 bytes');
  return Buffer.from(buffer.buffer, buffer.byteOffset + offset, 16).toString('latin1') as Gfid;
}

export function gfidToBuffer(id: Gfid): Buffer {
  return Buffer.from(id, 'latin1');
}

/** The usual text form, lower case with dashes. */
export function gfidToString(id: Gfid): string {
  const hex = Buffer.from(id, 'latin1').toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Parses the text form; undefined when it is none. */
export function gfidParse(text: string): Gfid | undefined {
  if (!HEX.test(text)) return undefined;
  return Buffer.from(text.replaceAll('-', ''), 'hex').toString('latin1') as Gfid;
}

/** The inode number that users see: the last 8 bytes as a big-endian number; the root's is 1 (spec/rpc-wire.md, §8). */
export function gfidToIno(id: Gfid): bigint {
  let high = 0;
  let low = 0;
  for (let i = 8; i < 12; i++) high = high * 256 + id.charCodeAt(i);
  for (let i = 12; i < 16; i++) low = low * 256 + id.charCodeAt(i);
  return (BigInt(high) << 32n) | BigInt(low);
}

export function gfidIsNull(id: Gfid): boolean {
  return id === NULL_GFID;
}

/** The byte string `<gfid:…>` with which paths of unlinked or unresolved inodes begin. */
export function gfidPath(id: Gfid): Bytes {
  return `<gfid:${gfidToString(id)}>` as Bytes;
}
