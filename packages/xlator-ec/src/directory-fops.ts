import { type Direntp, Errno, type Fd, FopError, type Frame, IaType, type Loc, type OpenReply, type PlainReply, type ReaddirReply, type Xdata, Dict, graphLeaves, leafOfDOff } from '@glusterts/libglusterfs';
import { AGREED, agreedReaddirp } from './agreed-listing.js';
import { CONTENT } from './attribute-fops.js';
import { mergeXdata, sameDict } from './answers.js';
import { withoutEc } from './attribute-fops.js';
import type { Cluster } from './cluster.js';
import { openEverywhere } from './file-fops.js';
import { PLAIN, READ_FULL, underLock } from './under-lock.js';
import { SIZE, readU64, withLockCount } from './version-xattrs.js';

export function opendir(cluster: Cluster, frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply> {
  return underLock(cluster, frame, loc.inode, READ_FULL(), async (lock) => {
    const { asked, winner } = await cluster.agree(lock.good, (child) => child.opendir(frame, loc, fd, withLockCount(xdata, cluster.name)), (a, b) => sameDict(a.xdata, b.xdata));
    cluster.fds.set(fd, { flags: fd.flags, open: winner.mask, directory: true, badVersion: 0 });
    return { reply: { fd, xdata: mergeXdata(winner.replies.map((r) => r.xdata)) }, asked, answered: winner.mask };
  });
}

/** The brick whose leaf a directory offset names (spec/ec.md, §18). */
function brickOf(cluster: Cluster, offset: bigint): number {
  const leaves = graphLeaves(cluster.graph.top);
  const leaf = leaves[leafOfDOff(offset, leaves.length)];
  const brick = cluster.children.findIndex((child) => leaf !== undefined && graphLeaves(child.xlator).includes(leaf));
  if (brick < 0) throw new FopError(Errno.EINVAL);
  return brick;
}

function list<R extends ReaddirReply>(cluster: Cluster, frame: Frame, fd: Fd, offset: bigint, xdata: Xdata, wind: (child: Cluster['children'][number], xdata: Xdata) => Promise<R>): Promise<R> {
  if (offset !== 0n) return wind(cluster.child(brickOf(cluster, offset)), xdata);
  const request = withLockCount(xdata, cluster.name);
  return underLock(cluster, frame, fd.inode, READ_FULL(), async (lock) => {
    await openEverywhere(cluster, frame, fd, lock.good);
    const open = cluster.fdCtx(fd)?.open ?? lock.good;
    const { reply, brick } = await cluster.one(lock.good & open, fd.inode, (child) => wind(child, request));
    return { reply, asked: 1 << brick, answered: 1 << brick };
  });
}

export function readdir(cluster: Cluster, frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply> {
  return list(cluster, frame, fd, offset, xdata, (child, request) => child.readdir(frame, fd, size, offset, request));
}

/** One brick's entries, with the users' sizes; an entry without one must be looked up (spec/ec.md, §18). */
export async function readdirp(cluster: Cluster, frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
  const wanted = (xdata?.clone() ?? new Dict()).setUint(SIZE, 0);
  // A brick has a part of a file.
  wanted.delete(CONTENT);
  const reply =
    xdata?.has(AGREED) === true
      ? await agreedReaddirp(cluster, frame, fd, size, offset, xdata)
      : await list(cluster, frame, fd, offset, wanted, (child, request) => child.readdirp(frame, fd, size, offset, request));
  for (const entry of reply.entries) {
    if (entry.stat.ia_type !== IaType.REG) continue;
    const userSize = readU64(entry.dict, SIZE);
    if (userSize === undefined) {
      entry.inode = undefined;
      continue;
    }
    const lock = entry.inode && cluster.locks.get(entry.inode);
    entry.stat.ia_size = lock?.informed === true ? lock.size : Number(userSize);
    entry.stat.ia_blocks *= cluster.k;
    entry.dict = withoutEc(entry.dict);
  }
  return reply;
}

export function fsyncdir(cluster: Cluster, frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PlainReply> {
  return underLock(cluster, frame, fd.inode, PLAIN(fd), async (lock) => {
    await openEverywhere(cluster, frame, fd, lock.good);
    await lock.publish(frame, false);
    const { asked, winner } = await cluster.agree(lock.good, (child) => child.fsyncdir(frame, fd, datasync, withLockCount(xdata, cluster.name)), (a, b) => sameDict(a.xdata, b.xdata));
    return { reply: { xdata: mergeXdata(winner.replies.map((r) => r.xdata)) }, asked, answered: winner.mask };
  });
}
