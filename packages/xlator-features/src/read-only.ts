import {
  type CreateReply, type Dict, type EntryReply, Errno, type Fd, FopError, type Frame, type Loc, type OpenReply, type OptionSpec, type OptionValues, type PlainReply,
  type PrePostReply, type RenameReply, type UnlinkReply, type WriteReply, type IoVec, type Iatt, type Xdata, Xlator, type XlatorContext, type XlatorDefinition, type XattropOp, type XattropReply, type Bytes, setPassThrough,
} from '@glusterts/libglusterfs';

const O_ACCMODE = 3;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;

/**
 * features/read-only: every change by a client with pid ≥ 0 gives EROFS while the option is on; GlusterFS's own clients
 * (negative pids) pass (spec/features.md, §9.1: also which fops are in the list, and which are not).
 */
class ReadOnly extends Xlator {
  constructor(context: XlatorContext) {
    super(context);
    setPassThrough(this, !this.options.bool('read-only'));
  }

  override reconfigure(options: OptionValues): void {
    this.options = options;
    if (setPassThrough(this, !options.bool('read-only'))) this.graph.rebind();
  }

  #check(frame: Frame): void {
    if (frame.pid >= 0 && this.options.bool('read-only')) throw new FopError(Errno.EROFS);
  }

  override async setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    this.#check(frame);
    return this.child.setattr(frame, loc, stbuf, valid, xdata);
  }
  override async fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    this.#check(frame);
    return this.child.fsetattr(frame, fd, stbuf, valid, xdata);
  }
  override async truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    this.#check(frame);
    return this.child.truncate(frame, loc, offset, xdata);
  }
  override async ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    this.#check(frame);
    return this.child.ftruncate(frame, fd, offset, xdata);
  }
  override async fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    this.#check(frame);
    return this.child.fallocate(frame, fd, keep_size, offset, len, xdata);
  }
  override async mknod(frame: Frame, loc: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply> {
    this.#check(frame);
    return this.child.mknod(frame, loc, mode, rdev, umask, xdata);
  }
  override async mkdir(frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply> {
    this.#check(frame);
    return this.child.mkdir(frame, loc, mode, umask, xdata);
  }
  override async unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    this.#check(frame);
    return this.child.unlink(frame, loc, xflags, xdata);
  }
  override async rmdir(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
    this.#check(frame);
    return this.child.rmdir(frame, loc, flags, xdata);
  }
  override async symlink(frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply> {
    this.#check(frame);
    return this.child.symlink(frame, linkpath, loc, umask, xdata);
  }
  override async rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    this.#check(frame);
    return this.child.rename(frame, oldloc, newloc, xdata);
  }
  override async link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
    this.#check(frame);
    return this.child.link(frame, oldloc, newloc, xdata);
  }
  override async create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    this.#check(frame);
    return this.child.create(frame, loc, flags, mode, umask, fd, xdata);
  }
  override async open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    if ((flags & O_ACCMODE) !== 0 || (flags & (O_APPEND | O_TRUNC)) !== 0) this.#check(frame);
    return this.child.open(frame, loc, flags, fd, xdata);
  }
  override async setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    this.#check(frame);
    return this.child.setxattr(frame, loc, dict, flags, xdata);
  }
  override async fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    this.#check(frame);
    return this.child.fsetxattr(frame, fd, dict, flags, xdata);
  }
  override async removexattr(frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    this.#check(frame);
    return this.child.removexattr(frame, loc, name, xdata);
  }
  override async writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    this.#check(frame);
    return this.child.writev(frame, fd, vector, offset, flags, xdata);
  }
  override async fsyncdir(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PlainReply> {
    this.#check(frame);
    return this.child.fsyncdir(frame, fd, datasync, xdata);
  }
  override async xattrop(frame: Frame, loc: Loc, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    if (changesSomething(dict)) this.#check(frame);
    return this.child.xattrop(frame, loc, flags, dict, xdata);
  }
  override async fxattrop(frame: Frame, fd: Fd, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    if (changesSomething(dict)) this.#check(frame);
    return this.child.fxattrop(frame, fd, flags, dict, xdata);
  }
}

/** An xattrop with nothing but zeros reads. */
function changesSomething(dict: Dict): boolean {
  return dict.keys().some((key) => dict.getBin(key)?.some((byte) => byte !== 0) ?? false);
}

const options: readonly OptionSpec[] = [{ key: 'read-only', type: 'bool', default: 'off' }];

export const readOnly: XlatorDefinition = { type: 'features/read-only', options, create: (context) => new ReadOnly(context) };
