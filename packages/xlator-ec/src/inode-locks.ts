import type { Bytes, CtxSlot, Inode } from '@glusterts/libglusterfs';
import type { Cluster } from './cluster.js';
import { InodeLock } from './inode-lock.js';

/** Bytes of a lock owner. */
const OWNER_SIZE = 8;

/**
 * The locks of this client's inodes. Most of a million files are not in use: of one whose lock nobody needs any more only the lock's owner is kept. The
 * next lock has the same, so that it is had at once where the last one could not be given back.
 */
export class InodeLocks {
  readonly #slot: CtxSlot<InodeLock | Bytes>;

  constructor(slot: CtxSlot<InodeLock | Bytes>) {
    this.#slot = slot;
  }

  get(inode: Inode): InodeLock | undefined {
    const cell = this.#slot.get(inode);
    return typeof cell === 'object' ? cell : undefined;
  }

  /** The inode's lock, made at first use. */
  of(cluster: Cluster, inode: Inode): InodeLock {
    const cell = this.#slot.get(inode);
    if (typeof cell === 'object') return cell;
    const owner = cell ?? (Buffer.from(cluster.graph.platform.random.bytes(OWNER_SIZE)).toString('latin1') as Bytes);
    const lock = new InodeLock(cluster, inode, owner);
    this.#slot.set(inode, lock);
    return lock;
  }

  /** Nothing of it is of use to the next fop. */
  dismiss(inode: Inode, lock: InodeLock): void {
    if (this.#slot.get(inode) === lock) this.#slot.set(inode, lock.owner);
  }

  forget(inode: Inode): void {
    this.#slot.delete(inode);
  }
}
