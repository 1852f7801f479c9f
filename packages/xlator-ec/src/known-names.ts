import { type Bytes, Fd, Frame, type Inode, type Subvolume } from '@glusterts/libglusterfs';
import type { Cluster } from './cluster.js';

/** Names that were looked up and don't exist, until the directory is listed. */
const MISSES_MIN = 8;
/** Directories with more entries aren't listed for this. */
const ENTRIES_MAX = 4096;
/** Names that are remembered, with those that we make. */
const NAMES_MAX = 16_384;
/** A directory that could not be listed is tried again after so many times as many misses. */
const PATIENCE = 16;
/** One with many entries is listed anew, in the time of another lock, only after one miss for so many of them. */
const ENTRIES_PER_MISS = 16;
const LISTING_BYTES = 131_072;
/** What the bricks have done last under the lock shows that it was still held; longer ago than this, they are asked. In ms. */
const PROOF_MS = 1000;
const NAME_MAX = 255;

/** Who asks, as far as permissions depend on it. */
type Caller = Pick<Frame, 'uid' | 'gid' | 'groups'>;

/** What the lock of a directory says of itself. */
export interface NamesLock {
  /** Held on all bricks, which are all good, and nobody wants it. */
  readonly undisturbed: boolean;
  /** Some fop of ours is under way under it. */
  readonly inUse: boolean;
}

/**
 * The names in a directory while we hold its lock: nobody else makes any meanwhile, so that a name which r + 1 bricks don't list, and which we haven't made, doesn't
 * exist, and a lookup needs no brick. (What was acknowledged lies on at least k of n bricks: one of any r + 1 lists it.)
 */
export class KnownNames {
  readonly #cluster: Cluster;
  readonly #inode: Inode;
  readonly #lock: NamesLock;
  /** All that exist, and others; undefined while nothing is known. */
  #names: Set<string> | undefined;
  #isComplete = false;
  #misses = 0;
  #wanted = MISSES_MIN;
  /** Who has asked last: bricks have let them look into the directory. */
  #asker: Caller | undefined;
  #provenAt = -Infinity;
  /** Entries that were listed last. */
  #size = 0;

  constructor(cluster: Cluster, inode: Inode, lock: NamesLock) {
    this.#cluster = cluster;
    this.#inode = inode;
    this.#lock = lock;
  }

  /** There is no such name, for sure. */
  lack(name: Bytes, frame: Frame): boolean {
    if (!this.#isComplete || this.#names?.has(name) !== false || !this.#lock.undisturbed || !this.#asker || !sameCaller(this.#asker, frame)) return false;
    if (this.#cluster.graph.platform.clock.monotonic() - this.#provenAt > PROOF_MS) return false;
    return name.length <= NAME_MAX && name !== '.' && name !== '..' && name !== '.glusterfs';
  }

  /** Bricks have been asked for a name and didn't have it. */
  missed(frame: Frame): void {
    if (this.#isComplete || !this.#lock.undisturbed) return;
    if (!this.#asker || !sameCaller(this.#asker, frame)) {
      this.#asker = { uid: frame.uid, gid: frame.gid, groups: frame.groups };
      this.#misses = 0;
    }
    if (++this.#misses < this.#wanted || this.#names !== undefined || this.#lock.inUse) return;
    this.#misses = 0;
    this.#wanted *= PATIENCE;
    void this.#list();
  }

  /** All bricks have done something under the lock. */
  proven(): void {
    if (this.#asker) this.#provenAt = this.#cluster.graph.platform.clock.monotonic();
  }

  /** A name may come to be now. */
  add(name: Bytes): void {
    const names = this.#names;
    if (!names) return;
    if (names.size >= NAMES_MAX) this.#drop();
    else names.add(name);
  }

  /** The lock goes, or who may look into the directory may have changed. */
  forget(): void {
    if (!this.#asker) return;
    this.#drop();
    this.#asker = undefined;
    this.#misses = 0;
    this.#wanted = Math.max(MISSES_MIN, this.#size / ENTRIES_PER_MISS);
  }

  #drop(): void {
    this.#names = undefined;
    this.#isComplete = false;
  }

  async #list(): Promise<void> {
    const cluster = this.#cluster;
    const names = (this.#names = new Set<string>());
    const fd = new Fd(this.#inode);
    try {
      const bricks = cluster.order(cluster.geometry.all, this.#inode).slice(0, cluster.geometry.r + 1);
      const isWhole = await Promise.all(bricks.map((brick) => this.#listBrick(cluster.child(brick), fd, names)));
      this.#size = names.size;
      if (this.#names !== names) return;
      if (isWhole.includes(false)) this.#drop();
      else this.#isComplete = true;
    } catch {
      // Lookups go down as before.
      if (this.#names === names) this.#drop();
    } finally {
      fd.unref();
    }
  }

  /** Adds what one brick lists; false if that is too much. */
  async #listBrick(child: Subvolume, fd: Fd, names: Set<string>): Promise<boolean> {
    const frame = new Frame();
    await child.opendir(frame, this.#cluster.locOf(this.#inode), fd, undefined);
    for (let offset = 0n; ; ) {
      const { entries, eof } = await child.readdir(frame, fd, LISTING_BYTES, offset, undefined);
      for (const entry of entries) {
        offset = entry.d_off;
        names.add(entry.name);
      }
      if (eof || entries.length === 0) return true;
      if (names.size > ENTRIES_MAX || this.#names !== names) return false;
    }
  }
}

function sameCaller(a: Caller, b: Caller): boolean {
  if (a.uid !== b.uid || a.gid !== b.gid || a.groups.length !== b.groups.length) return false;
  for (let i = 0; i < a.groups.length; i++) if (a.groups[i] !== b.groups[i]) return false;
  return true;
}
