import type { Bytes, Client, EntrylkType, Flock, Gfid, LkType } from '@glusterts/libglusterfs';
import { type DomainLock, DomainLocks } from './domain-locks.js';
import { PosixLocks } from './posix-locks.js';
import { type Range, overlap, typesConflict } from './range.js';

/** An inodelk (spec/brick.md, §13.3). */
export interface InodeLock extends DomainLock, Range {
  readonly type: LkType;
  /** As it was asked for: whoever holds it is told in these words that others wait. */
  readonly flock: Flock;
}

/** An entrylk; an empty name is all names (spec/brick.md, §13.4). */
export interface EntryLock extends DomainLock {
  readonly name: Bytes;
  readonly type: EntrylkType;
}

const inodeConflict = (a: InodeLock, b: InodeLock): boolean => overlap(a, b) && typesConflict(a.type, b.type);
/** Types don't count: two readers exclude each other. */
const entryConflict = (a: EntryLock, b: EntryLock): boolean => a.name === b.name || a.name === '' || b.name === '';

/** All locks of one inode. Kept by gfid, as long as there are any. */
export class InodeLocks {
  readonly gfid: Gfid;
  readonly posix = new PosixLocks();
  readonly inodelks = new Map<Bytes, DomainLocks<InodeLock>>();
  readonly entrylks = new Map<Bytes, DomainLocks<EntryLock>>();
  /** Removals of the inode that wait for others' inodelks, or run (spec/brick.md, §13.7). */
  removals = 0;
  /** The clients whose removals those are. */
  readonly removers: (Client | undefined)[] = [];
  /** Called, once each, when a lock of any kind goes or a removal ends. */
  #watchers: (() => void)[] = [];

  constructor(gfid: Gfid) {
    this.gfid = gfid;
  }

  inodelkDomain(domain: Bytes): DomainLocks<InodeLock> {
    let locks = this.inodelks.get(domain);
    if (!locks) this.inodelks.set(domain, (locks = new DomainLocks(inodeConflict)));
    return locks;
  }

  entrylkDomain(domain: Bytes): DomainLocks<EntryLock> {
    let locks = this.entrylks.get(domain);
    if (!locks) this.entrylks.set(domain, (locks = new DomainLocks(entryConflict)));
    return locks;
  }

  get empty(): boolean {
    return this.removals === 0 && this.#watchers.length === 0 && this.posix.empty && allEmpty(this.inodelks) && allEmpty(this.entrylks);
  }

  /** Resolves at the next change, or when the signal aborts. */
  changed(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const woken = (): void => {
        signal?.removeEventListener('abort', woken);
        this.#watchers = this.#watchers.filter((each) => each !== woken);
        resolve();
      };
      if (signal?.aborted) return resolve();
      this.#watchers.push(woken);
      signal?.addEventListener('abort', woken);
    });
  }

  announce(): void {
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const watcher of watchers) watcher();
  }

  inodelkCount(domain?: Bytes): number {
    if (domain !== undefined) return this.inodelks.get(domain)?.count ?? 0;
    let count = 0;
    for (const locks of this.inodelks.values()) count += locks.count;
    return count;
  }

  entrylkCount(): number {
    let count = 0;
    for (const locks of this.entrylks.values()) count += locks.count;
    return count;
  }

  /** Whether the best matching entrylk for a name, in any domain, is on exactly that name. */
  holdsEntry(name: Bytes): boolean {
    for (const locks of this.entrylks.values()) if (locks.granted.some((lock) => lock.name === name)) return true;
    return false;
  }
}

function allEmpty(domains: ReadonlyMap<Bytes, { readonly empty: boolean }>): boolean {
  for (const locks of domains.values()) if (!locks.empty) return false;
  return true;
}
