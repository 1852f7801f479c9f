import { type Bytes, type Gfid, ROOT_GFID, gfidParse, gfidToString } from '@glusterts/libglusterfs';

/** Where the handle of a gfid lies below `.glusterfs`: `xx/yy/<G>` (spec/brick.md, §2.3). */
export function handleName(gfid: Gfid): Bytes {
  return `${HEX[gfid.charCodeAt(0)] ?? ''}/${HEX[gfid.charCodeAt(1)] ?? ''}/${gfidToString(gfid)}` as Bytes;
}
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** The target of a directory's handle. */
export function directoryHandleTarget(parent: Gfid, name: Bytes): Bytes {
  return `../../${handleName(parent)}/${name}` as Bytes;
}

const TARGET = /^\.\.\/\.\.\/[0-9a-f]{2}\/[0-9a-f]{2}\/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\/([^/]+)$/s;

/** The parent and name that a directory's handle tells; undefined for the root's, and for a symlink that is no handle. */
export function parseDirectoryHandle(target: Bytes): { parent: Gfid; name: Bytes } | undefined {
  if (target.length < 50 || target.length >= 512) return undefined;
  const match = TARGET.exec(target);
  const parent = match?.[1] === undefined ? undefined : gfidParse(match[1]);
  return parent === undefined || match?.[2] === undefined ? undefined : { parent, name: match[2] as Bytes };
}

/** The target of the root's handle. */
export const ROOT_HANDLE_TARGET = '../../..' as Bytes;
export const ROOT_HANDLE = handleName(ROOT_GFID);

/** The value of a gfid2path xattr, cut at 1023 bytes (spec/brick.md, §2.6). */
export function gfid2pathValue(parent: Gfid, name: Bytes): Bytes {
  return `${gfidToString(parent)}/${name}`.slice(0, 1023) as Bytes;
}
