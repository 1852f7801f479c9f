import type { Bytes } from './bytes.js';
import { fromBuffer, toBuffer } from './bytes.js';
import type { Gfid } from './gfid.js';
import { gfidRead } from './gfid.js';
import type { Iatt } from './iatt.js';

/** Types of values, numbered as on the wire (spec/rpc-wire.md, §4.3). */
export const DictType = { STR_OLD: 1, INT: 2, UINT: 3, DOUBLE: 4, STR: 5, PTR: 6, GFUUID: 7, IATT: 8, MDATA: 9 } as const;
export type DictType = (typeof DictType)[keyof typeof DictType];

/** The times of a file as features/utime and the brick exchange them; seconds and nanoseconds. */
export interface Mdata {
  atime: number;
  atime_nsec: number;
  mtime: number;
  mtime_nsec: number;
  ctime: number;
  ctime_nsec: number;
}

/** One value. Strings are held without their NUL; the encodings add it. */
export type DictValue =
  | { readonly type: typeof DictType.INT | typeof DictType.UINT; readonly value: bigint }
  | { readonly type: typeof DictType.DOUBLE; readonly value: number }
  | { readonly type: typeof DictType.STR; readonly value: Bytes }
  | { readonly type: typeof DictType.STR_OLD | typeof DictType.PTR; readonly value: Uint8Array }
  | { readonly type: typeof DictType.GFUUID; readonly value: Gfid }
  | { readonly type: typeof DictType.IATT; readonly value: Iatt }
  | { readonly type: typeof DictType.MDATA; readonly value: Mdata };

const NUL = 0;

/** Of all dicts of the process since its start, for statedumps. */
export const dictStats = { dicts: 0, pairs: 0, pairsMax: 0 };

const ABSENT = -1;
/** Length of `#pairs` above which keys are hashed: sixteen pairs. */
const SEARCHED_MAX = 32;

function integer(type: typeof DictType.INT | typeof DictType.UINT, value: number | bigint): DictValue {
  return { type, value: BigInt(value) };
}

/** Most integers in dicts are flags and small sizes: these are made once. */
const SMALL_INTS = Array.from({ length: 257 }, (_, value) => integer(DictType.INT, value));
const SMALL_UINTS = Array.from({ length: 257 }, (_, value) => integer(DictType.UINT, value));

/**
 * A typed map from byte-string keys to values, GlusterFS's dict: xdata, xattrs, glusterd's requests.
 *
 * Iteration is newest first, and a replaced value keeps its place, as in GlusterFS, so that encodings agree byte for
 * byte (spec/rpc-wire.md, §4.2). Getters convert between types as real readers do: types are a courtesy, not a contract.
 */
export class Dict {
  /** Keys and values in turn, oldest first: most dicts have a handful of pairs, for which looking through them beats hashing. */
  #pairs: (string | DictValue)[] = [];
  /** Where each key lies in `#pairs`; only in larger dicts. */
  #index: Map<string, number> | undefined = undefined;

  constructor() {
    dictStats.dicts++;
  }

  /** A dict of the given values; the last one is the newest. */
  static of(entries: Readonly<Record<string, DictValue>>): Dict {
    const dict = new Dict();
    for (const [key, value] of Object.entries(entries)) dict.set(key as Bytes, value);
    return dict;
  }

  get size(): number {
    return this.#pairs.length >> 1;
  }

  #find(key: string): number {
    if (this.#index) return this.#index.get(key) ?? ABSENT;
    const pairs = this.#pairs;
    for (let at = 0; at < pairs.length; at += 2) if (pairs[at] === key) return at;
    return ABSENT;
  }

  set(key: Bytes | string, value: DictValue): this {
    const at = this.#find(key);
    dictStats.pairs++;
    if (at !== ABSENT) {
      this.#pairs[at + 1] = value;
      return this;
    }
    this.#index?.set(key, this.#pairs.length);
    this.#pairs.push(key, value);
    if (this.#index === undefined && this.#pairs.length > SEARCHED_MAX) this.#buildIndex();
    if (this.size > dictStats.pairsMax) dictStats.pairsMax = this.size;
    return this;
  }

  #buildIndex(): void {
    const index = new Map<string, number>();
    for (let at = 0; at < this.#pairs.length; at += 2) index.set(this.#pairs[at] as string, at);
    this.#index = index;
  }

  get(key: Bytes | string): DictValue | undefined {
    const at = this.#find(key);
    return at === ABSENT ? undefined : this.valueAt(at >> 1);
  }

  has(key: Bytes | string): boolean {
    return this.#find(key) !== ABSENT;
  }

  delete(key: Bytes | string): boolean {
    const at = this.#find(key);
    if (at === ABSENT) return false;
    this.#pairs.splice(at, 2);
    if (this.#index) this.#buildIndex();
    return true;
  }

  /** The key of a pair by its age: 0 is the oldest. */
  keyAt(index: number): Bytes {
    return this.#pairs[2 * index] as Bytes;
  }

  /** The value of a pair by its age: 0 is the oldest. */
  valueAt(index: number): DictValue {
    return this.#pairs[2 * index + 1] as DictValue;
  }

  /** Pairs, newest first. */
  entries(): [Bytes, DictValue][] {
    const entries: [Bytes, DictValue][] = [];
    for (let i = this.size - 1; i >= 0; i--) entries.push([this.keyAt(i), this.valueAt(i)]);
    return entries;
  }

  /** Keys, newest first. */
  keys(): Bytes[] {
    const keys: Bytes[] = [];
    for (let i = this.size - 1; i >= 0; i--) keys.push(this.keyAt(i));
    return keys;
  }

  /** A copy; values are immutable and shared. */
  clone(): Dict {
    const copy = new Dict();
    copy.#pairs = this.#pairs.slice();
    if (this.#index) copy.#buildIndex();
    return copy;
  }

  /** Sets every pair of another dict here. */
  merge(other: Dict | undefined): this {
    if (other) for (let i = 0; i < other.size; i++) this.set(other.keyAt(i), other.valueAt(i));
    return this;
  }

  setInt(key: Bytes | string, value: number | bigint): this {
    return this.set(key, typeof value === 'number' && value >= 0 && value < SMALL_INTS.length ? (SMALL_INTS[value] ?? integer(DictType.INT, value)) : integer(DictType.INT, value));
  }

  setUint(key: Bytes | string, value: number | bigint): this {
    return this.set(key, typeof value === 'number' && value >= 0 && value < SMALL_UINTS.length ? (SMALL_UINTS[value] ?? integer(DictType.UINT, value)) : integer(DictType.UINT, value));
  }

  setDouble(key: Bytes | string, value: number): this {
    return this.set(key, { type: DictType.DOUBLE, value });
  }

  /** A string; text outside ASCII must be made bytes first, with `utf8()`. */
  setStr(key: Bytes | string, value: Bytes | string): this {
    return this.set(key, { type: DictType.STR, value: value as Bytes });
  }

  /** Raw bytes. The buffer is kept, not copied. */
  setBin(key: Bytes | string, value: Uint8Array): this {
    return this.set(key, { type: DictType.PTR, value });
  }

  setGfid(key: Bytes | string, value: Gfid): this {
    return this.set(key, { type: DictType.GFUUID, value });
  }

  setIatt(key: Bytes | string, value: Iatt): this {
    return this.set(key, { type: DictType.IATT, value });
  }

  setMdata(key: Bytes | string, value: Mdata): this {
    return this.set(key, { type: DictType.MDATA, value });
  }

  /** Any integer, or text that is one (base 10, 0x or 0 octal); undefined when absent or something else. */
  getInt(key: Bytes | string): bigint | undefined {
    const entry = this.get(key);
    if (entry === undefined) return undefined;
    switch (entry.type) {
      case DictType.INT:
      case DictType.UINT:
        return entry.value;
      case DictType.DOUBLE:
        return Number.isFinite(entry.value) ? BigInt(Math.trunc(entry.value)) : undefined;
      case DictType.STR:
        return parseInteger(entry.value);
      case DictType.STR_OLD:
      case DictType.PTR:
        return parseInteger(untilNul(entry.value));
      default:
        return undefined;
    }
  }

  /** As {@link getInt}, as a number; undefined also when it is no safe integer. */
  getNumber(key: Bytes | string): number | undefined {
    const entry = this.get(key);
    if (entry?.type === DictType.DOUBLE) return entry.value;
    const value = this.getInt(key);
    if (value === undefined) return undefined;
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : undefined;
  }

  /** A string, up to its NUL; integers as decimal text. */
  getStr(key: Bytes | string): Bytes | undefined {
    const entry = this.get(key);
    if (entry === undefined) return undefined;
    switch (entry.type) {
      case DictType.STR:
        return entry.value;
      case DictType.STR_OLD:
      case DictType.PTR:
        return untilNul(entry.value);
      case DictType.INT:
      case DictType.UINT:
        return entry.value.toString() as Bytes;
      case DictType.DOUBLE:
        return entry.value.toFixed(6) as Bytes;
      default:
        return undefined;
    }
  }

  /** Raw bytes: a binary as it is, a string with its NUL, a gfid's 16 bytes, an integer as decimal text with a NUL. */
  getBin(key: Bytes | string): Uint8Array | undefined {
    const entry = this.get(key);
    return entry === undefined ? undefined : valueBytes(entry);
  }

  getGfid(key: Bytes | string): Gfid | undefined {
    const entry = this.get(key);
    if (entry === undefined) return undefined;
    if (entry.type === DictType.GFUUID) return entry.value;
    if ((entry.type === DictType.PTR || entry.type === DictType.STR_OLD) && entry.value.length === 16) return gfidRead(entry.value);
    return undefined;
  }

  getIatt(key: Bytes | string): Iatt | undefined {
    const entry = this.get(key);
    return entry?.type === DictType.IATT ? entry.value : undefined;
  }

  getMdata(key: Bytes | string): Mdata | undefined {
    const entry = this.get(key);
    return entry?.type === DictType.MDATA ? entry.value : undefined;
  }

  /** GlusterFS's booleans: on yes true enable 1 and their opposites, in any case. */
  getBool(key: Bytes | string): boolean | undefined {
    const text = this.getStr(key)?.toLowerCase();
    if (text === undefined) return undefined;
    if (['1', 'on', 'yes', 'true', 'enable'].includes(text)) return true;
    if (['0', 'off', 'no', 'false', 'disable'].includes(text)) return false;
    return undefined;
  }
}

/** The bytes that a value has as an xattr or in the legacy encoding (spec/rpc-wire.md, §4.2), but for IATT and MDATA. */
export function valueBytes(entry: DictValue): Uint8Array | undefined {
  switch (entry.type) {
    case DictType.PTR:
    case DictType.STR_OLD:
      return entry.value;
    case DictType.STR:
      return toBuffer((entry.value + '\0') as Bytes);
    case DictType.INT:
    case DictType.UINT:
      return Buffer.from(`${entry.value}\0`, 'latin1');
    case DictType.DOUBLE:
      return Buffer.from(`${entry.value.toFixed(6)}\0`, 'latin1');
    case DictType.GFUUID:
      return Buffer.from(entry.value, 'latin1');
    default:
      return undefined;
  }
}

function untilNul(value: Uint8Array): Bytes {
  const end = value.indexOf(NUL);
  return fromBuffer(end < 0 ? value : value.subarray(0, end));
}

function parseInteger(text: string): bigint | undefined {
  const match = /^\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\s*$/.exec(text);
  if (!match) return undefined;
  const digits = match[2] ?? '0';
  const value = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : BigInt(digits);
  return match[1] === '-' ? -value : value;
}
