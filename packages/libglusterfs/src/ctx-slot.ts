/** What inodes and fds carry for xlators: cells, for those slots of the graph that have ever been set on their kind. */
export interface CtxHolder {
  /** The slots' own: replaced when it must grow. {@link NO_CTX} until the first is set. */
  ctx: unknown[];
  readonly ctxKind: CtxKind;
}

export type CtxKind = 'inode' | 'fd';

/** The ctx of everything that has none: most inodes of a large tree. Never written to. */
export const NO_CTX: unknown[] = [];
Object.freeze(NO_CTX);

/** How many cells the inodes, and how many the fds, of one graph have. */
export class CtxCells {
  inode = 0;
  fd = 0;
}

const UNASSIGNED = -1;

/**
 * A typed cell in every inode (or fd) of a graph: GlusterFS's inode_ctx_get/set, made safe. See `Xlator.newCtxSlot`. The cell
 * gets its place when it is first set on an inode, and another when it is first set on an fd, so that inodes have no room for
 * what only fds keep: a mount holds a million of them.
 */
export class CtxSlot<T> {
  readonly #cells: CtxCells;
  #inodeCell = UNASSIGNED;
  #fdCell = UNASSIGNED;

  /** @param cells the graph's; all its slots share them. */
  constructor(cells: CtxCells) {
    this.#cells = cells;
  }

  get(holder: CtxHolder): T | undefined {
    const cell = holder.ctxKind === 'inode' ? this.#inodeCell : this.#fdCell;
    const { ctx } = holder;
    // The slot is the only writer of its cell, so what lies there is a T or nothing.
    return cell === UNASSIGNED || cell >= ctx.length ? undefined : (ctx[cell] as T | undefined);
  }

  set(holder: CtxHolder, value: T): void {
    const kind = holder.ctxKind;
    let cell = kind === 'inode' ? this.#inodeCell : this.#fdCell;
    if (cell === UNASSIGNED) {
      cell = this.#cells[kind]++;
      if (kind === 'inode') this.#inodeCell = cell;
      else this.#fdCell = cell;
    }
    let { ctx } = holder;
    if (cell >= ctx.length) {
      // Of the size that is known to be wanted: push would make room for seventeen.
      const grown = new Array<unknown>(this.#cells[kind]);
      for (let i = 0; i < grown.length; i++) grown[i] = ctx[i];
      holder.ctx = ctx = grown;
    }
    ctx[cell] = value;
  }

  delete(holder: CtxHolder): void {
    const cell = holder.ctxKind === 'inode' ? this.#inodeCell : this.#fdCell;
    if (cell !== UNASSIGNED && cell < holder.ctx.length) holder.ctx[cell] = undefined;
  }
}
