import { type Bytes, type Gfid, type WireTarget, padded, putGfid, putInt53 } from '@glusterts/libglusterfs';

/** Messages are cut one after the other from slabs of this size: an allocation for some hundred messages. */
const SLAB_SIZE = 64 * 1024;
/** A loop over chars beats a call into C++ up to about this length. */
const SHORT_TEXT = 24;

/**
 * Writes XDR into memory that grows. `finish()` hands the message out and begins the next one behind it; memory once
 * handed out is never written again, so a transport may hold it as long as it likes.
 */
export class XdrWriter implements WireTarget {
  #bytes: Buffer = Buffer.allocUnsafeSlow(0);
  #view = new DataView(new ArrayBuffer(0));
  #start = 0;
  #position = 0;

  get bytes(): Buffer {
    return this.#bytes;
  }

  get view(): DataView {
    return this.#view;
  }

  /** Bytes of the message so far. */
  get size(): number {
    return this.#position - this.#start;
  }

  /** The message; the writer begins a new one. */
  finish(): Buffer {
    const message = this.#bytes.subarray(this.#start, this.#position);
    this.#start = this.#position;
    return message;
  }

  /** Forgets what was written since the last `finish()`, or all but the first `size` bytes of it. */
  rewind(size = 0): void {
    this.#position = this.#start + size;
  }

  /** Makes room for `count` bytes and returns their offset in `bytes`; their content is undefined. */
  reserve(count: number): number {
    const at = this.#position;
    if (at + count > this.#bytes.length) return this.#grow(count);
    this.#position = at + count;
    return at;
  }

  #grow(count: number): number {
    const used = this.size;
    const need = used + count;
    // A big message doubles; the usual one that met the end of its slab just moves on to the next.
    const bytes = Buffer.allocUnsafeSlow(need * 4 < SLAB_SIZE ? SLAB_SIZE : need * 2 + SLAB_SIZE);
    this.#bytes.copy(bytes, 0, this.#start, this.#position);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#start = 0;
    this.#position = need;
    return used;
  }

  u32(value: number): void {
    const at = this.reserve(4);
    this.#view.setUint32(at, value);
  }

  i32(value: number): void {
    const at = this.reserve(4);
    this.#view.setInt32(at, value);
  }

  u64(value: bigint): void {
    const at = this.reserve(8);
    this.#view.setBigUint64(at, value);
  }

  i64(value: bigint): void {
    const at = this.reserve(8);
    this.#view.setBigInt64(at, value);
  }

  /** An unsigned hyper held as a number. */
  u53(value: number): void {
    const at = this.reserve(8);
    putInt53(this.#view, at, value);
  }

  /** A hyper held as a number. */
  i53(value: number): void {
    const at = this.reserve(8);
    putInt53(this.#view, at, value);
  }

  double(value: number): void {
    const at = this.reserve(8);
    this.#view.setFloat64(at, value);
  }

  float(value: number): void {
    const at = this.reserve(4);
    this.#view.setFloat32(at, value);
  }

  bool(value: boolean): void {
    this.u32(value ? 1 : 0);
  }

  /** A variable-length opaque. */
  opaque(value: Uint8Array): void {
    const size = value.length;
    const at = this.reserve(4 + padded(size));
    this.#view.setUint32(at, size);
    this.#bytes.set(value, at + 4);
    this.#zero(at + 4 + size, at + 4 + padded(size));
  }

  /** A fixed-length opaque; a shorter value is filled up with zeros, a longer one cut. */
  fixed(value: Uint8Array, size: number): void {
    const at = this.reserve(padded(size));
    this.#bytes.set(value.length > size ? value.subarray(0, size) : value, at);
    this.#zero(at + Math.min(value.length, size), at + padded(size));
  }

  str(value: Bytes): void {
    const size = value.length;
    const at = this.reserve(4 + padded(size));
    const bytes = this.#bytes;
    this.#view.setUint32(at, size);
    if (size <= SHORT_TEXT) for (let i = 0; i < size; i++) bytes[at + 4 + i] = value.charCodeAt(i);
    else bytes.write(value, at + 4, 'latin1');
    this.#zero(at + 4 + size, at + 4 + padded(size));
  }

  gfid(value: Gfid): void {
    const at = this.reserve(16);
    putGfid(this.#bytes, at, value);
  }

  /** glusterd's uuid: 16 chars, each a 4-byte integer (spec/glusterd.md, §4). */
  charUuid(value: Gfid): void {
    const at = this.reserve(64);
    for (let i = 0; i < 16; i++) this.#view.setUint32(at + 4 * i, value.charCodeAt(i));
  }

  /** Bytes as they are, without length or padding. */
  raw(value: Uint8Array): void {
    const at = this.reserve(value.length);
    this.#bytes.set(value, at);
  }

  #zero(from: number, to: number): void {
    for (let i = from; i < to; i++) this.#bytes[i] = 0;
  }
}
