import { type Bytes, Dict, Errno, FopError, type Frame, type Gfid, type GetxattrReply, type Iatt, type Inode, type Mdata, type PlainReply, decodeMdataXattr, valueBytes, type Xdata } from '@glusterts/libglusterfs';
import { type Brick, type Target, check } from './brick.js';
import { isLinkto, setOneXattr } from './creation.js';
import { Key, Xattr } from './keys.js';
import { copyMdata, mergeMdata } from './mdata.js';
import { virtualXattr } from './virtual-xattr.js';
import { isHiddenFromGet, isHiddenFromGetAll, isProtected } from './xattr-filter.js';
import { addPrePost, replyXdata } from './xdata-reply.js';

/* setxattr, getxattr, removexattr and their fd forms (spec/brick.md, §6). */

/** What an xattr fop is about. */
export interface Subject {
  readonly at: Target;
  readonly gfid: Gfid;
  readonly inode: Inode;
}

const DROPPED: ReadonlySet<string> = new Set<string>([Xattr.GFID, Xattr.VOLUME_ID, Key.IO_STATS_DUMP]);
const HEALED = ['user.', Xattr.ACL_ACCESS, Xattr.ACL_DEFAULT, 'trusted.glusterfs.quota.limit-set', 'trusted.glusterfs.quota.limit-objects'];

function statOf(brick: Brick, { at, gfid, inode }: Subject): Iatt {
  return brick.stat(at, gfid, inode);
}

export async function setxattr(brick: Brick, frame: Frame, subject: Subject, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
  const { at, gfid, inode } = subject;
  brick.checkSpace(frame, xdata);
  const times = dict.getMdata(Key.SET_CTIME_MDATA);
  if (times) {
    mergeTimes(brick, subject, times);
    return { xdata: undefined };
  }
  const pre = statOf(brick, subject);
  const linkto = typeof at === 'string' && isLinkto(brick, at, pre);
  const reply = new Dict();
  for (const [key, entry] of dict.entries()) {
    if (DROPPED.has(key)) continue;
    const value = valueBytes(entry) ?? new Uint8Array(0);
    if (key === Xattr.MDATA && typeof at === 'string') {
      const given = decodeMdataXattr(value);
      if (!given) throw new FopError(Errno.EINVAL);
      mergeTimes(brick, subject, given);
      continue;
    }
    check(setOneXattr(brick, at, key, value, flags, linkto));
    if (key === Key.ACL_TEXT || key === Key.ACL_DEFAULT_TEXT) addAcl(brick, at, key, reply);
    // By path the time step is not made (spec/brick.md, §6.3).
    if (typeof at === 'number') brick.touch(frame, at, undefined, gfid, inode);
  }
  if (xdata?.has(Key.SYNC_BACKEND_XATTRS)) syncBackend(brick, at, dict, flags);
  if (typeof at === 'number' && xdata?.has(Key.DURABLE_OP)) check(await brick.storage.fsync(at));
  return { xdata: addPrePost(reply, pre, statOf(brick, subject)) };
}

function addAcl(brick: Brick, at: Target, key: Bytes, reply: Dict): void {
  const name = key === Key.ACL_TEXT ? Xattr.ACL_ACCESS : Xattr.ACL_DEFAULT;
  const value = brick.getx(at, name);
  if (typeof value !== 'number') reply.setBin(name, value);
}

/** The later of each time; made if the object has none. */
function mergeTimes(brick: Brick, { at, gfid, inode }: Subject, given: Mdata): void {
  const known = brick.times(at, gfid, inode);
  const times = copyMdata(known ?? given);
  if (known) mergeMdata(times, given);
  check(brick.storeTimes(at, gfid, inode, times));
}

/** Heal of metadata: what the source doesn't have goes, then its xattrs are set again. */
function syncBackend(brick: Brick, at: Target, dict: Dict, flags: number): void {
  const names = brick.listx(at);
  if (typeof names === 'number') return;
  for (const name of names) if (HEALED.some((prefix) => name.startsWith(prefix))) brick.removex(at, name);
  for (const [key, entry] of dict.entries()) {
    const value = valueBytes(entry);
    if (value && !DROPPED.has(key) && key !== Xattr.MDATA) check(setOneXattr(brick, at, key, value, flags));
  }
}

export function getxattr(brick: Brick, frame: Frame, subject: Subject, name: Bytes | undefined, xdata: Xdata): GetxattrReply {
  const stat = statOf(brick, subject);
  const wanted = name === '' ? undefined : name;
  if (wanted !== undefined && isHiddenFromGet(wanted, frame)) throw new FopError(Errno.ENODATA);
  const dict = (wanted !== undefined && virtualXattr(brick, subject, stat, wanted)) || stored(brick, subject, wanted, (key) => isHiddenFromGetAll(key, frame));
  return { dict, xdata: replyXdata(brick, subject.at, stat, subject.inode, xdata) };
}

/** The virtual names that a real brick also answers by fd. */
const BY_FD: ReadonlySet<string> = new Set(['trusted.glusterfs.pathinfo', 'glusterfs.pathinfo', 'trusted.glusterfs.get-signature']);

/** By fd only gfid and volume-id are hidden, and few virtual names known. */
export function fgetxattr(brick: Brick, subject: Subject, name: Bytes | undefined, xdata: Xdata): GetxattrReply {
  const stat = statOf(brick, subject);
  const wanted = name === '' ? undefined : name;
  if (wanted === Key.OPEN_FD_COUNT) return { dict: new Dict().setUint(wanted, 1), xdata: replyXdata(brick, subject.at, stat, subject.inode, xdata) };
  const dict = (wanted !== undefined && (BY_FD.has(wanted) || wanted.startsWith('glusterfs.get_real_filename:')) && virtualXattr(brick, subject, stat, wanted)) || stored(brick, subject, wanted, () => false);
  return { dict, xdata: replyXdata(brick, subject.at, stat, subject.inode, xdata) };
}

/** What lies on disk: one xattr, or all that aren't hidden. */
function stored(brick: Brick, { at }: Subject, name: Bytes | undefined, hidden: (name: Bytes) => boolean): Dict {
  const dict = new Dict();
  if (name !== undefined) {
    const value = brick.getx(at, name);
    if (typeof value === 'number') throw new FopError(-value);
    if (!isProtected(name)) dict.setBin(name, value);
    return dict;
  }
  const names = brick.listx(at);
  if (typeof names === 'number') throw new FopError(-names);
  for (const key of names) {
    if (isProtected(key) || hidden(key)) continue;
    const value = brick.getx(at, key);
    if (typeof value !== 'number') dict.setBin(key, value);
  }
  return dict;
}

export function removexattr(brick: Brick, frame: Frame, subject: Subject, name: Bytes, xdata: Xdata): PlainReply {
  const { at, gfid, inode } = subject;
  const names = name === '' && xdata ? xdata.keys() : [name];
  if (names.some(isProtected)) throw new FopError(Errno.EPERM);
  const pre = statOf(brick, subject);
  for (const key of names) {
    const result = key.startsWith(Xattr.GFID2PATH) ? -Errno.ENODATA : brick.removex(at, key);
    if (result < 0 && !(name === '' && result === -Errno.ENODATA)) throw new FopError(-result);
  }
  const post = statOf(brick, subject);
  brick.touch(frame, at, post, gfid, inode);
  return { xdata: addPrePost(new Dict(), pre, post) };
}
