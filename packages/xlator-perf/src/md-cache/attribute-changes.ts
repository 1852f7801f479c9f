import {
  type Bytes, type CopyFileRangeReply, type CreateReply, type EntryReply, Errno, type Fd, type Frame, type Iatt, type Inode, type IoVec, type Loc, NULL_GFID, type OpenReply, type PrePostReply, type ReadReply, type RenameReply, SetAttr,
  type UnlinkReply, type WriteReply, type Xdata, Xlator, type XlatorContext, errnoOf,
} from '@glusterts/libglusterfs';
import { type MetadataPolicy, MetadataStore, Saw } from './metadata-store.js';

const O_TRUNC = 0o1000;

/** The file isn't there any more, at least not under this handle. */
export function isGone(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === Errno.ENOENT || errno === Errno.ESTALE;
}

/** The fops that change files and directories, or tell of their attributes by the way: what each answer means for the cache. */
export abstract class AttributeChanges extends Xlator {
  protected readonly store: MetadataStore;

  constructor(context: XlatorContext, policy: MetadataPolicy) {
    super(context);
    this.store = new MetadataStore(this.newCtxSlot(), this.graph, policy);
  }

  /** An answer that tells nothing new, but for ENOENT and ESTALE. */
  protected unlessGone<T>(inode: Inode, below: Promise<T>): Promise<T> {
    return below.catch((error: unknown) => {
      if (isGone(error)) this.store.invalidate(inode);
      throw error;
    });
  }

  // ---- changes of a file ----

  /** After a change whose answer carries the attributes before and after. A failed one may have been done all the same. */
  async #changed<T extends PrePostReply>(inode: Inode, saw: Saw, below: Promise<T>): Promise<T> {
    const start = this.store.now;
    try {
      const reply = await below;
      this.store.learn(inode, reply.poststat, start, saw, reply.prestat);
      return reply;
    } catch (error) {
      this.store.invalidate(inode);
      throw error;
    }
  }

  override truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#changed(loc.inode, Saw.RANGE, this.child.truncate(frame, loc, offset, xdata));
  }

  override ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#changed(fd.inode, Saw.RANGE, this.child.ftruncate(frame, fd, offset, xdata));
  }

  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    return this.#changed(fd.inode, Saw.RANGE, this.child.writev(frame, fd, vector, offset, flags, xdata));
  }

  override fsync(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PrePostReply> {
    return this.#changed(fd.inode, Saw.WHOLE, this.child.fsync(frame, fd, datasync, xdata));
  }

  override fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#changed(fd.inode, Saw.WHOLE, this.child.fallocate(frame, fd, keep_size, offset, len, xdata));
  }

  override discard(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#changed(fd.inode, Saw.WHOLE, this.child.discard(frame, fd, offset, len, xdata));
  }

  override zerofill(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#changed(fd.inode, Saw.WHOLE, this.child.zerofill(frame, fd, offset, len, xdata));
  }

  override async copy_file_range(frame: Frame, fd_in: Fd, off_in: number, fd_out: Fd, off_out: number, len: number, flags: number, xdata: Xdata): Promise<CopyFileRangeReply> {
    try {
      return await this.child.copy_file_range(frame, fd_in, off_in, fd_out, off_out, len, flags, xdata);
    } finally {
      this.store.invalidate(fd_out.inode);
    }
  }

  override setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#modeChanged(loc.inode, valid, this.#changed(loc.inode, Saw.WHOLE, this.child.setattr(frame, loc, stbuf, valid, xdata)));
  }

  override fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#modeChanged(fd.inode, valid, this.#changed(fd.inode, Saw.WHOLE, this.child.fsetattr(frame, fd, stbuf, valid, xdata)));
  }

  /** chmod changes the ACLs, too, where these are cached. */
  async #modeChanged<T>(inode: Inode, valid: number, below: Promise<T>): Promise<T> {
    if (!(valid & SetAttr.MODE) || !this.store.policy.names.acls) return below;
    try {
      return await below;
    } finally {
      this.store.invalidateXattrs(inode);
    }
  }

  override open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    const reply = this.unlessGone(fd.inode, this.child.open(frame, loc, flags, fd, xdata));
    return flags & O_TRUNC ? this.#truncating(fd.inode, reply) : reply;
  }

  async #truncating(inode: Inode, below: Promise<OpenReply>): Promise<OpenReply> {
    const reply = await below;
    this.store.invalidate(inode);
    return reply;
  }

  override async readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    const start = this.store.now;
    try {
      const reply = await this.child.readv(frame, fd, size, offset, flags, xdata);
      this.store.learnFromRead(fd.inode, reply.stat, start);
      return reply;
    } catch (error) {
      if (isGone(error)) this.store.invalidate(fd.inode);
      throw error;
    }
  }

  // ---- entries ----

  /** After the creation of `loc`. */
  async #created<T extends EntryReply>(loc: Loc, below: Promise<T>): Promise<T> {
    const start = this.store.now;
    try {
      const reply = await below;
      if (loc.parent) this.store.learnChanged(loc.parent, reply.postparent, start, reply.preparent);
      this.store.learn(reply.inode, reply.stat, start, Saw.WHOLE);
      return reply;
    } catch (error) {
      if (loc.parent && isGone(error)) this.store.invalidate(loc.parent);
      throw error;
    }
  }

  override create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    return this.#created(loc, this.child.create(frame, loc, flags, mode, umask, fd, xdata));
  }

  override mknod(frame: Frame, loc: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.#created(loc, this.child.mknod(frame, loc, mode, rdev, umask, xdata));
  }

  override mkdir(frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.#created(loc, this.child.mkdir(frame, loc, mode, umask, xdata));
  }

  override symlink(frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.#created(loc, this.child.symlink(frame, linkpath, loc, umask, xdata));
  }

  override async link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
    const start = this.store.now;
    try {
      const reply = await this.child.link(frame, oldloc, newloc, xdata);
      this.store.learn(oldloc.inode, reply.stat, start, Saw.WHOLE);
      if (newloc.parent) this.store.learnChanged(newloc.parent, reply.postparent, start, reply.preparent);
      return reply;
    } catch (error) {
      this.store.invalidate(oldloc.inode);
      if (newloc.parent && isGone(error)) this.store.invalidate(newloc.parent);
      throw error;
    }
  }

  override unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    return this.#removed(loc, this.child.unlink(frame, loc, xflags, xdata));
  }

  override rmdir(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
    return this.#removed(loc, this.child.rmdir(frame, loc, flags, xdata));
  }

  /** The file may live on under other names or with open fds, but its link count and ctime have changed. */
  async #removed(loc: Loc, below: Promise<UnlinkReply>): Promise<UnlinkReply> {
    const start = this.store.now;
    try {
      const reply = await below;
      if (loc.parent) this.store.learnChanged(loc.parent, reply.postparent, start, reply.preparent);
      this.store.invalidate(loc.inode);
      return reply;
    } catch (error) {
      this.store.invalidate(loc.inode);
      if (loc.parent && isGone(error)) this.store.invalidate(loc.parent);
      throw error;
    }
  }

  override async rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    const start = this.store.now;
    try {
      const reply = await this.child.rename(frame, oldloc, newloc, xdata);
      const one = oldloc.parent === newloc.parent;
      if (oldloc.parent) this.store.learnChanged(oldloc.parent, reply.postoldparent, start, reply.preoldparent);
      if (newloc.parent && !one) this.store.learnChanged(newloc.parent, reply.postnewparent, start, reply.prenewparent);
      return reply;
    } catch (error) {
      if (oldloc.parent && isGone(error)) this.store.invalidate(oldloc.parent);
      if (newloc.parent && isGone(error)) this.store.invalidate(newloc.parent);
      throw error;
    } finally {
      // The answer's stat may be a linkto file's (cluster/distribute). The file that was there before has lost a link.
      this.store.invalidate(oldloc.inode);
      if (newloc.inode.gfid !== NULL_GFID) this.store.invalidate(newloc.inode);
    }
  }
}
