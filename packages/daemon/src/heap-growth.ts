import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import type { Platform, Timer } from '@glusterts/libglusterfs';

const CHECK_MS = 3000;
/** From these sizes on, bytes, the heap grows by so many percent of what was alive at the last collection, which is less than V8 would have it. */
const STEPS: readonly (readonly [bytes: number, percent: number])[] = [[448 * 2 ** 20, 10], [256 * 2 ** 20, 25], [96 * 2 ** 20, 50]];

/** V8's heap, as far as this needs it. */
export interface Heap {
  /** Bytes that it takes. */
  size(): number;
  /** How much it grows until it is collected; 0: as V8 likes. */
  grow(percent: number): void;
}

/**
 * Keeps a large heap from growing to a multiple of what is alive in it, as V8 lets one that allocates fast. A mount that had made, looked at and listed 100,000 files, of which its table
 * held 65,536, was at 659 MiB without this and at 482 with it (one run each). A small heap is left to V8, which would collect it more often for little.
 */
export class HeapGrowth {
  readonly #timers: Platform['timers'];
  readonly #heap: Heap;
  #timer: Timer | undefined;
  #percent = 0;

  /** @param heap default: this process's */
  constructor(timers: Platform['timers'], heap: Heap = V8_HEAP) {
    this.#timers = timers;
    this.#heap = heap;
  }

  start(): void {
    this.#timer = this.#timers.after(CHECK_MS, () => this.#check(), { background: true });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #check(): void {
    const size = this.#heap.size();
    const percent = STEPS.find(([bytes]) => size >= bytes)?.[1] ?? 0;
    if (percent !== this.#percent) this.#heap.grow((this.#percent = percent));
    this.start();
  }
}

const V8_HEAP: Heap = {
  size: () => getHeapStatistics().total_heap_size,
  grow: (percent) => setFlagsFromString(`--heap-growing-percent=${percent}`),
};
