/** Bytes of a page. Pages that were never written take no memory and read as zeros. */
export const PAGE_BYTES = 65536;

/** Counts the pages of a store; throws ENOSPC when one more would be too many. */
export interface PageBudget {
  take(pages: number): void;
  give(pages: number): void;
}

/** The content of a regular file: a size, and the pages that were written. */
export class SparseFile {
  size = 0;
  readonly #pages = new Map<number, Uint8Array>();
  readonly #budget: PageBudget;

  constructor(budget: PageBudget) {
    this.#budget = budget;
  }

  /** Bytes of memory in use. */
  get allocated(): number {
    return this.#pages.size * PAGE_BYTES;
  }

  /** Fills `target` from `offset` on, as far as the file goes; answers the number of bytes. */
  read(target: Uint8Array, offset: number): number {
    const end = Math.min(this.size, offset + target.length);
    for (let at = offset; at < end; ) {
      const index = Math.floor(at / PAGE_BYTES);
      const start = at - index * PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - start, end - at);
      const page = this.#pages.get(index);
      if (page) target.set(page.subarray(start, start + count), at - offset);
      else target.fill(0, at - offset, at - offset + count);
      at += count;
    }
    return Math.max(0, end - offset);
  }

  write(source: Uint8Array, offset: number): void {
    this.allocate(offset, source.length);
    for (let done = 0; done < source.length; ) {
      const at = offset + done;
      const index = Math.floor(at / PAGE_BYTES);
      const start = at - index * PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - start, source.length - done);
      this.#pages.get(index)?.set(source.subarray(done, done + count), start);
      done += count;
    }
    this.size = Math.max(this.size, offset + source.length);
  }

  /** Gives a range its pages; all or none. */
  allocate(offset: number, length: number): void {
    if (length <= 0) return;
    const missing: number[] = [];
    const last = Math.floor((offset + length - 1) / PAGE_BYTES);
    for (let index = Math.floor(offset / PAGE_BYTES); index <= last; index++) if (!this.#pages.has(index)) missing.push(index);
    this.#budget.take(missing.length);
    for (const index of missing) this.#pages.set(index, new Uint8Array(PAGE_BYTES));
  }

  /** Makes a range read as zeros; whole pages are freed. The size stays. */
  punch(offset: number, length: number): void {
    const end = offset + length;
    for (const [index, page] of [...this.#pages]) {
      const start = index * PAGE_BYTES;
      if (start + PAGE_BYTES <= offset || start >= end) continue;
      if (offset <= start && start + PAGE_BYTES <= end) {
        this.#pages.delete(index);
        this.#budget.give(1);
      } else {
        page.fill(0, Math.max(0, offset - start), Math.min(PAGE_BYTES, end - start));
      }
    }
  }

  truncate(size: number): void {
    if (size < this.size) this.punch(size, this.size - size + PAGE_BYTES);
    this.size = size;
  }

  /** The first written byte at or after `offset`; undefined when only a hole follows. */
  seekData(offset: number): number | undefined {
    let found: number | undefined;
    for (const index of this.#pages.keys()) {
      const start = index * PAGE_BYTES;
      if (start + PAGE_BYTES <= offset || start >= this.size) continue;
      const at = Math.max(start, offset);
      if (found === undefined || at < found) found = at;
    }
    return found;
  }

  /** The first hole at or after `offset`; the end of the file counts as one. */
  seekHole(offset: number): number {
    let at = offset;
    while (at < this.size && this.#pages.has(Math.floor(at / PAGE_BYTES))) at = (Math.floor(at / PAGE_BYTES) + 1) * PAGE_BYTES;
    return Math.min(at, this.size);
  }

  /** Frees everything. */
  clear(): void {
    this.#budget.give(this.#pages.size);
    this.#pages.clear();
    this.size = 0;
  }
}
