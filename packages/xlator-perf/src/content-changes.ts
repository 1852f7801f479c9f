import {
  type CopyFileRangeReply, type CreateReply, type Fd, type Frame, type Iatt, type Inode, type IoVec, type Loc, OpenFlag, type OpenReply, type PrePostReply, SetAttr, type WriteReply, type Xdata, Xlator,
} from '@glusterts/libglusterfs';

/**
 * What keeps parts of files must hear of every fop that changes what a file holds: before it is sent, so that nobody is shown what
 * was there before beside what is there now, and again when its answer is there, since a read that was sent meanwhile may have
 * overtaken it. A fop that failed may have changed something all the same.
 */
export abstract class ContentChanges extends Xlator {
  /** From `start` up to `end`, which may be Infinity, the file may hold something else now. */
  protected abstract changed(inode: Inode, start: number, end: number): void;

  /** Two inodes are of one file: a create has found that the name exists, and somebody has it open. */
  protected abstract sameFile(known: Inode, fresh: Inode): void;

  /** A change was announced, and has been sent. */
  async #answered<T>(inode: Inode, start: number, end: number, reply: Promise<T>): Promise<T> {
    try {
      return await reply;
    } finally {
      this.changed(inode, start, end);
    }
  }

  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    // Where an append goes only the brick knows.
    const appends = ((fd.flags | flags) & OpenFlag.APPEND) !== 0;
    const start = appends ? 0 : offset;
    const end = appends ? Infinity : offset + vector.size;
    this.changed(fd.inode, start, end);
    return this.#answered(fd.inode, start, end, this.child.writev(frame, fd, vector, offset, flags, xdata));
  }

  override truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    this.changed(loc.inode, 0, Infinity);
    return this.#answered(loc.inode, 0, Infinity, this.child.truncate(frame, loc, offset, xdata));
  }

  override ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    this.changed(fd.inode, 0, Infinity);
    return this.#answered(fd.inode, 0, Infinity, this.child.ftruncate(frame, fd, offset, xdata));
  }

  override fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    this.changed(fd.inode, 0, Infinity);
    return this.#answered(fd.inode, 0, Infinity, this.child.fallocate(frame, fd, keep_size, offset, len, xdata));
  }

  override discard(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    this.changed(fd.inode, 0, Infinity);
    return this.#answered(fd.inode, 0, Infinity, this.child.discard(frame, fd, offset, len, xdata));
  }

  override zerofill(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    this.changed(fd.inode, 0, Infinity);
    return this.#answered(fd.inode, 0, Infinity, this.child.zerofill(frame, fd, offset, len, xdata));
  }

  override copy_file_range(frame: Frame, fd_in: Fd, off_in: number, fd_out: Fd, off_out: number, len: number, flags: number, xdata: Xdata): Promise<CopyFileRangeReply> {
    this.changed(fd_out.inode, 0, Infinity);
    return this.#answered(fd_out.inode, 0, Infinity, this.child.copy_file_range(frame, fd_in, off_in, fd_out, off_out, len, flags, xdata));
  }

  /** The size, and times: a cache that is confirmed by them has nothing to go by when somebody sets them. */
  override setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    const reply = (): Promise<PrePostReply> => this.child.setattr(frame, loc, stbuf, valid, xdata);
    if (!(valid & CONTENT_OR_TIMES)) return reply();
    this.changed(loc.inode, 0, Infinity);
    return this.#answered(loc.inode, 0, Infinity, reply());
  }

  override fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    const reply = (): Promise<PrePostReply> => this.child.fsetattr(frame, fd, stbuf, valid, xdata);
    if (!(valid & CONTENT_OR_TIMES)) return reply();
    this.changed(fd.inode, 0, Infinity);
    return this.#answered(fd.inode, 0, Infinity, reply());
  }

  override open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    if (!(flags & OpenFlag.TRUNC)) return this.child.open(frame, loc, flags, fd, xdata);
    this.changed(fd.inode, 0, Infinity);
    return this.#answered(fd.inode, 0, Infinity, this.child.open(frame, loc, flags, fd, xdata));
  }

  override async create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    const reply = await this.child.create(frame, loc, flags, mode, umask, fd, xdata);
    const known = this.graph.inodeTable.find(reply.stat.ia_gfid);
    if (known !== undefined && known !== fd.inode) this.sameFile(known, fd.inode);
    if (flags & OpenFlag.TRUNC) this.changed(fd.inode, 0, Infinity);
    return reply;
  }
}

const CONTENT_OR_TIMES = SetAttr.SIZE | SetAttr.ATIME | SetAttr.MTIME | SetAttr.ATIME_NOW | SetAttr.MTIME_NOW;
