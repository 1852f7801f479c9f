import type { Bytes } from './bytes.js';
import { type Gfid, NULL_GFID } from './gfid.js';
import type { Inode } from './inode.js';

/**
 * Where a file is: GlusterFS's loc_t. By name: `parent` (or `pargfid`) and `name`; by identity: `inode` (or `gfid`) alone,
 * with an empty name. `path` is for people and logs; it may be `<gfid:…>/rest`.
 */
export class Loc {
  path: Bytes;
  name: Bytes;
  /** The inode; a fresh unlinked one for lookups and creations. */
  inode: Inode;
  parent: Inode | undefined;
  gfid: Gfid;
  pargfid: Gfid;

  constructor(init: { inode: Inode; parent?: Inode | undefined; name?: Bytes; path?: Bytes; gfid?: Gfid; pargfid?: Gfid }) {
    this.inode = init.inode;
    this.parent = init.parent;
    this.name = init.name ?? ('' as Bytes);
    this.path = init.path ?? ('' as Bytes);
    this.gfid = init.gfid ?? init.inode.gfid;
    this.pargfid = init.pargfid ?? init.parent?.gfid ?? NULL_GFID;
  }

  /** The file's gfid, from the inode when it knows it. */
  get targetGfid(): Gfid {
    return this.inode.gfid !== NULL_GFID ? this.inode.gfid : this.gfid;
  }

  /** The parent's gfid, from its inode when there is one. */
  get parentGfid(): Gfid {
    return this.parent && this.parent.gfid !== NULL_GFID ? this.parent.gfid : this.pargfid;
  }

  clone(): Loc {
    return new Loc(this);
  }
}
