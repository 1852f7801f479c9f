import { type Gfid, type Inode, ROOT_GFID } from '@glusterts/libglusterfs';
import { ROOT_NODEID } from './protocol.js';

/** A file as the kernel knows it: an id that stays the same across graph switches (spec/client.md, §6.4). */
export interface Node {
  readonly id: number;
  readonly gfid: Gfid;
  /** In the graph that it was last seen in; undefined only for the root before the first graph. */
  inode: Inode | undefined;
  /** Lookups counted by the kernel and not forgotten. */
  nlookup: number;
}

/**
 * Node ids. They are numbers in order of first sight, never used twice, so that the generation can be 0; there is one for
 * each gfid that the kernel knows.
 */
export class NodeTable {
  readonly #byId = new Map<number, Node>();
  readonly #byGfid = new Map<Gfid, Node>();
  #next = ROOT_NODEID + 1;

  constructor() {
    this.#add({ id: ROOT_NODEID, gfid: ROOT_GFID, inode: undefined, nlookup: 1 });
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: number): Node | undefined {
    return this.#byId.get(id);
  }

  find(gfid: Gfid): Node | undefined {
    return this.#byGfid.get(gfid);
  }

  /** The kernel is about to be told of an inode: counts a lookup, in its table also. */
  lookup(inode: Inode): Node {
    let node = this.#byGfid.get(inode.gfid);
    if (!node) node = this.#add({ id: this.#next++, gfid: inode.gfid, inode, nlookup: 0 });
    else if (node.inode !== inode) this.move(node, inode);
    if (node.id === ROOT_NODEID) return node;
    node.nlookup++;
    inode.table.lookup(inode);
    return node;
  }

  /** The node's file is another graph's inode from now on; the kernel's lookups go along. */
  move(node: Node, inode: Inode): void {
    const old = node.inode;
    if (old === inode) return;
    node.inode = inode;
    if (node.id === ROOT_NODEID) return;
    if (old) old.table.forget(old, node.nlookup);
    if (node.nlookup > 0) {
      inode.table.lookup(inode);
      inode.nlookup += node.nlookup - 1;
    }
  }

  /** FORGET. Ids that are not known, and the root's, are ignored. */
  forget(id: number, count: number): void {
    const node = this.#byId.get(id);
    if (!node || id === ROOT_NODEID) return;
    const counted = Math.min(count, node.nlookup);
    node.nlookup -= counted;
    if (node.nlookup === 0) {
      this.#byId.delete(id);
      this.#byGfid.delete(node.gfid);
    }
    if (node.inode) node.inode.table.forget(node.inode, counted);
  }

  /** The file system was unmounted: the kernel knows nothing any more. */
  clear(): void {
    for (const node of [...this.#byId.values()]) this.forget(node.id, node.nlookup);
  }

  #add(node: Node): Node {
    this.#byId.set(node.id, node);
    this.#byGfid.set(node.gfid, node);
    return node;
  }
}
