import { Errno, type Flock, FopError, LkType } from '@glusterts/libglusterfs';

/** The last byte of a lock that reaches to the end. */
export const END = 2n ** 63n - 1n;

/** The bytes of a lock, both ends included. */
export interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

/** The range of a posix lock; a negative length reaches backwards. Throws EINVAL (spec/brick.md, §13.2). */
export function posixRange(flock: Flock): Range {
  let { start, len } = flock;
  if (start < 0n || start + len < 0n) throw new FopError(Errno.EINVAL);
  if (len < 0n) {
    start += len;
    len = -len;
  }
  return { start, end: len === 0n ? END : start + len - 1n };
}

/** The range of an inodelk. Throws EINVAL for negative numbers. */
export function inodelkRange(flock: Flock): Range {
  if (flock.start < 0n || flock.len < 0n) throw new FopError(Errno.EINVAL);
  return { start: flock.start, end: flock.len === 0n ? END : flock.start + flock.len - 1n };
}

/** A range's length as the wire says it: 0 to the end. */
export function rangeLength(range: Range): bigint {
  return range.end === END ? 0n : range.end - range.start + 1n;
}

export function overlap(a: Range, b: Range): boolean {
  return a.start <= b.end && b.start <= a.end;
}

/** Two types that can't be held together. */
export function typesConflict(a: LkType, b: LkType): boolean {
  return a === LkType.WRLCK || b === LkType.WRLCK;
}
