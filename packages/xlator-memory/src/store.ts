import { type Gfid, type IaType, IaType as Type, Errno, FopError, ROOT_GFID } from '@glusterts/libglusterfs';
import { MemoryNode, type Time } from './node.js';
import { PAGE_BYTES, type PageBudget, SparseFile } from './sparse-file.js';

/** What a brick holds. Several graphs may share one (option `share`). */
export class Store implements PageBudget {
  readonly root: MemoryNode;
  /** Device number in iatts. */
  readonly dev: bigint;
  /** Bytes that files may take together. */
  sizeLimit: number;
  readonly nodes = new Map<Gfid, MemoryNode>();
  /** Nodes without a name that somebody still has open. */
  readonly orphans = new Map<Gfid, MemoryNode>();
  /** Graphs that use it. */
  users = 0;
  #pages = 0;

  constructor(dev: bigint, sizeLimit: number, now: Time) {
    this.dev = dev;
    this.sizeLimit = sizeLimit;
    this.root = new MemoryNode(ROOT_GFID, Type.DIR, 0o755, now);
    this.nodes.set(ROOT_GFID, this.root);
  }

  get usedBytes(): number {
    return this.#pages * PAGE_BYTES;
  }

  take(pages: number): void {
    if ((this.#pages + pages) * PAGE_BYTES > this.sizeLimit) throw new FopError(Errno.ENOSPC);
    this.#pages += pages;
  }

  give(pages: number): void {
    this.#pages -= pages;
  }

  make(gfid: Gfid, type: IaType, prot: number, now: Time): MemoryNode {
    const node = new MemoryNode(gfid, type, prot, now);
    if (type === Type.REG) node.file = new SparseFile(this);
    this.nodes.set(gfid, node);
    return node;
  }

  /** After a name or an open fd has gone: frees what nobody can reach any more. */
  reap(node: MemoryNode): void {
    const named = node.isDirectory ? node.parent !== undefined || node === this.root : node.nlink > 0;
    if (named) return;
    if (this.nodes.get(node.gfid) === node) this.nodes.delete(node.gfid);
    // Whoever holds or waits for a lock gets to its end, as on a brick, whose inode table keeps the inode.
    if (node.opens > 0 || node.locks.inodelkCount() + node.locks.entrylkCount() > 0) {
      this.orphans.set(node.gfid, node);
      return;
    }
    if (this.orphans.get(node.gfid) === node) this.orphans.delete(node.gfid);
    node.file?.clear();
  }
}

const shared = new Map<string, Store>();

/** The store of a name, made by `make` for its first user. */
export function shareStore(name: string, make: () => Store): Store {
  let store = shared.get(name);
  if (!store) shared.set(name, (store = make()));
  store.users++;
  return store;
}

/** A user of a shared store goes; with the last one the content goes too. */
export function leaveStore(name: string, store: Store): void {
  if (--store.users === 0 && shared.get(name) === store) shared.delete(name);
}
