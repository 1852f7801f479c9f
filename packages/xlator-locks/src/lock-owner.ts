import { type Bytes, type Client, Errno, FopError, type Frame } from '@glusterts/libglusterfs';

/** Who holds a lock: the client, and the lk-owner of its RPC credential (spec/brick.md, §13.1). */
export interface LockOwner {
  readonly client: Client | undefined;
  readonly owner: Bytes;
  readonly pid: number;
}

export function ownerOf(frame: Frame): LockOwner {
  return { client: frame.client, owner: frame.lk_owner, pid: frame.pid };
}

export function sameOwner(a: LockOwner, b: LockOwner): boolean {
  return a.client === b.client && a.owner === b.owner;
}

/** Throws EINVAL for an owner that is empty or all zero. */
export function requireOwner(frame: Frame): void {
  if (/^\0*$/.test(frame.lk_owner)) throw new FopError(Errno.EINVAL, undefined, 'no lk-owner');
}
