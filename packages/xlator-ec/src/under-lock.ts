import { Errno, type Fd, FopError, type Frame, IaType, type Iatt, type Inode, type Xdata } from '@glusterts/libglusterfs';
import { Disagreement } from './answers.js';
import type { Cluster } from './cluster.js';
import { countOf } from './geometry.js';
import type { InodeLock, Wanted } from './inode-lock.js';

/** The whole file. */
const FULL = { start: 0, end: Infinity };

export const READ_FULL = (fd?: Fd): Wanted => ({ data: false, metadata: false, query: true, read: true, writes: false, ...FULL, fd });
export const READ_RANGE = (fd: Fd, start: number, end: number): Wanted => ({ data: false, metadata: false, query: true, read: true, writes: false, start, end, fd });
export const WRITE_RANGE = (fd: Fd | undefined, start: number, end: number): Wanted => ({ data: true, metadata: true, query: true, read: false, writes: true, start, end, fd });
export const METADATA = (fd?: Fd): Wanted => ({ data: false, metadata: true, query: true, read: false, writes: false, ...FULL, fd });
const ENTRY: Wanted = { data: true, metadata: true, query: false, read: false, writes: false, ...FULL, fd: undefined };
export const PLAIN = (fd?: Fd, query = false): Wanted => ({ data: false, metadata: false, query, read: false, writes: false, ...FULL, fd });

export interface Done<R> {
  readonly reply: R;
  readonly asked: number;
  readonly answered: number;
}

/** The inode's lock, made at first use. Errors: EINVAL for an inode without a gfid. */
export function lockOf(cluster: Cluster, inode: Inode): InodeLock {
  return cluster.locks.of(cluster, inode);
}

/** An agreed error is an answer; these say that there was none. */
function isAnswer(error: unknown): boolean {
  return error instanceof FopError && error.errno !== Errno.EIO && error.errno !== Errno.ENOTCONN;
}

/** With `quorum-count`, updates need that many bricks (spec/ec.md, §8). */
export function needQuorum(cluster: Cluster, mask: number, wanted: Wanted): void {
  const quorum = cluster.options.number('quorum-count');
  if (quorum > 0 && (wanted.data || wanted.metadata) && countOf(mask & cluster.up) < quorum) throw new FopError(Errno.EIO);
}

/** Runs a fop as an owner of the inode's lock. */
export async function underLock<R extends { xdata: Xdata }>(cluster: Cluster, frame: Frame, inode: Inode, wanted: Wanted, body: (lock: InodeLock) => Promise<Done<R>>): Promise<R> {
  cluster.needUp();
  // Before anything is marked for a change that can't be made.
  needQuorum(cluster, cluster.up, wanted);
  const lock = lockOf(cluster, inode);
  await lock.enter(wanted, frame);
  let done: Done<R>;
  try {
    needQuorum(cluster, lock.good, wanted);
    done = await body(lock);
  } catch (error) {
    lock.leave(wanted, { asked: 0, answered: 0, succeeded: false, valid: isAnswer(error), xdata: undefined, doubtful: error instanceof Disagreement });
    throw error;
  }
  lock.leave(wanted, { asked: done.asked, answered: done.answered, succeeded: true, valid: true, xdata: done.reply.xdata, doubtful: false });
  // It is done where it was done, but the caller isn't told so.
  needQuorum(cluster, done.answered & ~lock.healing, wanted);
  return done.reply;
}

/** As `underLock`, over one or two directories; the larger gfid first, so that clients never wait for each other crosswise. `asksCount`: the fop is to ask for the number of locks. */
export async function underLocks<R extends { xdata: Xdata }>(cluster: Cluster, frame: Frame, inodes: readonly Inode[], body: (good: number, asksCount: boolean) => Promise<Done<R>>): Promise<R> {
  const [first, second] = inodes;
  if (!first) throw new FopError(Errno.EINVAL);
  if (!second || second === first) return underLock(cluster, frame, first, { ...ENTRY }, (lock) => body(lock.good, lock.askCount()));
  const [larger, smaller] = first.gfid > second.gfid ? [first, second] : [second, first];
  return underLock(cluster, frame, larger, { ...ENTRY }, async (outer) => {
    let done: Done<R> | undefined;
    const reply = await underLock(cluster, frame, smaller, { ...ENTRY }, async (inner) => {
      done = await body(outer.good & inner.good, outer.askCount() || inner.askCount());
      return done;
    });
    return { reply, asked: done?.asked ?? 0, answered: done?.answered ?? 0 };
  });
}

/** The user's size in place of a fragment's. */
export function withSize(stat: Iatt, size: number): Iatt {
  if (stat.ia_type === IaType.REG) stat.ia_size = size;
  return stat;
}
