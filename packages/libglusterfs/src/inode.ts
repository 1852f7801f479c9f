import type { Bytes } from './bytes.js';
import { CtxHolder } from './ctx-slot.js';
import type { Fd } from './fd.js';
import { type Gfid, NULL_GFID } from './gfid.js';
import { IaType } from './iatt.js';
import type { InodeTable } from './inode-table.js';

const NO_FDS: ReadonlySet<Fd> = new Set();

/**
 * A file as one graph knows it. Fresh ones have no gfid until `InodeTable.link` (after a lookup or a creation answered).
 *
 * References: the tops of graphs (mount/fuse, protocol/server, gfapi) hold one for the length of a request, fds hold one,
 * and xlators take one when they keep an inode beyond their fop. With none left, the inode stays in the table as a
 * cache entry until the LRU limit, or, if the kernel knows it (nlookup > 0), until it is forgotten. Once its last name was removed it goes as soon as
 * nobody refers to it and the kernel doesn't know it.
 */
export class Inode extends CtxHolder {
  readonly table: InodeTable;
  gfid: Gfid = NULL_GFID;
  ia_type: IaType = IaType.INVAL;
  /** Lookups that the kernel has counted and not yet forgotten. */
  nlookup = 0;
  /** The number under which the kernel knows it; 0: not at all. */
  nodeid = 0;
  /** The table's own: its place among the unreferenced inodes. */
  listed = false;
  older: Inode | undefined = undefined;
  younger: Inode | undefined = undefined;
  /** The table's own: the newest name, and, in a directory, who is known under which name. */
  parent: Inode | undefined = undefined;
  basename: Bytes | undefined = undefined;
  entries: Map<Bytes, Inode> | undefined = undefined;
  /** The table's own: it had names, and none is left. */
  unlinked = false;
  /** Only while there is one: a set of its own for every file that was looked at would be the largest part of it. */
  #fds: Set<Fd> | undefined = undefined;
  #refs = 0;

  constructor(table: InodeTable) {
    super();
    this.table = table;
  }

  override get ctxKind(): 'inode' {
    return 'inode';
  }

  get refs(): number {
    return this.#refs;
  }

  get isRoot(): boolean {
    return this === this.table.root;
  }

  /** Open fds, anonymous ones included. */
  get fds(): ReadonlySet<Fd> {
    return this.#fds ?? NO_FDS;
  }

  ref(): this {
    if (this.#refs++ === 0) this.table.activated(this);
    return this;
  }

  unref(): void {
    if (this.#refs <= 0) throw new Error('an inode was released twice');
    if (--this.#refs === 0) this.table.idled(this);
  }

  bind(fd: Fd): void {
    (this.#fds ??= new Set()).add(fd);
  }

  unbind(fd: Fd): void {
    if (this.#fds?.delete(fd) === true && this.#fds.size === 0) this.#fds = undefined;
  }
}
