import type { Iatt } from '@glusterts/libglusterfs';

/** What is kept of one file. Without data it still remembers when it was last dropped, so that an older answer isn't kept. */
export class Content {
  data: Uint8Array | undefined;
  /** The attributes that came with the data, or with a later answer that confirmed it. */
  stat: Iatt | undefined;
  /** When it was last confirmed; milliseconds of the monotonic clock. */
  refreshedMs = 0;
  /** The generation of the request that brought or last confirmed it. */
  generation = 0;
  /** The generation at which it was last dropped. */
  dropped = 0;
  priority = 0;
}

/**
 * The contents of small files, up to a number of bytes; the one that was not used for the longest time goes first, and one of a
 * lower priority before one of a higher.
 *
 * Generations order requests and changes: a counter that every request takes from before it is sent. What a request brought that
 * began before the last change of the file ended is not kept: it may be older than the change.
 */
export class ContentCache {
  /** By priority; each in the order of use. */
  readonly #lists = new Map<number, Set<Content>>();
  #priorities: number[] = [];
  #generation = 0;
  readonly #same: (kept: Iatt, stat: Iatt) => boolean;
  sizeMax: number;
  /** Bytes held. */
  used = 0;
  files = 0;

  /** @param same whether these attributes are of the content that was kept with those */
  constructor(sizeMax: number, same: (kept: Iatt, stat: Iatt) => boolean) {
    this.sizeMax = sizeMax;
    this.#same = same;
  }

  /** Larger than all before. */
  next(): number {
    return ++this.#generation;
  }

  /** Content that a request of that generation brought. */
  put(content: Content, data: Uint8Array, stat: Iatt, generation: number, nowMs: number): void {
    if (this.#isOlder(content, generation)) return;
    this.#forget(content);
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

  /** @param generation of the request that made it stale; 0: none, it is only short of room */
  drop(content: Content, generation: number): void {
    this.#forget(content);
    if (generation !== 0) content.generation = generation;
    content.dropped = this.next();
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
    for (const list of this.#lists.values()) for (const content of [...list]) this.drop(content, 0);
  }

  #isOlder(content: Content, generation: number): boolean {
    return content.generation >= generation || (content.data === undefined && content.dropped >= generation);
  }

  #forget(content: Content): void {
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

  #prune(): void {
    if (this.used <= this.sizeMax) return;
    for (const priority of this.#priorities) {
      for (const content of this.#list(priority)) {
        this.drop(content, 0);
        if (this.used <= this.sizeMax) return;
      }
    }
  }
}
