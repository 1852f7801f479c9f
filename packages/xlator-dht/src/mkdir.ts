import { Dict, type EntryReply, Errno, FopError, type Frame, LkType, type Loc, Loc as LocClass, type Xdata } from '@glusterts/libglusterfs';
import { computeLayout } from './compute-layout.js';
import { type Dht, succeeded } from './dht.js';
import { readLayout, writePlanned } from './directory-heal.js';
import { refreshLayout } from './directory-lookup.js';
import { refreshDisk } from './disk-usage.js';
import { ensureParent, preopFailed } from './entry-fops.js';
import { mergeDirectory } from './iatt-merge.js';
import { Domain, Key } from './keys.js';
import { INVALID_COMMIT_HASH, Layout } from './layout.js';
import { LockSet, parentLoc } from './locks.js';
import type { Subvol } from './subvol.js';

/** mkdir (spec/dht.md, §11). */

const QUOTA_LIMITS: readonly string[] = ['trusted.glusterfs.quota.limit-set', 'trusted.glusterfs.quota.limit-objects'];

export async function mkdir(dht: Dht, frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply> {
  const gfid = xdata?.getGfid(Key.GFID_REQ);
  if (!xdata || gfid === undefined) throw new FopError(Errno.EPERM, undefined, 'no gfid-req');
  await ensureParent(dht, frame, loc);
  const protectedBy = dht.hashedOrThrow(loc, Errno.EIO);
  refreshDisk(dht, frame);

  const names = new LockSet(dht, dht.rootFrame(frame));
  await names.protectName(protectedBy, loc);
  let hashed: Subvol;
  let reply: EntryReply;
  const layout = new Layout([], dht.generation);
  layout.commit = dht.settings.lookupOptimize ? dht.commitHash : INVALID_COMMIT_HASH;
  try {
    ({ hashed, reply } = await mkdirOnHashed(dht, frame, loc, mode, umask, xdata, protectedBy));
    layout.entries.push({ subvol: hashed, err: dht.isFilled(hashed) ? Errno.ENOSPC : 0, start: 0, stop: 0, commit: 0 });
    const others = dht.subvols.filter((subvol) => subvol !== hashed);
    for (const outcome of await dht.all(others, (subvol) => subvol.fops.mkdir(frame, loc, mode, umask, xdata))) {
      const { subvol } = outcome;
      const there = succeeded(outcome) || outcome.errno === Errno.EEXIST;
      layout.entries.push({ subvol, err: there ? (dht.isFilled(subvol) ? Errno.ENOSPC : 0) : outcome.errno, start: 0, stop: 0, commit: 0 });
      if (!succeeded(outcome)) continue;
      reply = { ...reply, stat: mergeDirectory(reply.stat, outcome.reply.stat), preparent: mergeDirectory(reply.preparent, outcome.reply.preparent), postparent: mergeDirectory(reply.postparent, outcome.reply.postparent) };
    }
  } finally {
    names.release();
  }

  const made = new LocClass({ inode: loc.inode, parent: loc.parent, name: loc.name, path: loc.path, gfid: reply.stat.ia_gfid, pargfid: loc.pargfid });
  computeLayout(layout, { key: dht.layoutKey(made, made.gfid), hasher: dht.hasher, weighted: dht.settings.weighted, spread: dht.settings.spread });
  // Who makes a directory has its layout by name, who looks it up by range: pathinfo shows it.
  const written = await writeNewLayout(dht, dht.healFrame(frame, true), made, layout, hashed, xdata);
  dht.setLayout(loc.inode, reply.stat.ia_gfid, written, hashed);
  dht.parentTimes(loc.inode, reply.stat);
  dht.parentTimes(loc.parent, reply.preparent);
  dht.parentTimes(loc.parent, reply.postparent);
  return { ...reply, inode: loc.inode };
}

/** The first mkdir, on the subvolume that becomes the directory's MDS; once more if our layout of the parent was stale. */
async function mkdirOnHashed(dht: Dht, frame: Frame, loc: Loc, mode: number, umask: number, xdata: Dict, first: Subvol): Promise<{ hashed: Subvol; reply: EntryReply }> {
  const attempt = (subvol: Subvol): { expected: Uint8Array | undefined; reply: Promise<EntryReply> } => {
    const request = xdata.clone();
    const expected = dht.addPreop(request, loc.parent, subvol);
    request.setBin(dht.xattr.mds, new Uint8Array(4));
    return { expected, reply: subvol.fops.mkdir(frame, loc, mode, umask, request) };
  };
  try {
    return { hashed: first, reply: await attempt(first).reply };
  } catch (error) {
    if (!preopFailed(error)) throw error;
  }
  await refreshLayout(dht, frame, parentLoc(loc));
  const second = dht.hashedOrThrow(loc, Errno.EIO);
  const { reply } = attempt(second);
  try {
    return { hashed: second, reply: await reply };
  } catch (error) {
    throw preopFailed(error) ? new FopError(Errno.EIO) : error;
  }
}

/** Writes a new directory's layout under its lock, unless another client has meanwhile. */
async function writeNewLayout(dht: Dht, frame: Frame, loc: Loc, layout: Layout, hashed: Subvol, xdata: Dict): Promise<Layout> {
  const locks = new LockSet(dht, frame);
  await locks.inodelks([{ subvol: hashed, loc, domain: Domain.LAYOUT, type: LkType.WRLCK }]);
  try {
    const disk = await readLayout(dht, frame, loc, new Dict().setUint(dht.xattr.layout, 16));
    const { holes, overlaps } = disk.anomalies();
    if (holes === 0 && overlaps === 0) return disk;
    const limits = new Dict();
    for (const key of QUOTA_LIMITS) {
      const value = xdata.get(key);
      if (value) limits.set(key, value);
    }
    return (await writePlanned(dht, frame, loc, layout, limits)).sortByName();
  } finally {
    locks.release();
  }
}
