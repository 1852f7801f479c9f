import { type Bytes, EntrylkCmd, type EntrylkType, Errno, type Flock, FopError, type Frame, InodelkCmd, LkCmd, LkType } from '@glusterts/libglusterfs';

/** Whose a lock is: the connection, and the owner that it names (spec/brick.md, §13.1). */
interface Holder {
  readonly client: object;
  readonly owner: Bytes;
}

interface InodeLock extends Holder {
  readonly type: LkType;
  readonly start: bigint;
  /** Inclusive. */
  readonly end: bigint;
}

interface EntryLock extends Holder {
  /** undefined: all names. */
  readonly name: Bytes | undefined;
  readonly type: EntrylkType;
}

interface PosixLock extends InodeLock {
  readonly pid: number;
  readonly fd: object;
}

interface Waiter<L extends Holder> {
  readonly lock: L;
  grant(): void;
  refuse(errno: number): void;
}

const TO_END = (1n << 63n) - 1n;
const sameHolder = (a: Holder, b: Holder): boolean => a.client === b.client && a.owner === b.owner;
const overlap = (a: InodeLock, b: InodeLock): boolean => a.start <= b.end && b.start <= a.end;
const rangeConflict = (a: InodeLock, b: InodeLock): boolean => overlap(a, b) && (a.type === LkType.WRLCK || b.type === LkType.WRLCK) && !sameHolder(a, b);
const entryConflict = (a: EntryLock, b: EntryLock): boolean => (a.name === undefined || b.name === undefined || a.name === b.name) && !sameHolder(a, b);

/** The locks of one domain: granted ones, and a queue that is served in order. */
class Domain<L extends Holder> {
  granted: L[] = [];
  waiting: Waiter<L>[] = [];
  readonly #conflict: (a: L, b: L) => boolean;

  constructor(conflict: (a: L, b: L) => boolean) {
    this.#conflict = conflict;
  }

  /** Fair: a request that conflicts with one that waits is queued too, unless its owner is already here. */
  lock(lock: L, wait: boolean, signal: AbortSignal | undefined): Promise<void> {
    const known = this.granted.some((other) => sameHolder(other, lock)) || this.waiting.some((other) => sameHolder(other.lock, lock));
    const blocked = this.granted.some((other) => this.#conflict(other, lock)) || (!known && this.waiting.some((other) => this.#conflict(other.lock, lock)));
    if (!blocked) {
      this.granted.push(lock);
      return Promise.resolve();
    }
    if (!wait) return Promise.reject(new FopError(Errno.EAGAIN));
    return new Promise((resolve, reject) => {
      const waiter: Waiter<L> = { lock, grant: resolve, refuse: (errno) => reject(new FopError(errno)) };
      this.waiting.push(waiter);
      signal?.addEventListener('abort', () => this.#drop(waiter), { once: true });
    });
  }

  unlock(matches: (lock: L) => boolean): void {
    const index = this.granted.findIndex(matches);
    if (index < 0) throw new FopError(Errno.EINVAL);
    this.granted.splice(index, 1);
    this.serve();
  }

  /** Everything of a client that is gone. */
  forgetClient(client: object): void {
    this.granted = this.granted.filter((lock) => lock.client !== client);
    const gone = this.waiting.filter((waiter) => waiter.lock.client === client);
    this.waiting = this.waiting.filter((waiter) => waiter.lock.client !== client);
    for (const waiter of gone) waiter.refuse(Errno.EAGAIN);
    this.serve();
  }

  #drop(waiter: Waiter<L>): void {
    if (!this.waiting.includes(waiter)) return;
    this.waiting = this.waiting.filter((other) => other !== waiter);
    waiter.refuse(Errno.EINTR);
    this.serve();
  }

  serve(): void {
    const queue = this.waiting;
    this.waiting = [];
    for (const waiter of queue) {
      const blocked = this.granted.some((other) => this.#conflict(other, waiter.lock)) || this.waiting.some((other) => this.#conflict(other.lock, waiter.lock));
      if (blocked) this.waiting.push(waiter);
      else {
        this.granted.push(waiter.lock);
        waiter.grant();
      }
    }
  }

  get count(): number {
    return this.granted.length + this.waiting.length;
  }
}

function range(flock: Flock): { start: bigint; end: bigint } {
  if (flock.start < 0n || flock.len < 0n) throw new FopError(Errno.EINVAL);
  return { start: flock.start, end: flock.len === 0n ? TO_END : flock.start + flock.len - 1n };
}

/** The locks of one inode: features/locks as far as a client can see (spec/brick.md, §13). */
export class LockTable {
  readonly #inodelks = new Map<string, Domain<InodeLock>>();
  readonly #entrylks = new Map<string, Domain<EntryLock>>();
  #posix: PosixLock[] = [];
  #posixWaiting: Waiter<PosixLock>[] = [];

  inodelk(frame: Frame, client: object, domain: Bytes, cmd: InodelkCmd, flock: Flock): Promise<void> {
    if (cmd === InodelkCmd.GET) throw new FopError(Errno.EOPNOTSUPP);
    const { start, end } = range(flock);
    const lock: InodeLock = { client, owner: frame.lk_owner, type: flock.type, start, end };
    const locks = this.#inodelks.get(domain) ?? new Domain<InodeLock>(rangeConflict);
    if (flock.type === LkType.UNLCK) {
      locks.unlock((other) => sameHolder(other, lock) && other.start === start && other.end === end);
      if (locks.count === 0) this.#inodelks.delete(domain);
      return Promise.resolve();
    }
    this.#inodelks.set(domain, locks);
    return locks.lock(lock, cmd === InodelkCmd.SETLKW, frame.signal);
  }

  entrylk(frame: Frame, client: object, domain: Bytes, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType): Promise<void> {
    const lock: EntryLock = { client, owner: frame.lk_owner, name: name === '' ? undefined : name, type };
    const locks = this.#entrylks.get(domain) ?? new Domain<EntryLock>(entryConflict);
    if (cmd === EntrylkCmd.UNLOCK) {
      locks.unlock((other) => sameHolder(other, lock) && other.name === lock.name && other.type === type);
      if (locks.count === 0) this.#entrylks.delete(domain);
      return Promise.resolve();
    }
    this.#entrylks.set(domain, locks);
    return locks.lock(lock, cmd === EntrylkCmd.LOCK, frame.signal);
  }

  /** fcntl and flock locks: the reply's flock. */
  async lk(frame: Frame, client: object, fd: object, cmd: LkCmd, flock: Flock): Promise<Flock> {
    const { start, end } = range(flock);
    const lock: PosixLock = { client, owner: frame.lk_owner, type: flock.type, start, end, pid: flock.pid, fd };
    if (cmd === LkCmd.GETLK || cmd === LkCmd.GETLK_FD) {
      const other = this.#posix.find((held) => rangeConflict(held, lock));
      if (!other) return { ...flock, type: LkType.UNLCK };
      return { type: other.type, whence: 0, start: other.start, len: other.end === TO_END ? 0n : other.end - other.start + 1n, pid: other.pid, owner: other.owner };
    }
    if (flock.type !== LkType.UNLCK && this.#posix.some((held) => rangeConflict(held, lock))) {
      if (cmd !== LkCmd.SETLKW) throw new FopError(Errno.EAGAIN);
      await this.#waitPosix(lock, frame.signal);
      return flock;
    }
    this.#insertPosix(lock);
    this.#servePosix();
    return flock;
  }

  /** flush: the owner's locks go; without an owner, the fd's. */
  flush(frame: Frame, client: object, fd: object): void {
    this.#posix = this.#posix.filter((lock) => (frame.lk_owner === '' ? lock.fd !== fd : lock.client !== client || lock.owner !== frame.lk_owner));
    this.#servePosix();
  }

  release(fd: object): void {
    this.#posix = this.#posix.filter((lock) => lock.fd !== fd);
    this.#servePosix();
  }

  forgetClient(client: object): void {
    for (const locks of this.#inodelks.values()) locks.forgetClient(client);
    for (const locks of this.#entrylks.values()) locks.forgetClient(client);
    this.#posix = this.#posix.filter((lock) => lock.client !== client);
    this.#servePosix();
  }

  inodelkCount(domain?: string): number {
    if (domain !== undefined) return this.#inodelks.get(domain)?.count ?? 0;
    let count = 0;
    for (const locks of this.#inodelks.values()) count += locks.count;
    return count;
  }

  entrylkCount(): number {
    let count = 0;
    for (const locks of this.#entrylks.values()) count += locks.count;
    return count;
  }

  posixlkCount(): number {
    return this.#posix.length + this.#posixWaiting.length;
  }

  #waitPosix(lock: PosixLock, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter<PosixLock> = { lock, grant: resolve, refuse: (errno) => reject(new FopError(errno)) };
      this.#posixWaiting.push(waiter);
      signal?.addEventListener('abort', () => {
        if (!this.#posixWaiting.includes(waiter)) return;
        this.#posixWaiting = this.#posixWaiting.filter((other) => other !== waiter);
        waiter.refuse(Errno.EINTR);
      }, { once: true });
    });
  }

  #insertPosix(lock: PosixLock): void {
    const kept: PosixLock[] = [];
    for (const held of this.#posix) {
      if (!sameHolder(held, lock) || !overlap(held, lock)) {
        kept.push(held);
        continue;
      }
      if (held.start < lock.start) kept.push({ ...held, end: lock.start - 1n });
      if (held.end > lock.end) kept.push({ ...held, start: lock.end + 1n });
    }
    if (lock.type !== LkType.UNLCK) kept.push(lock);
    this.#posix = kept;
  }

  #servePosix(): void {
    for (const waiter of [...this.#posixWaiting]) {
      if (this.#posix.some((held) => rangeConflict(held, waiter.lock))) continue;
      this.#posixWaiting = this.#posixWaiting.filter((other) => other !== waiter);
      this.#insertPosix(waiter.lock);
      waiter.grant();
    }
  }
}
