import { type Bytes, type Clock, type CtxSlot, IaType, type Inode } from '@glusterts/libglusterfs';
import { DirectoryNames } from './directory-names.js';

/** Directories that are kept at most: GlusterFS's four fifths of 131072 inodes. */
export const INODE_LIMIT = 104_857;

/** How long and how much. */
export interface NamePolicy {
  /** Milliseconds from the first thing learnt of a directory. */
  readonly life: number;
  /** Bytes, as GlusterFS counts them. */
  readonly limit: number;
  /** Names that this client has made are kept, too. */
  readonly positive: boolean;
}

/** The names of the graph's directories, the oldest directory leaving first when there are too many (spec/client.md, §9.8). */
export class NameStore {
  policy: NamePolicy;
  readonly #slot: CtxSlot<DirectoryNames>;
  readonly #clock: Clock;
  /** Directories of which something is known, oldest first. */
  readonly #kept = new Set<DirectoryNames>();
  #size = 0;
  #positives = 0;
  #generation = 1;
  /** What was learnt before is void: a child went down or came up. */
  #voidGeneration = 1;
  #off = false;

  constructor(slot: CtxSlot<DirectoryNames>, clock: Clock, policy: NamePolicy) {
    this.#slot = slot;
    this.#clock = clock;
    this.policy = policy;
  }

  get size(): number {
    return this.#size;
  }

  /** Directories, and files known by name. */
  get inodes(): number {
    return this.#kept.size + this.#positives;
  }

  /** The generation at which a fop begins. */
  get now(): number {
    return this.#generation;
  }

  voidAll(): void {
    this.#voidGeneration = ++this.#generation;
  }

  /** The graph is going down. */
  disable(): void {
    this.#off = true;
    for (const names of this.#kept) this.#drop(names);
  }

  forget(inode: Inode): void {
    const names = this.#slot.get(inode);
    if (names) this.#drop(names);
    this.#slot.delete(inode);
  }

  /** What is kept of a directory, believed or not: for statedumps. */
  kept(directory: Inode): DirectoryNames | undefined {
    return this.#slot.get(directory);
  }

  /** What is known of a directory, while it may be believed. */
  known(directory: Inode): DirectoryNames | undefined {
    const names = this.#slot.get(directory);
    if (names === undefined || names.since < this.#voidGeneration || this.#clock.monotonic() >= names.time + this.policy.life) return undefined;
    return names;
  }

  /** A lookup that began at `start` found no such name. */
  learnAbsence(directory: Inode, name: Bytes, start: number): void {
    const names = this.#slot.get(directory);
    if (start < this.#voidGeneration || (names !== undefined && start < names.changed)) return;
    this.#learn(directory, (known) => known.addNegative(name));
  }

  /** A name was made, or is being made: whoever looked before doesn't know. */
  appeared(directory: Inode, name: Bytes): void {
    const names = this.#touch(directory);
    if (!names) return;
    if (this.policy.positive) this.#learn(directory, (known) => known.addPositive(name));
    else if (names.since !== 0) this.#resize(names, () => names.removeNegative(name));
  }

  /** It is not known whether there is such a name. */
  uncertain(directory: Inode, name: Bytes): void {
    const names = this.#touch(directory);
    if (!names || names.since === 0) return;
    names.full = false;
    this.#resize(names, () => names.removeNegative(name));
  }

  /** A name is gone. */
  vanished(directory: Inode, name: Bytes): void {
    const names = this.#touch(directory);
    if (!names || !this.policy.positive || this.known(directory) === undefined) return;
    this.#resize(names, () => names.addNegative(name));
  }

  /** This client made a directory: all names that will be in it are its own, until it is told otherwise. */
  madeEmpty(directory: Inode): void {
    if (this.policy.positive) this.#learn(directory, (known) => (known.full = true));
  }

  clear(directory: Inode): void {
    const names = this.#touch(directory);
    if (names) this.#drop(names);
  }

  #touch(directory: Inode): DirectoryNames | undefined {
    if (this.#off) return undefined;
    let names = this.#slot.get(directory);
    if (!names) this.#slot.set(directory, (names = new DirectoryNames()));
    names.changed = ++this.#generation;
    return names;
  }

  #learn(directory: Inode, change: (names: DirectoryNames) => void): void {
    // A fresh inode has no kind yet.
    if (this.#off || (directory.ia_type !== IaType.DIR && directory.ia_type !== IaType.INVAL)) return;
    let names = this.#slot.get(directory);
    if (!names) this.#slot.set(directory, (names = new DirectoryNames()));
    if (this.known(directory) === undefined) {
      this.#drop(names);
      names.since = this.#generation;
      names.time = this.#clock.monotonic();
      this.#kept.add(names);
      this.#size += names.size;
    }
    this.#resize(names, change);
    while (this.#size >= this.policy.limit || this.inodes >= INODE_LIMIT) {
      const [oldest] = this.#kept;
      if (!oldest) break;
      this.#drop(oldest);
    }
  }

  #resize(names: DirectoryNames, change: (names: DirectoryNames) => void): void {
    if (!this.#kept.has(names)) return;
    this.#size -= names.size;
    this.#positives -= names.positives;
    change(names);
    this.#size += names.size;
    this.#positives += names.positives;
  }

  #drop(names: DirectoryNames): void {
    if (this.#kept.delete(names)) {
      this.#size -= names.size;
      this.#positives -= names.positives;
    }
    names.clear();
  }
}
