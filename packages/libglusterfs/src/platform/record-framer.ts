/** The least length of a message at which a receiver gives up: 1 GiB (spec/rpc-wire.md, §1). */
export const RECORD_SIZE_LIMIT = 2 ** 30;
/** A message may come in this many fragments: an attacker's empty ones cost time and send nothing. */
const FRAGMENTS_MAX = 65536;
const MARK_SIZE = 4;
const LAST_FRAGMENT = 0x80000000;

/** What a stream said that no record mark may say. */
export class RecordMarkError extends Error {
  override readonly name = 'RecordMarkError';
}

/**
 * Cuts a byte stream into RPC records (spec/rpc-wire.md, §1). Memory is taken only for bytes that have come, never for
 * those that a mark announces. A record that lies in one piece of the stream is a view of it; others are joined.
 */
export class RecordFramer {
  readonly #sizeMax: number;
  readonly #emit: (record: Buffer) => void;
  /** Pieces of the record so far, without marks. */
  #pieces: Buffer[] = [];
  #size = 0;
  #fragments = 0;
  /** Bytes of the current fragment that are still to come. */
  #missing = 0;
  #last = false;
  #mark = 0;
  #markBytes = 0;

  /** @param sizeMax a record of this many bytes or more is refused */
  constructor(sizeMax: number, emit: (record: Buffer) => void) {
    this.#sizeMax = Math.min(sizeMax, RECORD_SIZE_LIMIT);
    this.#emit = emit;
  }

  /**
   * Takes the next piece of the stream. It is kept by reference: nobody may write to it afterwards.
   * Throws {@link RecordMarkError} for a record that is too large; the stream is of no use then.
   */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#missing === 0) {
        at = this.#takeMark(chunk, at);
        if (this.#markBytes !== 0) return;
        if (this.#missing === 0 && this.#last) this.#finish();
        continue;
      }
      const end = Math.min(at + this.#missing, chunk.length);
      this.#pieces.push(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
      this.#size += end - at;
      this.#missing -= end - at;
      at = end;
      if (this.#missing === 0 && this.#last) this.#finish();
    }
  }

  #takeMark(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#markBytes === 0 && at + MARK_SIZE <= chunk.length) {
      this.#mark = chunk.readUInt32BE(at);
      at += MARK_SIZE;
    } else {
      while (this.#markBytes < MARK_SIZE && at < chunk.length) {
        this.#mark = this.#mark * 256 + (chunk[at++] ?? 0);
        this.#markBytes++;
      }
      if (this.#markBytes < MARK_SIZE) return at;
      this.#markBytes = 0;
    }
    this.#last = this.#mark >= LAST_FRAGMENT;
    this.#missing = this.#mark % LAST_FRAGMENT;
    this.#mark = 0;
    this.#fragments++;
    const size = this.#size + this.#missing;
    if (size >= this.#sizeMax) throw new RecordMarkError(`a record of ${size} bytes or more; the limit is ${this.#sizeMax}`);
    if (this.#fragments > FRAGMENTS_MAX) throw new RecordMarkError(`a record of more than ${FRAGMENTS_MAX} fragments`);
    return at;
  }

  #finish(): void {
    const [only] = this.#pieces;
    const record = only !== undefined && this.#pieces.length === 1 ? only : Buffer.concat(this.#pieces, this.#size);
    this.#pieces = [];
    this.#size = 0;
    this.#fragments = 0;
    this.#emit(record);
  }
}

/** The mark of a message sent in one fragment. Throws for one that can't be. */
export function recordMark(size: number): Buffer {
  if (size > 0x7fffffff) throw new RecordMarkError(`a record of ${size} bytes can't be sent`);
  const mark = Buffer.allocUnsafe(MARK_SIZE);
  mark.writeUInt32BE(LAST_FRAGMENT + size, 0);
  return mark;
}
