import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type CallPool, type Platform, type Timer, loadNative } from '@glusterts/libglusterfs';

const CHECK_MS = 3000;
/** Fewer calls than these since it was last done leave nothing that would be worth it. */
const CALLS_MIN = 256;
/** A larger heap is left alone: to collect it takes long enough for somebody to notice. About 1 ms a MiB. */
const HEAP_BYTES_MAX = 128 * 2 ** 20;

/** What gives memory back. */
export interface MemoryReturn {
  /** Garbage of V8's heap; it may go on when this returns. */
  collect(): void;
  /** What malloc keeps. */
  trim(): void;
}

/**
 * Gives memory back when nothing goes on. V8 collects while objects are made; a brick that was busy and then rests would keep
 * its young generation, and what died in it, for ever; malloc keeps what V8's compiler had (25 MiB in a mount); and so it is with spare arenas of iobufs. In four steps, each after 3 s without a
 * call: V8 collects, three times, since it makes its young generation (32 MiB) smaller only when little has been allocated in the 5 s before a collection; and malloc gives back what these have freed.
 */
export class IdleMemory {
  readonly #platform: Pick<Platform, 'timers' | 'iobufs'>;
  readonly #calls: CallPool;
  readonly #memory: MemoryReturn;
  #timer: Timer | undefined;
  #seen = 0;
  /** Calls when the steps were last taken. */
  #returned = 0;
  #steps: readonly (() => void)[] = [];

  /** @param memory default: V8's and malloc's, gently */
  constructor(platform: Pick<Platform, 'timers' | 'iobufs'>, calls: CallPool, memory: MemoryReturn = gentleReturn()) {
    this.#platform = platform;
    this.#calls = calls;
    this.#memory = memory;
  }

  start(): void {
    this.#timer = this.#platform.timers.after(CHECK_MS, () => this.#check(), { background: true });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Something big is over that the calls don't tell of. */
  due(): void {
    this.#returned = -Infinity;
  }

  #check(): void {
    const { total, cnt } = this.#calls;
    if (total === this.#seen && cnt === 0) {
      if (total - this.#returned >= CALLS_MIN) {
        this.#returned = total;
        this.#steps = [() => this.#collect(), () => this.#collect(), () => this.#collect(), () => undefined];
      }
      const [step, ...left] = this.#steps;
      this.#steps = left;
      if (step) {
        step();
        this.#memory.trim();
      }
    }
    this.#seen = total;
    this.start();
  }

  #collect(): void {
    this.#platform.iobufs.trim();
    this.#memory.collect();
  }
}

/**
 * Has V8 mark incrementally, as it does by itself when the heap has grown. A collection that is forced (`gc()`) throws away hidden classes of
 * which there is no object at this moment, and with them all optimised code that knows them: the daemon would be cold again, as after its start
 * (docs/rehearsal.md).
 */
function gentleReturn(): MemoryReturn {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  const malloc = loadNative<{ trimMalloc(): void }>('trimMalloc');
  return {
    collect: () => {
      if (typeof gc !== 'function' || process.memoryUsage().heapUsed > HEAP_BYTES_MAX) return;
      // A scavenge looks whether marking is due: with this trigger it is, from 1 % of the limit on. Pages that are chosen then to be emptied are emptied at its end.
      setFlagsFromString('--incremental-marking-hard-trigger=1');
      setFlagsFromString('--compact-on-every-full-gc');
      gc({ type: 'minor' });
      setFlagsFromString('--no-compact-on-every-full-gc');
      setFlagsFromString('--incremental-marking-hard-trigger=0');
    },
    trim: () => malloc?.trimMalloc(),
  };
}
