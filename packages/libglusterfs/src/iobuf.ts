/**
 * A page of payload memory with a count of references. Made by an {@link IobufPool}; goes back to it when the count
 * reaches 0. `memory` is the whole page; the same Uint8Array object for as long as the arena lives.
 */
export interface Iobuf {
  readonly memory: Uint8Array;
  ref(): void;
  unref(): void;
  /** Another process may go on reading it: it is not handed out again. */
  retire?(): void;
}

/** Where payload memory comes from. See docs/architecture.md, "iobuf ownership". */
export interface IobufPool {
  /** A page of at least `size` bytes, page-aligned where the platform can, with one reference. */
  get(size: number): Iobuf;
  /** Pages that are out now. 0 in an idle daemon; a test asserts it. */
  readonly active: number;
  /** Gives back the memory that is only kept for the next burst. */
  trim(): void;
}

/**
 * Payload: a sequence of byte views, and references to the iobufs they lie in (GlusterFS's iovec and iobref in one).
 *
 * Ownership, everywhere: an IoVec given as an **argument** is borrowed until the promise settles; who wants to keep it
 * longer takes a reference with `ref()`. An IoVec in a **reply** is handed over; the receiver calls `unref()` when done,
 * or hands it on. Views over memory that no pool owns (a user's Buffer) need no care: ref and unref do nothing then.
 */
export class IoVec {
  readonly chunks: readonly Uint8Array[];
  /** Bytes in all chunks. */
  readonly size: number;
  readonly #bufs: readonly Iobuf[];

  constructor(chunks: readonly Uint8Array[], bufs: readonly Iobuf[] = []) {
    this.chunks = chunks;
    this.#bufs = bufs;
    let size = 0;
    for (const chunk of chunks) size += chunk.length;
    this.size = size;
  }

  static readonly empty = new IoVec([]);

  /** Memory that no pool owns. */
  static from(bytes: Uint8Array): IoVec {
    return new IoVec([bytes]);
  }

  /** The iobufs that it lies in. */
  get bufs(): readonly Iobuf[] {
    return this.#bufs;
  }

  ref(): this {
    for (const buf of this.#bufs) buf.ref();
    return this;
  }

  unref(): void {
    for (const buf of this.#bufs) buf.unref();
  }

  /** A part of it, without copying; holds no reference of its own: `ref()` it to keep it. */
  slice(start: number, end: number = this.size): IoVec {
    if (start === 0 && end >= this.size) return this;
    const chunks: Uint8Array[] = [];
    let position = 0;
    for (const chunk of this.chunks) {
      const from = Math.max(start - position, 0);
      const to = Math.min(end - position, chunk.length);
      if (from < to) chunks.push(chunk.subarray(from, to));
      position += chunk.length;
      if (position >= end) break;
    }
    return new IoVec(chunks, this.#bufs);
  }

  /** Copies all of it to `target` at `offset`, and returns the number of bytes. */
  copyTo(target: Uint8Array, offset = 0): number {
    let position = offset;
    for (const chunk of this.chunks) {
      target.set(chunk, position);
      position += chunk.length;
    }
    return position - offset;
  }

  /** The bytes in one piece: a view when it is one piece already, else a copy. */
  toUint8Array(): Uint8Array {
    const [only] = this.chunks;
    if (only !== undefined && this.chunks.length === 1) return only;
    const bytes = new Uint8Array(this.size);
    this.copyTo(bytes);
    return bytes;
  }
}
