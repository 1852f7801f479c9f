import {
  type Bytes, type CacheInvalidation, type Client, type CreateReply, Dict, type Direntp, type EntryReply, type Fd, type Flock, type Frame, type GetxattrReply, GfEvent, Iatt, type Inode, type IoVec, type LkCmd, type LkReply, type Loc,
  type LookupReply, NULL_GFID, type OpenReply, type OptionValues, type PlainReply, type PrePostReply, type ReadReply, type ReaddirReply, type ReadlinkReply, type RenameReply, type Seek, type SeekReply, type StatReply,
  type StatfsReply, type Timer, type UnlinkReply, type WriteReply, type Xdata, Xlator, type XlatorContext, type XlatorDefinition, type XattropOp, type XattropReply, setPassThrough,
} from '@glusterts/libglusterfs';
import { Registrations } from './registrations.js';
import { XattrFilter, wasPendingBefore } from './xattr-filter.js';

/** What an event says has changed (spec/rpc-wire.md, §9.11), as GlusterFS combines it for each kind of fop (spec/features.md, §11.3). */
const Changed = { WRITTEN: 0x18, ATTRIBUTES: 0x5e, RENAMED: 0x280, LINKS: 0x211, TIMES: 0x10, XATTR: 0x400, XATTR_REMOVED: 0x800, FORGOTTEN: 0x100 } as const;
/** The target of an ipc that registers xattrs. */
const IPC_UPCALL = 2;
const POSTSTAT = 'virt-gf-poststat';
const NO_IATT = new Iatt();

/** What goes with an event; absent iatts are zero on the wire. */
interface Details {
  readonly stat?: Iatt | undefined;
  readonly parent?: Iatt;
  readonly oldparent?: Iatt;
  readonly dict?: Dict;
}

/**
 * features/upcall: tells clients of changes that others make to what they have in their caches (spec/features.md, §11). While
 * cache-invalidation is off it has no fops but ipc, and costs nothing.
 */
export class Upcall extends Xlator {
  readonly #users: Registrations;
  readonly #filter = new XattrFilter();
  #reaper: Timer | undefined;

  constructor(context: XlatorContext) {
    super(context);
    this.#users = new Registrations(this.newCtxSlot(), this.graph.platform.clock, this.options.number('cache-invalidation-timeout') * 1000);
    setPassThrough(this, !this.options.bool('cache-invalidation'), ['ipc']);
  }

  override init(): void {
    this.#scheduleReaper();
  }

  override reconfigure(options: OptionValues): void {
    this.options = options;
    this.#users.timeout = options.number('cache-invalidation-timeout') * 1000;
    if (setPassThrough(this, !options.bool('cache-invalidation'), ['ipc'])) this.graph.rebind();
    this.#scheduleReaper();
  }

  override fini(): void {
    this.#reaper?.cancel();
  }

  override forget(inode: Inode): void {
    const { gfid } = inode;
    this.#users.forget(inode, (client) => {
      if (this.options.bool('cache-invalidation') && gfid !== NULL_GFID) this.#send(client, inode, Changed.FORGOTTEN, {});
    });
  }

  override client_disconnect(client: Client): void {
    this.#users.disconnected(client);
  }

  /** Every half timeout it forgets clients that have not used an inode for two of them. */
  #scheduleReaper(): void {
    this.#reaper?.cancel();
    if (!this.options.bool('cache-invalidation')) return;
    const { timers } = this.graph.platform;
    this.#reaper = timers.after(Math.max(this.#users.timeout / 2, 1000), () => {
      const round = this.#users.reap();
      const step = (): void => {
        if (round.next().done === true) this.#scheduleReaper();
        else timers.soon(step);
      };
      step();
    }, { background: true });
  }

  #send(client: Client, inode: Inode, flags: number, details: Details): void {
    const event: CacheInvalidation = {
      kind: 'cache-invalidation', client, gfid: inode.gfid, flags, expire_time_attr: this.#users.timeout / 1000,
      stat: details.stat ?? NO_IATT, parent_stat: details.parent ?? NO_IATT, oldparent_stat: details.oldparent ?? NO_IATT, dict: details.dict,
    };
    this.notify(GfEvent.UPCALL, event);
  }

  /** The caller has used the inode. Fops without a client are the brick's own. */
  #used(frame: Frame, inode: Inode | undefined, stat?: Iatt): void {
    const { client } = frame;
    if (!client || !inode) return;
    this.#users.register(this.#linked(inode, stat), client);
  }

  /** The caller has changed the inode: others that know it are told. */
  #changed(frame: Frame, inode: Inode, flags: number, details: Details): void {
    const { client } = frame;
    if (!client) return;
    if (inode.gfid !== NULL_GFID) this.#users.others(inode, client, (other) => this.#send(other, inode, flags, details));
    this.#users.register(inode, client);
  }

  /**
   * An entry of the directory is gone or new, and `entry`'s event says so. GlusterFS tells nothing to clients that know the
   * directory but not the entry, and leaves them with its old times (spec/features.md, §11.3); they are told as of a creation.
   */
  #entryChanged(frame: Frame, directory: Inode | undefined, entry: Inode, stat: Iatt): void {
    const { client } = frame;
    if (!client || !directory) return;
    this.#users.others(directory, client, (other) => {
      if (!this.#users.isTold(entry, other)) this.#send(other, directory, Changed.TIMES, { stat });
    });
    this.#used(frame, directory);
  }

  /** A lookup by gfid answers with a fresh inode; the table may know the file already. */
  #linked(inode: Inode, stat?: Iatt): Inode {
    return inode.gfid === NULL_GFID && stat !== undefined ? (inode.table.find(stat.ia_gfid) ?? inode) : inode;
  }

  /** After a fop that only uses the inode. */
  async #using<T>(frame: Frame, inode: Inode, below: Promise<T>): Promise<T> {
    const reply = await below;
    this.#used(frame, inode);
    return reply;
  }

  override ipc(frame: Frame, op: number, xdata: Xdata): Promise<PlainReply> {
    if (op !== IPC_UPCALL) return this.child.ipc(frame, op, xdata);
    this.#filter.register(xdata);
    return Promise.resolve({ xdata: undefined });
  }

  // ---- fops that use an inode ----

  override async lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    const reply = await this.child.lookup(frame, loc, xdata);
    this.#used(frame, reply.inode, reply.stat);
    return reply;
  }

  override stat(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply> {
    return this.#using(frame, loc.inode, this.child.stat(frame, loc, xdata));
  }

  override fstat(frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
    return this.#using(frame, fd.inode, this.child.fstat(frame, fd, xdata));
  }

  override access(frame: Frame, loc: Loc, mask: number, xdata: Xdata): Promise<PlainReply> {
    return this.#using(frame, loc.inode, this.child.access(frame, loc, mask, xdata));
  }

  override readlink(frame: Frame, loc: Loc, size: number, xdata: Xdata): Promise<ReadlinkReply> {
    return this.#using(frame, loc.inode, this.child.readlink(frame, loc, size, xdata));
  }

  override statfs(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatfsReply> {
    return this.#using(frame, loc.inode, this.child.statfs(frame, loc, xdata));
  }

  override open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    return this.#using(frame, loc.inode, this.child.open(frame, loc, flags, fd, xdata));
  }

  override opendir(frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    return this.#using(frame, loc.inode, this.child.opendir(frame, loc, fd, xdata));
  }

  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    return this.#using(frame, fd.inode, this.child.readv(frame, fd, size, offset, flags, xdata));
  }

  override lk(frame: Frame, fd: Fd, cmd: LkCmd, flock: Flock, xdata: Xdata): Promise<LkReply> {
    return this.#using(frame, fd.inode, this.child.lk(frame, fd, cmd, flock, xdata));
  }

  override readdir(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply> {
    return this.#using(frame, fd.inode, this.child.readdir(frame, fd, size, offset, xdata));
  }

  override getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    return this.#using(frame, loc.inode, this.child.getxattr(frame, loc, name, xdata));
  }

  override fgetxattr(frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    return this.#using(frame, fd.inode, this.child.fgetxattr(frame, fd, name, xdata));
  }

  override seek(frame: Frame, fd: Fd, offset: number, what: Seek, xdata: Xdata): Promise<SeekReply> {
    return this.#using(frame, fd.inode, this.child.seek(frame, fd, offset, what, xdata));
  }

  /** Each entry is in the caller's cache from now on. */
  override async readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    const reply = await this.child.readdirp(frame, fd, size, offset, xdata);
    this.#used(frame, fd.inode);
    for (const entry of reply.entries) {
      if (entry.stat.ia_gfid === NULL_GFID || entry.name === '..') continue;
      entry.inode ??= fd.inode.table.find(entry.stat.ia_gfid) ?? fd.inode.table.create();
      this.#used(frame, entry.inode);
    }
    return reply;
  }

  // ---- changes of a file ----

  async #written<T extends PrePostReply>(frame: Frame, inode: Inode, below: Promise<T>): Promise<T> {
    const reply = await below;
    this.#changed(frame, inode, Changed.WRITTEN, { stat: reply.poststat });
    return reply;
  }

  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    return this.#written(frame, fd.inode, this.child.writev(frame, fd, vector, offset, flags, xdata));
  }

  override truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#written(frame, loc.inode, this.child.truncate(frame, loc, offset, xdata));
  }

  override ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#written(frame, fd.inode, this.child.ftruncate(frame, fd, offset, xdata));
  }

  override fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#written(frame, fd.inode, this.child.fallocate(frame, fd, keep_size, offset, len, xdata));
  }

  override discard(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#written(frame, fd.inode, this.child.discard(frame, fd, offset, len, xdata));
  }

  override zerofill(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#written(frame, fd.inode, this.child.zerofill(frame, fd, offset, len, xdata));
  }

  /** A changed mode may have changed ACLs, which are xattrs. */
  async #set(frame: Frame, inode: Inode, below: Promise<PrePostReply>): Promise<PrePostReply> {
    const reply = await below;
    const flags = reply.prestat.ia_prot === reply.poststat.ia_prot ? Changed.ATTRIBUTES : Changed.ATTRIBUTES | Changed.XATTR;
    this.#changed(frame, inode, flags, { stat: reply.poststat });
    return reply;
  }

  override setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#set(frame, loc.inode, this.child.setattr(frame, loc, stbuf, valid, xdata));
  }

  override fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#set(frame, fd.inode, this.child.fsetattr(frame, fd, stbuf, valid, xdata));
  }

  // ---- entries ----

  async #made<T extends EntryReply>(frame: Frame, loc: Loc, below: Promise<T>): Promise<T> {
    const reply = await below;
    if (loc.parent) this.#changed(frame, loc.parent, Changed.TIMES, { stat: reply.postparent });
    this.#used(frame, reply.inode, reply.stat);
    return reply;
  }

  override create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    return this.#made(frame, loc, this.child.create(frame, loc, flags, mode, umask, fd, xdata));
  }

  override mknod(frame: Frame, loc: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.#made(frame, loc, this.child.mknod(frame, loc, mode, rdev, umask, xdata));
  }

  override mkdir(frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.#made(frame, loc, this.child.mkdir(frame, loc, mode, umask, xdata));
  }

  override symlink(frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.#made(frame, loc, this.child.symlink(frame, linkpath, loc, umask, xdata));
  }

  override async link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
    const reply = await this.child.link(frame, oldloc, newloc, xdata);
    this.#changed(frame, oldloc.inode, Changed.LINKS, { stat: reply.stat, parent: reply.postparent });
    this.#entryChanged(frame, newloc.parent, oldloc.inode, reply.postparent);
    return reply;
  }

  /** Clients take the directory's attributes from the object's event. */
  async #removed(frame: Frame, loc: Loc, below: Promise<UnlinkReply>): Promise<UnlinkReply> {
    const reply = await below;
    this.#changed(frame, loc.inode, Changed.LINKS, { parent: reply.postparent });
    this.#entryChanged(frame, loc.parent, loc.inode, reply.postparent);
    return reply;
  }

  override unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    return this.#removed(frame, loc, this.child.unlink(frame, loc, xflags, xdata));
  }

  override rmdir(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
    return this.#removed(frame, loc, this.child.rmdir(frame, loc, flags, xdata));
  }

  override async rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    const reply = await this.child.rename(frame, oldloc, newloc, xdata);
    this.#changed(frame, oldloc.inode, Changed.RENAMED, { stat: reply.stat, parent: reply.postnewparent, oldparent: reply.postoldparent });
    this.#entryChanged(frame, oldloc.parent, oldloc.inode, reply.postoldparent);
    if (newloc.parent !== oldloc.parent) this.#entryChanged(frame, newloc.parent, oldloc.inode, reply.postnewparent);
    return reply;
  }

  // ---- xattrs ----

  async #xattrs(frame: Frame, inode: Inode, flags: number, changed: Dict, below: Promise<PlainReply>): Promise<PlainReply> {
    const reply = await below;
    const dict = this.#filter.apply(changed);
    if (!dict) return reply;
    const stat = reply.xdata?.getIatt(POSTSTAT);
    this.#changed(frame, inode, stat === undefined ? flags : flags | Changed.TIMES, { stat, dict });
    return reply;
  }

  override setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return this.#xattrs(frame, loc.inode, Changed.XATTR, dict, this.child.setxattr(frame, loc, dict, flags, xdata));
  }

  override fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return this.#xattrs(frame, fd.inode, Changed.XATTR, dict, this.child.fsetxattr(frame, fd, dict, flags, xdata));
  }

  override removexattr(frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return this.#xattrs(frame, loc.inode, Changed.XATTR_REMOVED, new Dict().setStr(name, ''), this.child.removexattr(frame, loc, name, xdata));
  }

  override fremovexattr(frame: Frame, fd: Fd, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return this.#xattrs(frame, fd.inode, Changed.XATTR_REMOVED, new Dict().setStr(name, ''), this.child.fremovexattr(frame, fd, name, xdata));
  }

  /** Of the replicas' pending counts only the first one is told: the file must be read elsewhere now. */
  async #marked(frame: Frame, inode: Inode, request: Dict, below: Promise<XattropReply>): Promise<XattropReply> {
    const dict = this.#filter.apply(request);
    const reply = await below;
    if (dict && !wasPendingBefore(dict, reply.dict)) this.#changed(frame, inode, Changed.XATTR, { dict });
    return reply;
  }

  override xattrop(frame: Frame, loc: Loc, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    return this.#marked(frame, loc.inode, dict, this.child.xattrop(frame, loc, flags, dict, xdata));
  }

  override fxattrop(frame: Frame, fd: Fd, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    return this.#marked(frame, fd.inode, dict, this.child.fxattrop(frame, fd, flags, dict, xdata));
  }
}

/** Options: spec/features.md, §0.3. */
export const upcall: XlatorDefinition = {
  type: 'features/upcall',
  options: [
    { key: 'cache-invalidation', type: 'bool', default: 'off', flags: ['settable'], description: 'tell clients of changes that others make to what they have used' },
    { key: 'cache-invalidation-timeout', type: 'time', default: '60', flags: ['settable'], description: 'seconds for which a client that did nothing with an inode is told' },
  ],
  create: (context) => new Upcall(context),
};
