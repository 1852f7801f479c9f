/** What inodes and fds carry for xlators: one cell for each xlator of the graph that asked for one. */
export interface CtxHolder {
  readonly ctx: unknown[];
}

/** A typed cell in every inode (or fd) of a graph: GlusterFS's inode_ctx_get/set, made safe. See `Xlator.newCtxSlot`. */
export class CtxSlot<T> {
  readonly #index: number;

  /** @param index the cell's place; handed out by the graph, never chosen by hand. */
  constructor(index: number) {
    this.#index = index;
  }

  get(holder: CtxHolder): T | undefined {
    // The slot is the only writer of its index, so what lies there is a T or nothing.
    return holder.ctx[this.#index] as T | undefined;
  }

  set(holder: CtxHolder, value: T): void {
    // Dense up to the index, lest V8 turn the array into a dictionary.
    while (holder.ctx.length < this.#index) holder.ctx.push(undefined);
    holder.ctx[this.#index] = value;
  }

  delete(holder: CtxHolder): void {
    if (this.#index < holder.ctx.length) holder.ctx[this.#index] = undefined;
  }
}
