import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { CallPool, Platform, Timer } from '@glusterts/libglusterfs';

const CHECK_MS = 15_000;
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

  /** @param collect default: V8's full collection */
  constructor(platform: Pick<Platform, 'timers' | 'iobufs'>, calls: CallPool, collect: () => void = fullCollection()) {
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

  #check(): void {
    const { total, cnt } = this.#calls;
    if (total === this.#seen && cnt === 0 && total !== this.#collected) {
      this.#collected = total;
      this.#platform.iobufs.trim();
      this.#collect();
    }
    this.#seen = total;
    this.start();
  }
}

function fullCollection(): () => void {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  // Twice: weak things, such as buffers with memory outside the heap, go with the second.
  return () => {
    if (typeof gc !== 'function' || process.memoryUsage().heapUsed > HEAP_BYTES_MAX) return;
    gc();
    gc();
  };
}
