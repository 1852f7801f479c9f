import type { Platform, Timer } from '@glusterts/libglusterfs';

/** Locks are looked at this often: those that have been idle long enough go together, in one message per brick and step. */
const SWEEP_MS = 100;

/** What becomes idle and is told when it has been so for long enough. */
export interface Expiring {
  expire(): void;
}

/** The locks that are held for no fop, each until its time comes or a fop wants it again. */
export class IdleLocks {
  readonly #platform: Platform;
  /** When each is due, in milliseconds of the monotonic clock. */
  readonly #due = new Map<Expiring, number>();
  #timer: Timer | undefined;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  add(lock: Expiring, holdMs: number): void {
    this.#due.set(lock, this.#platform.clock.monotonic() + holdMs);
    this.#timer ??= this.#platform.timers.after(SWEEP_MS, () => this.#sweep());
  }

  remove(lock: Expiring): void {
    this.#due.delete(lock);
  }

  #sweep(): void {
    this.#timer = undefined;
    const now = this.#platform.clock.monotonic();
    for (const [lock, due] of [...this.#due]) {
      if (due > now) continue;
      this.#due.delete(lock);
      lock.expire();
    }
    if (this.#due.size > 0) this.#timer ??= this.#platform.timers.after(SWEEP_MS, () => this.#sweep());
  }
}
