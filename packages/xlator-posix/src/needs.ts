import { type Bytes, type Fd, type Gfid, type Loc, NULL_GFID, type Xdata } from '@glusterts/libglusterfs';
import type { Brick } from './brick.js';
import { handleName } from './handle-path.js';

/*
 * What must be in memory before a change is made on the loop, and which locks must be free (kernel-cache.ts). Each is a look: it throws what is
 * missing, or what is wrong, which the fop then finds as well.
 */

/** A new name, and the handle of what gets it. */
export function making(brick: Brick, loc: Loc, xdata: Xdata): void {
  name(brick, loc);
  const gfid = brick.requestedGfid(xdata);
  if (gfid !== undefined) handle(brick, gfid);
}

export function removing(brick: Brick, loc: Loc): void {
  name(brick, loc);
  inode(brick, loc.inode.gfid);
}

export function renaming(brick: Brick, from: Loc, to: Loc): void {
  removing(brick, from);
  removing(brick, to);
}

export function linking(brick: Brick, from: Loc, to: Loc): void {
  changing(brick, from);
  name(brick, to);
}

/** Attributes or xattrs. */
export function changing(brick: Brick, loc: Loc): void {
  const gfid = loc.targetGfid;
  brick.cache.demand(brick.inodePath(loc), gfid);
  brick.cache.demandIdle(gfid);
}

export function changingOpen(brick: Brick, fd: Fd): void {
  const file = brick.openFile(fd);
  brick.demandXattrs(file);
  brick.cache.demandIdle(file.gfid);
}

function name(brick: Brick, loc: Loc): void {
  brick.cache.demandFree(brick.parentPath(loc));
  brick.cache.demand(brick.entryPath(loc), loc.inode.gfid);
}

/** The handle of what exists. */
function inode(brick: Brick, gfid: Gfid): void {
  if (gfid === NULL_GFID) return;
  const path = brick.handlePath(gfid);
  brick.cache.demandFree(path.slice(0, path.lastIndexOf('/')) as Bytes);
  brick.cache.demand(path, gfid);
  brick.cache.demandIdle(gfid);
}

/** The directory that a handle will lie in. */
function handle(brick: Brick, gfid: Gfid): void {
  const path = handleName(gfid);
  const depth = brick.hashDirectories.depth(gfid);
  const dir = `${brick.hidden}/${path.slice(0, depth)}` as Bytes;
  brick.cache.demandFree(dir);
  brick.cache.demandDirectory(dir, path.slice(depth + 1) as Bytes);
}
