import { type Bytes, type Client, Errno, type Fd, type Gfid, type Platform, type Upcall } from '@glusterts/libglusterfs';
import { GrantNumbers } from './grant-numbers.js';
import { type EntryLock, type InodeLock, InodeLocks } from './inode-locks.js';

/** What the table reads of the xlator's options. Times in milliseconds. */
export interface TablePolicy {
  readonly notifyContention: boolean;
  readonly notifyDelayMs: number;
}

/** The locks of all inodes of a brick. */
export class LockTable {
  readonly #inodes = new Map<Gfid, InodeLocks>();
  readonly #platform: Platform;
  readonly #tell: (upcall: Upcall) => void;
  policy: TablePolicy;
  readonly #grants: GrantNumbers;

  /** @param tell sends an upcall towards its client */
  constructor(platform: Platform, policy: TablePolicy, tell: (upcall: Upcall) => void) {
    this.#platform = platform;
    this.policy = policy;
    this.#tell = tell;
    this.#grants = new GrantNumbers(platform);
  }

  /** An inodelk was granted on the inode. Answers the number of the one before it. */
  inodelkGranted(gfid: Gfid): number {
    const before = this.#grants.of(gfid);
    this.#grants.next(gfid);
    return before;
  }

  /** As `generationOf`, of an inode that has just been made: it gets a number of its own. */
  numberOf(gfid: Gfid): number {
    if (!this.#grants.has(gfid)) this.#grants.next(gfid);
    return this.generationOf(gfid);
  }

  /**
   * A number that changes with every inodelk that is granted on the inode; 0 while somebody holds one or waits for it. Whoever sees
   * the same number twice knows that nobody held one between: what only lock holders change has not changed.
   */
  generationOf(gfid: Gfid): number {
    if ((this.#inodes.get(gfid)?.inodelkCount() ?? 0) > 0) return 0;
    return this.#grants.of(gfid);
  }

  find(gfid: Gfid): InodeLocks | undefined {
    return this.#inodes.get(gfid);
  }

  get(gfid: Gfid): InodeLocks {
    let locks = this.#inodes.get(gfid);
    if (!locks) this.#inodes.set(gfid, (locks = new InodeLocks(gfid)));
    return locks;
  }

  all(): Iterable<InodeLocks> {
    return this.#inodes.values();
  }

  get size(): number {
    return this.#inodes.size;
  }

  now(): number {
    return this.#platform.clock.wall();
  }

  /** After locks have gone: grants who can be granted, wakes who watches, forgets what is empty. */
  settle(locks: InodeLocks): void {
    const now = this.now();
    for (const [domain, domainLocks] of locks.inodelks) {
      domainLocks.grantWaiting(now, (held) => this.contendedInodelk(locks.gfid, domain, held));
      if (domainLocks.empty) locks.inodelks.delete(domain);
    }
    for (const [domain, domainLocks] of locks.entrylks) {
      domainLocks.grantWaiting(now, (held) => this.contendedEntrylk(locks.gfid, domain, held));
      if (domainLocks.empty) locks.entrylks.delete(domain);
    }
    locks.posix.grantWaiting();
    locks.announce();
    this.prune(locks);
  }

  prune(locks: InodeLocks): void {
    if (locks.empty) this.#inodes.delete(locks.gfid);
  }

  /** At most one message per held lock and delay (spec/brick.md, §13.5). */
  #mayNotify(held: InodeLock | EntryLock): boolean {
    if (!this.policy.notifyContention) return false;
    const now = this.#platform.clock.monotonic();
    if (held.notifiedAt !== undefined && now - held.notifiedAt < this.policy.notifyDelayMs) return false;
    held.notifiedAt = now;
    return true;
  }

  contendedInodelk(gfid: Gfid, domain: Bytes, held: InodeLock): void {
    if (!this.#mayNotify(held)) return;
    this.#tell({ kind: 'inodelk-contention', client: held.client, gfid, flock: held.flock, pid: held.pid, domain });
  }

  contendedEntrylk(gfid: Gfid, domain: Bytes, held: EntryLock): void {
    if (!this.#mayNotify(held)) return;
    this.#tell({ kind: 'entrylk-contention', client: held.client, gfid, type: held.type, pid: held.pid, name: held.name, domain });
  }

  /** A client is gone: all that it held is released, all that it waited for is refused (spec/brick.md, §12.4). */
  disconnect(client: Client): void {
    const theirs = (lock: { client: Client | undefined }): boolean => lock.client === client;
    for (const locks of [...this.#inodes.values()]) {
      let changes = 0;
      for (const domain of [...locks.inodelks.values(), ...locks.entrylks.values()]) changes += domain.dropWaiting(theirs, Errno.EAGAIN) + domain.dropGranted(theirs);
      changes += locks.posix.dropWaiting(theirs, Errno.EAGAIN) + locks.posix.dropGranted(theirs);
      if (changes > 0) this.settle(locks);
    }
  }

  /** Posix locks taken through an fd go with it. */
  releaseFd(fd: Fd): void {
    const locks = this.#inodes.get(fd.inode.gfid);
    if (!locks || locks.posix.empty) return;
    const through = (lock: { fd: Fd | undefined }): boolean => lock.fd === fd;
    if (locks.posix.dropWaiting(through, Errno.EAGAIN) + locks.posix.dropGranted(through) > 0) this.settle(locks);
  }
}
