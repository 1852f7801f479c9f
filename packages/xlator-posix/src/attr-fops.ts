import { Errno, type Fd, FopError, type Frame, type Gfid, type Iatt, IaType, type Inode, type Loc, type PrePostReply, type ReadlinkReply, SetAttr, UTIME_NOW, UTIME_OMIT, type Xdata } from '@glusterts/libglusterfs';
import { type Brick, type Target, check } from './brick.js';
import { directoryMode, fileMode } from './creation.js';
import { copyMdata } from './mdata.js';
import { replyXdata } from './xdata-reply.js';

/* setattr, fsetattr, readlink (spec/brick.md, §4.13). */

const UNCHANGED = -1;

export function setattr(brick: Brick, frame: Frame, loc: Loc, wanted: Iatt, valid: number, xdata: Xdata): PrePostReply {
  return change(brick, frame, brick.inodePath(loc), loc.targetGfid, loc.inode, wanted, valid, xdata);
}

export function fsetattr(brick: Brick, frame: Frame, fd: Fd, wanted: Iatt, valid: number, xdata: Xdata): PrePostReply {
  const file = brick.openFile(fd);
  return change(brick, frame, file.fd, file.gfid, fd.inode, wanted, valid, xdata);
}

function change(brick: Brick, frame: Frame, at: Target, gfid: Gfid, inode: Inode, wanted: Iatt, valid: number, xdata: Xdata): PrePostReply {
  const prestat = brick.stat(at, gfid, inode);
  if (valid === 0) own(brick, at, UNCHANGED, UNCHANGED);
  if (valid & (SetAttr.UID | SetAttr.GID)) own(brick, at, valid & SetAttr.UID ? wanted.ia_uid : UNCHANGED, valid & SetAttr.GID ? wanted.ia_gid : UNCHANGED);
  // chmod follows symlinks, and would change what one leads to.
  if (valid & SetAttr.MODE && prestat.ia_type !== IaType.LNK) {
    const mode = prestat.ia_type === IaType.DIR ? directoryMode(brick, wanted.ia_prot) : fileMode(brick, wanted.ia_prot);
    check(typeof at === 'number' ? brick.storage.fchmod(at, mode) : brick.storage.chmod(at, mode));
  }
  if (valid & (SetAttr.ATIME | SetAttr.MTIME)) setTimes(brick, frame, at, gfid, inode, wanted, valid);
  if (valid & SetAttr.CTIME) setCtime(brick, at, gfid, inode, wanted);
  const poststat = brick.stat(at, gfid, inode);
  brick.touch(frame, at, poststat, gfid, inode);
  return { prestat, poststat, xdata: replyXdata(brick, at, poststat, inode, xdata) };
}

function own(brick: Brick, at: Target, uid: number, gid: number): void {
  check(typeof at === 'number' ? brick.storage.fchown(at, uid, gid) : brick.storage.lchown(at, uid, gid));
}

/** utimes: the backend first; then the volume's times, which may go back here, if the object has them. */
function setTimes(brick: Brick, frame: Frame, at: Target, gfid: Gfid, inode: Inode, wanted: Iatt, valid: number): void {
  const now = brick.platform.clock.realtime();
  const atime = valid & SetAttr.ATIME_NOW ? [now.sec, UTIME_NOW] : [wanted.ia_atime, wanted.ia_atime_nsec];
  const mtime = valid & SetAttr.MTIME_NOW ? [now.sec, UTIME_NOW] : [wanted.ia_mtime, wanted.ia_mtime_nsec];
  const [asec = 0, ansec = 0] = valid & SetAttr.ATIME ? atime : [0, UTIME_OMIT];
  const [msec = 0, mnsec = 0] = valid & SetAttr.MTIME ? mtime : [0, UTIME_OMIT];
  check(typeof at === 'number' ? brick.storage.futimens(at, asec, ansec, msec, mnsec) : brick.storage.utimens(at, asec, ansec, msec, mnsec));
  const known = brick.settings.ctime ? brick.times(at, gfid, inode) : undefined;
  if (!known) return;
  const times = copyMdata(known);
  if (valid & SetAttr.ATIME) [times.atime, times.atime_nsec] = valid & SetAttr.ATIME_NOW ? frameTime(frame, now) : [wanted.ia_atime, wanted.ia_atime_nsec];
  if (valid & SetAttr.MTIME) [times.mtime, times.mtime_nsec] = valid & SetAttr.MTIME_NOW ? frameTime(frame, now) : [wanted.ia_mtime, wanted.ia_mtime_nsec];
  if (frame.ctime > times.ctime || (frame.ctime === times.ctime && frame.ctime_nsec > times.ctime_nsec)) [times.ctime, times.ctime_nsec] = [frame.ctime, frame.ctime_nsec];
  brick.storeTimes(at, gfid, inode, times);
}

/** "Now" is the client's now, when it tells. */
function frameTime(frame: Frame, now: { sec: number; nsec: number }): [number, number] {
  return frame.ctime !== 0 ? [frame.ctime, frame.ctime_nsec] : [now.sec, now.nsec];
}

function setCtime(brick: Brick, at: Target, gfid: Gfid, inode: Inode, wanted: Iatt): void {
  if (!brick.settings.ctime) return;
  const known = brick.times(at, gfid, inode);
  if (!known || wanted.ia_ctime < known.ctime || (wanted.ia_ctime === known.ctime && wanted.ia_ctime_nsec <= known.ctime_nsec)) return;
  brick.storeTimes(at, gfid, inode, { ...known, ctime: wanted.ia_ctime, ctime_nsec: wanted.ia_ctime_nsec });
}

export function readlink(brick: Brick, loc: Loc, size: number): ReadlinkReply {
  const path = brick.inodePath(loc);
  const stat = brick.stat(path, loc.targetGfid, loc.inode);
  if (stat.ia_type === IaType.DIR) throw new FopError(Errno.EINVAL);
  const target = brick.storage.readlink(path);
  if (typeof target === 'number') throw new FopError(-target);
  return { path: target.slice(0, size) as typeof target, stat, xdata: undefined };
}
