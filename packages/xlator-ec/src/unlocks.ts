import { type Bytes, Dict, type Flock, type Frame, type Gfid, InodelkCmd, LkType, type Loc } from '@glusterts/libglusterfs';
import type { Cluster } from './cluster.js';
import { UNLOCK_ALSO } from './version-xattrs.js';

/** Locks that go in one call. */
const TOGETHER_MAX = 128;
const UNLOCK: Flock = { type: LkType.UNLCK, whence: 0, start: 0n, len: 0n, pid: 0, owner: '' as Bytes };

interface Given {
  /** As whom it was taken. */
  readonly frame: Frame;
  readonly loc: Loc;
  readonly gfid: Gfid;
  readonly done: () => void;
}

/** Locks that go back in the same turn of the event loop, on bricks of our own: one INODELK to each brick for all of them (docs/chained-calls.md). */
export class Unlocks {
  readonly #cluster: Cluster;
  #given: Given[] = [];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Gives a lock back that all bricks have granted. Resolves when all have answered, whatever they say: who didn't do so is gone, and its locks with it. */
  give(frame: Frame, loc: Loc, gfid: Gfid): Promise<void> {
    return new Promise((done) => {
      if (this.#given.push({ frame, loc, gfid, done }) === 1) this.#cluster.graph.platform.timers.soon(() => this.#send());
    });
  }

  #send(): void {
    const given = this.#given;
    this.#given = [];
    for (let at = 0; at < given.length; at += TOGETHER_MAX) void this.#sendTogether(given.slice(at, at + TOGETHER_MAX));
  }

  async #sendTogether(locks: readonly Given[]): Promise<void> {
    const [first, ...others] = locks;
    if (!first) return;
    const cluster = this.#cluster;
    const also = others.length === 0 ? undefined : new Dict().setBin(UNLOCK_ALSO, Buffer.from(others.map(({ gfid, frame }) => gfid + frame.lk_owner).join(''), 'latin1'));
    await cluster.all(cluster.up, (child) => child.inodelk(first.frame, cluster.name as Bytes, first.loc, InodelkCmd.SETLK, UNLOCK, also));
    for (const { done } of locks) done();
  }
}
