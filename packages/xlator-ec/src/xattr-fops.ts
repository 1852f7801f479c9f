import { type Bytes, Dict, Errno, type Fd, FopError, type Frame, type GetxattrReply, IaType, type Inode, type Loc, type PlainReply, type Xdata, type XattropOp, type XattropReply } from '@glusterts/libglusterfs';
import { mergeIatts, mergeXdata, sameDict } from './answers.js';
import { withoutEc } from './attribute-fops.js';
import type { Cluster } from './cluster.js';
import { openEverywhere } from './file-fops.js';
import type { InodeLock } from './inode-lock.js';
import { METADATA, READ_FULL, underLock, withSize } from './under-lock.js';
import { EC_PREFIX, withLockCount } from './version-xattrs.js';

/** Attributes around a change of xattrs, in the answer's xdata. */
const STATS = ['virt-gf-prestat', 'virt-gf-poststat'] as const;
const NIL_UUID = '00000000-0000-0000-0000-000000000000';

/** Virtual and internal names (spec/ec.md, §21). */
function refuseInternal(name: Bytes | undefined): void {
  if (name === undefined || !name.startsWith(EC_PREFIX)) return;
  if (name === 'trusted.ec.heal') throw new FopError(Errno.EOPNOTSUPP, undefined, 'healing is not built yet');
  throw new FopError(Errno.ENODATA);
}

function get(cluster: Cluster, frame: Frame, inode: Inode, name: Bytes | undefined, fd: Fd | undefined, wind: (child: Cluster['children'][number]) => Promise<GetxattrReply>): Promise<GetxattrReply> {
  refuseInternal(name);
  if (name?.startsWith('glusterfs.clrlk')) return joined(cluster, name, wind);
  if (name === 'trusted.glusterfs.list-node-uuids') return nodeUuids(cluster, name, wind);
  return underLock(cluster, frame, inode, READ_FULL(fd), async (lock) => {
    if (fd) await openEverywhere(cluster, frame, fd, lock.good);
    const { reply, brick } = await cluster.one(lock.good, inode, wind);
    return { reply: { dict: withoutEc(reply.dict) ?? new Dict(), xdata: reply.xdata }, asked: 1 << brick, answered: 1 << brick };
  });
}

/** Every brick's words, one a line. */
async function joined(cluster: Cluster, name: Bytes, wind: (child: Cluster['children'][number]) => Promise<GetxattrReply>): Promise<GetxattrReply> {
  const { winner } = await cluster.agree(cluster.up, wind, () => true);
  return { dict: new Dict().setStr(name, winner.replies.map((r) => r.dict.getStr(name) ?? '').join('\n')), xdata: undefined };
}

async function nodeUuids(cluster: Cluster, name: Bytes, wind: (child: Cluster['children'][number]) => Promise<GetxattrReply>): Promise<GetxattrReply> {
  const answers = await cluster.all(cluster.up, wind);
  const uuids = cluster.children.map((_, brick) => answers.find((answer) => answer.brick === brick)?.reply?.dict.getStr('trusted.glusterfs.node-uuid') ?? NIL_UUID);
  return { dict: new Dict().setStr(name, uuids.join(' ')), xdata: undefined };
}

export function getxattr(cluster: Cluster, frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
  const asked = name === 'trusted.glusterfs.list-node-uuids' ? ('trusted.glusterfs.node-uuid' as Bytes) : name;
  return attempt(() => get(cluster, frame, loc.inode, name, undefined, (child) => child.getxattr(frame, loc, asked, withLockCount(xdata, cluster.name))));
}

export function fgetxattr(cluster: Cluster, frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
  return attempt(() => get(cluster, frame, fd.inode, name, fd, (child) => child.fgetxattr(frame, fd, name, withLockCount(xdata, cluster.name))));
}

/** A refusal before anything is asked is a rejection like any other. */
async function attempt<R>(run: () => Promise<R>): Promise<R> {
  return run();
}

function refuseChange(names: readonly Bytes[]): void {
  if (names.some((name) => name.startsWith(EC_PREFIX))) throw new FopError(Errno.EPERM);
}

function change(cluster: Cluster, frame: Frame, inode: Inode, fd: Fd | undefined, wind: (child: Cluster['children'][number]) => Promise<PlainReply>): Promise<PlainReply> {
  return underLock(cluster, frame, inode, METADATA(fd), async (lock) => {
    if (fd) await openEverywhere(cluster, frame, fd, lock.good);
    const { asked, winner } = await cluster.agree(lock.good, wind, (a, b) => sameDict(a.xdata, b.xdata));
    const xdatas = winner.replies.map((r) => r.xdata);
    return { reply: { xdata: withUserStats(mergeXdata(xdatas), xdatas, cluster.k, lock) }, asked, answered: winner.mask };
  });
}

/** The attributes before and after, which md-cache believes, with the user's size in place of the fragment's. */
function withUserStats(merged: Xdata, xdatas: readonly Xdata[], k: number, lock: InodeLock): Xdata {
  if (!merged || !STATS.some((key) => merged.has(key))) return merged;
  const answer = merged.clone();
  for (const key of STATS) {
    const stats = xdatas.flatMap((xdata) => xdata?.getIatt(key)?.clone() ?? []);
    if (stats.length === 0) continue;
    const stat = mergeIatts(stats, k);
    if (stat.ia_type !== IaType.REG || lock.informed) answer.setIatt(key, withSize(stat, lock.size));
    else answer.delete(key);
  }
  return answer;
}

export async function setxattr(cluster: Cluster, frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
  refuseChange(dict.keys());
  return change(cluster, frame, loc.inode, undefined, (child) => child.setxattr(frame, loc, dict, flags, withLockCount(xdata, cluster.name)));
}

export async function fsetxattr(cluster: Cluster, frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
  refuseChange(dict.keys());
  return change(cluster, frame, fd.inode, fd, (child) => child.fsetxattr(frame, fd, dict, flags, withLockCount(xdata, cluster.name)));
}

export async function removexattr(cluster: Cluster, frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply> {
  refuseChange([name]);
  return change(cluster, frame, loc.inode, undefined, (child) => child.removexattr(frame, loc, name, withLockCount(xdata, cluster.name)));
}

export async function fremovexattr(cluster: Cluster, frame: Frame, fd: Fd, name: Bytes, xdata: Xdata): Promise<PlainReply> {
  refuseChange([name]);
  return change(cluster, frame, fd.inode, fd, (child) => child.fremovexattr(frame, fd, name, withLockCount(xdata, cluster.name)));
}

function operate(cluster: Cluster, frame: Frame, inode: Inode, fd: Fd | undefined, wind: (child: Cluster['children'][number]) => Promise<XattropReply>): Promise<XattropReply> {
  return underLock(cluster, frame, inode, { ...METADATA(fd), query: false }, async (lock) => {
    if (fd) await openEverywhere(cluster, frame, fd, lock.good);
    const { asked, winner } = await cluster.agree(lock.good, wind, (a, b) => sameDict(a.dict, b.dict) && sameDict(a.xdata, b.xdata));
    return { reply: { dict: winner.first.dict, xdata: mergeXdata(winner.replies.map((r) => r.xdata)) }, asked, answered: winner.mask };
  });
}

export function xattrop(cluster: Cluster, frame: Frame, loc: Loc, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
  return operate(cluster, frame, loc.inode, undefined, (child) => child.xattrop(frame, loc, flags, dict, withLockCount(xdata, cluster.name)));
}

export function fxattrop(cluster: Cluster, frame: Frame, fd: Fd, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
  return operate(cluster, frame, fd.inode, fd, (child) => child.fxattrop(frame, fd, flags, dict, withLockCount(xdata, cluster.name)));
}
