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
  let at = 0;
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text[at++] = DASH;
    const pair = HEX_PAIRS[id.charCodeAt(i) & 0xff] ?? 0;
    text[at++] = pair >> 8;
    text[at++] = pair & 0xff;
  }
  return text.toString('latin1', 0, TEXT_SIZE);
}
const TEXT_SIZE = 36;
const DASH = 0x2d;
const text = Buffer.alloc(TEXT_SIZE);
/** The two digits of each byte, as char codes. */
const HEX_PAIRS = Uint16Array.from({ length: 256 }, (_, byte) => ('0123456789abcdef'.charCodeAt(byte >> 4) << 8) | '0123456789abcdef'.charCodeAt(byte & 15));

/** Parses the text form; undefined when it is none. */
export function gfidParse(text: string): Gfid | undefined {
  if (!HEX.test(text)) return undefined;
  return Buffer.from(text.replaceAll('-', ''), 'hex').toString('latin1') as Gfid;
}

/** The inode number that users see: the last 8 bytes as a big-endian number; the root's is 1 (spec/rpc-wire.md, §8). */
export function gfidToIno(id: Gfid): bigint {
  inoWords[1] = (id.charCodeAt(8) << 24) | (id.charCodeAt(9) << 16) | (id.charCodeAt(10) << 8) | id.charCodeAt(11);
  inoWords[0] = (id.charCodeAt(12) << 24) | (id.charCodeAt(13) << 16) | (id.charCodeAt(14) << 8) | id.charCodeAt(15);
  return ino[0] ?? 0n;
}
/** Put together in memory, low word first: with shifts there would be four BigInts. */
const ino = new BigUint64Array(1);
const inoWords = new Uint32Array(ino.buffer);


export function gfidIsNull(id: Gfid): boolean {
  return id === NULL_GFID;
}

/** The byte string `<gfid:…>` with which paths of unlinked or unresolved inodes begin. */
export function gfidPath(id: Gfid): Bytes {
  return `<gfid:${gfidToString(id)}>` as Bytes;
}
