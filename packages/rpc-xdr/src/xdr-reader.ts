import { type Bytes, type Gfid, type WireSource, WireFormatError as XdrError, getInt53, getUint53, padded, take, wireText } from '@glusterts/libglusterfs';

export { XdrError };

/**
 * Reads XDR from one piece of memory. Every method throws {@link XdrError} when the bytes don't suffice; nothing is
 * allocated beyond what is there. Strings and opaques are copies, so that they may outlive the record.
 */
export class XdrReader implements WireSource {
  readonly bytes: Buffer;
  readonly view: DataView;
  position: number;
  #end: number;

  /** @param start offset of the first byte @param end offset after the last one */
  constructor(data: Uint8Array, start = 0, end: number = data.length) {
    this.bytes = Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.position = start;
    this.#end = Math.min(end, data.length);
  }

  /** Offset after the last byte that may be read. */
  get end(): number {
    return this.#end;
  }

  /** Bytes that are left. */
  get remaining(): number {
    return this.#end - this.position;
  }

  /** Runs a read that must find what it wants in the next `size` bytes, which must be there. */
  within<T>(size: number, read: (r: this) => T): T {
    const end = this.#end;
    this.#end = this.position + size;
    try {
      return read(this);
    } finally {
      this.#end = end;
    }
  }

  u32(): number {
    return this.view.getUint32(take(this, 4));
  }

  i32(): number {
    return this.view.getInt32(take(this, 4));
  }

  u64(): bigint {
    return this.view.getBigUint64(take(this, 8));
  }

  i64(): bigint {
    return this.view.getBigInt64(take(this, 8));
  }

  /** An unsigned hyper as a number: exact up to 2^53−1, the nearest double above. */
  u53(): number {
    return getUint53(this.view, take(this, 8));
  }

  /** A hyper as a number: exact within ±(2^53−1), the nearest double outside. */
  i53(): number {
    return getInt53(this.view, take(this, 8));
  }

  double(): number {
    return this.view.getFloat64(take(this, 8));
  }

  float(): number {
    return this.view.getFloat32(take(this, 4));
  }

  bool(): boolean {
    return this.u32() !== 0;
  }

  /** A variable-length opaque, copied. */
  opaque(sizeMax = Infinity): Buffer {
    return Buffer.from(this.opaqueView(sizeMax));
  }

  /** A variable-length opaque as a view of the record: valid only as long as the record is. */
  opaqueView(sizeMax = Infinity): Buffer {
    const size = this.u32();
    const start = this.#take(size, sizeMax);
    return this.bytes.subarray(start, start + size);
  }

  /** A fixed-length opaque, copied. */
  fixed(size: number): Buffer {
    const start = take(this, padded(size));
    return Buffer.from(this.bytes.subarray(start, start + size));
  }

  str(sizeMax = Infinity): Bytes {
    const size = this.u32();
    const start = this.#take(size, sizeMax);
    return this.bytes.toString('latin1', start, start + size) as Bytes;
  }

  gfid(): Gfid {
    const start = take(this, 16);
    return wireText(this.bytes, start, start + 16) as string as Gfid;
  }

  /** A string that is likely to have come before. */
  word(sizeMax = Infinity): Bytes {
    const size = this.u32();
    const start = this.#take(size, sizeMax);
    return wireText(this.bytes, start, start + size);
  }

  /** glusterd's uuid: 16 chars, each a 4-byte integer (spec/glusterd.md, §4). */
  charUuid(): Gfid {
    const start = take(this, 64);
    const chars: number[] = [];
    for (let i = 0; i < 16; i++) chars.push(this.bytes[start + 4 * i + 3] ?? 0);
    return String.fromCharCode(...chars) as Gfid;
  }

  /** Count of an array whose elements take at least `elementSizeMin` bytes each: a count that can't be there is refused. */
  count(elementSizeMin: number, countMax = Infinity): number {
    const count = this.u32();
    if (count > countMax || count * elementSizeMin > this.remaining) throw new XdrError(`${count} elements in ${this.remaining} bytes`);
    return count;
  }

  #take(size: number, sizeMax: number): number {
    if (size > sizeMax || size > this.remaining) throw new XdrError(`${size} bytes announced, ${this.remaining} left`);
    return take(this, padded(size));
  }
}
