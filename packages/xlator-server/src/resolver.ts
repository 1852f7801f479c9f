import { type Bytes, type CallPool, type CallStack, Errno, Fd, FopError, type Frame, type Gfid, IaType, type Inode, type InodeTable, Loc, NULL_GFID, ROOT_GFID, type Subvolume } from '@glusterts/libglusterfs';
import type { BrickClient } from './brick-client.js';

const ANON_FD = -2;
const O_RDWR = 2;
const O_LARGEFILE = 0o100000;
const O_DIRECT = 0o40000;

/** Whether a name must exist (spec/brick.md, §12.2). */
export type Presence = 'dont-care' | 'not' | 'must' | 'may';

/**
 * One request on the brick: turns gfids, names and fd numbers into inodes and fds (spec/brick.md, §12.3), and holds
 * references on them until `done`.
 */
export class Request {
  readonly client: BrickClient;
  readonly frame: Frame;
  readonly below: Subvolume;
  readonly table: InodeTable;
  /** Most requests hold no more than a parent and a child, or an fd. */
  #held: Inode | undefined = undefined;
  #heldToo: Inode | undefined = undefined;
  #heldMore: Inode[] | undefined = undefined;
  #fd: Fd | undefined = undefined;
  #fdsMore: Fd[] | undefined = undefined;
  readonly #calls: CallPool;
  readonly #stack: CallStack;

  constructor(client: BrickClient, frame: Frame, table: InodeTable, calls: CallPool, stack: CallStack) {
    this.#calls = calls;
    this.#stack = stack;
    this.client = client;
    this.frame = frame;
    this.below = client.bound;
    this.table = table;
  }

  hold(inode: Inode): Inode {
    inode.ref();
    if (!this.#held) this.#held = inode;
    else if (!this.#heldToo) this.#heldToo = inode;
    else (this.#heldMore ??= []).push(inode);
    return inode;
  }

  #holdFd(fd: Fd): Fd {
    if (!this.#fd) this.#fd = fd;
    else (this.#fdsMore ??= []).push(fd);
    return fd;
  }

  /** The request is answered. */
  done(): void {
    this.#calls.leave(this.#stack);
    this.#fd?.unref();
    if (this.#fdsMore) for (const fd of this.#fdsMore) fd.unref();
    this.#held?.unref();
    this.#heldToo?.unref();
    if (this.#heldMore) for (const inode of this.#heldMore) inode.unref();
  }

  /** A sub-directory mount's root is its directory. */
  translate(gfid: Gfid): Gfid {
    return gfid === ROOT_GFID && this.client.subdir ? this.client.subdir.gfid : gfid;
  }

  /** By gfid; looked up on the disk when the table doesn't know it. Errors: EINVAL for a null gfid, `missing` when it isn't there. */
  async byGfid(wire: Gfid, missing: number = Errno.ESTALE): Promise<Loc> {
    const known = this.known(wire);
    if (known) return known;
    const gfid = this.translate(wire);
    return this.#locOf(gfid, await this.#discover(gfid, missing));
  }

  /** As `byGfid`, without waiting; undefined when the table doesn't know it. */
  known(wire: Gfid): Loc | undefined {
    const gfid = this.translate(wire);
    if (gfid === NULL_GFID) throw new FopError(Errno.EINVAL);
    const inode = this.table.find(gfid);
    return inode && this.#locOf(gfid, inode);
  }

  #locOf(gfid: Gfid, inode: Inode): Loc {
    return new Loc({ inode: this.hold(inode), gfid, path: this.table.path(inode) ?? ('' as Bytes) });
  }

  /** Winds on the inode of a gfid: at once if the table knows it. */
  onGfid<Reply>(wire: Gfid, wind: (loc: Loc) => Promise<Reply>): Promise<Reply> {
    const known = this.known(wire);
    return known ? wind(known) : this.byGfid(wire).then(wind);
  }

  /** Winds on an fd: at once unless it is one on a gfid that the table doesn't know. */
  onFd<Reply>(gfid: Gfid, number: number, wind: (fd: Fd) => Promise<Reply>, flags = 0): Promise<Reply> {
    return number >= 0 ? wind(this.#open(number)) : this.fd(gfid, number, flags).then(wind);
  }

  /** Winds on a name: at once if that can be resolved without asking the disk. */
  onEntry<Reply>(parent: Gfid, name: Bytes, presence: Presence, wind: (loc: Loc) => Promise<Reply>): Promise<Reply> {
    const known = this.knownEntry(parent, name, presence);
    return known ? wind(known) : this.entry(parent, name, presence).then(wind);
  }

  async #discover(gfid: Gfid, missing: number): Promise<Inode> {
    const fresh = this.table.create();
    try {
      const reply = await this.below.lookup(this.frame, new Loc({ inode: fresh, gfid }), undefined);
      return this.table.link(fresh, undefined, '' as Bytes, reply.stat);
    } catch (error) {
      if (error instanceof FopError && (error.errno === Errno.ENOENT || error.errno === Errno.ESTALE)) throw new FopError(missing, error.xdata);
      throw error;
    }
  }

  /** By parent and name. The loc's inode is the one under the name if it is known, else a fresh one. */
  async entry(wireParent: Gfid, name: Bytes, presence: Presence): Promise<Loc> {
    const pargfid = this.#parentGfid(wireParent, name);
    const parent = this.hold(this.table.find(pargfid) ?? (await this.#discover(pargfid, Errno.ESTALE)));
    if (parent.ia_type !== IaType.DIR) throw new FopError(Errno.EPERM);
    const known = this.table.grep(parent, name);
    if (presence === 'not') {
      if (known) await this.#confirmAbsent(this.#entryLoc(parent, pargfid, name, known));
      return this.#entryLoc(parent, pargfid, name, this.table.create());
    }
    if (known) return this.#entryLoc(parent, pargfid, name, known);
    const fresh = this.#entryLoc(parent, pargfid, name, this.table.create());
    if (presence === 'dont-care') return fresh;
    try {
      const reply = await this.below.lookup(this.frame, fresh, undefined);
      return this.#entryLoc(parent, pargfid, name, this.table.link(reply.inode, parent, name, reply.stat));
    } catch (error) {
      if (presence === 'must') throw error;
      return fresh;
    }
  }

  /** As `entry`, without waiting; undefined when the disk must be asked. */
  knownEntry(wireParent: Gfid, name: Bytes, presence: Presence): Loc | undefined {
    const pargfid = this.#parentGfid(wireParent, name);
    const parent = this.table.find(pargfid);
    if (!parent) return undefined;
    if (parent.ia_type !== IaType.DIR) throw new FopError(Errno.EPERM);
    const known = this.table.grep(parent, name);
    if (presence === 'not' ? known !== undefined : known === undefined && presence !== 'dont-care') return undefined;
    return this.#entryLoc(this.hold(parent), pargfid, name, known ?? this.table.create());
  }

  #parentGfid(wireParent: Gfid, name: Bytes): Gfid {
    const pargfid = this.translate(wireParent);
    if (pargfid === NULL_GFID) throw new FopError(Errno.EINVAL);
    if (name.includes('/')) throw new FopError(Errno.EPERM);
    return pargfid;
  }

  #entryLoc(parent: Inode, pargfid: Gfid, name: Bytes, inode: Inode): Loc {
    return new Loc({ inode: this.hold(inode), parent, pargfid, name, path: this.table.path(parent, name) ?? ('' as Bytes) });
  }

  /** A name that the table knows and that should not be there: perhaps it went behind our back. Errors: EEXIST. */
  async #confirmAbsent(loc: Loc): Promise<void> {
    const parent = loc.parent;
    if (!parent) return;
    try {
      await this.below.lookup(this.frame, loc, undefined);
    } catch (error) {
      if (!(error instanceof FopError) || error.errno !== Errno.ENOENT) throw error;
      this.table.unlink(loc.inode, parent, loc.name);
      return;
    }
    throw new FopError(Errno.EEXIST);
  }

  /** By number; −2 is an anonymous fd on the gfid. `flags`: the fop's own, of which O_DIRECT counts for an anonymous one. */
  async fd(gfid: Gfid, number: number, flags = 0): Promise<Fd> {
    if (number >= 0) return this.#open(number);
    const { inode } = await this.byGfid(gfid, Errno.ENOENT);
    if (number !== ANON_FD) throw new FopError(Errno.EBADF);
    const wanted = O_RDWR | O_LARGEFILE | (flags & O_DIRECT);
    for (const open of inode.fds) {
      if (open.anonymous && open.flags === wanted) return this.#holdFd(open.ref());
    }
    return this.#holdFd(new Fd(inode, { flags: wanted, pid: this.frame.pid, anonymous: true }).bind());
  }

  #open(number: number): Fd {
    return this.#holdFd(this.client.fd(number).ref());
  }
}
