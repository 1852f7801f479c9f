import { type Bytes, type Inode, LkType, type StatedumpWriter, display, gfidPath } from '@glusterts/libglusterfs';
import type { DomainLock, DomainLocks } from './domain-locks.js';
import type { InodeLocks } from './inode-locks.js';
import type { LockOwner } from './lock-owner.js';
import type { PosixLock } from './posix-locks.js';
import { type Range, rangeLength } from './range.js';

/** The locks of an inode, as `gluster volume statedump` shows them. */
export function dumpLocks(writer: StatedumpWriter, name: string, inode: Inode, locks: InodeLocks): void {
  writer.section(`xlator.features.locks.${name}.inode`);
  writer.write('path', display(inode.table.path(inode) ?? gfidPath(locks.gfid)));
  writer.write('mandatory', 0);
  dumpDomains(writer, 'entrylk', locks.entrylks, ({ name: entry, type }) => `type=${type === 0 ? 'ENTRYLK_RDLCK' : 'ENTRYLK_WRLCK'} on basename=${entry === '' ? '(null)' : display(entry)}`);
  dumpDomains(writer, 'inodelk', locks.inodelks, (lock) => rangeText(lock, lock.type));
  if (!locks.posix.empty) {
    writer.write('posixlk-count', locks.posix.count);
    let index = 0;
    const line = (lock: PosixLock): string => `${rangeText(lock, lock.type)}, ${ownerText(lock)}`;
    for (const lock of locks.posix.granted) writer.write(`posixlk.posixlk[${index++}](ACTIVE)`, `${line(lock)}, granted at ${timeText(lock.grantedAt)}`);
    for (const { lock } of locks.posix.waiting) writer.write(`posixlk.posixlk[${index++}](BLOCKED)`, line(lock));
  }
  writer.write('removes_pending', locks.removals);
}

function dumpDomains<L extends DomainLock>(writer: StatedumpWriter, kind: string, domains: ReadonlyMap<Bytes, DomainLocks<L>>, text: (lock: L) => string): void {
  let count = 0;
  for (const locks of domains.values()) count += locks.count;
  if (count === 0) return;
  writer.write(`${kind}-count`, count);
  for (const [domain, locks] of domains) {
    writer.write('lock-dump.domain.domain', display(domain));
    let index = 0;
    for (const lock of locks.granted) writer.write(`${kind}.${kind}[${index++}](ACTIVE)`, `${text(lock)}, ${ownerText(lock)}, granted at ${timeText(lock.grantedAt)}`);
    for (const { lock } of locks.waiting) writer.write(`${kind}.${kind}[${index++}](BLOCKED)`, `${text(lock)}, ${ownerText(lock)}, blocked at ${timeText(lock.askedAt)}`);
  }
}

function rangeText(range: Range, type: LkType): string {
  return `type=${type === LkType.RDLCK ? 'READ' : 'WRITE'}, whence=0, start=${range.start}, len=${rangeLength(range)}`;
}

function ownerText({ client, owner, pid }: LockOwner): string {
  return `pid = ${BigInt.asUintN(64, BigInt(pid))}, owner=${Buffer.from(owner, 'latin1').toString('hex')}, connection-id=${client?.uid ?? '(null)'}`;
}

function timeText(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 19).replace('T', ' ');
}
