import { type Bytes, Dict, Errno, FopError, IaType, type Iatt, valueBytes, type Xdata, XattropOp } from '@glusterts/libglusterfs';
import type { Brick, Target } from './brick.js';
import { Key } from './keys.js';

/* xattrop, fxattrop (spec/brick.md, §7). Runs without a pause, so nothing comes between the read and the write. */

interface Kind {
  /** Bytes of an element. */
  readonly width: 4 | 8;
  /** The value holds elements and then as many defaults. */
  readonly withDefault: boolean;
}

const ARRAYS: Readonly<Partial<Record<XattropOp, Kind>>> = {
  [XattropOp.ADD_ARRAY]: { width: 4, withDefault: false },
  [XattropOp.ADD_ARRAY64]: { width: 8, withDefault: false },
  [XattropOp.ADD_ARRAY_WITH_DEFAULT]: { width: 4, withDefault: true },
  [XattropOp.ADD_ARRAY64_WITH_DEFAULT]: { width: 8, withDefault: true },
};

/** What is stored and replied for one key. */
export interface Outcome {
  store: Uint8Array | undefined;
  reply: Uint8Array | undefined;
}

/** One key's step. @param stored the xattr's value; undefined when absent. Throws ERANGE, EINVAL. */
export function xattropStep(op: XattropOp, value: Uint8Array, stored: Uint8Array | undefined): Outcome {
  const kind = ARRAYS[op];
  const count = kind?.withDefault ? value.length / 2 : value.length;
  if (stored && stored.length > count) throw new FopError(Errno.ERANGE);
  const old = new Uint8Array(count);
  if (stored) old.set(stored);
  if (op === XattropOp.GET_AND_SET) return { store: value, reply: stored && old };
  if (value.every((byte) => byte === 0)) return { store: undefined, reply: old };
  if (!kind) throw new FopError(Errno.EINVAL);
  const result = kind.width === 4 ? add32(old, value, count, kind.withDefault) : add64(old, value, count, kind.withDefault);
  return { store: result, reply: result };
}

function add32(old: Uint8Array, value: Uint8Array, count: number, withDefault: boolean): Uint8Array {
  const result = old.slice();
  const [from, to] = [viewOf(value), viewOf(result)];
  for (let i = 0; i + 4 <= count; i += 4) {
    const base = to.getInt32(i) === 0 && withDefault ? from.getInt32(count + i) : to.getInt32(i);
    to.setInt32(i, base + from.getInt32(i));
  }
  return result;
}

function add64(old: Uint8Array, value: Uint8Array, count: number, withDefault: boolean): Uint8Array {
  const result = old.slice();
  const [from, to] = [viewOf(value), viewOf(result)];
  for (let i = 0; i + 8 <= count; i += 8) {
    const base = to.getBigInt64(i) === 0n && withDefault ? from.getBigInt64(count + i) : to.getBigInt64(i);
    to.setBigInt64(i, base + from.getBigInt64(i));
  }
  return result;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** All keys of the dict, in its order; a later failure leaves the earlier keys changed. */
export function xattrop(brick: Brick, at: Target, op: XattropOp, dict: Dict): Dict {
  const reply = new Dict();
  for (const [key, entry] of dict.entries()) {
    const value = valueBytes(entry);
    if (!value) throw new FopError(Errno.EINVAL);
    const stored = readStored(brick, at, key);
    const outcome = xattropStep(op, value, stored);
    if (outcome.store) {
      const result = brick.setx(at, key, outcome.store, 0);
      if (result < 0) throw new FopError(-result);
    }
    if (outcome.reply) reply.setBin(key, outcome.reply);
  }
  return reply;
}

function readStored(brick: Brick, at: Target, key: Bytes): Uint8Array | undefined {
  const stored = brick.getx(at, key);
  if (typeof stored !== 'number') return stored;
  if (stored === -Errno.ENODATA) return undefined;
  throw new FopError(-stored);
}

/** `dht-get-mode-in-xattr`: the st_mode of a regular file. */
export function addMode(reply: Xdata, xdata: Xdata, stat: Iatt): Xdata {
  if (reply && xdata?.has(Key.MODE_IN_XATTR) && stat.ia_type === IaType.REG) reply.setInt(Key.MODE_IN_XATTR, stat.mode);
  return reply;
}
