import { type Bytes, EntrylkCmd, EntrylkType, Errno, type Flock, type Frame, InodelkCmd, LkType, Loc, errnoOf } from '@glusterts/libglusterfs';
import type { Dht } from './dht.js';
import { Domain } from './keys.js';
import type { Subvol } from './subvol.js';

/** The locks of distribute's transactions (spec/dht.md, §7): blocking, each transaction with an owner of its own. */

export interface InodeLockRequest {
  readonly subvol: Subvol;
  /** Only its inode counts: locks carry the gfid, never a name. */
  readonly loc: Loc;
  readonly domain: Bytes;
  readonly type: LkType;
  /** Errors at which the lock is done without. */
  readonly tolerate?: readonly number[];
}

const whole = (type: LkType): Flock => ({ type, whence: 0, start: 0n, len: 0n, pid: 0, owner: '' as Bytes });

/** What is held; `release` never throws and does not wait. */
export class LockSet {
  readonly #dht: Dht;
  readonly frame: Frame;
  readonly #held: (() => Promise<unknown>)[] = [];

  /** @param frame whose pid and uid the lock requests carry */
  constructor(dht: Dht, frame: Frame) {
    this.#dht = dht;
    this.frame = frame.derive({ lk_owner: dht.newLockOwner(), signal: undefined });
  }

  /** One after the other, by subvolume name and gfid; if one fails those taken by this call are released. */
  async inodelks(requests: readonly InodeLockRequest[]): Promise<void> {
    const sorted = [...requests].sort((a, b) => compare(a.subvol.name, b.subvol.name) || compare(a.loc.targetGfid, b.loc.targetGfid));
    for (const { subvol, loc, domain, type, tolerate } of sorted) {
      const only = new Loc({ inode: loc.inode, gfid: loc.targetGfid, path: loc.path });
      try {
        await subvol.fops.inodelk(this.frame, domain, only, InodelkCmd.SETLKW, whole(type), undefined);
      } catch (error) {
        if (tolerate?.includes(errnoOf(error))) continue;
        this.release();
        throw error;
      }
      this.#held.push(() => subvol.fops.inodelk(this.frame, domain, only, InodelkCmd.SETLK, whole(LkType.UNLCK), undefined));
    }
  }

  async entrylk(subvol: Subvol, parent: Loc, name: Bytes): Promise<void> {
    try {
      await subvol.fops.entrylk(this.frame, Domain.ENTRY, parent, name, EntrylkCmd.LOCK, EntrylkType.WRLCK, undefined);
    } catch (error) {
      this.release();
      throw error;
    }
    this.#held.push(() => subvol.fops.entrylk(this.frame, Domain.ENTRY, parent, name, EntrylkCmd.UNLOCK, EntrylkType.WRLCK, undefined));
  }

  /** Namespace protection of a name: layout read lock on the parent, then the name, both on one subvolume. */
  async protectName(subvol: Subvol, loc: Loc): Promise<void> {
    const parent = parentLoc(loc);
    await this.inodelks([{ subvol, loc: parent, domain: Domain.LAYOUT, type: LkType.RDLCK }]);
    await this.entrylk(subvol, parent, loc.name);
  }

  /** Fire and forget, the newest first. */
  release(): void {
    for (const unlock of this.#held.splice(0).reverse()) this.#dht.background('unlock', unlock);
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** A Loc of the directory that a Loc's name is in. */
export function parentLoc(loc: Loc): Loc {
  const inode = loc.parent ?? loc.inode.table.create();
  return new Loc({ inode, gfid: loc.parentGfid, path: loc.parent ? (inode.table.path(inode) ?? ('' as Bytes)) : ('' as Bytes) });
}

/** A layout read lock whose absence is tolerated: for retried creations. */
export async function lockParentLayout(dht: Dht, frame: Frame, loc: Loc, hashed: Subvol): Promise<LockSet> {
  const locks = new LockSet(dht, frame);
  await locks.inodelks([{ subvol: hashed, loc: parentLoc(loc), domain: Domain.LAYOUT, type: LkType.RDLCK, tolerate: [Errno.ENOENT, Errno.ESTALE] }]);
  return locks;
}
