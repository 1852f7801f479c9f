import {
  type Bytes, type CreateReply, type CtxSlot, type Dict, type Direntp, type EntryReply, type EntrylkCmd, type EntrylkType, Errno, type Fd, type Flock, FopError, type Frame, type GetxattrReply, GfEvent, type Iatt, type Inode, type InodelkCmd, type IoVec,
  type LkCmd, type LkReply, type Loc, type LookupReply, type OpenReply, type OptionValues, type PlainReply, type PrePostReply, type ReaddirReply, type ReadlinkReply, type ReadReply, type RenameReply, type Seek, type SeekReply, type StatReply,
  type StatedumpWriter, type StatfsReply, type Timer, type UnlinkReply, type Upcall, type WriteReply, type Xdata, Xlator, type XlatorContext, type XattropOp, type XattropReply, reedSolomon,
} from '@glusterts/libglusterfs';
import { Cluster, type FdCtx } from './cluster.js';
import * as attributes from './attribute-fops.js';
import * as directories from './directory-fops.js';
import * as entries from './entry-fops.js';
import * as files from './file-fops.js';
import * as userLocks from './lock-fops.js';
import { Geometry, GeometryError, countOf, maskText } from './geometry.js';
import type { InodeLock } from './inode-lock.js';
import { InodeLocks } from './inode-locks.js';
import type { ReadRun } from './read-runs.js';
import * as xattrs from './xattr-fops.js';

/** How long the volume waits for bricks that say nothing (spec/ec.md, §22). */
const SETTLE_MS = 10_000;

type State = 'wait' | 'up' | 'down';

/** Of an upcall: the attributes are not to be used (spec/rpc-wire.md, §9.11). */
const UP_INVAL_ATTR = 0x2000;

/** cluster/disperse: every file in n fragments, of which any k suffice (spec/ec.md). */
export class Disperse extends Xlator {
  readonly #locks: InodeLocks;
  readonly #fdSlot: CtxSlot<FdCtx>;
  readonly #runSlot: CtxSlot<ReadRun>;
  #cluster: Cluster | undefined;
  /** Bricks that have said up or down. */
  #notified = 0;
  #isUp = false;
  #settleTimer: Timer | undefined;

  constructor(context: XlatorContext) {
    super(context);
    this.#locks = new InodeLocks(this.newCtxSlot<InodeLock | Bytes>());
    this.#fdSlot = this.newCtxSlot<FdCtx>();
    this.#runSlot = this.newCtxSlot<ReadRun>();
  }

  override init(): void {
    const redundancy = this.options.get('redundancy');
    try {
      if (typeof redundancy !== 'number') throw new GeometryError(122052, 'Failed to parse xlator options');
      this.#cluster = new Cluster({
        name: this.name, geometry: new Geometry(this.children.length, redundancy), children: this.children, graph: this.graph, log: this.log, codec: reedSolomon(), locks: this.#locks, fds: this.#fdSlot, runs: this.#runSlot, options: this.options,
      });
    } catch (error) {
      if (error instanceof GeometryError) this.log.error(error.id, error.reason);
      throw error;
    }
  }

  override reconfigure(values: OptionValues): void {
    this.options = values;
    this.#c.options = values;
  }

  get #c(): Cluster {
    if (!this.#cluster) throw new FopError(Errno.ENOTCONN);
    return this.#cluster;
  }

  override async fini(): Promise<void> {
    this.#settleTimer?.cancel();
    await this.#drain();
  }

  /** Gives every lock back, with what is still to be written beside it. */
  async #drain(): Promise<void> {
    const cluster = this.#cluster;
    if (!cluster) return;
    cluster.shuttingDown = true;
    await Promise.all([...cluster.held].map((lock) => lock.drain()));
  }

  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    switch (event) {
      case GfEvent.PARENT_UP:
        this.#settleTimer = this.graph.platform.timers.after(SETTLE_MS, () => {
          this.#settleTimer = undefined;
          this.#notified = this.#c.geometry.all;
          this.#changed(undefined, this.#state());
          if (!this.#isUp) super.notify(GfEvent.CHILD_DOWN, this);
        }, { background: true });
        super.notify(event, data, from);
        return;
      case GfEvent.PARENT_DOWN:
        this.#drain().then(
          () => super.notify(event, data, from),
          () => super.notify(event, data, from),
        );
        return;
      case GfEvent.CHILD_UP:
      case GfEvent.CHILD_DOWN:
      case GfEvent.CHILD_CONNECTING:
        this.#childChanged(event, from);
        return;
      case GfEvent.UPCALL:
        this.#onUpcall(data as Upcall, from);
        return;
      default:
        super.notify(event, data, from);
    }
  }

  #childChanged(event: GfEvent, from: Xlator | undefined): void {
    const brick = this.children.findIndex((child) => child.xlator === from);
    if (brick < 0) return;
    const cluster = this.#c;
    const before = this.#state();
    const wasUp = (cluster.up >>> brick) & 1;
    if (event === GfEvent.CHILD_CONNECTING) {
      this.#notified |= 1 << brick;
    } else {
      this.#notified |= 1 << brick;
      if (event === GfEvent.CHILD_UP) cluster.brickUp(brick);
      else cluster.up &= ~(1 << brick);
    }
    if (wasUp === 1 && event === GfEvent.CHILD_DOWN) for (const lock of [...cluster.held]) lock.brickLost(brick);
    this.#changed(before, this.#state(), event === GfEvent.CHILD_UP);
  }

  #state(): State {
    const { geometry, up } = this.#c;
    const upCount = countOf(up);
    const notified = countOf(this.#notified);
    if (upCount >= geometry.k) return notified < geometry.n ? 'wait' : 'up';
    return notified - upCount > geometry.r ? 'down' : 'wait';
  }

  #changed(before: State | undefined, now: State, childUp = true): void {
    const { geometry, up } = this.#c;
    const masks = `Child UP = ${maskText(up, geometry.n)} Child Notify = ${maskText(this.#notified, geometry.n)}`;
    if (now === 'up' && !this.#isUp) {
      this.#isUp = true;
      this.#settleTimer?.cancel();
      this.log.info(122062, `Going UP : ${masks}`);
    } else if (now === 'down' && this.#isUp) {
      this.#isUp = false;
      this.log.info(122063, `Going DOWN : ${masks}`);
    }
    if (now === 'wait') return;
    if (now !== before) super.notify(now === 'up' ? GfEvent.CHILD_UP : GfEvent.CHILD_DOWN, this);
    else super.notify(childUp ? GfEvent.SOME_DESCENDENT_UP : GfEvent.SOME_DESCENDENT_DOWN, this);
  }

  /** A brick's attributes are those of its fragment: caches above must ask anew. */
  #onUpcall(upcall: Upcall, from: Xlator | undefined): void {
    if (upcall.kind === 'cache-invalidation') super.notify(GfEvent.UPCALL, { ...upcall, flags: upcall.flags | UP_INVAL_ATTR }, from);
    else if (!this.#consumes(upcall)) super.notify(GfEvent.UPCALL, upcall, from);
  }

  /** Somebody waits for one of our locks (spec/ec.md, §11.5). */
  #consumes(upcall: Upcall): boolean {
    if (upcall.kind !== 'inodelk-contention' || upcall.domain !== this.name) return false;
    const inode = this.graph.inodeTable.find(upcall.gfid);
    if (inode) {
      this.#c.runs.contended(inode);
      this.#locks.get(inode)?.contended();
    }
    return true;
  }

  override dump(writer: StatedumpWriter): void {
    const { geometry, up, readMask, options } = this.#c;
    writer.section(`cluster/disperse.${this.name}`);
    writer.write('up', this.#isUp ? 1 : 0);
    writer.write('nodes', geometry.n);
    writer.write('redundancy', geometry.r);
    writer.write('fragment_size', 512);
    writer.write('stripe_size', geometry.stripe);
    writer.write('childs_up', countOf(up));
    writer.write('childs_up_mask', maskText(up, geometry.n));
    if (options.text('ec-read-mask') !== undefined) writer.write('read-mask', maskText(readMask, geometry.n));
    const backgroundHeals = options.number('background-heals');
    writer.write('background-heals', backgroundHeals);
    // Where none are healed none wait.
    writer.write('heal-wait-qlength', backgroundHeals === 0 ? 0 : options.number('heal-wait-qlength'));
    writer.write('self-heal-window-size', options.number('self-heal-window-size'));
    writer.write('healers', 0);
    writer.write('heal-waiters', 0);
    writer.write('read-policy', options.text('read-policy') ?? '');
    writer.write('parallel-writes', options.bool('parallel-writes') ? 1 : 0);
    writer.write('quorum-count', options.number('quorum-count'));
    writer.section(`cluster/disperse.${this.name}.stats.stripe_cache`);
    const { hits, misses, updates, invalidations, evicts, allocations } = this.#c.stripeStats;
    for (const [key, value] of Object.entries({ hits, misses, updates, invalidations, evicts, allocations, errors: 0 })) writer.write(key, value);
  }

  override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    return attributes.lookup(this.#c, frame, loc, xdata);
  }
  override stat(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply> {
    return attributes.stat(this.#c, frame, loc, xdata);
  }
  override fstat(frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
    return attributes.fstat(this.#c, frame, fd, xdata);
  }
  override access(frame: Frame, loc: Loc, mask: number, xdata: Xdata): Promise<PlainReply> {
    return attributes.access(this.#c, frame, loc, mask, xdata);
  }
  override readlink(frame: Frame, loc: Loc, size: number, xdata: Xdata): Promise<ReadlinkReply> {
    return attributes.readlink(this.#c, frame, loc, size, xdata);
  }
  override setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return attributes.setattr(this.#c, frame, loc, stbuf, valid, xdata);
  }
  override fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return attributes.fsetattr(this.#c, frame, fd, stbuf, valid, xdata);
  }
  override statfs(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatfsReply> {
    return attributes.statfs(this.#c, frame, loc, xdata);
  }
  override ipc(frame: Frame, op: number, xdata: Xdata): Promise<PlainReply> {
    return attributes.ipc(this.#c, frame, op, xdata);
  }

  override create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    return entries.create(this.#c, frame, loc, flags, mode, umask, fd, xdata);
  }
  override mknod(frame: Frame, loc: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply> {
    return entries.mknod(this.#c, frame, loc, mode, rdev, umask, xdata);
  }
  override mkdir(frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply> {
    return entries.mkdir(this.#c, frame, loc, mode, umask, xdata);
  }
  override symlink(frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply> {
    return entries.symlink(this.#c, frame, linkpath, loc, umask, xdata);
  }
  override link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
    return entries.link(this.#c, frame, oldloc, newloc, xdata);
  }
  override unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    return entries.unlink(this.#c, frame, loc, xflags, xdata);
  }
  override rmdir(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
    return entries.rmdir(this.#c, frame, loc, flags, xdata);
  }
  override rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    return entries.rename(this.#c, frame, oldloc, newloc, xdata);
  }

  override open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    return files.open(this.#c, frame, loc, flags, fd, xdata);
  }
  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    return files.readv(this.#c, frame, fd, size, offset, flags, xdata);
  }
  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    return files.writev(this.#c, frame, fd, vector, offset, flags, xdata);
  }
  override truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return files.truncate(this.#c, frame, loc, offset, xdata);
  }
  override ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return files.ftruncate(this.#c, frame, fd, offset, xdata);
  }
  override fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return files.fallocate(this.#c, frame, fd, keep_size, offset, len, xdata);
  }
  override discard(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return files.discard(this.#c, frame, fd, offset, len, xdata);
  }
  override zerofill(): Promise<PrePostReply> {
    return Promise.reject(new FopError(Errno.EOPNOTSUPP));
  }
  override seek(frame: Frame, fd: Fd, offset: number, what: Seek, xdata: Xdata): Promise<SeekReply> {
    return files.seek(this.#c, frame, fd, offset, what, xdata);
  }
  override flush(frame: Frame, fd: Fd, xdata: Xdata): Promise<PlainReply> {
    return files.flush(this.#c, frame, fd, xdata);
  }
  override fsync(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PrePostReply> {
    return files.fsync(this.#c, frame, fd, datasync, xdata);
  }

  override opendir(frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    return directories.opendir(this.#c, frame, loc, fd, xdata);
  }
  override readdir(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply> {
    return directories.readdir(this.#c, frame, fd, size, offset, xdata);
  }
  override readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    return directories.readdirp(this.#c, frame, fd, size, offset, xdata);
  }
  override fsyncdir(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PlainReply> {
    return directories.fsyncdir(this.#c, frame, fd, datasync, xdata);
  }

  override getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    return xattrs.getxattr(this.#c, frame, loc, name, xdata);
  }
  override fgetxattr(frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    return xattrs.fgetxattr(this.#c, frame, fd, name, xdata);
  }
  override setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return xattrs.setxattr(this.#c, frame, loc, dict, flags, xdata);
  }
  override fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return xattrs.fsetxattr(this.#c, frame, fd, dict, flags, xdata);
  }
  override removexattr(frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return xattrs.removexattr(this.#c, frame, loc, name, xdata);
  }
  override fremovexattr(frame: Frame, fd: Fd, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return xattrs.fremovexattr(this.#c, frame, fd, name, xdata);
  }
  override xattrop(frame: Frame, loc: Loc, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    return xattrs.xattrop(this.#c, frame, loc, flags, dict, xdata);
  }
  override fxattrop(frame: Frame, fd: Fd, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    return xattrs.fxattrop(this.#c, frame, fd, flags, dict, xdata);
  }

  override lk(frame: Frame, fd: Fd, cmd: LkCmd, flock: Flock, xdata: Xdata): Promise<LkReply> {
    return userLocks.lk(this.#c, frame, fd, cmd, flock, xdata);
  }
  override inodelk(frame: Frame, volume: Bytes, loc: Loc, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
    return userLocks.inodelk(this.#c, frame, volume, loc, cmd, flock, xdata);
  }
  override finodelk(frame: Frame, volume: Bytes, fd: Fd, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
    return userLocks.finodelk(this.#c, frame, volume, fd, cmd, flock, xdata);
  }
  override entrylk(frame: Frame, volume: Bytes, loc: Loc, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply> {
    return userLocks.entrylk(this.#c, frame, volume, loc, name, cmd, type, xdata);
  }
  override fentrylk(frame: Frame, volume: Bytes, fd: Fd, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply> {
    return userLocks.fentrylk(this.#c, frame, volume, fd, name, cmd, type, xdata);
  }

  override rchecksum(): Promise<never> {
    return Promise.reject(new FopError(Errno.EOPNOTSUPP));
  }
  override copy_file_range(): Promise<never> {
    return Promise.reject(new FopError(Errno.EOPNOTSUPP));
  }
  override lease(): Promise<never> {
    return Promise.reject(new FopError(Errno.EOPNOTSUPP));
  }
  override getactivelk(): Promise<never> {
    return Promise.reject(new FopError(Errno.EOPNOTSUPP));
  }
  override setactivelk(): Promise<never> {
    return Promise.reject(new FopError(Errno.EOPNOTSUPP));
  }

  override forget(inode: Inode): void {
    this.#locks.forget(inode);
    this.#cluster?.quiet.delete(inode);
    this.#runSlot.delete(inode);
  }
  override release(fd: Fd): void {
    this.#fdSlot.delete(fd);
    if (fd.inode.fds.size === 0) this.#cluster?.runs.closed(fd.inode);
  }
  override releasedir(fd: Fd): void {
    this.#fdSlot.delete(fd);
  }
}
