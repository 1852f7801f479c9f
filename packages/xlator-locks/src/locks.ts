import {
  type Bytes, type Client, Dict, EntrylkCmd, type EntrylkType, Errno, type Fd, type Flock, FopError, type Frame, type GetactivelkReply, type GetxattrReply, GfEvent, type Gfid, type Inode, InodelkCmd, LkCmd,
  type LkReply, LkType, type Loc, type LockMigrationInfo, NULL_GFID, type OptionValues, type PlainReply, type StatedumpWriter, type Xdata, type XlatorContext,
} from '@glusterts/libglusterfs';
import { CLEAR_PREFIX, INTERRUPT_PREFIX, clearAnswer, clearLocks, parseClear } from './clear-locks.js';
import { CountingFops } from './counting-fops.js';
import type { EntryLock, InodeLock } from './inode-locks.js';
import { ownerOf, requireOwner, sameOwner } from './lock-owner.js';
import { FdNumbers, LOCKINFO, lockinfoKey, lockinfoOf, moveLocks } from './lock-info.js';
import { LockTable } from './lock-table.js';
import { type PosixLock, flockOf } from './posix-locks.js';
import { END, inodelkRange, posixRange } from './range.js';
import { dumpLocks } from './statedump.js';

const LKMODE = 'glusterfs.lk.lkmode' as Bytes;
const METADATA_START = 2n ** 63n - 2n;
const METADATA_SUFFIX = ':metadata';

/** features/locks: posix locks, inodelks, entrylks (spec/brick.md, §13). */
export class Locks extends CountingFops {
  readonly table: LockTable;
  readonly #fdNumbers = new FdNumbers();

  constructor(context: XlatorContext) {
    super(context);
    this.table = new LockTable(this.graph.platform, policyOf(context.options), (upcall) => this.notify(GfEvent.UPCALL, upcall));
  }

  override init(): void {
    if (this.children.length !== 1) throw new Error(`${this.name}: FATAL: posix-locks should have exactly one child`);
  }

  override reconfigure(options: OptionValues): void {
    this.options = options;
    this.table.policy = policyOf(options);
  }

  override client_disconnect(client: Client): void {
    this.table.disconnect(client);
  }

  override release(fd: Fd): void {
    this.table.releaseFd(fd);
  }

  /** Only of an inode that has locks: nothing is kept of others. */
  override dumpInode(inode: Inode, writer: StatedumpWriter): void {
    const locks = this.table.find(inode.gfid);
    if (locks) dumpLocks(writer, this.name, inode, locks);
  }

  // ---- inodelk (spec/brick.md, §13.3)

  override inodelk(frame: Frame, volume: Bytes, loc: Loc, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
    return this.#inodelk(frame, volume, loc.targetGfid, cmd, flock, xdata);
  }

  override finodelk(frame: Frame, volume: Bytes, fd: Fd, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
    return this.#inodelk(frame, volume, fd.inode.gfid, cmd, flock, xdata);
  }

  async #inodelk(frame: Frame, volume: Bytes, gfid: Gfid, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
    requireOwner(frame);
    if (cmd === InodelkCmd.GET) throw new FopError(Errno.ENOTSUP);
    const range = inodelkRange(flock);
    const metadata = flock.start === METADATA_START && flock.len === 0n && !volume.endsWith(METADATA_SUFFIX);
    const domain = (metadata ? volume + METADATA_SUFFIX : volume) as Bytes;
    const { client, lk_owner: owner, pid } = frame;
    if (flock.type === LkType.UNLCK) {
      const held = this.table.find(gfid);
      const locks = held?.inodelks.get(domain);
      if (!held || !locks) throw new FopError(Errno.EINVAL, undefined, 'no such inodelk');
      locks.unlock((lock) => lock.client === client && lock.owner === owner && lock.start === range.start && lock.end === range.end);
      this.table.settle(held);
      return this.#lockReply(xdata, gfid);
    }
    while (this.#isBeingRemoved(frame, gfid)) await this.#awaitRemoval(frame, gfid, cmd === InodelkCmd.SETLKW);
    const locks = this.table.get(gfid);
    const now = this.table.now();
    // Written out: V8 puts objects together slowly from others of several shapes.
    const lock: InodeLock = { client, owner, pid, start: range.start, end: range.end, type: flock.type, flock: copyOf(flock), askedAt: now, grantedAt: 0, notifiedAt: undefined };
    let before: number;
    try {
      this.revoke(locks, domain, 'inodelk', (held) => held.start <= range.end && range.start <= held.end);
      const waiting = locks.inodelkDomain(domain).lock(frame, lock, cmd === InodelkCmd.SETLKW, now, (held) => this.table.contendedInodelk(gfid, domain, held));
      if (waiting) await waiting;
      before = this.table.inodelkGranted(gfid);
    } finally {
      this.#pruneDomains(gfid);
    }
    return { xdata: this.countsOf(xdata, gfid, before) };
  }

  /** Strangers' new inodelks wait while the inode is being removed (spec/brick.md, §13.7). */
  #isBeingRemoved(frame: Frame, gfid: Gfid): boolean {
    const locks = this.table.find(gfid);
    if (!locks || locks.removals === 0 || frame.pid < 0 || locks.removers.includes(frame.client)) return false;
    // Who holds something already must get on, or nobody would.
    for (const domain of locks.inodelks.values()) if (domain.granted.some((lock) => lock.client === frame.client)) return false;
    return true;
  }

  async #awaitRemoval(frame: Frame, gfid: Gfid, wait: boolean): Promise<void> {
    if (!wait) throw new FopError(Errno.EAGAIN);
    await this.table.find(gfid)?.changed(frame.signal);
    if (frame.signal?.aborted) throw new FopError(Errno.EINTR);
  }

  // ---- entrylk (spec/brick.md, §13.4)

  override entrylk(frame: Frame, volume: Bytes, loc: Loc, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply> {
    return this.#entrylk(frame, volume, loc.targetGfid, name, cmd, type, xdata);
  }

  override fentrylk(frame: Frame, volume: Bytes, fd: Fd, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply> {
    return this.#entrylk(frame, volume, fd.inode.gfid, name, cmd, type, xdata);
  }

  async #entrylk(frame: Frame, domain: Bytes, gfid: Gfid, basename: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply> {
    requireOwner(frame);
    const name = basename ?? ('' as Bytes);
    const { client, lk_owner: owner, pid } = frame;
    if (cmd === EntrylkCmd.UNLOCK) {
      const held = this.table.find(gfid);
      const locks = held?.entrylks.get(domain);
      if (!held || !locks) throw new FopError(Errno.EINVAL, undefined, 'no such entrylk');
      locks.unlock((lock) => lock.client === client && lock.owner === owner && lock.name === name && lock.type === type);
      this.table.settle(held);
      return this.#lockReply(xdata, gfid);
    }
    const locks = this.table.get(gfid);
    const now = this.table.now();
    const lock: EntryLock = { client, owner, pid, name, type, askedAt: now, grantedAt: 0, notifiedAt: undefined };
    try {
      this.revoke(locks, domain, 'entrylk', (held) => held.name === name || held.name === '' || name === '');
      const waiting = locks.entrylkDomain(domain).lock(frame, lock, cmd === EntrylkCmd.LOCK, now, (held) => this.table.contendedEntrylk(gfid, domain, held));
      if (waiting) await waiting;
    } finally {
      this.#pruneDomains(gfid);
    }
    return this.#lockReply(xdata, gfid);
  }

  /** A refused or abandoned request may leave an empty domain. */
  #pruneDomains(gfid: Gfid): void {
    const locks = this.table.find(gfid);
    if (!locks) return;
    for (const domains of [locks.inodelks, locks.entrylks]) for (const [domain, each] of domains) if (each.empty) domains.delete(domain);
    this.table.prune(locks);
  }

  #lockReply(xdata: Xdata, gfid: Gfid): PlainReply {
    return { xdata: this.countsOf(xdata, gfid) };
  }

  // ---- posix locks (spec/brick.md, §13.2)

  override async lk(frame: Frame, fd: Fd, cmd: LkCmd, flock: Flock, xdata: Xdata): Promise<LkReply> {
    requireOwner(frame);
    const range = posixRange(flock);
    const gfid = fd.inode.gfid;
    const lock: PosixLock = {
      ...ownerOf(frame), ...range, pid: flock.pid, type: flock.type, mode: xdata?.getNumber(LKMODE) ?? 0, fd, clientUid: frame.client?.uid ?? '', grantedAt: this.table.now(),
    };
    const locks = this.table.get(gfid);
    try {
      switch (cmd) {
        case LkCmd.GETLK: {
          const conflict = locks.posix.conflicting(lock);
          return { flock: conflict ? flockOf(conflict) : { ...flock, type: LkType.UNLCK }, xdata: this.countsOf(xdata, gfid) };
        }
        case LkCmd.SETLK:
        case LkCmd.SETLKW: {
          const waiting = locks.posix.set(frame, lock, cmd === LkCmd.SETLKW);
          if (flock.type === LkType.UNLCK) locks.announce();
          if (waiting) await waiting;
          return { flock: flock.type === LkType.UNLCK ? { ...flock, type: this.#leftThrough(fd, gfid) } : flock, xdata: this.countsOf(xdata, gfid) };
        }
        default:
          throw new FopError(Errno.EOPNOTSUPP, undefined, 'reserved posix locks are not built');
      }
    } finally {
      const after = this.table.find(gfid);
      if (after) this.table.prune(after);
    }
  }

  /** What an unlock answers as its type: RD while a lock taken through this fd remains, for NLM. */
  #leftThrough(fd: Fd, gfid: Gfid): LkType {
    return this.table.find(gfid)?.posix.granted.some((lock) => lock.fd === fd) ? LkType.RDLCK : LkType.UNLCK;
  }

  override async flush(frame: Frame, fd: Fd, xdata: Xdata): Promise<PlainReply> {
    const locks = this.table.find(fd.inode.gfid);
    if (locks && !locks.posix.empty) {
      if (frame.lk_owner.length === 0) {
        this.table.releaseFd(fd);
      } else {
        const owner = ownerOf(frame);
        if (locks.posix.dropGranted((lock) => sameOwner(lock, owner)) > 0) this.table.settle(locks);
      }
    }
    return this.child.flush(frame, fd, xdata);
  }

  override async getactivelk(_frame: Frame, loc: Loc, _xdata: Xdata): Promise<GetactivelkReply> {
    const granted = this.table.find(loc.targetGfid)?.posix.granted ?? [];
    return { locks: granted.map((lock) => ({ flock: flockOf(lock), client_uid: lock.clientUid as Bytes, lk_flags: lock.mode })), xdata: undefined };
  }

  override async setactivelk(frame: Frame, loc: Loc, wanted: readonly LockMigrationInfo[], _xdata: Xdata): Promise<PlainReply> {
    const locks = this.table.get(loc.targetGfid);
    if (locks.posix.granted.length > 0) throw new FopError(Errno.EINVAL, undefined, 'the inode has locks already');
    for (const { flock, client_uid, lk_flags } of wanted) {
      const range = flock.len === 0n ? { start: flock.start, end: END } : posixRange(flock);
      locks.posix.granted.push({ ...range, client: frame.client, owner: flock.owner, pid: flock.pid, type: flock.type, mode: lk_flags, fd: undefined, clientUid: client_uid, grantedAt: this.table.now() });
    }
    this.table.prune(locks);
    return { xdata: undefined };
  }

  // ---- commands by xattr name (spec/brick.md, §13.6)

  override async getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    if (name?.startsWith(CLEAR_PREFIX)) return this.#clear(name, loc.targetGfid, () => this.child.getxattr(frame, loc, 'trusted.glusterfs.pathinfo' as Bytes, undefined));
    return super.getxattr(frame, loc, name, xdata);
  }

  override async fgetxattr(frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    const pathinfo = (): Promise<GetxattrReply> => this.child.fgetxattr(frame, fd, 'trusted.glusterfs.pathinfo' as Bytes, undefined);
    if (name?.startsWith(CLEAR_PREFIX)) return this.#clear(name, fd.inode.gfid, pathinfo);
    if (name?.startsWith(INTERRUPT_PREFIX) && frame.pid >= 0) return this.#interrupt(frame, name, fd.inode.gfid, pathinfo);
    if (name === LOCKINFO) return { dict: lockinfoOf(this.table.find(fd.inode.gfid)?.posix, fd, this.#fdNumbers, lockinfoKey(await pathinfoText(pathinfo))), xdata: undefined };
    return super.fgetxattr(frame, fd, name, xdata);
  }

  override async fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    const info = dict.getBin(LOCKINFO);
    if (!info) return super.fsetxattr(frame, fd, dict, flags, xdata);
    const key = lockinfoKey(await pathinfoText(() => this.child.fgetxattr(frame, fd, 'trusted.glusterfs.pathinfo' as Bytes, undefined)));
    if (!moveLocks(this.table.find(fd.inode.gfid)?.posix, info, key, fd, ownerOf(frame), this.#fdNumbers)) throw new FopError(Errno.EINVAL, undefined, 'no such locks');
    return { xdata: undefined };
  }

  async #clear(name: Bytes, gfid: Gfid, pathinfo: () => Promise<GetxattrReply>): Promise<GetxattrReply> {
    const command = parseClear(name);
    const locks = this.table.find(gfid);
    const counts = clearLocks(locks, command);
    if (locks) this.table.settle(locks);
    return { dict: new Dict().setStr(name, clearAnswer(command, counts, await pathinfoText(pathinfo))), xdata: undefined };
  }

  /** Wakes the caller's own waiting SETLKW with EINTR. */
  async #interrupt(frame: Frame, name: Bytes, gfid: Gfid, pathinfo: () => Promise<GetxattrReply>): Promise<GetxattrReply> {
    const command = parseClear(name);
    const locks = this.table.find(gfid);
    const blocked = locks?.posix.dropWaiting((lock) => lock.client === frame.client && lock.pid === frame.pid, Errno.EINTR) ?? 0;
    if (locks) this.table.settle(locks);
    return { dict: new Dict().setStr(name, clearAnswer(command, { blocked, granted: 0 }, await pathinfoText(pathinfo))), xdata: undefined };
  }

  protected override locksOf(gfid: Gfid): ReturnType<LockTable['find']> {
    return gfid === NULL_GFID ? undefined : this.table.find(gfid);
  }

  protected override get lockTable(): LockTable {
    return this.table;
  }

  /** Whether an inode has locks of any kind: for tests and statedumps. */
  holdsAny(inode: Inode): boolean {
    return this.table.find(inode.gfid) !== undefined;
  }
}

const copyOf = ({ type, whence, start, len, pid, owner }: Flock): Flock => ({ type, whence, start, len, pid, owner });

function policyOf(options: OptionValues): LockTable['policy'] {
  return { notifyContention: options.bool('notify-contention'), notifyDelayMs: options.number('notify-contention-delay') * 1000 };
}

async function pathinfoText(ask: () => Promise<GetxattrReply>): Promise<Bytes | undefined> {
  try {
    return (await ask()).dict.getStr('trusted.glusterfs.pathinfo');
  } catch {
    return undefined;
  }
}
