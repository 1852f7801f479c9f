import type { Gfid, Platform } from '@glusterts/libglusterfs';

/** Inodes in one generation. Of what is in neither it is only known that it was earlier. */
const GENERATION_MAX = 32_768;
/** Grants are numbered from the time of day on, so that no number comes again after the brick has been restarted. */
const NUMBERS_PER_MS = 1024;

/**
 * The number of each inode's latest inodelk, for the 32,768 inodes that have had one last, at least. Two generations in place of one order: a Map
 * from which a key is taken to be put at its end is rebuilt again and again, and with thousands of entries V8 collects everything for it.
 */
export class GrantNumbers {
  #young = new Map<Gfid, number>();
  #old = new Map<Gfid, number>();
  /** The latest on any inode. */
  #latest: number;
  /** The latest when the old generation was complete. */
  #sealed: number;
  /** What is in neither generation was granted no later than this. */
  #forgotten: number;
  readonly #max: number;

  constructor(platform: Platform, max = GENERATION_MAX) {
    this.#latest = Math.floor(platform.clock.wall()) * NUMBERS_PER_MS + platform.random.below(NUMBERS_PER_MS);
    this.#sealed = this.#forgotten = this.#latest;
    this.#max = max;
  }

  has(gfid: Gfid): boolean {
    return this.#young.has(gfid) || this.#old.has(gfid);
  }

  /** No inode's but this one's, unless it has been forgotten; and never one that this inode had before another grant. */
  of(gfid: Gfid): number {
    return this.#young.get(gfid) ?? this.#old.get(gfid) ?? this.#forgotten;
  }

  /** The inode gets a new one. */
  next(gfid: Gfid): void {
    if (this.#young.size >= this.#max && !this.#young.has(gfid)) {
      this.#forgotten = this.#sealed;
      this.#sealed = this.#latest;
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(gfid, ++this.#latest);
  }
}
