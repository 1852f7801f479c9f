import { Errno } from '../errno.js';
import { FopError } from '../fop-error.js';
import type { Timers } from '../platform/platform.js';

/** How long to wait, and what ends it early. */
export interface WaitOptions {
  /** Milliseconds; then ETIMEDOUT. Default: for ever. */
  readonly timeoutMs?: number;
  /** Aborted: ECANCELED. */
  readonly signal?: AbortSignal | undefined;
}

/** Waiters of one queue at most; more are refused with EAGAIN. */
export const WAITERS_MAX = 65536;

interface Waiter {
  wake(): void;
}

/** Those who wait for one thing, served in the order in which they came. */
export class WaitQueue {
  readonly #timers: Timers;
  readonly #max: number;
  readonly #waiters = new Set<Waiter>();

  constructor(timers: Timers, max: number = WAITERS_MAX) {
    this.#timers = timers;
    this.#max = max;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /** Resolves when it is woken. Throws EAGAIN when the queue is full, ETIMEDOUT, or ECANCELED; it is out of the queue then. */
  wait(options: WaitOptions = {}): Promise<void> {
    const { timeoutMs, signal } = options;
    if (signal?.aborted === true) return Promise.reject(new FopError(Errno.ECANCELED));
    if (this.#waiters.size >= this.#max) return Promise.reject(new FopError(Errno.EAGAIN, undefined, `${this.#max} wait already`));
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#waiters.delete(waiter);
        timer?.cancel();
        signal?.removeEventListener('abort', abort);
      };
      const fail = (errno: Errno): void => {
        end();
        reject(new FopError(errno));
      };
      const abort = (): void => fail(Errno.ECANCELED);
      const waiter: Waiter = {
        wake: () => {
          end();
          resolve();
        },
      };
      const timer = timeoutMs === undefined ? undefined : this.#timers.after(timeoutMs, () => fail(Errno.ETIMEDOUT));
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** Wakes the one that came first; false when nobody waits. */
  wakeOne(): boolean {
    for (const waiter of this.#waiters) {
      waiter.wake();
      return true;
    }
    return false;
  }

  wakeAll(): void {
    while (this.wakeOne());
  }
}
