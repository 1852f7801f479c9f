import { Errno } from '../errno.js';
import { FopError } from '../fop-error.js';
import type { Timers } from '../platform/platform.js';
import { WaitQueue, type WaitOptions } from './wait-queue.js';

/**
 * A lock between tasks, held across awaits: GlusterFS's synclock. Owners are objects, usually the task. A recursive one may be
 * taken again by its owner, and is free when it was released as often; the plain one answers that with EDEADLK.
 */
export class SyncLock {
  readonly #queue: WaitQueue;
  readonly #recursive: boolean;
  #owner: object | undefined;
  #depth = 0;

  constructor(timers: Timers, options: { readonly recursive?: boolean; readonly waitersMax?: number } = {}) {
    this.#queue = new WaitQueue(timers, options.waitersMax);
    this.#recursive = options.recursive ?? false;
  }

  get held(): boolean {
    return this.#owner !== undefined;
  }

  get waiters(): number {
    return this.#queue.size;
  }

  /** How often the owner has taken it. */
  depthOf(owner: object): number {
    return this.#owner === owner ? this.#depth : 0;
  }

  /** At once or not at all. */
  tryLock(owner: object): boolean {
    if (this.#owner === owner && this.#recursive) {
      this.#depth++;
      return true;
    }
    // Who was woken takes it before who comes now: it is free only when nobody waits.
    if (this.#owner !== undefined) return false;
    this.#owner = owner;
    this.#depth = 1;
    return true;
  }

  /** First come, first served. Throws EDEADLK for a plain lock that the owner has, and what {@link WaitQueue.wait} throws. */
  async lock(owner: object, options: WaitOptions = {}): Promise<void> {
    if (this.tryLock(owner)) return;
    if (this.#owner === owner) throw new FopError(Errno.EDEADLK);
    await this.#queue.wait(options).then(() => {
      // The one who released has left the lock to us, see unlock.
      this.#owner = owner;
      this.#depth = 1;
    });
  }

  /** Throws EPERM when the owner hasn't got it. */
  unlock(owner: object): void {
    if (this.#owner !== owner) throw new FopError(Errno.EPERM, undefined, 'a lock was released by another than its owner');
    if (--this.#depth > 0) return;
    // Nobody can slip in between this and the turn of the one that is woken.
    this.#owner = this.#queue.wakeOne() ? HANDED_OVER : undefined;
  }

  /** Runs `body` under it. */
  async with<T>(owner: object, body: () => T | Promise<T>, options: WaitOptions = {}): Promise<T> {
    await this.lock(owner, options);
    try {
      return await body();
    } finally {
      this.unlock(owner);
    }
  }
}

/** Owner of a lock on its way from one to the next. */
const HANDED_OVER: object = {};

/** Waits under a lock for something to become true: GlusterFS's synccond. */
export class SyncCondition {
  readonly #queue: WaitQueue;

  constructor(timers: Timers, waitersMax?: number) {
    this.#queue = new WaitQueue(timers, waitersMax);
  }

  get waiters(): number {
    return this.#queue.size;
  }

  /**
   * Lets go of the lock, waits for a signal, takes the lock again; it is held afterwards in every case. What was waited for may
   * be otherwise again by then: ask in a loop. Throws ETIMEDOUT or ECANCELED; EPERM without the lock, EDEADLK when it was taken
   * more than once, for nobody else could get it then.
   */
  async wait(lock: SyncLock, owner: object, options: WaitOptions = {}): Promise<void> {
    const depth = lock.depthOf(owner);
    if (depth !== 1) throw new FopError(depth === 0 ? Errno.EPERM : Errno.EDEADLK);
    const woken = this.#queue.wait(options);
    lock.unlock(owner);
    try {
      await woken;
    } finally {
      await lock.lock(owner);
    }
  }

  /** Wakes the one that has waited longest. */
  signal(): void {
    this.#queue.wakeOne();
  }

  broadcast(): void {
    this.#queue.wakeAll();
  }
}

/** Counts arrivals: GlusterFS's syncbarrier. One task waits at it. */
export class SyncBarrier {
  readonly #queue: WaitQueue;
  #arrived = 0;
  #wanted: number | undefined;

  constructor(timers: Timers) {
    this.#queue = new WaitQueue(timers, 1);
  }

  /** Arrivals that no wait has taken away yet. */
  get arrived(): number {
    return this.#arrived;
  }

  /** One has arrived. */
  wake(): void {
    this.#arrived++;
    if (this.#wanted !== undefined && this.#arrived >= this.#wanted) this.#queue.wakeOne();
  }

  /** Resolves when `count` have arrived, and takes them away. Throws ETIMEDOUT or ECANCELED; EBUSY while another waits. */
  async wait(count: number, options: WaitOptions = {}): Promise<void> {
    if (this.#wanted !== undefined) throw new FopError(Errno.EBUSY);
    if (this.#arrived < count) {
      this.#wanted = count;
      try {
        await this.#queue.wait(options);
      } finally {
        this.#wanted = undefined;
      }
    }
    this.#arrived -= count;
  }
}
