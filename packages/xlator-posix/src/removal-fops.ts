import {
  type Bytes, Dict, Errno, FopError, type Frame, type Gfid, IaType, type Iatt, type Loc, NULL_GFID, OpenFlag, type RenameReply, ROOT_GFID, type UnlinkReply, type Xdata, errnoOf, gfidToString,
} from '@glusterts/libglusterfs';
import { type Brick, check } from './brick.js';
import { isLinkto } from './creation.js';
import { addGfid2path, changePgfid, makeDirectoryHandle, removeDirectoryHandle, removeGfid2path, removeHandle } from './handle.js';
import { Key } from './keys.js';

/* unlink, rmdir, rename (spec/brick.md, §4.7, §4.9, §4.10). */

/** A file with more bytes may take long to free. */
const FREE_AT_ONCE_MAX = 16 * 1024 * 1024;

export function unlink(brick: Brick, frame: Frame, loc: Loc, xdata: Xdata): UnlinkReply {
  const { storage } = brick;
  const path = brick.entryPath(loc);
  const dir = brick.parentPath(loc);
  const stat = brick.statBackend(path);
  const gfid = stat.ia_gfid;
  const preparent = brick.statParent(dir, loc);
  if (brick.asked(xdata, Key.DONT_UNLINK_OPEN) && brick.openCount(gfid) > 0) throw new FopError(Errno.EBUSY);
  if (brick.asked(xdata, Key.UNLINK_IF_LINKTO) && !isLinkto(brick, path, stat)) throw new FopError(Errno.EBUSY);

  const wantsIatt = xdata?.has(Key.IATT_IN_XATTR) === true && stat.ia_type === IaType.REG;
  const large = stat.ia_type === IaType.REG && stat.ia_nlink === 1 && stat.ia_size > FREE_AT_ONCE_MAX;
  // Of a large file the blocks are freed by the last close, on the pool. To see any file after its last name is gone it must be open.
  const held = large || (wantsIatt && stat.ia_nlink === 1) ? storage.open(path, OpenFlag.RDONLY | OpenFlag.NOFOLLOW, 0) : -1;
  try {
    if (stat.ia_nlink > 1) {
      check(changePgfid(brick, path, loc.parentGfid, -1));
      check(removeGfid2path(brick, path, loc.parentGfid, loc.name));
    }
    if (stat.ia_nlink === 1 && gfid !== NULL_GFID) dropLastHandle(brick, gfid);
    check(storage.unlink(path));
    if (stat.ia_nlink > 1 && gfid !== NULL_GFID) {
      const handle = brick.handlePath(gfid);
      brick.touch(frame, handle, undefined, gfid, loc.inode);
    }
    const postparent = brick.statParent(dir, loc);
    brick.touchParent(frame, dir, postparent, loc);
    const reply = new Dict().setUint(Key.GET_LINK_COUNT, xdata?.has(Key.GET_LINK_COUNT) ? stat.ia_nlink : 0);
    addRemovalReplies(reply, xdata, stat);
    if (wantsIatt) {
      const after = statAfter(brick, held, gfid, loc);
      if (after) reply.setIatt(Key.IATT_IN_XATTR, after).setIatt(Key.VIRT_POSTSTAT, after);
    }
    return { preparent, postparent, xdata: reply };
  } finally {
    if (held >= 0) void (large ? storage.closeAsync(held) : storage.close(held));
  }
}

/** The file without the name, by the fd that held it or by its handle; undefined when it has neither. */
function statAfter(brick: Brick, held: number, gfid: Gfid, loc: Loc): Iatt | undefined {
  try {
    if (held >= 0) return brick.stat(held, gfid, undefined);
    return gfid === NULL_GFID ? undefined : brick.stat(brick.handlePath(gfid), gfid, loc.inode);
  } catch {
    return undefined;
  }
}

function addRemovalReplies(reply: Dict, xdata: Xdata, stat: Iatt): void {
  if (xdata?.has(Key.GET_BLOCK_COUNT)) reply.setUint(Key.GET_BLOCK_COUNT, stat.ia_blocks);
  if (xdata?.has(Key.REQUEST_LINK_COUNT)) reply.setUint(Key.RESPONSE_LINK_COUNT, stat.ia_nlink);
}

/** The handle goes before the name does; into `unlink/`, while somebody has the file open. */
function dropLastHandle(brick: Brick, gfid: Gfid): void {
  const state = brick.files.get(gfid);
  if (!state) {
    const result = removeHandle(brick, gfid);
    if (result < 0 && result !== -Errno.ENOENT) throw new FopError(-result);
    return;
  }
  const result = brick.storage.rename(brick.handlePath(gfid), brick.unlinkPath(gfid));
  if (result === 0) state.unlinked = true;
  else if (result !== -Errno.ENOENT) throw new FopError(-result);
}

export function rmdir(brick: Brick, frame: Frame, loc: Loc, flags: number, _xdata: Xdata): UnlinkReply {
  const { storage } = brick;
  if (loc.parentGfid === ROOT_GFID && loc.name === '.glusterfs') throw new FopError(Errno.EPERM);
  const path = brick.entryPath(loc);
  const dir = brick.parentPath(loc);
  const stat = brick.statBackend(path);
  const preparent = brick.statParent(dir, loc);
  const result = flags === 0 ? storage.rmdir(path) : toLandfill(brick, path, stat.ia_gfid);
  if (result < 0) throw new FopError(result === -Errno.EEXIST ? Errno.ENOTEMPTY : -result);
  if (flags === 0) brick.directoryRemoved(stat.ia_gfid);
  else brick.directoriesMoved();
  if (stat.ia_gfid !== NULL_GFID) removeDirectoryHandle(brick, stat.ia_gfid, loc.parentGfid, loc.name);
  const postparent = brick.statParent(dir, loc);
  brick.touchParent(frame, dir, postparent, loc);
  return { preparent, postparent, xdata: undefined };
}

function toLandfill(brick: Brick, path: Bytes, gfid: Gfid): number {
  const landfill = `${brick.hidden}/landfill` as Bytes;
  const target = `${landfill}/${gfidToString(gfid)}` as Bytes;
  const result = brick.storage.rename(path, target);
  if (result !== -Errno.ENOENT) return result;
  brick.storage.mkdir(landfill, 0o755);
  return brick.storage.rename(path, target);
}

export function rename(brick: Brick, frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): RenameReply {
  const { storage } = brick;
  const oldPath = brick.entryPath(oldloc);
  const oldDir = brick.parentPath(oldloc);
  const newPath = brick.entryPath(newloc);
  const newDir = brick.parentPath(newloc);
  const preoldparent = brick.statParent(oldDir, oldloc);
  // Most renames stay in their directory.
  const oneParent = oldloc.parentGfid === newloc.parentGfid;
  const prenewparent = oneParent ? preoldparent : brick.statParent(newDir, newloc);
  const source = brick.statBackend(oldPath);
  // A rename onto another name of the same file does nothing: both names stay.
  const victim = statVictim(brick, newPath);
  if (victim?.ia_type === IaType.DIR) {
    const known = newloc.inode.gfid !== NULL_GFID ? newloc.inode.gfid : newloc.gfid;
    if (known === NULL_GFID || known !== victim.ia_gfid) throw new FopError(Errno.EEXIST);
  }
  const gfid = source.ia_gfid;
  const directory = source.ia_type === IaType.DIR;
  if (directory) {
    removeHandle(brick, gfid);
    brick.directoriesMoved();
  } else if (victim?.ia_gfid !== gfid) {
    check(changePgfid(brick, oldPath, oldloc.parentGfid, -1));
  }
  const result = storage.rename(oldPath, newPath);
  if (result < 0) {
    // The real brick leaves the directory without a handle here, until the next lookup; nobody misses that.
    if (directory) makeDirectoryHandle(brick, gfid, oldloc.parentGfid, oldloc.name);
    else changePgfid(brick, oldPath, oldloc.parentGfid, 1);
    throw new FopError(-result);
  }
  if (directory) {
    check(makeDirectoryHandle(brick, gfid, newloc.parentGfid, newloc.name));
    brick.directoriesMoved();
  } else if (victim?.ia_gfid !== gfid) {
    changePgfid(brick, newPath, newloc.parentGfid, 1);
    removeGfid2path(brick, newPath, oldloc.parentGfid, oldloc.name);
    addGfid2path(brick, newPath, newloc.parentGfid, newloc.name, source.ia_nlink);
  }
  if (victim && victim.ia_gfid !== NULL_GFID && victim.ia_gfid !== gfid) dropVictimHandle(brick, victim);

  const stat = brick.stat(newPath, gfid, oldloc.inode);
  brick.touch(frame, newPath, stat, gfid, oldloc.inode);
  // A parent may itself have moved, when it lies in the directory's new place.
  const postoldparent = brick.statParent(brick.parentPath(oldloc), oldloc);
  brick.touchParent(frame, brick.parentPath(oldloc), postoldparent, oldloc);
  if (oneParent) return { stat, preoldparent, postoldparent, prenewparent, postnewparent: postoldparent, xdata: renameReplies(brick, xdata, victim, newPath) };
  const postnewparent = brick.statParent(brick.parentPath(newloc), newloc);
  brick.touchParent(frame, brick.parentPath(newloc), postnewparent, newloc);
  return { stat, preoldparent, postoldparent, prenewparent, postnewparent, xdata: renameReplies(brick, xdata, victim, newPath) };
}

/**
 * As at an unlink, which GlusterFS's brick doesn't do here: an open victim stays reachable by its gfid, so that disperse can go on
 * reading the edges of what is written to it.
 */
function dropVictimHandle(brick: Brick, victim: Iatt): void {
  if (victim.ia_type === IaType.DIR) {
    removeHandle(brick, victim.ia_gfid);
    return;
  }
  if (victim.ia_nlink !== 1) return;
  try {
    dropLastHandle(brick, victim.ia_gfid);
  } catch (error) {
    brick.log.warning(113000, 'the handle of a file that was renamed over stays', { errno: errnoOf(error) });
  }
}

function statVictim(brick: Brick, path: Bytes): Iatt | undefined {
  if (brick.storage.lstat(path, 1) < 0) return undefined;
  return brick.iatt(1, brick.diskGfid(path));
}

function renameReplies(brick: Brick, xdata: Xdata, victim: Iatt | undefined, path: Bytes): Xdata {
  const reply = new Dict();
  if (xdata?.has(Key.GET_LINK_COUNT)) reply.setUint(Key.GET_LINK_COUNT, victim?.ia_nlink ?? 0);
  if (victim && xdata?.has(Key.REQUEST_LINK_COUNT)) reply.setUint(Key.RESPONSE_LINK_COUNT, victim.ia_nlink);
  const wanted = xdata?.getStr(Key.WITH_XATTR);
  const value = wanted === undefined ? undefined : brick.getx(path, wanted);
  if (wanted !== undefined && value instanceof Uint8Array) reply.setBin(wanted, value);
  return reply;
}
