import type { CtxSlot, Iatt, Inode } from '@glusterts/libglusterfs';

/** Of so many files at most: of a million tiny ones what is kept beside the data would be the most of it, some 500 bytes each. */
const FILES_MAX = 65_536;

/** So many files without data are remembered. */
const EMPTY_MAX = 1024;

/** What is kept of one file. Without data it still remembers when it was last dropped, so that an older answer isn't kept. */
export class Content {
  readonly inode: Inode;
  data: Uint8Array | undefined;
  /** The attributes that came with the data, or with a later answer that confirmed it. */
  stat: Iatt | undefined;
  /** When it was last confirmed; milliseconds of the monotonic clock. */
  refreshedMs = 0;
  /** The generation of the request that brought or last confirmed it. */
  generation: number;
  /** The generation at which it was last dropped. */
  dropped = 0;
  priority = 0;

  constructor(inode: Inode, generation: number) {
    this.inode = inode;
    this.generation = generation;
  }
}

/**
 * The contents of small files, up to a number of bytes; the one that was not used for the longest time goes first, and one of a
 * lower priority before one of a higher.
 *
 * Generations order requests and changes: a counter that every request takes from before it is sent. What a request brought that
 * began before the last change of the file ended is not kept: it may be older than the change. Of most of a million files there is nothing to keep:
 * for those that the cache has forgotten counts the newest generation that any of them had.
 */
export class ContentCache {
  /** By priority; each in the order of use. */
  readonly #lists = new Map<number, Set<Content>>();
  #priorities: number[] = [];
  /** Without data, in the order in which it was lost. */
  readonly #empty = new Set<Content>();
  #generation = 0;
  /** The newest of what was forgotten. */
  #forgotten = 0;
  readonly #slot: CtxSlot<Content>;
  readonly #same: (kept: Iatt, stat: Iatt) => boolean;
  sizeMax: number;
  /** Bytes held. */
  used = 0;
  files = 0;

  /** @param same whether these attributes are of the content that was kept with those */
  constructor(slot: CtxSlot<Content>, sizeMax: number, same: (kept: Iatt, stat: Iatt) => boolean) {
    this.#slot = slot;
    this.sizeMax = sizeMax;
    this.#same = same;
  }

  /** What is kept of a file; undefined: nothing. */
  get(inode: Inode): Content | undefined {
    return this.#slot.get(inode);
  }

  /** The same; it is made if there is none. */
  of(inode: Inode): Content {
    let content = this.#slot.get(inode);
    if (!content) {
      // The request of that very generation may bring more: a listing has many files.
      content = new Content(inode, this.#forgotten - 1);
      this.#slot.set(inode, content);
      this.#emptied(content);
    }
    return content;
  }

  /** Its inode leaves the table. */
  forget(inode: Inode): void {
    const content = this.#slot.get(inode);
    if (content) this.#remove(content);
  }

  /** Larger than all before. */
  next(): number {
    return ++this.#generation;
  }

  /** Content that a request of that generation brought. */
  put(content: Content, data: Uint8Array, stat: Iatt, generation: number, nowMs: number): void {
    if (this.#isOlder(content, generation)) return;
    this.#lose(content);
    this.#empty.delete(content);
    // A small value is a view into a slab that it would keep alive.
    content.data = data.length === data.buffer.byteLength ? data : data.slice();
    content.stat = stat.clone();
    content.generation = generation;
    content.refreshedMs = nowMs;
    this.used += data.length;
    this.files++;
    this.#list(content.priority).add(content);
    this.#prune();
  }

  /** Attributes that a request of that generation brought: content that isn't of them is dropped. Whether they are a use of it the caller tells by `touch`. */
  confirm(content: Content, stat: Iatt, generation: number, nowMs: number): void {
    if (this.#isOlder(content, generation)) return;
    content.generation = generation;
    if (!content.stat) return;
    if (!this.#same(content.stat, stat)) return this.drop(content, generation);
    content.stat = stat.clone();
    content.refreshedMs = nowMs;
  }

  /** @param generation of the request that made it stale */
  drop(content: Content, generation: number): void {
    this.#lose(content);
    content.generation = generation;
    content.dropped = this.next();
    this.#emptied(content);
  }

  /** It has no data (any more). Those that have had none for the longest time are forgotten. */
  #emptied(content: Content): void {
    this.#empty.delete(content);
    this.#empty.add(content);
    if (this.#empty.size <= EMPTY_MAX) return;
    for (const oldest of this.#empty) return this.#remove(oldest);
  }

  #remove(content: Content): void {
    this.#lose(content);
    this.#empty.delete(content);
    this.#forgotten = Math.max(this.#forgotten, content.generation, content.dropped);
    if (this.#slot.get(content.inode) === content) this.#slot.delete(content.inode);
  }

  touch(content: Content): void {
    if (!content.data) return;
    const list = this.#list(content.priority);
    list.delete(content);
    list.add(content);
  }

  setPriority(content: Content, priority: number): void {
    if (content.data) this.#list(content.priority).delete(content);
    content.priority = priority;
    this.touch(content);
  }

  clear(): void {
    for (const list of this.#lists.values()) for (const content of [...list]) this.#remove(content);
  }

  #isOlder(content: Content, generation: number): boolean {
    return content.generation >= generation || (content.data === undefined && content.dropped >= generation);
  }

  #lose(content: Content): void {
    if (!content.data) return;
    this.used -= content.data.length;
    this.files--;
    this.#list(content.priority).delete(content);
    content.data = undefined;
    content.stat = undefined;
  }

  #list(priority: number): Set<Content> {
    let list = this.#lists.get(priority);
    if (!list) {
      this.#lists.set(priority, (list = new Set()));
      this.#priorities = [...this.#lists.keys()].sort((a, b) => a - b);
    }
    return list;
  }

  get #fits(): boolean {
    return this.used <= this.sizeMax && this.files <= FILES_MAX;
  }

  #prune(): void {
    if (this.#fits) return;
    for (const priority of this.#priorities) {
      for (const content of this.#list(priority)) {
        this.#remove(content);
        if (this.#fits) return;
      }
    }
  }
}
