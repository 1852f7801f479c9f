import {
  type Bytes, type CopyFileRangeReply, type CreateReply, type Dict, type Direntp, type EntryReply, Errno, FallocateMode, type Fd, FopError, type Frame, GfEvent, type GetxattrReply, type Gfid, type Iatt,
  type Inode, type IoVec, type LocalFile, type Loc, type LookupReply, type Mdata, OpenFlag, type OpenReply, type OptionValues, type PlainReply, type PrePostReply, type RchecksumReply, type ReadReply,
  type ReaddirReply, type ReadlinkReply, type RenameReply, type Seek, type SeekReply, type StatReply, type StatedumpWriter, type StatfsReply, type Timer, type UnlinkReply, type WriteReply, type Xdata,
  Xlator, type XlatorContext, type XattropOp, type XattropReply, utf8,
} from '@glusterts/libglusterfs';
import * as attr from './attr-fops.js';
import { Brick, NotInTurn, type OpenFile, check } from './brick.js';
import * as entry from './entry-fops.js';
import { FsyncQueue } from './fsync.js';
import { HealthCheck } from './health-check.js';
import { prepareBrick } from './init-checks.js';
import * as io from './io-fops.js';
import { Janitor, emptyUnlinkDirectory } from './janitor.js';
import { NotInMemory } from './kernel-cache.js';
import { lookup, stat } from './lookup.js';
import * as needs from './needs.js';
import { readdir, readdirp } from './readdir.js';
import * as removal from './removal-fops.js';
import { readSettings } from './settings.js';
import { statfs, updateFull } from './space.js';
import { atOnce } from './turns.js';
import { type Subject, fgetxattr, getxattr, removexattr, setxattr } from './xattr-fops.js';
import { addMode, xattrop } from './xattrop.js';
import { Key } from './keys.js';
import { type ColdContent, readColdContent, replyXdata } from './xdata-reply.js';

const RESERVE_INTERVAL_MS = 5000;
const RLIMIT_NOFILE = 7;
const DEATH_DELAY_MS = 30_000;
/** Of an open: it changes something. */
const CHANGING_FLAGS = OpenFlag.CREAT | OpenFlag.TRUNC;
/** A change that has stood before so many, one after the other, is made. */
const OBSTACLES_MAX = 32;
/** Of a frame: the fop moves its object's times. */
const TIME_BITS = 7;

/** storage/posix: a directory of the local file system as a brick, in GlusterFS's disk format (spec/brick.md, §2 to §10). */
export class Posix extends Xlator {
  readonly #mdataSlot = this.newCtxSlot<Mdata>();
  readonly #fdSlot = this.newCtxSlot<OpenFile>();
  #brick: Brick | undefined;
  #fsync: FsyncQueue | undefined;
  #janitor: Janitor | undefined;
  #health: HealthCheck | undefined;
  #reserveTimer: Timer | undefined;
  #death: Timer | undefined;
  #rootFd = -1;

  constructor(context: XlatorContext) {
    super(context);
  }

  get brick(): Brick {
    if (!this.#brick) throw new FopError(Errno.ENOTCONN, undefined, `${this.name} is not initialised`);
    return this.#brick;
  }

  override init(): void {
    if (this.children.length > 0) throw new Error(`${this.name}: FATAL: storage/posix cannot have subvolumes`);
    const directory = this.options.text('directory');
    if (directory === undefined) throw new Error(`${this.name}: Export directory not specified in volume file.`);
    const { platform } = this.graph;
    const root = utf8(directory.length > 1 ? directory.replace(/\/+$/, '') : directory);
    this.#rootFd = prepareBrick(platform.storage, {
      root,
      volumeId: this.options.text('volume-id'),
      mandateAttribute: this.options.bool('mandate-attribute'),
      uid: this.options.number('brick-uid'),
      gid: this.options.number('brick-gid'),
    });
    const brick = new Brick({ platform, root, log: this.log, mdataSlot: this.#mdataSlot, fdSlot: this.#fdSlot, settings: readSettings(this.options) });
    platform.storage.umask(0);
    if (platform.storage.setrlimit(RLIMIT_NOFILE, 1048576, 1048576) < 0) platform.storage.setrlimit(RLIMIT_NOFILE, 65536, 65536);
    brick.rememberHidden();
    brick.hostname = utf8(this.options.text('hostname') ?? readHostname(brick));
    brick.glusterdUuid = utf8(this.options.text('glusterd-uuid') ?? '');
    emptyUnlinkDirectory(brick);
    this.#brick = brick;
    this.#fsync = new FsyncQueue(brick);
    this.#janitor = new Janitor(brick);
    this.#health = new HealthCheck(brick, (reason) => this.#diskFailed(reason));
    this.#janitor.start();
    this.#health.start();
    this.#watchReserve();
  }

  override reconfigure(options: OptionValues): void {
    this.options = options;
    const { brick } = this;
    const before = brick.settings;
    brick.settings = readSettings(options);
    brick.glusterdUuid = utf8(options.text('glusterd-uuid') ?? '');
    if (before.healthCheckIntervalS !== brick.settings.healthCheckIntervalS) {
      this.#health?.stop();
      this.#health?.start();
    }
    updateFull(brick);
    const [uid, gid] = [options.number('brick-uid'), options.number('brick-gid')];
    if (uid !== -1 || gid !== -1) check(brick.storage.lchown(brick.root, uid, gid));
  }

  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    if (event === GfEvent.PARENT_UP) super.notify(GfEvent.CHILD_UP, data, this);
    else if (event === GfEvent.PARENT_DOWN) super.notify(GfEvent.CHILD_DOWN, data, this);
    else super.notify(event, data, from);
  }

  override fini(): void {
    this.#health?.stop();
    this.#janitor?.stop();
    this.#reserveTimer?.cancel();
    this.#death?.cancel();
    this.#reserveTimer = undefined;
    if (this.#rootFd >= 0) {
      this.graph.platform.storage.close(this.#rootFd);
      this.#brick?.close();
    }
    this.#rootFd = -1;
  }

  #watchReserve(): void {
    try {
      updateFull(this.brick);
    } catch (error) {
      // A root that is gone is the health check's business; what was known of its space stays.
      if (!(error instanceof FopError)) throw error;
    }
    this.#reserveTimer = this.graph.platform.timers.after(RESERVE_INTERVAL_MS, () => this.#watchReserve(), { background: true });
  }

  /** The disk is gone: clients are told, and a brick that has the process to itself ends it (spec/brick.md, §10.1). */
  #diskFailed(reason: string): void {
    this.log.log(1, 113075, 'health-check failed, going down', { reason });
    super.notify(GfEvent.CHILD_DOWN, undefined, this);
    this.#death = this.graph.platform.timers.after(DEATH_DELAY_MS, () => {
      this.log.log(1, 113075, 'still alive! -> SIGTERM');
      process.kill(process.pid, 'SIGTERM');
    });
  }

  override dump(writer: StatedumpWriter): void {
    writer.section(`storage/posix.${this.name}`);
    const { brick } = this;
    writer.write('base_path', brick.root);
    writer.write('base_path_length', brick.root.length);
    writer.write('max_read', brick.bytesRead);
    writer.write('max_write', brick.bytesWritten);
  }

  override release(fd: Fd): void {
    this.#brick?.released(fd);
  }
  override releasedir(fd: Fd): void {
    this.#brick?.released(fd);
  }
  override forget(inode: Inode): void {
    this.#mdataSlot.delete(inode);
  }

  /** Runs what changes nothing in its turn, anew when it has met what isn't in memory, once that is. */
  #look<T>(subject: Loc | Fd, fop: () => T | Promise<T>, lists = false): Promise<T> {
    const { cache, turns, inMemory } = this.brick;
    if (inMemory) return atOnce(fop);
    return turns.look(() => {
      try {
        return cache.look(fop);
      } catch (error) {
        if (!(error instanceof NotInMemory)) throw error;
        return cache.load(error).then(() => this.#look(subject, fop, lists));
      }
    }, subject, lists);
  }

  /** Makes a change in its turn, once the disk has proven itself and what it needs is in memory. */
  #change<T>(needed: () => void, fop: () => T | Promise<T>, subject: Loc | Fd, other?: Loc, gfid?: Gfid, stood = 0): Promise<T> {
    const { brick } = this;
    const change = (): T | Promise<T> => {
      // There is an end to it: others may keep a directory busy for ever.
      const wait = stood < OBSTACLES_MAX ? (brick.cache.obstacle(needed) ?? brick.gate.pass()) : undefined;
      return wait ? wait.then(() => this.#change(needed, fop, subject, other, gfid, stood + 1)) : fop();
    };
    return brick.turns.run(brick.inMemory ? fop : change, subject, other, gfid);
  }

  /** Makes a change, or a sync, whose calls the pool makes. Changes of the same file that wait for their turn go first. */
  #onPool<T>(fd: Fd, fop: () => Promise<T>): Promise<T> {
    const { turns } = this.brick;
    return turns.concern(fd) ? turns.run(fop, fd) : fop();
  }

  /** Opens an anonymous fd, for a fop that then finds it open. */
  #opened<T>(fd: Fd, fop: () => Promise<T>): Promise<T> {
    return this.#look(fd, () => void this.brick.openFile(fd)).then(fop);
  }

  #path(loc: Loc): Subject {
    return { at: this.brick.inodePath(loc), gfid: loc.targetGfid, inode: loc.inode };
  }
  #open(fd: Fd): Subject {
    const file = this.brick.openFile(fd);
    return { at: file.fd, gfid: file.gfid, inode: fd.inode };
  }

  override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    const { turns, inMemory } = this.brick;
    return inMemory ? this.#lookup(frame, loc, xdata) : turns.look(() => this.#lookup(frame, loc, xdata), loc);
  }
  #lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    const { brick } = this;
    const before = brick.coldContents;
    const cold: ColdContent[] | undefined = xdata?.has(Key.CONTENT) ? [] : undefined;
    brick.coldContents = cold;
    let reply: LookupReply | FopError;
    try {
      reply = brick.inMemory ? lookup(brick, frame, loc, xdata) : brick.cache.look(() => lookup(brick, frame, loc, xdata));
    } catch (error) {
      for (const { fd } of cold ?? []) brick.storage.close(fd);
      if (error instanceof NotInMemory) return brick.cache.load(error).then(() => this.lookup(frame, loc, xdata));
      if (error instanceof NotInTurn) return this.#change(() => undefined, () => this.#lookup(frame, loc, xdata), loc);
      return Promise.reject(error);
    } finally {
      brick.coldContents = before;
    }
    if (reply instanceof FopError) return Promise.reject(reply);
    return cold && cold.length > 0 ? withColdContents(brick, reply, cold) : Promise.resolve(reply);
  }
  override stat(_frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply> {
    return this.#look(loc, () => stat(this.brick, loc, xdata));
  }
  override fstat(_frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
    return this.#look(fd, () => {
      const file = this.brick.openFile(fd);
      if (xdata) this.brick.demandXattrs(file);
      const iatt = this.brick.statFd(file, fd.inode);
      return { stat: iatt, xdata: replyXdata(this.brick, file.fd, iatt, fd.inode, xdata) };
    });
  }
  override access(_frame: Frame, loc: Loc, _mask: number, _xdata: Xdata): Promise<PlainReply> {
    // access-control answers above; as root every existing file is accessible.
    return this.#look(loc, () => {
      this.brick.stat(this.brick.inodePath(loc), loc.targetGfid, loc.inode);
      return { xdata: undefined };
    });
  }
  override truncate(frame: Frame, loc: Loc, offset: number, _xdata: Xdata): Promise<PrePostReply> {
    return this.#truncate(frame, loc, offset, 0);
  }
  /** Up to where the pool has it, it is a look. */
  #truncate(frame: Frame, loc: Loc, offset: number, stood: number): Promise<PrePostReply> {
    const { brick } = this;
    return brick.turns.look(() => {
      const wait = stood < OBSTACLES_MAX ? brick.cache.obstacle(() => needs.changing(brick, loc)) : undefined;
      return wait ? wait.then(() => this.#truncate(frame, loc, offset, stood + 1)) : io.truncate(brick, frame, loc, offset);
    }, loc, false, true);
  }
  override ftruncate(frame: Frame, fd: Fd, offset: number, _xdata: Xdata): Promise<PrePostReply> {
    return this.#onPool(fd, () => io.ftruncate(this.brick, frame, fd, offset));
  }
  override readlink(_frame: Frame, loc: Loc, size: number, _xdata: Xdata): Promise<ReadlinkReply> {
    return this.#look(loc, () => attr.readlink(this.brick, loc, size));
  }
  override mknod(frame: Frame, loc: Loc, mode: number, rdev: bigint, _umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.#change(() => needs.making(this.brick, loc, xdata), () => entry.mknod(this.brick, frame, loc, mode, rdev, xdata), loc, undefined, this.brick.requestedGfid(xdata));
  }
  override mkdir(frame: Frame, loc: Loc, mode: number, _umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.#change(() => needs.making(this.brick, loc, xdata), () => entry.mkdir(this.brick, frame, loc, mode, xdata), loc, undefined, this.brick.requestedGfid(xdata));
  }
  override unlink(frame: Frame, loc: Loc, _xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    return this.#change(() => needs.removing(this.brick, loc), () => removal.unlink(this.brick, frame, loc, xdata), loc);
  }
  override rmdir(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
    return this.#change(() => needs.removing(this.brick, loc), () => removal.rmdir(this.brick, frame, loc, flags, xdata), loc);
  }
  override symlink(frame: Frame, linkpath: Bytes, loc: Loc, _umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.#change(() => needs.making(this.brick, loc, xdata), () => entry.symlink(this.brick, frame, linkpath, loc, xdata), loc, undefined, this.brick.requestedGfid(xdata));
  }
  override rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    return this.#change(() => needs.renaming(this.brick, oldloc, newloc), () => removal.rename(this.brick, frame, oldloc, newloc, xdata), oldloc, newloc);
  }
  override link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
    return this.#change(() => needs.linking(this.brick, oldloc, newloc), () => entry.link(this.brick, frame, oldloc, newloc, xdata), oldloc, newloc);
  }
  override create(frame: Frame, loc: Loc, flags: number, mode: number, _umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    return this.#change(() => needs.making(this.brick, loc, xdata), () => entry.create(this.brick, frame, loc, flags, mode, fd, xdata), loc, undefined, this.brick.requestedGfid(xdata));
  }
  override open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    const { brick } = this;
    const open = (): OpenReply => io.open(brick, frame, loc, flags, fd, xdata);
    return flags & CHANGING_FLAGS || frame.flags & TIME_BITS ? this.#change(() => needs.changing(brick, loc), open, loc) : this.#look(loc, open);
  }
  override opendir(frame: Frame, loc: Loc, fd: Fd, _xdata: Xdata): Promise<OpenReply> {
    const { brick } = this;
    const open = (): OpenReply => io.opendir(brick, frame, loc, fd);
    return frame.flags & TIME_BITS ? this.#change(() => needs.changing(brick, loc), open, loc) : this.#look(loc, open);
  }
  override localFile(fd: Fd): LocalFile | undefined {
    return io.localFile(this.brick, fd);
  }
  override readv(frame: Frame, fd: Fd, size: number, offset: number, _flags: number, _xdata: Xdata): Promise<ReadReply> {
    const { brick } = this;
    if (fd.anonymous && !brick.inMemory && !brick.fdSlot.get(fd)) return this.#opened(fd, () => this.readv(frame, fd, size, offset, _flags, _xdata));
    const read = (): Promise<ReadReply> => brick.turns.look(() => io.readv(brick, frame, fd, size, offset), fd, false, true);
    const wait = frame.flags & TIME_BITS ? brick.gate.pass() : undefined;
    return wait ? wait.then(read) : read();
  }
  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    const { brick } = this;
    if (brick.inMemory) return io.writev(brick, frame, fd, vector, offset, flags, xdata);
    if (fd.anonymous && !brick.fdSlot.get(fd)) return this.#opened(fd, () => this.writev(frame, fd, vector, offset, flags, xdata));
    if (io.mayBeAtOnce(brick, fd, vector)) return brick.turns.run(() => io.writev(brick, frame, fd, vector, offset, flags, xdata), fd);
    return io.writev(brick, frame, fd, vector, offset, flags, xdata);
  }
  override async flush(_frame: Frame, fd: Fd, _xdata: Xdata): Promise<PlainReply> {
    this.brick.openFile(fd);
    return { xdata: undefined };
  }
  override fsync(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PrePostReply> {
    if (!this.#fsync) return Promise.reject(new FopError(Errno.ENOTCONN));
    const queue = this.#fsync;
    return this.#onPool(fd, () => queue.fsync(frame, fd, datasync, xdata));
  }
  override async fsyncdir(_frame: Frame, fd: Fd, _datasync: boolean, _xdata: Xdata): Promise<PlainReply> {
    this.brick.openFile(fd);
    return { xdata: undefined };
  }
  override statfs(_frame: Frame, loc: Loc, _xdata: Xdata): Promise<StatfsReply> {
    return this.#look(loc, () => statfs(this.brick, loc));
  }
  override setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return this.#change(() => needs.changing(this.brick, loc), () => setxattr(this.brick, frame, this.#path(loc), dict, flags, xdata), loc);
  }
  override fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return this.#change(() => needs.changingOpen(this.brick, fd), () => setxattr(this.brick, frame, this.#open(fd), dict, flags, xdata), fd);
  }
  override getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    return this.#look(loc, () => getxattr(this.brick, frame, this.#path(loc), name, xdata));
  }
  override fgetxattr(_frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    return this.#look(fd, () => {
      this.brick.demandXattrs(this.brick.openFile(fd));
      return fgetxattr(this.brick, this.#open(fd), name, xdata);
    });
  }
  override removexattr(frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return this.#change(() => needs.changing(this.brick, loc), () => removexattr(this.brick, frame, this.#path(loc), name, xdata), loc);
  }
  override fremovexattr(frame: Frame, fd: Fd, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return this.#change(() => needs.changingOpen(this.brick, fd), () => removexattr(this.brick, frame, this.#open(fd), name, xdata), fd);
  }
  override readdir(_frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply> {
    return this.#look(fd, () => readdir(this.brick, fd, size, offset, xdata), true);
  }
  override readdirp(_frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    return this.#look(fd, () => readdirp(this.brick, fd, size, offset, xdata), true);
  }
  override xattrop(_frame: Frame, loc: Loc, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    return this.#change(() => needs.changing(this.brick, loc), () => this.#xattrop(this.#path(loc), flags, dict, xdata), loc);
  }
  override fxattrop(_frame: Frame, fd: Fd, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    return this.#change(() => needs.changingOpen(this.brick, fd), () => this.#xattrop(this.#open(fd), flags, dict, xdata), fd);
  }
  #xattrop({ at, gfid, inode }: Subject, flags: XattropOp, dict: Dict, xdata: Xdata): XattropReply {
    const reply = xattrop(this.brick, at, flags, dict);
    if (!xdata) return { dict: reply, xdata: undefined };
    const iatt = this.brick.stat(at, gfid, inode);
    return { dict: reply, xdata: addMode(replyXdata(this.brick, at, iatt, inode, xdata), xdata, iatt) };
  }
  override async rchecksum(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<RchecksumReply> {
    const wait = frame.flags & TIME_BITS ? this.brick.gate.pass() : undefined;
    if (wait) await wait;
    return this.brick.turns.look(() => io.rchecksum(this.brick, frame, fd, offset, len, xdata), fd, false, true);
  }
  override setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(() => needs.changing(this.brick, loc), () => attr.setattr(this.brick, frame, loc, stbuf, valid, xdata), loc);
  }
  override fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(() => needs.changingOpen(this.brick, fd), () => attr.fsetattr(this.brick, frame, fd, stbuf, valid, xdata), fd);
  }
  override fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#onPool(fd, () => io.fallocate(this.brick, frame, fd, keep_size ? FallocateMode.KEEP_SIZE : 0, offset, len, xdata));
  }
  override discard(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#onPool(fd, () => io.fallocate(this.brick, frame, fd, FallocateMode.PUNCH_HOLE | FallocateMode.KEEP_SIZE, offset, len, xdata));
  }
  override zerofill(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#onPool(fd, () => io.zerofill(this.brick, frame, fd, offset, len, xdata));
  }
  override seek(_frame: Frame, fd: Fd, offset: number, what: Seek, _xdata: Xdata): Promise<SeekReply> {
    return this.#look(fd, () => io.seek(this.brick, fd, offset, what));
  }
  override copy_file_range(frame: Frame, fd_in: Fd, off_in: number, fd_out: Fd, off_out: number, len: number, _flags: number, xdata: Xdata): Promise<CopyFileRangeReply> {
    return this.#onPool(fd_out, () => io.copyFileRange(this.brick, frame, fd_in, off_in, fd_out, off_out, len, xdata));
  }
}

async function withColdContents(brick: Brick, reply: LookupReply, cold: readonly ColdContent[]): Promise<LookupReply> {
  for (const content of cold) await readColdContent(brick, content);
  return reply;
}

/** The kernel's host name. */
function readHostname(brick: Brick): string {
  const fd = brick.storage.open('/proc/sys/kernel/hostname' as Bytes, 0, 0);
  if (fd < 0) return 'localhost';
  const text = Buffer.alloc(256);
  const length = brick.storage.preadv(fd, [text], 0, false);
  brick.storage.close(fd);
  return length > 0 ? text.toString('latin1', 0, length).trim() : 'localhost';
}
