import {
  type Bytes, type CreateReply, type Dict, type Direntp, type EntryReply, Errno, type Fd, FopError, type Frame, type GetxattrReply, type Gfid, type Iatt, type Inode, type IoVec, type LocalFile, type Loc, type LookupReply, NULL_GFID, type OptionValues,
  type OpenReply, type PlainReply, type PrePostReply, type ReadReply, type ReaddirReply, type ReadlinkReply, type RenameReply, type StatReply, type UnlinkReply, type WriteReply, type Xdata, Xlator, type XattropOp,
  type XattropReply,
} from '@glusterts/libglusterfs';
import type { EntryLock, InodeLock, InodeLocks } from './inode-locks.js';
import { type CountRequest, addCounts, countsAsked } from './lock-counts.js';
import type { LockTable } from './lock-table.js';
import { typesConflict } from './range.js';

const O_TRUNC = 0o1000;
const O_NONBLOCK = 0o4000;
const RD = 0;
const WR = 1;

/**
 * The fops that features/locks lets pass: it adds lock counts to their replies (spec/brick.md, §13.8), holds removals back
 * while others hold inodelks (§13.7), and I/O that a mandatory lock forbids (§13.9).
 */
export abstract class CountingFops extends Xlator {
  protected abstract locksOf(gfid: Gfid): InodeLocks | undefined;
  protected abstract get lockTable(): LockTable;
  #optionsRead: OptionValues | undefined = undefined;
  #isMandatory = false;

  /** The counts that a request asks for about one inode; its own xdata goes no further. */
  protected countsOf(xdata: Xdata, gfid: Gfid, generation?: number): Xdata {
    const asked = countsAsked(xdata);
    return asked && addCounts(undefined, asked, [this.locksOf(gfid)], undefined, generation);
  }

  /** Adds counts to a reply: of the inode `gfid`, and of (parent, name) where they are known. */
  async #count<R extends { xdata: Xdata }>(fop: Promise<R>, asked: CountRequest, gfid: Gfid, loc?: Loc): Promise<R> {
    const reply = await fop;
    if (gfid === NULL_GFID && !loc?.parent) return reply;
    const parent = loc && loc.parentGfid !== NULL_GFID ? { locks: this.locksOf(loc.parentGfid), name: loc.name } : undefined;
    return { ...reply, xdata: addCounts(reply.xdata, asked, [this.locksOf(gfid)], parent) };
  }

  #countParent<R extends { xdata: Xdata }>(fop: Promise<R>, asked: CountRequest, loc: Loc): Promise<R> {
    return this.#count(fop, asked, loc.parentGfid, loc);
  }

  override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#lookupCounted(asked, frame, loc) : this.child.lookup(frame, loc, xdata);
  }
  async #lookupCounted(asked: CountRequest, frame: Frame, loc: Loc): Promise<LookupReply> {
    const reply = await this.child.lookup(frame, loc, asked.rest);
    const parent = loc.parentGfid !== NULL_GFID ? { locks: this.locksOf(loc.parentGfid), name: loc.name } : undefined;
    const gfid = reply.stat.ia_gfid;
    return { ...reply, xdata: addCounts(reply.xdata, asked, [this.locksOf(gfid)], parent, asked.generation ? this.lockTable.generationOf(gfid) : undefined) };
  }
  override stat(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#countParent(this.child.stat(frame, loc, asked.rest), asked, loc) : this.child.stat(frame, loc, xdata);
  }
  override fstat(frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#count(this.child.fstat(frame, fd, asked.rest), asked, fd.inode.gfid) : this.child.fstat(frame, fd, xdata);
  }
  override readlink(frame: Frame, loc: Loc, size: number, xdata: Xdata): Promise<ReadlinkReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#countParent(this.child.readlink(frame, loc, size, asked.rest), asked, loc) : this.child.readlink(frame, loc, size, xdata);
  }
  override mknod(frame: Frame, loc: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#countParent(this.child.mknod(frame, loc, mode, rdev, umask, asked.rest), asked, loc) : this.child.mknod(frame, loc, mode, rdev, umask, xdata);
  }
  override mkdir(frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#countParent(this.child.mkdir(frame, loc, mode, umask, asked.rest), asked, loc) : this.child.mkdir(frame, loc, mode, umask, xdata);
  }
  override symlink(frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#countParent(this.child.symlink(frame, linkpath, loc, umask, asked.rest), asked, loc) : this.child.symlink(frame, linkpath, loc, umask, xdata);
  }
  override async link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
    const asked = countsAsked(xdata);
    if (!asked) return this.child.link(frame, oldloc, newloc, xdata);
    const reply = await this.child.link(frame, oldloc, newloc, asked.rest);
    return { ...reply, xdata: addCounts(reply.xdata, asked, [this.locksOf(oldloc.parentGfid), this.locksOf(newloc.parentGfid)]) };
  }
  override create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#createCounted(asked, frame, loc, flags, mode, umask, fd) : this.child.create(frame, loc, flags, mode, umask, fd, xdata);
  }
  async #createCounted(asked: CountRequest, frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd): Promise<CreateReply> {
    const reply = await this.child.create(frame, loc, flags, mode, umask, fd, asked.rest);
    const parent = { locks: this.locksOf(loc.parentGfid), name: loc.name };
    return { ...reply, xdata: addCounts(reply.xdata, asked, [parent.locks], parent, asked.generation ? this.lockTable.numberOf(reply.stat.ia_gfid) : undefined) };
  }
  override open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    if (flags & O_TRUNC && frame.pid >= 0 && this.#forbidden(frame, loc.targetGfid, WR, 0n, undefined)) return Promise.reject(new FopError(Errno.EAGAIN));
    const asked = countsAsked(xdata);
    return asked ? this.#countParent(this.child.open(frame, loc, flags, fd, asked.rest), asked, loc) : this.child.open(frame, loc, flags, fd, xdata);
  }
  override opendir(frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#countParent(this.child.opendir(frame, loc, fd, asked.rest), asked, loc) : this.child.opendir(frame, loc, fd, xdata);
  }
  override setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#countParent(this.child.setattr(frame, loc, stbuf, valid, asked.rest), asked, loc) : this.child.setattr(frame, loc, stbuf, valid, xdata);
  }
  override fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#count(this.child.fsetattr(frame, fd, stbuf, valid, asked.rest), asked, fd.inode.gfid) : this.child.fsetattr(frame, fd, stbuf, valid, xdata);
  }
  override fsync(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PrePostReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#count(this.child.fsync(frame, fd, datasync, asked.rest), asked, fd.inode.gfid) : this.child.fsync(frame, fd, datasync, xdata);
  }
  override setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#countParent(this.child.setxattr(frame, loc, dict, flags, asked.rest), asked, loc) : this.child.setxattr(frame, loc, dict, flags, xdata);
  }
  override fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#count(this.child.fsetxattr(frame, fd, dict, flags, asked.rest), asked, fd.inode.gfid) : this.child.fsetxattr(frame, fd, dict, flags, xdata);
  }
  override getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#countParent(this.child.getxattr(frame, loc, name, asked.rest), asked, loc) : this.child.getxattr(frame, loc, name, xdata);
  }
  override fgetxattr(frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#count(this.child.fgetxattr(frame, fd, name, asked.rest), asked, fd.inode.gfid) : this.child.fgetxattr(frame, fd, name, xdata);
  }
  override xattrop(frame: Frame, loc: Loc, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#countParent(this.child.xattrop(frame, loc, flags, dict, asked.rest), asked, loc) : this.child.xattrop(frame, loc, flags, dict, xdata);
  }
  override fxattrop(frame: Frame, fd: Fd, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    const asked = countsAsked(xdata);
    return asked ? this.#count(this.child.fxattrop(frame, fd, flags, dict, asked.rest), asked, fd.inode.gfid) : this.child.fxattrop(frame, fd, flags, dict, xdata);
  }
  override async readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    const asked = countsAsked(xdata);
    if (!asked) return this.child.readdirp(frame, fd, size, offset, xdata);
    const reply = await this.child.readdirp(frame, fd, size, offset, asked.rest);
    for (const entry of reply.entries) if (entry.stat.ia_gfid !== NULL_GFID) entry.dict = addCounts(entry.dict, asked, [this.locksOf(entry.stat.ia_gfid)]);
    return { ...reply, xdata: addCounts(reply.xdata, asked, [this.locksOf(fd.inode.gfid)]) };
  }

  // ---- I/O: mandatory locks (spec/brick.md, §13.9)

  /** Counts are asked for by xdata, and who reads by himself sends none. */
  override localFile(fd: Fd): LocalFile | undefined {
    return this.#mandatory ? undefined : this.child.xlator.localFile(fd);
  }

  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    const asked = countsAsked(xdata);
    return asked || this.#mandatory ? this.#readChecked(asked, frame, fd, size, offset, flags, xdata) : this.child.readv(frame, fd, size, offset, flags, xdata);
  }
  async #readChecked(asked: CountRequest | undefined, frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    if (this.#mandatory) await this.#mayDo(frame, fd, RD, offset, size);
    if (!asked) return this.child.readv(frame, fd, size, offset, flags, xdata);
    const reply = await this.child.readv(frame, fd, size, offset, flags, asked.rest);
    const { gfid } = fd.inode;
    return { ...reply, xdata: addCounts(reply.xdata, asked, [this.locksOf(gfid)], undefined, asked.generation ? this.lockTable.generationOf(gfid) : undefined) };
  }
  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    const asked = countsAsked(xdata);
    return asked || this.#mandatory ? this.#writeChecked(asked, frame, fd, vector, offset, flags, xdata) : this.child.writev(frame, fd, vector, offset, flags, xdata);
  }
  async #writeChecked(asked: CountRequest | undefined, frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    if (this.#mandatory) await this.#mayDo(frame, fd, WR, offset, vector.size);
    return asked ? this.#count(this.child.writev(frame, fd, vector, offset, flags, asked.rest), asked, fd.inode.gfid) : this.child.writev(frame, fd, vector, offset, flags, xdata);
  }
  override async truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    if (this.#mandatory && frame.pid >= 0 && this.#forbidden(frame, loc.targetGfid, WR, BigInt(offset), undefined)) throw new FopError(Errno.EAGAIN);
    const asked = countsAsked(xdata);
    return asked ? this.#countParent(this.child.truncate(frame, loc, offset, asked.rest), asked, loc) : this.child.truncate(frame, loc, offset, xdata);
  }
  override async ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    if (this.#mandatory) await this.#mayDo(frame, fd, WR, offset, undefined);
    const asked = countsAsked(xdata);
    return asked ? this.#count(this.child.ftruncate(frame, fd, offset, asked.rest), asked, fd.inode.gfid) : this.child.ftruncate(frame, fd, offset, xdata);
  }
  override async discard(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    if (this.#mandatory) await this.#mayDo(frame, fd, WR, offset, len);
    const asked = countsAsked(xdata);
    return asked ? this.#count(this.child.discard(frame, fd, offset, len, asked.rest), asked, fd.inode.gfid) : this.child.discard(frame, fd, offset, len, xdata);
  }
  override async zerofill(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    if (this.#mandatory) await this.#mayDo(frame, fd, WR, offset, len);
    const asked = countsAsked(xdata);
    return asked ? this.#count(this.child.zerofill(frame, fd, offset, len, asked.rest), asked, fd.inode.gfid) : this.child.zerofill(frame, fd, offset, len, xdata);
  }

  get #mandatory(): boolean {
    if (this.options !== this.#optionsRead) {
      this.#optionsRead = this.options;
      const mode = this.options.text('mandatory-locking');
      this.#isMandatory = mode === 'forced' || mode === 'optimal';
    }
    return this.#isMandatory;
  }

  /** Another owner's lock that forbids the I/O; a length of undefined reaches to the end. */
  #forbidden(frame: Frame, gfid: Gfid, type: 0 | 1, offset: bigint, length: bigint | undefined): boolean {
    const mode = this.options.text('mandatory-locking');
    if (mode !== 'forced' && mode !== 'optimal') return false;
    const locks = this.locksOf(gfid);
    if (!locks) return false;
    return locks.posix.granted.some(
      (held) =>
        (mode === 'forced' || held.mode === 1) && (held.client !== frame.client || held.owner !== frame.lk_owner) && typesConflict(held.type, type) && held.end >= offset &&
        (length === undefined || held.start < offset + length),
    );
  }

  /** Waits until the I/O is allowed; EAGAIN on an O_NONBLOCK fd. */
  async #mayDo(frame: Frame, fd: Fd, type: 0 | 1, offset: number, length: number | undefined): Promise<void> {
    if (frame.pid < 0) return;
    while (this.#forbidden(frame, fd.inode.gfid, type, BigInt(offset), length === undefined ? undefined : BigInt(length))) {
      if (fd.flags & O_NONBLOCK) throw new FopError(Errno.EAGAIN);
      await this.locksOf(fd.inode.gfid)?.changed(frame.signal);
      if (frame.signal?.aborted) throw new FopError(Errno.EINTR);
    }
  }

  // ---- removals (spec/brick.md, §13.7)

  override unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    const asked = countsAsked(xdata);
    if (!asked && !this.#locked(loc.inode)) return this.child.unlink(frame, loc, xflags, xdata);
    const fop = this.#removing(frame, loc.inode, () => this.child.unlink(frame, loc, xflags, asked ? asked.rest : xdata));
    return asked ? this.#countParent(fop, asked, loc) : fop;
  }
  override rmdir(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
    const asked = countsAsked(xdata);
    const fop = this.#removing(frame, loc.inode, () => this.child.rmdir(frame, loc, flags, asked ? asked.rest : xdata));
    return asked ? this.#countParent(fop, asked, loc) : fop;
  }
  override rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    const asked = countsAsked(xdata);
    return asked || this.#locked(newloc.inode) ? this.#renameCounted(asked, frame, oldloc, newloc, xdata) : this.child.rename(frame, oldloc, newloc, xdata);
  }
  async #renameCounted(asked: CountRequest | undefined, frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    const reply = await this.#removing(frame, newloc.inode, () => this.child.rename(frame, oldloc, newloc, asked ? asked.rest : xdata));
    return asked ? { ...reply, xdata: addCounts(reply.xdata, asked, [this.locksOf(oldloc.parentGfid), this.locksOf(newloc.parentGfid)]) } : reply;
  }

  #locked(inode: Inode): boolean {
    return inode.gfid !== NULL_GFID && this.locksOf(inode.gfid) !== undefined;
  }

  /** Runs a removal when no other client holds an inodelk on the inode that isn't one of GlusterFS's own. */
  async #removing<R>(frame: Frame, inode: Inode | undefined, remove: () => Promise<R>): Promise<R> {
    const gfid = inode?.gfid ?? NULL_GFID;
    const locks = this.locksOf(gfid);
    if (!locks) return remove();
    locks.removals++;
    if (!locks.removers.includes(frame.client)) locks.removers.push(frame.client);
    try {
      while (this.#othersHold(frame, locks)) {
        await locks.changed(frame.signal);
        if (frame.signal?.aborted) throw new FopError(Errno.EINTR);
      }
      return await remove();
    } finally {
      if (--locks.removals === 0) locks.removers.length = 0;
      this.lockTable.settle(locks);
    }
  }

  #othersHold(frame: Frame, locks: InodeLocks): boolean {
    let found = false;
    for (const [domain, { granted }] of locks.inodelks) {
      for (const lock of granted) {
        if (lock.client === frame.client || lock.pid < 0) continue;
        found = true;
        this.lockTable.contendedInodelk(locks.gfid, domain, lock);
      }
    }
    return found;
  }

  // ---- revocation (spec/brick.md, §13.10)

  /** Clears a domain whose conflicting lock is too old, or that has too many waiting, when the options say so. */
  protected revoke(locks: InodeLocks, domain: Bytes, kind: 'inodelk', conflicts: (lock: InodeLock) => boolean): void;
  protected revoke(locks: InodeLocks, domain: Bytes, kind: 'entrylk', conflicts: (lock: EntryLock) => boolean): void;
  protected revoke(locks: InodeLocks, domain: Bytes, kind: 'inodelk' | 'entrylk', conflicts: ((lock: InodeLock) => boolean) | ((lock: EntryLock) => boolean)): void {
    const seconds = this.options.number('revocation-secs');
    if (seconds === 0) return;
    const each = kind === 'inodelk' ? locks.inodelks.get(domain) : locks.entrylks.get(domain);
    if (!each) return;
    const before = this.lockTable.now() - seconds * 1000;
    const mostBlocked = this.options.number('revocation-max-blocked');
    const old = (each.granted as (InodeLock & EntryLock)[]).some((lock) => conflicts(lock) && lock.grantedAt < before);
    if (!old && (mostBlocked === 0 || each.waiting.length < mostBlocked)) return;
    this.log.warning(0, 'Lock revocation', { domain, granted: each.granted.length, blocked: each.waiting.length });
    if (this.options.bool('revocation-clear-all')) each.dropWaiting(() => true, Errno.EAGAIN);
    each.dropGranted(() => true);
    each.grantWaiting(this.lockTable.now(), () => undefined);
  }
}
