import type { CacheInvalidation, Iatt, Inode, InodeTable } from '@glusterts/libglusterfs';
import type { MetadataStore } from './metadata-store.js';

/** Bits of an upcall (spec/rpc-wire.md, §9.11). */
const Up = { NLINK: 0x1, MODE: 0x2, OWN: 0x4, SIZE: 0x8, TIMES: 0x10, ATIME: 0x20, PERM: 0x40, RENAME: 0x80, FORGET: 0x100, PARENT_TIMES: 0x200, XATTR: 0x400, XATTR_RM: 0x800, EXPLICIT_LOOKUP: 0x1000, INVAL_ATTR: 0x2000 } as const;
const ATTRIBUTES = Up.SIZE | Up.TIMES | Up.ATIME | Up.MODE | Up.OWN | Up.PERM;
const VOID = Up.NLINK | Up.RENAME | Up.FORGET | Up.INVAL_ATTR;

/** What an upcall dropped or renewed, for the counters. */
export interface UpcallEffect {
  stat: boolean;
  xattrs: boolean;
}

/** Another client has changed a file: takes what the brick tells of it (spec/client.md, §9.6, "Upcall"). */
export function applyUpcall(store: MetadataStore, table: InodeTable, up: CacheInvalidation): UpcallEffect {
  const effect: UpcallEffect = { stat: false, xattrs: false };
  const inode = table.find(up.gfid);
  if (!inode) return effect;
  if (up.flags & Up.PARENT_TIMES) {
    renew(store, table, up.parent_stat);
    if (up.flags & Up.RENAME) renew(store, table, up.oldparent_stat);
  }
  if (up.flags & Up.EXPLICIT_LOOKUP) {
    store.requireLookup(inode);
    return effect;
  }
  if (up.flags & VOID) {
    store.invalidate(inode);
    store.invalidateXattrs(inode);
    if (up.flags & (Up.NLINK | Up.RENAME)) store.doubtNames(inode);
    effect.stat = true;
    return effect;
  }
  if (up.flags & ATTRIBUTES) {
    if (!store.learnUpcall(inode, up.stat, false)) return effect;
    effect.stat = true;
  }
  if (up.flags & (Up.XATTR | Up.XATTR_RM)) {
    changeXattrs(store, inode, up);
    effect.xattrs = true;
  }
  return effect;
}

function changeXattrs(store: MetadataStore, inode: Inode, up: CacheInvalidation): void {
  if (up.dict === undefined) store.invalidateXattrs(inode);
  else if (up.flags & Up.XATTR) store.setXattrs(inode, up.dict);
  else for (const name of up.dict.keys()) store.removeXattr(inode, name);
}

function renew(store: MetadataStore, table: InodeTable, stat: Iatt): void {
  const inode = table.find(stat.ia_gfid);
  if (inode) store.learnUpcall(inode, stat, true);
}
