import {
  type Bytes, type CreateReply, Dict, type Dirent, type Direntp, type EntryReply, Errno, Fd, FopError, Frame, type GraphView, IaType, Iatt, type Inode, IoVec, Loc, type LookupReply, NULL_GFID, OpenFlag, SetAttr, type Statvfs, type Subvolume, errnoOf,
} from '@glusterts/libglusterfs';

const READ_MAX = 1 << 20;
const LISTING_BYTES = 65536;

/** A listing of a directory: what readdirp answered, in its order. */
export type Listing = readonly Direntp[];

/**
 * A top for tests: does to a graph what mount/fuse and gfapi do. It resolves paths to Locs component by component with
 * LOOKUP, links what is found or made into the inode table, gives new entries their gfids, and keeps no cache of its own
 * but the table's dentries (which it revalidates, as the kernel does).
 *
 * ```
 * const graph = await Graph.load(volfile, options);
 * await graph.activate();
 * await graph.whenSettled();
 * const driver = new GraphDriver(graph.topSubvolume, graph);
 * await driver.mkdir('/d');
 * await driver.writeFile('/d/f', utf8Bytes);
 * ```
 *
 * Paths are absolute byte strings. Every method throws the FopError of the fop that failed.
 */
export class GraphDriver {
  readonly subvolume: Subvolume;
  readonly graph: GraphView;
  /** Who asks. Replace it to ask as somebody else. */
  frame: Frame;

  constructor(subvolume: Subvolume, graph: GraphView, frame: Frame = new Frame({ pid: 1000, lk_owner: '\x01\x02\x03\x04\x05\x06\x07\x08' as Bytes })) {
    this.subvolume = subvolume;
    this.graph = graph;
    this.frame = frame;
  }

  // ------------------------------------------------------------------------------------------------ resolving

  /** xdata with a fresh `gfid-req`. */
  gfidReq(): Dict {
    return new Dict().setGfid('gfid-req', this.graph.platform.random.uuid());
  }

  /** Looks a name up, freshly or again, and links it. ESTALE of a known inode is tried once more as a fresh lookup. */
  async lookupIn(parent: Inode, name: Bytes): Promise<LookupReply & { loc: Loc }> {
    const table = this.graph.inodeTable;
    const known = table.grep(parent, name);
    const attempt = async (inode: Inode): Promise<LookupReply & { loc: Loc }> => {
      const loc = new Loc({ inode, parent, name, path: this.#path(parent, name) });
      const fresh = inode.gfid === NULL_GFID;
      const reply = await this.subvolume.lookup(this.frame, loc, fresh ? this.gfidReq() : undefined);
      if (!fresh && reply.stat.ia_gfid !== inode.gfid) throw new FopError(Errno.ESTALE);
      loc.inode = table.link(reply.inode, parent, name, reply.stat);
      loc.gfid = loc.inode.gfid;
      return { ...reply, inode: loc.inode, loc };
    };
    try {
      return await attempt(known ?? table.create());
    } catch (error) {
      if (!known) throw error;
      table.unlink(known, parent, name);
      if (errnoOf(error) !== Errno.ESTALE) throw error;
      return attempt(table.create());
    }
  }

  #path(parent: Inode, name: Bytes): Bytes {
    return this.graph.inodeTable.path(parent, name) ?? (`/${name}` as Bytes);
  }

  /** The root, looked up. */
  async root(): Promise<LookupReply & { loc: Loc }> {
    const inode = this.graph.inodeTable.root;
    const loc = new Loc({ inode, path: '/' as Bytes });
    return { ...(await this.subvolume.lookup(this.frame, loc, undefined)), loc };
  }

  /** The directory of a path's last component, looked up, and that component. */
  async parent(path: string): Promise<{ parent: Inode; name: Bytes }> {
    const parts = path.split('/').filter((part) => part !== '');
    const name = parts.pop();
    if (name === undefined) throw new FopError(Errno.EINVAL);
    let at = this.graph.inodeTable.root;
    for (const part of parts) {
      if (at.ia_type !== IaType.DIR) throw new FopError(Errno.ENOTDIR);
      at = (await this.lookupIn(at, part as Bytes)).inode;
    }
    if (at.ia_type !== IaType.DIR) throw new FopError(Errno.ENOTDIR);
    return { parent: at, name: name as Bytes };
  }

  /** An existing object, looked up by name. */
  async resolve(path: string): Promise<LookupReply & { loc: Loc }> {
    if (path === '/' || path === '') return this.root();
    const { parent, name } = await this.parent(path);
    return this.lookupIn(parent, name);
  }

  /** A name that shall be made: a Loc with a fresh inode. The name itself is not looked up. */
  async fresh(path: string): Promise<Loc> {
    const { parent, name } = await this.parent(path);
    return new Loc({ inode: this.graph.inodeTable.create(), parent, name, path: this.#path(parent, name) });
  }

  #link(loc: Loc, reply: EntryReply): Inode {
    return this.graph.inodeTable.link(reply.inode, loc.parent, loc.name, reply.stat);
  }

  // ------------------------------------------------------------------------------------------------ names

  async lookup(path: string): Promise<Iatt> {
    return (await this.resolve(path)).stat;
  }

  async exists(path: string): Promise<boolean> {
    try {
      await this.lookup(path);
      return true;
    } catch (error) {
      if (errnoOf(error) === Errno.ENOENT) return false;
      throw error;
    }
  }

  async mkdir(path: string, mode = 0o755, xdata: Dict = this.gfidReq()): Promise<Iatt> {
    const loc = await this.fresh(path);
    const reply = await this.subvolume.mkdir(this.frame, loc, mode, 0o022, xdata);
    this.#link(loc, reply);
    return reply.stat;
  }

  async mknod(path: string, mode: number, rdev = 0n): Promise<Iatt> {
    const loc = await this.fresh(path);
    const reply = await this.subvolume.mknod(this.frame, loc, mode, rdev, 0, this.gfidReq());
    this.#link(loc, reply);
    return reply.stat;
  }

  async symlink(target: string, path: string): Promise<Iatt> {
    const loc = await this.fresh(path);
    const reply = await this.subvolume.symlink(this.frame, target as Bytes, loc, 0, this.gfidReq());
    this.#link(loc, reply);
    return reply.stat;
  }

  async readlink(path: string): Promise<Bytes> {
    const { loc } = await this.resolve(path);
    return (await this.subvolume.readlink(this.frame, loc, 4096, undefined)).path;
  }

  async link(from: string, to: string): Promise<Iatt> {
    const { loc: oldloc } = await this.resolve(from);
    const newloc = await this.fresh(to);
    newloc.inode = oldloc.inode;
    newloc.gfid = oldloc.inode.gfid;
    const reply = await this.subvolume.link(this.frame, oldloc, newloc, undefined);
    this.#link(newloc, reply);
    return reply.stat;
  }

  async unlink(path: string): Promise<void> {
    const { loc } = await this.resolve(path);
    await this.subvolume.unlink(this.frame, loc, 0, undefined);
    if (loc.parent) this.graph.inodeTable.unlink(loc.inode, loc.parent, loc.name);
  }

  async rmdir(path: string, flags = 0): Promise<void> {
    const { loc } = await this.resolve(path);
    await this.subvolume.rmdir(this.frame, loc, flags, undefined);
    if (loc.parent) this.graph.inodeTable.unlink(loc.inode, loc.parent, loc.name);
  }

  /** Looks both names up first, as the kernel does, so that the target's inode is known if there is one. */
  async rename(from: string, to: string): Promise<Iatt> {
    const { loc: oldloc } = await this.resolve(from);
    const target = await this.parent(to);
    let newloc: Loc;
    try {
      newloc = (await this.lookupIn(target.parent, target.name)).loc;
    } catch (error) {
      if (errnoOf(error) !== Errno.ENOENT) throw error;
      newloc = new Loc({ inode: this.graph.inodeTable.create(), parent: target.parent, name: target.name, path: this.#path(target.parent, target.name) });
    }
    const reply = await this.subvolume.rename(this.frame, oldloc, newloc, undefined);
    const table = this.graph.inodeTable;
    if (oldloc.parent) {
      if (newloc.inode === oldloc.inode) await Promise.resolve();
      else {
        const victim = table.grep(target.parent, target.name);
        if (victim) table.unlink(victim, target.parent, target.name);
        table.rename(oldloc.parent, oldloc.name, target.parent, target.name, oldloc.inode, reply.stat);
      }
    }
    return reply.stat;
  }

  // ------------------------------------------------------------------------------------------------ files

  /** Creates and opens. The fd is the caller's: `close` it. */
  async create(path: string, flags: number = OpenFlag.RDWR | OpenFlag.CREAT | OpenFlag.EXCL, mode = 0o644): Promise<Fd> {
    const loc = await this.fresh(path);
    const fd = new Fd(loc.inode, { flags, pid: this.frame.pid });
    let reply: CreateReply;
    try {
      reply = await this.subvolume.create(this.frame, loc, flags, mode, 0o022, fd, this.gfidReq());
    } catch (error) {
      fd.unref();
      throw error;
    }
    this.#link(loc, reply);
    return fd.bind();
  }

  async open(path: string, flags: number = OpenFlag.RDWR): Promise<Fd> {
    const { loc } = await this.resolve(path);
    const fd = new Fd(loc.inode, { flags, pid: this.frame.pid });
    try {
      if (loc.inode.ia_type === IaType.DIR) await this.subvolume.opendir(this.frame, loc, fd, undefined);
      else await this.subvolume.open(this.frame, loc, flags, fd, undefined);
    } catch (error) {
      fd.unref();
      throw error;
    }
    return fd.bind();
  }

  /** FLUSH (files only) and the last reference. */
  async close(fd: Fd): Promise<void> {
    try {
      if (fd.inode.ia_type !== IaType.DIR) await this.subvolume.flush(this.frame, fd, undefined);
    } finally {
      fd.unref();
    }
  }

  /** Copies the bytes into an iobuf, as a transport would deliver them. */
  async write(fd: Fd, bytes: Uint8Array, offset: number): Promise<number> {
    const buf = this.graph.iobufs.get(Math.max(1, bytes.length));
    try {
      const memory = buf.memory.subarray(0, bytes.length);
      memory.set(bytes);
      return (await this.subvolume.writev(this.frame, fd, new IoVec([memory], [buf]), offset, 0, undefined)).written;
    } finally {
      buf.unref();
    }
  }

  async read(fd: Fd, size: number, offset: number): Promise<Uint8Array> {
    const { vector } = await this.subvolume.readv(this.frame, fd, size, offset, 0, undefined);
    const bytes = new Uint8Array(vector.size);
    vector.copyTo(bytes);
    vector.unref();
    return bytes;
  }

  async fstat(fd: Fd): Promise<Iatt> {
    return (await this.subvolume.fstat(this.frame, fd, undefined)).stat;
  }

  async stat(path: string): Promise<Iatt> {
    const { loc } = await this.resolve(path);
    return (await this.subvolume.stat(this.frame, loc, undefined)).stat;
  }

  /** Replaces or makes a whole file. */
  async writeFile(path: string, bytes: Uint8Array, mode = 0o644): Promise<void> {
    let fd: Fd;
    try {
      fd = await this.create(path, OpenFlag.RDWR | OpenFlag.CREAT | OpenFlag.EXCL, mode);
    } catch (error) {
      if (errnoOf(error) !== Errno.EEXIST) throw error;
      fd = await this.open(path);
      await this.subvolume.ftruncate(this.frame, fd, 0, undefined);
    }
    try {
      for (let at = 0; at < bytes.length; at += READ_MAX) await this.write(fd, bytes.subarray(at, at + READ_MAX), at);
    } finally {
      await this.close(fd);
    }
  }

  async readFile(path: string): Promise<Uint8Array> {
    const fd = await this.open(path, OpenFlag.RDONLY);
    try {
      const parts: Uint8Array[] = [];
      for (let at = 0; ; ) {
        const part = await this.read(fd, READ_MAX, at);
        if (part.length === 0) return Buffer.concat(parts);
        parts.push(part);
        at += part.length;
      }
    } finally {
      await this.close(fd);
    }
  }

  async truncate(path: string, size: number): Promise<Iatt> {
    const { loc } = await this.resolve(path);
    return (await this.subvolume.truncate(this.frame, loc, size, undefined)).poststat;
  }

  // ------------------------------------------------------------------------------------------------ attributes

  async chmod(path: string, mode: number): Promise<Iatt> {
    const wanted = new Iatt();
    wanted.ia_prot = mode;
    return this.setattr(path, wanted, SetAttr.MODE);
  }

  async chown(path: string, uid: number, gid: number): Promise<Iatt> {
    const wanted = new Iatt();
    wanted.ia_uid = uid;
    wanted.ia_gid = gid;
    return this.setattr(path, wanted, SetAttr.UID | SetAttr.GID);
  }

  async setattr(path: string, wanted: Iatt, valid: number): Promise<Iatt> {
    const { loc } = await this.resolve(path);
    return (await this.subvolume.setattr(this.frame, loc, wanted, valid, undefined)).poststat;
  }

  async setxattr(path: string, name: string, value: Uint8Array, flags = 0): Promise<void> {
    const { loc } = await this.resolve(path);
    await this.subvolume.setxattr(this.frame, loc, new Dict().setBin(name, value), flags, undefined);
  }

  /** Throws ENODATA when there is none. */
  async getxattr(path: string, name: string): Promise<Uint8Array> {
    const { loc } = await this.resolve(path);
    const value = (await this.subvolume.getxattr(this.frame, loc, name as Bytes, undefined)).dict.getBin(name);
    if (!value) throw new FopError(Errno.ENODATA);
    return value;
  }

  async listxattr(path: string): Promise<Bytes[]> {
    const { loc } = await this.resolve(path);
    return (await this.subvolume.getxattr(this.frame, loc, undefined, undefined)).dict.keys();
  }

  async removexattr(path: string, name: string): Promise<void> {
    const { loc } = await this.resolve(path);
    await this.subvolume.removexattr(this.frame, loc, name as Bytes, undefined);
  }

  async statfs(): Promise<Statvfs> {
    const { loc } = await this.root();
    return (await this.subvolume.statfs(this.frame, loc, undefined)).statfs;
  }

  // ------------------------------------------------------------------------------------------------ directories

  /** All entries, `.` and `..` left out, with readdirp in replies of `size` bytes. */
  async list(path: string, size: number = LISTING_BYTES): Promise<Listing> {
    const fd = await this.open(path, OpenFlag.RDONLY);
    try {
      const all: Direntp[] = [];
      for (let offset = 0n; ; ) {
        const { entries, eof } = await this.subvolume.readdirp(this.frame, fd, size, offset, undefined);
        for (const entry of entries) if (!isDot(entry)) all.push(entry);
        const last = entries.at(-1);
        if (eof || last === undefined) return all;
        offset = last.d_off;
      }
    } finally {
      await this.close(fd);
    }
  }

  /** Names in a directory, sorted. */
  async names(path: string, size: number = LISTING_BYTES): Promise<Bytes[]> {
    return (await this.list(path, size)).map((entry) => entry.name).sort();
  }

  /** Removes a tree, whatever is in it. */
  async removeAll(path: string): Promise<void> {
    for (const entry of await this.list(path)) {
      const below = `${path === '/' ? '' : path}/${entry.name}`;
      const stat = entry.stat.ia_type === IaType.INVAL ? await this.lookup(below) : entry.stat;
      if (stat.ia_type === IaType.DIR) {
        await this.removeAll(below);
        await this.rmdir(below);
      } else {
        await this.unlink(below);
      }
    }
  }
}

const isDot = (entry: Dirent): boolean => entry.name === '.' || entry.name === '..';
