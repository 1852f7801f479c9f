import { type Iatt, type Iobuf, IoVec, type ReadReply } from '@glusterts/libglusterfs';

/**
 * What one readv to the child brings, or has brought. Counted: it keeps its iobufs until whoever keeps it, and all who are reading
 * from it, have let go. Made with one hold, its maker's.
 */
export class ReadBlock {
  readonly start: number;
  /** Asked for up to here. */
  readonly end: number;
  /** What it holds is what the file held then or later; milliseconds of the monotonic clock. */
  readonly sentMs: number;
  /** Resolves when the answer is there, or the error; never rejects. */
  readonly answered: Promise<void>;
  ready = false;
  failed = false;
  error: unknown;
  stat: Iatt | undefined;
  /** The data ends where the file ends. */
  eof = false;
  #vector: IoVec = IoVec.empty;
  #holds = 1;

  constructor(start: number, end: number, sentMs: number, reply: Promise<ReadReply>) {
    this.start = start;
    this.end = end;
    this.sentMs = sentMs;
    this.answered = this.#take(reply);
  }

  async #take(reply: Promise<ReadReply>): Promise<void> {
    try {
      const { vector, stat, eof } = await reply;
      this.#vector = vector;
      this.stat = stat;
      // A file that has grown since goes on behind an end that was one.
      this.eof = eof || vector.size === 0;
      this.ready = true;
      if (this.#holds === 0) vector.unref();
    } catch (error) {
      this.error = error;
      this.failed = true;
    }
  }

  /** Where its data ends. */
  get dataEnd(): number {
    return Math.min(this.start + this.#vector.size, this.end);
  }

  /** Bytes of memory that cannot be used for anything else while it is kept. */
  get memory(): number {
    let bytes = 0;
    for (const { memory } of this.#vector.bufs) bytes += memory.length;
    return Math.max(bytes, this.#vector.size);
  }

  hold(): void {
    if (this.#holds === 0) throw new Error('a block that was let go was held again');
    this.#holds++;
  }

  letGo(): void {
    if (this.#holds === 0) throw new Error('a block was let go twice');
    if (--this.#holds === 0 && this.ready) this.#vector.unref();
  }

  /** A view of a part, given in offsets of the file, with references of its own. */
  part(from: number, to: number): IoVec {
    return this.#vector.slice(from - this.start, to - this.start).ref();
  }
}

/** A part of a block that a read wants, in offsets of the file. */
export interface Part {
  readonly block: ReadBlock;
  readonly from: number;
  readonly to: number;
  /** The read has sent for the block itself: its error is the read's. */
  readonly own: boolean;
}

/** The pieces of a read in one, without copying; the references on them are handed on. */
export function joined(pieces: readonly IoVec[]): IoVec {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) return only;
  const chunks: Uint8Array[] = [];
  const bufs: Iobuf[] = [];
  for (const piece of pieces) {
    chunks.push(...piece.chunks);
    bufs.push(...piece.bufs);
  }
  return new IoVec(chunks, bufs);
}

/** What is read with parts that are held; the holds are its own. `direct` reads from the child. */
export async function readParts(parts: readonly Part[], offset: number, size: number, direct: (size: number, offset: number) => Promise<ReadReply>): Promise<ReadReply> {
  try {
    for (const { block } of parts) if (!block.ready && !block.failed) await block.answered;
    for (const { block, own } of parts) {
      if (!block.failed) continue;
      if (own) throw block.error;
      // It failed for somebody else, whose fd or frame may have been the cause.
      return await direct(size, offset);
    }
    const { reply, complete } = assemble(parts, offset, size);
    if (complete) return reply;
    return await continued(reply, offset, size, direct);
  } finally {
    for (const { block } of parts) block.letGo();
  }
}

/** The reply, of parts that are all ready; `complete` unless a child's answer was short without being the end. */
export function assemble(parts: readonly Part[], offset: number, size: number): { reply: ReadReply; complete: boolean } {
  const pieces: IoVec[] = [];
  let at = offset;
  let eof = false;
  let last: ReadBlock | undefined;
  for (const { block, to } of parts) {
    last = block;
    const end = Math.min(to, block.dataEnd);
    if (end > at) {
      pieces.push(block.part(at, end));
      at = end;
    }
    // That a full answer ends where the file ended says nothing: writes behind it may have waited in write-behind.
    eof = block.eof && at === block.dataEnd;
    if (end < to) break;
  }
  if (last?.stat === undefined) throw new Error('a read of nothing');
  return { reply: { vector: joined(pieces), stat: last.stat, eof, xdata: undefined }, complete: eof || at === offset + size };
}

async function continued(reply: ReadReply, offset: number, size: number, direct: (size: number, offset: number) => Promise<ReadReply>): Promise<ReadReply> {
  const done = reply.vector.size;
  try {
    const rest = await direct(size - done, offset + done);
    return { ...rest, vector: joined([reply.vector, rest.vector]) };
  } catch (error) {
    reply.vector.unref();
    throw error;
  }
}
