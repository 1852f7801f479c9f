import { type Bytes, type Clock, type CtxSlot, Dict, type Direntp, Fd, Frame, type Inode, Loc, type Subvolume, type Xdata } from '@glusterts/libglusterfs';

/** Lookups in one directory that went down, each within the life of attributes after the one before, until it is listed. */
const MISSES_MIN = 8;
/** Bytes of listing in one readdirp, and entries in one scan. */
const CHUNK_BYTES = 131072;
const ENTRIES_MAX = 16384;
/** A scan is worth it when one in so many of its entries is asked for: what it costs for each is about a fifteenth of a lookup. */
const USEFUL_SHARE = 15;
/**
 * Asks the volume to say of which entries it is sure: as sure as of a lookup's answer, that is, by as many bricks. Only those are
 * learned from; a volume that doesn't know the word says it of none.
 */
const AGREED = 'glusterts.agreed' as Bytes;
/** After two scans in a row that weren't (one may have come when the walk was nearly over): milliseconds without another, doubled each time. */
const PAUSE_MIN_MS = 2000;
const PAUSE_MAX_MS = 120_000;

/** The value of AGREED: that contents of small files may come along, or that nobody would read them. */
const WITH_CONTENTS = 1;
const WITHOUT_CONTENTS = 2;

/** Opens for reading, in half as many of those lookups, with which they pay for themselves: they bring small files' contents along. */
const OPENS_SHARE = 2;
/** Renames and unlinks, in half as many: whoever walks there moves or removes the files, and doesn't read them. */
const REMOVALS_SHARE = 2;

/** What is known of a directory in which lookups miss. */
interface Walk {
  misses: number;
  last: number;
  /** The mount's opens when the first of the misses went down. */
  opens: number;
  /** The mount's renames and unlinks by then. */
  removals: number;
  scanning: boolean;
  /** Entries of the last scan, how many of them it has learnt from, and how many lookups in this directory the cache has answered since. */
  entries: number;
  learnt: number;
  hits: number;
  /** Scans in a row that were of no use; one that learnt nothing counts for two. */
  useless: number;
  notBefore: number;
  pause: number;
}

/** What a scan needs of md-cache. */
export interface StatAheadHost {
  readonly child: Subvolume;
  readonly clock: Clock;
  /** Whether lookups bring the content of small files along (performance/quick-read on bricks that have whole files). */
  readonly contents: boolean;
  /** Milliseconds for which attributes are believed. */
  life(): number;
  /** The request of a readdirp. */
  request(): Xdata;
  /** The generation at which a fop begins. */
  start(): number;
  /** @param asked whether the request asked for xattrs */
  learn(inode: Inode, entry: Direntp, start: number, asked: boolean): void;
}

/**
 * Lists a directory when its entries are looked up one after the other, so that the cache answers the rest: listing it costs less
 * than a handful of lookups, the more so where each of them asks several bricks. The attributes are as sure as a lookup's, and are
 * believed as long; nothing is believed of a file that has changed while the listing was under way.
 */
export class StatAhead {
  readonly #host: StatAheadHost;
  readonly #walks: CtxSlot<Walk>;
  #opens = 0;
  #removals = 0;

  constructor(host: StatAheadHost, walks: CtxSlot<Walk>) {
    this.#host = host;
    this.#walks = walks;
  }

  /** A file is opened for reading. */
  opened(): void {
    this.#opens++;
  }

  /** A name is taken from a file: by a rename or an unlink. */
  removed(): void {
    this.#removals++;
  }

  /** A lookup of a known file in this directory was answered from the cache. */
  hit(parent: Inode): void {
    const walk = this.#walks.get(parent);
    if (walk) walk.hits++;
  }

  /** A lookup of a known file in this directory goes down. */
  missed(parent: Inode): void {
    const now = this.#host.clock.monotonic();
    let walk = this.#walks.get(parent);
    if (!walk) this.#walks.set(parent, (walk = { misses: 0, last: now, opens: this.#opens, removals: this.#removals, scanning: false, entries: 0, learnt: 0, hits: 0, useless: 0, notBefore: 0, pause: PAUSE_MIN_MS }));
    if (now - walk.last > this.#host.life()) walk.misses = 0;
    walk.last = now;
    if (walk.misses++ === 0) {
      walk.opens = this.#opens;
      walk.removals = this.#removals;
    }
    if (walk.misses < MISSES_MIN || walk.scanning) return;
    walk.misses = 0;
    if (this.#host.contents && (this.#opens - walk.opens) * OPENS_SHARE >= MISSES_MIN) return;
    if (walk.entries > 0) {
      const useful = walk.hits * USEFUL_SHARE >= walk.entries;
      walk.entries = 0;
      walk.useless = useful ? 0 : walk.useless + (walk.learnt > 0 ? 1 : 2);
      if (useful) walk.pause = PAUSE_MIN_MS;
      else if (walk.useless > 1) {
        walk.notBefore = now + walk.pause;
        walk.pause = Math.min(walk.pause * 2, PAUSE_MAX_MS);
      }
    }
    if (now < walk.notBefore) return;
    walk.scanning = true;
    const contents = this.#host.contents && (this.#removals - walk.removals) * REMOVALS_SHARE < MISSES_MIN;
    void this.#scan(parent.ref(), walk, contents ? WITH_CONTENTS : WITHOUT_CONTENTS);
  }

  async #scan(parent: Inode, walk: Walk, agreed: number): Promise<void> {
    const host = this.#host;
    const fd = new Fd(parent);
    walk.hits = walk.learnt = 0;
    let seen = 0;
    try {
      const frame = new Frame();
      const path = parent.table.path(parent);
      await host.child.opendir(frame, new Loc({ inode: parent, gfid: parent.gfid, ...(path === undefined ? {} : { path }) }), fd, host.request());
      const until = host.clock.monotonic() + host.life() / 2;
      for (let offset = 0n, eof = false; !eof && seen < ENTRIES_MAX && host.clock.monotonic() < until; ) {
        const start = host.start();
        const request = host.request();
        const reply = await host.child.readdirp(frame, fd, CHUNK_BYTES, offset, (request?.clone() ?? new Dict()).setUint(AGREED, agreed));
        eof = reply.eof || reply.entries.length === 0;
        for (const entry of reply.entries) {
          offset = entry.d_off;
          seen++;
          // Entries without attributes must be looked up; that is no news of the file. Nor is a file that nobody has asked for.
          const sure = entry.stat.ia_ctime !== 0 && entry.dict?.has(AGREED) === true;
          const inode = sure ? parent.table.find(entry.stat.ia_gfid) : undefined;
          if (!inode) continue;
          walk.learnt++;
          host.learn(inode, entry, start, request !== undefined);
        }
      }
    } catch {
      // Lookups go down as before.
    } finally {
      walk.entries = seen;
      walk.scanning = false;
      fd.unref();
      parent.unref();
    }
  }
}
