import { type Bytes, type Clock, type CtxSlot, Dict, type DictValue, type GraphView, IaType, type Iatt, type Inode, NULL_GFID, type Xdata } from '@glusterts/libglusterfs';
import type { CacheableNames } from './cacheable-names.js';
import { InodeMetadata, InodeXattrs, NEVER } from './inode-metadata.js';
import { OldMetadata } from './old-metadata.js';

/** What of a file an answer saw; write-behind lets some fops pass writes that it has answered, but not yet sent. */
export const Saw = {
  /** All writes that were answered before the fop began. */
  WHOLE: 0,
  /** Only those that overlap with its own range: readv, writev, truncate. */
  RANGE: 1,
} as const;
export type Saw = (typeof Saw)[keyof typeof Saw];

/** Places before the head of the queue after which it is moved up. */
const AGING_SLACK = 16;

/** Names of a file that are remembered after others have changed its names; the rest are looked up each time. */
const CONFIRMED_MAX = 64;

/** What {@link MetadataStore.xattr} says: the cache doesn't know. */
export const UNKNOWN = Symbol('unknown');

/** The options that decide what is kept, and for how long. */
export interface MetadataPolicy {
  /** Milliseconds. */
  readonly life: number;
  readonly names: CacheableNames;
  /** A file that changed behind our back loses its data in all caches. */
  readonly globalInvalidation: boolean;
}

/**
 * Attributes and xattrs of the graph's inodes, and the rules by which answers change them (spec/client.md, §9.6).
 *
 * Each fop that goes down notes {@link now} first. What is invalidated meanwhile gets a later generation, so that the fop's
 * answer, which may have been read before the change, doesn't bring back what is no longer true.
 */
export class MetadataStore {
  policy: MetadataPolicy;
  /** The place among `old`, of those that have been there for long. */
  readonly #slot: CtxSlot<InodeMetadata | number>;
  readonly #old = new OldMetadata();
  readonly #graph: GraphView;
  readonly #clock: Clock;
  /** Cells that may hold something; those before the head have been taken out, and where an inode was forgotten there is a hole. */
  readonly #aging: (InodeMetadata | undefined)[] = [];
  #agingHead = 0;
  /** Places that have been cut off before the first. */
  #agingGone = 0;
  #generation = 1;
  /** What was learnt, or asked for, before this generation is void: a child went down. */
  #voidGeneration = 0;

  constructor(slot: CtxSlot<InodeMetadata | number>, graph: GraphView, policy: MetadataPolicy) {
    this.#slot = slot;
    this.#graph = graph;
    this.#clock = graph.platform.clock;
    this.policy = policy;
  }

  /** The generation at which a fop begins. */
  get now(): number {
    return this.#generation;
  }

  /** Forgets everything, and what is under way. */
  voidAll(): void {
    this.#voidGeneration = ++this.#generation;
  }

  forget(inode: Inode): void {
    const known = this.#slot.get(inode);
    if (known === undefined) return;
    this.#slot.delete(inode);
    if (typeof known === 'number') this.#old.drop(known);
    // Attributes may live for ten minutes, in which a million files come and go.
    else if (known.queuedTime !== NEVER) this.#aging[known.queuedAt - this.#agingGone] = undefined;
  }

  /** Attributes that may be served, or undefined. */
  iatt(inode: Inode): Iatt | undefined {
    const known = this.#get(inode);
    return known?.valid === true && this.#isFresh(known, known.statTime) ? known.serve(inode) : undefined;
  }

  /** All cacheable xattrs of the inode (undefined: there are none), or UNKNOWN. */
  xattrs(inode: Inode): Dict | undefined | typeof UNKNOWN {
    const known = this.#get(inode);
    return known?.xattrs !== undefined && this.#isFresh(known, known.xattrs.allTime) ? known.xattrs.all : UNKNOWN;
  }

  /** The dict that answers a getxattr of a cacheable name, undefined when there is no such xattr, or UNKNOWN. */
  xattr(inode: Inode, name: string): Dict | undefined | typeof UNKNOWN {
    const known = this.#get(inode);
    const xattrs = known?.xattrs;
    if (known === undefined || xattrs === undefined) return UNKNOWN;
    if (this.#isFresh(known, xattrs.allTime)) return xattrs.all?.has(name) === true ? xattrs.all : undefined;
    if (xattrs.loneName !== name || !this.#isFresh(known, xattrs.loneTime)) return UNKNOWN;
    return xattrs.loneValue === undefined ? undefined : new Dict().set(name, xattrs.loneValue);
  }

  #isFresh(known: InodeMetadata, time: number): boolean {
    return known.since >= this.#voidGeneration && this.#clock.monotonic() < time + this.policy.life;
  }

  /** What is known of the inode, unless that is old. */
  #get(inode: Inode): InodeMetadata | undefined {
    const known = this.#slot.get(inode);
    return typeof known === 'number' ? undefined : known;
  }

  /** The metadata cell to go by: of the inode that is in the table under its gfid, if there is one. */
  #cell(inode: Inode, stat?: Iatt): InodeMetadata {
    if (stat !== undefined && inode.gfid === NULL_GFID) inode = inode.table.find(stat.ia_gfid) ?? inode;
    const cell = this.#slot.get(inode);
    const known = typeof cell === 'object' ? cell : new InodeMetadata(inode, this.#generation);
    if (known !== cell) {
      if (typeof cell === 'number') this.#old.take(cell, known);
      this.#slot.set(inode, known);
      this.#age(known, this.#clock.monotonic());
    }
    if (known.since < this.#voidGeneration) known.void(this.#generation);
    return known;
  }

  /** An answer's attributes. Null ones (write-behind's) invalidate. */
  learn(inode: Inode, stat: Iatt, start: number, saw: Saw, pre?: Iatt): void {
    if (stat.ia_ctime === 0) this.writesPending(inode);
    else this.#apply(inode, this.#cell(inode, stat), stat, start, saw, pre, true);
  }

  /**
   * Attributes that came with data: perhaps from a cache of data below, as old as that is. Only a later ctime shows that they
   * are news.
   */
  learnFromRead(inode: Inode, stat: Iatt, start: number): void {
    if (stat.ia_ctime === 0) return;
    const known = this.#cell(inode, stat);
    if (stat.ia_ctime > known.ctime || (stat.ia_ctime === known.ctime && stat.ia_ctime_nsec > known.ctime_nsec)) this.#apply(inode, known, stat, start, Saw.RANGE, undefined, true);
  }

  /** A directory's attributes after a change in it; null ones tell only that it has changed. */
  learnChanged(parent: Inode, post: Iatt, start: number, pre?: Iatt): void {
    if (post.ia_ctime === 0) this.invalidate(parent);
    else this.#apply(parent, this.#cell(parent), post, start, Saw.WHOLE, pre, true);
  }

  /** An upcall's attributes: true at this moment, but they don't make the rest that we know any younger. False: older than what we know. */
  learnUpcall(inode: Inode, stat: Iatt, fresh: boolean): boolean {
    if (stat.ia_ctime === 0) {
      this.invalidate(inode);
      return true;
    }
    const known = this.#cell(inode);
    known.generation = ++this.#generation;
    return this.#apply(inode, known, stat, this.#generation, Saw.WHOLE, undefined, fresh);
  }

  #apply(inode: Inode, known: InodeMetadata, stat: Iatt, start: number, saw: Saw, pre: Iatt | undefined, fresh: boolean): boolean {
    // Another file's: the name has been given to it meanwhile.
    if (stat.ia_gfid !== inode.gfid && stat.ia_gfid !== NULL_GFID && inode.gfid !== NULL_GFID) return false;
    if (known.outdates(stat)) return false;
    // With the prebuf that we know, nobody else has changed anything in between, xattrs included: they would have moved ctime.
    let untouched = known.valid;
    if (known.valid && !known.sameTimes(stat)) {
      untouched = pre !== undefined && known.sameTimes(pre);
      if (!untouched && this.policy.globalInvalidation && inode.ia_type === IaType.REG) this.#graph.invalidate(inode);
    }
    if (start < known.generation || start < this.#voidGeneration) return true;
    if (saw === Saw.WHOLE) known.writesPending = false;
    else if (known.writesPending) return true;
    known.replace(stat);
    if (!fresh) return true;
    known.statTime = this.#clock.monotonic();
    const { xattrs } = known;
    if (untouched && pre !== undefined && xattrs !== undefined && this.#isFresh(known, xattrs.allTime)) xattrs.allTime = known.statTime;
    this.#age(known, known.statTime);
    return true;
  }

  /** Puts a cell into the queue of those that grow old, and takes out, for each that comes, at most two that are. */
  #age(known: InodeMetadata, now: number): void {
    const { life } = this.policy;
    if (known.queuedTime === NEVER) this.#enqueue(known, now);
    for (let i = 0; i < 2; i++) {
      let oldest = this.#aging[this.#agingHead];
      while (oldest === undefined && this.#agingHead < this.#aging.length) oldest = this.#aging[++this.#agingHead];
      // Who asks goes on with what he knows.
      if (oldest === undefined || oldest === known || now < oldest.queuedTime + life) break;
      this.#agingHead++;
      if (now < oldest.newest + life) this.#enqueue(oldest, now);
      else {
        oldest.ageOut();
        if (oldest.inode && !oldest.confirmed) this.#slot.set(oldest.inode, this.#old.put(oldest));
      }
    }
    const { length } = this.#aging;
    if (this.#agingHead >= AGING_SLACK && this.#agingHead * 2 > length) {
      this.#aging.splice(0, this.#agingHead);
      this.#agingGone += this.#agingHead;
      this.#agingHead = 0;
    }
  }

  #enqueue(known: InodeMetadata, now: number): void {
    known.queuedTime = now;
    known.queuedAt = this.#agingGone + this.#aging.length;
    this.#aging.push(known);
  }

  /** Something was answered that the bricks have not done yet. */
  writesPending(inode: Inode): void {
    this.invalidate(inode).writesPending = true;
  }

  /** The attributes are no longer true, nor are those that are on their way. */
  invalidate(inode: Inode): InodeMetadata {
    const known = this.#cell(inode);
    known.valid = false;
    known.statTime = NEVER;
    known.generation = ++this.#generation;
    return known;
  }

  #xattrsOf(inode: Inode, stat?: Iatt): InodeXattrs {
    return (this.#cell(inode, stat).xattrs ??= new InodeXattrs());
  }

  /** An answer that told of all cacheable xattrs. Without a dict nothing was told. */
  learnXattrs(inode: Inode, stat: Iatt | undefined, answer: Xdata, start: number): void {
    if (answer === undefined) return;
    const known = this.#xattrsOf(inode, stat);
    if (start < known.generation || start < this.#voidGeneration) return;
    known.all = this.policy.names.pick(answer);
    known.allTime = this.#clock.monotonic();
    known.loneTime = NEVER;
  }

  /** The answer to a getxattr of one name. */
  learnXattr(inode: Inode, name: string, value: DictValue | undefined, start: number): void {
    const known = this.#xattrsOf(inode);
    if (start < known.generation || start < this.#voidGeneration) return;
    known.loneName = name;
    known.loneValue = value;
    known.loneTime = this.#clock.monotonic();
  }

  /** These were set. */
  setXattrs(inode: Inode, dict: Dict): void {
    const { names } = this.policy;
    const picked = names.pick(dict);
    if (!picked) return;
    const known = this.#touchXattrs(inode);
    if (picked.keys().every((name) => names.keeps(name))) known.all = (known.all?.clone() ?? new Dict()).merge(picked);
    else known.drop();
  }

  /** This one was removed. */
  removeXattr(inode: Inode, name: string): void {
    if (!this.policy.names.has(name)) return;
    const known = this.#touchXattrs(inode);
    if (known.all?.has(name) !== true) return;
    known.all = known.all.clone();
    known.all.delete(name);
  }

  invalidateXattrs(inode: Inode): void {
    this.#touchXattrs(inode).drop();
  }

  #touchXattrs(inode: Inode): InodeXattrs {
    const known = this.#xattrsOf(inode);
    known.generation = ++this.#generation;
    known.loneTime = NEVER;
    return known;
  }

  /** Others have renamed the file, or taken a name of it away: each name must be looked up before it is believed again. */
  doubtNames(inode: Inode): void {
    this.#cell(inode).confirmed = new Set();
  }

  /** Whether a lookup of the inode by this name may be answered from the cache at all. */
  believesName(inode: Inode, parent: Inode | undefined, name: Bytes): boolean {
    const confirmed = this.#get(inode)?.confirmed;
    return confirmed === undefined || parent === undefined || confirmed.has(parent.gfid + name);
  }

  /** A lookup that began at `start` has found the inode under this name. */
  confirmName(inode: Inode, stat: Iatt, parent: Inode, name: Bytes, start: number): void {
    const known = this.#get(inode.gfid === NULL_GFID ? (inode.table.find(stat.ia_gfid) ?? inode) : inode);
    if (known?.confirmed && start >= known.generation && known.confirmed.size < CONFIRMED_MAX) known.confirmed.add(parent.gfid + name);
  }

  /** The next lookup goes down. */
  requireLookup(inode: Inode): void {
    this.#cell(inode).needsLookup = true;
  }

  /** Whether a lookup was asked for; asking takes the wish away. */
  takeRequiredLookup(inode: Inode): boolean {
    const cell = this.#slot.get(inode);
    const needs = typeof cell === 'number' ? this.#old.needsLookup(cell) : cell?.needsLookup === true;
    if (needs) this.#cell(inode).needsLookup = false;
    return needs;
  }
}
