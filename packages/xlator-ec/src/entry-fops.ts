import { type Bytes, type CreateReply, Dict, type EntryReply, Errno, type Fd, FopError, type Frame, IaType, type Iatt, type Inode, type Loc, NULL_GFID, type RenameReply, type UnlinkReply, type Xdata } from '@glusterts/libglusterfs';
import { mergeIatts, mergeXdata, sameDict, sameIatt } from './answers.js';
import { AlongAnswers } from './along.js';
import { sizeOf, withoutEc } from './attribute-fops.js';
import type { Cluster } from './cluster.js';
import type { InodeLock } from './inode-lock.js';
import { type QuietState, newbornState } from './quiet-state.js';
import { PLAIN, lockOf, underLock, underLocks, withSize } from './under-lock.js';
import { ALONG, CONFIG, DIRTY, GENERATION, HOLD, SIZE, VERSION, WITH_XATTR, readU64, u64s, withLockCount, withLockCountIf } from './version-xattrs.js';

const O_ACCMODE = 3;
const O_APPEND = 0o2000;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

function parentOf(loc: Loc): Inode {
  if (!loc.parent) throw new FopError(Errno.EINVAL, undefined, 'a name without its directory');
  return loc.parent;
}

/** The name will be there, or may: what is known of the directory's names no longer says that it isn't. */
function announce(cluster: Cluster, loc: Loc): void {
  cluster.locks.get(parentOf(loc))?.addName(loc.name);
}

/** What a new regular file starts with (spec/ec.md, §4). */
function newFile(cluster: Cluster, xdata: Xdata, asksCount: boolean): Dict {
  return (asksCount ? withLockCount(xdata, cluster.name) : (xdata?.clone() ?? new Dict())).setBin(CONFIG, u64s(cluster.geometry.config)).setBin(VERSION, u64s(0n, 0n)).setBin(SIZE, u64s(0n));
}

const sameEntry = (a: EntryReply, b: EntryReply): boolean => sameIatt(a.stat, b.stat, true) && sameIatt(a.preparent, b.preparent, false) && sameIatt(a.postparent, b.postparent, false) && sameDict(a.xdata, b.xdata);

function entryReply(cluster: Cluster, replies: readonly EntryReply[], size: number): EntryReply {
  const [first] = replies;
  if (!first) throw new FopError(Errno.EIO);
  const merged = (pick: (r: EntryReply) => Iatt): Iatt => mergeIatts(replies.map(pick), cluster.k);
  return { inode: first.inode, stat: withSize(merged((r) => r.stat), size), preparent: merged((r) => r.preparent), postparent: merged((r) => r.postparent), xdata: mergeXdata(replies.map((r) => r.xdata)) };
}

function make(cluster: Cluster, frame: Frame, loc: Loc, xdataOf: (asksCount: boolean) => Xdata, wind: (child: Cluster['children'][number], request: Xdata) => Promise<EntryReply>): Promise<EntryReply> {
  return underLocks(cluster, frame, [parentOf(loc)], async (good, asksCount) => {
    announce(cluster, loc);
    const request = xdataOf(asksCount);
    const { asked, winner } = await cluster.agree(good, (child) => wind(child, request), sameEntry);
    return { reply: entryReply(cluster, winner.replies, 0), asked, answered: winner.mask };
  });
}

export async function create(cluster: Cluster, frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
  let isMarked = false;
  let early: InodeLock | undefined;
  const reply = await underLocks(cluster, frame, [parentOf(loc)], async (good, asksCount) => {
    announce(cluster, loc);
    const request = newFile(cluster, xdata, asksCount);
    const vouched = cluster.allVouch && good === cluster.geometry.all;
    if (vouched) request.setUint(GENERATION, 0);
    const marks = vouched && (flags & O_ACCMODE) !== 0;
    // It will be written to: made with its mark, it needs no message to set it.
    if (marks) request.setBin(DIRTY, u64s(1n, 1n));
    const gfid = xdata?.getGfid('gfid-req');
    // Its lock is taken by the same message, once bricks have been asked whether they can do so.
    const lock = marks && gfid !== undefined && cluster.allCombine ? lockOf(cluster, loc.inode) : undefined;
    const along = new AlongAnswers();
    const isTaking = lock?.askNewborn(request) === true;
    if (vouched && !isTaking && !cluster.allCombine) request.setUint(ALONG, 1);
    const creating = cluster.agree(good, (child, brick) => along.watch(brick, child.create(frame, loc, flags & ~O_APPEND, mode, umask, fd, request)), sameEntry);
    const tell = isTaking && gfid !== undefined ? lock?.takeNewborn(frame, gfid, creating.then(() => along.answers, () => along.answers)) : undefined;
    let state: QuietState | undefined;
    try {
      const { asked, winner } = await creating;
      cluster.fds.set(fd, { flags, open: winner.mask, directory: false, badVersion: 0 });
      const entry = entryReply(cluster, winner.replies, 0);
      cluster.combining |= along.able;
      if (vouched && entry.stat.ia_gfid === gfid && entry.inode === loc.inode) {
        state = newbornState(cluster, winner.replies.map(({ xdata: each }, i) => [winner.bricks[i] ?? 0, each] as const), marks);
        if (state) cluster.quiet.set(entry.inode, state);
        isMarked = marks && state !== undefined;
      }
      if (isMarked && isTaking) early = lock;
      const told = withoutEc(entry.xdata);
      return { reply: { ...entry, fd, xdata: early ? (told?.clone() ?? new Dict()).setUint(HOLD, 1) : told }, asked, answered: winner.mask };
    } finally {
      tell?.(state);
    }
  });
  if (isMarked) {
    fd.ref();
    cluster.graph.platform.timers.soon(() => void takeLock(cluster, frame, fd, early));
  }
  return reply;
}

/** The lock of a file that was made to be written to, taken (`early`: that is under way) while the caller is told; whatever comes of it shows in the next fop. */
async function takeLock(cluster: Cluster, frame: Frame, fd: Fd, early: InodeLock | undefined): Promise<void> {
  try {
    if (!early && (fd.inode.gfid === NULL_GFID || cluster.shuttingDown || cluster.locks.get(fd.inode)?.busy === true)) return;
    // With the fd, so that the mark can be taken away even if the name goes meanwhile.
    await underLock(cluster, frame, fd.inode, PLAIN(fd), async () => ({ reply: { xdata: undefined }, asked: 0, answered: 0 }));
  } catch (error) {
    cluster.log.debug(0, `the lock of a new file: ${String(error)}`);
  } finally {
    fd.unref();
  }
}

export function mknod(cluster: Cluster, frame: Frame, loc: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply> {
  const type = mode & S_IFMT;
  const isFile = type === S_IFREG || type === 0;
  const xdataOf = (asksCount: boolean): Xdata => (isFile ? newFile(cluster, xdata, asksCount) : withLockCountIf(asksCount, xdata, cluster.name));
  return make(cluster, frame, loc, xdataOf, (child, request) => child.mknod(frame, loc, mode, rdev, umask, request));
}

export function mkdir(cluster: Cluster, frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply> {
  const xdataOf = (asksCount: boolean): Xdata => (asksCount ? withLockCount(xdata, cluster.name) : (xdata?.clone() ?? new Dict())).setBin(VERSION, u64s(0n, 0n));
  return make(cluster, frame, loc, xdataOf, (child, request) => child.mkdir(frame, loc, mode, umask, request));
}

export function symlink(cluster: Cluster, frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply> {
  return make(cluster, frame, loc, (asksCount) => withLockCountIf(asksCount, xdata, cluster.name), (child, request) => child.symlink(frame, linkpath, loc, umask, request));
}

/** The size of a file that is renamed or linked, asked for at the same time: its name plays no part in it. */
async function sizeBeside(cluster: Cluster, frame: Frame, loc: Loc): Promise<number> {
  if (loc.inode.ia_type !== IaType.REG) return 0;
  return sizeOf(cluster, frame, loc);
}

export function link(cluster: Cluster, frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
  return underLocks(cluster, frame, [parentOf(newloc)], async (good, asksCount) => {
    announce(cluster, newloc);
    const request = withLockCountIf(asksCount, xdata, cluster.name);
    const [{ asked, winner }, size] = await Promise.all([cluster.agree(good, (child) => child.link(frame, oldloc, newloc, request), sameEntry), sizeBeside(cluster, frame, oldloc)]);
    return { reply: entryReply(cluster, winner.replies, size), asked, answered: winner.mask };
  });
}

const sameUnlink = (a: UnlinkReply, b: UnlinkReply): boolean => sameIatt(a.preparent, b.preparent, true) && sameIatt(a.postparent, b.postparent, true) && sameDict(a.xdata, b.xdata);

function remove(cluster: Cluster, frame: Frame, loc: Loc, xdata: Xdata, wind: (child: Cluster['children'][number], request: Xdata) => Promise<UnlinkReply>): Promise<UnlinkReply> {
  return underLocks(cluster, frame, [parentOf(loc)], async (good, asksCount) => {
    const request = withLockCountIf(asksCount, xdata, cluster.name);
    const { asked, winner } = await cluster.agree(good, (child) => wind(child, request), sameUnlink);
    const reply: UnlinkReply = {
      preparent: mergeIatts(winner.replies.map((r) => r.preparent), cluster.k),
      postparent: mergeIatts(winner.replies.map((r) => r.postparent), cluster.k),
      xdata: mergeXdata(winner.replies.map((r) => r.xdata)),
    };
    return { reply, asked, answered: winner.mask };
  });
}

export function unlink(cluster: Cluster, frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
  return remove(cluster, frame, loc, xdata, (child, request) => child.unlink(frame, loc, xflags, request));
}

export function rmdir(cluster: Cluster, frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
  return remove(cluster, frame, loc, xdata, (child, request) => child.rmdir(frame, loc, flags, request));
}

/**
 * The user's size of a file that is renamed, from one brick as `sizeOf` has it, but in the answer to its RENAME, on bricks that can tell; `undefined` when it is
 * known, or must be asked for.
 */
function sizeTeller(cluster: Cluster, loc: Loc, good: number): number | undefined {
  if (loc.inode.ia_type !== IaType.REG || !cluster.allVouch || cluster.locks.get(loc.inode)?.informed === true) return undefined;
  return cluster.order(good & cluster.up, loc.inode)[0];
}

export function rename(cluster: Cluster, frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
  return underLocks(cluster, frame, [parentOf(oldloc), parentOf(newloc)], async (good, asksCount) => {
    announce(cluster, newloc);
    const request = withLockCountIf(asksCount, xdata, cluster.name);
    const teller = sizeTeller(cluster, oldloc, good);
    let told: bigint | undefined;
    const wind = async (child: Cluster['children'][number], brick: number): Promise<RenameReply> => {
      if (brick !== teller) return child.rename(frame, oldloc, newloc, request);
      const reply = await child.rename(frame, oldloc, newloc, (request?.clone() ?? new Dict()).setStr(WITH_XATTR, SIZE));
      told = readU64(reply.xdata, SIZE);
      reply.xdata?.delete(SIZE);
      return reply;
    };
    const parents = ['preoldparent', 'postoldparent', 'prenewparent', 'postnewparent'] as const;
    const same = (a: RenameReply, b: RenameReply): boolean => sameIatt(a.stat, b.stat, false) && parents.every((parent) => sameIatt(a[parent], b[parent], true)) && sameDict(a.xdata, b.xdata);
    const agreeing = cluster.agree(good, wind, same);
    const [{ asked, winner }, asIs] = await Promise.all([agreeing, teller === undefined ? sizeBeside(cluster, frame, oldloc) : undefined]);
    // A brick that failed, or that isn't ours any more, has told nothing.
    const size = asIs ?? (told === undefined ? await sizeBeside(cluster, frame, oldloc) : Number(told));
    const merged = (pick: (r: RenameReply) => Iatt): Iatt => mergeIatts(winner.replies.map(pick), cluster.k);
    const reply: RenameReply = {
      stat: withSize(merged((r) => r.stat), size),
      preoldparent: merged((r) => r.preoldparent),
      postoldparent: merged((r) => r.postoldparent),
      prenewparent: merged((r) => r.prenewparent),
      postnewparent: merged((r) => r.postnewparent),
      xdata: mergeXdata(winner.replies.map((r) => r.xdata)),
    };
    return { reply, asked, answered: winner.mask };
  });
}
