import type { Clock, CtxSlot, Inode } from '@glusterts/libglusterfs';

/** Reads in a row of a file, each within so many milliseconds of the one before, until its lock is taken for the next ones. */
const READS_MIN = 16;
const PAUSE_MAX_MS = 1000;
/** For so long the lock isn't taken for reading again after somebody else has wanted it: two readers would only take it from each other. */
const CONTENDED_MS = 10_000;

/** What is known of one file's readers here. */
export interface ReadRun {
  reads: number;
  last: number;
  notBefore: number;
}

/**
 * Which files are read so often that holding the lock is cheaper than to ask with each READ whether anybody holds it: nothing has to be asked then, and
 * protocol/client may read a brick of its own machine without a message (docs/rpc.md, "Files that the mount reads itself").
 */
export class ReadRuns {
  readonly #clock: Clock;
  readonly #runs: CtxSlot<ReadRun>;

  constructor(clock: Clock, runs: CtxSlot<ReadRun>) {
    this.#clock = clock;
    this.#runs = runs;
  }

  /** Counts a READ; true when it had better take the lock. */
  count(inode: Inode): boolean {
    const now = this.#clock.monotonic();
    let run = this.#runs.get(inode);
    if (!run) this.#runs.set(inode, (run = { reads: 0, last: now, notBefore: 0 }));
    if (now - run.last > PAUSE_MAX_MS) run.reads = 0;
    run.last = now;
    return ++run.reads > READS_MIN && now >= run.notBefore;
  }

  /** It is open nowhere any more. */
  closed(inode: Inode): void {
    const run = this.#runs.get(inode);
    if (run && this.#clock.monotonic() >= run.notBefore) this.#runs.delete(inode);
  }

  /** Somebody else wants the lock. */
  contended(inode: Inode): void {
    const run = this.#runs.get(inode);
    if (!run) return;
    run.reads = 0;
    run.notBefore = this.#clock.monotonic() + CONTENDED_MS;
  }
}
