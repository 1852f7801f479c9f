import {
  type Bytes, type CreateReply, Dict, type Direntp, type EntryReply, type EntrylkCmd, type EntrylkType, Errno, type Fd, type Flock, FopError, type Frame, GfEvent, type GetxattrReply, type Iatt, type Inode,
  type InodelkCmd, type IoVec, type Lease, type LeaseReply, type LkCmd, type LkReply, type Loc, type LookupReply, type OpenReply, type OptionValues, type PlainReply, type PrePostReply, type RchecksumReply,
  type ReadReply, type ReaddirReply, type ReadlinkReply, type RenameReply, type Seek, type SeekReply, type StatReply, type StatedumpWriter, type StatfsReply, type UnlinkReply, type Upcall, type WriteReply, type Xdata,
  Xlator, type XlatorContext, type XattropOp, type XattropReply, defaultNotify,
} from '@glusterts/libglusterfs';
import { Dht, type InodeState } from './dht.js';
import { readDisk } from './disk-usage.js';
import * as entry from './entry-fops.js';
import { fixLayout } from './fix-layout.js';
import * as attr from './inode-fops.js';
import { asDirectory, hasLinktoMode } from './iatt-merge.js';
import { Key } from './keys.js';
import { LeafMap, fsyncdir, opendir, readdir, readdirp } from './listing.js';
import { lookup } from './lookup.js';
import { type FileFop, cachedOf, fileFop, isOpened, noteOpened } from './migration.js';
import { mkdir } from './mkdir.js';
import { rename } from './rename.js';
import { rmdir } from './rmdir.js';
import { readSettings } from './settings.js';
import type { Subvol } from './subvol.js';
import * as xattrs from './xattr-fops.js';
import { dumpDht, dumpLayout } from './statedump.js';

/** Of an upcall: the next lookup must not be answered from a cache (spec/rpc-wire.md, §9.11). */
const UP_EXPLICIT_LOOKUP = 0x1000;

/** cluster/distribute over two and more subvolumes (spec/dht.md). With one there is {@link PassThrough}. */
export class Distribute extends Xlator {
  readonly dht: Dht;
  #leaves: LeafMap | undefined;
  /** The last thing told upwards: up, down, or nothing yet. */
  #told: 'up' | 'down' | undefined;
  #upCount = 0;

  constructor(context: XlatorContext) {
    super(context);
    const commit = this.options.get('commit-hash');
    this.dht = new Dht({
      name: this.name, graph: this.graph, log: this.log, children: this.children, settings: readSettings(this.options), xattrName: this.options.text('xattr-name') ?? 'trusted.glusterfs.dht',
      states: this.newCtxSlot<InodeState>(), opened: this.newCtxSlot<Subvol | Set<Subvol>>(),
    });
    if (typeof commit === 'number') {
      this.dht.commitHash = commit >>> 0;
      this.dht.commitHashFixed = true;
    }
  }

  override init(): void {
    if (this.children.length === 0) throw new Error(`${this.name}: Distribute needs at least one subvolume`);
    this.#leaves = new LeafMap(this.dht, this.graph.top);
  }

  override reconfigure(options: OptionValues): void {
    this.dht.configure(readSettings(options));
    this.options = options;
  }

  /** Children's ups and downs are passed on once all have reported (spec/dht.md, §22). */
  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    const subvol = this.dht.subvols.find((each) => each.fops.xlator === from);
    if (event === GfEvent.UPCALL) {
      this.#onUpcall(data as Upcall, from);
      return;
    }
    if (!subvol || (event !== GfEvent.CHILD_UP && event !== GfEvent.CHILD_DOWN && event !== GfEvent.CHILD_CONNECTING && event !== GfEvent.SOME_DESCENDENT_UP)) {
      defaultNotify(this, event, data, from);
      return;
    }
    if (event === GfEvent.CHILD_UP || event === GfEvent.SOME_DESCENDENT_UP) this.#childUp(subvol, event);
    else if (event === GfEvent.CHILD_DOWN) this.#childDown(subvol);
    else this.#reported(subvol, event);
  }

  /**
   * A changed layout, or a file that has moved away: the next lookup must come down to us, whatever caches above know. Directories
   * have the size that they have in all our answers, not the one on that brick.
   */
  #onUpcall(upcall: Upcall, from: Xlator | undefined): void {
    if (upcall.kind === 'cache-invalidation') {
      for (const stat of [upcall.stat, upcall.parent_stat, upcall.oldparent_stat]) asDirectory(stat);
      if (upcall.dict?.has(this.dht.xattr.layout) === true || hasLinktoMode(upcall.stat)) upcall = { ...upcall, flags: upcall.flags | UP_EXPLICIT_LOOKUP };
    }
    defaultNotify(this, GfEvent.UPCALL, upcall, from);
  }

  #childUp(subvol: Subvol, event: GfEvent): void {
    this.dht.generation++;
    if (event === GfEvent.SOME_DESCENDENT_UP) {
      defaultNotify(this, event, undefined, this);
      return;
    }
    if (!subvol.up) subvol.upSince = ++this.#upCount;
    subvol.up = true;
    this.dht.background('statfs of a subvolume', () => readDisk(this.dht, subvol, undefined));
    this.#reported(subvol, event);
  }

  #childDown(subvol: Subvol): void {
    subvol.up = false;
    if (this.options.bool('assert-no-child-down')) this.log.warning(109004, `Received CHILD_DOWN. Exiting`, { subvol: subvol.name });
    this.#reported(subvol, GfEvent.CHILD_DOWN);
  }

  #reported(subvol: Subvol, event: GfEvent): void {
    if (event !== GfEvent.CHILD_CONNECTING) subvol.reported = true;
    const { subvols } = this.dht;
    if (!subvols.every((each) => each.reported)) return;
    const anyUp = subvols.some((each) => each.up);
    const tell = (what: GfEvent): void => defaultNotify(this, what, undefined, this);
    if (this.#told === undefined) {
      this.#told = anyUp ? 'up' : 'down';
      tell(anyUp ? GfEvent.CHILD_UP : GfEvent.CHILD_DOWN);
    } else if (event === GfEvent.CHILD_UP) {
      tell(this.#told === 'up' ? GfEvent.SOME_DESCENDENT_UP : GfEvent.CHILD_UP);
      this.#told = 'up';
    } else if (event === GfEvent.CHILD_DOWN) {
      tell(anyUp ? GfEvent.SOME_DESCENDENT_DOWN : GfEvent.CHILD_DOWN);
      if (!anyUp) this.#told = 'down';
    }
  }

  override dump(writer: StatedumpWriter): void {
    dumpDht(this.dht, writer);
  }

  override dumpInode(inode: Inode, writer: StatedumpWriter): void {
    dumpLayout(this.dht, inode, writer);
  }

  // ------------------------------------------------------------------------------------------------ entries

  override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    return lookup(this.dht, frame, loc, xdata);
  }

  override create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    return entry.create(this.dht, frame, loc, flags, mode, umask, fd, xdata);
  }

  override mknod(frame: Frame, loc: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply> {
    return entry.mknod(this.dht, frame, loc, mode, rdev, umask, xdata);
  }

  override mkdir(frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply> {
    return mkdir(this.dht, frame, loc, mode, umask, xdata);
  }

  override symlink(frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply> {
    return entry.symlink(this.dht, frame, linkpath, loc, umask, xdata);
  }

  override link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
    return entry.link(this.dht, frame, oldloc, newloc, xdata);
  }

  override unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    return entry.unlink(this.dht, frame, loc, xflags, xdata);
  }

  override rmdir(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
    return rmdir(this.dht, frame, loc, flags, xdata);
  }

  override rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    return rename(this.dht, frame, oldloc, newloc, xdata);
  }

  // ------------------------------------------------------------------------------------------------ directories

  override opendir(frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    return opendir(this.dht, frame, loc, fd, xdata);
  }

  get #leafMap(): LeafMap {
    if (!this.#leaves) throw new FopError(Errno.ENOTCONN);
    return this.#leaves;
  }

  override readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    return readdirp(this.dht, this.#leafMap, frame, fd, size, offset, xdata);
  }

  override readdir(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply> {
    if (this.dht.settings.useReaddirp || this.dht.anyDown()) return this.readdirp(frame, fd, size, offset, xdata);
    return readdir(this.dht, this.#leafMap, frame, fd, size, offset, xdata);
  }

  override fsyncdir(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PlainReply> {
    return fsyncdir(this.dht, frame, fd, datasync, xdata);
  }

  // ------------------------------------------------------------------------------------------------ attributes

  override stat(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply> {
    return attr.stat(this.dht, frame, loc, xdata);
  }

  override fstat(frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
    return attr.fstat(this.dht, frame, fd, xdata);
  }

  override setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return attr.setattr(this.dht, frame, loc, stbuf, valid, xdata);
  }

  override fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return attr.fsetattr(this.dht, frame, fd, stbuf, valid, xdata);
  }

  override access(frame: Frame, loc: Loc, mask: number, xdata: Xdata): Promise<PlainReply> {
    return attr.access(this.dht, frame, loc, mask, xdata);
  }

  override statfs(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatfsReply> {
    return attr.statfs(this.dht, frame, loc, xdata);
  }

  override readlink(frame: Frame, loc: Loc, size: number, xdata: Xdata): Promise<ReadlinkReply> {
    return this.#onLoc(frame, loc, (subvol) => subvol.fops.readlink(frame, loc, size, xdata));
  }

  // ------------------------------------------------------------------------------------------------ files

  #onLoc<T>(frame: Frame, loc: Loc, run: (subvol: Subvol) => Promise<T>, more: Partial<FileFop<T>> = NOTHING): Promise<T> {
    return fileFop(this.dht, frame, { inode: loc.inode, loc, fd: undefined, run, again: more.again, iatts: more.iatts, phase1: more.phase1, phase2: more.phase2, discard: more.discard });
  }

  #onFd<T>(frame: Frame, fd: Fd, run: (subvol: Subvol) => Promise<T>, more: Partial<FileFop<T>> = NOTHING): Promise<T> {
    return fileFop(this.dht, frame, { inode: fd.inode, loc: undefined, fd, run, again: more.again, iatts: more.iatts, phase1: more.phase1, phase2: more.phase2, discard: more.discard });
  }

  override async open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    return this.#onLoc(frame, loc, async (subvol) => {
      // Following a migration opened it already, while performance/open-behind held this open back.
      if (isOpened(this.dht, fd, subvol)) return { fd, xdata: undefined };
      const reply = await subvol.fops.open(frame, loc, flags, fd, xdata);
      noteOpened(this.dht, fd, subvol);
      return reply;
    }, { phase1: false });
  }

  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    return this.#onFd(frame, fd, (subvol) => subvol.fops.readv(frame, fd, size, offset, flags, xdata), { phase1: false, phase2: true, iatts: readIatts, discard: dropVector });
  }

  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    return this.#onFd<WriteReply>(frame, fd, (subvol) => subvol.fops.writev(frame, fd, vector, offset, flags, xdata), {
      phase1: true, phase2: true, iatts: changeIatts,
      again: (subvol) => subvol.fops.writev(frame, fd, vector, offset, flags, (xdata?.clone() ?? new Dict()).setUint(Key.PROTECT_WRITES, 1)),
    });
  }

  override truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    if (this.dht.known(loc.inode)?.layout) return Promise.reject(new FopError(Errno.EISDIR));
    return this.#onLoc(frame, loc, (subvol) => subvol.fops.truncate(frame, loc, offset, xdata), CHANGE);
  }

  override ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#onFd(frame, fd, (subvol) => subvol.fops.ftruncate(frame, fd, offset, xdata), CHANGE);
  }

  override fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#onFd(frame, fd, (subvol) => subvol.fops.fallocate(frame, fd, keep_size, offset, len, xdata), CHANGE);
  }

  override discard(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#onFd(frame, fd, (subvol) => subvol.fops.discard(frame, fd, offset, len, xdata), CHANGE);
  }

  override zerofill(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#onFd(frame, fd, (subvol) => subvol.fops.zerofill(frame, fd, offset, len, xdata), CHANGE);
  }

  override fsync(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PrePostReply> {
    return this.#onFd(frame, fd, (subvol) => subvol.fops.fsync(frame, fd, datasync, xdata), CHANGE);
  }

  override async flush(frame: Frame, fd: Fd, xdata: Xdata): Promise<PlainReply> {
    const { dht } = this;
    const reply = await this.#onFd(frame, fd, (subvol) => subvol.fops.flush(frame, fd, xdata));
    const to = dht.known(fd.inode)?.migration?.to;
    if (to && isOpened(dht, fd, to)) await to.fops.flush(frame, fd, xdata);
    return reply;
  }

  override seek(frame: Frame, fd: Fd, offset: number, what: Seek, xdata: Xdata): Promise<SeekReply> {
    return this.#onFd(frame, fd, (subvol) => subvol.fops.seek(frame, fd, offset, what, xdata), { phase1: false });
  }

  override rchecksum(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<RchecksumReply> {
    return this.#onFd(frame, fd, (subvol) => subvol.fops.rchecksum(frame, fd, offset, len, xdata), { phase1: false });
  }

  // ------------------------------------------------------------------------------------------------ locks, leases

  override async lk(frame: Frame, fd: Fd, cmd: LkCmd, flock: Flock, xdata: Xdata): Promise<LkReply> {
    return (await attr.lockSubvol(this.dht, frame, fd.inode)).fops.lk(frame, fd, cmd, flock, xdata);
  }

  override async inodelk(frame: Frame, volume: Bytes, loc: Loc, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
    return (await attr.lockSubvol(this.dht, frame, loc.inode)).fops.inodelk(frame, volume, loc, cmd, flock, xdata);
  }

  override async finodelk(frame: Frame, volume: Bytes, fd: Fd, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
    return (await attr.lockSubvol(this.dht, frame, fd.inode)).fops.finodelk(frame, volume, fd, cmd, flock, xdata);
  }

  override async entrylk(frame: Frame, volume: Bytes, loc: Loc, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply> {
    return (await attr.lockSubvol(this.dht, frame, loc.inode)).fops.entrylk(frame, volume, loc, name, cmd, type, xdata);
  }

  override async fentrylk(frame: Frame, volume: Bytes, fd: Fd, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply> {
    return (await attr.lockSubvol(this.dht, frame, fd.inode)).fops.fentrylk(frame, volume, fd, name, cmd, type, xdata);
  }

  override async lease(frame: Frame, loc: Loc, lease: Lease, xdata: Xdata): Promise<LeaseReply> {
    return (await cachedOf(this.dht, frame, loc.inode)).fops.lease(frame, loc, lease, xdata);
  }

  // ------------------------------------------------------------------------------------------------ xattrs

  override setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return xattrs.setxattr(this.dht, frame, { inode: loc.inode, loc }, dict, xdata, (subvol, request) => subvol.fops.setxattr(frame, loc, dict, flags, request));
  }

  override fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return xattrs.setxattr(this.dht, frame, { inode: fd.inode, fd }, dict, xdata, (subvol, request) => subvol.fops.fsetxattr(frame, fd, dict, flags, request));
  }

  override removexattr(frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return xattrs.removexattr(this.dht, frame, { inode: loc.inode, loc }, name, xdata, (subvol, request) => subvol.fops.removexattr(frame, loc, name, request));
  }

  override fremovexattr(frame: Frame, fd: Fd, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return xattrs.removexattr(this.dht, frame, { inode: fd.inode, fd }, name, xdata, (subvol, request) => subvol.fops.fremovexattr(frame, fd, name, request));
  }

  override getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    return xattrs.getxattr(this.dht, frame, { inode: loc.inode, loc }, name, (subvol, asked) => subvol.fops.getxattr(frame, loc, asked, xdata));
  }

  override fgetxattr(frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    return xattrs.getxattr(this.dht, frame, { inode: fd.inode, fd }, name, (subvol, asked) => subvol.fops.fgetxattr(frame, fd, asked, xdata));
  }

  override async xattrop(frame: Frame, loc: Loc, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    return this.#xattrop(frame, { inode: loc.inode, loc }, (subvol, request) => subvol.fops.xattrop(frame, loc, flags, dict, request), xdata);
  }

  override async fxattrop(frame: Frame, fd: Fd, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    return this.#xattrop(frame, { inode: fd.inode, fd }, (subvol, request) => subvol.fops.fxattrop(frame, fd, flags, dict, request), xdata);
  }

  async #xattrop(frame: Frame, subject: { inode: Inode; loc?: Loc; fd?: Fd }, run: (subvol: Subvol, xdata: Xdata) => Promise<XattropReply>, xdata: Xdata): Promise<XattropReply> {
    if (await attr.isDirectory(this.dht, frame, subject.inode)) {
      const first = this.dht.known(subject.inode)?.layout?.entries[0]?.subvol ?? this.dht.subvols[0];
      if (!first) throw new FopError(Errno.ENOTCONN);
      return run(first, xdata);
    }
    const request = (xdata?.clone() ?? new Dict()).setInt(Key.MODE_IN_XATTR, 1);
    return fileFop(this.dht, frame, { ...subject, run: (subvol) => run(subvol, request), phase1: false });
  }

  override async ipc(frame: Frame, op: number, xdata: Xdata): Promise<PlainReply> {
    const outcomes = await this.dht.all(this.dht.subvols, (subvol) => subvol.fops.ipc(frame, op, xdata));
    const refused = outcomes.find(({ errno }) => errno !== 0 && errno !== Errno.ENOTCONN);
    if (refused) throw refused.error;
    return { xdata: undefined };
  }

  /** For rebalance, and tests: §6.2. */
  fixLayout(frame: Frame, loc: Loc): Promise<void> {
    return fixLayout(this.dht, frame, loc);
  }
}

const NOTHING = {};
const changeIatts = (reply: PrePostReply): readonly Iatt[] => [reply.prestat, reply.poststat];
const CHANGE = { phase1: true, phase2: true, iatts: changeIatts };
const readIatts = (reply: ReadReply): readonly Iatt[] => [reply.stat];
const dropVector = (reply: ReadReply): void => reply.vector.unref();
