import {
  type Bytes, type CreateReply, Dict, type EntryReply, Errno, type Fd, FopError, type Frame, type Loc, type UnlinkReply, type Xdata, errnoOf,
} from '@glusterts/libglusterfs';
import type { Dht } from './dht.js';
import { refreshLayout } from './directory-lookup.js';
import { refreshDisk } from './disk-usage.js';
import { stripPhase1 } from './iatt-merge.js';
import { Key, guardedUnlink } from './keys.js';
import { makeLinkto, ownLinkto } from './linkto.js';
import { type LockSet, lockParentLayout, parentLoc } from './locks.js';
import { lookup } from './lookup.js';
import { cachedOf, fileFop, noteOpened } from './migration.js';
import type { Subvol } from './subvol.js';

/** create, mknod, symlink, link, unlink (spec/dht.md, §10). */

/** The parent's layout, from a lookup if nobody asked for it yet. */
export async function ensureParent(dht: Dht, frame: Frame, loc: Loc): Promise<void> {
  if (!loc.parent || dht.known(loc.parent)?.layout) return;
  await lookup(dht, dht.rootFrame(frame), parentLoc(loc), undefined);
}

function entered<T extends EntryReply>(dht: Dht, loc: Loc, subvol: Subvol, reply: T): T {
  dht.setCached(loc.inode, reply.stat.ia_gfid, subvol);
  stripPhase1(reply.stat);
  dht.parentTimes(loc.parent, reply.preparent);
  dht.parentTimes(loc.parent, reply.postparent);
  return reply;
}

/** Where a new file goes: its hashed subvolume, or another one when that is filled. */
async function place(dht: Dht, frame: Frame, loc: Loc, xdata: Xdata): Promise<{ hashed: Subvol; target: Subvol; locks: LockSet | undefined }> {
  await ensureParent(dht, frame, loc);
  refreshDisk(dht, frame);
  let hashed = dht.hashedOrThrow(loc, Errno.EIO);
  let locks: LockSet | undefined;
  if (hashed.decommissioned) {
    locks = await lockParentLayout(dht, dht.rootFrame(frame), loc, hashed);
    await refreshLayout(dht, frame, parentLoc(loc));
    hashed = dht.hashedOrThrow(loc, Errno.EIO);
  }
  const target = dht.isFilled(hashed) ? dht.chooseUnfilled(loc.parent, hashed) : hashed;
  try {
    if (target !== hashed) {
      const gfid = xdata?.getGfid(Key.GFID_REQ);
      if (gfid === undefined) throw new FopError(Errno.EINVAL, undefined, 'no gfid-req');
      await makeLinkto(dht, frame, loc, hashed, target, gfid);
    }
  } catch (error) {
    locks?.release();
    throw error;
  }
  return { hashed, target, locks };
}

/** The subvolume of a new file in a directory that is known, when nothing is in its way there. */
function usual(dht: Dht, frame: Frame, loc: Loc): Subvol | undefined {
  if (!loc.parent || !dht.known(loc.parent)?.layout) return undefined;
  refreshDisk(dht, frame);
  const hashed = dht.hashed(loc);
  return hashed === undefined || hashed.decommissioned || dht.isFilled(hashed) ? undefined : hashed;
}

export async function create(dht: Dht, frame: Frame, given: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
  const forced = dht.forced(given);
  const loc = forced?.loc ?? given;
  const run = async (subvol: Subvol, request: Xdata): Promise<CreateReply> => {
    const reply = await subvol.fops.create(frame, loc, flags, mode, umask, fd, request);
    noteOpened(dht, fd, subvol);
    return entered(dht, loc, subvol, reply);
  };
  if (forced) return run(forced.subvol, xdata);
  let hashed = usual(dht, frame, loc);
  if (hashed === undefined) {
    const placed = await place(dht, frame, loc, xdata);
    hashed = placed.hashed;
    if (placed.locks || placed.target !== hashed) {
      try {
        return await run(placed.target, xdata);
      } finally {
        placed.locks?.release();
      }
    }
  }
  const request = xdata?.clone() ?? new Dict();
  dht.addPreop(request, loc.parent, hashed);
  try {
    return await run(hashed, request);
  } catch (error) {
    if (!preopFailed(error)) throw error;
  }
  // Our layout of the parent is stale: read it again, and create under its lock.
  const relock = await lockParentLayout(dht, dht.rootFrame(frame), loc, hashed);
  try {
    await refreshLayout(dht, frame, parentLoc(loc));
    return await run(dht.hashedOrThrow(loc, Errno.EIO), xdata);
  } finally {
    relock.release();
  }
}

export const preopFailed = (error: unknown): boolean => error instanceof FopError && error.xdata?.has(Key.PREOP_FAILED) === true;

export async function mknod(dht: Dht, frame: Frame, given: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply> {
  const forced = dht.forced(given);
  const loc = forced?.loc ?? given;
  if (forced) return entered(dht, loc, forced.subvol, await forced.subvol.fops.mknod(frame, loc, mode, rdev, umask, xdata));
  const { target, locks } = await place(dht, frame, loc, xdata);
  try {
    return entered(dht, loc, target, await target.fops.mknod(frame, loc, mode, rdev, umask, xdata));
  } finally {
    locks?.release();
  }
}

export async function symlink(dht: Dht, frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply> {
  await ensureParent(dht, frame, loc);
  const hashed = dht.hashedOrThrow(loc, Errno.EIO);
  return entered(dht, loc, hashed, await hashed.fops.symlink(frame, linkpath, loc, umask, xdata));
}

export async function link(dht: Dht, frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
  if (dht.known(oldloc.inode)?.layout) throw new FopError(Errno.EPERM);
  await ensureParent(dht, frame, newloc);
  const hashed = dht.hashedOrThrow(newloc, Errno.EIO);
  const cached = await cachedOf(dht, frame, oldloc.inode);
  if (hashed !== cached) {
    const made = await makeLinkto(dht, frame, newloc, hashed, cached, oldloc.targetGfid);
    if (!made) throw new FopError(Errno.EEXIST);
  }
  let reply: EntryReply;
  try {
    reply = await fileFop(dht, frame, {
      inode: oldloc.inode, loc: oldloc, run: (subvol) => subvol.fops.link(frame, oldloc, newloc, xdata), iatts: (answer) => [answer.stat], phase1: true, phase2: true,
      again: async (subvol) => (subvol === hashed ? { inode: oldloc.inode, ...(await lookupEntry(dht, frame, newloc, subvol)) } : subvol.fops.link(frame, oldloc, newloc, xdata)),
    });
  } catch (error) {
    if (hashed !== cached) dht.background('removing a linkto', () => hashed.fops.unlink(dht.rootFrame(frame).derive({ signal: undefined }), newloc, 0, guardedUnlink()));
    throw error;
  }
  if (hashed !== cached) ownLinkto(dht, frame, newloc, hashed, reply.stat);
  dht.parentTimes(newloc.parent, reply.preparent);
  dht.parentTimes(newloc.parent, reply.postparent);
  return reply;
}

/** The destination of a migration has the new name already: it is the linkto that was just made. */
async function lookupEntry(dht: Dht, frame: Frame, loc: Loc, subvol: Subvol): Promise<Omit<EntryReply, 'inode'>> {
  const { stat, postparent, xdata } = await subvol.fops.lookup(dht.rootFrame(frame), loc, undefined);
  return { stat, preparent: postparent, postparent, xdata };
}

export async function unlink(dht: Dht, frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
  const state = dht.known(loc.inode);
  if (state?.layout) throw new FopError(Errno.EISDIR);
  if (loc.parent && !dht.known(loc.parent)?.layout) await ensureParent(dht, frame, loc);
  const cached = state?.cached ?? (await cachedOf(dht, frame, loc.inode));
  const hashed = dht.hashed(loc);
  let reply: UnlinkReply | undefined;
  try {
    reply = await cached.fops.unlink(frame, loc, xflags, xdata);
  } catch (error) {
    if (errnoOf(error) !== Errno.ENOENT || !hashed || hashed === cached) throw error;
  }
  if (hashed && hashed !== cached) {
    try {
      // What the first one answered goes along, as in GlusterFS.
      const second = await hashed.fops.unlink(frame, loc, xflags, reply?.xdata);
      reply ??= second;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== Errno.ENOENT && errno !== Errno.ENOTCONN) throw error;
      if (!reply) throw error;
    }
  }
  if (!reply) throw new FopError(Errno.ENOENT);
  dht.parentTimes(loc.parent, reply.preparent);
  dht.parentTimes(loc.parent, reply.postparent);
  return reply;
}
