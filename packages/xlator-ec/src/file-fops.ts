import { CHUNK_SIZE, Errno, Fd, FopError, type Frame, IoVec, type Loc, type OpenReply, type PlainReply, type PrePostReply, type ReadReply, Seek, type SeekReply, type WriteReply, type Xdata } from '@glusterts/libglusterfs';
import { mergeIatts, mergeXdata, sameDict, sameIatt } from './answers.js';
import type { Cluster } from './cluster.js';
import { bricksOf } from './geometry.js';
import type { InodeLock } from './inode-lock.js';
import { readUnderLock, writeOffset, writeUnderLock } from './read-write.js';
import { readUnlocked } from './unlocked-read.js';
import { type Done, PLAIN, READ_RANGE, WRITE_RANGE, underLock, withSize } from './under-lock.js';
import { withLockCount } from './version-xattrs.js';

const O_RDWR = 2;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
/** Zeros are written in pieces of this many bytes at most; there are never more than a stripe's. */
const ZEROS = new Uint8Array(16 * CHUNK_SIZE);

const samePrePost = (a: PrePostReply, b: PrePostReply): boolean => sameIatt(a.prestat, b.prestat, true) && sameIatt(a.poststat, b.poststat, true) && sameDict(a.xdata, b.xdata);

export async function open(cluster: Cluster, frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
  const { winner } = await cluster.agree(cluster.up, (child) => child.open(frame, loc, flags & ~(O_APPEND | O_TRUNC), fd, xdata), (a, b) => sameDict(a.xdata, b.xdata));
  cluster.fds.set(fd, { flags, open: winner.mask, directory: false, badVersion: cluster.locks.get(loc.inode)?.badVersion ?? 0 });
  if ((flags & O_TRUNC) !== 0) await ftruncate(cluster, frame, fd, 0, undefined);
  return { fd, xdata: mergeXdata(winner.replies.map((r) => r.xdata)) };
}

/** Opens the fd on bricks that missed its opening (spec/ec.md, §19, "Reopen"). Failures show in the fop itself. */
export async function openEverywhere(cluster: Cluster, frame: Frame, fd: Fd, mask: number): Promise<void> {
  const ctx = cluster.fdCtx(fd);
  if (!ctx || fd.anonymous) return;
  const missing = mask & cluster.up & ~ctx.open;
  if (missing === 0 || bricksOf(missing).length >= cluster.k) return;
  const loc = cluster.locOf(fd.inode);
  const internal = cluster.internal(frame);
  const answers = await cluster.all(missing, (child) => (ctx.directory ? child.opendir(internal, loc, fd, undefined) : child.open(internal, loc, ctx.flags & ~(O_TRUNC | O_APPEND | O_CREAT | O_EXCL), fd, undefined)));
  for (const { brick, error } of answers) if (!error) ctx.open |= 1 << brick;
}

export async function readv(cluster: Cluster, frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
  const { geometry } = cluster;
  cluster.needUp();
  const often = cluster.runs.count(fd.inode);
  if (!often) {
    const unlocked = await readUnlocked(cluster, frame, fd, size, offset, flags, xdata);
    if (unlocked) return unlocked;
  }
  return underLock(cluster, frame, fd.inode, READ_RANGE(fd, geometry.down(offset), geometry.up(offset + size)), (lock) => readUnderLock(cluster, lock, frame, fd, size, offset, flags, xdata, often));
}

export function writev(cluster: Cluster, frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
  const { geometry } = cluster;
  const append = ((cluster.fdCtx(fd)?.flags ?? fd.flags) & O_APPEND) !== 0;
  const wanted = append ? WRITE_RANGE(fd, 0, Infinity) : WRITE_RANGE(fd, geometry.down(offset), geometry.up(offset + vector.size));
  return underLock(cluster, frame, fd.inode, wanted, async (lock) => {
    await openEverywhere(cluster, frame, fd, lock.good);
    return writeUnderLock(cluster, lock, frame, fd, vector, writeOffset(cluster, lock, fd, offset), flags, xdata, true);
  });
}

/** Zeros over [start, end), merged into the stripes around them; the size stays. */
async function writeZeros(cluster: Cluster, lock: InodeLock, frame: Frame, fd: Fd, start: number, end: number): Promise<number> {
  if (end <= start) return -1;
  const done = await writeUnderLock(cluster, lock, cluster.internal(frame), fd, IoVec.from(ZEROS.subarray(0, end - start)), start, 0, undefined, false);
  return done.answered;
}

/** To `size`: the bricks' files to whole stripes, what lies behind it in the last one to zeros (spec/ec.md, §17). */
async function cut(cluster: Cluster, lock: InodeLock, frame: Frame, fd: Fd, size: number, wind: (child: Cluster['children'][number], brickSize: number) => Promise<PrePostReply>): Promise<Done<PrePostReply>> {
  const { geometry, k } = cluster;
  const before = lock.size;
  const healing = lock.healing;
  const { asked, winner } = await cluster.agree(lock.good, (child) => wind(child, geometry.up(size) / k), samePrePost, healing);
  lock.size = size;
  lock.stripes.forget(geometry.up(size), Infinity);
  const zeroed = before > size ? await writeZeros(cluster, lock, frame, fd, size, geometry.up(size)) : -1;
  const reply: PrePostReply = {
    prestat: withSize(mergeIatts(winner.replies.map((r) => r.prestat), k), before),
    poststat: withSize(mergeIatts(winner.replies.map((r) => r.poststat), k), size),
    xdata: mergeXdata(winner.replies.map((r) => r.xdata)),
  };
  return { reply, asked, answered: winner.mask & zeroed };
}

export function truncate(cluster: Cluster, frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
  return underLock(cluster, frame, loc.inode, WRITE_RANGE(undefined, cluster.geometry.down(offset), Infinity), async (lock) => {
    const fd = new Fd(loc.inode, { flags: O_RDWR, anonymous: true });
    try {
      return await cut(cluster, lock, frame, fd, offset, (child, size) => child.truncate(frame, loc, size, withLockCount(xdata, cluster.name)));
    } finally {
      fd.unref();
    }
  });
}

export function ftruncate(cluster: Cluster, frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
  return underLock(cluster, frame, fd.inode, WRITE_RANGE(fd, cluster.geometry.down(offset), Infinity), async (lock) => {
    await openEverywhere(cluster, frame, fd, lock.good);
    return cut(cluster, lock, frame, fd, offset, (child, size) => child.ftruncate(frame, fd, size, withLockCount(xdata, cluster.name)));
  });
}

export function fallocate(cluster: Cluster, frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
  if (len <= 0) return Promise.reject(new FopError(Errno.EINVAL));
  const { geometry, k } = cluster;
  const start = geometry.down(offset);
  const end = geometry.up(offset + len);
  return underLock(cluster, frame, fd.inode, WRITE_RANGE(fd, start, end), async (lock) => {
    await openEverywhere(cluster, frame, fd, lock.good);
    const before = lock.size;
    const { asked, winner } = await cluster.agree(lock.good, (child) => child.fallocate(frame, fd, keep_size, start / k, (end - start) / k, withLockCount(xdata, cluster.name)), samePrePost, lock.healing);
    if (!keep_size) lock.size = Math.max(lock.size, offset + len);
    const reply: PrePostReply = {
      prestat: withSize(mergeIatts(winner.replies.map((r) => r.prestat), k), before),
      poststat: withSize(mergeIatts(winner.replies.map((r) => r.poststat), k), lock.size),
      xdata: mergeXdata(winner.replies.map((r) => r.xdata)),
    };
    return { reply, asked, answered: winner.mask };
  });
}

/** A hole: whole stripes are punched, the rest is zeroed; nothing beyond the end is touched (spec/ec.md, §17). */
export function discard(cluster: Cluster, frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
  if (len <= 0) return Promise.reject(new FopError(Errno.EINVAL));
  const { geometry, k } = cluster;
  return underLock(cluster, frame, fd.inode, WRITE_RANGE(fd, geometry.down(offset), geometry.up(offset + len)), async (lock) => {
    await openEverywhere(cluster, frame, fd, lock.good);
    const end = Math.min(offset + len, lock.size);
    const first = geometry.up(offset);
    const last = Math.max(first, geometry.down(end));
    let asked = cluster.usable(lock.good);
    let answered = asked;
    let reply: PrePostReply | undefined;
    if (last > first) {
      const punched = await cluster.agree(lock.good, (child) => child.discard(frame, fd, first / k, (last - first) / k, withLockCount(xdata, cluster.name)), samePrePost, lock.healing);
      asked = punched.asked;
      lock.stripes.forget(first, last);
      answered = punched.winner.mask;
      reply = { prestat: mergeIatts(punched.winner.replies.map((r) => r.prestat), k), poststat: mergeIatts(punched.winner.replies.map((r) => r.poststat), k), xdata: mergeXdata(punched.winner.replies.map((r) => r.xdata)) };
      // Two stripes that have nothing to do with each other.
      for (const zeroed of await Promise.all([writeZeros(cluster, lock, frame, fd, offset, first), writeZeros(cluster, lock, frame, fd, last, end)])) answered &= zeroed;
    } else answered &= await writeZeros(cluster, lock, frame, fd, offset, end);
    if (!reply) {
      const { winner } = await cluster.agree(lock.good, (child) => child.fstat(frame, fd, undefined), () => true);
      const stat = mergeIatts(winner.replies.map((r) => r.stat), k);
      reply = { prestat: stat, poststat: stat.clone(), xdata: undefined };
    }
    withSize(reply.prestat, lock.size);
    withSize(reply.poststat, lock.size);
    return { reply, asked, answered };
  });
}

export function seek(cluster: Cluster, frame: Frame, fd: Fd, offset: number, what: Seek, xdata: Xdata): Promise<SeekReply> {
  const { geometry, k } = cluster;
  return underLock(cluster, frame, fd.inode, READ_RANGE(fd, geometry.down(offset), Infinity), async (lock) => {
    if (offset >= lock.size) throw new FopError(Errno.ENXIO);
    const { reply, brick } = await cluster.one(lock.good, fd.inode, (child) => child.seek(frame, fd, geometry.down(offset) / k, what, withLockCount(xdata, cluster.name)));
    if (what === Seek.DATA && reply.offset * k >= lock.size) throw new FopError(Errno.ENXIO);
    return { reply: { offset: Math.min(Math.max(Math.floor(reply.offset / CHUNK_SIZE) * geometry.stripe, offset), lock.size), xdata: reply.xdata }, asked: 1 << brick, answered: 1 << brick };
  });
}

/** Fails when what an earlier post-op should have written isn't there (spec/ec.md, §13, 6). */
function needGoodVersion(cluster: Cluster, lock: InodeLock, fd: Fd): void {
  const ctx = cluster.fdCtx(fd);
  if (ctx && lock.badVersion !== ctx.badVersion) throw new FopError(Errno.EBADF);
}

const samePlain = (a: PlainReply, b: PlainReply): boolean => sameDict(a.xdata, b.xdata);

/**
 * Publishes versions and size. With no lock held nothing is pending, and none is taken just for closing a file. All that a brick
 * does at FLUSH is to drop the owner's posix locks: without any it isn't told.
 */
export async function flush(cluster: Cluster, frame: Frame, fd: Fd, xdata: Xdata): Promise<PlainReply> {
  cluster.needUp();
  const lock = cluster.locks.get(fd.inode);
  if (lock?.busy !== true && cluster.quiet.get(fd.inode)?.marked !== true) {
    if (lock) needGoodVersion(cluster, lock, fd);
    if (lock?.userLocks !== true) return { xdata: undefined };
    const ctx = cluster.fdCtx(fd);
    const { winner } = await cluster.agree(ctx ? ctx.open : cluster.up, (child) => child.flush(frame, fd, xdata), samePlain);
    return { xdata: mergeXdata(winner.replies.map((r) => r.xdata)) };
  }
  return underLock(cluster, frame, fd.inode, PLAIN(fd), async (held) => {
    await openEverywhere(cluster, frame, fd, held.good);
    await held.publish(frame, true);
    needGoodVersion(cluster, held, fd);
    if (!held.userLocks) return { reply: { xdata: undefined }, asked: 0, answered: 0 };
    const request = withLockCount(xdata, cluster.name);
    const { asked, winner } = await cluster.agree(held.good, (child) => child.flush(frame, fd, request), samePlain);
    return { reply: { xdata: mergeXdata(winner.replies.map((r) => r.xdata)) }, asked, answered: winner.mask };
  });
}

export function fsync(cluster: Cluster, frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PrePostReply> {
  return underLock(cluster, frame, fd.inode, PLAIN(fd, true), async (lock) => {
    await openEverywhere(cluster, frame, fd, lock.good);
    await lock.publish(frame, false);
    needGoodVersion(cluster, lock, fd);
    const { asked, winner } = await cluster.agree(lock.good, (child) => child.fsync(frame, fd, datasync, withLockCount(xdata, cluster.name)), samePrePost);
    const reply: PrePostReply = {
      prestat: withSize(mergeIatts(winner.replies.map((r) => r.prestat), cluster.k), lock.size),
      poststat: withSize(mergeIatts(winner.replies.map((r) => r.poststat), cluster.k), lock.size),
      xdata: mergeXdata(winner.replies.map((r) => r.xdata)),
    };
    return { reply, asked, answered: winner.mask };
  });
}
