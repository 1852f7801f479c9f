import { type Bytes, type Gfid, IaType, ROOT_GFID, fromBuffer, gfidParse } from '@glusterts/libglusterfs';
import type { Brick, Target } from './brick.js';
import { Xattr } from './keys.js';

/* Paths from the volume's root, computed from what lies on disk (spec/brick.md, §6.2). */

/** A directory's path from the volume's root, with a leading slash; undefined when its handles don't lead there. */
export function volumePath(brick: Brick, gfid: Gfid): Bytes | undefined {
  if (gfid === ROOT_GFID) return '/' as Bytes;
  const path = brick.dirPath(gfid);
  if (typeof path === 'number' || !path.startsWith(`${brick.root}/`)) return undefined;
  return path.slice(brick.root.length) as Bytes;
}

/** All paths of a non-directory that its gfid2path xattrs tell. */
export function gfid2paths(brick: Brick, at: Target): Bytes[] {
  const names = brick.listx(at);
  if (typeof names === 'number') return [];
  const paths: Bytes[] = [];
  for (const name of names) {
    if (!name.startsWith(Xattr.GFID2PATH)) continue;
    const value = brick.getx(at, name);
    if (typeof value === 'number') continue;
    const text = fromBuffer(value);
    const parent = gfidParse(text.slice(0, 36));
    const dir = parent === undefined ? undefined : volumePath(brick, parent);
    if (dir !== undefined) paths.push(`${dir === '/' ? '' : dir}/${text.slice(37)}` as Bytes);
  }
  return paths;
}

/** Directories: the path; files: only with pgfid xattrs, their paths joined by `:`. */
export function ancestryPath(brick: Brick, at: Target, gfid: Gfid, type: IaType): Bytes | undefined {
  if (type === IaType.DIR) return volumePath(brick, gfid);
  if (!brick.settings.pgfid) return undefined;
  const paths = gfid2paths(brick, at);
  return paths.length > 0 ? (paths.join(':') as Bytes) : undefined;
}
