import { type Bytes, Errno, FopError, type Gfid, LoadResult, NULL_GFID, type Platform, type StatSlot, type Storage, type Timer } from '@glusterts/libglusterfs';

/** What was in memory is believed to be there for once to twice this time. */
const KEPT_MS = 5000;
/** Of so many paths at most, twice. */
const KEPT_MAX = 16384;
/** A look at what is in memory takes less. */
const IN_MEMORY_MS = 1;
/** For so long after a look that had to wait all the same the kernel's word for a path isn't enough. */
const WARY_MS = 10_000;
/** Loads under way. The pool has 16 threads: these leave some for reads and for the gate's probes. */
const LOADS_MAX = 12;
/** Fops that wait for loads. */
const WAITING_MAX = 16384;
/** The names of a listing are loaded by several threads, each with so many at least. */
const SPLIT_MAX = 8;
const SPLIT_NAMES = 8;
const SCRATCH_SLOT: StatSlot = 5;

/** What a look met that isn't in memory. */
export class NotInMemory extends Error {
  /** @param key what will be known once it is loaded @param load does it, on the pool @param dirs directories whose locks it holds meanwhile */
  constructor(readonly key: string, readonly load: () => Promise<number>, readonly dirs: () => readonly Bytes[], readonly gfid: Gfid = NULL_GFID) {
    super();
  }
}

interface BusyDirectory {
  loads: number;
  done: Promise<unknown>;
}

const dirOf = (path: Bytes): Bytes => path.slice(0, path.lastIndexOf('/')) as Bytes;
/** The key of a directory in which names that weren't in memory turned out not to be on the disk either. */
const growing = (dir: Bytes): string => `+${dir}`;

/**
 * What the kernel has of a brick's names and inodes in memory, as far as one can tell (docs/architecture.md, "Slow disks"). A fop that only looks does so on
 * the loop, and asks here first: what isn't in memory is loaded on the pool, and then the fop begins anew. On memory it does nothing.
 */
export class KernelCache {
  readonly #storage: Storage;
  readonly #platform: Platform;
  readonly #hidden: Bytes;
  #never: boolean;
  /** Two generations of paths that were in memory. */
  #young = new Set<string>();
  #old = new Set<string>();
  #turn: Timer | undefined;
  /** 0: nobody looks; else a look is being made, by the one that stands in, in such a depth, less 1. One that hangs while others are made finds all as it was. */
  #looking = 0;
  /** When the look began to rely on the kernel's word; 0: it doesn't. */
  #relies = 0;
  /** Blocks that had been read by then. */
  #blocks = 0;
  #waryUntil = -Infinity;
  /** Something was made in turn, and didn't come back, when somebody looked last. */
  #hangs = false;
  /** What was in memory before something hung, or had to wait. */
  #doubtful: readonly ReadonlySet<string>[] = [];
  readonly #loads = new Map<string, Promise<void>>();
  readonly #busy = new Map<Bytes, BusyDirectory>();
  #running = 0;
  readonly #queue: (() => void)[] = [];

  /** @param never it is all in memory */
  constructor({ platform, hidden, never }: { platform: Platform; hidden: Bytes; never: boolean }) {
    this.#platform = platform;
    this.#storage = platform.storage;
    this.#hidden = hidden;
    this.#never = never;
  }

  close(): void {
    this.#never = true;
    this.#turn?.cancel();
  }

  /** Runs what changes nothing, in which {@link lstat} and {@link demand} throw {@link NotInMemory}. */
  look<T>(fop: () => T): T {
    if (this.#never) return fop();
    const [looking, relies, blocks] = [this.#looking, this.#relies, this.#blocks];
    this.#looking = this.#storage.standsIn + 1;
    this.#relies = 0;
    if (this.#hangs !== this.#looking > 1) this.#hanging();
    try {
      return fop();
    } finally {
      if (this.#relies !== 0) this.#judge();
      this.#looking = looking;
      this.#relies = relies;
      this.#blocks = blocks;
    }
  }

  /** As the storage's. In a look it throws {@link NotInMemory} in place of waiting for the disk. @param gfid whose inode it is, if that is known */
  lstat(path: Bytes, slot: StatSlot, gfid: Gfid = NULL_GFID): number {
    if (!this.#looks || this.#isKnown(path)) return this.#storage.lstat(path, slot);
    if (this.#distrusts() || this.#loads.has(path)) throw this.#missing(path, gfid);
    let result = this.#storage.lstatCached(path, slot);
    if (result === -Errno.EAGAIN) {
      const fresh = growing(dirOf(path));
      if (!this.#isKnown(fresh)) throw this.#missing(path, gfid);
      result = this.#storage.lstat(path, slot);
      // One that is there: others may be as well.
      if (result === 0) this.#forget(fresh);
    }
    this.#learn(path);
    return result;
  }

  /** In a look: what lies at the path must be in memory. */
  demand(path: Bytes, gfid: Gfid = NULL_GFID): void {
    if (this.#looks && !this.#isKnown(path)) this.lstat(path, SCRATCH_SLOT, gfid);
  }

  /** In a look: so must a directory, with its entries as far as they are needed to find `name` in it. */
  demandDirectory(dir: Bytes, name: Bytes): void {
    if (!this.#looks || this.#isKnown(dir)) return;
    const path = `${dir}/${name}` as Bytes;
    if (this.#distrusts() || this.#storage.lstatCached(dir, SCRATCH_SLOT) === -Errno.EAGAIN) throw new NotInMemory(dir, () => this.#loadPath(path, false), () => this.#dirsOf(path));
    this.#learn(dir);
  }

  /** Runs a part of a look that may wait: it has been loaded. */
  known<T>(part: () => T): T {
    const looking = this.#looking;
    this.#looking = 0;
    try {
      return part();
    } finally {
      this.#looking = looking;
    }
  }

  /** In a look before a change in a directory: no load holds its lock. Throws what {@link obstacle} answers. */
  demandFree(dir: Bytes): void {
    const busy = this.#busy.size > 0 ? this.#busy.get(dir) : undefined;
    if (busy) throw new Busy(busy.done);
  }

  /** In a look before a change of an inode: no load reads it. */
  demandIdle(gfid: Gfid): void {
    const load = this.#loads.size > 0 ? this.#loads.get(gfid) : undefined;
    if (load) throw new Busy(load);
  }

  isLoading(gfid: Gfid): boolean {
    return this.#loads.size > 0 && this.#loads.has(gfid);
  }

  /** A look has waited here for the disk before. */
  get wasWary(): boolean {
    return this.#waryUntil !== -Infinity;
  }

  /** It was in memory lately. */
  knows(path: Bytes): boolean {
    return this.#isKnown(path);
  }

  /** What `needs`, a look, stands before; undefined when nothing is in its way. */
  obstacle(needs: () => void): Promise<unknown> | undefined {
    if (this.#never) return undefined;
    try {
      this.look(needs);
      return undefined;
    } catch (error) {
      if (error instanceof Busy) return error.until;
      if (error instanceof NotInMemory) return this.load(error);
      // Whatever it is, the fop finds it as well.
      return undefined;
    }
  }

  /** Loads what wasn't in memory. Rejected with EAGAIN when too many wait. */
  load(missing: NotInMemory): Promise<void> {
    const { key, gfid } = missing;
    const running = this.#loads.get(key);
    if (running) return running;
    if (this.#queue.length >= WAITING_MAX) return Promise.reject(new FopError(Errno.EAGAIN));
    const alias = gfid !== NULL_GFID && !this.#loads.has(gfid);
    const dirs = missing.dirs();
    // All who wait do so for the same promise, and go on in their order.
    const load = this.#load(missing).finally(() => {
      this.#loads.delete(key);
      if (alias) this.#loads.delete(gfid);
      for (const dir of dirs) this.#release(dir);
    });
    this.#loads.set(key, load);
    if (alias) this.#loads.set(gfid, load);
    for (const dir of dirs) this.#hold(dir, load);
    return load;
  }

  /** Whether a listing from here on was in memory lately. */
  knowsListing(key: string): boolean {
    return this.#never || (this.#isKnown(key) && !this.#loads.has(key));
  }

  listingKnown(key: string): void {
    this.#learn(key);
  }

  /** The kernel's word for an entry isn't enough. */
  get wary(): boolean {
    return !this.#never && this.#distrusts();
  }

  /** Entries of an open directory that aren't in memory. */
  entriesMissing(key: string, fd: number, directory: Bytes, names: readonly Bytes[]): NotInMemory {
    return new NotInMemory(key, () => this.#loadEntries(fd, names), () => [directory]);
  }

  /** What an open directory's next entries are may not be in memory. */
  listingMissing(key: string, fd: number, directory: Bytes): NotInMemory {
    return new NotInMemory(key, () => this.#inTurn(() => this.#storage.loadDents(fd)), () => [directory]);
  }

  /** A directory was made: no name in it is on the disk. */
  directoryMade(path: Bytes): void {
    this.#learn(growing(path));
  }

  async #loadEntries(fd: number, names: readonly Bytes[]): Promise<number> {
    const parts = Math.min(SPLIT_MAX, Math.max(1, Math.floor(names.length / SPLIT_NAMES)));
    const each = Math.ceil(names.length / parts);
    const loads: Promise<number>[] = [];
    for (let i = 0; i < names.length; i += each) loads.push(this.#inTurn(() => this.#storage.loadNames(fd, names.slice(i, i + each), '' as Bytes)));
    let result = 0;
    for (const load of loads) result |= Math.max(0, await load) & LoadResult.WAITED;
    return result;
  }

  #missing(path: Bytes, gfid: Gfid): NotInMemory {
    return new NotInMemory(path, () => this.#loadPath(path, gfid === NULL_GFID), () => this.#dirsOf(path), gfid);
  }

  /** @param handle of an inode that the brick doesn't know yet it will look for the handle */
  #loadPath(path: Bytes, handle: boolean): Promise<number> {
    return this.#inTurn(() => this.#storage.loadNames(undefined, [path], handle ? this.#hidden : ('' as Bytes)));
  }

  /** The directories whose locks the kernel takes when it looks for a path: those above it up to the first that is in memory. */
  #dirsOf(path: Bytes): Bytes[] {
    const dirs: Bytes[] = [];
    for (let dir = dirOf(path); dir !== ''; dir = dirOf(dir)) {
      dirs.push(dir);
      if (this.#storage.lstatCached(dir, SCRATCH_SLOT) !== -Errno.EAGAIN) break;
    }
    return dirs;
  }

  async #load({ key, load, dirs }: NotInMemory): Promise<void> {
    const result = await load();
    if (result === -Errno.EAGAIN) throw new FopError(Errno.EAGAIN);
    if (result > 0 && result & LoadResult.WAITED && this.#waryUntil !== -Infinity && this.#distrusts()) this.#waryUntil = this.#now() + WARY_MS;
    this.#learn(key);
    if (result !== LoadResult.MISSING) return;
    const [dir] = dirs();
    if (dir !== undefined) this.#learn(growing(dir));
  }

  /** Not more than LOADS_MAX at once. */
  async #inTurn(job: () => Promise<number>): Promise<number> {
    if (this.#running >= LOADS_MAX) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#running++;
    try {
      return await job();
    } finally {
      const next = this.#queue.shift();
      if (next) next();
      else this.#running--;
    }
  }

  #hold(dir: Bytes, load: Promise<void>): void {
    const busy = this.#busy.get(dir);
    const done = load.catch(() => undefined);
    this.#busy.set(dir, busy ? { loads: busy.loads + 1, done: Promise.all([busy.done, done]) } : { loads: 1, done });
  }

  #release(dir: Bytes): void {
    const busy = this.#busy.get(dir);
    if (busy && --busy.loads === 0) this.#busy.delete(dir);
  }

  /** Who asks is in a look. */
  get #looks(): boolean {
    return this.#looking !== 0 && this.#looking === this.#storage.standsIn + 1;
  }

  #now(): number {
    return this.#platform.clock.monotonic();
  }

  /** Whether the kernel's word isn't enough; if it is, the look is timed from now on. */
  #distrusts(): boolean {
    const now = this.#now();
    if (this.#relies === 0 && this.#looks) {
      this.#relies = now;
      this.#blocks = this.#storage.blocksRead();
    }
    return now < this.#waryUntil || this.#storage.slow;
  }

  /** After a look that relied on the kernel's word. */
  #judge(): void {
    const now = this.#now();
    const lasted = now - this.#relies;
    this.#relies = 0;
    if (lasted < IN_MEMORY_MS) return;
    const blocks = this.#storage.blocksRead();
    // Otherwise it waited for a processor. A kernel that counts no blocks leaves it open.
    if (blocks === this.#blocks && blocks !== 0) return;
    this.#beWary(now);
  }

  /** While something hangs, the pool's threads try what nobody has looked at since, as long as there are some: there are more of them than threads that stand in. */
  #hanging(): void {
    this.#hangs = !this.#hangs;
    if (this.#hangs) this.#beWary(this.#now());
  }

  #beWary(now: number): void {
    this.#waryUntil = now + WARY_MS;
    // Hangs may follow each other closely.
    this.#doubtful = [this.#young, this.#old, ...this.#doubtful.slice(0, 2)];
    this.#young = new Set();
    this.#old = new Set();
  }

  #isKnown(key: string): boolean {
    if (this.#young.has(key)) return true;
    if (!this.#old.has(key)) return this.#running >= LOADS_MAX && this.#doubtful.some((keys) => keys.has(key)) && !this.#loads.has(key);
    this.#young.add(key);
    return true;
  }

  #learn(key: string): void {
    if (this.#never) return;
    this.#young.add(key);
    if (this.#young.size >= KEPT_MAX) this.#rotate();
    this.#turn ??= this.#platform.timers.after(KEPT_MS, () => this.#rotateLater(), { background: true });
  }

  #forget(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  #rotate(): void {
    this.#old = this.#young;
    this.#young = new Set();
  }

  #rotateLater(): void {
    this.#rotate();
    if (!this.#hangs) this.#doubtful = [];
    this.#turn = this.#old.size > 0 ? this.#platform.timers.after(KEPT_MS, () => this.#rotateLater(), { background: true }) : undefined;
  }
}

/** A change has to wait until a load is done. */
class Busy extends Error {
  constructor(readonly until: Promise<unknown>) {
    super();
  }
}
