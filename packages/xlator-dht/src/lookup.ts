import { Dict, Errno, FopError, type Frame, type Gfid, IaType, type Iatt, type Loc, Loc as LocClass, type LookupReply, NULL_GFID, ROOT_GFID, type Xdata, errnoOf } from '@glusterts/libglusterfs';
import { type Dht, type Outcome, isMissing, succeeded } from './dht.js';
import { lookupDirectory, settle, viewOf, withoutOwnXattrs } from './directory-lookup.js';
import { isPhase1, stripPhase1 } from './iatt-merge.js';
import { Key } from './keys.js';
import { makeLinkto, ownLinkto, unlinkStale } from './linkto.js';
import { LockSet } from './locks.js';
import type { Subvol } from './subvol.js';

/** lookup (spec/dht.md, §8). */

interface Request {
  readonly dht: Dht;
  readonly frame: Frame;
  readonly loc: Loc;
  /** The request for each subvolume, our keys included, gfid-req taken out. */
  readonly xdata: Dict;
  readonly savedGfid: Gfid | undefined;
  /** Searches everywhere so far: a name on which subvolumes keep disagreeing must end as an error. */
  searches?: number;
  /** The name's protection is held by the caller: nothing may be made or healed here, for that would wait for it. */
  readonly locked?: boolean;
}

const SEARCHES_MAX = 3;

export function lookup(dht: Dht, frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
  const forced = dht.forced(loc);
  if (forced) return lookupForced(dht, frame, forced.loc, forced.subvol, xdata);
  const isRoot = loc.targetGfid === ROOT_GFID;
  const request: Request = { dht, frame, loc, xdata: dht.lookupXdata(xdata, isRoot), savedGfid: xdata?.getGfid(Key.GFID_REQ) };
  if (loc.parentGfid === NULL_GFID && loc.targetGfid !== NULL_GFID && !isRoot) return discover(request);

  const state = dht.known(loc.inode);
  if (state?.cached) return revalidateFile(request, state.cached);
  if (state?.layout && state.layout.generation >= dht.generation) return revalidateDirectory(request);
  request.xdata.delete(Key.GFID_REQ);
  return fresh(request);
}

/** What non-directory is under a name whose protection the caller holds. Throws EISDIR for a directory. */
export function lookupLocked(dht: Dht, frame: Frame, loc: Loc): Promise<LookupReply> {
  return fresh({ dht, frame, loc, xdata: dht.lookupXdata(undefined, false), savedGfid: undefined, locked: true });
}

async function lookupForced(dht: Dht, frame: Frame, loc: Loc, subvol: Subvol, xdata: Xdata): Promise<LookupReply> {
  const reply = await subvol.fops.lookup(frame, loc, dht.lookupXdata(xdata, false));
  return isDirectory(reply.stat) ? directory({ dht, frame, loc, xdata: dht.lookupXdata(xdata, false), savedGfid: undefined }, reply.stat.ia_gfid) : found({ dht, frame, loc, xdata: new Dict(), savedGfid: undefined }, subvol, reply);
}

const isDirectory = (stat: Iatt): boolean => stat.ia_type === IaType.DIR;

/** A file is there: remember where, and answer. */
function found({ dht, loc }: Request, subvol: Subvol, reply: LookupReply): LookupReply {
  dht.setCached(loc.inode, reply.stat.ia_gfid, subvol);
  if (isPhase1(reply.stat) && dht.linktoName(reply.xdata) !== undefined) stripPhase1(reply.stat);
  dht.parentTimes(loc.parent, reply.postparent);
  return { inode: loc.inode, stat: reply.stat, postparent: reply.postparent, xdata: withoutOwnXattrs(dht, reply.xdata) };
}

async function directory(request: Request, gfid: Gfid): Promise<LookupReply> {
  if (request.locked && gfid !== NULL_GFID) throw new FopError(Errno.EISDIR);
  const { dht, frame, loc } = request;
  return lookupDirectory(dht, frame, loc, { gfid, savedGfid: request.savedGfid, xdata: request.xdata, everywhere: (gfidReq) => everywhere(request, gfidReq) });
}

async function fresh(request: Request): Promise<LookupReply> {
  const { dht, frame, loc, xdata } = request;
  const hashed = dht.hashed(loc);
  if (!hashed) return directory(request, NULL_GFID);
  let reply: LookupReply;
  try {
    reply = await hashed.fops.lookup(frame, loc, xdata);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === Errno.ENOENT) {
      if (dht.subvols.length === 1 || !searchesEverywhere(dht, loc)) throw error;
      return everywhere(request, undefined);
    }
    if (errno === Errno.ENOTCONN || errno === Errno.ENODATA) return directory(request, NULL_GFID);
    throw error;
  }
  const commit = reply.xdata?.getNumber(dht.xattr.commitHash);
  if (commit !== undefined && !dht.commitHashFixed) dht.commitHash = commit >>> 0;
  if (isDirectory(reply.stat)) return directory(request, reply.stat.ia_gfid);
  if (!dht.isLinkto(reply.stat, reply.xdata)) return found(request, hashed, reply);
  const target = dht.subvol(dht.linktoName(reply.xdata) ?? '');
  return target ? follow(request, target, reply.stat.ia_gfid) : everywhere(request, undefined);
}

/** The answer of a linkto's target (spec/dht.md, §8.2). */
async function follow(request: Request, target: Subvol, gfid: Gfid): Promise<LookupReply> {
  const { dht, frame, loc, xdata } = request;
  let reply: LookupReply;
  try {
    reply = await target.fops.lookup(frame, loc, xdata);
  } catch (error) {
    if (errnoOf(error) === Errno.ENOTCONN) throw error;
    return everywhere(request, undefined);
  }
  if (isDirectory(reply.stat) || dht.isLinkto(reply.stat, reply.xdata) || reply.stat.ia_gfid !== gfid) return everywhere(request, undefined);
  return found(request, target, reply);
}

/** Whether a name that is not on its hashed subvolume may be elsewhere (spec/dht.md, §8.6). */
function searchesEverywhere(dht: Dht, loc: Loc): boolean {
  const parent = loc.parent && dht.known(loc.parent);
  if (dht.settings.lookupOptimize) return parent?.layout?.commit !== dht.commitHash;
  if (dht.settings.lookupUnhashed === 'auto') return parent?.misplaced === true;
  return true;
}

/** Asks all subvolumes for a name, and decides what it is (spec/dht.md, §8.4). */
async function everywhere(request: Request, gfidReq: Gfid | undefined): Promise<LookupReply> {
  const { dht, frame, loc, xdata } = request;
  request.searches = (request.searches ?? 0) + 1;
  if (request.searches > SEARCHES_MAX) throw new FopError(Errno.EIO, undefined, `subvolumes disagree about ${loc.path}`);
  if (gfidReq !== undefined && gfidReq !== NULL_GFID) xdata.setGfid(Key.GFID_REQ, gfidReq);
  const hashed = dht.hashed(loc);
  let onHashed: { target: Subvol | undefined; gfid: Gfid; opens: number } | undefined;
  let data: { subvol: Subvol; reply: LookupReply } | undefined;
  let directories = 0;
  let nodata = false;
  let lastError: unknown;
  const stale: Promise<number>[] = [];
  for (const outcome of await dht.all(dht.subvols, (subvol) => subvol.fops.lookup(frame, loc, xdata))) {
    if (!succeeded(outcome)) {
      if (outcome.errno === Errno.ENODATA) nodata = true;
      if (outcome.errno !== Errno.ENOENT && outcome.errno !== Errno.ESTALE) lastError = outcome.error;
      continue;
    }
    const { subvol, reply } = outcome;
    if (isDirectory(reply.stat)) {
      directories++;
    } else if (dht.isLinkto(reply.stat, reply.xdata)) {
      const opens = reply.xdata?.getNumber(Key.OPEN_FD_COUNT) ?? 0;
      if (subvol === hashed) onHashed = { target: dht.subvol(dht.linktoName(reply.xdata) ?? ''), gfid: reply.stat.ia_gfid, opens };
      else if (opens === 0) stale.push(unlinkStale(dht, frame, loc, subvol));
    } else {
      data ??= { subvol, reply };
    }
  }
  await Promise.all(stale);

  if (data && directories > 0) throw new FopError(Errno.EIO, undefined, `${loc.path} is both a file and a directory`);
  if (directories > 0) return request.locked ? Promise.reject(new FopError(Errno.EISDIR)) : directory(request, loc.targetGfid);
  if (!data) {
    if (nodata && !onHashed) {
      if (request.savedGfid !== undefined && gfidReq === undefined) return directory(request, request.savedGfid);
      throw new FopError(Errno.ENODATA);
    }
    // A subvolume that is down may hold the data: then the linkto must stay.
    if (onHashed && hashed && lastError === undefined) await unlinkStale(dht, frame, loc, hashed);
    if (onHashed && lastError !== undefined) throw lastError;
    throw new FopError(Errno.ENOENT);
  }
  if (!hashed || data.subvol === hashed) return found(request, data.subvol, data.reply);
  if (onHashed?.target === data.subvol) {
    if (onHashed.gfid !== data.reply.stat.ia_gfid) throw new FopError(Errno.ESTALE);
    return found(request, data.subvol, data.reply);
  }
  if (onHashed && onHashed.opens === 0) {
    const errno = await unlinkStale(dht, frame, loc, hashed);
    if (errno === Errno.EBUSY || errno === Errno.ENOTCONN) throw new FopError(Errno.EIO);
  }
  if (!request.locked) await linkMisplaced(request, hashed, data.subvol, data.reply.stat);
  return found(request, data.subvol, data.reply);
}

/** A data file away from its hashed subvolume gets a linkto there, if it still lies so under the name's protection. */
async function linkMisplaced({ dht, frame, loc }: Request, hashed: Subvol, cached: Subvol, stat: Iatt): Promise<void> {
  const locks = new LockSet(dht, dht.rootFrame(frame));
  const target = new LocClass({ inode: loc.inode, parent: loc.parent, name: loc.name, path: loc.path, gfid: stat.ia_gfid, pargfid: loc.pargfid });
  try {
    await locks.protectName(hashed, target);
    const again = await dht.all([hashed, cached], (subvol) => subvol.fops.lookup(dht.rootFrame(frame), loc, dht.lookupXdata(undefined, false)));
    if (again[0]?.errno !== Errno.ENOENT || again[1]?.reply?.stat.ia_gfid !== stat.ia_gfid) return;
    await makeLinkto(dht, frame, target, hashed, cached, stat.ia_gfid);
    ownLinkto(dht, frame, target, hashed, stat);
  } catch (error) {
    dht.log.debug(109000, 'linking a misplaced file failed', { path: loc.path, errno: errnoOf(error) });
  } finally {
    locks.release();
  }
}

async function revalidateFile(request: Request, cached: Subvol): Promise<LookupReply> {
  const { dht, frame, loc, xdata } = request;
  let reply: LookupReply;
  try {
    reply = await cached.fops.lookup(frame, loc, xdata);
  } catch (error) {
    if (errnoOf(error) !== Errno.ENOENT) throw error;
    const reply = await everywhere(request, undefined);
    if (loc.inode.gfid !== NULL_GFID && reply.stat.ia_gfid !== loc.inode.gfid) throw new FopError(Errno.ESTALE);
    return reply;
  }
  if (loc.inode.gfid !== NULL_GFID && reply.stat.ia_gfid !== loc.inode.gfid) throw new FopError(Errno.ESTALE);
  if (isDirectory(reply.stat)) throw new FopError(Errno.EINVAL);
  if (!dht.isLinkto(reply.stat, reply.xdata)) return found(request, cached, reply);
  const target = dht.subvol(dht.linktoName(reply.xdata) ?? '');
  if (!target) throw new FopError(Errno.ESTALE);
  return follow(request, target, reply.stat.ia_gfid);
}

async function revalidateDirectory(request: Request): Promise<LookupReply> {
  const { dht, frame, loc, xdata } = request;
  const state = dht.state(loc.inode);
  const remembered = dht.known(loc.inode)?.layout;
  const outcomes = await dht.all(dht.subvols, (subvol) => subvol.fops.lookup(frame, loc, xdata));
  if (outcomes.some(({ errno }) => errno === Errno.ESTALE)) throw new FopError(Errno.ESTALE);
  if (outcomes.some((outcome) => succeeded(outcome) && !isDirectory(outcome.reply.stat))) throw new FopError(Errno.EINVAL);
  const gfid = loc.inode.gfid;
  if (gfid !== NULL_GFID && outcomes.some((outcome) => succeeded(outcome) && outcome.reply.stat.ia_gfid !== gfid)) throw new FopError(Errno.ESTALE);
  const { view } = viewOf(dht, outcomes, loc.targetGfid === ROOT_GFID);
  if (!view) {
    const failure = outcomes.at(-1);
    throw failure && failure.errno === Errno.ENOTCONN ? failure.error : new FopError(outcomes.some(({ errno }) => errno === Errno.ENOENT) ? Errno.ENOENT : Errno.ESTALE);
  }
  const changed = view.layout.entries.some((entry) => {
    const before = remembered?.entryOf(entry.subvol);
    return entry.err === 0 && (!before || before.start !== entry.start || before.stop !== entry.stop || before.commit !== entry.commit);
  });
  if (changed) return directory(request, view.gfid);
  view.mds ??= state.mds;
  // What is on a subvolume that is down stays as it was known: its names are to fail there, and not to have no subvolume.
  const same = remembered?.entries.length === view.layout.entries.length && remembered.entries.every(({ err }) => err === 0) && view.layout.entries.every(({ err }) => err === 0 || err === Errno.ENOTCONN);
  return settle(dht, frame, loc, view, same ? remembered : undefined);
}

/** A lookup by gfid alone (spec/dht.md, §8.7). */
async function discover(request: Request): Promise<LookupReply> {
  const { dht, frame, loc, xdata } = request;
  const outcomes = await dht.all(dht.subvols, (subvol) => subvol.fops.lookup(frame, loc, xdata));
  let file: (Outcome<LookupReply> & { reply: LookupReply }) | undefined;
  for (const outcome of outcomes) {
    if (succeeded(outcome) && !isDirectory(outcome.reply.stat) && !dht.isLinkto(outcome.reply.stat, outcome.reply.xdata)) file ??= outcome;
  }
  const { view } = viewOf(dht, outcomes.filter((outcome) => !succeeded(outcome) || isDirectory(outcome.reply.stat)), false);
  if (file && view) throw new FopError(Errno.EIO, undefined, 'both a file and a directory');
  if (file) return found(request, file.subvol, file.reply);
  if (!view) {
    const down = outcomes.find(({ errno }) => errno !== 0 && !isMissing(errno));
    throw down?.error ?? new FopError(isMissing(outcomes[0]?.errno ?? 0) ? (outcomes[0]?.errno ?? Errno.ENOENT) : Errno.ENOENT);
  }
  const { holes, overlaps, missingDirectories } = view.layout.anomalies();
  if (holes > 0 || overlaps > 0 || missingDirectories > 0 || !view.mds) dht.background('healing an ancestry', () => healAncestry(dht, frame, loc, view.gfid, outcomes));
  dht.setLayout(loc.inode, view.gfid, view.layout, view.mds);
  dht.parentTimes(loc.inode, view.stat);
  return { inode: loc.inode, stat: view.stat, postparent: view.stat, xdata: withoutOwnXattrs(dht, view.xdata) };
}

/** Looks every component of a directory's path up by name, so that heals have names to work with. */
async function healAncestry(dht: Dht, frame: Frame, loc: Loc, gfid: Gfid, outcomes: readonly Outcome<LookupReply>[]): Promise<void> {
  const good = outcomes.find(succeeded)?.subvol;
  if (!good) return;
  const { dict } = await good.fops.getxattr(dht.rootFrame(frame), dht.inodeLoc(loc.inode, gfid), Key.ANCESTRY_PATH as Loc['name'], undefined);
  const path = dict.getStr(Key.ANCESTRY_PATH);
  if (path === undefined || !path.startsWith('/')) return;
  const { table } = loc.inode;
  let at = table.root;
  await lookup(dht, frame, new LocClass({ inode: at, path: '/' as Loc['path'] }), undefined);
  for (const part of path.split('/').filter((name) => name !== '')) {
    const name = part as Loc['name'];
    const step = new LocClass({ inode: table.grep(at, name) ?? table.create(), parent: at, name, path: table.path(at, name) ?? path });
    const reply = await lookup(dht, frame, step, undefined);
    at = table.link(reply.inode, at, name, reply.stat);
  }
}
