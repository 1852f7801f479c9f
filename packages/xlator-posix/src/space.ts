import { type Loc, NULL_GFID, type StatfsReply } from '@glusterts/libglusterfs';
import type { Brick } from './brick.js';

/* The reserve and statfs (spec/brick.md, §9). */

/** Looks whether the free space has sunk into the reserve. */
export function updateFull(brick: Brick): void {
  const { reserve } = brick.settings;
  if (reserve === 0) {
    brick.full = false;
    return;
  }
  const vfs = brick.storage.statvfs(brick.root);
  brick.full = reserve < 100 ? vfs.bfree <= (vfs.blocks * reserve) / 100 : vfs.bfree * vfs.bsize <= reserve;
}

export function statfs(brick: Brick, loc: Loc): StatfsReply {
  const { reserve, sharedBrickCount, exportStatfsSize } = brick.settings;
  const vfs = brick.storage.statvfs(loc.targetGfid === NULL_GFID ? brick.root : brick.inodePath(loc));
  const reserved = reserve < 100 ? Math.floor((vfs.blocks * reserve) / 100 + 0.5) : Math.ceil(reserve / vfs.bsize);
  const bfree = Math.max(0, vfs.bfree - reserved);
  const share = (count: number): number => (exportStatfsSize ? Math.floor(count / sharedBrickCount) : 0);
  return {
    statfs: {
      f_bsize: vfs.bsize,
      f_frsize: vfs.frsize,
      f_blocks: share(vfs.blocks),
      f_bfree: share(bfree),
      f_bavail: share(Math.min(vfs.bavail, bfree)),
      f_files: share(vfs.files),
      f_ffree: share(vfs.ffree),
      f_favail: share(vfs.favail),
      f_fsid: vfs.fsid,
      f_flag: vfs.flag,
      f_namemax: vfs.namemax,
    },
    xdata: undefined,
  };
}
