import {
  type Bytes, type CreateReply, type EntryReply, Errno, type Fd, FopError, type Frame, type Gfid, IaType, type Iatt, type Loc, NULL_GFID, OpenFlag, ROOT_GFID, type Xdata,
} from '@glusterts/libglusterfs';
import { type Brick, type Target, check } from './brick.js';
import { directoryMode, fileMode, gfidForCreation, groupFor, isLinktoMode, markName, preopCheck, setAcls, setCreationXattrs } from './creation.js';
import { addGfid2path, changePgfid, removeHandle, setGfid } from './handle.js';
import { directoryHandleTarget } from './handle-path.js';
import { Key, Xattr } from './keys.js';

/* The fops that make entries (spec/brick.md, §4.3 to §4.6, §4.8). */

const S_ISGID = 0o2000;
const S_IFREG = 0o100000;

/** The parent of a new entry, before. Throws ESTALE when it is gone. */
function parentBefore(brick: Brick, dir: Bytes, loc: Loc): Iatt {
  try {
    return brick.statParent(dir, loc);
  } catch (error) {
    if (error instanceof FopError && error.errno === Errno.ENOENT) throw new FopError(Errno.ESTALE);
    throw error;
  }
}

/**
 * The last steps of each: attributes, times, parent.
 * @param at the entry: its path, or an fd of it @param fresh it was made just now, and nobody has given it times
 */
function created(brick: Brick, frame: Frame, loc: Loc, dir: Bytes, at: Target, preparent: Iatt, gfid: Gfid, fresh: boolean): EntryReply {
  let stat: Iatt;
  if (fresh) {
    stat = brick.statMade(frame, at, gfid, loc.inode);
  } else {
    stat = brick.stat(at, gfid, loc.inode);
    brick.touch(frame, at, stat, gfid, loc.inode);
  }
  const postparent = brick.statParent(dir, loc);
  brick.touchParent(frame, dir, postparent, loc);
  return { inode: loc.inode, stat, preparent, postparent, xdata: undefined };
}

/** Undoes a creation when a later step throws. */
function orRemove<T>(remove: () => void, steps: () => T): T {
  try {
    return steps();
  } catch (error) {
    remove();
    throw error;
  }
}

/** Whether the xattrs that a creation brings are without times. */
const bringsNoTimes = (xdata: Xdata): boolean => !xdata?.has(Xattr.MDATA);

/** Gives a fresh entry its owner, or throws. */
function own(brick: Brick, frame: Frame, path: Bytes, parent: Iatt): void {
  check(brick.storage.lchown(path, frame.uid, groupFor(frame, parent)));
}

/** Removes an existing DHT linkto file, if xdata allows to replace one (`force-replace`). */
function removedLinkto(brick: Brick, path: Bytes, xdata: Xdata): boolean {
  if (!xdata?.has(Key.FORCE_REPLACE)) return false;
  if (brick.storage.lstat(path, 1) < 0 || !isLinktoMode(brick.iatt(1, NULL_GFID))) return false;
  return brick.storage.unlink(path) === 0;
}

/** Runs a call that makes a name, once more if a linkto file was in its way. */
function makeName(brick: Brick, path: Bytes, xdata: Xdata, make: () => number): void {
  let result = make();
  if (result === -Errno.EEXIST && removedLinkto(brick, path, xdata)) result = make();
  check(result);
}

/** mknod for DHT's linkto of a file that is here already: another name for it. True when that was done. */
function linkedByGfid(brick: Brick, path: Bytes, gfid: Gfid): boolean {
  const { storage } = brick;
  const handle = brick.handlePath(gfid);
  if (storage.lstat(handle, 1) < 0) {
    if (storage.rename(brick.unlinkPath(gfid), handle) < 0) return false;
    const state = brick.files.get(gfid);
    if (state) state.unlinked = false;
  }
  check(storage.link(handle, path));
  return true;
}

export function mknod(brick: Brick, frame: Frame, loc: Loc, mode: number, rdev: bigint, xdata: Xdata): EntryReply {
  const gfid = gfidForCreation(brick, frame, xdata, Errno.EINVAL);
  const path = brick.entryPath(loc);
  const dir = brick.parentPath(loc);
  brick.checkSpace(frame, xdata);
  const preparent = parentBefore(brick, dir, loc);
  const linked = xdata?.has(Key.INTERNAL_FOP) === true && gfid !== NULL_GFID && linkedByGfid(brick, path, gfid);
  if (!linked) {
    const [major, minor] = splitDevice(rdev);
    makeName(brick, path, xdata, () => brick.storage.mknod(path, fileMode(brick, mode), major, minor));
  }
  return orRemove(() => brick.storage.unlink(path), () => {
    if (!linked) own(brick, frame, path, preparent);
    if (!linked) setAcls(brick, path, xdata);
    markName(brick, path, loc, 1);
    setCreationXattrs(brick, path, xdata);
    if (!linked && gfid !== NULL_GFID) setGfid(brick, path, path, gfid, IaType.REG, loc.parentGfid, loc.name);
    return created(brick, frame, loc, dir, path, preparent, gfid, !linked && bringsNoTimes(xdata));
  });
}

/** Linux's dev_t, as the fop carries it. */
function splitDevice(rdev: bigint): [number, number] {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return [Number(major), Number(minor)];
}

export function mkdir(brick: Brick, frame: Frame, loc: Loc, mode: number, xdata: Xdata): EntryReply {
  if (loc.parentGfid === ROOT_GFID && loc.name === '.glusterfs') throw new FopError(Errno.EPERM);
  const gfid = gfidForCreation(brick, frame, xdata, Errno.EINVAL);
  const path = brick.entryPath(loc);
  const dir = brick.parentPath(loc);
  brick.checkSpace(frame, xdata);
  const preparent = parentBefore(brick, dir, loc);
  if (brick.storage.lstat(path, 1) === 0) throw new FopError(Errno.EEXIST);
  const drop = preopCheck(brick, dir, xdata, 0);
  if (gfid !== NULL_GFID) takeOverGfid(brick, gfid, loc);
  const group = groupFor(frame, preparent);
  const bits = directoryMode(brick, mode) | (preparent.ia_prot & S_ISGID);
  check(brick.storage.mkdir(path, bits));
  return orRemove(() => brick.storage.rmdir(path), () => {
    check(brick.storage.lchown(path, frame.uid, group));
    setAcls(brick, path, xdata);
    setCreationXattrs(brick, path, xdata, drop);
    if (gfid !== NULL_GFID) setGfid(brick, path, path, gfid, IaType.DIR, loc.parentGfid, loc.name);
    const reply = created(brick, frame, loc, dir, path, preparent, gfid, bringsNoTimes(xdata));
    if (gfid !== NULL_GFID) brick.directoryMade(gfid, path);
    return reply;
  });
}

/** A directory of this gfid under another name: the new one takes the gfid over, as heals of renames rely on. */
function takeOverGfid(brick: Brick, gfid: Gfid, loc: Loc): void {
  const target = brick.storage.readlink(brick.handlePath(gfid));
  if (typeof target === 'number' || target === directoryHandleTarget(loc.parentGfid, loc.name)) return;
  removeHandle(brick, gfid);
  brick.directoriesMoved();
}

export function symlink(brick: Brick, frame: Frame, linkpath: Bytes, loc: Loc, xdata: Xdata): EntryReply {
  const gfid = gfidForCreation(brick, frame, xdata, Errno.EINVAL);
  const path = brick.entryPath(loc);
  const dir = brick.parentPath(loc);
  brick.checkSpace(frame, xdata);
  const preparent = parentBefore(brick, dir, loc);
  check(brick.storage.symlink(linkpath, path));
  return orRemove(() => brick.storage.unlink(path), () => {
    own(brick, frame, path, preparent);
    markName(brick, path, loc, 1);
    setCreationXattrs(brick, path, xdata);
    if (gfid !== NULL_GFID) setGfid(brick, path, path, gfid, IaType.LNK, loc.parentGfid, loc.name);
    return created(brick, frame, loc, dir, path, preparent, gfid, bringsNoTimes(xdata));
  });
}

export function link(brick: Brick, frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): EntryReply {
  const { storage, settings } = brick;
  brick.checkSpace(frame, xdata);
  const gfid = oldloc.targetGfid;
  const from = brick.inodePath(oldloc);
  const path = brick.entryPath(newloc);
  const dir = brick.parentPath(newloc);
  const before = brick.stat(from, gfid, oldloc.inode);
  if (settings.maxHardlinks > 0 && before.ia_nlink >= settings.maxHardlinks) throw new FopError(Errno.EMLINK);
  const preparent = parentBefore(brick, dir, newloc);
  makeName(brick, path, xdata, () => storage.link(from, path));
  return orRemove(() => storage.unlink(path), () => {
    check(changePgfid(brick, path, newloc.parentGfid, 1));
    check(addGfid2path(brick, path, newloc.parentGfid, newloc.name, before.ia_nlink + 1));
    const stat = brick.stat(path, gfid, oldloc.inode);
    brick.touch(frame, path, stat, gfid, oldloc.inode);
    const postparent = brick.statParent(dir, newloc);
    brick.touchParent(frame, dir, postparent, newloc);
    return { inode: oldloc.inode, stat, preparent, postparent, xdata: undefined };
  });
}

/** Flags of an open(2) on the backend: what the caller wants, never through a symlink. */
export function backendFlags(brick: Brick, flags: number): number {
  return (flags & ~OpenFlag.NOCTTY) | OpenFlag.NOFOLLOW | (brick.settings.oDirect ? OpenFlag.DIRECT : 0);
}

/**
 * A new file's xattrs that stay as they are; those that each change of the file stores anew are set before them. A disk's inode has room for some only:
 * ext4's of 512 bytes for 344 bytes of them, which is less than a dispersed file has. What comes last goes to a block of its own, which is written, and kept in
 * the journal, as a whole, and is read separately. `trusted.ec.config` is the same for all files, and so ext4 keeps one block of it for a thousand files.
 */
const LASTING: ReadonlySet<string> = new Set(['trusted.ec.config']);

export function create(brick: Brick, frame: Frame, loc: Loc, flags: number, mode: number, fd: Fd, xdata: Xdata): CreateReply {
  const { storage } = brick;
  const gfid = gfidForCreation(brick, frame, xdata, Errno.EINVAL);
  const path = brick.entryPath(loc);
  const dir = brick.parentPath(loc);
  brick.checkSpace(frame, xdata);
  const preparent = parentBefore(brick, dir, loc);
  const wanted = backendFlags(brick, flags === 0 ? OpenFlag.CREAT | OpenFlag.RDWR | OpenFlag.EXCL : flags | OpenFlag.CREAT);
  // With O_EXCL open(2) itself tells.
  const exclusive = (wanted & OpenFlag.EXCL) !== 0;
  const existed = !exclusive && storage.lstat(path, 1) === 0;
  const drop = existed ? new Set<string>() : preopOfNew(brick, dir, path, xdata);
  const lasting = !existed && brick.settings.ctime;
  const permissions = fileMode(brick, mode);
  const opened = check(storage.open(path, wanted, S_IFREG | permissions));
  return orRemove(() => {
    storage.close(opened);
    if (!existed) storage.unlink(path);
  }, () => {
    if (!existed) {
      const result = ownFile(brick, opened, permissions, frame.uid, groupFor(frame, preparent));
      if (result < 0) brick.log.error(113020, 'chown of a new file failed', { errno: -result });
      setAcls(brick, opened, xdata);
      if (!lasting) markName(brick, opened, loc, 1);
      setCreationXattrs(brick, opened, xdata, lasting ? new Set([...drop, ...LASTING]) : drop);
    }
    if (gfid !== NULL_GFID) setGfid(brick, opened, path, gfid, IaType.REG, loc.parentGfid, loc.name);
    const owner = existed ? brick.diskGfid(opened) : gfid;
    const { inode, stat, postparent } = created(brick, frame, loc, dir, opened, preparent, owner, !existed && bringsNoTimes(xdata));
    if (lasting) {
      markName(brick, opened, loc, 1);
      setCreationXattrs(brick, opened, xdata, drop, LASTING);
    }
    brick.opened(fd, { fd: opened, gfid: owner, flags: wanted });
    return { inode, stat, preparent, postparent, fd, xdata };
  });
}

/** The pre-op check of a file that shall be new; a name that is taken counts for more than the check. */
function preopOfNew(brick: Brick, dir: Bytes, path: Bytes, xdata: Xdata): ReadonlySet<string> {
  try {
    return preopCheck(brick, dir, xdata, Errno.EIO);
  } catch (error) {
    if (brick.storage.lstat(path, 1) === 0) throw new FopError(Errno.EEXIST);
    throw error;
  }
}

const SETS_ID = 0o6000;

/** Gives a new file its owner. One that it has already isn't set again, but for files whose setuid and setgid bits go with that. */
function ownFile({ storage }: Brick, fd: number, mode: number, uid: number, gid: number): number {
  const { cells } = storage;
  if (uid === 0 && (mode & SETS_ID) === 0 && storage.fstat(fd, 1) === 0 && cells.uid(1) === uid && cells.gid(1) === gid) return 0;
  return storage.fchown(fd, uid, gid);
}
