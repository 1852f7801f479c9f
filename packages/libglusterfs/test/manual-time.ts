import type { Clock, Timers } from '../src/index.js';

/** Time that stands still until it is told to go on: timers fire in order, and what they set off runs before the next. */
export class ManualTime {
  #now = 0;
  readonly #timers = new Set<{ at: number; fire: () => void }>();

  readonly clock: Clock = {
    wall: () => this.#now,
    realtime: () => ({ sec: Math.floor(this.#now / 1000), nsec: (this.#now % 1000) * 1e6 }),
    monotonic: () => this.#now,
  };

  readonly timers: Timers = {
    after: (delayMs, fire) => {
      const timer = { at: this.#now + delayMs, fire };
      this.#timers.add(timer);
      return { cancel: () => this.#timers.delete(timer) };
    },
    soon: (task) => void setImmediate(task),
  };

  /** Timers that are armed. */
  get armed(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.fire();
      await settled();
    }
    this.#now = end;
  }
}

/** All promise reactions that are due have run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
