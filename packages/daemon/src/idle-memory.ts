import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { CallPool, Platform, Timer } from '@glusterts/libglusterfs';

const CHECK_MS = 15_000;
/** Weak things, such as buffers with memory outside the heap, go with the second. */
const DUE = 2;
/** A larger heap is left alone: to collect it takes long enough for somebody to notice. About 1 ms a MiB. */
const HEAP_BYTES_MAX = 128 * 2 ** 20;

/**
 * Gives memory back when nothing goes on. V8 collects while objects are made; a brick that was busy and then rests would keep
 * its young generation, and what died in it, for ever; and so it is with spare arenas of iobufs. One collection after the first quiet period of 15 s or more, none while it
 * stays quiet.
 */
export class IdleMemory {
  readonly #platform: Pick<Platform, 'timers' | 'iobufs'>;
  readonly #calls: CallPool;
  readonly #collect: () => void;
  #timer: Timer | undefined;
  #seen = 0;
  #collected = 0;
  #due = 0;

  /** @param collect default: V8's, a gentle one */
  constructor(platform: Pick<Platform, 'timers' | 'iobufs'>, calls: CallPool, collect: () => void = gentleCollection()) {
    this.#platform = platform;
    this.#calls = calls;
    this.#collect = collect;
  }

  start(): void {
    this.#timer = this.#platform.timers.after(CHECK_MS, () => this.#check(), { background: true });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Something big is over that the calls don't tell of: collects at the next two quiet checks. While objects are made in haste V8 keeps its young generation large. */
  due(): void {
    this.#due = DUE;
  }

  #check(): void {
    const { total, cnt } = this.#calls;
    if (total === this.#seen && cnt === 0 && (total !== this.#collected || this.#due > 0)) {
      this.#collected = total;
      if (this.#due > 0) this.#due--;
      this.#platform.iobufs.trim();
      this.#collect();
    }
    this.#seen = total;
    this.start();
  }
}

/**
 * Has V8 mark incrementally, as it does by itself when the heap has grown. A collection that is forced (`gc()`) throws away hidden classes of
 * which there is no object at this moment, and with them all optimised code that knows them: the daemon would be cold again, as after its start
 * (docs/rehearsal.md).
 */
function gentleCollection(): () => void {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  return () => {
    if (typeof gc !== 'function' || process.memoryUsage().heapUsed > HEAP_BYTES_MAX) return;
    // A scavenge looks whether marking is due: with this trigger it is, from 1 % of the limit on.
    setFlagsFromString('--incremental-marking-hard-trigger=1');
    gc({ type: 'minor' });
    setFlagsFromString('--incremental-marking-hard-trigger=0');
  };
}
