import { type Bytes, Dict, EntrylkCmd, EntrylkType, Fd, type Flock, Frame, type Gfid, type Graph, InodelkCmd, type Inode, IoVec, LkType, Loc, OpenFlag, type Platform, type Subvolume } from '@glusterts/libglusterfs';

const OPEN_LARGEFILE = 0o100000;
const READDIR_SIZE = 0x20000;
const FILE_MODE = 0o100644;
const LINKTO_MODE = 0o101000;
const VERSION_BYTES = 16;
const LAYOUT_BYTES = 16;
/** Of a dispersed volume's locks. */
const DOMAIN = 'rehearsal';
/** The times that features/utime has a fop change: of the object and its directory (its `Stamp`). */
const MAKES = 31;
/** And what renames and links. */
const REMOVES = 25;
const WRITES = 3;
const WHOLE: Pick<Flock, 'whence' | 'start' | 'len'> = { whence: 0, start: 0n, len: 0n };

/** A fop that distribute makes for itself. */
function internal(): Dict {
  return new Dict().setStr('glusterfs-internal-fop', 'yes');
}

function u64s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, i) => bytes.writeBigInt64BE(BigInt(value), i * 8));
  return bytes;
}

/** What a dispersed volume's file has once it is closed: versions and size, and its mark no more. */
function versionsAlong(fragment: number): Dict {
  return new Dict().setUint('glusterts.along', 1).setBin('glusterts.along:trusted.ec.version', u64s(1, 1)).setBin('glusterts.along:trusted.ec.dirty', u64s(-1, -1)).setBin('glusterts.along:trusted.ec.size', u64s(fragment * 4));
}

/** A file that the caller has open. */
export interface OpenedFile {
  readonly inode: Inode;
  readonly fd: Fd;
}

/**
 * Asks a brick, through protocol/client alone, for what the clients of a distributed or dispersed volume ask for, with the same xdata
 * (recorded from our own clients). Each fop is one message.
 */
export class BrickCaller {
  readonly #top: Subvolume;
  readonly #graph: Graph;
  readonly #platform: Platform;
  readonly #dispersed: boolean;
  readonly #frame: Frame;

  constructor(graph: Graph, platform: Platform, dispersed: boolean) {
    this.#graph = graph;
    this.#top = graph.topSubvolume;
    this.#platform = platform;
    this.#dispersed = dispersed;
    this.#frame = new Frame({ pid: process.pid, groups: [0], lk_owner: Buffer.from(platform.random.bytes(8)).toString('latin1') as Bytes });
  }

  get root(): Inode {
    return this.#graph.inodeTable.root;
  }

  /** A distributed volume's directory has its layout, which creations compare; without it they fail. */
  async setLayout(directory: Inode): Promise<void> {
    const xdata = new Dict().setInt('dht-get-iatt-in-xattr', 1).setStr('glusterfs-internal-fop', 'yes');
    await this.#top.setxattr(this.#frame, new Loc({ inode: directory, path: this.#path(directory) }), new Dict().setBin('trusted.glusterfs.dht', Buffer.alloc(LAYOUT_BYTES)), 0, xdata);
  }

  async mkdir(parent: Inode, name: string): Promise<Inode> {
    const inode = this.#graph.inodeTable.create();
    const xdata = this.#entryXdata().setGfid('gfid-req', this.#gfid());
    const reply = await this.#top.mkdir(this.#timed(MAKES), this.#loc(parent, name, inode), 0o755, 0, xdata);
    return this.#graph.inodeTable.link(inode, parent, name as Bytes, reply.stat);
  }

  /** Undefined when there is no such name. */
  async lookup(parent: Inode, name: string): Promise<Inode | undefined> {
    const known = this.#graph.inodeTable.grep(parent, name as Bytes);
    const inode = known ?? this.#graph.inodeTable.create();
    const xdata = this.#lookupXdata();
    if (!known) xdata.setGfid('gfid-req', this.#gfid());
    try {
      const reply = await this.#top.lookup(this.#frame, this.#loc(parent, name, inode), xdata);
      return this.#graph.inodeTable.link(inode, parent, name as Bytes, reply.stat);
    } catch {
      return undefined;
    }
  }

  async create(parent: Inode, name: string): Promise<OpenedFile> {
    const inode = this.#graph.inodeTable.create();
    const flags = OPEN_LARGEFILE | OpenFlag.CREAT | OpenFlag.EXCL | OpenFlag.WRONLY;
    const fd = new Fd(inode, { flags, pid: this.#frame.pid });
    const xdata = this.#dispersed
      ? new Dict()
          .setBin('trusted.ec.dirty', u64s(1, 1)).setUint('glusterts.inodelk-generation', 0).setBin('trusted.ec.size', Buffer.alloc(8)).setBin('trusted.ec.version', Buffer.alloc(VERSION_BYTES)).setBin('trusted.ec.config', Buffer.alloc(8, 8))
          .setUint('glusterts.along', 1).setStr('glusterts.along-domain', DOMAIN).setBin('glusterts.along-owner', Buffer.from(this.#frame.lk_owner, 'latin1'))
      : this.#entryXdata();
    const reply = await this.#top.create(this.#timed(MAKES), this.#loc(parent, name, inode), flags, FILE_MODE, 0, fd, xdata.setGfid('gfid-req', this.#gfid()));
    const linked = this.#graph.inodeTable.link(inode, parent, name as Bytes, reply.stat);
    return { inode: linked, fd };
  }

  async open(inode: Inode, flags: number): Promise<OpenedFile> {
    const fd = new Fd(inode, { flags: OPEN_LARGEFILE | flags, pid: this.#frame.pid });
    await this.#top.open(this.#frame, new Loc({ inode, path: this.#path(inode) }), OPEN_LARGEFILE | flags, fd, undefined);
    return { inode, fd };
  }

  /** @param closing the file's only one: a dispersed volume's versions and size go along */
  async write({ fd }: OpenedFile, offset: number, data: Uint8Array, closing = false): Promise<void> {
    const page = this.#platform.iobufs.get(data.length);
    page.memory.set(data);
    const vector = new IoVec([page.memory.subarray(0, data.length)], [page]);
    try {
      await this.#top.writev(this.#timed(WRITES), fd, vector, offset, fd.flags, closing && this.#dispersed ? versionsAlong(data.length) : undefined);
    } finally {
      vector.unref();
    }
  }

  /** @param unlocked of a dispersed volume: who had its lock last is asked along with it */
  async read({ fd }: OpenedFile, offset: number, size: number, unlocked = false): Promise<void> {
    const reply = await this.#top.readv(this.#frame, fd, size, offset, OPEN_LARGEFILE, unlocked && this.#dispersed ? new Dict().setUint('glusterts.inodelk-generation', 0) : undefined);
    reply.vector.unref();
  }

  async fsync({ fd }: OpenedFile): Promise<void> {
    await this.#top.fsync(this.#frame, fd, false, this.#lockCount());
  }

  close({ fd }: OpenedFile): void {
    fd.unref();
  }

  async fstat({ fd }: OpenedFile): Promise<void> {
    await this.#top.fstat(this.#frame, fd, undefined);
  }

  async stat(inode: Inode): Promise<void> {
    await this.#top.stat(this.#frame, new Loc({ inode, path: this.#path(inode) }), undefined);
  }

  async statfs(): Promise<void> {
    await this.#top.statfs(this.#frame, new Loc({ inode: this.root, path: '/' as Bytes }), undefined);
  }

  /** As a listing that brings contents along, and as a dispersed volume's. */
  async list(directory: Inode): Promise<number> {
    const fd = new Fd(directory, { pid: this.#frame.pid });
    await this.#top.opendir(this.#frame, new Loc({ inode: directory, path: this.#path(directory) }), fd, this.#dispersed ? this.#lockCount() : new Dict().setUint('trusted.glusterfs.dht.linkto', 256));
    let seen = 0;
    try {
      for (let offset = 0n; ; ) {
        const { entries } = await this.#top.readdirp(this.#frame, fd, READDIR_SIZE, offset, this.#listXdata());
        const last = entries.at(-1);
        if (!last) return seen;
        seen += entries.length;
        offset = last.d_off;
      }
    } finally {
      fd.unref();
    }
  }

  /** The locks that a client takes for a rename, and those of a dispersed volume's writes. */
  async lock(inode: Inode, domain: string, type: LkType = LkType.WRLCK): Promise<void> {
    await this.#top.inodelk(this.#frame, domain as Bytes, new Loc({ inode, path: this.#path(inode) }), InodelkCmd.SETLK, { ...WHOLE, type, pid: this.#frame.pid, owner: this.#frame.lk_owner }, this.#dispersed ? new Dict().setUint('glusterts.inodelk-generation', 0) : undefined);
  }

  async unlock(inode: Inode, domain: string): Promise<void> {
    await this.#top.inodelk(this.#frame, domain as Bytes, new Loc({ inode, path: this.#path(inode) }), InodelkCmd.SETLK, { ...WHOLE, type: LkType.UNLCK, pid: this.#frame.pid, owner: this.#frame.lk_owner }, undefined);
  }

  /** Gives back, with one call, the locks that came with the creation of these files of a dispersed volume. */
  async unlockTogether(inodes: readonly Inode[]): Promise<void> {
    const [first, ...others] = inodes;
    if (!first) return;
    const also = new Dict().setBin('glusterts.unlock-also', Buffer.from(others.map(({ gfid }) => gfid + this.#frame.lk_owner).join(''), 'latin1'));
    await this.#top.inodelk(this.#frame, DOMAIN as Bytes, new Loc({ inode: first, path: this.#path(first) }), InodelkCmd.SETLK, { ...WHOLE, type: LkType.UNLCK, pid: this.#frame.pid, owner: this.#frame.lk_owner }, also);
  }

  /** Looks a file up by its gfid alone, as disperse does for its attributes. */
  async lookUpAgain(inode: Inode): Promise<void> {
    const xdata = new Dict().setUint('trusted.ec.config', 0).setUint('glusterts.inodelk-generation', 0).setUint('trusted.ec.dirty', 0).setUint('trusted.ec.version', 0).setUint('trusted.ec.size', 0);
    await this.#top.lookup(this.#frame, new Loc({ inode, path: this.#path(inode) }), xdata);
  }

  async lockEntry(directory: Inode, name: string, take: boolean): Promise<void> {
    await this.#top.entrylk(this.#frame, 'dht.entry.sync' as Bytes, new Loc({ inode: directory, path: this.#path(directory) }), name as Bytes, take ? EntrylkCmd.LOCK_NB : EntrylkCmd.UNLOCK, EntrylkType.WRLCK, undefined);
  }

  /** Versions and size of a dispersed volume's file: what they are, or (`last`) what has become of them, and the mark is taken away. */
  async xattrop({ fd }: OpenedFile, last: boolean): Promise<void> {
    const count = last ? 1 : 0;
    const xattrs = new Dict().setBin('trusted.ec.version', u64s(count, count)).setBin('trusted.ec.size', u64s(count));
    if (last) xattrs.setBin('trusted.ec.dirty', u64s(-1, -1));
    await this.#top.fxattrop(this.#frame, fd, 1, xattrs, undefined);
  }

  /** @param asksSize of a dispersed volume: one brick of them is asked for it */
  async rename(directory: Inode, inode: Inode, name: string, newname: string, asksSize = false): Promise<void> {
    const xdata = new Dict().setBin('changelog.rename-op', Buffer.alloc(58));
    if (asksSize) xdata.setStr('glusterts.with-xattr', 'trusted.ec.size');
    const reply = await this.#top.rename(this.#timed(REMOVES), this.#loc(directory, name, inode), this.#loc(directory, newname, this.#graph.inodeTable.create()), xdata);
    this.#graph.inodeTable.rename(directory, name as Bytes, directory, newname as Bytes, inode, reply.stat);
  }

  /** The brick of the new name gets a linkto, which is renamed in the file's stead; and goes with the file. */
  async renameLinkto(directory: Inode, name: string, newname: string): Promise<void> {
    const { inodeTable } = this.#graph;
    const xdata = internal().setStr('trusted.glusterfs.dht.linkto', 'v-client-1').setGfid('gfid-req', this.#gfid()).setStr('force-replace', 'yes');
    const made = await this.#top.mknod(this.#timed(MAKES), this.#loc(directory, name, inodeTable.create()), LINKTO_MODE, 0n, 0, xdata);
    const inode = inodeTable.link(inodeTable.create(), directory, name as Bytes, made.stat);
    const reply = await this.#top.rename(this.#timed(REMOVES), this.#loc(directory, name, inode), this.#loc(directory, newname, inodeTable.create()), internal());
    inodeTable.rename(directory, name as Bytes, directory, newname as Bytes, inode, reply.stat);
    await this.#top.unlink(this.#timed(REMOVES), this.#loc(directory, newname, inode), 0, internal());
    inodeTable.unlink(inode, directory, newname as Bytes);
  }

  /** The file's own brick has both names for a moment. */
  async renameByLink(directory: Inode, inode: Inode, name: string, newname: string): Promise<void> {
    const { inodeTable } = this.#graph;
    await this.#top.lookup(this.#frame, this.#loc(directory, name, inode), new Dict().setUint('trusted.glusterfs.dht.linkto', 256));
    const reply = await this.#top.link(this.#timed(REMOVES), this.#loc(directory, name, inode), this.#loc(directory, newname, inode), internal().setStr('force-replace', 'yes').setStr('glusters.marker.dont-account', 'yes'));
    inodeTable.link(inode, directory, newname as Bytes, reply.stat);
    const xdata = internal().setStr('glusters.marker.dont-account', 'yes').setBin('changelog.rename-op', Buffer.alloc(58)).setInt('dht-get-iatt-in-xattr', 1);
    await this.#top.unlink(this.#timed(REMOVES), this.#loc(directory, name, inode), 0, xdata);
    inodeTable.unlink(inode, directory, name as Bytes);
  }

  async unlink(directory: Inode, name: string, inode: Inode): Promise<void> {
    await this.#top.unlink(this.#timed(REMOVES), this.#loc(directory, name, inode), 0, undefined);
    this.#graph.inodeTable.unlink(inode, directory, name as Bytes);
  }

  async rmdir(parent: Inode, name: string, inode: Inode): Promise<void> {
    await this.#top.rmdir(this.#timed(REMOVES), this.#loc(parent, name, inode), 0, this.#lockCount());
    this.#graph.inodeTable.unlink(inode, parent, name as Bytes);
  }

  /** features/utime stamps what changes times. */
  #timed(flags: number): Frame {
    const { sec, nsec } = this.#platform.clock.realtime();
    return this.#frame.derive({ ctime: sec, ctime_nsec: nsec, flags });
  }

  #gfid(): Gfid {
    return this.#platform.random.uuid();
  }

  #loc(parent: Inode, name: string, inode: Inode): Loc {
    return new Loc({ inode, parent, name: name as Bytes, path: `${this.#path(parent)}/${name}` as Bytes });
  }

  #path(inode: Inode): Bytes {
    return this.#graph.inodeTable.path(inode) ?? ('/' as Bytes);
  }

  #lockCount(): Dict | undefined {
    return this.#dispersed ? new Dict().setStr('glusterfs.inodelk-dom-count', 'rehearsal') : undefined;
  }

  #entryXdata(): Dict {
    return new Dict().setBin('trusted.glusterfs.dht', Buffer.alloc(LAYOUT_BYTES)).setStr('glusterfs.preop.parent.key', 'trusted.glusterfs.dht');
  }

  #lookupXdata(): Dict {
    if (this.#dispersed) return new Dict().setUint('trusted.ec.config', 0).setUint('glusterts.inodelk-generation', 0).setUint('trusted.ec.dirty', 0).setUint('trusted.ec.version', 0).setUint('trusted.ec.size', 0).setInt('trusted.glusterfs.mdata', 1);
    return new Dict()
      .setInt('system.posix_acl_default', 0).setInt('system.posix_acl_access', 0).setUint('glusterfs.open-fd-count', 4).setUint('trusted.glusterfs.dht.linkto', 256)
      .setUint('trusted.glusterfs.dht.mds', 4).setUint('trusted.glusterfs.dht', 16).setInt('trusted.glusterfs.mdata', 1).setUint('glusterfs.content', 65536);
  }

  #listXdata(): Dict {
    if (this.#dispersed) return new Dict().setUint('trusted.ec.dirty', 0).setUint('trusted.ec.version', 0).setUint('trusted.ec.size', 0);
    return new Dict().setUint('trusted.glusterfs.dht.linkto', 256).setUint('glusterfs.content', 65536).setUint('glusterts.agreed', 1);
  }
}

