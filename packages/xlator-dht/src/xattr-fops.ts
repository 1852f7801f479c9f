import { type Bytes, Dict, Errno, type Fd, FopError, type Frame, type GetxattrReply, type Inode, type Loc, type PlainReply, ROOT_GFID, type Xdata, XattropOp } from '@glusterts/libglusterfs';
import { type Dht, outcome, succeeded } from './dht.js';
import { fixLayout } from './fix-layout.js';
import { isDirectory, metadataSubvol } from './inode-fops.js';
import { Key, isHealable, isHealableExactly } from './keys.js';
import { type FileFop, cachedOf, fileFop } from './migration.js';
import { rmdir } from './rmdir.js';
import type { Subvol } from './subvol.js';

/** Xattrs, and the virtual ones by which users ask distribute itself (spec/dht.md, §17). */

const DEFRAG_PID = -3;

/** What an xattr fop is about, by name or by fd. */
export interface Subject {
  readonly inode: Inode;
  readonly loc?: Loc;
  readonly fd?: Fd;
}

function file(subject: Subject, run: (subvol: Subvol) => Promise<PlainReply>): FileFop<PlainReply> {
  return { ...subject, run, phase1: true, phase2: true, iatts: (reply) => [reply.xdata?.getIatt(Key.IATT_IN_XATTR)] };
}

// -------------------------------------------------------------------------------------------------- set and remove

/** @param set on one subvolume */
export async function setxattr(dht: Dht, frame: Frame, subject: Subject, dict: Dict, xdata: Xdata, set: (subvol: Subvol, xdata: Xdata) => Promise<PlainReply>): Promise<PlainReply> {
  const internal = frame.pid === DEFRAG_PID;
  for (const key of dict.keys()) {
    if (!internal && key.startsWith(dht.xattr.layout)) throw new FopError(Errno.EPERM);
    if (key === dht.xattr.mds) throw new FopError(Errno.EOPNOTSUPP);
  }
  const special = await setSpecial(dht, frame, subject, dict);
  if (special) return special;
  const request = xdata?.clone() ?? new Dict();
  request.setInt(Key.IATT_IN_XATTR, 1);
  if (!(await isDirectory(dht, frame, subject.inode))) return fileFop(dht, frame, file(subject, (subvol) => set(subvol, request)));
  return changeDirectory(dht, frame, subject, dict.keys().some(isHealable), (subvol) => set(subvol, xdata));
}

export async function removexattr(dht: Dht, frame: Frame, subject: Subject, name: Bytes, xdata: Xdata, remove: (subvol: Subvol, xdata: Xdata) => Promise<PlainReply>): Promise<PlainReply> {
  if (frame.pid !== DEFRAG_PID && name.startsWith(dht.xattr.layout)) throw new FopError(Errno.EPERM);
  const request = xdata?.clone() ?? new Dict();
  request.setInt(Key.IATT_IN_XATTR, 1);
  if (!(await isDirectory(dht, frame, subject.inode))) return fileFop(dht, frame, file(subject, (subvol) => remove(subvol, request)));
  return changeDirectory(dht, frame, subject, name.includes('user.') || isHealable(name), (subvol) => remove(subvol, xdata));
}

/** On all subvolumes; a healable xattr first on the MDS, which counts what is not known to have reached all others. */
async function changeDirectory(dht: Dht, frame: Frame, subject: Subject, healable: boolean, change: (subvol: Subvol) => Promise<PlainReply>): Promise<PlainReply> {
  if (!healable || subject.inode.gfid === ROOT_GFID || dht.subvols.length === 1) {
    const [first] = dht.anySuccess(await dht.all(dht.subvols, change));
    return { xdata: first?.reply.xdata };
  }
  const mds = await metadataSubvol(dht, frame, subject.inode, Errno.ENOENT);
  const count = (by: number): Promise<unknown> => {
    const value = Buffer.alloc(4);
    value.writeInt32BE(by, 0);
    const dict = new Dict().setBin(dht.xattr.mds, value);
    if (subject.fd) return mds.fops.fxattrop(frame, subject.fd, XattropOp.ADD_ARRAY, dict, undefined);
    return mds.fops.xattrop(frame, dht.inodeLoc(subject.inode, subject.inode.gfid, subject.loc?.path), XattropOp.ADD_ARRAY, dict, undefined);
  };
  await count(-1);
  const reply = await change(mds);
  const others = await dht.all(dht.subvols.filter((subvol) => subvol !== mds), change);
  if (others.every(succeeded)) await outcome(mds, () => count(1));
  return { xdata: reply.xdata };
}

/** Keys that are orders to distribute. undefined: none is there. */
async function setSpecial(dht: Dht, frame: Frame, subject: Subject, dict: Dict): Promise<PlainReply | undefined> {
  const { loc } = subject;
  if (!loc) return undefined;
  if (dict.has('distribute.fix.layout') || dict.has('distribute.directory-spread-count')) {
    if (!(await isDirectory(dht, frame, subject.inode))) throw new FopError(Errno.EOPNOTSUPP);
    const spread = dict.has('distribute.directory-spread-count') ? dict.getNumber('distribute.directory-spread-count') : undefined;
    if (dict.has('distribute.directory-spread-count') && (spread === undefined || spread < 1 || spread > dht.subvols.length)) throw new FopError(Errno.EOPNOTSUPP);
    if (dict.has('new-commit-hash')) throw new FopError(Errno.EOPNOTSUPP, undefined, 'rebalance is not built yet');
    await fixLayout(dht, frame, loc);
    return { xdata: undefined };
  }
  if (dict.has('trusted.distribute.migrate-data')) throw new FopError(Errno.EOPNOTSUPP, undefined, 'rebalance is not built yet');
  if (dict.has('decommission-brick')) throw new FopError(Errno.EOPNOTSUPP);
  if (dict.has('glusterfs.dht.nuke')) {
    await rmdir(dht, frame, loc, 1, undefined);
    return { xdata: undefined };
  }
  return undefined;
}

// -------------------------------------------------------------------------------------------------- get

/** @param get from one subvolume */
export async function getxattr(dht: Dht, frame: Frame, subject: Subject, name: Bytes | undefined, get: (subvol: Subvol, name: Bytes | undefined) => Promise<GetxattrReply>): Promise<GetxattrReply> {
  if (name !== undefined && name.length > 0) {
    // The original compares as many bytes as were asked for: every prefix of the name is refused (spec/dht.md, §17.2).
    if (dht.xattr.mds.startsWith(name)) throw new FopError(Errno.EOPNOTSUPP);
    const virtual = await getVirtual(dht, frame, subject, name, get);
    if (virtual) return virtual;
  }
  if (!(await isDirectory(dht, frame, subject.inode))) {
    const reply = await fileFop(dht, frame, { ...subject, run: (subvol) => get(subvol, name), phase1: false });
    return { dict: hideInternal(dht, frame, reply.dict), xdata: reply.xdata };
  }
  if (name !== undefined && isHealableExactly(name)) {
    const mds = dht.known(subject.inode)?.mds;
    if (mds?.up) {
      const reply = await get(mds, name);
      return { dict: hideInternal(dht, frame, reply.dict), xdata: reply.xdata };
    }
  }
  const successes = dht.anySuccess(await dht.all(dht.subvols, (subvol) => get(subvol, name)));
  const merged = new Dict();
  for (const { reply } of successes) mergeXattrs(merged, reply.dict);
  return { dict: hideInternal(dht, frame, merged), xdata: successes.at(-1)?.reply.xdata };
}

const QUOTA_SIZE = 'trusted.glusterfs.quota.size';
const STIME = /^trusted\.glusterfs\..*\.stime$/s;

/** Later replies win, but for sizes (summed) and geo-replication's times (the least). */
function mergeXattrs(into: Dict, next: Dict): void {
  for (const [key, value] of next.entries().reverse()) {
    const before = into.getBin(key);
    const now = next.getBin(key);
    if (before && now && key.startsWith(QUOTA_SIZE) && before.length >= 16 && before.length === now.length) into.setBin(key, sumQuota(before, now));
    else if (before && now && STIME.test(key)) into.setBin(key, Buffer.compare(before, now) <= 0 ? before : now);
    else into.set(key, value);
  }
}

/** size and file count are added, of the directory counts the larger one stays. */
function sumQuota(a: Uint8Array, b: Uint8Array): Uint8Array {
  const sum = Buffer.from(a);
  const other = Buffer.from(b);
  for (const at of [0, 8]) sum.writeBigInt64BE(BigInt.asIntN(64, sum.readBigInt64BE(at) + other.readBigInt64BE(at)), at);
  if (sum.length >= 24 && other.readBigInt64BE(16) > sum.readBigInt64BE(16)) other.copy(sum, 16, 16, 24);
  return sum;
}

/** Names that users don't see. */
export function hideInternal(dht: Dht, frame: Frame, dict: Dict): Dict {
  for (const key of [dht.xattr.layout, dht.xattr.mds, dht.xattr.commitHash]) dict.delete(key);
  if (frame.pid >= 0) for (const key of dict.keys()) if (key.startsWith('trusted.glusterfs.quota') || key.startsWith('trusted.pgfid')) dict.delete(key);
  return dict;
}

async function getVirtual(dht: Dht, frame: Frame, subject: Subject, name: Bytes, get: (subvol: Subvol, name: Bytes | undefined) => Promise<GetxattrReply>): Promise<GetxattrReply | undefined> {
  const answer = (text: string): GetxattrReply => ({ dict: new Dict().setStr(name, text), xdata: undefined });
  if (name === 'trusted.glusterfs.pathinfo' || name === 'glusterfs.pathinfo') return answer(await pathinfo(dht, frame, subject, name, get));
  if (name === 'trusted.glusterfs.node-uuid' || name === 'trusted.glusterfs.list-node-uuids') {
    if (!(await isDirectory(dht, frame, subject.inode))) return fileFop(dht, frame, { ...subject, run: (subvol) => get(subvol, name), phase1: false });
    const found = dht.anySuccess(await dht.all(dht.subvols, (subvol) => get(subvol, name)));
    return answer(found.map(({ reply }) => reply.dict.getStr(name) ?? '').join(' '));
  }
  if (name === 'trusted.distribute.linkinfo') {
    const { loc } = subject;
    if (!loc || (!loc.parent && subject.inode.gfid !== ROOT_GFID)) throw new FopError(Errno.EINVAL);
    const hashed = dht.hashed(loc);
    // Of a directory, the subvolume that its layout begins with.
    const cached = dht.known(subject.inode)?.layout?.entries[0]?.subvol ?? (await cachedOf(dht, frame, subject.inode));
    if (!hashed || hashed === cached) throw new FopError(Errno.ENODATA);
    return answer((await get(hashed, 'trusted.glusterfs.pathinfo' as Bytes)).dict.getStr('trusted.glusterfs.pathinfo') ?? '');
  }
  if (name === 'dht.subvol.status') return { dict: new Dict().setInt(name, dht.anyDown() ? 0 : 1), xdata: undefined };
  if (name.startsWith('dht.file.hashed-subvol.')) {
    const hashed = dht.hashedIn(subject.inode, name.slice('dht.file.hashed-subvol.'.length));
    if (!hashed) throw new FopError(Errno.ENODATA);
    return answer(hashed.name);
  }
  if (name.startsWith('glusterfs.get_real_filename:')) {
    const outcomes = await dht.all(dht.subvols, (subvol) => get(subvol, name));
    const refused = outcomes.find(({ errno }) => errno === Errno.EOPNOTSUPP);
    if (refused) throw refused.error;
    const found = outcomes.filter(succeeded).at(-1);
    if (!found) throw new FopError(Errno.ENODATA);
    return found.reply;
  }
  if (name === 'glusterfs.find-local-subvol' || name === 'glusterfs.old-find-local-subvol') throw new FopError(Errno.EINVAL);
  if (name === dht.xattr.layout || name === dht.xattr.commitHash) throw new FopError(Errno.ENODATA);
  return undefined;
}

/** Where a file or directory lies, and a directory's ranges. */
async function pathinfo(dht: Dht, frame: Frame, subject: Subject, name: Bytes, get: (subvol: Subvol, name: Bytes | undefined) => Promise<GetxattrReply>): Promise<string> {
  const text = (reply: GetxattrReply): string => reply.dict.getStr(name) ?? '';
  const head = `<DISTRIBUTE:${dht.name}>`;
  if (!(await isDirectory(dht, frame, subject.inode))) return `(${head} ${text(await fileFop(dht, frame, { ...subject, run: (subvol) => get(subvol, name), phase1: false }))})`;
  const found = dht.anySuccess(await dht.all(dht.subvols, (subvol) => get(subvol, name)));
  const layout = dht.known(subject.inode)?.layout;
  const ranges = (layout?.entries ?? []).map(({ subvol, start, stop }) => `(${subvol.name} ${start} ${stop})`).join(' ');
  return `((${head} ${found.map(({ reply }) => text(reply)).join(' ')}) (${dht.name}-layout ${ranges}))`;
}

