import type { Bytes } from './bytes.js';

const SLOTS = 4096;
const SIZE_MIN = 4;
const SIZE_MAX = 64;

/**
 * Byte strings that come again and again: keys of dicts, gfids of what is in use. One that was met before is the same string
 * object, already hashed, and costs a comparison; made anew it costs a call into C++, and the hash when it is looked up.
 */
class WireTexts {
  readonly #slots = new Array<Bytes | undefined>(SLOTS).fill(undefined);

  /** @param make of what wasn't met before */
  read(bytes: Buffer, start: number, end: number, make: (bytes: Buffer, start: number, end: number) => Bytes): Bytes {
    const size = end - start;
    if (size > SIZE_MAX || size < SIZE_MIN) return plain(bytes, start, end);
    let hash = size;
    for (let i = end - 4; i < end; i++) hash = (hash * 31 + (bytes[i] ?? 0)) | 0;
    hash = (hash * 31 + (bytes[start] ?? 0) + ((bytes[start + (size >> 1)] ?? 0) << 8)) | 0;
    const slot = (hash ^ (hash >>> 12)) & (SLOTS - 1);
    const known = this.#slots[slot];
    if (known !== undefined && known.length === size && isAt(known, bytes, start)) return known;
    const text = make(bytes, start, end);
    this.#slots[slot] = text;
    return text;
  }
}

function isAt(text: Bytes, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

const plain = (bytes: Buffer, start: number, end: number): Bytes => bytes.toString('latin1', start, end) as Bytes;

/** As a property's name V8 keeps a string once only, the one in the code included: they differ when they aren't the same object. */
const unique = (bytes: Buffer, start: number, end: number): Bytes => Object.keys({ [plain(bytes, start, end)]: true })[0] as Bytes;

const texts = new WireTexts();
const keys = new WireTexts();

/** The byte string from `start` to `end`, for strings that are likely to have come before. */
export function wireText(bytes: Buffer, start: number, end: number): Bytes {
  return texts.read(bytes, start, end, plain);
}

/** As `wireText`, for strings that are compared with those in the code: keys of dicts. */
export function wireKey(bytes: Buffer, start: number, end: number): Bytes {
  return keys.read(bytes, start, end, unique);
}
