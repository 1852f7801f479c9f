import { CtxHolder } from './ctx-slot.js';
import { IaType } from './iatt.js';
import type { Inode } from './inode.js';

/**
 * An open file or directory. Counted: whoever keeps it longer than a fop takes a reference; when the last is gone every
 * xlator's `release` (or `releasedir`) runs, top to bottom, once. Made with one reference.
 */
export class Fd extends CtxHolder {
  readonly inode: Inode;
  /** The open flags, Linux's O_*. */
  flags: number;
  /** The pid that opened it. */
  pid: number;
  /** Not opened by anybody: the brick opens the gfid for itself (wire number -2). */
  readonly anonymous: boolean;
  #refs = 1;

  constructor(inode: Inode, init: { flags?: number; pid?: number; anonymous?: boolean } = {}) {
    super();
    this.inode = inode;
    this.flags = init.flags ?? 0;
    this.pid = init.pid ?? 0;
    this.anonymous = init.anonymous ?? false;
    inode.ref();
    inode.table.fdCount++;
  }

  override get ctxKind(): 'fd' {
    return 'fd';
  }

  get refs(): number {
    return this.#refs;
  }

  ref(): this {
    if (this.#refs <= 0) throw new Error('a released fd was referenced again');
    this.#refs++;
    return this;
  }

  unref(): void {
    if (this.#refs <= 0) throw new Error('an fd was released twice');
    if (--this.#refs > 0) return;
    this.inode.unbind(this);
    this.inode.table.fdCount--;
    this.inode.table.released(this, this.inode.ia_type === IaType.DIR);
    this.inode.unref();
  }

  /** What the xlators keep for `other` is kept for this one from now on, and no longer for the other. */
  takeCtx(other: Fd): void {
    this.takeCells(other);
  }

  /** Puts it among the inode's open fds: after a successful open, so that GETATTR can find it. */
  bind(): this {
    this.inode.bind(this);
    return this;
  }
}
