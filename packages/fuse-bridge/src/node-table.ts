import { type Gfid, type Inode, type InodeTable, ROOT_GFID } from '@glusterts/libglusterfs';
import { ROOT_NODEID } from './protocol.js';

/**
 * The kernel's numbers of files. They stay the same across graph switches (spec/client.md, §6.4), are given in order of first sight, never twice, so
 * that the generation can be 0, and there is one for each gfid that the kernel knows. The inode itself carries its number and the kernel's lookups:
 * there may be a million. The root, whatever the graph, has a number without being entered here.
 */
export class NodeTable {
  readonly #byId = new Map<number, Inode>();
  /** Of the numbers whose inodes are another graph's than the current: by gfid, which leads to the others through the graph's table. */
  readonly #elsewhere = new Map<Gfid, Inode>();
  #current: InodeTable | undefined;
  #next = ROOT_NODEID + 1;

  /** Numbers that the kernel has, the root's among them. */
  get size(): number {
    return this.#byId.size + 1;
  }

  /** The inode of a number, in the graph in which it was last seen; undefined also for the root. */
  get(id: number): Inode | undefined {
    return this.#byId.get(id);
  }

  /** The number under which the kernel knows a file; undefined: it doesn't. */
  find(gfid: Gfid): number | undefined {
    return gfid === ROOT_GFID ? ROOT_NODEID : this.#known(gfid)?.nodeid;
  }

  #known(gfid: Gfid): Inode | undefined {
    const elsewhere = this.#elsewhere.size > 0 ? this.#elsewhere.get(gfid) : undefined;
    if (elsewhere) return elsewhere;
    const inode = this.#current?.find(gfid);
    return inode && inode.nodeid !== 0 ? inode : undefined;
  }

  /** Another graph serves from now on. */
  serve(table: InodeTable): void {
    if (table === this.#current) return;
    this.#current = table;
    for (const inode of this.#byId.values()) {
      if (inode.table === table) this.#elsewhere.delete(inode.gfid);
      else this.#elsewhere.set(inode.gfid, inode);
    }
  }

  /** The kernel is about to be told of an inode: counts a lookup. Answers its number. */
  lookup(inode: Inode): number {
    if (inode.gfid === ROOT_GFID) return ROOT_NODEID;
    if (inode.nodeid === 0) {
      const known = this.#known(inode.gfid);
      if (known) this.move(known, inode);
      else this.#give(inode, this.#next++);
    }
    inode.table.lookup(inode);
    return inode.nodeid;
  }

  /** A file that has a number is another graph's inode from now on; the kernel's lookups go along. */
  move(from: Inode, to: Inode): void {
    if (from === to) return;
    const { nodeid, nlookup } = from;
    this.#elsewhere.delete(from.gfid);
    from.nodeid = 0;
    from.table.forget(from, nlookup);
    this.#give(to, nodeid);
    if (nlookup === 0) return;
    to.table.lookup(to);
    to.nlookup += nlookup - 1;
  }

  #give(inode: Inode, id: number): void {
    this.#current ??= inode.table;
    inode.nodeid = id;
    this.#byId.set(id, inode);
    if (inode.table !== this.#current) this.#elsewhere.set(inode.gfid, inode);
  }

  /** FORGET. Numbers that are not known, and the root's, are ignored. */
  forget(id: number, count: number): void {
    const inode = this.#byId.get(id);
    if (!inode) return;
    const counted = Math.min(count, inode.nlookup);
    if (counted === inode.nlookup) {
      this.#byId.delete(id);
      this.#elsewhere.delete(inode.gfid);
      inode.nodeid = 0;
    }
    inode.table.forget(inode, counted);
  }

  /** The file system was unmounted: the kernel knows nothing any more. */
  clear(): void {
    for (const [id, { nlookup }] of [...this.#byId]) this.forget(id, nlookup);
  }
}
