import { type Bytes, Errno, FopError } from '@glusterts/libglusterfs';
import type { InodeLocks } from './inode-locks.js';
import { rangeLength } from './range.js';

/* clear-locks: `glusterfs.clrlk.t<inode|entry|posix>.k<blocked|granted|all>[.<arg>]` (spec/brick.md, §13.6). */

export const CLEAR_PREFIX = 'glusterfs.clrlk';
export const INTERRUPT_PREFIX = 'glusterfs.intrlk';

export interface ClearCommand {
  readonly type: 'inode' | 'entry' | 'posix';
  readonly kind: 'blocked' | 'granted' | 'all';
  readonly range: { readonly whence: number; readonly start: bigint; readonly length: bigint } | undefined;
  readonly name: Bytes | undefined;
}

/** Throws EINVAL when it can't be read. */
export function parseClear(name: Bytes): ClearCommand {
  const match = /^glusterfs\.(?:clrlk|intrlk)\.t(inode|entry|posix)\.k(blocked|granted|all)(?:\.(.*))?$/s.exec(name);
  if (!match) throw new FopError(Errno.EINVAL);
  const argument = match[3];
  const type = match[1] as ClearCommand['type'];
  const kind = match[2] as ClearCommand['kind'];
  if (argument === undefined || argument === '') return { type, kind, range: undefined, name: undefined };
  if (type === 'entry') return { type, kind, range: undefined, name: argument as Bytes };
  const range = /^(\d+),(\d+)-(\d+)$/.exec(argument);
  if (!range) throw new FopError(Errno.EINVAL);
  return { type, kind, range: { whence: Number(range[1]), start: BigInt(range[2] ?? 0), length: BigInt(range[3] ?? 0) }, name: undefined };
}

/** Clears what the command says, waiting ones first; the caller grants what can be granted then. */
export function clearLocks(locks: InodeLocks | undefined, command: ClearCommand): { blocked: number; granted: number } {
  const counts = { blocked: 0, granted: 0 };
  if (!locks) return counts;
  const { range, name, type, kind } = command;
  const inRange = (lock: { start: bigint; end: bigint }): boolean => !range || (range.whence === 0 && lock.start === range.start && rangeLength({ start: lock.start, end: lock.end }) === range.length);
  const inName = (lock: { name: Bytes }): boolean => name === undefined || lock.name === name;
  if (kind !== 'granted') {
    if (type === 'posix') counts.blocked += locks.posix.dropWaiting(inRange, Errno.EINTR);
    if (type === 'inode') for (const domain of locks.inodelks.values()) counts.blocked += domain.dropWaiting(inRange, Errno.EAGAIN);
    if (type === 'entry') for (const domain of locks.entrylks.values()) counts.blocked += domain.dropWaiting(inName, Errno.EAGAIN);
  }
  if (kind !== 'blocked') {
    if (type === 'posix') counts.granted += locks.posix.dropGranted(inRange);
    if (type === 'inode') for (const domain of locks.inodelks.values()) counts.granted += domain.dropGranted(inRange);
    if (type === 'entry') for (const domain of locks.entrylks.values()) counts.granted += domain.dropGranted(inName);
  }
  return counts;
}

/** The command's answer. @param pathinfo posix's, from which the host and the brick are cut */
export function clearAnswer(command: ClearCommand, counts: { blocked: number; granted: number }, pathinfo: Bytes | undefined): Bytes {
  if (counts.blocked === 0 && counts.granted === 0) return 'No locks cleared.' as Bytes;
  const match = /<POSIX\(([^)]*)\):([^:]*):/.exec(pathinfo ?? '');
  // The real one cuts a brick's path at its first dot.
  const brick = (match?.[1] ?? '').replace(/\..*$/s, '');
  return `${match?.[2] ?? ''}:${brick}/: ${command.type} blocked locks=${counts.blocked} granted locks=${counts.granted}` as Bytes;
}
