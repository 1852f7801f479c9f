import type { CallPool, CtxSlot, GfEvent, GraphRootView, Inode, InodeTable, LatencyTable, Platform, Subvolume } from '@glusterts/libglusterfs';

/** What mount/fuse needs of a graph; `Graph` has it all. */
export interface MountGraph {
  readonly id: number;
  readonly platform: Platform;
  /** Where fops go in: the graph's top, with every fop bound. */
  readonly topSubvolume: Subvolume;
  readonly inodeTable: InodeTable;
  /** The requests of the process. */
  readonly callPool: CallPool;
  /** How long requests take is kept there for the root, while it is measured. */
  readonly latency?: LatencyTable;
  readonly root?: GraphRootView | undefined;
  newCtxSlot<T>(): CtxSlot<T>;
  /** Resolves when the graph's top has said CHILD_UP or CHILD_DOWN. */
  whenSettled?(): Promise<unknown>;
  /** Inodes whose data has changed behind the kernel's back. */
  onInvalidate?(listener: (inode: Inode) => void): unknown;
  /** Events of the top: AUTH_FAILED ends the mount. */
  onTopEvent?(listener: (event: GfEvent, data?: unknown) => void): unknown;
}

/** A graph while it serves requests. */
export class ActiveGraph {
  readonly graph: MountGraph;
  readonly top: Subvolume;
  readonly table: InodeTable;
  /** The mount's first: whatever name the kernel knows was looked up here. In later ones a name may be known to the kernel alone. */
  readonly isFirst: boolean;
  /** Requests that are being served in it. */
  winds = 0;
  readonly #known: CtxSlot<true>;
  #idle: (() => void) | undefined;

  constructor(graph: MountGraph, isFirst: boolean) {
    this.graph = graph;
    this.isFirst = isFirst;
    this.top = graph.topSubvolume;
    this.table = graph.inodeTable;
    this.#known = graph.newCtxSlot<true>();
    this.markKnown(this.table.root);
  }

  /** The layers below have seen a LOOKUP of the inode: fops may go to it (spec/client.md, §6.5, "Needs lookup"). */
  isKnown(inode: Inode): boolean {
    return this.#known.get(inode) === true;
  }

  markKnown(inode: Inode): void {
    this.#known.set(inode, true);
  }

  done(): void {
    if (--this.winds === 0) this.#idle?.();
  }

  /** Resolves when the last request that it serves has ended. */
  drained(): Promise<void> {
    if (this.winds === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#idle = resolve));
  }
}
