import type { CallPool, Clock } from '@glusterts/libglusterfs';

/** No request has come for this long: then the process is idle. */
const QUIET_MS = 20;
/**
 * The same for a process that has been up for a while: it is there to be used, programs' own pauses are shorter, and a brick hears nothing while mounts
 * of its machine read its files themselves.
 */
const REST_MS = 5000;
/** Looks whether it is quiet again: so often while short pauses are taken, and later. */
const LOOK_MS = 10;
const LATER_LOOK_MS = 250;
/** Without a pause for the event loop. */
const SLICE_MS = 2;
/** A process that is busy all the time is warm without us; and each of a machine's bricks needs some seconds, one after the other. */
const WAITING_MS_MAX = 600_000;

/** Called between fops: resolves when the next may be sent, and says whether there is time for it. */
export type Next = () => boolean | Promise<boolean>;

/** What those have to share who rehearse while nobody waits for them: one at a time. */
export interface Turn {
  /** False: somebody else has it. */
  take(): boolean;
  giveBack(): void;
}

export interface PaceInit {
  readonly clock: Clock;
  /** The process's real requests. */
  readonly calls: CallPool;
  /** Milliseconds of processor time that it takes in all, those of V8's compiler included. */
  readonly workMs: number;
  /** Milliseconds from the beginning in which it doesn't give way. */
  readonly ahead?: number;
  /** Milliseconds of processor time after which it gives way sooner. */
  readonly aheadWorkMs?: number;
  /** Milliseconds from the beginning in which it takes each pause of requests; afterwards only long ones. Default: as long as it doesn't give way. */
  readonly eager?: number;
  /** Milliseconds of processor time after which it takes long pauses only. */
  readonly eagerWorkMs?: number;
  /** Needed to go on in a long pause. */
  readonly turn?: Turn;
  /** Told when it begins to wait for a pause, and when it has one. */
  readonly onWait?: (waiting: boolean) => void;
  /** Default: the process's, in microseconds. */
  readonly processorTime?: () => number;
}

/** How a rehearsal proceeds beside a process that serves: real requests go first. */
export class Pace {
  readonly #init: PaceInit;
  readonly #startedMs: number;
  readonly #processorTime: () => number;
  /** Processor time, up to the last pause. */
  #spentMs = 0;
  #resumedUs: number;
  #sliceMs: number;
  #busyMs = -Infinity;
  #seen: number;
  #stopped = false;
  #isAhead = false;
  #isEager = true;
  #hasTurn = false;
  #pauses = 0;
  #caughtUp: () => void = () => undefined;
  /** Of those who wait for a pause. */
  readonly #wakes = new Set<() => void>();
  /** Resolves when the part that doesn't give way is over. */
  readonly ahead: Promise<void>;

  constructor(init: PaceInit) {
    this.#init = init;
    this.#processorTime = init.processorTime ?? processorTime;
    this.#startedMs = this.#sliceMs = init.clock.monotonic();
    this.#resumedUs = this.#processorTime();
    this.#seen = init.calls.total;
    this.ahead = init.ahead === undefined ? Promise.resolve() : new Promise((resolve) => (this.#caughtUp = resolve));
  }

  /** How often it has waited for a pause. */
  get pauses(): number {
    return this.#pauses;
  }

  /** It is over, well or not. */
  end(): void {
    this.#stopped = true;
    this.#giveBackTurn();
    this.#caughtUp();
    for (const wake of this.#wakes) wake();
  }

  /** Waits until the next fop may be played; false: it is enough. */
  async next(): Promise<boolean> {
    if (this.#stopped) return false;
    const { clock, ahead = 0 } = this.#init;
    const now = clock.monotonic();
    if (this.#isAhead || now - this.#startedMs >= ahead) {
      this.#isAhead = true;
      this.#caughtUp();
      if (!this.#mayPlay(now)) return this.#wait();
    }
    if (now - this.#sliceMs <= SLICE_MS) return true;
    const workMs = this.#workMs();
    if (workMs > this.#init.workMs) return false;
    this.#isAhead ||= workMs > (this.#init.aheadWorkMs ?? Infinity);
    this.#isEager &&= workMs <= (this.#init.eagerWorkMs ?? Infinity);
    await new Promise((resolve) => setImmediate(resolve));
    this.#sliceMs = clock.monotonic();
    return !this.#stopped;
  }

  async #wait(): Promise<boolean> {
    const { clock } = this.#init;
    const nowUs = this.#processorTime();
    this.#spentMs += (nowUs - this.#resumedUs) / 1000;
    this.#resumedUs = nowUs;
    this.#giveBackTurn();
    this.#pauses++;
    this.#init.onWait?.(true);
    do {
      await this.#sleep(this.#quietMs(clock.monotonic()) === QUIET_MS ? LOOK_MS : LATER_LOOK_MS);
    } while (!this.#stopped && clock.monotonic() - this.#startedMs < WAITING_MS_MAX && !this.#mayPlay(clock.monotonic()));
    this.#init.onWait?.(false);
    this.#resumedUs = this.#processorTime();
    this.#sliceMs = clock.monotonic();
    return !this.#stopped && this.#sliceMs - this.#startedMs < WAITING_MS_MAX;
  }

  /** So long, or until the end. */
  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#wakes.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms).unref();
      this.#wakes.add(wake);
    });
  }

  #workMs(): number {
    return this.#spentMs + (this.#processorTime() - this.#resumedUs) / 1000;
  }

  #mayPlay(now: number): boolean {
    if (this.#isBusy(now)) return false;
    const { turn } = this.#init;
    if (!turn || this.#hasTurn || this.#quietMs(now) === QUIET_MS) return true;
    return (this.#hasTurn = turn.take());
  }

  #giveBackTurn(): void {
    if (this.#hasTurn) this.#init.turn?.giveBack();
    this.#hasTurn = false;
  }

  #isBusy(now: number): boolean {
    const { calls } = this.#init;
    if (calls.total !== this.#seen || calls.cnt > 0) {
      this.#seen = calls.total;
      this.#busyMs = now;
    }
    const quietMs = this.#quietMs(now);
    // What is started is about to be used: that counts as a request where long pauses are wanted.
    return now - (this.#isEager ? this.#busyMs : Math.max(this.#busyMs, this.#startedMs)) < quietMs;
  }

  #quietMs(now: number): number {
    const { eager } = this.#init;
    this.#isEager &&= eager === undefined ? !this.#isAhead : now - this.#startedMs < eager;
    return this.#isEager ? QUIET_MS : REST_MS;
  }
}

function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
