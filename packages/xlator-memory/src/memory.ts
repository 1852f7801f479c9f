import {
  type Bytes, type CopyFileRangeReply, type CreateReply, type Client, Dict, type Direntp, type EntryReply, type EntrylkCmd, type EntrylkType, Errno, type Fd, type Flock, FopError, type Frame, GfEvent,
  type GetxattrReply, type Gfid, IaType, type Iatt, type InodelkCmd, IoVec, type LkCmd, type LkReply, type Loc, type LookupReply, NULL_GFID, type OpenReply, OpenFlag, type PlainReply, type PrePostReply,
  type ReadReply, type ReaddirReply, type ReadlinkReply, type RenameReply, Seek, type SeekReply, SetAttr, type StatReply, type StatfsReply, type UnlinkReply, type WriteReply, type Xdata, Xlator,
  type XlatorContext, type XattropOp, type XattropReply, decodeDOff, defaultNotify, encodeDOff, graphLeaves, typeFromMode, valueBytes,
} from '@glusterts/libglusterfs';
import { type OpenDirectory, listDirectory } from './listing.js';
import { BLOCK_BYTES, type MemoryNode, type Time, isLater } from './node.js';
import { Store, leaveStore, shareStore } from './store.js';
import { virtualXattr } from './virtual-xattrs.js';
import { MDATA, encodeMdata, isXattrName, replyXdata } from './xdata-reply.js';
import { setXattrs, xattrop } from './xattrs.js';

const NAME_MAX = 255;
const UNLIMITED = 2 ** 40;
const S_ISGID = 0o2000;
const LINKTO = 'trusted.glusterfs.dht.linkto';
/** frame.flags: which times a fop changes (spec/client.md, §10). */
const Stamp = { CTIME: 1, MTIME: 2, ATIME: 4 } as const;

interface OpenNode extends OpenDirectory {
  readonly node: MemoryNode;
}

/** storage/memory: see the package's documentation. Behaves as storage/posix and features/locks do to a brick's clients. */
export class Memory extends Xlator {
  readonly #open = this.newCtxSlot<OpenNode>();
  readonly #share: string | undefined;
  readonly #store: Store;
  /** Its number among the graph's leaves, for d_off, as protocol/client's. */
  #leaf = 0;
  #leaves = 1;

  constructor(context: XlatorContext) {
    super(context);
    const limit = this.options.get('size');
    const make = (): Store => new Store(BigInt(this.graph.platform.random.below(65536)), typeof limit === 'number' && limit > 0 ? limit : UNLIMITED, this.#now());
    this.#share = this.options.text('share');
    this.#store = this.#share === undefined ? make() : shareStore(this.#share, make);
  }

  /** For tests: what lies on the brick. */
  get store(): Store {
    return this.#store;
  }

  override init(): void {
    const leaves = graphLeaves(this.graph.top);
    this.#leaf = leaves.indexOf(this);
    this.#leaves = leaves.length;
  }

  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    if (event === GfEvent.PARENT_UP) defaultNotify(this, GfEvent.CHILD_UP, undefined, this);
    else defaultNotify(this, event, data, from);
  }

  override fini(): void {
    if (this.#share !== undefined) leaveStore(this.#share, this.#store);
  }

  #now(): Time {
    return this.graph.platform.clock.realtime();
  }

  #iatt(node: MemoryNode): Iatt {
    return node.iatt(this.#store.dev);
  }

  #client(frame: Frame): object {
    return frame.client ?? this;
  }

  /** Moves times: those that the client's utime asks for, else, on nodes without mdata, those that a local disk would. */
  #touch(frame: Frame, node: MemoryNode, stamps: number, own: number): void {
    const time = stamps === 0 ? this.#now() : { sec: frame.ctime, nsec: frame.ctime_nsec };
    if (stamps === 0 && node.stamped) return;
    if (stamps !== 0 && !node.stamped) {
      node.stamped = true;
      node.atime = node.mtime = node.ctime = time;
      return;
    }
    const bits = stamps === 0 ? own : stamps;
    if (bits & Stamp.CTIME && isLater(time, node.ctime)) node.ctime = time;
    if (bits & Stamp.MTIME && isLater(time, node.mtime)) node.mtime = time;
    if (bits & Stamp.ATIME && isLater(time, node.atime)) node.atime = time;
  }

  #touchNode(frame: Frame, node: MemoryNode, own: number): void {
    this.#touch(frame, node, frame.flags & 7, own);
  }

  #touchParent(frame: Frame, node: MemoryNode): void {
    this.#touch(frame, node, (frame.flags >> 3) & 7, Stamp.CTIME | Stamp.MTIME);
  }

  /** The node of a gfid. ESTALE when nobody knows it, ENOENT when only open fds do. */
  #byGfid(gfid: Gfid): MemoryNode {
    const node = this.#store.nodes.get(gfid);
    if (node) return node;
    throw new FopError(this.#store.orphans.has(gfid) ? Errno.ENOENT : Errno.ESTALE);
  }

  /** The node that an inode fop means. */
  #inodeOf(loc: Loc): MemoryNode {
    if (loc.targetGfid !== NULL_GFID) return this.#byGfid(loc.targetGfid);
    return this.#entryOf(loc).node;
  }

  /** As {@link #inodeOf}, but also what has no name any more and is locked. */
  #lockedNode(loc: Loc): MemoryNode {
    return this.#store.orphans.get(loc.targetGfid) ?? this.#inodeOf(loc);
  }

  #parentOf(loc: Loc): MemoryNode {
    const parent = this.#store.nodes.get(loc.parentGfid);
    if (!parent) throw new FopError(Errno.ESTALE);
    if (!parent.isDirectory) throw new FopError(Errno.ENOTDIR);
    if (loc.name === '' || loc.name.includes('/')) throw new FopError(Errno.EINVAL);
    if (loc.name.length > NAME_MAX) throw new FopError(Errno.ENAMETOOLONG);
    return parent;
  }

  #entryOf(loc: Loc): { parent: MemoryNode; node: MemoryNode } {
    const parent = this.#parentOf(loc);
    const entry = parent.entries.get(loc.name);
    if (!entry) throw new FopError(Errno.ENOENT);
    return { parent, node: entry.node };
  }

  /** The node of an open fd; an anonymous one finds it by gfid. */
  #fdNode(fd: Fd): MemoryNode {
    const open = this.#open.get(fd);
    if (open) return open.node;
    if (!fd.anonymous) throw new FopError(Errno.EBADF);
    const node = this.#store.nodes.get(fd.inode.gfid) ?? this.#store.orphans.get(fd.inode.gfid);
    if (!node) throw new FopError(Errno.ESTALE);
    return node;
  }

  #fdFile(fd: Fd): { node: MemoryNode; file: NonNullable<MemoryNode['file']> } {
    const node = this.#fdNode(fd);
    if (!node.file) throw new FopError(node.isDirectory ? Errno.EISDIR : Errno.EINVAL);
    return { node, file: node.file };
  }

  #opened(fd: Fd, node: MemoryNode): void {
    if (this.#open.get(fd)) return;
    node.opens++;
    this.#open.set(fd, { node, listing: undefined });
  }

  // ------------------------------------------------------------------------------------------------ lookup and stat

  override async lookup(_frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    if (loc.name !== '' && loc.parentGfid !== NULL_GFID) {
      const { parent, node } = this.#entryOf(loc);
      return { inode: loc.inode, stat: this.#iatt(node), postparent: this.#iatt(parent), xdata: replyXdata(this.#store, node, xdata) };
    }
    const gfid = loc.targetGfid;
    if (gfid === NULL_GFID) throw new FopError(Errno.EINVAL);
    const node = this.#store.nodes.get(gfid);
    if (!node) throw new FopError(Errno.ENOENT);
    const stat = this.#iatt(node);
    return { inode: loc.inode, stat, postparent: stat, xdata: replyXdata(this.#store, node, xdata) };
  }

  override async stat(_frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply> {
    const node = this.#inodeOf(loc);
    return { stat: this.#iatt(node), xdata: replyXdata(this.#store, node, xdata) };
  }

  override async fstat(_frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
    const node = this.#fdNode(fd);
    return { stat: this.#iatt(node), xdata: replyXdata(this.#store, node, xdata) };
  }

  override async access(_frame: Frame, loc: Loc, _mask: number, _xdata: Xdata): Promise<PlainReply> {
    this.#inodeOf(loc);
    return { xdata: undefined };
  }

  override async readlink(frame: Frame, loc: Loc, size: number, _xdata: Xdata): Promise<ReadlinkReply> {
    const node = this.#inodeOf(loc);
    if (node.type !== IaType.LNK) throw new FopError(Errno.EINVAL);
    this.#touchNode(frame, node, 0);
    return { path: node.target.slice(0, size) as Bytes, stat: this.#iatt(node), xdata: undefined };
  }

  override async statfs(_frame: Frame, _loc: Loc, _xdata: Xdata): Promise<StatfsReply> {
    const blocks = Math.floor(this.#store.sizeLimit / BLOCK_BYTES);
    const free = Math.max(0, Math.floor((this.#store.sizeLimit - this.#store.usedBytes) / BLOCK_BYTES));
    const files = 2 ** 20;
    const ffree = Math.max(0, files - this.#store.nodes.size);
    return {
      statfs: { f_bsize: BLOCK_BYTES, f_frsize: BLOCK_BYTES, f_blocks: blocks, f_bfree: free, f_bavail: free, f_files: files, f_ffree: ffree, f_favail: ffree, f_fsid: 0n, f_flag: 0, f_namemax: NAME_MAX },
      xdata: undefined,
    };
  }

  // ------------------------------------------------------------------------------------------------ making entries

  /** A new node under a name: what mknod, mkdir, symlink and create share. */
  #make(frame: Frame, loc: Loc, type: IaType, mode: number, xdata: Xdata): EntryReply & { node: MemoryNode } {
    const gfid = xdata?.getGfid('gfid-req');
    if (gfid === undefined || gfid === NULL_GFID) throw new FopError(Errno.EINVAL, undefined, 'no gfid-req');
    const parent = this.#parentOf(loc);
    this.#makeRoom(parent, loc.name, xdata);
    const dropped = this.#preopCheck(parent, xdata, type === IaType.DIR ? 0 : Errno.EIO);
    if (this.#store.nodes.has(gfid) || this.#store.orphans.has(gfid)) throw new FopError(Errno.EEXIST, undefined, 'the gfid is taken');
    const preparent = this.#iatt(parent);
    let prot = mode & 0o7777;
    const setgid = (parent.prot & S_ISGID) !== 0;
    if (type === IaType.DIR && setgid) prot |= S_ISGID;
    const node = this.#store.make(gfid, type, prot, this.#now());
    node.uid = frame.uid;
    node.gid = setgid ? parent.gid : frame.gid;
    parent.addEntry(loc.name, node);
    if (xdata) {
      for (const [key, entry] of xdata.entries()) {
        const value = valueBytes(entry);
        if (value && isXattrName(key) && key !== 'trusted.gfid' && key !== MDATA && !dropped.has(key)) node.xattrs.set(key, value.slice());
      }
    }
    return { node, ...this.#made(frame, loc, parent, node, preparent) };
  }

  #made(frame: Frame, loc: Loc, parent: MemoryNode, node: MemoryNode, preparent: Iatt): EntryReply {
    this.#touchNode(frame, node, Stamp.CTIME);
    this.#touchParent(frame, parent);
    return { inode: loc.inode, stat: this.#iatt(node), preparent, postparent: this.#iatt(parent), xdata: undefined };
  }

  /** EEXIST, unless it is a linkto file that may be replaced. */
  #makeRoom(parent: MemoryNode, name: Bytes, xdata: Xdata): void {
    const existing = parent.entries.get(name)?.node;
    if (!existing) return;
    if (!xdata?.has('force-replace') || existing.type !== IaType.REG || existing.prot !== 0o1000) throw new FopError(Errno.EEXIST);
    this.#remove(parent, name);
  }

  /** DHT's check of the parent's layout; answers the keys that are no xattrs of the new entry (spec/dht.md, §11). */
  #preopCheck(parent: MemoryNode, xdata: Xdata, errno: number): ReadonlySet<string> {
    const key = xdata?.getStr('glusterfs.preop.parent.key');
    if (key === undefined) return new Set();
    const expected = xdata?.getBin(key);
    const found = parent.xattrs.get(key);
    if (expected) {
      if (!found) throw new FopError(Errno.ENODATA, new Dict().setInt('glusterfs.preop.check.failed', 1));
      if (Buffer.compare(found, expected) !== 0) throw new FopError(errno, new Dict().setInt('glusterfs.preop.check.failed', 1));
    }
    return new Set<string>([key]);
  }

  override async mknod(frame: Frame, loc: Loc, mode: number, rdev: bigint, _umask: number, xdata: Xdata): Promise<EntryReply> {
    const gfid = xdata?.getGfid('gfid-req');
    const known = xdata?.has('glusterfs-internal-fop') && gfid !== undefined ? (this.#store.nodes.get(gfid) ?? this.#store.orphans.get(gfid)) : undefined;
    if (known) return this.#nameAgain(frame, loc, known, xdata);
    const type = typeFromMode(mode) || IaType.REG;
    if (type === IaType.DIR || type === IaType.LNK) throw new FopError(Errno.EINVAL);
    const { node, ...reply } = this.#make(frame, loc, type, mode, xdata);
    node.rdev = rdev === 0n ? 0n : ((rdev >> 8n) & 0xfffn | (rdev >> 32n) & 0xfffff000n) << 32n | (rdev & 0xffn | (rdev >> 12n) & 0xffffff00n);
    reply.stat.ia_rdev = node.rdev;
    return reply;
  }

  /** DHT's linkto for a file that is on this brick already: another name for it. */
  #nameAgain(frame: Frame, loc: Loc, node: MemoryNode, xdata: Xdata): EntryReply {
    const parent = this.#parentOf(loc);
    this.#makeRoom(parent, loc.name, xdata);
    const preparent = this.#iatt(parent);
    this.#store.orphans.delete(node.gfid);
    this.#store.nodes.set(node.gfid, node);
    parent.addEntry(loc.name, node);
    const linkto = xdata?.getBin(LINKTO);
    if (linkto && !node.xattrs.has(LINKTO)) node.xattrs.set(LINKTO, linkto.slice());
    return this.#made(frame, loc, parent, node, preparent);
  }

  override async mkdir(frame: Frame, loc: Loc, mode: number, _umask: number, xdata: Xdata): Promise<EntryReply> {
    const { node: _node, ...reply } = this.#make(frame, loc, IaType.DIR, mode, xdata);
    return reply;
  }

  override async symlink(frame: Frame, linkpath: Bytes, loc: Loc, _umask: number, xdata: Xdata): Promise<EntryReply> {
    const { node, ...reply } = this.#make(frame, loc, IaType.LNK, 0o777, xdata);
    node.target = linkpath;
    return { ...reply, stat: this.#iatt(node) };
  }

  override async create(frame: Frame, loc: Loc, flags: number, mode: number, _umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    const parent = this.#parentOf(loc);
    const existing = parent.entries.get(loc.name)?.node;
    if (existing && (flags & OpenFlag.EXCL) === 0) {
      const preparent = this.#iatt(parent);
      this.#openFile(frame, existing, flags, fd);
      return { inode: loc.inode, stat: this.#iatt(existing), preparent, postparent: preparent, fd, xdata: undefined };
    }
    const { node, ...reply } = this.#make(frame, loc, IaType.REG, mode, xdata);
    this.#opened(fd, node);
    return { ...reply, fd };
  }

  override async link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
    const node = this.#inodeOf(oldloc);
    if (node.isDirectory) throw new FopError(Errno.EPERM);
    const parent = this.#parentOf(newloc);
    this.#makeRoom(parent, newloc.name, xdata);
    const preparent = this.#iatt(parent);
    parent.addEntry(newloc.name, node);
    return { ...this.#made(frame, newloc, parent, node, preparent), inode: oldloc.inode };
  }

  // ------------------------------------------------------------------------------------------------ removing, renaming

  #remove(parent: MemoryNode, name: Bytes): void {
    const node = parent.entries.get(name)?.node;
    if (!node) return;
    parent.removeEntry(name);
    if (node.isDirectory) node.parent = undefined;
    this.#store.reap(node);
  }

  override async unlink(frame: Frame, loc: Loc, _xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    const { parent, node } = this.#entryOf(loc);
    if (node.isDirectory) throw new FopError(Errno.EISDIR);
    if (xdata?.getInt('dont-unlink-for-open-fd') && node.opens > 0) throw new FopError(Errno.EBUSY);
    if (xdata?.getInt('unlink-only-if-dht-linkto-file')) {
      if (node.type !== IaType.REG || node.prot !== 0o1000 || !node.xattrs.get(LINKTO)?.length) throw new FopError(Errno.EBUSY);
    }
    const preparent = this.#iatt(parent);
    const links = node.nlink;
    this.#remove(parent, loc.name);
    if (node.nlink > 0) this.#touchNode(frame, node, Stamp.CTIME);
    this.#touchParent(frame, parent);
    const reply = new Dict().setUint('get-link-count', xdata?.has('get-link-count') ? links : 0);
    if (xdata?.has('gf_get_file_block_count')) reply.setUint('gf_get_file_block_count', this.#iatt(node).ia_blocks);
    if (xdata?.has('gf_request_link_count')) reply.setUint('gf_response_link_count', links);
    if (xdata?.has('dht-get-iatt-in-xattr') && node.type === IaType.REG) {
      reply.setIatt('dht-get-iatt-in-xattr', this.#iatt(node)).setIatt('virt-gf-poststat', this.#iatt(node));
    }
    return { preparent, postparent: this.#iatt(parent), xdata: reply };
  }

  override async rmdir(frame: Frame, loc: Loc, flags: number, _xdata: Xdata): Promise<UnlinkReply> {
    const { parent, node } = this.#entryOf(loc);
    if (!node.isDirectory) throw new FopError(Errno.ENOTDIR);
    if (node.entries.size > 0 && flags === 0) throw new FopError(Errno.ENOTEMPTY);
    const preparent = this.#iatt(parent);
    this.#removeBelow(node);
    this.#remove(parent, loc.name);
    this.#touchParent(frame, parent);
    return { preparent, postparent: this.#iatt(parent), xdata: undefined };
  }

  #removeBelow(node: MemoryNode): void {
    for (const entry of [...node.entries.values()]) {
      this.#removeBelow(entry.node);
      this.#remove(node, entry.name);
    }
  }

  override async rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    const { parent: from, node } = this.#entryOf(oldloc);
    const to = this.#parentOf(newloc);
    const victim = to.entries.get(newloc.name)?.node;
    if (victim?.isDirectory && victim !== node) {
      const known = newloc.targetGfid;
      if (known !== victim.gfid) throw new FopError(Errno.EEXIST);
    }
    const [preoldparent, prenewparent] = [this.#iatt(from), this.#iatt(to)];
    const reply = new Dict();
    if (xdata?.has('get-link-count')) reply.setUint('get-link-count', victim?.nlink ?? 0);
    if (victim && xdata?.has('gf_request_link_count')) reply.setUint('gf_response_link_count', victim.nlink);
    if (victim !== node) {
      if (node.isDirectory && to.isWithin(node)) throw new FopError(Errno.EINVAL);
      if (victim && node.isDirectory && !victim.isDirectory) throw new FopError(Errno.ENOTDIR);
      if (victim && !node.isDirectory && victim.isDirectory) throw new FopError(Errno.EISDIR);
      if (victim && victim.entries.size > 0) throw new FopError(Errno.ENOTEMPTY);
      if (victim) this.#remove(to, newloc.name);
      from.removeEntry(oldloc.name);
      to.addEntry(newloc.name, node);
      this.#touchNode(frame, node, Stamp.CTIME);
      this.#touchParent(frame, from);
      this.#touchParent(frame, to);
    }
    return {
      stat: this.#iatt(node), preoldparent, postoldparent: this.#iatt(from), prenewparent, postnewparent: this.#iatt(to),
      xdata: reply.size > 0 ? reply : undefined,
    };
  }

  // ------------------------------------------------------------------------------------------------ fds and data

  #openFile(frame: Frame, node: MemoryNode, flags: number, fd: Fd): void {
    if (node.type === IaType.LNK) throw new FopError(Errno.ELOOP);
    if (node.isDirectory && (flags & OpenFlag.ACCMODE) !== OpenFlag.RDONLY) throw new FopError(Errno.EISDIR);
    if (node.type === IaType.CHR || node.type === IaType.BLK) throw new FopError(Errno.EINVAL);
    if (flags & OpenFlag.TRUNC && node.file) {
      node.file.truncate(0);
      this.#touchNode(frame, node, Stamp.CTIME | Stamp.MTIME);
    } else {
      this.#touchNode(frame, node, 0);
    }
    this.#opened(fd, node);
  }

  override async open(frame: Frame, loc: Loc, flags: number, fd: Fd, _xdata: Xdata): Promise<OpenReply> {
    this.#openFile(frame, this.#inodeOf(loc), flags, fd);
    return { fd, xdata: undefined };
  }

  override async opendir(_frame: Frame, loc: Loc, fd: Fd, _xdata: Xdata): Promise<OpenReply> {
    const node = this.#inodeOf(loc);
    if (!node.isDirectory) throw new FopError(Errno.ENOTDIR);
    this.#opened(fd, node);
    return { fd, xdata: undefined };
  }

  override async readv(frame: Frame, fd: Fd, size: number, offset: number, _flags: number, _xdata: Xdata): Promise<ReadReply> {
    const { node, file } = this.#fdFile(fd);
    if (size <= 0) throw new FopError(Errno.EINVAL);
    const count = Math.max(0, Math.min(size, file.size - offset));
    let vector = IoVec.empty;
    if (count > 0) {
      const buf = this.graph.iobufs.get(count);
      const bytes = buf.memory.subarray(0, count);
      file.read(bytes, offset);
      vector = new IoVec([bytes], [buf]);
    }
    this.#touchNode(frame, node, Stamp.ATIME);
    return { vector, stat: this.#iatt(node), eof: file.size === 0 || offset + count >= file.size, xdata: undefined };
  }

  override async writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, _flags: number, xdata: Xdata): Promise<WriteReply> {
    const { node, file } = this.#fdFile(fd);
    if (xdata?.has('glusterfs.avoid.overwrite') && node.xattrs.has('trusted.glusterfs.protect.writes')) throw new FopError(Errno.EBUSY);
    const prestat = this.#iatt(node);
    let at = fd.flags & OpenFlag.APPEND ? file.size : offset;
    if (at + vector.size > Number.MAX_SAFE_INTEGER) throw new FopError(Errno.EFBIG);
    const reply = new Dict();
    if (xdata?.has('glusterfs.write-is-append')) reply.setUint('glusterfs.write-is-append', at === file.size ? 1 : 0);
    file.allocate(at, vector.size);
    for (const chunk of vector.chunks) {
      file.write(chunk, at);
      at += chunk.length;
    }
    const protect = xdata?.getBin('trusted.glusterfs.protect.writes');
    if (protect) node.xattrs.set('trusted.glusterfs.protect.writes', protect.slice());
    for (const key of ['glusterfs.open-fd-count', 'glusterfs.open-active-fd-count']) if (xdata?.has(key)) reply.setUint(key, node.opens);
    if (xdata?.has('glusterfs.inodelk-count')) reply.setInt('glusterfs.inodelk-count', node.locks.inodelkCount());
    this.#touchNode(frame, node, Stamp.CTIME | Stamp.MTIME);
    return { written: vector.size, prestat, poststat: this.#iatt(node), xdata: xdata ? reply : undefined };
  }

  /** A change of content: pre and post iatts, and the times. */
  #changed(frame: Frame, node: MemoryNode, change: () => void): PrePostReply {
    const prestat = this.#iatt(node);
    change();
    this.#touchNode(frame, node, Stamp.CTIME | Stamp.MTIME);
    return { prestat, poststat: this.#iatt(node), xdata: undefined };
  }

  override async truncate(frame: Frame, loc: Loc, offset: number, _xdata: Xdata): Promise<PrePostReply> {
    const node = this.#inodeOf(loc);
    const { file } = node;
    if (!file) throw new FopError(node.isDirectory ? Errno.EISDIR : Errno.EINVAL);
    return this.#changed(frame, node, () => file.truncate(offset));
  }

  override async ftruncate(frame: Frame, fd: Fd, offset: number, _xdata: Xdata): Promise<PrePostReply> {
    const { node, file } = this.#fdFile(fd);
    return this.#changed(frame, node, () => file.truncate(offset));
  }

  override async fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, _xdata: Xdata): Promise<PrePostReply> {
    const { node, file } = this.#fdFile(fd);
    return this.#changed(frame, node, () => {
      file.allocate(offset, len);
      if (!keep_size) file.size = Math.max(file.size, offset + len);
    });
  }

  override async discard(frame: Frame, fd: Fd, offset: number, len: number, _xdata: Xdata): Promise<PrePostReply> {
    const { node, file } = this.#fdFile(fd);
    return this.#changed(frame, node, () => file.punch(offset, len));
  }

  override async zerofill(frame: Frame, fd: Fd, offset: number, len: number, _xdata: Xdata): Promise<PrePostReply> {
    const { node, file } = this.#fdFile(fd);
    return this.#changed(frame, node, () => {
      file.punch(offset, len);
      file.allocate(offset, len);
      file.size = Math.max(file.size, offset + len);
    });
  }

  override async seek(_frame: Frame, fd: Fd, offset: number, what: Seek, _xdata: Xdata): Promise<SeekReply> {
    const { file } = this.#fdFile(fd);
    if (offset >= file.size || offset < 0) throw new FopError(Errno.ENXIO);
    if (what === Seek.HOLE) return { offset: file.seekHole(offset), xdata: undefined };
    const data = file.seekData(offset);
    if (data === undefined) throw new FopError(Errno.ENXIO);
    return { offset: data, xdata: undefined };
  }

  override async copy_file_range(frame: Frame, fd_in: Fd, off_in: number, fd_out: Fd, off_out: number, len: number, _flags: number, _xdata: Xdata): Promise<CopyFileRangeReply> {
    const source = this.#fdFile(fd_in);
    const target = this.#fdFile(fd_out);
    const bytes = new Uint8Array(Math.max(0, Math.min(len, source.file.size - off_in)));
    source.file.read(bytes, off_in);
    const reply = this.#changed(frame, target.node, () => target.file.write(bytes, off_out));
    return { ...reply, written: bytes.length, stat: this.#iatt(source.node) };
  }

  override async flush(frame: Frame, fd: Fd, _xdata: Xdata): Promise<PlainReply> {
    this.#fdNode(fd).locks.flush(frame, this.#client(frame), fd);
    return { xdata: undefined };
  }

  override async fsync(_frame: Frame, fd: Fd, _datasync: boolean, _xdata: Xdata): Promise<PrePostReply> {
    const stat = this.#iatt(this.#fdNode(fd));
    return { prestat: stat, poststat: stat.clone(), xdata: undefined };
  }

  override async fsyncdir(_frame: Frame, fd: Fd, _datasync: boolean, _xdata: Xdata): Promise<PlainReply> {
    this.#fdNode(fd);
    return { xdata: undefined };
  }

  override release(fd: Fd): void {
    const open = this.#open.get(fd);
    if (!open) return;
    open.node.locks.release(fd);
    open.node.opens--;
    this.#store.reap(open.node);
  }

  override releasedir(fd: Fd): void {
    this.release(fd);
  }

  override client_disconnect(client: Client): void {
    for (const node of [...this.#store.nodes.values(), ...this.#store.orphans.values()]) node.locks.forgetClient(client);
  }

  // ------------------------------------------------------------------------------------------------ directories

  override async readdir(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply> {
    return this.readdirp(frame, fd, size, offset, xdata);
  }

  override async readdirp(_frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    const node = this.#fdNode(fd);
    if (!node.isDirectory) throw new FopError(Errno.ENOTDIR);
    const open = this.#open.get(fd) ?? { listing: undefined };
    const { entries, eof } = listDirectory(open, node, size, decodeDOff(offset, this.#leaves), { iatt: (of) => this.#iatt(of), xdata: (of) => replyXdata(this.#store, of, xdata), noDirectories: xdata?.getBool('readdir-filter-directories') === true });
    if (this.#leaves > 1) for (const entry of entries) entry.d_off = encodeDOff(entry.d_off, this.#leaf, this.#leaves);
    return { entries, eof, xdata: undefined };
  }

  // ------------------------------------------------------------------------------------------------ attributes, xattrs

  #setattr(frame: Frame, node: MemoryNode, stbuf: Iatt, valid: number, xdata: Xdata): PrePostReply {
    const prestat = this.#iatt(node);
    if (valid & SetAttr.UID) node.uid = stbuf.ia_uid;
    if (valid & SetAttr.GID) node.gid = stbuf.ia_gid;
    if (valid & SetAttr.MODE && node.type !== IaType.LNK) node.prot = stbuf.ia_prot;
    this.#touchNode(frame, node, Stamp.CTIME);
    if (valid & SetAttr.ATIME) node.atime = { sec: stbuf.ia_atime, nsec: stbuf.ia_atime_nsec };
    if (valid & SetAttr.MTIME) node.mtime = { sec: stbuf.ia_mtime, nsec: stbuf.ia_mtime_nsec };
    if (valid & SetAttr.CTIME) {
      const given = { sec: stbuf.ia_ctime, nsec: stbuf.ia_ctime_nsec };
      if (isLater(given, node.ctime)) node.ctime = given;
    }
    return { prestat, poststat: this.#iatt(node), xdata: replyXdata(this.#store, node, xdata) };
  }

  override async setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#setattr(frame, this.#inodeOf(loc), stbuf, valid, xdata);
  }

  override async fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#setattr(frame, this.#fdNode(fd), stbuf, valid, xdata);
  }

  /** A change of xattrs, with the iatts that its reply carries. */
  #xattrsChanged(node: MemoryNode, change: () => void): PlainReply {
    const pre = this.#iatt(node);
    change();
    const post = this.#iatt(node);
    return { xdata: new Dict().setIatt('virt-gf-prestat', pre).setIatt('virt-gf-poststat', post).setIatt('dht-get-iatt-in-xattr', post) };
  }

  override async setxattr(_frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    const node = this.#inodeOf(loc);
    return this.#xattrsChanged(node, () => setXattrs(node, dict, flags, xdata));
  }

  override async fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    const node = this.#fdNode(fd);
    return this.#xattrsChanged(node, () => {
      setXattrs(node, dict, flags, xdata);
      this.#touchNode(frame, node, Stamp.CTIME);
    });
  }

  #getxattr(frame: Frame, node: MemoryNode, name: Bytes | undefined, xdata: Xdata): GetxattrReply {
    const dict = new Dict();
    const reply = replyXdata(this.#store, node, xdata);
    if (name === undefined || name === '') {
      for (const [key, value] of node.xattrs) dict.setBin(key, value);
      return { dict, xdata: reply };
    }
    const virtual = virtualXattr(this.#store, this.name, node, name);
    if (virtual !== undefined) return { dict: dict.setStr(name, virtual), xdata: reply };
    if (name === MDATA && node.stamped && frame.pid < 0) return { dict: dict.setBin(name, encodeMdata(node)), xdata: reply };
    if (name === 'trusted.gfid') return { dict, xdata: reply };
    const value = node.xattrs.get(name);
    if (!value) throw new FopError(isXattrName(name) ? Errno.ENODATA : Errno.EOPNOTSUPP);
    return { dict: dict.setBin(name, value), xdata: reply };
  }

  override async getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    return this.#getxattr(frame, this.#inodeOf(loc), name, xdata);
  }

  override async fgetxattr(frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    return this.#getxattr(frame, this.#fdNode(fd), name, xdata);
  }

  #removexattr(frame: Frame, node: MemoryNode, name: Bytes, xdata: Xdata): PlainReply {
    if (name === 'trusted.gfid' || name === 'trusted.glusterfs.volume-id') throw new FopError(Errno.EPERM);
    return this.#xattrsChanged(node, () => {
      if (name === '' && xdata) for (const key of xdata.keys()) node.xattrs.delete(key);
      else if (!node.xattrs.delete(name)) throw new FopError(Errno.ENODATA);
      this.#touchNode(frame, node, Stamp.CTIME);
    });
  }

  override async removexattr(frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return this.#removexattr(frame, this.#inodeOf(loc), name, xdata);
  }

  override async fremovexattr(frame: Frame, fd: Fd, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    return this.#removexattr(frame, this.#fdNode(fd), name, xdata);
  }

  #xattrop(node: MemoryNode, op: XattropOp, dict: Dict, xdata: Xdata): XattropReply {
    const answer = xattrop(node, op, dict);
    const reply = replyXdata(this.#store, node, xdata);
    if (reply && xdata?.has('dht-get-mode-in-xattr') && node.type === IaType.REG) reply.setInt('dht-get-mode-in-xattr', this.#iatt(node).mode);
    return { dict: answer, xdata: reply };
  }

  override async xattrop(_frame: Frame, loc: Loc, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    return this.#xattrop(this.#inodeOf(loc), flags, dict, xdata);
  }

  override async fxattrop(_frame: Frame, fd: Fd, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    return this.#xattrop(this.#fdNode(fd), flags, dict, xdata);
  }

  // ------------------------------------------------------------------------------------------------ locks

  override async lk(frame: Frame, fd: Fd, cmd: LkCmd, flock: Flock, _xdata: Xdata): Promise<LkReply> {
    return { flock: await this.#fdNode(fd).locks.lk(frame, this.#client(frame), fd, cmd, flock), xdata: undefined };
  }

  override async inodelk(frame: Frame, volume: Bytes, loc: Loc, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
    const node = this.#lockedNode(loc);
    await node.locks.inodelk(frame, this.#client(frame), volume, cmd, flock);
    this.#store.reap(node);
    return { xdata: replyXdata(this.#store, node, xdata) };
  }

  override async finodelk(frame: Frame, volume: Bytes, fd: Fd, cmd: InodelkCmd, flock: Flock, xdata: Xdata): Promise<PlainReply> {
    const node = this.#fdNode(fd);
    await node.locks.inodelk(frame, this.#client(frame), volume, cmd, flock);
    return { xdata: replyXdata(this.#store, node, xdata) };
  }

  override async entrylk(frame: Frame, volume: Bytes, loc: Loc, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, _xdata: Xdata): Promise<PlainReply> {
    const node = this.#lockedNode(loc);
    await node.locks.entrylk(frame, this.#client(frame), volume, name, cmd, type);
    this.#store.reap(node);
    return { xdata: undefined };
  }

  override async fentrylk(frame: Frame, volume: Bytes, fd: Fd, name: Bytes | undefined, cmd: EntrylkCmd, type: EntrylkType, _xdata: Xdata): Promise<PlainReply> {
    await this.#fdNode(fd).locks.entrylk(frame, this.#client(frame), volume, name, cmd, type);
    return { xdata: undefined };
  }
}
