import { type Gfid, type Timer, type Timers, objectList } from '@glusterts/libglusterfs';

/** An fd stays open on the brick for this much longer than here, if nothing is sent there meanwhile. */
const DELAY_MS = 100;
/** More than these don't wait. */
const WAITING_MAX = 64;

interface Waiting {
  readonly directory: boolean;
  readonly gfid: Gfid;
  readonly number: number;
}

/** Closed fds that the brick hears of together with the next call to it: a message of their own would wake it for nothing. */
export class LateReleases {
  readonly #timers: Timers;
  readonly #send: (directory: boolean, gfid: Gfid, number: number) => void;
  #waiting = objectList<Waiting>();
  #timer: Timer | undefined;

  constructor(timers: Timers, send: (directory: boolean, gfid: Gfid, number: number) => void) {
    this.#timers = timers;
    this.#send = send;
  }

  add(directory: boolean, gfid: Gfid, number: number): void {
    this.#waiting.push({ directory, gfid, number });
    if (this.#waiting.length >= WAITING_MAX) this.sendAlong();
    else this.#timer ??= this.#timers.after(DELAY_MS, () => this.#overdue(), { background: true });
  }

  /** Before a call: they leave with it. */
  sendAlong(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = objectList();
    for (const { directory, gfid, number } of waiting) this.#send(directory, gfid, number);
  }

  /** A timer for each of them would cost more than the message: it goes on when they have left, and finds those of later, or none. */
  #overdue(): void {
    this.#timer = undefined;
    this.sendAlong();
  }

  /** There is nobody left to tell. */
  drop(): void {
    this.#waiting = objectList();
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
