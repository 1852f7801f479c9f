import {
  type Bytes, ClientPid, type CreateReply, Dict, type EntryReply, type Fd, type Frame, type IoVec, type Iatt, type Loc, type LookupReply, type OpenReply, type PlainReply, type PrePostReply, type ReadReply,
  type RenameReply, SetAttr, type UnlinkReply, type WriteReply, type Xdata, Xlator,
} from '@glusterts/libglusterfs';

/** Which times a fop changes (frame.flags): of the object, and of its parent. */
const Stamp = { CTIME: 1, MTIME: 2, ATIME: 4, PARENT_CTIME: 8, PARENT_MTIME: 16, PARENT_ATIME: 32 } as const;
const MAKES = Stamp.CTIME | Stamp.MTIME | Stamp.ATIME | Stamp.PARENT_CTIME | Stamp.PARENT_MTIME;
const REMOVES = Stamp.CTIME | Stamp.PARENT_CTIME | Stamp.PARENT_MTIME;
const WRITES = Stamp.CTIME | Stamp.MTIME;
/** As in the original: fallocate and zerofill leave ctime out. */
const ALLOCATES = Stamp.MTIME | Stamp.ATIME;

const MDATA = 'trusted.glusterfs.mdata';
const SET_MDATA = 'set-ctime-mdata';

/**
 * features/utime on the client (spec/client.md, §10): each fop that changes a file carries the time at which this client
 * began it, and which of the file's times it moves, so that all bricks store the same.
 */
export class Utime extends Xlator {
  #stamp(frame: Frame, flags: number): Frame {
    const { sec, nsec } = this.graph.platform.clock.realtime();
    const stamped = frame.copy();
    stamped.flags = flags;
    stamped.ctime = sec;
    stamped.ctime_nsec = nsec;
    return stamped;
  }

  get #reads(): number {
    return this.options.bool('noatime') ? 0 : Stamp.ATIME;
  }

  /** A file from before ctime was on gets its record of times from what the bricks' disks say. */
  override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    const request = xdata?.clone() ?? new Dict();
    request.setInt(MDATA, 1);
    return this.child.lookup(frame, loc, request).then((reply) => (reply.xdata?.has(MDATA) ? reply : this.#record(frame, loc, reply)));
  }

  async #record(frame: Frame, loc: Loc, reply: LookupReply): Promise<LookupReply> {
    const { stat } = reply;
    const mdata = { atime: stat.ia_atime, atime_nsec: stat.ia_atime_nsec, mtime: stat.ia_mtime, mtime_nsec: stat.ia_mtime_nsec, ctime: stat.ia_ctime, ctime_nsec: stat.ia_ctime_nsec };
    const heal = loc.clone();
    heal.inode = reply.inode;
    if (heal.inode.gfid !== stat.ia_gfid) heal.gfid = stat.ia_gfid;
    try {
      await this.child.setxattr(frame.derive({ uid: 0, gid: 0, groups: [], pid: ClientPid.SET_UTIME }), heal, new Dict().setMdata(SET_MDATA, mdata), 0, undefined);
    } catch {
      // The lookup stands without it.
    }
    return reply;
  }

  override create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    return this.child.create(this.#stamp(frame, MAKES), loc, flags, mode, umask, fd, xdata);
  }

  override mknod(frame: Frame, loc: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.child.mknod(this.#stamp(frame, MAKES), loc, mode, rdev, umask, xdata);
  }

  override mkdir(frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.child.mkdir(this.#stamp(frame, MAKES), loc, mode, umask, xdata);
  }

  override symlink(frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.child.symlink(this.#stamp(frame, MAKES), linkpath, loc, umask, xdata);
  }

  override unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    return this.child.unlink(this.#stamp(frame, REMOVES), loc, xflags, xdata);
  }

  override rmdir(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
    return this.child.rmdir(this.#stamp(frame, REMOVES), loc, flags, xdata);
  }

  override link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
    return this.child.link(this.#stamp(frame, REMOVES), oldloc, newloc, xdata);
  }

  override rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    return this.child.rename(this.#stamp(frame, REMOVES), oldloc, newloc, xdata);
  }

  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    return this.child.writev(this.#stamp(frame, WRITES), fd, vector, offset, flags, xdata);
  }

  override truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.child.truncate(this.#stamp(frame, WRITES), loc, offset, xdata);
  }

  override ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.child.ftruncate(this.#stamp(frame, WRITES), fd, offset, xdata);
  }

  override fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.child.fallocate(this.#stamp(frame, ALLOCATES), fd, keep_size, offset, len, xdata);
  }

  override zerofill(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.child.zerofill(this.#stamp(frame, ALLOCATES), fd, offset, len, xdata);
  }

  override removexattr(frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return this.child.removexattr(this.#stamp(frame, Stamp.CTIME), loc, name, xdata);
  }

  override fremovexattr(frame: Frame, fd: Fd, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return this.child.fremovexattr(this.#stamp(frame, Stamp.CTIME), fd, name, xdata);
  }

  override open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    return this.child.open(this.#stamp(frame, this.#reads), loc, flags, fd, xdata);
  }

  override opendir(frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    return this.child.opendir(this.#stamp(frame, this.#reads), loc, fd, xdata);
  }

  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    return this.child.readv(this.#stamp(frame, this.#reads), fd, size, offset, flags, xdata);
  }

  override setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return this.child.setattr(this.#stampSetattr(frame, stbuf, valid), loc, stbuf, valid, xdata);
  }

  override fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return this.child.fsetattr(this.#stampSetattr(frame, stbuf, valid), fd, stbuf, valid, xdata);
  }

  /** Owner and mode move ctime. "Now" is the time that the caller filled in, so that atime, mtime and ctime agree. */
  #stampSetattr(frame: Frame, stbuf: Iatt, valid: number): Frame {
    const stamped = this.#stamp(frame, valid === 0 || valid & (SetAttr.UID | SetAttr.GID | SetAttr.MODE) ? Stamp.CTIME : 0);
    if (valid & SetAttr.ATIME_NOW) [stamped.ctime, stamped.ctime_nsec] = [stbuf.ia_atime, stbuf.ia_atime_nsec];
    else if (valid & SetAttr.MTIME_NOW) [stamped.ctime, stamped.ctime_nsec] = [stbuf.ia_mtime, stbuf.ia_mtime_nsec];
    return stamped;
  }
}
