import type { Bytes } from './bytes.js';
import { Dict, DictType, type DictValue } from './dict.js';
import type { Gfid } from './gfid.js';
import { IATTX_SIZE, MDATA_SIZE, putBig, putGfid, putIattx, putMdata, readIattx, readMdata } from './iatt-wire.js';
import { wireKey } from './wire-texts.js';
import { WireFormatError, type WireSource, type WireTarget, padded, take } from './wire-cursor.js';

const HEAD_SIZE = 12;
/** The least that a pair takes: two lengths or a length and a type, and a value of 4 bytes. */
const PAIR_SIZE_MIN = 12;
const NO_DICT = -1;
/** A loop over chars beats a call into C++ up to about this length. */
const SHORT_TEXT = 48;
/** More pairs than any GlusterFS puts into a dict; an empty pair costs an attacker 12 bytes, and us ten times that. */
export const DICT_PAIRS_MAX = 1 << 20;

/**
 * Appends the typed encoding of v4's fops (spec/rpc-wire.md, §4.3): `xdr_size count npairs`, then the pairs, newest first.
 * No dict at all is count −1.
 */
export function writeTypedDict(w: WireTarget, dict: Dict | undefined): void {
  if (dict === undefined || dict.size === 0) {
    const at = w.reserve(HEAD_SIZE);
    w.view.setUint32(at, 0);
    w.view.setInt32(at + 4, dict === undefined ? NO_DICT : 0);
    w.view.setUint32(at + 8, 0);
    return;
  }
  const count = dict.size;
  let size = 0;
  for (let i = 0; i < count; i++) size += 8 + padded(dict.keyAt(i).length + 1) + valueSize(dict.valueAt(i));
  let at = w.reserve(HEAD_SIZE + size);
  const { bytes, view } = w;
  view.setUint32(at, size);
  view.setInt32(at + 4, count);
  view.setUint32(at + 8, count);
  at += HEAD_SIZE;
  for (let i = count - 1; i >= 0; i--) {
    const value = dict.valueAt(i);
    at = putText(bytes, view, at, dict.keyAt(i));
    view.setInt32(at, value.type);
    at = putValue(bytes, view, at + 4, value);
  }
}

/** Bytes of a value, without its type. */
function valueSize(entry: DictValue): number {
  switch (entry.type) {
    case DictType.INT:
    case DictType.UINT:
    case DictType.DOUBLE:
      return 8;
    case DictType.STR:
      return 4 + padded(entry.value.length + 1);
    case DictType.STR_OLD:
    case DictType.PTR:
      return 4 + padded(entry.value.length);
    case DictType.GFUUID:
      return 16;
    case DictType.IATT:
      return IATTX_SIZE;
    case DictType.MDATA:
      return MDATA_SIZE;
  }
}

function putValue(bytes: Buffer, view: DataView, at: number, entry: DictValue): number {
  switch (entry.type) {
    case DictType.INT:
    case DictType.UINT:
      putBig(view, at, entry.value);
      return at + 8;
    case DictType.DOUBLE:
      view.setFloat64(at, entry.value);
      return at + 8;
    case DictType.STR:
      return putText(bytes, view, at, entry.value);
    case DictType.STR_OLD:
    case DictType.PTR: {
      const size = entry.value.length;
      view.setUint32(at, size);
      bytes.set(entry.value, at + 4);
      return zeroPad(bytes, at + 4 + size, at + 4 + padded(size));
    }
    case DictType.GFUUID:
      putGfid(bytes, at, entry.value);
      return at + 16;
    case DictType.IATT:
      putIattx(bytes, view, at, entry.value);
      return at + IATTX_SIZE;
    case DictType.MDATA:
      putMdata(view, at, entry.value);
      return at + MDATA_SIZE;
  }
}

/** Keys and strings: the NUL counts. */
function putText(bytes: Buffer, view: DataView, at: number, text: Bytes): number {
  const size = text.length + 1;
  view.setUint32(at, size);
  if (size <= SHORT_TEXT) for (let i = 0; i < size - 1; i++) bytes[at + 4 + i] = text.charCodeAt(i);
  else bytes.write(text, at + 4, 'latin1');
  return zeroPad(bytes, at + 3 + size, at + 4 + padded(size));
}

function zeroPad(bytes: Buffer, from: number, to: number): number {
  for (let i = from; i < to; i++) bytes[i] = 0;
  return to;
}

/**
 * Reads a typed dict. A negative count is no dict, whatever follows. The wire's order is kept as newest first; of a key
 * that comes twice the later value counts. Throws WireFormatError, also for a type that is not known.
 */
export function readTypedDict(r: WireSource): Dict | undefined {
  const head = take(r, HEAD_SIZE);
  const count = r.view.getInt32(head + 4);
  const npairs = r.view.getUint32(head + 8);
  if (npairs === 0) return count < 0 ? undefined : new Dict();
  if (npairs > DICT_PAIRS_MAX || npairs * PAIR_SIZE_MIN > r.end - r.position) throw new WireFormatError(`a dict of ${npairs} pairs in ${r.end - r.position} bytes`);
  const keys: Bytes[] = [];
  const values: DictValue[] = [];
  for (let i = 0; i < npairs; i++) {
    keys.push(readKey(r));
    values.push(readValue(r));
  }
  return count < 0 ? undefined : fromNewestFirst(keys, values);
}

/** A dict of pairs that stand newest first, as all encodings have them. */
export function fromNewestFirst(keys: readonly Bytes[], values: readonly DictValue[]): Dict {
  const dict = new Dict();
  for (let i = keys.length - 1; i >= 0; i--) {
    const key = keys[i];
    const value = values[i];
    // Met from the end, so the first that is seen of a key is the one that a real reader finds.
    if (key !== undefined && value !== undefined && !dict.has(key)) dict.set(key, value);
  }
  return dict;
}

function readOpaque(r: WireSource): { start: number; size: number } {
  const size = r.view.getUint32(take(r, 4));
  if (size > r.end - r.position) throw new WireFormatError(`an opaque of ${size} bytes in ${r.end - r.position}`);
  return { start: take(r, padded(size)), size };
}

/** The end of a text that begins at `start`: at its NUL. */
function textEnd({ bytes }: WireSource, start: number, size: number): number {
  let end = start;
  while (end < start + size && bytes[end] !== 0) end++;
  return end;
}

function readKey(r: WireSource): Bytes {
  const { start, size } = readOpaque(r);
  return wireKey(r.bytes, start, textEnd(r, start, size));
}

function readText(r: WireSource): Bytes {
  const { start, size } = readOpaque(r);
  return r.bytes.toString('latin1', start, textEnd(r, start, size)) as Bytes;
}

function readValue(r: WireSource): DictValue {
  const type = r.view.getInt32(take(r, 4));
  switch (type) {
    case DictType.INT:
      return { type, value: r.view.getBigInt64(take(r, 8)) };
    case DictType.UINT:
      return { type, value: r.view.getBigUint64(take(r, 8)) };
    case DictType.DOUBLE:
      return { type, value: r.view.getFloat64(take(r, 8)) };
    case DictType.STR:
      return { type, value: readText(r) };
    case DictType.STR_OLD:
    case DictType.PTR: {
      const { start, size } = readOpaque(r);
      // A copy: the value outlives the record.
      return { type, value: Buffer.from(r.bytes.subarray(start, start + size)) };
    }
    case DictType.GFUUID: {
      const start = take(r, 16);
      return { type, value: r.bytes.toString('latin1', start, start + 16) as Gfid };
    }
    case DictType.IATT:
      return { type, value: readIattx(r) };
    case DictType.MDATA:
      return { type, value: readMdata(r) };
    default:
      throw new WireFormatError(`no dict value has type ${type}`);
  }
}
