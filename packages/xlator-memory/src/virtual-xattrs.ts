import { type Bytes, Errno, FopError, NULL_GFID, gfidToString } from '@glusterts/libglusterfs';
import type { MemoryNode } from './node.js';
import type { Store } from './store.js';
import { pathOf, pathinfo } from './xdata-reply.js';

/** The value of an xattr that nobody has set, but that each file has (spec/brick.md, §6). Undefined when it is none of them. */
export function virtualXattr(store: Store, brick: string, node: MemoryNode, name: Bytes): Bytes | undefined {
  if (name === 'trusted.glusterfs.pathinfo' || name === 'glusterfs.pathinfo') return pathinfo(brick, pathOf(store, node) ?? (`<gfid:${gfidToString(node.gfid)}>` as Bytes));
  if (name === 'glusterfs.ancestry.path') return pathOf(store, node);
  if (name === 'trusted.glusterfs.node-uuid') return gfidToString(NULL_GFID) as Bytes;
  if (!name.startsWith('glusterfs.get_real_filename:')) return undefined;
  if (!node.isDirectory) throw new FopError(Errno.ENOTDIR);
  const wanted = name.slice('glusterfs.get_real_filename:'.length).toLowerCase();
  for (const known of node.entries.keys()) if (known.toLowerCase() === wanted) return known;
  throw new FopError(Errno.ENODATA);
}
