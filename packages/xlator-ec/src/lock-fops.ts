import { type Bytes, EntrylkCmd, type EntrylkType, Errno, type Fd, type Flock, FopError, type Frame, InodelkCmd, LkCmd, type LkReply, LkType, type Loc, type PlainReply, type Subvolume, type Xdata } from '@glusterts/libglusterfs';
import { type Answer, type Same, type Winner, decide, groupAnswers, mergeXdata } from './answers.js';
import type { Cluster } from './cluster.js';
import { bricksOf, countOf } from './geometry.js';
import { openEverywhere } from './file-fops.js';
import { lockOf } from './under-lock.js';

/** How one kind of lock is taken and given back on a brick. */
interface Locking<R> {
  lock(child: Subvolume, wait: boolean): Promise<R>;
  unlock(child: Subvolume): Promise<unknown>;
  readonly same: Same<R>;
}

/** Locks for the layers above, on all bricks (spec/ec.md, §20): at once without waiting; if somebody is in the way, brick by brick in order. */
async function acquire<R>(cluster: Cluster, wait: boolean, locking: Locking<R>): Promise<Winner<R>> {
  cluster.needUp();
  const answers = await cluster.all(cluster.up, (child) => locking.lock(child, false));
  const granted = maskOf(answers, undefined);
  const again = maskOf(answers, Errno.EAGAIN);
  if (again === 0) {
    try {
      return decide(groupAnswers(answers, locking.same), cluster.k);
    } catch (error) {
      await cluster.all(granted, (child) => locking.unlock(child));
      throw error;
    }
  }
  await cluster.all(granted, (child) => locking.unlock(child));
  if (countOf(granted | again) < cluster.k) throw new FopError(Errno.EIO);
  if (!wait) throw new FopError(Errno.EAGAIN);
  const waited: Answer<R>[] = [];
  for (const brick of bricksOf(cluster.up)) waited.push(...(await cluster.all(1 << brick, (child) => locking.lock(child, true))));
  try {
    return decide(groupAnswers(waited, locking.same), cluster.k);
  } catch (error) {
    await cluster.all(maskOf(waited, undefined), (child) => locking.unlock(child));
    throw error;
  }
}

function maskOf(answers: readonly Answer<unknown>[], errno: number | undefined): number {
  let mask = 0;
  for (const { brick, error } of answers) if (error?.errno === errno) mask |= 1 << brick;
  return mask;
}

/** To all that are up, and one is enough. */
async function release<R extends { xdata: Xdata }>(cluster: Cluster, wind: (child: Subvolume) => Promise<R>, same: Same<R>): Promise<R> {
  const answers = await cluster.all(cluster.up, wind);
  return decide(groupAnswers(answers, same), 1).first;
}

const samePlain = (): boolean => true;
const sameFlock = (a: LkReply, b: LkReply): boolean => a.flock.type === b.flock.type && a.flock.whence === b.flock.whence && a.flock.start === b.flock.start && a.flock.len === b.flock.len && a.flock.pid === b.flock.pid && a.flock.owner === b.flock.owner;

export async function lk(cluster: Cluster, frame: Frame, fd: Fd, cmd: LkCmd, flock: Flock, xdata: Xdata): Promise<LkReply> {
  await openEverywhere(cluster, frame, fd, cluster.up);
  if (cmd !== LkCmd.SETLK && cmd !== LkCmd.SETLKW) {
    const { winner } = await cluster.agree(cluster.up, (child) => child.lk(frame, fd, cmd, flock, xdata), sameFlock);
    return winner.first;
  }
  if (flock.type === LkType.UNLCK) return release(cluster, (child) => child.lk(frame, fd, cmd, flock, xdata), sameFlock);
  lockOf(cluster, fd.inode).userLocks = true;
  const winner = await acquire(cluster, cmd === LkCmd.SETLKW, {
    lock: (child, wait) => child.lk(frame, fd, wait ? LkCmd.SETLKW : LkCmd.SETLK, flock, xdata),
    unlock: (child) => child.lk(frame, fd, LkCmd.SETLK, { ...flock, type: LkType.UNLCK }, undefined),
    same: sameFlock,
  });
  return { flock: winner.first.flock, xdata: mergeXdata(winner.replies.map((r) => r.xdata)) };
}

/** A range of the user's file as one of the fragments' (spec/ec.md, §20). */
function scaled(cluster: Cluster, flock: Flock): Flock {
  const stripe = BigInt(cluster.geometry.stripe);
  const k = BigInt(cluster.k);
  const head = flock.start % stripe;
  const length = flock.len + head;
  return { ...flock, start: (flock.start - head) / k, len: flock.len === 0n && head === 0n ? 0n : (((length + stripe - 1n) / stripe) * stripe) / k };
}

export function inodelk(cluster: Cluster, frame: Frame, volume: Bytes, loc: Loc, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
  return rangeLock(cluster, cmd, scaled(cluster, flock), (child, command, range) => child.inodelk(frame, volume, loc, command, range, xdata));
}

export function finodelk(cluster: Cluster, frame: Frame, volume: Bytes, fd: Fd, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
  return rangeLock(cluster, cmd, scaled(cluster, flock), (child, command, range) => child.finodelk(frame, volume, fd, command, range, xdata));
}

async function rangeLock(cluster: Cluster, cmd: InodelkCmd, flock: Flock, wind: (child: Subvolume, cmd: InodelkCmd, flock: Flock) => Promise<PlainReply>): Promise<PlainReply> {
  if (flock.type === LkType.UNLCK) return release(cluster, (child) => wind(child, cmd, flock), samePlain);
  const winner = await acquire(cluster, cmd === InodelkCmd.SETLKW, {
    lock: (child, wait) => wind(child, wait ? InodelkCmd.SETLKW : InodelkCmd.SETLK, flock),
    unlock: (child) => wind(child, InodelkCmd.SETLK, { ...flock, type: LkType.UNLCK }),
    same: samePlain,
  });
  return { xdata: mergeXdata(winner.replies.map((r) => r.xdata)) };
}

export function entrylk(cluster: Cluster, frame: Frame, volume: Bytes, loc: Loc, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply> {
  return nameLock(cluster, cmd, (child, command) => child.entrylk(frame, volume, loc, name, command, type, xdata));
}

export function fentrylk(cluster: Cluster, frame: Frame, volume: Bytes, fd: Fd, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply> {
  return nameLock(cluster, cmd, (child, command) => child.fentrylk(frame, volume, fd, name, command, type, xdata));
}

async function nameLock(cluster: Cluster, cmd: EntrylkCmd, wind: (child: Subvolume, cmd: EntrylkCmd) => Promise<PlainReply>): Promise<PlainReply> {
  if (cmd === EntrylkCmd.UNLOCK) return release(cluster, (child) => wind(child, cmd), samePlain);
  const winner = await acquire(cluster, cmd === EntrylkCmd.LOCK, {
    lock: (child, wait) => wind(child, wait ? EntrylkCmd.LOCK : EntrylkCmd.LOCK_NB),
    unlock: (child) => wind(child, EntrylkCmd.UNLOCK),
    same: samePlain,
  });
  return { xdata: mergeXdata(winner.replies.map((r) => r.xdata)) };
}
