import type { Bytes } from './bytes.js';
import { type Dict, DictType, type DictValue, valueBytes } from './dict.js';
import { DICT_PAIRS_MAX, fromNewestFirst } from './dict-typed.js';
import { encodeIattNative, encodeMdataNative } from './iatt-wire.js';
import { WireFormatError, wireSource } from './wire-cursor.js';

/**
 * The legacy encoding (spec/rpc-wire.md, §4.2), the content of the opaque: `count`, then `keylen vallen key NUL value`
 * for each pair, newest first, without padding. An absent dict is an empty buffer, an empty dict four zero bytes.
 */
export function encodeLegacyDict(dict: Dict | undefined): Buffer {
  if (dict === undefined) return Buffer.alloc(0);
  const pairs = dict.entries();
  const values = pairs.map(([, value]) => legacyValue(value));
  let size = 4;
  pairs.forEach(([key], i) => (size += 9 + key.length + (values[i]?.length ?? 0)));
  const bytes = Buffer.allocUnsafe(size);
  let at = bytes.writeInt32BE(pairs.length, 0);
  pairs.forEach(([key], i) => {
    const value = values[i] ?? Buffer.alloc(0);
    at = bytes.writeInt32BE(key.length, at);
    at = bytes.writeInt32BE(value.length, at);
    at += bytes.write(key, at, 'latin1');
    at = bytes.writeUInt8(0, at);
    bytes.set(value, at);
    at += value.length;
  });
  return bytes;
}

function legacyValue(entry: DictValue): Uint8Array {
  if (entry.type === DictType.IATT) return encodeIattNative(entry.value);
  if (entry.type === DictType.MDATA) return encodeMdataNative(entry.value);
  return valueBytes(entry) ?? Buffer.alloc(0);
}

/**
 * Reads the content of a legacy dict's opaque; undefined for an empty one. Every value is a STR_OLD: the wire has no types.
 * Values are copies. Throws WireFormatError for a negative count or length and for what reaches past the end.
 */
export function decodeLegacyDict(data: Uint8Array): Dict | undefined {
  if (data.length === 0) return undefined;
  if (data.length < 4) throw new WireFormatError(`a dict of ${data.length} bytes`);
  const { bytes, view, end } = wireSource(data);
  const count = view.getInt32(0);
  if (count < 0 || count > DICT_PAIRS_MAX || count * 9 > end - 4) throw new WireFormatError(`a dict of ${count} pairs in ${end} bytes`);
  const keys: Bytes[] = [];
  const values: DictValue[] = [];
  let at = 4;
  for (let i = 0; i < count; i++) {
    if (at + 8 > end) throw new WireFormatError('a dict ends inside a pair');
    const keySize = view.getInt32(at);
    const valueSize = view.getInt32(at + 4);
    at += 8;
    if (keySize < 0 || valueSize < 0 || keySize + 1 + valueSize > end - at) throw new WireFormatError(`a pair of ${keySize} and ${valueSize} bytes in ${end - at}`);
    const valueAt = at + keySize + 1;
    keys.push(untilNul(bytes.toString('latin1', at, at + keySize)));
    values.push({ type: DictType.STR_OLD, value: Buffer.from(bytes.subarray(valueAt, valueAt + valueSize)) });
    at = valueAt + valueSize;
  }
  return fromNewestFirst(keys, values);
}

function untilNul(text: string): Bytes {
  const nul = text.indexOf('\0');
  return (nul < 0 ? text : text.slice(0, nul)) as Bytes;
}
