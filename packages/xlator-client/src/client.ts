import {
  type Bytes, type CopyFileRangeReply, type CreateReply, type CtxSlot, Dict, type Direntp, type EntryReply, type EntrylkCmd, type EntrylkType, Errno, type Fd, type Flock, FopError, Frame, type GetactivelkReply, type GetxattrReply,
  GfEvent, type Iatt, type Inode, type InodelkCmd, type IoVec, type Lease, type LeaseReply, LkCmd, LkType, type LkReply, type Loc, type LockMigrationInfo, type LookupReply, NULL_GFID, type OpenReply, type OptionValues, type PlainReply, type PrePostReply,
  type RchecksumReply, type ReaddirReply, type ReadlinkReply, type ReadReply, type RenameReply, type Seek, type SeekReply, type StatReply, type StatedumpWriter, type StatfsReply, type UnlinkReply, type WriteReply, type Xdata, Xlator, type XlatorContext, type XattropOp, type XattropReply, applyEventThreads, decodeDOff, encodeDOff, graphLeaves, readDirentp, readTypedDict,
} from '@glusterts/libglusterfs';
import { type GfxReaddirpReq, Glusterfs4, type RpcProcedure, type RpcReply, type XdrReader, decodeGfxReadRsp } from '@glusterts/rpc-xdr';
import { callbacksOf } from './callbacks.js';
import { BrickConnection } from './connection.js';
import { NO_FD, RemoteFds, type RemoteFd } from './fd-context.js';
import { LateReleases } from './late-releases.js';
import { LocalFiles } from './local-files.js';

const O_DIRECT = 0o40000;
/** Of frame.flags: the fop moves times of its object (features/utime). */
const MOVES_TIMES = 7;
const O_CREAT_EXCL_TRUNC = 0o100 | 0o200 | 0o1000;
const EMPTY = '' as Bytes;
/** Clients see the gfid's number, whatever the brick's own is. */
const NOBODY = new Frame();

interface Answer {
  readonly op_ret: number;
  readonly op_errno: number;
  readonly xdata?: Xdata;
}

/** An answer that says no, as an error. */
const refusal = (reply: Answer): FopError => new FopError(reply.op_errno === 0 ? Errno.EIO : reply.op_errno, reply.xdata);
const accepted = <Reply extends Answer>(reply: Reply): Reply | FopError => (reply.op_ret < 0 ? refusal(reply) : reply);
const plainReply = (reply: Answer & { readonly xdata: Xdata }): PlainReply | FopError => (reply.op_ret < 0 ? refusal(reply) : { xdata: reply.xdata });
const unlinkReply = (reply: Answer & PrePostReply): UnlinkReply | FopError => (reply.op_ret < 0 ? refusal(reply) : { preparent: reply.prestat, postparent: reply.poststat, xdata: reply.xdata });
const writeReply = (reply: Answer & PrePostReply): WriteReply | FopError => (reply.op_ret < 0 ? refusal(reply) : { prestat: reply.prestat, poststat: reply.poststat, written: reply.op_ret, xdata: reply.xdata });
const xattropReply = (reply: Answer & { readonly dict: Xdata; readonly xdata: Xdata }): XattropReply | FopError => (reply.op_ret < 0 ? refusal(reply) : { dict: reply.dict, xdata: reply.xdata });
const entryReply = (inode: Inode, reply: Answer & Omit<EntryReply, 'inode'>): EntryReply | FopError =>
  reply.op_ret < 0 ? refusal(reply) : { inode, stat: reply.stat, preparent: reply.preparent, postparent: reply.postparent, xdata: reply.xdata };
/** Fops reject, they don't throw. */
const rejected = (error: unknown): Promise<never> => Promise.reject(error);

function readReply(reply: RpcReply): ReadReply | FopError {
  const answer = decodeGfxReadRsp(reply.reader);
  if (answer.op_ret < 0) {
    reply.release();
    return refusal(answer);
  }
  // The data goes up in the pages that it came in: its references are the receiver's now.
  const vector = reply.payload();
  if (vector.size < answer.op_ret) throw new FopError(Errno.EIO, undefined, 'a READ reply with less data than it says');
  return { vector: vector.slice(0, answer.op_ret), stat: answer.stat, eof: answer.op_errno === Errno.ENOENT, xdata: answer.xdata };
}

/**
 * Asked for in readdirp's xdata by md-cache, told in the dict of each entry that a lookup would say the same of. A brick is all that
 * there is to ask from here, so it is true of all; the clusters above take it back from what their other bricks could contradict.
 */
const AGREED = 'glusterts.agreed' as Bytes;

/** READDIRP, its answer read as what goes up. */
const LISTING: RpcProcedure<GfxReaddirpReq, Listing> = {
  ...Glusterfs4.READDIRP,
  decodeReply: decodeListing,
  encodeReply: () => {
    throw new Error('a client answers no READDIRP');
  },
};

interface Listing extends Answer {
  readonly xdata: Xdata;
  readonly entries: Direntp[];
}

function decodeListing(r: XdrReader): Listing {
  const op_ret = r.i32();
  const op_errno = r.i32();
  const xdata = readTypedDict(r);
  const entries: Direntp[] = [];
  while (r.bool()) entries.push(readDirentp(r));
  return { op_ret, op_errno, xdata, entries };
}

/** protocol/client: a brick at the other end of a connection. Every fop is one call (spec/rpc-wire.md, §5.4). */
export class ClientXlator extends Xlator {
  readonly #fds: RemoteFds;
  /** Files on which a posix lock was ever asked for. */
  readonly #posixLocks: CtxSlot<true>;
  readonly #releases: LateReleases;
  readonly #files: LocalFiles;
  #connection: BrickConnection | undefined;
  /** Place among the graph's leaves, and how many there are: folded into directory offsets (spec/dht.md, §15.3). */
  #leaf = 0;
  #leaves = 1;

  constructor(context: XlatorContext) {
    super(context);
    this.#fds = new RemoteFds(this.newCtxSlot<RemoteFd>());
    this.#posixLocks = this.newCtxSlot<true>();
    this.#files = new LocalFiles(this.graph, () => this.#connection?.rpc, () => this.#fds.saved);
    this.#releases = new LateReleases(this.graph.platform.timers, (directory, gfid, number) => this.#sendRelease(directory, gfid, number));
  }

  override get shownOptions(): ReadonlyMap<string, string> {
    return this.#connection?.shownOptions ?? this.volfileOptions;
  }

  override init(): void {
    if (this.children.length > 0) throw new FopError(Errno.EINVAL, undefined, 'FATAL: client protocol translator cannot have any subvolumes');
    if (this.options.text('remote-subvolume') === undefined) throw new FopError(Errno.EINVAL, undefined, 'Remote-subvolume not given');
    if (this.options.text('remote-host') === undefined && this.options.text('transport.socket.connect-path') === undefined) throw new FopError(Errno.EINVAL, undefined, 'Remote-host not given');
    this.#setEventThreads();
    this.#connection = new BrickConnection({
      name: this.name,
      graph: this.graph,
      log: this.log,
      options: this.options,
      volfileOptions: () => this.volfileOptions,
      callbacks: [callbacksOf(this, (up) => this.#connection?.setChildUp(up)), this.#files.callbacks],
      reopen: () => this.#reopen(),
      lost: () => {
        this.#fds.lost();
        this.#files.drop();
        // With the connection the brick has closed them all.
        this.#releases.drop();
      },
      tell: (event, data) => super.notify(event, data),
    });
  }

  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    if (event === GfEvent.PARENT_UP) {
      const leaves = graphLeaves(this.graph.top);
      this.#leaf = Math.max(0, leaves.indexOf(this));
      this.#leaves = leaves.length;
      this.log.info(114020, 'parent translators are ready, attempting connect on transport', {});
      this.#connection?.start();
    } else if (event === GfEvent.PARENT_DOWN) {
      this.#connection?.stop();
    } else super.notify(event, data, from);
  }

  override reconfigure(options: OptionValues): void | 'new-graph' {
    const moved = ['remote-host', 'remote-subvolume', 'remote-port'].some((key) => options.get(key) !== this.options.get(key));
    if (moved) return 'new-graph';
    this.options = options;
    this.#connection?.setTimeouts(options.number('frame-timeout'), options.number('ping-timeout'));
    this.#setEventThreads();
    return undefined;
  }

  #setEventThreads(): void {
    applyEventThreads(this, this.graph.platform.network, this.options.get('event-threads'), this.log);
  }

  override fini(): void {
    applyEventThreads(this, this.graph.platform.network, 1, this.log);
    this.#files.drop();
    this.#releases.drop();
    this.#connection?.stop();
  }

  override dump(writer: StatedumpWriter): void {
    writer.section(`xlator.protocol.client.${this.name}.priv`);
    let number = 0;
    for (const remote of this.#fds.saved) writer.write(`fd.${number++}.remote_fd`, remote.number);
    writer.write('connected', this.#connection?.ready === true ? 1 : 0);
    const counts = this.#connection?.rpc.counts;
    writer.write('total_bytes_read', counts?.bytesRead ?? 0);
    writer.write('ping_timeout', this.options.number('ping-timeout'));
    writer.write('total_bytes_written', counts?.bytesWritten ?? 0);
    writer.write('ping_msgs_sent', counts?.pings ?? 0);
    writer.write('msgs_sent', counts?.messages ?? 0);
  }

  get #link(): BrickConnection {
    if (!this.#connection) throw new FopError(Errno.ENOTCONN);
    return this.#connection;
  }

  /** One call; rejects with an answer that says no. */
  #call<Request, Reply extends Answer>(procedure: RpcProcedure<Request, Reply>, request: Request, frame: Frame): Promise<Reply> {
    return this.#callThen(procedure, request, frame, accepted);
  }

  /** One call; `then` makes the fop's reply, or the error, of what was answered. */
  #callThen<Request, Reply, Result>(procedure: RpcProcedure<Request, Reply>, request: Request, frame: Frame, then: (reply: Reply) => Result | FopError, payload?: IoVec): Promise<Result> {
    this.#releases.sendAlong();
    return this.#link.invoke(procedure, request, this.#caller(frame), then, payload);
  }

  #caller(frame: Frame): Frame {
    return frame.groups.length === 0 || this.options.bool('send-gids') ? frame : frame.derive({ groups: [] });
  }

  #gfid(loc: Loc): Loc['gfid'] {
    const gfid = loc.targetGfid;
    if (gfid === NULL_GFID) throw new FopError(Errno.EINVAL, undefined, 'a location without a gfid');
    return gfid;
  }

  #parent(loc: Loc): Loc['gfid'] {
    const gfid = loc.parentGfid;
    if (gfid === NULL_GFID) throw new FopError(Errno.EINVAL, undefined, 'a location without a parent');
    return gfid;
  }

  #openFlags(flags: number): number {
    return this.options.bool('filter-O_DIRECT') ? flags & ~O_DIRECT : flags;
  }

  override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    try {
      const { inode } = loc;
      const named = loc.name !== '' && loc.parentGfid !== NULL_GFID;
      if (!named && loc.targetGfid === NULL_GFID) throw new FopError(Errno.EINVAL);
      const request = { gfid: loc.targetGfid, pargfid: named ? loc.parentGfid : NULL_GFID, flags: 0, bname: named ? loc.name : EMPTY, xdata };
      return this.#callThen(Glusterfs4.LOOKUP, request, frame, (reply) => {
        if (reply.op_ret < 0) return refusal(reply);
        // Another file under the name than the one that the inode stands for: the inode must not be used on.
        if (inode.gfid !== NULL_GFID && reply.prestat.ia_gfid !== inode.gfid) return new FopError(Errno.ESTALE, reply.xdata);
        return { inode, stat: reply.prestat, postparent: reply.poststat, xdata: reply.xdata };
      });
    } catch (error) {
      return rejected(error);
    }
  }

  override stat(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply> {
    try {
      return this.#call(Glusterfs4.STAT, { gfid: this.#gfid(loc), xdata }, frame);
    } catch (error) {
      return rejected(error);
    }
  }

  override fstat(frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
    try {
      return this.#call(Glusterfs4.FSTAT, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), xdata }, frame);
    } catch (error) {
      return rejected(error);
    }
  }

  override async truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#call(Glusterfs4.TRUNCATE, { gfid: this.#gfid(loc), offset, xdata }, frame);
  }

  override async ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#call(Glusterfs4.FTRUNCATE, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), offset, xdata }, frame);
  }

  override async access(frame: Frame, loc: Loc, mask: number, xdata: Xdata): Promise<PlainReply> {
    const reply = await this.#call(Glusterfs4.ACCESS, { gfid: this.#gfid(loc), mask, xdata }, frame);
    return { xdata: reply.xdata };
  }

  override async readlink(frame: Frame, loc: Loc, size: number, xdata: Xdata): Promise<ReadlinkReply> {
    const reply = await this.#call(Glusterfs4.READLINK, { gfid: this.#gfid(loc), size, xdata }, frame);
    return { path: reply.path, stat: reply.buf, xdata: reply.xdata };
  }

  override mknod(frame: Frame, loc: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply> {
    try {
      const { inode } = loc;
      return this.#callThen(Glusterfs4.MKNOD, { pargfid: this.#parent(loc), dev: rdev, mode, umask, bname: loc.name, xdata }, frame, (reply) => entryReply(inode, reply));
    } catch (error) {
      return rejected(error);
    }
  }

  override async mkdir(frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply> {
    const reply = await this.#call(Glusterfs4.MKDIR, { pargfid: this.#parent(loc), mode, umask, bname: loc.name, xdata }, frame);
    return { inode: loc.inode, stat: reply.stat, preparent: reply.preparent, postparent: reply.postparent, xdata: reply.xdata };
  }

  override unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    try {
      return this.#callThen(Glusterfs4.UNLINK, { pargfid: this.#parent(loc), bname: loc.name, xflags, xdata }, frame, unlinkReply);
    } catch (error) {
      return rejected(error);
    }
  }

  override async rmdir(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
    const reply = await this.#call(Glusterfs4.RMDIR, { pargfid: this.#parent(loc), xflags: flags, bname: loc.name, xdata }, frame);
    return { preparent: reply.prestat, postparent: reply.poststat, xdata: reply.xdata };
  }

  override async symlink(frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply> {
    const reply = await this.#call(Glusterfs4.SYMLINK, { pargfid: this.#parent(loc), bname: loc.name, umask, linkname: linkpath, xdata }, frame);
    return { inode: loc.inode, stat: reply.stat, preparent: reply.preparent, postparent: reply.postparent, xdata: reply.xdata };
  }

  override rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    try {
      return this.#call(Glusterfs4.RENAME, { oldgfid: this.#parent(oldloc), newgfid: this.#parent(newloc), oldbname: oldloc.name, newbname: newloc.name, xdata }, frame);
    } catch (error) {
      return rejected(error);
    }
  }

  override link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
    try {
      const { inode } = oldloc;
      return this.#callThen(Glusterfs4.LINK, { oldgfid: this.#gfid(oldloc), newgfid: this.#parent(newloc), newbname: newloc.name, xdata }, frame, (reply) => entryReply(inode, reply));
    } catch (error) {
      return rejected(error);
    }
  }

  override create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    try {
      const { inode } = loc;
      return this.#callThen(Glusterfs4.CREATE, { pargfid: this.#parent(loc), flags: this.#openFlags(flags), mode, umask, bname: loc.name, xdata }, frame, (reply) => {
        if (reply.op_ret < 0) return refusal(reply);
        this.#fds.opened(fd, reply.fd, flags, false);
        return { fd, inode, stat: reply.stat, preparent: reply.preparent, postparent: reply.postparent, xdata: reply.xdata };
      });
    } catch (error) {
      return rejected(error);
    }
  }

  override async open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    const reply = await this.#call(Glusterfs4.OPEN, { gfid: this.#gfid(loc), flags: this.#openFlags(flags), xdata }, frame);
    this.#fds.opened(fd, reply.fd, flags, false);
    return { fd, xdata: reply.xdata };
  }

  override async opendir(frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    const reply = await this.#call(Glusterfs4.OPENDIR, { gfid: this.#gfid(loc), xdata }, frame);
    this.#fds.opened(fd, reply.fd, fd.flags, true);
    return { fd, xdata: reply.xdata };
  }

  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    try {
      const remote = this.#fds.get(fd);
      // What moves the time of access, and what is asked for beside the data, is the brick's; so is what GlusterFS's own clients do.
      if (remote !== undefined && xdata === undefined && (frame.flags & MOVES_TIMES) === 0 && frame.pid >= 0 && !remote.directory) {
        if (remote.local && this.#connection?.ready === true) {
          const reply = this.#files.read(remote.local, fd, size, offset);
          if (reply !== undefined) return reply;
          const later = this.#files.readFromDisk(remote.local, fd, size, offset);
          if (later) return later.then((read) => read ?? this.#readThere(frame, fd, size, offset, flags, xdata));
        }
        this.#files.readElsewhere(remote);
      }
      return this.#readThere(frame, fd, size, offset, flags, xdata);
    } catch (error) {
      return rejected(error);
    }
  }

  #readThere(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    const request = { gfid: fd.inode.gfid, fd: this.#fds.number(fd, true), offset, size, flag: flags, xdata };
    this.#releases.sendAlong();
    return this.#link.invokeWhole(Glusterfs4.READ, request, this.#caller(frame), readReply);
  }

  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    try {
      const request = { gfid: fd.inode.gfid, fd: this.#fds.number(fd, true), offset, size: vector.size, flag: flags, xdata };
      return this.#callThen(Glusterfs4.WRITE, request, frame, writeReply, vector);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * On a brick FLUSH gives back the caller's posix locks on the file, and nothing else: it isn't sent for a file on which this
   * client never asked for one. That saves a message to each brick at every close.
   */
  override flush(frame: Frame, fd: Fd, xdata: Xdata): Promise<PlainReply> {
    try {
      const remote = this.#fds.get(fd);
      if (remote !== undefined && remote.number !== NO_FD && this.#posixLocks.get(fd.inode) === undefined && xdata === undefined) return Promise.resolve({ xdata: undefined });
      return this.#callThen(Glusterfs4.FLUSH, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), xdata }, frame, (reply) => {
        if (reply.op_ret < 0) return refusal(reply);
        // A close drops the owner's locks there.
        if (remote) remote.locks = 0;
        return { xdata: reply.xdata };
      });
    } catch (error) {
      return rejected(error);
    }
  }

  override fsync(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PrePostReply> {
    try {
      return this.#call(Glusterfs4.FSYNC, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, true), data: datasync ? 1 : 0, xdata }, frame);
    } catch (error) {
      return rejected(error);
    }
  }

  override async fsyncdir(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PlainReply> {
    return this.#plain(Glusterfs4.FSYNCDIR, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), data: datasync ? 1 : 0, xdata }, frame);
  }

  #plain<Request, Reply extends Answer & { xdata: Xdata }>(procedure: RpcProcedure<Request, Reply>, request: Request, frame: Frame): Promise<PlainReply> {
    return this.#callThen(procedure, request, frame, plainReply);
  }

  override async statfs(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatfsReply> {
    return this.#call(Glusterfs4.STATFS, { gfid: this.#gfid(loc), xdata }, frame);
  }

  override async setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return this.#plain(Glusterfs4.SETXATTR, { gfid: this.#gfid(loc), flags, dict, xdata }, frame);
  }

  override async fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return this.#plain(Glusterfs4.FSETXATTR, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), flags, dict, xdata }, frame);
  }

  override async getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    const reply = await this.#call(Glusterfs4.GETXATTR, { gfid: this.#gfid(loc), namelen: name === undefined ? 0 : 1, name: name ?? EMPTY, xdata }, frame);
    return { dict: reply.dict ?? new Dict(), xdata: reply.xdata };
  }

  override async fgetxattr(frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    const reply = await this.#call(Glusterfs4.FGETXATTR, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), namelen: name === undefined ? 0 : 1, name: name ?? EMPTY, xdata }, frame);
    return { dict: reply.dict ?? new Dict(), xdata: reply.xdata };
  }

  override async removexattr(frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return this.#plain(Glusterfs4.REMOVEXATTR, { gfid: this.#gfid(loc), name, xdata }, frame);
  }

  override async fremovexattr(frame: Frame, fd: Fd, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return this.#plain(Glusterfs4.FREMOVEXATTR, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), name, xdata }, frame);
  }

  override async lk(frame: Frame, fd: Fd, cmd: LkCmd, flock: Flock, xdata: Xdata): Promise<LkReply> {
    if (cmd !== LkCmd.GETLK && cmd !== LkCmd.GETLK_FD) this.#posixLocks.set(fd.inode, true);
    const reply = await this.#call(Glusterfs4.LK, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), cmd, type: flock.type, flock, xdata }, frame);
    const remote = this.#fds.get(fd);
    if (remote && (cmd === LkCmd.SETLK || cmd === LkCmd.SETLKW)) {
      if (flock.type !== LkType.UNLCK) remote.locks++;
      else if (flock.start === 0n && flock.len === 0n) remote.locks = 0;
    }
    return { flock: reply.flock, xdata: reply.xdata };
  }

  override inodelk(frame: Frame, volume: Bytes, loc: Loc, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
    try {
      return this.#plain(Glusterfs4.INODELK, { gfid: this.#gfid(loc), cmd, type: flock.type, flock, volume, xdata }, frame);
    } catch (error) {
      return rejected(error);
    }
  }

  override finodelk(frame: Frame, volume: Bytes, fd: Fd, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
    try {
      return this.#plain(Glusterfs4.FINODELK, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, true), cmd, type: flock.type, flock, volume, xdata }, frame);
    } catch (error) {
      return rejected(error);
    }
  }

  override entrylk(frame: Frame, volume: Bytes, loc: Loc, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply> {
    try {
      return this.#plain(Glusterfs4.ENTRYLK, { gfid: this.#gfid(loc), cmd, type, namelen: name === undefined ? 0 : 1, name: name ?? EMPTY, volume, xdata }, frame);
    } catch (error) {
      return rejected(error);
    }
  }

  override async fentrylk(frame: Frame, volume: Bytes, fd: Fd, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, xdata: Xdata): Promise<PlainReply> {
    return this.#plain(Glusterfs4.FENTRYLK, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), cmd, type, namelen: name === undefined ? 0 : 1, name: name ?? EMPTY, volume, xdata }, frame);
  }

  override async readdir(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply> {
    const reply = await this.#call(Glusterfs4.READDIR, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), offset: decodeDOff(offset, this.#leaves), size, xdata }, frame);
    if (this.#leaves > 1) for (const entry of reply.reply) entry.d_off = encodeDOff(entry.d_off, this.#leaf, this.#leaves);
    return { entries: reply.reply, eof: reply.op_ret === 0 || reply.op_errno === Errno.ENOENT, xdata: reply.xdata };
  }

  override async readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    const agreed = xdata?.has(AGREED) === true;
    const wanted = agreed ? xdata.clone() : xdata;
    if (agreed) wanted?.delete(AGREED);
    const request = { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), offset: decodeDOff(offset, this.#leaves), size, xdata: wanted };
    const reply = await this.#call(LISTING, request, frame);
    const { entries } = reply;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as Direntp;
      entry.d_off = encodeDOff(entry.d_off, this.#leaf, this.#leaves);
      entry.inode = this.#entryInode(entry.stat);
      if (agreed) entry.dict = (entry.dict ?? new Dict()).setUint(AGREED, 1);
    }
    return { entries, eof: reply.op_ret === 0 || reply.op_errno === Errno.ENOENT, xdata: reply.xdata };
  }

  #entryInode(stat: Iatt): Inode | undefined {
    if (stat.ia_gfid === NULL_GFID) return undefined;
    return this.graph.inodeTable.find(stat.ia_gfid) ?? this.graph.inodeTable.create();
  }

  override xattrop(frame: Frame, loc: Loc, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    try {
      return this.#callThen(Glusterfs4.XATTROP, { gfid: this.#gfid(loc), flags, dict, xdata }, frame, xattropReply);
    } catch (error) {
      return rejected(error);
    }
  }

  override fxattrop(frame: Frame, fd: Fd, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    try {
      return this.#callThen(Glusterfs4.FXATTROP, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, true), flags, dict, xdata }, frame, xattropReply);
    } catch (error) {
      return rejected(error);
    }
  }

  override async rchecksum(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<RchecksumReply> {
    const reply = await this.#call(Glusterfs4.RCHECKSUM, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), offset, len, flags: 0, xdata }, frame);
    return { weak: reply.weak_checksum, strong: reply.strong_checksum, xdata: reply.xdata };
  }

  override setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    try {
      return this.#call(Glusterfs4.SETATTR, { gfid: this.#gfid(loc), stbuf, valid, xdata }, frame);
    } catch (error) {
      return rejected(error);
    }
  }

  override fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    try {
      return this.#call(Glusterfs4.FSETATTR, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), stbuf, valid, xdata }, frame);
    } catch (error) {
      return rejected(error);
    }
  }

  override async fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#call(Glusterfs4.FALLOCATE, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), flags: keep_size ? 1 : 0, offset, size: len, xdata }, frame);
  }

  override async discard(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#call(Glusterfs4.DISCARD, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), offset, size: len, xdata }, frame);
  }

  override async zerofill(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#call(Glusterfs4.ZEROFILL, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), offset, size: len, xdata }, frame);
  }

  override async ipc(frame: Frame, op: number, xdata: Xdata): Promise<PlainReply> {
    return this.#plain(Glusterfs4.IPC, { op, xdata }, frame);
  }

  override async seek(frame: Frame, fd: Fd, offset: number, what: Seek, xdata: Xdata): Promise<SeekReply> {
    const reply = await this.#call(Glusterfs4.SEEK, { gfid: fd.inode.gfid, fd: this.#fds.number(fd, false), offset, what, xdata }, frame);
    return { offset: reply.offset, xdata: reply.xdata };
  }

  override async lease(frame: Frame, loc: Loc, lease: Lease, xdata: Xdata): Promise<LeaseReply> {
    const reply = await this.#call(Glusterfs4.LEASE, { gfid: this.#gfid(loc), lease, xdata }, frame);
    return { lease: reply.lease, xdata: reply.xdata };
  }

  override async getactivelk(frame: Frame, loc: Loc, xdata: Xdata): Promise<GetactivelkReply> {
    const reply = await this.#call(Glusterfs4.GETACTIVELK, { gfid: this.#gfid(loc), xdata }, frame);
    return { locks: reply.reply, xdata: reply.xdata };
  }

  override async setactivelk(frame: Frame, loc: Loc, locks: readonly LockMigrationInfo[], xdata: Xdata): Promise<PlainReply> {
    // A null xdata has been seen to crash 10.3 bricks (spec/rpc-wire.md, §5.4).
    return this.#plain(Glusterfs4.SETACTIVELK, { gfid: this.#gfid(loc), request: [...locks], xdata: xdata ?? new Dict() }, frame);
  }

  override async copy_file_range(frame: Frame, fd_in: Fd, off_in: number, fd_out: Fd, off_out: number, len: number, flags: number, xdata: Xdata): Promise<CopyFileRangeReply> {
    const request = { gfid1: fd_in.inode.gfid, gfid2: fd_out.inode.gfid, fd_in: this.#fds.number(fd_in, true), fd_out: this.#fds.number(fd_out, true), off_in, off_out, size: len, flag: flags, xdata };
    const reply = await this.#call(Glusterfs4.COPY_FILE_RANGE, request, frame);
    return { written: reply.op_ret, stat: reply.stat, prestat: reply.preparent, poststat: reply.postparent, xdata: reply.xdata };
  }

  override release(fd: Fd): void {
    this.#release(fd);
  }

  override releasedir(fd: Fd): void {
    this.#release(fd);
  }

  /** Nobody waits for the answer. What still has locks goes at once; the rest keeps the next call company. */
  #release(fd: Fd): void {
    const remote = this.#fds.forget(fd);
    if (remote?.local) this.#files.forget(remote);
    if (!remote || remote.number === NO_FD || this.#connection?.ready !== true) return;
    if (remote.locks > 0) this.#sendRelease(remote.directory, fd.inode.gfid, remote.number);
    else this.#releases.add(remote.directory, fd.inode.gfid, remote.number);
  }

  #sendRelease(directory: boolean, gfid: Loc['gfid'], number: number): void {
    if (this.#connection?.ready !== true) return;
    this.#link.invoke(directory ? Glusterfs4.RELEASEDIR : Glusterfs4.RELEASE, { gfid, fd: number, xdata: undefined }, NOBODY, () => undefined).catch(() => undefined);
  }

  /** Opens again what was open before the connection broke (spec/rpc-wire.md, §14.4). Failures leave it closed there. */
  async #reopen(): Promise<void> {
    const strict = this.options.bool('strict-locks');
    await Promise.all([...this.#fds.saved].filter((remote) => remote.number === NO_FD && !(strict && remote.locks > 0)).map((remote) => this.#reopenOne(remote)));
  }

  async #reopenOne(remote: RemoteFd): Promise<void> {
    const gfid = remote.fd.inode.gfid;
    remote.reopening = true;
    try {
      const reply = remote.directory
        ? await this.#call(Glusterfs4.OPENDIR, { gfid, xdata: undefined }, NOBODY)
        : await this.#call(Glusterfs4.OPEN, { gfid, flags: remote.flags & ~O_CREAT_EXCL_TRUNC, xdata: undefined }, NOBODY);
      if (remote.released) this.#sendRelease(remote.directory, gfid, reply.fd);
      else remote.number = reply.fd;
    } catch (error) {
      this.log.warning(114031, 'remote operation failed. fd could not be opened again', { reason: String(error) });
    } finally {
      remote.reopening = false;
    }
  }
}
