/** Bytes from outside that are not what they should be: too short, a bad count, an unknown type. */
export class WireFormatError extends Error {
  override readonly name = 'WireFormatError';
}

/** Bytes being read: a window of a buffer, and how far the reading is. rpc-xdr's XdrReader is one. */
export interface WireSource {
  readonly bytes: Buffer;
  /** Over the same memory as `bytes`, offset for offset. */
  readonly view: DataView;
  /** Offset of the next byte. */
  position: number;
  /** Offset after the last byte that may be read. */
  readonly end: number;
}

/** Bytes being written, into memory that grows. rpc-xdr's XdrWriter is one. */
export interface WireTarget {
  /** Makes room for `count` bytes and returns their offset. Afterwards `bytes` and `view` may be other objects. */
  reserve(count: number): number;
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** A source over bytes at hand. */
export function wireSource(data: Uint8Array): WireSource {
  return {
    bytes: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    view: new DataView(data.buffer, data.byteOffset, data.byteLength),
    position: 0,
    end: data.byteLength,
  };
}

/** Moves on by `count` bytes and returns where they began. Throws {@link WireFormatError} when so many are not there. */
export function take(source: WireSource, count: number): number {
  const start = source.position;
  if (count > source.end - start) throw new WireFormatError(`${count} bytes wanted, ${source.end - start} left`);
  source.position = start + count;
  return start;
}

/** Rounds up to XDR's unit of 4 bytes. */
export function padded(size: number): number {
  return (size + 3) & ~3;
}
