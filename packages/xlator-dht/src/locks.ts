import { type Bytes, EntrylkCmd, EntrylkType, Errno, type Flock, type Frame, InodelkCmd, LkType, Loc, errnoOf } from '@glusterts/libglusterfs';
import type { Dht } from './dht.js';
import { Domain } from './keys.js';
import type { Subvol } from './subvol.js';

/**
 * The locks of distribute's transactions (spec/dht.md, §7), each transaction with an owner of its own. A set of several is
 * first tried without waiting, all at once: one round trip instead of one for each. Who doesn't wait can't be part of a
 * deadlock, so the order doesn't matter then. When one of them is taken, the tries are given back and the set is taken one
 * after the other, blocking, in the order that all clients keep.
 */

export interface InodeLockRequest {
  readonly subvol: Subvol;
  /** Only its inode counts: locks carry the gfid, never a name. */
  readonly loc: Loc;
  readonly domain: Bytes;
  readonly type: LkType;
  /** Errors at which the lock is done without. */
  readonly tolerate?: readonly number[];
}

/** A name's lock: domain `dht.entry.sync`, write. */
export interface NameLockRequest {
  readonly subvol: Subvol;
  readonly parent: Loc;
  readonly name: Bytes;
}

export type LockRequest = InodeLockRequest | NameLockRequest;

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

  /** All of them: tried at once, else one after the other as they are given. If one fails, none is held. */
  async take(requests: readonly LockRequest[]): Promise<void> {
    const distinct = dedupe(requests);
    if (await this.#tryAll(distinct)) return;
    for (const request of distinct) {
      if ('name' in request) await this.entrylk(request.subvol, request.parent, request.name);
      else await this.inodelks([request]);
    }
  }

  /** False: one was taken by somebody else, and nothing is held. */
  async #tryAll(requests: readonly LockRequest[]): Promise<boolean> {
    // An owner of their own: giving a try back must not release what is taken afterwards, whichever the brick does first.
    const frame = this.frame.derive({ lk_owner: this.#dht.newLockOwner() });
    const unlocks: (() => Promise<unknown>)[] = [];
    let taken = false;
    let failure: unknown;
    await Promise.all(requests.map(async (request) => {
      try {
        unlocks.push(await tryOne(frame, request));
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === Errno.EAGAIN) taken = true;
        else if ('name' in request || !request.tolerate?.includes(errno)) failure ??= error;
      }
    }));
    if (!taken && failure === undefined) {
      this.#held.push(...unlocks);
      return true;
    }
    for (const unlock of unlocks) this.#dht.background('unlock', unlock);
    if (failure === undefined) return false;
    this.release();
    throw failure;
  }

  /** One after the other, by subvolume name and gfid; if one fails those taken by this call are released. */
  async inodelks(requests: readonly InodeLockRequest[]): Promise<void> {
    for (const { subvol, loc, domain, type, tolerate } of inLockOrder(requests)) {
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
    await this.take(nameProtection(subvol, loc));
  }

  /** Fire and forget, the newest first. */
  release(): void {
    for (const unlock of this.#held.splice(0).reverse()) this.#dht.background('unlock', unlock);
  }
}

/** What {@link LockSet.protectName} takes, in its order. */
export function nameProtection(subvol: Subvol, loc: Loc): LockRequest[] {
  const parent = parentLoc(loc);
  return [{ subvol, loc: parent, domain: Domain.LAYOUT, type: LkType.RDLCK }, { subvol, parent, name: loc.name }];
}

async function tryOne(frame: Frame, request: LockRequest): Promise<() => Promise<unknown>> {
  const { subvol } = request;
  if ('name' in request) {
    const { parent, name } = request;
    await subvol.fops.entrylk(frame, Domain.ENTRY, parent, name, EntrylkCmd.LOCK_NB, EntrylkType.WRLCK, undefined);
    return () => subvol.fops.entrylk(frame, Domain.ENTRY, parent, name, EntrylkCmd.UNLOCK, EntrylkType.WRLCK, undefined);
  }
  const { loc, domain, type } = request;
  const only = new Loc({ inode: loc.inode, gfid: loc.targetGfid, path: loc.path });
  await subvol.fops.inodelk(frame, domain, only, InodelkCmd.SETLK, whole(type), undefined);
  return () => subvol.fops.inodelk(frame, domain, only, InodelkCmd.SETLK, whole(LkType.UNLCK), undefined);
}

/** Two names in one directory need its layout lock once. */
function dedupe(requests: readonly LockRequest[]): LockRequest[] {
  const seen = new Set<string>();
  return requests.filter((request) => {
    const key = 'name' in request ? `${request.subvol.name}\0n${request.parent.targetGfid}${request.name}` : `${request.subvol.name}\0i${request.loc.targetGfid}${request.domain}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** By subvolume name and gfid. */
export function inLockOrder(requests: readonly InodeLockRequest[]): InodeLockRequest[] {
  return [...requests].sort((a, b) => compare(a.subvol.name, b.subvol.name) || compare(a.loc.targetGfid, b.loc.targetGfid));
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
