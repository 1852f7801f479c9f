import { Dict, Errno, FopError, type Frame, type Gfid, IaType, type Iatt, type Loc, type LookupReply, NULL_GFID, ROOT_GFID } from '@glusterts/libglusterfs';
import { type Dht, type Outcome, succeeded } from './dht.js';
import { healDirectory } from './directory-heal.js';
import { isNewer, mergeDirectory } from './iatt-merge.js';
import { Key } from './keys.js';
import { Layout } from './layout.js';
import type { Subvol } from './subvol.js';

/** A directory as all subvolumes see it (spec/dht.md, §8.3). */

/** What all replies together say. */
export interface DirectoryView {
  layout: Layout;
  stat: Iatt;
  postparent: Iatt;
  xdata: Dict;
  gfid: Gfid;
  mds: Subvol | undefined;
  /** What heals copy attributes from. */
  source: Iatt;
  attributesDiffer: boolean;
  /** The MDS counts changes that did not reach all. */
  xattrsBehind: boolean;
}

/** Merges replies of a directory. undefined: none was a success on a directory. */
export function viewOf(dht: Dht, outcomes: readonly Outcome<LookupReply>[], isRoot: boolean): { view: DirectoryView | undefined; other: boolean } {
  const layout = new Layout([], dht.generation);
  let other = false;
  let stat: Iatt | undefined;
  let postparent: Iatt | undefined;
  let first: Iatt | undefined;
  let mdsStat: Iatt | undefined;
  let newest: Iatt | undefined;
  let mds: Subvol | undefined;
  let xattrsBehind = false;
  let attributesDiffer = false;
  const xdata = new Dict();
  for (const outcome of outcomes) {
    if (!succeeded(outcome)) {
      if (outcome.errno === Errno.ENODATA) other = true;
      layout.merge(outcome.subvol, outcome.errno, undefined);
      continue;
    }
    const { reply, subvol } = outcome;
    if (reply.stat.ia_type !== IaType.DIR) {
      other = true;
      continue;
    }
    if (first && reply.stat.ia_gfid !== first.ia_gfid) {
      dht.log.warning(109009, 'gfid different on subvolumes', { subvol: subvol.name });
      layout.merge(subvol, Errno.EIO, undefined);
      continue;
    }
    const disk = reply.xdata?.getBin(dht.xattr.layout);
    layout.merge(subvol, 0, disk);
    const volumeCommit = reply.xdata?.getNumber(dht.xattr.commitHash);
    if (isRoot && volumeCommit !== undefined && !dht.commitHashFixed) dht.commitHash = volumeCommit >>> 0;
    if (first && (first.ia_uid !== reply.stat.ia_uid || first.ia_gid !== reply.stat.ia_gid || first.ia_prot !== reply.stat.ia_prot)) attributesDiffer = true;
    first ??= reply.stat;
    if (disk && (!newest || isNewer(reply.stat, newest))) newest = reply.stat;
    const count = reply.xdata?.getBin(dht.xattr.mds);
    if (count && count.length >= 4) {
      mds = subvol;
      mdsStat = reply.stat;
      if (new DataView(count.buffer, count.byteOffset, count.byteLength).getInt32(0) < 0) xattrsBehind = true;
    }
    stat = mergeDirectory(stat, reply.stat);
    postparent = mergeDirectory(postparent, reply.postparent);
    // Earlier replies yield to later ones, as in the original.
    if (reply.xdata) xdata.merge(reply.xdata);
  }
  layout.sort();
  if (!stat || !postparent || !first) return { view: undefined, other };
  const source = (isRoot ? newest : mdsStat) ?? first;
  if (attributesDiffer) copyOwnership(stat, source);
  return { view: { layout, stat, postparent, xdata, gfid: stat.ia_gfid, mds, source, attributesDiffer, xattrsBehind }, other };
}

function copyOwnership(to: Iatt, from: Iatt): void {
  to.ia_prot = from.ia_prot;
  to.ia_uid = from.ia_uid;
  to.ia_gid = from.ia_gid;
}

/** Everything the mount should not see of our own xattrs. */
export function withoutOwnXattrs(dht: Dht, xdata: Dict | undefined): Dict | undefined {
  if (!xdata) return undefined;
  for (const name of [dht.xattr.layout, dht.xattr.mds, dht.xattr.commitHash]) xdata.delete(name);
  return xdata;
}

export interface DirectoryLookup {
  readonly gfid: Gfid;
  /** The gfid-req of a fresh lookup, kept aside. */
  readonly savedGfid: Gfid | undefined;
  readonly xdata: Dict;
  /** Where to go on when the name turns out to be no directory, or has no gfid somewhere. */
  everywhere(gfidReq: Gfid | undefined): Promise<LookupReply>;
}

/** Asks every subvolume, merges, heals if it must, remembers the layout. */
export async function lookupDirectory(dht: Dht, frame: Frame, loc: Loc, request: DirectoryLookup): Promise<LookupReply> {
  const isRoot = loc.targetGfid === ROOT_GFID;
  const xdata = request.xdata;
  if (request.gfid !== NULL_GFID) xdata.setGfid(Key.GFID_REQ, request.gfid);
  const outcomes = await dht.all(dht.subvols, (subvol) => subvol.fops.lookup(frame, loc, xdata));
  const { view, other } = viewOf(dht, outcomes, isRoot);
  if (other) return request.everywhere(request.gfid !== NULL_GFID ? request.gfid : request.savedGfid);
  // The last answer counts; a subvolume that is down gives its own at once, before all others.
  if (!view) throw (outcomes.findLast(({ errno }) => errno !== Errno.ENOTCONN) ?? outcomes.at(-1))?.error ?? new FopError(Errno.ENOTCONN);
  return settle(dht, frame, loc, view);
}

/** Heals what is wrong, remembers the layout, and answers. @param same the layout as it is remembered, if it is still that */
export async function settle(dht: Dht, frame: Frame, loc: Loc, view: DirectoryView, same?: Layout): Promise<LookupReply> {
  const isRoot = view.gfid === ROOT_GFID;
  const { holes, overlaps, missingDirectories, down } = view.layout.anomalies();
  const broken = holes > 0 || overlaps > 0 || missingDirectories > 0;
  if (broken || view.attributesDiffer || view.xattrsBehind || (!isRoot && !view.mds)) await healDirectory(dht, frame, loc, view);
  dht.setLayout(loc.inode, view.gfid, broken && down === 0 ? view.layout : (same ?? view.layout), view.mds);
  dht.parentTimes(loc.inode, view.stat);
  return { inode: loc.inode, stat: view.stat, postparent: dht.parentTimes(loc.parent, view.postparent), xdata: withoutOwnXattrs(dht, view.xdata) };
}

/** Reads a directory's layout again from all subvolumes, by gfid; what a creation does when its own was stale. */
export async function refreshLayout(dht: Dht, frame: Frame, loc: Loc): Promise<Layout> {
  const request = dht.lookupXdata(undefined, loc.targetGfid === ROOT_GFID);
  const only = dht.inodeLoc(loc.inode, loc.targetGfid, loc.path);
  const outcomes = await dht.all(dht.subvols, (subvol) => subvol.fops.lookup(dht.rootFrame(frame), only, request));
  const { view } = viewOf(dht, outcomes, loc.targetGfid === ROOT_GFID);
  if (!view) throw outcomes.at(-1)?.error ?? new FopError(Errno.ENOENT);
  dht.setLayout(loc.inode, view.gfid, view.layout, view.mds);
  return view.layout;
}
