/** The array of everything that needs none. Never written to. */
const NO_CTX: unknown[] = [];
Object.freeze(NO_CTX);

/**
 * What inodes and fds carry for xlators: cells, for those slots of the graph that have ever been set on their kind. The first few lie in the object
 * itself: an array would take more than all the cells of most files, and a mount holds a million of them.
 */
export abstract class CtxHolder {
  /** The slots' own, as is all of it. */
  ctx0: unknown = undefined;
  ctx1: unknown = undefined;
  ctx2: unknown = undefined;
  ctx3: unknown = undefined;
  ctx4: unknown = undefined;
  ctx5: unknown = undefined;
  ctx6: unknown = undefined;
  ctx7: unknown = undefined;
  /** Cells beyond: replaced when it must grow. {@link NO_CTX} until the first is set. */
  ctx: unknown[] = NO_CTX;
  abstract get ctxKind(): CtxKind;

  /** What `other` carries is carried by this one from now on, and no longer by the other. */
  protected takeCells(other: CtxHolder): void {
    for (let cell = 0; cell < OWN; cell++) {
      writeCell(this, cell, readCell(other, cell));
      writeCell(other, cell, undefined);
    }
    this.ctx = other.ctx;
    other.ctx = NO_CTX;
  }
}

export type CtxKind = 'inode' | 'fd';

/** Cells in the object itself. */
const OWN = 8;

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
    // The slot is the only writer of its cell, so what lies there is a T or nothing.
    return readCell(holder, holder.ctxKind === 'inode' ? this.#inodeCell : this.#fdCell) as T | undefined;
  }

  set(holder: CtxHolder, value: T): void {
    const kind = holder.ctxKind;
    let cell = kind === 'inode' ? this.#inodeCell : this.#fdCell;
    if (cell === UNASSIGNED) {
      cell = this.#cells[kind]++;
      if (kind === 'inode') this.#inodeCell = cell;
      else this.#fdCell = cell;
    }
    const at = cell - OWN;
    if (at >= holder.ctx.length) {
      // Of the size that is known to be wanted: push would make room for seventeen.
      const grown = new Array<unknown>(this.#cells[kind] - OWN);
      for (let i = 0; i < grown.length; i++) grown[i] = holder.ctx[i];
      holder.ctx = grown;
    }
    writeCell(holder, cell, value);
  }

  delete(holder: CtxHolder): void {
    const cell = holder.ctxKind === 'inode' ? this.#inodeCell : this.#fdCell;
    if (cell !== UNASSIGNED && cell - OWN < holder.ctx.length) writeCell(holder, cell, undefined);
  }
}

function readCell(holder: CtxHolder, cell: number): unknown {
  switch (cell) {
    case UNASSIGNED: return undefined;
    case 0: return holder.ctx0;
    case 1: return holder.ctx1;
    case 2: return holder.ctx2;
    case 3: return holder.ctx3;
    case 4: return holder.ctx4;
    case 5: return holder.ctx5;
    case 6: return holder.ctx6;
    case 7: return holder.ctx7;
    default: return cell - OWN < holder.ctx.length ? holder.ctx[cell - OWN] : undefined;
  }
}

/** Beyond the object's own cells there must be room. */
function writeCell(holder: CtxHolder, cell: number, value: unknown): void {
  switch (cell) {
    case 0: holder.ctx0 = value; break;
    case 1: holder.ctx1 = value; break;
    case 2: holder.ctx2 = value; break;
    case 3: holder.ctx3 = value; break;
    case 4: holder.ctx4 = value; break;
    case 5: holder.ctx5 = value; break;
    case 6: holder.ctx6 = value; break;
    case 7: holder.ctx7 = value; break;
    default: holder.ctx[cell - OWN] = value;
  }
}
