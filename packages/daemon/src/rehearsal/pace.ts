import type { CallPool, Clock } from '@glusterts/libglusterfs';

/** No request has come for this long: then the process is idle. */
const QUIET_MS = 20;
/** Looks whether it is quiet again. */
const LOOK_MS = 10;
/** Without a pause for the event loop. */
const SLICE_MS = 2;
/** A process that is busy all the time is warm without us. */
const WAITING_MS_MAX = 120_000;

export interface PaceInit {
  readonly clock: Clock;
  /** The process's real requests. */
  readonly calls: CallPool;
  /** Milliseconds that it takes in all while nothing else goes on. */
  readonly workMs: number;
  /** Milliseconds from the beginning in which it doesn't give way. */
  readonly ahead?: number;
}

/** How a rehearsal proceeds beside a process that serves: real requests go first. */
export class Pace {
  readonly #init: PaceInit;
  readonly #startedMs: number;
  #spentMs = 0;
  #resumedMs: number;
  #sliceMs: number;
  #busyMs = -Infinity;
  #seen: number;
  #stopped = false;
  #caughtUp: () => void = () => undefined;
  /** Resolves when the part that doesn't give way is over. */
  readonly ahead: Promise<void>;

  constructor(init: PaceInit) {
    this.#init = init;
    this.#startedMs = this.#resumedMs = this.#sliceMs = init.clock.monotonic();
    this.#seen = init.calls.total;
    this.ahead = init.ahead === undefined ? Promise.resolve() : new Promise((resolve) => (this.#caughtUp = resolve));
  }

  /** It is over, well or not. */
  end(): void {
    this.#stopped = true;
    this.#caughtUp();
  }

  /** Waits until the next fop may be played; false: it is enough. */
  async next(): Promise<boolean> {
    const { clock, workMs, ahead = 0 } = this.#init;
    const now = clock.monotonic();
    if (this.#stopped || this.#spentMs + now - this.#resumedMs > workMs) return false;
    if (now - this.#startedMs < ahead) {
      if (now - this.#sliceMs > SLICE_MS) await this.#turn();
      return true;
    }
    this.#caughtUp();
    if (!this.#isBusy(now)) {
      if (now - this.#sliceMs > SLICE_MS) await this.#turn();
      return !this.#stopped;
    }
    this.#spentMs += now - this.#resumedMs;
    do {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS).unref());
    } while (!this.#stopped && clock.monotonic() - this.#startedMs < WAITING_MS_MAX && this.#isBusy(clock.monotonic()));
    this.#resumedMs = this.#sliceMs = clock.monotonic();
    return !this.#stopped && this.#resumedMs - this.#startedMs < WAITING_MS_MAX;
  }

  #isBusy(now: number): boolean {
    const { calls } = this.#init;
    if (calls.total !== this.#seen || calls.cnt > 0) {
      this.#seen = calls.total;
      this.#busyMs = now;
    }
    return now - this.#busyMs < QUIET_MS;
  }

  async #turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#sliceMs = this.#init.clock.monotonic();
  }
}
