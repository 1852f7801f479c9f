import {
  type Bytes, type CopyFileRangeReply, type CreateReply, type CtxSlot, type Dict, type EntrylkCmd, type EntrylkType, Fd, type Flock, FopError, type Frame, type GetxattrReply, IaType, type Iatt, type Inode, type InodelkCmd,
  type IoVec, type LkCmd, type LkReply, type Loc, OpenFlag, type OpenReply, type OptionValues, type PlainReply, type PrePostReply, type RchecksumReply, type ReadReply, type RenameReply, type Seek, type SeekReply,
  type StatReply, type StatedumpWriter, type UnlinkReply, type WriteReply, type Xdata, type XattropOp, type XattropReply, Xlator, type XlatorContext,
} from '@glusterts/libglusterfs';
import { requireOneChild } from '../one-child.js';
import { setPassThrough } from '../pass-through.js';
import { FirstOpen, type OpenState } from './first-open.js';

/** fd context: counted among the inode's opens, and the errno with which its delayed open failed. */
type FdState = number;
const COUNTED: FdState = 0;

/**
 * performance/open-behind (spec/client.md, §9.7): the first open of a file is answered at once, and sent when a fop needs it. A file
 * that is only opened and closed, or whose reads quick-read answers, never reaches the network.
 *
 * Each fop on an fd asks {@link OpenBehind.#settled} first; in the common case, with nothing pending, it goes straight down.
 */
export class OpenBehind extends Xlator {
  readonly #states: CtxSlot<OpenState>;
  readonly #fds: CtxSlot<FdState>;
  #lazy = true;
  #readTriggers = true;
  #useAnonymous = false;
  #passThrough = false;

  constructor(context: XlatorContext) {
    super(context);
    this.#states = this.newCtxSlot<OpenState>();
    this.#fds = this.newCtxSlot<FdState>();
    this.#take(this.options);
    if (this.#passThrough) setPassThrough(this, true);
  }

  override init(): void {
    requireOneChild(this);
  }

  /** Put out of the way on a live graph it delays nothing more, but goes on serving what is pending; only a new graph is bound past it. */
  override reconfigure(values: OptionValues): void {
    const was = this.#passThrough;
    this.#take(values);
    if (!was || this.#passThrough) return;
    setPassThrough(this, false);
    this.graph.rebind();
  }

  #take(values: OptionValues): void {
    this.options = values;
    this.#lazy = values.bool('lazy-open');
    this.#useAnonymous = values.bool('use-anonymous-fd');
    this.#readTriggers = values.bool('read-after-open') || !this.#useAnonymous;
    this.#passThrough = values.bool('pass-through');
  }

  override dump(writer: StatedumpWriter): void {
    writer.section('xlator.performance.open-behind.priv');
    writer.write('use_anonymous_fd', this.#useAnonymous ? 1 : 0);
    writer.write('lazy_open', this.#lazy ? 1 : 0);
  }

  // ------------------------------------------------------------------------------------------------ opening

  override open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    const state = this.#state(fd.inode);
    this.#count(state, fd);
    // What is no regular file may be refused, and that must be told now.
    if (flags & OpenFlag.TRUNC || state.opens > 1 || fd.inode.ia_type !== IaType.REG || this.#passThrough) return this.#openNow(state, frame, loc, flags, fd, xdata);
    // The request is over before the open is sent: its interrupt no longer counts, and its loc may be used again.
    const later = loc.clone();
    const first = new FirstOpen(state, fd, () => this.child.open(frame.derive({ signal: undefined }), later, flags, fd, xdata), (errno) => this.#fds.set(fd, errno));
    state.first = first;
    if (!this.#lazy) void first.start();
    return Promise.resolve({ fd, xdata: undefined });
  }

  async #openNow(state: OpenState, frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    try {
      while (state.first) await state.first.start();
      return await this.child.open(frame, loc, flags, fd, xdata);
    } catch (error) {
      this.#uncount(state, fd);
      throw error;
    }
  }

  /** Never delayed. */
  override async create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    const state = this.#state(fd.inode);
    this.#count(state, fd);
    try {
      while (state.first) await state.first.start();
      return await this.child.create(frame, loc, flags, mode, umask, fd, xdata);
    } catch (error) {
      this.#uncount(state, fd);
      throw error;
    }
  }

  /** Closed before it was sent: then it is never sent. Once it has been sent it holds the fd itself. */
  override release(fd: Fd): void {
    if (this.#fds.get(fd) === undefined) return;
    const state = this.#state(fd.inode);
    if (state.first?.fd === fd) state.first = undefined;
    this.#uncount(state, fd);
  }

  override forget(inode: Inode): void {
    this.#states.delete(inode);
  }

  #state(inode: Inode): OpenState {
    let state = this.#states.get(inode);
    if (!state) this.#states.set(inode, (state = { opens: 0, first: undefined }));
    return state;
  }

  #count(state: OpenState, fd: Fd): void {
    state.opens++;
    this.#fds.set(fd, COUNTED);
  }

  #uncount(state: OpenState, fd: Fd): void {
    state.opens--;
    this.#fds.delete(fd);
    // Most files that a mount knows are open nowhere.
    if (state.opens === 0 && state.first === undefined && this.#states.get(fd.inode) === state) this.#states.delete(fd.inode);
  }

  // ------------------------------------------------------------------------------------------------ waiting for an open

  /** Nothing pending on the file, and this fd's open has not failed. */
  #settled(fd: Fd): boolean {
    return this.#states.get(fd.inode)?.first === undefined && !this.#fds.get(fd);
  }

  /** The fd's own open is pending and nothing has asked for it yet. */
  #unsent(fd: Fd): boolean {
    const first = this.#states.get(fd.inode)?.first;
    return first?.fd === fd && !first.started;
  }

  /** Sends what is pending on the file, and goes on when it was answered. Throws what this fd's own open ended with, each time. */
  async #opened<T>(fd: Fd, wind: () => Promise<T>): Promise<T> {
    await this.#inodeOpened(fd.inode);
    const errno = this.#fds.get(fd);
    if (errno) throw new FopError(errno);
    return wind();
  }

  async #inodeOpened(inode: Inode): Promise<void> {
    for (let first = this.#states.get(inode)?.first; first; first = this.#states.get(inode)?.first) await first.start();
  }

  #idle(inode: Inode): boolean {
    return this.#states.get(inode)?.first === undefined;
  }

  async #afterOpen<T>(inode: Inode, wind: () => Promise<T>): Promise<T> {
    await this.#inodeOpened(inode);
    return wind();
  }

  /** What only reads, through an anonymous fd as long as nobody needs the real one. */
  async #anonymously<T>(fd: Fd, wind: (fd: Fd) => Promise<T>): Promise<T> {
    const anonymous = new Fd(fd.inode, { flags: fd.flags, pid: fd.pid, anonymous: true });
    try {
      return await wind(anonymous);
    } finally {
      anonymous.unref();
    }
  }

  // ------------------------------------------------------------------------------------------------ fops on an fd

  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    if (this.#settled(fd)) return this.child.readv(frame, fd, size, offset, flags, xdata);
    if (!this.#readTriggers && this.#unsent(fd)) return this.#anonymously(fd, (anonymous) => this.child.readv(frame, anonymous, size, offset, flags, xdata));
    return this.#opened(fd, () => this.child.readv(frame, fd, size, offset, flags, xdata));
  }

  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    if (this.#settled(fd)) return this.child.writev(frame, fd, vector, offset, flags, xdata);
    return this.#opened(fd, () => this.child.writev(frame, fd, vector, offset, flags, xdata));
  }

  override fstat(frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
    if (this.#settled(fd)) return this.child.fstat(frame, fd, xdata);
    if (this.#useAnonymous && this.#unsent(fd)) return this.#anonymously(fd, (anonymous) => this.child.fstat(frame, anonymous, xdata));
    return this.#opened(fd, () => this.child.fstat(frame, fd, xdata));
  }

  override seek(frame: Frame, fd: Fd, offset: number, what: Seek, xdata: Xdata): Promise<SeekReply> {
    if (this.#settled(fd)) return this.child.seek(frame, fd, offset, what, xdata);
    if (this.#useAnonymous && this.#unsent(fd)) return this.#anonymously(fd, (anonymous) => this.child.seek(frame, anonymous, offset, what, xdata));
    return this.#opened(fd, () => this.child.seek(frame, fd, offset, what, xdata));
  }

  /** With nothing sent there is nothing to flush. */
  override flush(frame: Frame, fd: Fd, xdata: Xdata): Promise<PlainReply> {
    if (this.#settled(fd)) return this.child.flush(frame, fd, xdata);
    if (this.#unsent(fd)) return Promise.resolve({ xdata: undefined });
    return this.#opened(fd, () => this.child.flush(frame, fd, xdata));
  }

  override fsync(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PrePostReply> {
    if (this.#settled(fd)) return this.child.fsync(frame, fd, datasync, xdata);
    return this.#opened(fd, () => this.child.fsync(frame, fd, datasync, xdata));
  }

  override lk(frame: Frame, fd: Fd, cmd: LkCmd, flock: Flock, xdata: Xdata): Promise<LkReply> {
    if (this.#settled(fd)) return this.child.lk(frame, fd, cmd, flock, xdata);
    return this.#opened(fd, () => this.child.lk(frame, fd, cmd, flock, xdata));
  }

  override ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    if (this.#settled(fd)) return this.child.ftruncate(frame, fd, offset, xdata);
    return this.#opened(fd, () => this.child.ftruncate(frame, fd, offset, xdata));
  }

  override fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    if (this.#settled(fd)) return this.child.fsetxattr(frame, fd, dict, flags, xdata);
    return this.#opened(fd, () => this.child.fsetxattr(frame, fd, dict, flags, xdata));
  }

  override fgetxattr(frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    if (this.#settled(fd)) return this.child.fgetxattr(frame, fd, name, xdata);
    return this.#opened(fd, () => this.child.fgetxattr(frame, fd, name, xdata));
  }

  override fremovexattr(frame: Frame, fd: Fd, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    if (this.#settled(fd)) return this.child.fremovexattr(frame, fd, name, xdata);
    return this.#opened(fd, () => this.child.fremovexattr(frame, fd, name, xdata));
  }

  override finodelk(frame: Frame, volume: Bytes, fd: Fd, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
    if (this.#settled(fd)) return this.child.finodelk(frame, volume, fd, cmd, flock, xdata);
    return this.#opened(fd, () => this.child.finodelk(frame, volume, fd, cmd, flock, xdata));
  }

  override fentrylk(frame: Frame, volume: Bytes, fd: Fd, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply> {
    if (this.#settled(fd)) return this.child.fentrylk(frame, volume, fd, name, cmd, type, xdata);
    return this.#opened(fd, () => this.child.fentrylk(frame, volume, fd, name, cmd, type, xdata));
  }

  override fxattrop(frame: Frame, fd: Fd, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    if (this.#settled(fd)) return this.child.fxattrop(frame, fd, flags, dict, xdata);
    return this.#opened(fd, () => this.child.fxattrop(frame, fd, flags, dict, xdata));
  }

  override fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    if (this.#settled(fd)) return this.child.fsetattr(frame, fd, stbuf, valid, xdata);
    return this.#opened(fd, () => this.child.fsetattr(frame, fd, stbuf, valid, xdata));
  }

  override fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    if (this.#settled(fd)) return this.child.fallocate(frame, fd, keep_size, offset, len, xdata);
    return this.#opened(fd, () => this.child.fallocate(frame, fd, keep_size, offset, len, xdata));
  }

  override discard(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    if (this.#settled(fd)) return this.child.discard(frame, fd, offset, len, xdata);
    return this.#opened(fd, () => this.child.discard(frame, fd, offset, len, xdata));
  }

  override zerofill(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    if (this.#settled(fd)) return this.child.zerofill(frame, fd, offset, len, xdata);
    return this.#opened(fd, () => this.child.zerofill(frame, fd, offset, len, xdata));
  }

  override rchecksum(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<RchecksumReply> {
    if (this.#settled(fd)) return this.child.rchecksum(frame, fd, offset, len, xdata);
    return this.#opened(fd, () => this.child.rchecksum(frame, fd, offset, len, xdata));
  }

  /** GlusterFS's passes it through, with fds that the brick has not opened. */
  override copy_file_range(frame: Frame, fd_in: Fd, off_in: number, fd_out: Fd, off_out: number, len: number, flags: number, xdata: Xdata): Promise<CopyFileRangeReply> {
    if (this.#settled(fd_in) && this.#settled(fd_out)) return this.child.copy_file_range(frame, fd_in, off_in, fd_out, off_out, len, flags, xdata);
    return this.#opened(fd_in, () => this.#opened(fd_out, () => this.child.copy_file_range(frame, fd_in, off_in, fd_out, off_out, len, flags, xdata)));
  }

  // ------------------------------------------------------------------------------------------------ fops by path

  /** Once the name is gone, or the permissions are others, a delayed open would not succeed any more. */
  override unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    if (this.#idle(loc.inode)) return this.child.unlink(frame, loc, xflags, xdata);
    return this.#afterOpen(loc.inode, () => this.child.unlink(frame, loc, xflags, xdata));
  }

  override rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    if (this.#idle(newloc.inode)) return this.child.rename(frame, oldloc, newloc, xdata);
    return this.#afterOpen(newloc.inode, () => this.child.rename(frame, oldloc, newloc, xdata));
  }

  override setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    if (this.#idle(loc.inode)) return this.child.setattr(frame, loc, stbuf, valid, xdata);
    return this.#afterOpen(loc.inode, () => this.child.setattr(frame, loc, stbuf, valid, xdata));
  }

  override setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    if (this.#idle(loc.inode)) return this.child.setxattr(frame, loc, dict, flags, xdata);
    return this.#afterOpen(loc.inode, () => this.child.setxattr(frame, loc, dict, flags, xdata));
  }

  override removexattr(frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    if (this.#idle(loc.inode)) return this.child.removexattr(frame, loc, name, xdata);
    return this.#afterOpen(loc.inode, () => this.child.removexattr(frame, loc, name, xdata));
  }
}
