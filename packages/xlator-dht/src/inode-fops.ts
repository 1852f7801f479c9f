import { Errno, type Fd, FopError, type Frame, IaType, type Iatt, type Inode, type Loc, type PlainReply, type PrePostReply, type StatReply, type StatfsReply, type Xdata, Loc as LocClass, ROOT_GFID, errnoOf } from '@glusterts/libglusterfs';
import { type Dht, succeeded } from './dht.js';
import { mergeDirectory, mergeStatfs } from './iatt-merge.js';
import { lookup } from './lookup.js';
import { cachedOf, fileFop } from './migration.js';
import type { Subvol } from './subvol.js';

/** stat, setattr, access, statfs (spec/dht.md, §16 and §18). */

/** Directories are known by their layout; an inode not met yet is looked up. */
export async function isDirectory(dht: Dht, frame: Frame, inode: Inode): Promise<boolean> {
  const state = dht.known(inode);
  if (state?.cached) return false;
  if (state?.layout) return true;
  if (inode.ia_type !== IaType.INVAL && inode.ia_type !== IaType.DIR) return false;
  const reply = await lookup(dht, dht.rootFrame(frame), dht.inodeLoc(inode, inode.gfid), undefined);
  return reply.stat.ia_type === IaType.DIR;
}

const statIatts = (reply: StatReply): readonly Iatt[] => [reply.stat];

async function directoryStat(dht: Dht, inode: Inode, wind: (subvol: Subvol) => Promise<StatReply>): Promise<StatReply> {
  const successes = dht.anySuccess(await dht.all(dht.subvols, wind));
  let stat: Iatt | undefined;
  for (const { reply } of successes) stat = mergeDirectory(stat, reply.stat);
  if (!stat) throw new FopError(Errno.EIO);
  return { stat: dht.parentTimes(inode, stat), xdata: successes.at(-1)?.reply.xdata };
}

export async function stat(dht: Dht, frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply> {
  if (!dht.known(loc.inode)?.cached && (await isDirectory(dht, frame, loc.inode))) return directoryStat(dht, loc.inode, (subvol) => subvol.fops.stat(frame, loc, xdata));
  return fileFop(dht, frame, { inode: loc.inode, loc, fd: undefined, run: (subvol) => subvol.fops.stat(frame, loc, xdata), again: undefined, iatts: statIatts, phase1: false, phase2: true, discard: undefined });
}

export async function fstat(dht: Dht, frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
  if (!dht.known(fd.inode)?.cached && (await isDirectory(dht, frame, fd.inode))) return directoryStat(dht, fd.inode, (subvol) => subvol.fops.fstat(frame, fd, xdata));
  return fileFop(dht, frame, { inode: fd.inode, loc: undefined, fd, run: (subvol) => subvol.fops.fstat(frame, fd, xdata), again: undefined, iatts: statIatts, phase1: false, phase2: true, discard: undefined });
}

function mergePrePost(replies: readonly { reply: PrePostReply }[]): PrePostReply {
  let prestat: Iatt | undefined;
  let poststat: Iatt | undefined;
  for (const { reply } of replies) {
    prestat = mergeDirectory(prestat, reply.prestat);
    poststat = mergeDirectory(poststat, reply.poststat);
  }
  if (!prestat || !poststat) throw new FopError(Errno.EIO);
  return { prestat, poststat, xdata: replies.at(-1)?.reply.xdata };
}

export async function setattr(dht: Dht, frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
  const wind = (subvol: Subvol): Promise<PrePostReply> => subvol.fops.setattr(frame, loc, stbuf, valid, xdata);
  if (!(await isDirectory(dht, frame, loc.inode))) {
    return fileFop(dht, frame, { inode: loc.inode, loc, run: wind, iatts: (reply) => [reply.prestat, reply.poststat], phase1: false, phase2: true });
  }
  let reply: PrePostReply;
  if (loc.targetGfid !== ROOT_GFID && dht.subvols.length > 1) {
    const mds = await metadataSubvol(dht, frame, loc.inode, Errno.EINVAL);
    const first = await wind(mds);
    const others = await dht.all(dht.subvols.filter((subvol) => subvol !== mds), wind);
    reply = mergePrePost([...others.filter(succeeded), { reply: first }]);
  } else {
    reply = mergePrePost(dht.anySuccess(await dht.all(dht.subvols, wind)));
  }
  dht.resetTimes(loc.inode, reply.poststat);
  return reply;
}

/** A directory's MDS. Throws `unknown` when there is none, ENOTCONN when it is down. */
export async function metadataSubvol(dht: Dht, frame: Frame, inode: Inode, unknown: Errno): Promise<Subvol> {
  let mds = dht.known(inode)?.mds;
  if (!mds) {
    await lookup(dht, dht.rootFrame(frame), dht.inodeLoc(inode, inode.gfid), undefined);
    mds = dht.known(inode)?.mds;
  }
  if (!mds) throw new FopError(unknown, undefined, 'no metadata subvolume');
  if (!mds.up) throw new FopError(Errno.ENOTCONN);
  return mds;
}

export async function fsetattr(dht: Dht, frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
  const wind = (subvol: Subvol): Promise<PrePostReply> => subvol.fops.fsetattr(frame, fd, stbuf, valid, xdata);
  if (!(await isDirectory(dht, frame, fd.inode))) {
    return fileFop(dht, frame, { inode: fd.inode, fd, run: wind, iatts: (reply) => [reply.prestat, reply.poststat], phase1: false, phase2: true });
  }
  const reply = mergePrePost(dht.anySuccess(await dht.all(dht.subvols, wind)));
  dht.resetTimes(fd.inode, reply.poststat);
  return reply;
}

/** Of a directory: one subvolume after the other while they are down or don't have it. */
export async function access(dht: Dht, frame: Frame, loc: Loc, mask: number, xdata: Xdata): Promise<PlainReply> {
  if (!(await isDirectory(dht, frame, loc.inode))) return fileFop(dht, frame, { inode: loc.inode, loc, run: (subvol) => subvol.fops.access(frame, loc, mask, xdata), phase1: false });
  let failure: unknown = new FopError(Errno.ENOTCONN);
  for (const subvol of dht.subvols) {
    try {
      return await subvol.fops.access(frame, loc, mask, xdata);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== Errno.ENOTCONN && errno !== Errno.ENOENT && errno !== Errno.ESTALE) throw error;
      failure = error;
    }
  }
  throw failure;
}

export async function statfs(dht: Dht, frame: Frame, loc: Loc, xdata: Xdata): Promise<StatfsReply> {
  const directory = loc.inode.ia_type === IaType.DIR || dht.known(loc.inode)?.layout !== undefined;
  const at = directory ? loc : new LocClass({ inode: loc.inode.table.root, path: '/' as Loc['path'] });
  const replies = dht.anySuccess(await dht.all(dht.subvols, (subvol) => subvol.fops.statfs(frame, at, xdata))).map(({ reply }) => reply);
  const merged = mergeStatfs(replies);
  if (!merged) throw new FopError(Errno.ENOTCONN);
  return merged;
}

/** Where locks of users are taken: a file's data; a directory's first subvolume, the same one for ever. */
export async function lockSubvol(dht: Dht, frame: Frame, inode: Inode): Promise<Subvol> {
  if (!(await isDirectory(dht, frame, inode))) return cachedOf(dht, frame, inode);
  const state = dht.knownState(inode);
  state.lockSubvol ??= state.layout?.entries[0]?.subvol ?? dht.subvols[0];
  if (!state.lockSubvol) throw new FopError(Errno.ENOTCONN);
  return state.lockSubvol;
}
