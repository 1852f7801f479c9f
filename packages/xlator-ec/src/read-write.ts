import { CHUNK_SIZE, Dict, Errno, Fd, FopError, type Frame, type Iatt, IoVec, type Iobuf, OpenFlag, type ReadReply, type WriteReply, type Xdata } from '@glusterts/libglusterfs';
import { AlongAnswers } from './along.js';
import { type Answer, decide, groupAnswers, mergeIatts, mergeXdata, sameDict, sameIatt } from './answers.js';
import { type Cluster, toFopError } from './cluster.js';
import { countOf } from './geometry.js';
import type { InodeLock } from './inode-lock.js';
import { CLOSING, withLockCount } from './version-xattrs.js';

const O_APPEND = 0o2000;
const INTERNAL = 'glusterfs-internal-fop';

/** What was read: the user's bytes, and how it went. */
interface StripeRead {
  readonly data: Uint8Array;
  readonly page: Iobuf | undefined;
  readonly reply: ReadReply;
  readonly asked: number;
  readonly answered: number;
}

/** Bytes of iobuf memory, whole stripes of them. */
function page(cluster: Cluster, size: number): { memory: Uint8Array; iobuf: Iobuf } {
  const iobuf = cluster.graph.iobufs.get(size);
  return { memory: iobuf.memory.subarray(0, size), iobuf };
}

/**
 * Reads whole stripes from k bricks and decodes them; short at the end of the fragments (spec/ec.md, §15). The caller unrefs `page`.
 */
export async function readStripes(cluster: Cluster, frame: Frame, fd: Fd, offset: number, size: number, flags: number, mask: number, xdata: Xdata): Promise<StripeRead> {
  const { k } = cluster;
  const order = cluster.order(cluster.usable(mask & cluster.readMask), fd.inode);
  const answers: Answer<ReadReply>[] = [];
  const ask = async (brick: number): Promise<void> => {
    try {
      const reply = await cluster.child(brick).readv(frame, fd, size / k, offset / k, flags, xdata);
      if (reply.vector.size % CHUNK_SIZE !== 0) {
        reply.vector.unref();
        answers.push({ brick, reply: undefined, error: new FopError(Errno.EIO) });
      } else answers.push({ brick, reply, error: undefined });
    } catch (error) {
      answers.push({ brick, reply: undefined, error: toFopError(error, cluster.log) });
    }
  };
  let asked = 0;
  const next = async (count: number): Promise<void> => {
    const bricks = order.splice(0, count);
    for (const brick of bricks) asked |= 1 << brick;
    await Promise.all(bricks.map(ask));
  };
  try {
    await next(k);
    for (;;) {
      const groups = groupAnswers(answers, (a, b) => a.vector.size === b.vector.size && sameIatt(a.stat, b.stat, true) && sameDict(a.xdata, b.xdata));
      const best = groups[0];
      if (best && countOf(best.mask) >= k) {
        const winner = decide(groups, k);
        const chosen = winner.replies.slice(0, k);
        const { data, iobuf } = decodeFragments(cluster, winner.bricks.slice(0, k), chosen.map(({ vector }) => vector));
        const reply: ReadReply = { ...winner.first, stat: mergeIatts(winner.replies.map(({ stat }) => stat), k), xdata: mergeXdata(winner.replies.map((r) => r.xdata)) };
        return { data, page: iobuf, reply, asked, answered: winner.mask };
      }
      if (order.length === 0) {
        decide(groups, k);
        throw new FopError(Errno.EIO);
      }
      await next(1);
    }
  } finally {
    for (const { reply } of answers) reply?.vector.unref();
  }
}

export function decodeFragments(cluster: Cluster, bricks: readonly number[], vectors: readonly IoVec[]): { data: Uint8Array; iobuf: Iobuf | undefined } {
  const length = vectors[0]?.size ?? 0;
  if (length === 0) return { data: new Uint8Array(0), iobuf: undefined };
  const { memory, iobuf } = page(cluster, length * cluster.k);
  cluster.codec.decode(cluster.k, bricks, vectors.map((vector) => vector.toUint8Array()), memory);
  return { data: memory, iobuf };
}

/**
 * readv under the lock: the user's part of the stripes.
 * @param often the file is read again and again: how many want the lock is asked beside the reads then, and not by each
 */
export async function readUnderLock(cluster: Cluster, lock: InodeLock, frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata, often: boolean): Promise<{ reply: ReadReply; asked: number; answered: number }> {
  const { geometry } = cluster;
  const head = geometry.head(offset);
  const aligned = geometry.down(offset);
  if (often) lock.watchContention(frame);
  const read = await readStripes(cluster, frame, fd, aligned, geometry.up(size + head), flags, lock.good, often ? xdata : withLockCount(xdata, cluster.name));
  const reply = clipped({ data: read.data, page: read.page, stat: read.reply.stat, xdata: read.reply.xdata }, lock.size, head, size, offset);
  return { reply, asked: read.asked, answered: read.answered };
}

/** Of decoded stripes what the user asked for, up to the file's end. */
export function clipped(read: { readonly data: Uint8Array; readonly page: Iobuf | undefined; readonly stat: Iatt; readonly xdata: Xdata }, fileSize: number, head: number, size: number, offset: number): ReadReply {
  const end = Math.min(read.data.length, head + size, Math.max(head, fileSize - (offset - head)));
  const bytes = read.data.subarray(Math.min(head, end), end);
  read.stat.ia_size = fileSize;
  return { vector: read.page ? new IoVec([bytes], [read.page]) : IoVec.empty, stat: read.stat, eof: offset + bytes.length >= fileSize, xdata: read.xdata };
}

/** Where a write goes: O_APPEND counts only once the size is known. */
export function writeOffset(cluster: Cluster, lock: InodeLock, fd: Fd, offset: number): number {
  return ((cluster.fdCtx(fd)?.flags ?? fd.flags) & O_APPEND) !== 0 ? lock.size : offset;
}

/**
 * writev under the lock (spec/ec.md, §16): whole stripes, their edges filled from what is there, encoded, one fragment to each
 * brick. `grow`: the size of the file follows (not for zeros written behind the user's back).
 */
export async function writeUnderLock(
  cluster: Cluster,
  lock: InodeLock,
  frame: Frame,
  fd: Fd,
  vector: IoVec,
  offset: number,
  flags: number,
  xdata: Xdata,
  grow: boolean,
): Promise<{ reply: WriteReply; asked: number; answered: number }> {
  const { geometry, k } = cluster;
  const head = geometry.head(offset);
  const aligned = offset - head;
  const total = geometry.up(head + vector.size);
  const whole = head === 0 && total === vector.size && vector.chunks.length === 1;
  const { data, iobuf } = whole ? { data: vector.toUint8Array(), iobuf: undefined } : await fillEdges(cluster, lock, frame, fd, vector, head, aligned, total);
  const bricks: number[] = [];
  const pages: Iobuf[] = [];
  const fragments: Uint8Array[] = [];
  const byBrick = new Map<number, IoVec>();
  let settle: ((agreed: number) => Promise<void>) | undefined;
  try {
    const mask = cluster.usable(lock.good) | (lock.healing & cluster.up);
    for (let brick = 0; brick < geometry.n; brick++) {
      if (((mask >>> brick) & 1) === 0) continue;
      const fragment = page(cluster, total / k);
      bricks.push(brick);
      pages.push(fragment.iobuf);
      fragments.push(fragment.memory);
      byBrick.set(brick, new IoVec([fragment.memory], [fragment.iobuf]));
    }
    cluster.codec.encode(k, bricks, data, fragments);
    // Zeros are a part of another fop, which has asked for the locks already.
    const closing = grow && xdata?.has(CLOSING) === true;
    const asksCount = grow && lock.askCount();
    const request = asksCount ? withLockCount(xdata, cluster.name) : closing ? xdata.clone() : xdata;
    if (closing) request?.delete(CLOSING);
    const along = new AlongAnswers();
    const publish = closing && request && lock.mayPublishWith ? lock.publishWith(frame, request, Math.max(lock.size, offset + vector.size)) : undefined;
    settle = publish && ((agreed) => publish(along.answers, agreed));
    const writing = cluster.all(mask, async (child, brick) => {
      const sent = child.writev(frame, fd, byBrick.get(brick) ?? IoVec.empty, aligned / k, flags & ~O_APPEND, request);
      const reply = await (publish ? along.watch(brick, sent) : sent);
      if (reply.written !== total / k) throw new FopError(reply.written % CHUNK_SIZE === 0 ? Errno.ENOSPC : Errno.EIO);
      return reply;
    });
    const winner = decide(groupAnswers(await writing, (a, b) => sameIatt(a.prestat, b.prestat, true) && sameIatt(a.poststat, b.poststat, true) && sameDict(a.xdata, b.xdata)), k, lock.healing);
    const published = settle;
    settle = undefined;
    await published?.(winner.mask);
    lock.stripes.written(aligned, data);
    if (head + vector.size < total || (head > 0 && total === geometry.stripe)) {
      const last = total - geometry.stripe;
      lock.stripes.keep(aligned + last, data.subarray(last, total), cluster.options.number('stripe-cache'));
    }
    const before = lock.size;
    if (grow) lock.size = Math.max(lock.size, offset + vector.size);
    const prestat = mergeIatts(winner.replies.map((r) => r.prestat), k);
    const poststat = mergeIatts(winner.replies.map((r) => r.poststat), k);
    prestat.ia_size = before;
    poststat.ia_size = lock.size;
    return { reply: { prestat, poststat, written: vector.size, xdata: mergeXdata(winner.replies.map((r) => r.xdata)) }, asked: mask, answered: winner.mask };
  } catch (error) {
    lock.stripes.forget(aligned, aligned + total);
    await settle?.(0);
    throw error;
  } finally {
    for (const p of pages) p.unref();
    iobuf?.unref();
  }
}

/** The write with what stands before and after it in its first and last stripe (spec/ec.md, §16, 2 to 4). */
async function fillEdges(cluster: Cluster, lock: InodeLock, frame: Frame, fd: Fd, vector: IoVec, head: number, aligned: number, total: number): Promise<{ data: Uint8Array; iobuf: Iobuf }> {
  const { stripe } = cluster.geometry;
  const { memory, iobuf } = page(cluster, total);
  try {
    const end = head + vector.size;
    const tail = total - end;
    // Nothing of the file lies behind a write that ends where the file does, or later.
    const behind = tail > 0 && lock.size > aligned + end;
    const reads: Promise<void>[] = [];
    if (tail > 0) memory.fill(0, end);
    if (head > 0 || (behind && total === stripe)) reads.push(readInto(cluster, lock, frame, fd, memory.subarray(0, stripe), aligned));
    if (behind && total > stripe) reads.push(readInto(cluster, lock, frame, fd, memory.subarray(total - stripe), aligned + total - stripe));
    await Promise.all(reads);
    vector.copyTo(memory, head);
    return { data: memory, iobuf };
  } catch (error) {
    iobuf.unref();
    throw error;
  }
}

/** One stripe of the file as it is; zeros beyond its end. */
async function readInto(cluster: Cluster, lock: InodeLock, frame: Frame, fd: Fd, target: Uint8Array, offset: number): Promise<void> {
  if (lock.size > offset && lock.stripes.read(offset, target)) return;
  target.fill(0);
  if (lock.size <= offset) return;
  const readable = readableFd(cluster, fd);
  try {
    const read = await readStripes(cluster, cluster.internal(frame), readable, offset, target.length, 0, lock.good, new Dict().setStr(INTERNAL, 'yes'));
    target.set(read.data.subarray(0, Math.min(target.length, read.data.length, lock.size - offset)));
    read.page?.unref();
  } finally {
    readable.unref();
  }
}

/** The file may be open for writing only: EC reads it by its gfid then, which needs a name that leads to it. */
function readableFd(cluster: Cluster, fd: Fd): Fd {
  const isReadable = ((cluster.fdCtx(fd)?.flags ?? fd.flags) & OpenFlag.ACCMODE) === OpenFlag.RDWR;
  return fd.anonymous || isReadable ? fd.ref() : new Fd(fd.inode, { flags: OpenFlag.RDWR, anonymous: true });
}
