/** What has become of the stripes that were kept, over all files (statedump). */
export class StripeCacheStats {
  hits = 0;
  misses = 0;
  updates = 0;
  invalidations = 0;
  evicts = 0;
  allocations = 0;
}

/**
 * The last stripes of unaligned writes to one file, so that the next write beside them needs not read what it does not replace
 * (spec/ec.md, §16). Right only while the file's lock is held.
 */
export class StripeCache {
  readonly #stats: StripeCacheStats;
  /** By offset in the file, the least recently used first. */
  readonly #stripes = new Map<number, Uint8Array>();

  constructor(stats: StripeCacheStats) {
    this.#stats = stats;
  }

  /** Copies a stripe to `target`, if it is here. */
  read(offset: number, target: Uint8Array): boolean {
    const stripe = this.#stripes.get(offset);
    if (!stripe) {
      this.#stats.misses++;
      return false;
    }
    this.#stats.hits++;
    this.#stripes.delete(offset);
    this.#stripes.set(offset, stripe);
    target.set(stripe);
    return true;
  }

  /** Keeps a copy; `limit` stripes are kept at most. */
  keep(offset: number, bytes: Uint8Array, limit: number): void {
    const known = this.#stripes.get(offset);
    this.#stripes.delete(offset);
    if (limit === 0) return;
    if (known) known.set(bytes);
    else this.#stats.allocations++;
    this.#stripes.set(offset, known ?? bytes.slice());
    while (this.#stripes.size > limit) {
      const [oldest] = this.#stripes.keys();
      if (oldest === undefined) return;
      this.#stripes.delete(oldest);
      this.#stats.evicts++;
    }
  }

  /** Whole stripes from `offset` on have been written. */
  written(offset: number, data: Uint8Array): void {
    for (const [at, stripe] of this.#stripes) {
      if (at < offset || at >= offset + data.length) continue;
      stripe.set(data.subarray(at - offset, at - offset + stripe.length));
      this.#stats.updates++;
    }
  }

  /** What stands in [start, end) isn't known any more. */
  forget(start: number, end: number): void {
    for (const at of [...this.#stripes.keys()]) {
      if (at < start || at >= end) continue;
      this.#stripes.delete(at);
      this.#stats.invalidations++;
    }
  }

  clear(): void {
    this.#stripes.clear();
  }
}
