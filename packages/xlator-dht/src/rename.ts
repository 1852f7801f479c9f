import { Dict, Errno, Fd, FopError, type Frame, type Gfid, IaType, type Iatt, type Loc, Loc as LocClass, LkType, type RenameReply, type Xdata, errnoOf, gfidToBuffer, gfidToString } from '@glusterts/libglusterfs';
import { type Dht, isMissing, outcome, succeeded } from './dht.js';
import { ensureParent } from './entry-fops.js';
import { mergeDirectory, stripPhase1 } from './iatt-merge.js';
import { Domain, Key, guardedUnlink, internal } from './keys.js';
import { makeLinkto, ownLinkto } from './linkto.js';
import { type InodeLockRequest, type LockRequest, LockSet, inLockOrder, nameProtection } from './locks.js';
import { lookupLocked } from './lookup.js';
import { cachedOf } from './migration.js';
import type { Subvol } from './subvol.js';

/** rename (spec/dht.md, §14). */

const LISTING_BYTES = 4096;
const RENAME_OP_FIXED = 44;
const RENAME_OP_NAMES_AT = 40;

export async function rename(dht: Dht, frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
  if (oldloc.parent && !dht.known(oldloc.parent)?.layout) await ensureParent(dht, frame, oldloc);
  if (newloc.parent && !dht.known(newloc.parent)?.layout) await ensureParent(dht, frame, newloc);
  if (oldloc.inode.ia_type === IaType.DIR || dht.known(oldloc.inode)?.layout) return renameDirectory(dht, frame, oldloc, newloc, xdata);
  return renameFile(dht, frame, oldloc, newloc, xdata);
}

/** Both names' protection, in the order that keeps two renames from waiting for each other. */
function nameLocks(a: { hashed: Subvol; loc: Loc }, b: { hashed: Subvol; loc: Loc }): LockRequest[] {
  const key = ({ hashed, loc }: { hashed: Subvol; loc: Loc }): string => `${hashed.name}\0${gfidToString(loc.parentGfid)}${loc.name}`;
  const [first, second] = key(a) <= key(b) ? [a, b] : [b, a];
  const locks = nameProtection(first.hashed, first.loc);
  if (key(first) !== key(second)) locks.push(...nameProtection(second.hashed, second.loc));
  return locks;
}

/** `changelog.rename-op`: parents and names, for geo-replication and quota on the bricks. Lengths in host byte order. */
export function renameOp(oldloc: Loc, newloc: Loc): Uint8Array {
  const [from, to] = [Buffer.from(`${oldloc.name}\0`, 'latin1'), Buffer.from(`${newloc.name}\0`, 'latin1')];
  const value = Buffer.alloc(RENAME_OP_FIXED + from.length + to.length);
  gfidToBuffer(oldloc.parentGfid).copy(value, 0);
  gfidToBuffer(newloc.parentGfid).copy(value, 16);
  value.writeInt32LE(from.length, 32);
  value.writeInt32LE(to.length, 36);
  from.copy(value, RENAME_OP_NAMES_AT);
  to.copy(value, RENAME_OP_NAMES_AT + from.length);
  return value;
}

function finish(dht: Dht, oldloc: Loc, newloc: Loc, reply: RenameReply): RenameReply {
  dht.parentTimes(oldloc.parent, reply.preoldparent);
  dht.parentTimes(oldloc.parent, reply.postoldparent);
  dht.parentTimes(newloc.parent, reply.prenewparent);
  dht.parentTimes(newloc.parent, reply.postnewparent);
  return reply;
}

// -------------------------------------------------------------------------------------------------- directories

async function renameDirectory(dht: Dht, frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
  if (dht.anyDown()) throw new FopError(Errno.ENOTCONN);
  const srcHashed = dht.hashedOrThrow(oldloc, Errno.EINVAL);
  const dstHashed = dht.hashedOrThrow(newloc, Errno.EINVAL);
  const locks = new LockSet(dht, dht.rootFrame(frame));
  await locks.take(nameLocks({ hashed: srcHashed, loc: oldloc }, { hashed: dstHashed, loc: newloc }));
  try {
    const state = dht.known(newloc.inode);
    if (state?.layout) await checkEmpty(dht, frame, newloc);
    else if (state?.cached) throw new FopError(Errno.ENOTDIR);
    let reply = await dstHashed.fops.rename(frame, oldloc, newloc, xdata);
    const done = [dstHashed];
    let failure: unknown;
    for (const each of await dht.all(dht.subvols.filter((subvol) => subvol !== dstHashed), (subvol) => subvol.fops.rename(frame, oldloc, newloc, xdata))) {
      if (!succeeded(each)) {
        failure ??= each.error;
        continue;
      }
      done.push(each.subvol);
      reply = mergeRename(reply, each.reply);
    }
    if (failure !== undefined) {
      await dht.all(done, (subvol) => subvol.fops.rename(frame, newloc, oldloc, undefined));
      throw failure;
    }
    return finish(dht, oldloc, newloc, mergeRename(reply, reply));
  } finally {
    locks.release();
  }
}

function mergeRename(a: RenameReply, b: RenameReply): RenameReply {
  return {
    stat: mergeDirectory(a.stat, b.stat),
    preoldparent: mergeDirectory(a.preoldparent, b.preoldparent),
    postoldparent: mergeDirectory(a.postoldparent, b.postoldparent),
    prenewparent: mergeDirectory(a.prenewparent, b.prenewparent),
    postnewparent: mergeDirectory(a.postnewparent, b.postnewparent),
    xdata: a.xdata ?? b.xdata,
  };
}

/** Any entry counts here, linkto files too. */
async function checkEmpty(dht: Dht, frame: Frame, loc: Loc): Promise<void> {
  const fd = new Fd(loc.inode, { pid: frame.pid });
  try {
    const checks = await dht.all(dht.subvols, async (subvol) => {
      await subvol.fops.opendir(frame, loc, fd, undefined);
      const { entries } = await subvol.fops.readdir(frame, fd, LISTING_BYTES, 0n, undefined);
      if (entries.some((entry) => entry.name !== '.' && entry.name !== '..')) throw new FopError(Errno.ENOTEMPTY);
    });
    for (const check of checks) if (!succeeded(check) && !isMissing(check.errno)) throw check.error;
  } finally {
    fd.unref();
  }
}

// -------------------------------------------------------------------------------------------------- files

interface FileRename {
  readonly dht: Dht;
  readonly frame: Frame;
  readonly root: Frame;
  readonly oldloc: Loc;
  readonly newloc: Loc;
  readonly srcHashed: Subvol;
  readonly srcCached: Subvol;
  readonly dstHashed: Subvol;
  dstCached: Subvol | undefined;
  readonly xdata: Xdata;
}

async function renameFile(dht: Dht, frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
  const root = dht.rootFrame(frame);
  const job: FileRename = {
    dht, frame, root, oldloc, newloc, xdata,
    srcHashed: dht.hashedOrThrow(oldloc, Errno.EINVAL),
    srcCached: await cachedOf(dht, frame, oldloc.inode),
    dstHashed: dht.hashedOrThrow(newloc, Errno.EINVAL),
    dstCached: dht.known(newloc.inode)?.cached,
  };
  if (dht.known(newloc.inode)?.layout) throw new FopError(Errno.EISDIR);
  const locks = new LockSet(dht, root);
  const migration: InodeLockRequest[] = [{ subvol: job.srcCached, loc: oldloc, domain: Domain.MIGRATE, type: LkType.WRLCK }];
  if (job.dstCached && newloc.inode !== oldloc.inode) {
    const tolerate = [Errno.ENOENT, Errno.ESTALE, Errno.EIO];
    migration.push({ subvol: job.dstCached, loc: newloc, domain: Domain.MIGRATE, type: LkType.WRLCK, tolerate });
  }
  await locks.take([...inLockOrder(migration), ...nameLocks({ hashed: job.srcHashed, loc: oldloc }, { hashed: job.dstHashed, loc: newloc })]);
  try {
    await lookAgain(job);
    return finish(dht, oldloc, newloc, await renameLocked(job));
  } finally {
    locks.release();
  }
}

/** Under the locks: is the source still that file, and what is at the new name? */
async function lookAgain(job: FileRename): Promise<void> {
  const { dht, root, oldloc, newloc, srcCached } = job;
  const probe = new LocClass({ inode: newloc.inode.table.create(), parent: newloc.parent, name: newloc.name, path: newloc.path, pargfid: newloc.pargfid });
  const [source, target] = await Promise.allSettled([srcCached.fops.lookup(root, oldloc, new Dict().setUint(dht.xattr.linkto, 256)), lookupLocked(dht, root, probe)]);
  if (source.status === 'rejected') throw source.reason;
  if (dht.isLinkto(source.value.stat, source.value.xdata) || source.value.stat.ia_gfid !== oldloc.targetGfid) throw new FopError(Errno.ENOENT);
  if (target.status === 'rejected') {
    if (errnoOf(target.reason) !== Errno.ENOENT) throw target.reason;
    job.dstCached = undefined;
    return;
  }
  if (target.value.stat.ia_type === IaType.DIR) throw new FopError(Errno.EISDIR);
  job.dstCached = dht.cachedOf(probe.inode);
}

async function renameLocked(job: FileRename): Promise<RenameReply> {
  const { dht, frame, root, oldloc, newloc, srcHashed, srcCached, dstHashed, dstCached } = job;
  const oldGfid = oldloc.targetGfid;
  let tempLinkto = false;
  let linked = false;
  const undo = async (): Promise<void> => {
    if (tempLinkto && dstHashed !== srcHashed && dstHashed !== srcCached) await outcome(dstHashed, (subvol) => subvol.fops.unlink(root, oldloc, 0, guardedUnlink()));
    if (linked) await outcome(srcCached, (subvol) => subvol.fops.unlink(root, newloc, 0, internal()));
  };

  // Preparation.
  if (srcCached === dstCached) {
    if (dstHashed !== dstCached) {
      const gone = await outcome(dstHashed, (subvol) => subvol.fops.unlink(root, newloc, 0, guardedUnlink()));
      if (!succeeded(gone) && gone.errno !== Errno.ENOENT && gone.errno !== Errno.EBUSY) throw gone.error;
    }
  } else if (srcCached !== dstHashed) {
    try {
      const target = newloc.clone();
      target.inode = oldloc.inode;
      target.gfid = oldGfid;
      // Neither needs the other: the linkto bears the old name, and of the new one there is nothing on its hashed subvolume before the rename.
      const [linkto, link] = await Promise.all([
        dstHashed === srcHashed ? undefined : outcome(dstHashed, () => makeLinkto(dht, frame, oldloc, dstHashed, srcCached, oldGfid, { replace: true })),
        outcome(srcCached, (subvol) => subvol.fops.link(root, oldloc, target, internal().setStr(Key.FORCE_REPLACE, 'yes').setStr(Key.DONT_ACCOUNT, 'yes'))),
      ]);
      tempLinkto = linkto !== undefined && succeeded(linkto);
      linked = succeeded(link);
      if (linkto && !succeeded(linkto)) throw linkto.error;
      if (!succeeded(link)) throw link.error;
    } catch (error) {
      await undo();
      throw error;
    }
  }

  // The rename proper: of the data, or of its linkto.
  const at = srcCached === dstCached ? srcCached : dstHashed;
  const ofData = at === srcCached;
  const request = job.xdata?.clone() ?? new Dict();
  if (ofData) request.setBin(Key.RENAME_OP, renameOp(oldloc, newloc));
  else request.merge(internal());
  const renamed = await outcome(at, (subvol) => subvol.fops.rename(frame, oldloc, newloc, request));
  if (!succeeded(renamed)) {
    if (ofData) {
      await undo();
      throw renamed.error;
    }
    dht.log.warning(109000, 'rename of a linkto failed', { subvol: at.name, path: oldloc.path, errno: renamed.errno });
  }
  const data = renamed.reply?.stat;
  if (srcCached === dstCached && dstHashed !== dstCached) {
    const made = await outcome(dstHashed, () => makeLinkto(dht, frame, newloc, dstHashed, srcCached, oldGfid));
    if (!succeeded(made)) dht.log.warning(109000, 'making a linkto failed', { subvol: dstHashed.name, errno: made.errno });
  }

  // What is left of the old name and of what the new one was.
  const sameParent = oldloc.parentGfid === newloc.parentGfid;
  const helper = (): Dict => (sameParent ? internal().setStr(Key.DONT_ACCOUNT, 'yes') : internal());
  let fromData: Iatt | undefined = ofData ? data : undefined;
  if (srcCached !== dstHashed && srcCached !== dstCached) {
    const xdata = helper().setBin(Key.RENAME_OP, renameOp(oldloc, newloc));
    // The file's attributes when its old name is gone: GlusterFS's bricks tell them too, to shards.
    if (srcCached.oneBrick) xdata.setInt(Key.IATT_IN_XATTR, 1);
    const gone = await outcome(srcCached, (subvol) => subvol.fops.unlink(root, oldloc, 0, xdata));
    if (!succeeded(gone)) dht.log.warning(109000, 'unlink of the old name failed', { subvol: srcCached.name, errno: gone.errno });
    else if (srcCached.oneBrick) fromData = attributesAfter(gone.reply.xdata, oldGfid);
  }
  const leftovers: [Subvol, Loc, Dict][] = [];
  if (srcHashed !== at && srcHashed !== srcCached) leftovers.push([srcHashed, oldloc, helper()]);
  if (dstCached && dstCached !== dstHashed && dstCached !== srcCached) leftovers.push([dstCached, newloc, new Dict()]);
  await Promise.all(leftovers.map(([subvol, loc, xdata]) => outcome(subvol, () => subvol.fops.unlink(root, loc, 0, xdata))));

  // The reply's attributes are the data's.
  const only = dht.inodeLoc(oldloc.inode, oldGfid, newloc.path);
  if (!fromData) fromData = (await srcCached.fops.stat(root, only, undefined)).stat;
  stripPhase1(fromData);
  dht.setCached(oldloc.inode, oldGfid, srcCached);
  if (dstHashed !== srcCached) ownLinkto(dht, frame, new LocClass({ inode: oldloc.inode, path: newloc.path }), dstHashed, fromData);
  const parents = renamed.reply ?? (await parentStats(job));
  return { ...parents, stat: fromData };
}

/** Those of the file, when the brick has told them and it has a name left. */
function attributesAfter(xdata: Xdata, gfid: Gfid): Iatt | undefined {
  const stat = xdata?.getIatt(Key.IATT_IN_XATTR);
  return stat && stat.ia_gfid === gfid && stat.ia_nlink > 0 && stat.ia_ctime !== 0 ? stat : undefined;
}

/** The rename of the linkto failed, so its reply gave no attributes of the parents. */
async function parentStats({ dht, root, oldloc, newloc, srcCached }: FileRename): Promise<RenameReply> {
  const stat = async (loc: Loc): Promise<Iatt> => {
    const inode = loc.parent ?? loc.inode.table.create();
    return (await srcCached.fops.stat(root, dht.inodeLoc(inode, loc.parentGfid), undefined)).stat;
  };
  const [old, next] = [await stat(oldloc), await stat(newloc)];
  return { stat: old, preoldparent: old, postoldparent: old.clone(), prenewparent: next, postnewparent: next.clone(), xdata: undefined };
}
