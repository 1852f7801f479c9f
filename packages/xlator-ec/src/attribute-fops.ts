import { type Bytes, Dict, Errno, type Fd, FopError, type Frame, IaType, type Iatt, type Inode, type Loc, type LookupReply, NULL_GFID, type PlainReply, type PrePostReply, type ReadlinkReply, type StatReply, type StatfsReply, type Statvfs, type Xdata } from '@glusterts/libglusterfs';
import { type Answer, answersAgree, decide, groupAnswers, mergeIatts, mergeXdata, sameDict, sameIatt, sameTimes, winnerOf } from './answers.js';
import type { Cluster } from './cluster.js';
import { openEverywhere } from './file-fops.js';
import type { InodeLock } from './inode-lock.js';
import { askQuiet, isClean, merged, quietState } from './quiet-state.js';
import { type Done, METADATA, READ_FULL, underLock, withSize } from './under-lock.js';
import { DIRTY, EC_PREFIX, GENERATION, INODELK_COUNT, INODELK_DOM_COUNT, SIZE, VERSION, readU64, withLockCount } from './version-xattrs.js';

/** What quick-read asks for: the whole of a small file. */
export const CONTENT = 'glusterfs.content' as Bytes;

const sameFound = (a: LookupReply, b: LookupReply): boolean => sameIatt(a.stat, b.stat, true) && sameIatt(a.postparent, b.postparent, false) && sameDict(a.xdata, b.xdata);
/** One answer stands for another only if the times are the same too: else the latest is wanted. */
const identicalFound = (a: LookupReply, b: LookupReply): boolean => sameTimes(a.stat, b.stat) && sameTimes(a.postparent, b.postparent) && sameFound(a, b);

function lookupRequest(xdata: Xdata): Dict {
  const request = xdata?.clone() ?? new Dict();
  request.delete(CONTENT);
  return request.setUint(SIZE, 0).setUint(VERSION, 0).setUint(DIRTY, 0);
}

/** spec/ec.md, §18: no lock; the largest group of answers, however small. Answers that all agree need not be more than r + 1. */
export function lookup(cluster: Cluster, frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
  const { parent, name } = loc;
  const lock = parent !== undefined && name !== '' && loc.inode.gfid === NULL_GFID ? cluster.locks.get(parent) : undefined;
  if (lock?.names.lack(name, frame) === true) return Promise.reject(new FopError(Errno.ENOENT));
  return askLookup(cluster, frame, loc, lock, xdata);
}

/** @param lock of the directory, if the name may be new */
async function askLookup(cluster: Cluster, frame: Frame, loc: Loc, lock: InodeLock | undefined, xdata: Xdata): Promise<LookupReply> {
  cluster.needUp();
  const request = askQuiet(cluster, lookupRequest(xdata));
  const { answers } = await cluster.sample(cluster.up, loc.inode, (child) => child.lookup(frame, loc, request), identicalFound);
  if (request.has(GENERATION)) noteQuiet(cluster, loc.inode, answers);
  const [best] = groupAnswers(answers, sameFound);
  if (!best) throw new FopError(Errno.EIO);
  if (lock && best.members.length === answers.length && best.members[0]?.error?.errno === Errno.ENOENT) lock.names.missed(frame);
  const winner = winnerOf(best);
  const stat = mergeIatts(winner.replies.map((r) => r.stat), cluster.k);
  const postparent = mergeIatts(winner.replies.map((r) => r.postparent), cluster.k);
  let answer = mergeXdata(winner.replies.map((r) => r.xdata));
  if (stat.ia_type === IaType.REG) {
    const lock = cluster.locks.get(winner.first.inode);
    stat.ia_size = lock?.informed === true ? lock.size : Number(readU64(answer, SIZE) ?? 0n);
  }
  answer = withoutEc(answer);
  return { inode: winner.first.inode, stat, postparent, xdata: answer };
}

/** Remembers a file that nobody had locked on the bricks that were asked. */
function noteQuiet(cluster: Cluster, inode: Inode, answers: readonly Answer<LookupReply>[]): void {
  for (const { brick, reply } of answers) if (reply) cluster.heard(brick, reply.xdata?.has(GENERATION) === true);
  const known = cluster.quiet.get(inode);
  if (known?.marked === true) return;
  const state = quietState(cluster, answers);
  if (state) cluster.quiet.set(inode, (known && merged(known, state)) ?? state);
  else if (known) cluster.quiet.delete(inode);
}

/**
 * Attributes by a lookup of the gfid: three messages in place of twenty-four. They are as good as under the lock when nobody holds
 * it, for whoever did has written versions and size before giving it back. Undefined: the lock must be taken.
 */
async function unlockedStat(cluster: Cluster, frame: Frame, inode: Inode, xdata: Xdata): Promise<StatReply | undefined> {
  cluster.needUp();
  if (cluster.locks.get(inode)?.busy === true) return undefined;
  const request = lookupRequest(xdata).setStr(INODELK_DOM_COUNT, cluster.name);
  const loc = cluster.locOf(inode);
  const { answers } = await cluster.sample(cluster.up, inode, (child) => child.lookup(frame, loc, request), identicalFound);
  if (!answersAgree(answers, identicalFound)) return undefined;
  const replies: LookupReply[] = [];
  for (const { reply } of answers) {
    if (!reply) return undefined;
    const regular = reply.stat.ia_type === IaType.REG;
    // A brick that doesn't count locks can't vouch for the size.
    if (regular && (reply.xdata?.getNumber(INODELK_COUNT) !== 0 || !isClean(reply.xdata))) return undefined;
    replies.push(reply);
  }
  const [first] = replies;
  const size = readU64(first?.xdata, SIZE);
  if (!first || (first.stat.ia_type === IaType.REG && size === undefined) || cluster.locks.get(inode)?.busy === true) return undefined;
  const { stat } = statReply(cluster, replies, Number(size ?? 0n));
  const answer = withoutEc(first.xdata)?.clone();
  answer?.delete(INODELK_COUNT);
  return { stat, xdata: answer };
}

/** The caller sees none of EC's xattrs. */
export function withoutEc(dict: Dict | undefined): Dict | undefined {
  let visible = dict;
  for (const key of dict?.keys() ?? []) {
    if (!key.startsWith(EC_PREFIX) && key !== GENERATION) continue;
    if (visible === dict) visible = dict?.clone();
    visible?.delete(key);
  }
  return visible;
}

const sameStat = (a: StatReply, b: StatReply): boolean => sameTimes(a.stat, b.stat) && sameIatt(a.stat, b.stat, true) && sameDict(a.xdata, b.xdata);
const samePrePost = (a: PrePostReply, b: PrePostReply): boolean => sameIatt(a.prestat, b.prestat, true) && sameIatt(a.poststat, b.poststat, true) && sameDict(a.xdata, b.xdata);

function statReply(cluster: Cluster, replies: readonly { stat: Iatt; xdata: Xdata }[], size: number): StatReply {
  const stat = mergeIatts(replies.map((r) => r.stat), cluster.k, replies[0]?.stat.ia_type === IaType.REG);
  return { stat: withSize(stat, size), xdata: mergeXdata(replies.map((r) => r.xdata)) };
}

/** The lock's bricks are good: a few of them, if they say the same; the largest group of all of them else. */
async function lockedStat(cluster: Cluster, lock: InodeLock, inode: Inode, wind: (child: Cluster['children'][number]) => Promise<StatReply>): Promise<Done<StatReply>> {
  const { asked, answers } = await cluster.sample(lock.good, inode, wind, sameStat);
  const winner = answersAgree(answers, sameStat) ? decide(groupAnswers(answers, sameStat), 1) : decide(groupAnswers(answers, (a, b) => sameIatt(a.stat, b.stat, true) && sameDict(a.xdata, b.xdata)), cluster.k);
  return { reply: statReply(cluster, winner.replies, lock.size), asked, answered: winner.mask };
}

export async function stat(cluster: Cluster, frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply> {
  const unlocked = await unlockedStat(cluster, frame, loc.inode, xdata);
  if (unlocked) return unlocked;
  const request = withLockCount(xdata, cluster.name);
  return underLock(cluster, frame, loc.inode, READ_FULL(), (lock) => lockedStat(cluster, lock, loc.inode, (child) => child.stat(frame, loc, request)));
}

export async function fstat(cluster: Cluster, frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
  const unlocked = await unlockedStat(cluster, frame, fd.inode, xdata);
  if (unlocked) return unlocked;
  const request = withLockCount(xdata, cluster.name);
  return underLock(cluster, frame, fd.inode, READ_FULL(fd), async (lock) => {
    await openEverywhere(cluster, frame, fd, lock.good);
    return lockedStat(cluster, lock, fd.inode, (child) => child.fstat(frame, fd, request));
  });
}

export function access(cluster: Cluster, frame: Frame, loc: Loc, mask: number, xdata: Xdata): Promise<PlainReply> {
  return underLock(cluster, frame, loc.inode, READ_FULL(), async (lock) => {
    const { reply, brick } = await cluster.one(lock.good, loc.inode, (child) => child.access(frame, loc, mask, withLockCount(xdata, cluster.name)));
    return { reply, asked: 1 << brick, answered: 1 << brick };
  });
}

export function readlink(cluster: Cluster, frame: Frame, loc: Loc, size: number, xdata: Xdata): Promise<ReadlinkReply> {
  return underLock(cluster, frame, loc.inode, READ_FULL(), async (lock) => {
    const { reply, brick } = await cluster.one(lock.good, loc.inode, (child) => child.readlink(frame, loc, size, withLockCount(xdata, cluster.name)));
    return { reply, asked: 1 << brick, answered: 1 << brick };
  });
}

function prePost(cluster: Cluster, replies: readonly PrePostReply[], size: number): PrePostReply {
  return {
    prestat: withSize(mergeIatts(replies.map((r) => r.prestat), cluster.k), size),
    poststat: withSize(mergeIatts(replies.map((r) => r.poststat), cluster.k), size),
    xdata: mergeXdata(replies.map((r) => r.xdata)),
  };
}

export function setattr(cluster: Cluster, frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
  return underLock(cluster, frame, loc.inode, METADATA(), async (lock) => {
    const request = withLockCount(xdata, cluster.name);
    const { asked, winner } = await cluster.agree(lock.good, (child) => child.setattr(frame, loc, stbuf, valid, request), samePrePost);
    return { reply: prePost(cluster, winner.replies, lock.size), asked, answered: winner.mask };
  });
}

export function fsetattr(cluster: Cluster, frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
  return underLock(cluster, frame, fd.inode, METADATA(fd), async (lock) => {
    await openEverywhere(cluster, frame, fd, lock.good);
    const request = withLockCount(xdata, cluster.name);
    const { asked, winner } = await cluster.agree(lock.good, (child) => child.fsetattr(frame, fd, stbuf, valid, request), samePrePost);
    return { reply: prePost(cluster, winner.replies, lock.size), asked, answered: winner.mask };
  });
}

/** Space of the volume: the smallest brick's, times k (spec/ec.md, §18). */
export async function statfs(cluster: Cluster, frame: Frame, loc: Loc, xdata: Xdata): Promise<StatfsReply> {
  const { winner } = await cluster.agree(cluster.up, (child) => child.statfs(frame, loc, xdata), () => true);
  const frsize = Math.max(...winner.replies.map((r) => r.statfs.f_frsize));
  const scaled = winner.replies.map(({ statfs: s }) => ({ ...s, blocks: (s.f_blocks * s.f_frsize) / frsize, bfree: (s.f_bfree * s.f_frsize) / frsize, bavail: (s.f_bavail * s.f_frsize) / frsize }));
  const least = (pick: (s: (typeof scaled)[number]) => number): number => Math.floor(Math.min(...scaled.map(pick)));
  const most = (pick: (s: Statvfs) => number): number => Math.max(...winner.replies.map((r) => pick(r.statfs)));
  const answer = mergeXdata(winner.replies.map((r) => r.xdata));
  const factor = answer?.getBool('quota-deem-statfs') === true ? 1 : cluster.k;
  const combined: Statvfs = {
    f_bsize: most((s) => s.f_bsize), f_frsize: frsize, f_blocks: least((s) => s.blocks) * factor, f_bfree: least((s) => s.bfree) * factor, f_bavail: least((s) => s.bavail) * factor,
    f_files: most((s) => s.f_files), f_ffree: most((s) => s.f_ffree), f_favail: most((s) => s.f_favail), f_fsid: winner.first.statfs.f_fsid,
    f_flag: winner.replies.reduce((flags, r) => flags & r.statfs.f_flag, -1), f_namemax: most((s) => s.f_namemax),
  };
  return { statfs: combined, xdata: answer };
}

export async function ipc(cluster: Cluster, frame: Frame, op: number, xdata: Xdata): Promise<PlainReply> {
  const { winner } = await cluster.agree(cluster.up, (child) => child.ipc(frame, op, xdata), (a, b) => sameDict(a.xdata, b.xdata));
  return { xdata: mergeXdata(winner.replies.map((r) => r.xdata)) };
}

/** The user's size of a file, known or asked from one brick (spec/ec.md, §14, link and rename). */
export async function sizeOf(cluster: Cluster, frame: Frame, loc: Loc): Promise<number> {
  const lock = cluster.locks.get(loc.inode);
  if (lock?.informed === true) return lock.size;
  const nameless = cluster.locOf(loc.inode);
  try {
    const { reply } = await cluster.one(cluster.up, loc.inode, (child) => child.lookup(cluster.internal(frame), nameless, new Dict().setUint(SIZE, 0)));
    return Number(readU64(reply.xdata, SIZE) ?? 0n);
  } catch (error) {
    if (error instanceof FopError && error.errno !== Errno.ENOTCONN) return 0;
    throw error;
  }
}
