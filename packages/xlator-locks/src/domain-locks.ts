import { Errno, FopError, type Frame } from '@glusterts/libglusterfs';
import { type LockOwner, sameOwner } from './lock-owner.js';
import { Waiter } from './waiter.js';

/** What inodelks and entrylks have in common: an owner, and when things happened (milliseconds, wall clock). */
export interface DomainLock extends LockOwner {
  /** 0 while it waits. */
  grantedAt: number;
  askedAt: number;
  /** When its holder was last told that others wait (monotonic); undefined: never. */
  notifiedAt: number | undefined;
}

interface Waiting<L> {
  readonly lock: L;
  readonly waiter: Waiter<void>;
}

/** Reports a granted lock that a request met, so that its holder can be told (spec/brick.md, §13.5). */
export type Contended<L> = (lock: L) => void;

/** Waiting requests that one domain of one inode takes; more get EAGAIN. */
const WAITING_MAX = 65536;

/**
 * The locks of one kind in one domain of one inode: granted ones, and a queue. Every grant is a lock of its own; a request
 * that conflicts with a waiting one waits too, unless its owner holds or waits for something here (spec/brick.md, §13.3).
 */
export class DomainLocks<L extends DomainLock> {
  readonly granted: L[] = [];
  waiting: Waiting<L>[] = [];
  /** Kinds and ranges (or names) that can't be held together by two owners. */
  readonly #conflict: (a: L, b: L) => boolean;

  constructor(conflict: (a: L, b: L) => boolean) {
    this.#conflict = conflict;
  }

  get count(): number {
    return this.granted.length + this.waiting.length;
  }

  get empty(): boolean {
    return this.granted.length === 0 && this.waiting.length === 0;
  }

  /** True when the lock could be granted; tells of all granted locks in its way. */
  #grantable(lock: L, contended: Contended<L>): boolean {
    let free = true;
    for (const held of this.granted) {
      if (!sameOwner(held, lock) && this.#conflict(held, lock)) {
        free = false;
        contended(held);
      }
    }
    if (!free) return false;
    const ahead = this.waiting.some(({ lock: other }) => !sameOwner(other, lock) && this.#conflict(other, lock));
    return !ahead || this.granted.some((held) => sameOwner(held, lock)) || this.waiting.some(({ lock: other }) => sameOwner(other, lock));
  }

  /** Takes the lock, or waits for it. Throws EAGAIN when it may not wait. */
  lock(frame: Frame, lock: L, wait: boolean, now: number, contended: Contended<L>): Promise<void> | undefined {
    if (this.#grantable(lock, contended)) {
      lock.grantedAt = now;
      this.granted.push(lock);
      return undefined;
    }
    if (!wait || this.waiting.length >= WAITING_MAX) throw new FopError(Errno.EAGAIN);
    return this.enqueue(frame, lock);
  }

  /** Puts a request at the end of the queue. */
  enqueue(frame: Frame, lock: L): Promise<void> {
    const waiter = new Waiter<void>(frame, () => {
      this.waiting = this.waiting.filter((each) => each.waiter !== waiter);
    });
    this.waiting.push({ lock, waiter });
    return waiter.promise;
  }

  /** Releases one lock that `match` accepts. Throws EINVAL when there is none. */
  unlock(match: (lock: L) => boolean): L {
    const index = this.granted.findIndex(match);
    const [lock] = index < 0 ? [] : this.granted.splice(index, 1);
    if (!lock) throw new FopError(Errno.EINVAL, undefined, 'no such lock');
    return lock;
  }

  /** Goes through the queue from its start and grants what can be granted. */
  grantWaiting(now: number, contended: Contended<L>): void {
    const queue = this.waiting;
    this.waiting = [];
    for (const entry of queue) {
      if (!this.#grantable(entry.lock, contended)) {
        this.waiting.push(entry);
        continue;
      }
      entry.lock.grantedAt = now;
      this.granted.push(entry.lock);
      entry.waiter.grant();
    }
  }

  /** Drops granted locks; the caller grants the waiting ones. Answers how many. */
  dropGranted(match: (lock: L) => boolean): number {
    const rest = this.granted.filter((lock) => !match(lock));
    const dropped = this.granted.length - rest.length;
    this.granted.splice(0, this.granted.length, ...rest);
    return dropped;
  }

  /** Refuses waiting requests. Answers how many. */
  dropWaiting(match: (lock: L) => boolean, errno: Errno): number {
    const dropped = this.waiting.filter(({ lock }) => match(lock));
    this.waiting = this.waiting.filter(({ lock }) => !match(lock));
    for (const { waiter } of dropped) waiter.refuse(errno);
    return dropped.length;
  }
}
