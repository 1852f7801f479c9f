import { type CtxSlot, Errno, type Fd, FopError, type Frame, type GraphView, type Inode, type Logger, Loc, NULL_GFID, type OptionValues, type ReedSolomon, type Subvolume, errnoOf } from '@glusterts/libglusterfs';
import { type Answer, type Same, type Winner, answersAgree, decide, groupAnswers } from './answers.js';
import { type Geometry, bricksOf, countOf, maskText, parseReadMask } from './geometry.js';
import { IdleLocks } from './idle-locks.js';
import type { InodeLock } from './inode-lock.js';
import type { InodeLocks } from './inode-locks.js';
import { QuietStates } from './quiet-state.js';
import { type ReadRun, ReadRuns } from './read-runs.js';
import { StripeCacheStats } from './stripe-cache.js';
import { Unlocks } from './unlocks.js';

/** After bricks disagreed, this many questions go to all of them at once: what they disagree about is asked again soon. */
const WARY_QUESTIONS = 8;

/** What is kept for an open file: how the user opened it, and on which bricks it is open. */
export interface FdCtx {
  flags: number;
  open: number;
  directory: boolean;
  /** The inode's count of failed post-ops when it was opened (spec/ec.md, §13, 6). */
  badVersion: number;
}

/** The bricks of a disperse volume and what all its parts share. */
export class Cluster {
  readonly name: string;
  readonly geometry: Geometry;
  readonly children: readonly Subvolume[];
  readonly graph: GraphView;
  readonly log: Logger;
  readonly codec: ReedSolomon;
  readonly locks: InodeLocks;
  readonly fds: CtxSlot<FdCtx>;
  readonly quiet = new QuietStates();
  readonly runs: ReadRuns;
  /** Locks that are held now, for contention, lost bricks and the end. */
  readonly held = new Set<InodeLock>();
  /** Those of them that no fop uses at the moment. */
  readonly idle: IdleLocks;
  readonly unlocks: Unlocks;
  readonly stripeStats = new StripeCacheStats();
  /** Bricks that data may be read from: all, unless `ec-read-mask` says otherwise. */
  readonly readMask: number;
  options: OptionValues;
  up = 0;
  /** Bricks that have numbered their locks for us, and those that were asked to and didn't. */
  vouching = 0;
  #deaf = 0;
  /** Bricks that do calls within others. */
  combining = 0;
  shuttingDown = false;
  #roundRobin = 0;
  #wary = 0;

  constructor(init: { name: string; geometry: Geometry; children: readonly Subvolume[]; graph: GraphView; log: Logger; codec: ReedSolomon; locks: InodeLocks; fds: CtxSlot<FdCtx>; runs: CtxSlot<ReadRun>; options: OptionValues }) {
    this.name = init.name;
    this.geometry = init.geometry;
    this.children = init.children;
    this.graph = init.graph;
    this.log = init.log;
    this.codec = init.codec;
    this.locks = init.locks;
    this.fds = init.fds;
    this.runs = new ReadRuns(init.graph.platform.clock, init.runs);
    this.options = init.options;
    const readMask = init.options.text('ec-read-mask');
    this.readMask = readMask === undefined ? init.geometry.all : parseReadMask(readMask, init.geometry);
    this.idle = new IdleLocks(init.graph.platform);
    this.unlocks = new Unlocks(this);
  }

  /** Whether it is worth asking for lock numbers. */
  get someMayVouch(): boolean {
    return (this.up & ~this.#deaf) !== 0;
  }

  /** All bricks are there and number their locks. */
  get allVouch(): boolean {
    return this.vouching === this.geometry.all && this.up === this.geometry.all;
  }

  /** All bricks are there and do calls within others (docs/chained-calls.md). */
  get allCombine(): boolean {
    return this.allVouch && this.combining === this.geometry.all;
  }

  /** What an answer to that question shows of the brick. */
  heard(brick: number, vouches: boolean): void {
    if (vouches) this.vouching |= 1 << brick;
    else this.#deaf |= 1 << brick;
  }

  /** Another process may be answering in its place now. */
  brickUp(brick: number): void {
    this.up |= 1 << brick;
    this.vouching &= ~(1 << brick);
    this.#deaf &= ~(1 << brick);
    this.combining &= ~(1 << brick);
  }

  get k(): number {
    return this.geometry.k;
  }

  child(brick: number): Subvolume {
    const child = this.children[brick];
    if (!child) throw new FopError(Errno.EINVAL);
    return child;
  }

  /** Refuses when fewer than k bricks are up. */
  needUp(): void {
    if (countOf(this.up) < this.k) throw new FopError(Errno.ENOTCONN);
  }

  /** GlusterFS's own calls: as root, on behalf of the caller. */
  internal(frame: Frame): Frame {
    return frame.uid === 0 && frame.gid === 0 && frame.groups.length === 0 ? frame : frame.derive({ uid: 0, gid: 0, groups: [] });
  }

  /** Winds to all bricks of the mask at once and waits for every answer. */
  async all<R>(mask: number, wind: (child: Subvolume, brick: number) => Promise<R>): Promise<Answer<R>[]> {
    const answers: Answer<R>[] = [];
    const ask = async (brick: number): Promise<void> => {
      try {
        const reply = await wind(this.child(brick), brick);
        answers.push({ brick, reply, error: undefined });
      } catch (error) {
        answers.push({ brick, reply: undefined, error: toFopError(error, this.log) });
      }
    };
    const running: Promise<void>[] = [];
    for (const brick of bricksOf(mask)) running.push(ask(brick));
    await Promise.all(running);
    return answers;
  }

  /** The mask that a fop may go to; refuses below k (spec/ec.md, §8). */
  usable(mask: number): number {
    const usable = mask & this.up;
    if (countOf(usable) >= this.k) return usable;
    this.needUp();
    this.log.warning(122034, `Insufficient available children for this request: Have : ${countOf(usable)}, Need : ${this.k} : Child UP : ${maskText(this.up, this.geometry.n)} Mask: ${maskText(mask, this.geometry.n)}`);
    throw new FopError(Errno.EIO);
  }

  /** All bricks of the mask, and the group that at least k of them form. */
  async agree<R>(mask: number, wind: (child: Subvolume, brick: number) => Promise<R>, same: Same<R>, healing = 0): Promise<{ asked: number; winner: Winner<R> }> {
    const asked = this.usable(mask) | (healing & this.up);
    const groups = groupAnswers(await this.all(asked, wind), same);
    return { asked, winner: decide(groups, this.k, healing) };
  }

  /**
   * Asks r + 1 bricks of the mask, and the others only if those don't all say the same. What was acknowledged lies on at least k of
   * the n bricks, so that at most r can have missed it: r + 1 that agree are right. `same` must compare versions, or the mask hold
   * good bricks only.
   */
  async sample<R>(mask: number, inode: Inode | undefined, wind: (child: Subvolume, brick: number) => Promise<R>, same: Same<R>): Promise<{ asked: number; answers: Answer<R>[] }> {
    const asked = this.usable(mask);
    const enough = this.geometry.r + 1;
    let few = 0;
    for (const brick of this.order(asked, inode === undefined || inode.gfid === NULL_GFID ? undefined : inode).slice(0, enough)) few |= 1 << brick;
    if (this.#wary > 0 || few === asked) {
      this.#wary = Math.max(0, this.#wary - 1);
      return { asked, answers: await this.all(asked, wind) };
    }
    const answers = await this.all(few, wind);
    if (answersAgree(answers, same)) return { asked: few, answers };
    this.#wary = WARY_QUESTIONS;
    answers.push(...(await this.all(asked & ~few, wind)));
    return { asked, answers };
  }

  /** One brick after the other, beginning at the read policy's, as long as errors may be that brick's own (spec/ec.md, §9, "one"). */
  async one<R>(mask: number, inode: Inode | undefined, wind: (child: Subvolume, brick: number) => Promise<R>): Promise<{ reply: R; brick: number }> {
    let last: FopError | undefined;
    for (const brick of this.order(this.usable(mask), inode)) {
      try {
        return { reply: await wind(this.child(brick), brick), brick };
      } catch (error) {
        last = toFopError(error, this.log);
        if (!TRANSIENT.has(last.errno)) throw last;
      }
    }
    throw last ?? new FopError(Errno.EIO);
  }

  /** Bricks of the mask, from the read policy's first choice upwards, cyclically. */
  order(mask: number, inode: Inode | undefined): number[] {
    const { n } = this.geometry;
    const first = this.options.text('read-policy') === 'round-robin' || !inode ? this.#roundRobin++ % n : hashGfid(inode.gfid) % n;
    const bricks: number[] = [];
    for (let i = 0; i < n; i++) {
      const brick = (first + i) % n;
      if (((mask >>> brick) & 1) === 1) bricks.push(brick);
    }
    return bricks;
  }

  fdCtx(fd: Fd): FdCtx | undefined {
    return this.fds.get(fd);
  }

  locOf(inode: Inode): Loc {
    return new Loc({ inode, path: this.graph.inodeTable.path(inode) ?? ('' as Loc['path']) });
  }
}

const TRANSIENT: ReadonlySet<number> = new Set([Errno.ENOTCONN, Errno.ESTALE, Errno.ENOENT, Errno.EBADFD, Errno.EIO]);

/** What a child threw, as an answer; a bug of ours is logged and counts as EIO. */
export function toFopError(error: unknown, log: Logger): FopError {
  if (error instanceof FopError) return error;
  log.error(0, `a child failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return new FopError(errnoOf(error));
}

/** SuperFastHash of a gfid, 32 bits (spec/ec.md, §9). */
export function hashGfid(gfid: string): number {
  let hash = 16;
  for (let i = 0; i < 16; i += 4) {
    const a = gfid.charCodeAt(i) | (gfid.charCodeAt(i + 1) << 8);
    const b = gfid.charCodeAt(i + 2) | (gfid.charCodeAt(i + 3) << 8);
    hash = (hash + a) | 0;
    const t = (b << 11) ^ hash;
    hash = (hash << 16) ^ t;
    hash = (hash + (hash >>> 11)) | 0;
  }
  hash ^= hash << 3;
  hash = (hash + (hash >>> 5)) | 0;
  hash ^= hash << 4;
  hash = (hash + (hash >>> 17)) | 0;
  hash ^= hash << 25;
  hash = (hash + (hash >>> 6)) | 0;
  return hash >>> 0;
}
