import { Dict, Errno, FopError, type Frame, type Gfid, LkType, type Loc, Loc as LocClass, ROOT_GFID, errnoOf } from '@glusterts/libglusterfs';
import { computeLayout } from './compute-layout.js';
import { type Dht, isMissing, succeeded } from './dht.js';
import type { DirectoryView } from './directory-lookup.js';
import { Domain, Key, internal, isHealable } from './keys.js';
import { INVALID_COMMIT_HASH, Layout, encodeLayout } from './layout.js';
import { LockSet } from './locks.js';
import type { Subvol } from './subvol.js';

/** Making all subvolumes agree about a directory (spec/dht.md, §12). */

const SETATTR_ALL = 0xffffffff;
const SETATTR_ALL_AFTER_MKDIR = 0x00ffffff;
const INTERNAL_CTX_BYTES = 32;

/** Heals as far as it can; a failure is logged, and the lookup goes on with what there is. */
export async function healDirectory(dht: Dht, frame: Frame, loc: Loc, view: DirectoryView, options: { evenIfBroken?: boolean } = {}): Promise<void> {
  const { down, misc } = view.layout.anomalies();
  if (!options.evenIfBroken && (down > 0 || misc > 0)) return;
  try {
    await heal(dht, dht.healFrame(frame), loc, view);
  } catch (error) {
    dht.log.warning(109005, 'directory self-heal failed', { path: loc.path, errno: errnoOf(error) });
    if (isMissing(errnoOf(error))) throw error;
  }
}

async function heal(dht: Dht, frame: Frame, loc: Loc, view: DirectoryView): Promise<void> {
  const isRoot = view.gfid === ROOT_GFID;
  const target = named(loc, view.gfid);
  const { holes, overlaps } = view.layout.anomalies();
  const replan = holes > 0 || overlaps > 0;
  if (replan) {
    view.layout.commit = INVALID_COMMIT_HASH;
    plan(dht, target, view.layout, view.gfid);
  }
  const unmarked = !isRoot && !view.mds;
  const missing = view.layout.entries.filter((entry) => entry.err === Errno.ENOENT);
  if (missing.length > 0) await makeMissing(dht, frame, target, view, missing.map((entry) => entry.subvol));

  if (replan || missing.length > 0 || view.attributesDiffer) {
    const valid = missing.length > 0 ? SETATTR_ALL_AFTER_MKDIR : SETATTR_ALL;
    await dht.all(dht.subvols, (subvol) => subvol.fops.setattr(frame, target, view.source, valid, undefined));
  }
  if (replan || missing.length > 0) view.layout = await healLayout(dht, frame, target, view, replan);
  if (unmarked) await markMds(dht, frame, target, view);
  if (view.xattrsBehind && view.mds) {
    const { mds } = view;
    dht.background('healing xattrs of a directory', () => healXattrs(dht, frame, target, mds));
  }
}

/** By gfid, parent and name. */
function named(loc: Loc, gfid: Gfid): Loc {
  return new LocClass({ inode: loc.inode, parent: loc.parent, name: loc.name, path: loc.path, gfid, pargfid: loc.pargfid });
}

function plan(dht: Dht, loc: Loc, layout: Layout, gfid: Gfid): void {
  computeLayout(layout, { key: dht.layoutKey(loc, gfid), hasher: dht.hasher, weighted: dht.settings.weighted, spread: dht.settings.spread });
}

/** mkdir where it is missing, under the name's protection. */
async function makeMissing(dht: Dht, frame: Frame, loc: Loc, view: DirectoryView, missing: readonly Subvol[]): Promise<void> {
  const hashed = dht.hashed(loc);
  if (!hashed || loc.name === '') throw new FopError(Errno.EINVAL, undefined, 'no hashed subvolume');
  if (!view.mds && dht.subvols.length > 1) view.mds = hashed;
  const locks = new LockSet(dht, frame);
  await locks.protectName(hashed, loc);
  try {
    const request = dht.lookupXdata(undefined, false).setGfid(Key.GFID_REQ, view.gfid).setInt(Key.LIST_XATTR, 1);
    const found = await dht.all(dht.subvols, (subvol) => subvol.fops.lookup(frame, loc, subvol === view.mds ? request : new Dict()));
    if (found.every((outcome) => isMissing(outcome.errno))) throw new FopError(Errno.ENOENT);
    const absent: Subvol[] = [];
    for (const outcome of found) {
      const entry = view.layout.entryOf(outcome.subvol);
      if (isMissing(outcome.errno)) absent.push(outcome.subvol);
      else if (entry && succeeded(outcome) && missing.includes(outcome.subvol)) entry.err = -1;
    }
    const xdata = new Dict().setGfid(Key.GFID_REQ, view.gfid);
    const listed = found.find((outcome) => outcome.subvol === view.mds)?.reply?.xdata;
    if (listed) for (const [key, value] of listed.entries()) if (isHealable(key)) xdata.set(key, value);
    const context = new Uint8Array(INTERNAL_CTX_BYTES);
    context[0] = 1;
    xdata.setBin(Key.INTERNAL_CTX, context);
    const made = await dht.all(absent, (subvol) => subvol.fops.mkdir(frame, loc, view.source.mode, 0, xdata));
    for (const outcome of made) {
      const entry = view.layout.entryOf(outcome.subvol);
      if (entry && (succeeded(outcome) || outcome.errno === Errno.EEXIST)) entry.err = -1;
    }
  } finally {
    locks.release();
  }
}

/** Writes the planned layout, or completes the one on disk (spec/dht.md, §12.2, step 7). */
async function healLayout(dht: Dht, frame: Frame, loc: Loc, view: DirectoryView, replan: boolean): Promise<Layout> {
  const locks = new LockSet(dht, frame);
  await locks.inodelks(dht.subvols.map((subvol) => ({ subvol, loc, domain: Domain.LAYOUT, type: LkType.WRLCK })));
  try {
    const disk = await readLayout(dht, frame, loc, dht.lookupXdata(undefined, view.gfid === ROOT_GFID));
    const { holes, overlaps, down, misc } = disk.anomalies();
    if (down > 0 || misc > 0) return disk;
    if (holes === 0 && overlaps === 0) {
      const empty = disk.entries.filter((entry) => view.layout.entryOf(entry.subvol)?.err === -1 && entry.err === 0 && entry.start === entry.stop);
      await writeRanges(dht, frame, loc, disk, empty);
      return disk;
    }
    if (!replan) {
      // The disk was sane a moment ago: somebody else is at it. Plan anew.
      view.layout = disk;
      view.layout.commit = INVALID_COMMIT_HASH;
      plan(dht, loc, view.layout, view.gfid);
    }
    return await writePlanned(dht, frame, loc, view.layout);
  } finally {
    locks.release();
  }
}

/** The layout xattr of every subvolume, by lookup. */
export async function readLayout(dht: Dht, frame: Frame, loc: Loc, xdata: Dict): Promise<Layout> {
  const layout = new Layout([], dht.generation);
  for (const outcome of await dht.all(dht.subvols, (subvol) => subvol.fops.lookup(frame, loc, xdata))) {
    layout.merge(outcome.subvol, outcome.errno, outcome.reply?.xdata?.getBin(dht.xattr.layout));
  }
  return layout.sort();
}

/** Writes ranges to entries that got one, and 0-0 with commit hash 0 to all others that have the directory. */
export async function writePlanned(dht: Dht, frame: Frame, loc: Loc, layout: Layout, extra?: Dict): Promise<Layout> {
  const participants = layout.entries.filter((entry) => entry.err === -1 && entry.stop !== 0);
  const others = layout.entries.filter((entry) => !participants.includes(entry) && (entry.err === -1 || entry.err === 0 || entry.err === Errno.ENOSPC || (entry.err === Errno.EINVAL && entry.subvol.decommissioned)));
  for (const entry of others) entry.start = entry.stop = entry.commit = 0;
  await writeRanges(dht, frame, loc, layout, [...participants, ...others], extra);
  return layout.sort();
}

/** setxattr of the layout on some subvolumes. An entry that was written is in order (err 0). */
export async function writeRanges(dht: Dht, frame: Frame, loc: Loc, layout: Layout, entries: readonly Layout['entries'][number][], extra?: Dict): Promise<void> {
  await Promise.all(entries.map(async (entry) => {
    const dict = new Dict().setBin(dht.xattr.layout, encodeLayout(entry, layout.type));
    const xdata = internal().setInt(Key.IATT_IN_XATTR, 1).merge(extra);
    try {
      await entry.subvol.fops.setxattr(frame, loc, dict, 0, xdata);
      entry.err = 0;
    } catch (error) {
      entry.err = errnoOf(error);
      dht.log.warning(109036, 'layout setxattr failed', { subvol: entry.subvol.name, path: loc.path, errno: entry.err });
    }
  }));
}

/** A directory from before MDS existed: its hashed subvolume becomes it, if all are up (spec/dht.md, §12.3). */
async function markMds(dht: Dht, frame: Frame, loc: Loc, view: DirectoryView): Promise<void> {
  const hashed = view.mds ?? dht.hashed(loc);
  if (!hashed || loc.name === '' || dht.anyDown()) return;
  await hashed.fops.setxattr(frame, loc, new Dict().setBin(dht.xattr.mds, new Uint8Array(4)), 0, undefined);
  view.mds = hashed;
}

/** Copies the healable xattrs of the MDS to all others (spec/dht.md, §12.4). */
async function healXattrs(dht: Dht, frame: Frame, loc: Loc, mds: Subvol): Promise<void> {
  const { dict } = await mds.fops.getxattr(frame, loc, undefined, undefined);
  const healable = new Dict();
  for (const [key, value] of dict.entries().reverse()) if (isHealable(key)) healable.set(key, value);
  const others = dht.subvols.filter((subvol) => subvol !== mds);
  const outcomes = await dht.all(others, (subvol) => subvol.fops.setxattr(frame, loc, healable, 0, new Dict().setInt(Key.SYNC_BACKEND, 1)));
  if (outcomes.every(succeeded)) await mds.fops.setxattr(frame, loc, new Dict().setBin(dht.xattr.mds, new Uint8Array(4)), 0, undefined);
}
