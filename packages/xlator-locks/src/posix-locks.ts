import { Errno, type Fd, type Flock, FopError, type Frame, LkType } from '@glusterts/libglusterfs';
import { type LockOwner, sameOwner } from './lock-owner.js';
import { type Range, overlap, rangeLength, typesConflict } from './range.js';
import { Waiter } from './waiter.js';

/** A posix lock. `mode` is glusterfs.lk.lkmode: 0 advisory, 1 mandatory. */
export interface PosixLock extends LockOwner, Range {
  readonly type: LkType;
  readonly mode: number;
  readonly fd: Fd | undefined;
  readonly clientUid: string;
  readonly grantedAt: number;
}

interface Waiting {
  readonly lock: PosixLock;
  readonly waiter: Waiter<void>;
}

const WAITING_MAX = 65536;

/** The posix locks of one inode (spec/brick.md, §13.2). */
export class PosixLocks {
  /** In the order in which they were inserted. */
  granted: PosixLock[] = [];
  waiting: Waiting[] = [];

  get count(): number {
    return this.granted.length + this.waiting.length;
  }

  get empty(): boolean {
    return this.granted.length === 0 && this.waiting.length === 0;
  }

  /** The first granted lock that keeps another owner from having `lock`. */
  conflicting(lock: PosixLock): PosixLock | undefined {
    return this.granted.find((held) => overlap(held, lock) && !sameOwner(held, lock) && typesConflict(held.type, lock.type));
  }

  /** Sets or removes a lock; a promise when it has to wait. Throws EAGAIN. */
  set(frame: Frame, lock: PosixLock, wait: boolean): Promise<void> | undefined {
    if (lock.type === LkType.UNLCK || !this.conflicting(lock)) {
      this.#insert(lock);
      this.grantWaiting();
      return undefined;
    }
    if (!wait || this.waiting.length >= WAITING_MAX) throw new FopError(Errno.EAGAIN);
    // Two owners who both want to go from read to write would wait for each other for ever.
    this.#insert({ ...lock, type: LkType.UNLCK });
    const waiter = new Waiter<void>(frame, () => {
      this.waiting = this.waiting.filter((each) => each.waiter !== waiter);
    });
    this.waiting.push({ lock, waiter });
    this.grantWaiting();
    return waiter.promise;
  }

  /** Merges with the same owner's overlapping locks of the same type, and cuts its others (spec/brick.md, §13.2). */
  #insert(lock: PosixLock): void {
    let fresh = lock;
    const right: PosixLock[] = [];
    for (;;) {
      const index = this.granted.findIndex((held) => sameOwner(held, fresh) && overlap(held, fresh));
      const [held] = index < 0 ? [] : this.granted.splice(index, 1);
      if (!held) break;
      if (held.type === fresh.type && held.mode === fresh.mode) {
        fresh = { ...fresh, start: held.start < fresh.start ? held.start : fresh.start, end: held.end > fresh.end ? held.end : fresh.end };
        continue;
      }
      if (held.start < fresh.start) this.granted.push({ ...held, end: fresh.start - 1n });
      if (held.end > fresh.end) right.push({ ...held, start: fresh.end + 1n });
    }
    // GETLK tells the first that conflicts: left rest, new lock, right rest, as the real one inserts them.
    if (fresh.type !== LkType.UNLCK) this.granted.push(fresh);
    this.granted.push(...right);
  }

  /** Grants waiting requests, in order, that no granted lock overlaps. */
  grantWaiting(): void {
    for (const entry of [...this.waiting]) {
      if (!this.waiting.includes(entry) || this.granted.some((held) => overlap(held, entry.lock))) continue;
      this.waiting = this.waiting.filter((each) => each !== entry);
      this.#insert(entry.lock);
      entry.waiter.grant();
    }
  }

  dropGranted(match: (lock: PosixLock) => boolean): number {
    const before = this.granted.length;
    this.granted = this.granted.filter((lock) => !match(lock));
    return before - this.granted.length;
  }

  dropWaiting(match: (lock: PosixLock) => boolean, errno: Errno): number {
    const dropped = this.waiting.filter(({ lock }) => match(lock));
    this.waiting = this.waiting.filter(({ lock }) => !match(lock));
    for (const { waiter } of dropped) waiter.refuse(errno);
    return dropped.length;
  }
}

/** A lock as GETLK and getactivelk tell it. */
export function flockOf(lock: PosixLock): Flock {
  return { type: lock.type, whence: 0, start: lock.start, len: rangeLength(lock), pid: lock.pid, owner: lock.owner };
}
