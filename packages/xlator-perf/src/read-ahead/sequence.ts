import type { Part, ReadBlock } from '../read-block.js';

/** What all open files of a graph have in common. */
export interface AheadSettings {
  pageSize: number;
  /** Pages ahead at most. */
  pageCount: number;
}

/** Begins a readv of `[start, end)`. */
export type Send = (start: number, end: number) => ReadBlock;

/** Bytes of one readv: what protocol/client sends in one record, and what an iobuf takes. */
export const READ_MAX = 1024 * 1024;

/**
 * One open file that is read: how far its reader has come, and what was sent for ahead of it. The blocks lie one behind the other,
 * each beginning where the one before was to end.
 */
export class Sequence {
  readonly #settings: AheadSettings;
  /** A read that begins here is sequential. */
  #next = 0;
  /** Bytes read in sequence: how much may be expected. */
  #expected = 0;
  #blocks: ReadBlock[] = [];
  /** Of the file, as the last answer had it; undefined while nobody knows. */
  size: number | undefined;

  constructor(settings: AheadSettings) {
    this.#settings = settings;
  }

  /** Bytes that were sent for and that nobody has read. */
  get ahead(): number {
    const [first] = this.#blocks;
    return first === undefined ? 0 : this.#end(0) - first.start;
  }

  /** A read is about to begin. False for one that begins elsewhere: what was read ahead is given up. */
  follows(offset: number, size: number): boolean {
    const sequential = offset === this.#next;
    this.#next = offset + size;
    if (sequential) this.#expected += size;
    else {
      this.#expected = 0;
      this.drop();
    }
    return sequential;
  }

  /** Gives up what was sent for before that time. */
  expire(oldestMs: number): void {
    if (this.#blocks.some(({ sentMs }) => sentMs <= oldestMs)) this.drop();
  }

  /** The parts of a sequential read, held for it: of what there is, and of what is sent for now. */
  take(offset: number, size: number, send: Send): Part[] {
    const end = offset + size;
    const known = this.#blocks.length;
    // A first read may be the only one: nothing but what it asks for.
    this.#extend(offset, this.#expected > size ? this.#pageEnd(end) : end, end, send);
    const parts: Part[] = [];
    this.#blocks.forEach((block, i) => {
      const from = Math.max(block.start, offset);
      const to = Math.min(block.end, end);
      if (from >= to) return;
      block.hold();
      parts.push({ block, from, to, own: i >= known });
    });
    return parts;
  }

  /** Reads on, a window behind the end of a read. */
  readAhead(offset: number, size: number, send: Send): void {
    const { pageSize, pageCount } = this.#settings;
    const end = offset + size;
    // A reader has gone on, or elsewhere.
    if (end !== this.#next || this.size === undefined) return;
    // GlusterFS's requests are of a page at most; of larger ones at least the next is ready when it comes.
    const most = Math.max(pageCount, Math.ceil(size / pageSize));
    const pages = Math.min(Math.floor(this.#expected / pageSize), most);
    if (pages > 0) this.#extend(end, Math.min(this.#pageEnd(end) + pages * pageSize, this.size), end, send);
  }

  /** Lets go of what lies before an offset: a sequential reader doesn't come back. */
  passed(offset: number): void {
    let count = 0;
    while (count < this.#blocks.length && (this.#blocks[count]?.end ?? Infinity) <= offset) count++;
    for (const block of this.#blocks.splice(0, count)) block.letGo();
  }

  drop(): void {
    for (const block of this.#blocks.splice(0)) block.letGo();
  }

  /** The file has changed: what is known of its size, too. */
  changed(): void {
    this.size = undefined;
    this.drop();
  }

  /** @param required up to here at least, however little that is; beyond, only whole blocks of a page or more are worth a request */
  #extend(from: number, to: number, required: number, send: Send): void {
    for (let at = this.#end(from); at < to; ) {
      const end = Math.min(to, at + READ_MAX);
      if (at >= required && end - at < this.#settings.pageSize && end !== this.size) return;
      this.#blocks.push(send(at, end));
      at = end;
    }
  }

  /** Up to where was sent for. */
  #end(otherwise: number): number {
    return this.#blocks.at(-1)?.end ?? otherwise;
  }

  #pageEnd(offset: number): number {
    const { pageSize } = this.#settings;
    return Math.ceil(offset / pageSize) * pageSize;
  }
}
