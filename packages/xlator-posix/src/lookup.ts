import {
  type Bytes, Errno, FopError, type Frame, Iatt, IaType, type Loc, type LookupReply, NULL_GFID, ROOT_GFID, type StatReply, type Xdata, gfidToBuffer,
} from '@glusterts/libglusterfs';
import type { Brick } from './brick.js';
import { changePgfid, makeHandle } from './handle.js';
import { Key, Xattr } from './keys.js';
import { replyXdata } from './xdata-reply.js';

/* lookup (spec/brick.md, §4.2). */

const XATTR_CREATE = 1;
/** ia_flags of a file that only lies in `.glusterfs/unlink`. */
const UNLINKED_FLAGS = 0x6ff;

/** Answers what a name that isn't there is met with, which is half of all answers, and throws other errors. */
export function lookup(brick: Brick, _frame: Frame, loc: Loc, xdata: Xdata): LookupReply | FopError {
  const named = loc.name !== '' && loc.parentGfid !== NULL_GFID;
  return named ? lookupNamed(brick, loc, xdata) : lookupGfid(brick, loc, xdata);
}

function lookupGfid(brick: Brick, loc: Loc, xdata: Xdata): LookupReply {
  const gfid = loc.targetGfid;
  if (gfid === NULL_GFID) throw new FopError(Errno.EINVAL);
  let path: Bytes;
  let stat: Iatt;
  try {
    path = brick.gfidPath(gfid, loc.inode.ia_type);
    stat = brick.stat(path, gfid, loc.inode);
    // The handle of a directory whose name now belongs to another one.
    if (stat.ia_type === IaType.DIR && gfid !== ROOT_GFID && brick.diskGfid(path) !== gfid) throw new FopError(Errno.ENOENT);
  } catch (error) {
    if (!(error instanceof FopError)) throw error;
    const unlinked = brick.asked(xdata, Key.UNLINKED_LOOKUP) ? statUnlinked(brick, loc) : undefined;
    if (unlinked) return { inode: loc.inode, stat: unlinked, postparent: new Iatt(), xdata: undefined };
    dropStaleHandle(brick, loc);
    throw error.errno === Errno.ESTALE ? new FopError(Errno.ENOENT) : error;
  }
  const reply = replyXdata(brick, path, stat, loc.inode, xdata);
  cleanWriteProtection(brick, path, xdata);
  return { inode: loc.inode, stat, postparent: new Iatt(), xdata: reply };
}

function statUnlinked(brick: Brick, loc: Loc): Iatt | undefined {
  if (brick.cache.lstat(brick.unlinkPath(loc.targetGfid), 0) < 0) return undefined;
  const stat = brick.iatt(0, NULL_GFID);
  stat.ia_nlink = 0;
  stat.ia_flags = UNLINKED_FLAGS;
  return stat;
}

/** A handle whose target is gone, found by a failing nameless lookup. */
function dropStaleHandle(brick: Brick, loc: Loc): void {
  const handle = brick.handlePath(loc.targetGfid);
  const { storage } = brick;
  if (brick.cache.lstat(handle, 1) < 0 || storage.cells.nlink(1) !== 1) return;
  if ((storage.cells.mode(1) & 0o170000) === 0o120000) {
    if (storage.stat(handle, 2) === 0 && (storage.cells.mode(2) & 0o170000) === 0o040000) return;
  }
  brick.demandTurn();
  storage.unlink(handle);
  brick.directoriesMoved();
}

function lookupNamed(brick: Brick, loc: Loc, xdata: Xdata): LookupReply | FopError {
  if (loc.parentGfid === ROOT_GFID && loc.name === '.glusterfs') throw new FopError(Errno.EPERM);
  const path = brick.entryPath(loc);
  const dir = brick.parentPath(loc);
  const result = brick.cache.lstat(path, 0, loc.inode.gfid);
  const errno = result < 0 ? -result : brick.isHidden(0) ? Errno.ENOENT : 0;
  // The parent's handle may be left over.
  if (errno !== 0) return new FopError(errno === Errno.ENOENT && brick.cache.lstat(dir, 1) < 0 ? Errno.ESTALE : errno);
  let stat = brick.withTimes(brick.iatt(0, brick.diskGfid(path)), path, loc.inode);
  if (loc.inode.gfid === NULL_GFID) stat = heal(brick, loc, path, stat, xdata);
  const reply = replyXdata(brick, path, stat, loc.inode, xdata);
  cleanWriteProtection(brick, path, xdata);
  if (brick.settings.pgfid && stat.ia_type !== IaType.DIR && loc.parentGfid !== NULL_GFID) addPgfid(brick, path, loc);
  let postparent: Iatt;
  try {
    postparent = brick.statParent(dir, loc);
  } catch (error) {
    throw error instanceof FopError && error.errno === Errno.ENOENT ? new FopError(Errno.ESTALE) : error;
  }
  if (stat.ia_gfid === NULL_GFID && !brick.asked(xdata, Key.GFIDLESS_LOOKUP)) throw new FopError(Errno.ENODATA, reply);
  return { inode: loc.inode, stat, postparent, xdata: reply };
}

/** A name that the server meets for the first time: its gfid (from gfid-req) and its handle are made if they are missing. */
function heal(brick: Brick, loc: Loc, path: Bytes, stat: Iatt, xdata: Xdata): Iatt {
  let gfid = stat.ia_gfid;
  if (gfid === NULL_GFID) {
    // Without ctime, an entry that is not a second old may be one that a creation is about to give its gfid to.
    if (!brick.settings.ctime && brick.platform.clock.realtime().sec - stat.ia_ctime < 1) throw new FopError(Errno.ENOENT);
    const wanted = brick.requestedGfid(xdata);
    if (wanted === undefined) return stat;
    brick.demandTurn();
    if (brick.storage.lsetxattr(path, Xattr.GFID, gfidToBuffer(wanted), XATTR_CREATE) < 0) return stat;
    gfid = wanted;
  }
  if (brick.cache.lstat(brick.handlePath(gfid), 1) === 0) {
    if (gfid === stat.ia_gfid) return stat;
  } else {
    brick.demandTurn();
    makeHandle(brick, path, gfid, stat.ia_type, loc.parentGfid, loc.name);
  }
  return brick.statEntry(path, loc.inode);
}

function cleanWriteProtection(brick: Brick, path: Bytes, xdata: Xdata): void {
  if (!xdata?.has(Key.CLEAN_WRITE_PROTECTION)) return;
  brick.demandTurn();
  brick.storage.lremovexattr(path, Xattr.PROTECT_WRITES);
}

function addPgfid(brick: Brick, path: Bytes, loc: Loc): void {
  const names = brick.listx(path);
  if (typeof names !== 'number' && !names.some((name) => name.startsWith(Xattr.PGFID))) {
    brick.demandTurn();
    changePgfid(brick, path, loc.parentGfid, 1);
  }
}

/** stat: by the inode's handle or path. */
export function stat(brick: Brick, loc: Loc, xdata: Xdata): StatReply {
  const path = brick.inodePath(loc);
  const gfid = loc.targetGfid;
  const iatt = gfid === NULL_GFID ? brick.statEntry(path, loc.inode) : brick.stat(path, gfid, loc.inode);
  return { stat: iatt, xdata: replyXdata(brick, path, iatt, loc.inode, xdata) };
}
