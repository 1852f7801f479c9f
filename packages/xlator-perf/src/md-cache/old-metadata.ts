import type { InodeMetadata } from './inode-metadata.js';

/** Inodes in a page. */
const PAGE = 4096;

const VALID = 1;
const WRITES_PENDING = 2;
const NEEDS_LOOKUP = 4;

interface Page {
  readonly mtime: Float64Array;
  readonly ctime: Float64Array;
  readonly generation: Float64Array;
  readonly since: Float64Array;
  readonly mtime_nsec: Uint32Array;
  readonly ctime_nsec: Uint32Array;
  readonly flags: Uint8Array;
}

const newPage = (): Page => ({
  mtime: new Float64Array(PAGE), ctime: new Float64Array(PAGE), generation: new Float64Array(PAGE), since: new Float64Array(PAGE), mtime_nsec: new Uint32Array(PAGE), ctime_nsec: new Uint32Array(PAGE), flags: new Uint8Array(PAGE),
});

/**
 * What is left of what was known of inodes, when all of it has grown old: enough to tell whether later attributes are news. There may be a million
 * of them, so each is but a place in tables of numbers, 41 bytes.
 */
export class OldMetadata {
  readonly #pages: Page[] = [];
  readonly #free: number[] = [];
  #used = 0;

  /** Answers the place. */
  put(known: InodeMetadata): number {
    const place = this.#free.pop() ?? this.#used++;
    const page = (this.#pages[Math.floor(place / PAGE)] ??= newPage());
    const at = place % PAGE;
    page.mtime[at] = known.mtime;
    page.ctime[at] = known.ctime;
    page.generation[at] = Math.max(known.generation, known.xattrs?.generation ?? 0);
    page.since[at] = known.since;
    page.mtime_nsec[at] = known.mtime_nsec;
    page.ctime_nsec[at] = known.ctime_nsec;
    page.flags[at] = (known.valid ? VALID : 0) | (known.writesPending ? WRITES_PENDING : 0) | (known.needsLookup ? NEEDS_LOOKUP : 0);
    return place;
  }

  needsLookup(place: number): boolean {
    return ((this.#pages[Math.floor(place / PAGE)]?.flags[place % PAGE] ?? 0) & NEEDS_LOOKUP) !== 0;
  }

  /** Gives the place back, and what lay there to `known`. */
  take(place: number, known: InodeMetadata): void {
    const page = this.#pages[Math.floor(place / PAGE)];
    const at = place % PAGE;
    this.drop(place);
    if (!page) return;
    const flags = page.flags[at] ?? 0;
    known.valid = (flags & VALID) !== 0;
    known.writesPending = (flags & WRITES_PENDING) !== 0;
    known.needsLookup = (flags & NEEDS_LOOKUP) !== 0;
    known.mtime = page.mtime[at] ?? 0;
    known.mtime_nsec = page.mtime_nsec[at] ?? 0;
    known.ctime = page.ctime[at] ?? 0;
    known.ctime_nsec = page.ctime_nsec[at] ?? 0;
    known.generation = page.generation[at] ?? 0;
    known.since = page.since[at] ?? 0;
  }

  drop(place: number): void {
    this.#free.push(place);
  }
}
