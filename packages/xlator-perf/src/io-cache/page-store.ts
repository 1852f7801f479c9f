import type { Iatt, ReadReply } from '@glusterts/libglusterfs';
import { ReadBlock } from '../read-block.js';

/** Bytes of a page (spec/client.md, §9.4). */
export const PAGE_SIZE = 131072;

/** Pages that one readv brings. They lie in the same iobufs, which are free when the last of them is dropped. */
export class PageBlock extends ReadBlock {
  /** How many of its pages are in the file's table. Its maker's hold is theirs. */
  pages = 0;
  /** Counted as used by the store: from its answer until its last page is dropped. */
  counted = 0;

  constructor(first: number, last: number, sentMs: number, reply: Promise<ReadReply>) {
    super(first * PAGE_SIZE, (last + 1) * PAGE_SIZE, sentMs, reply);
  }
}

/** What is kept of one file. */
export class CachedFile {
  /** By number; those on their way too. */
  readonly pages = new Map<number, PageBlock>();
  /** That have been answered, in the order of use. */
  readonly blocks = new Set<PageBlock>();
  /** The attributes of the content that is kept. */
  stat: Iatt | undefined;
  /** Then, or later, the file was as `stat` has it; milliseconds of the monotonic clock. */
  confirmedMs = -Infinity;
  weight = 1;
  /** The rules by which the weight was found. */
  rules: object | undefined;
  /** Its size is not one that is kept; as it was when somebody last opened it. */
  unsuitable = false;
  /** Somebody has asked whether it has changed. */
  check: { readonly sentMs: number; readonly done: Promise<void> } | undefined;
  /** Counts what makes every answer that is on its way worthless. */
  epoch = 0;
}

/**
 * The pages of all files up to a number of bytes, those of the iobufs that they keep. The file goes first that was not read for the longest
 * time, among those of the lowest weight, and of its pages the ones that were not read for the longest time.
 */
export class PageStore {
  /** Files with pages that were answered, by weight; each in the order of use. */
  readonly #lists = new Map<number, Set<CachedFile>>();
  #weights: number[] = [];
  sizeMax: number;
  /** Bytes held. */
  used = 0;
  /** Files that have pages, or have some on their way. */
  readonly #files = new Set<CachedFile>();

  constructor(sizeMax: number) {
    this.sizeMax = sizeMax;
  }

  /** Whether any file has pages. */
  get isEmpty(): boolean {
    return this.#files.size === 0;
  }

  /** Pages are on their way. */
  expect(file: CachedFile, block: PageBlock): void {
    const first = block.start / PAGE_SIZE;
    const last = block.end / PAGE_SIZE - 1;
    for (let index = first; index <= last; index++) {
      this.dropPage(file, index);
      file.pages.set(index, block);
    }
    block.pages = last - first + 1;
    this.#files.add(file);
  }

  /** Those pages of an answered block that have data are kept; one that ends within is only kept at the end of the file. */
  keep(file: CachedFile, block: PageBlock): void {
    const whole = block.eof ? Math.ceil(block.dataEnd / PAGE_SIZE) : Math.floor(block.dataEnd / PAGE_SIZE);
    for (let index = whole; index < block.end / PAGE_SIZE; index++) if (file.pages.get(index) === block) this.dropPage(file, index);
    if (block.pages === 0) return;
    block.counted = block.memory;
    this.used += block.counted;
    file.blocks.add(block);
    this.#list(file.weight).add(file);
    this.prune();
  }

  /** It was read. */
  touch(file: CachedFile, block: PageBlock): void {
    if (!file.blocks.delete(block)) return;
    file.blocks.add(block);
    const list = this.#list(file.weight);
    list.delete(file);
    list.add(file);
  }

  setWeight(file: CachedFile, weight: number): void {
    if (file.weight === weight) return;
    this.#lists.get(file.weight)?.delete(file);
    file.weight = weight;
    if (file.blocks.size > 0) this.#list(weight).add(file);
  }

  dropPage(file: CachedFile, index: number): void {
    const block = file.pages.get(index);
    if (block === undefined) return;
    file.pages.delete(index);
    if (file.pages.size === 0) this.#files.delete(file);
    if (--block.pages > 0) return;
    if (file.blocks.delete(block)) {
      this.used -= block.counted;
      if (file.blocks.size === 0) this.#lists.get(file.weight)?.delete(file);
    }
    block.letGo();
  }

  dropBlock(file: CachedFile, block: PageBlock): void {
    for (let index = block.start / PAGE_SIZE; block.pages > 0; index++) if (file.pages.get(index) === block) this.dropPage(file, index);
  }

  /** What was answered; not what is on its way. */
  dropAnswered(file: CachedFile): void {
    for (const block of [...file.blocks]) this.dropBlock(file, block);
  }

  /** Everything, and whatever is on its way will not be kept. */
  drop(file: CachedFile): void {
    file.epoch++;
    file.check = undefined;
    file.confirmedMs = -Infinity;
    for (const index of [...file.pages.keys()]) this.dropPage(file, index);
  }

  /** The pages that a write touches; the last ones of the file, which may not be the last any more; and all on their way. */
  dropRange(file: CachedFile, start: number, end: number): void {
    for (const [index, block] of [...file.pages]) {
      const from = index * PAGE_SIZE;
      const to = from + PAGE_SIZE;
      if (!block.ready || (from < end && start < to) || (block.eof && block.dataEnd <= to)) this.dropPage(file, index);
    }
  }

  clear(): void {
    for (const file of [...this.#files]) this.drop(file);
  }

  #list(weight: number): Set<CachedFile> {
    let list = this.#lists.get(weight);
    if (list === undefined) {
      this.#lists.set(weight, (list = new Set()));
      this.#weights = [...this.#lists.keys()].sort((a, b) => a - b);
    }
    return list;
  }

  /** Until there is no more than may be. */
  prune(): void {
    for (const weight of this.#weights) {
      for (const file of this.#list(weight)) {
        for (const block of file.blocks) {
          if (this.used <= this.sizeMax) return;
          this.dropBlock(file, block);
        }
      }
    }
  }
}
