import { type Bytes, Dict, type Fd, decodeLegacyDict, encodeLegacyDict } from '@glusterts/libglusterfs';
import type { LockOwner } from './lock-owner.js';
import type { PosixLocks } from './posix-locks.js';

/*
 * `trusted.glusterfs.lockinfo`: how posix locks follow a file descriptor to another connection, at a graph switch. The value is a
 * legacy dict of `<POSIX(<brick>):<host>` → the brick's number of the fd (spec/brick.md, §13.6).
 */

export const LOCKINFO = 'trusted.glusterfs.lockinfo' as Bytes;

/** Numbers for fds, given out on demand. */
export class FdNumbers {
  readonly #numbers = new WeakMap<Fd, number>();
  #last = 0;

  of(fd: Fd): number {
    let number = this.#numbers.get(fd);
    if (number === undefined) this.#numbers.set(fd, (number = ++this.#last));
    return number;
  }
}

/** The brick's key in a lockinfo dict, cut from its pathinfo. */
export function lockinfoKey(pathinfo: Bytes | undefined): Bytes | undefined {
  return /^<POSIX\([^)]*\):[^:]*/.exec(pathinfo ?? '')?.[0] as Bytes | undefined;
}

/** The answer for an fd; an empty dict when no lock was taken through it. */
export function lockinfoOf(locks: PosixLocks | undefined, fd: Fd, numbers: FdNumbers, key: Bytes | undefined): Dict {
  if (key === undefined || !locks?.granted.some((lock) => lock.fd === fd)) return new Dict();
  return new Dict().setBin(LOCKINFO, encodeLegacyDict(new Dict().setUint(key, numbers.of(fd))));
}

/** Moves the locks that a lockinfo names to another fd and its client. True when there were any. */
export function moveLocks(locks: PosixLocks | undefined, value: Uint8Array, key: Bytes | undefined, fd: Fd, owner: LockOwner, numbers: FdNumbers): boolean {
  const number = key === undefined ? undefined : decodeLegacyDict(value)?.getNumber(key);
  if (!locks || number === undefined) return false;
  let moved = false;
  locks.granted = locks.granted.map((lock) => {
    if (!lock.fd || numbers.of(lock.fd) !== number) return lock;
    moved = true;
    return { ...lock, fd, client: owner.client, clientUid: owner.client?.uid ?? '' };
  });
  return moved;
}
