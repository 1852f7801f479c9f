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
  readonly #held: Inode[] = [];
  readonly #fds: Fd[] = [];

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
    this.#held.push(inode.ref());
    return inode;
  }

  /** The request is answered. */
  done(): void {
    this.#calls.leave(this.#stack);
    for (const fd of this.#fds) fd.unref();
    for (const inode of this.#held) inode.unref();
  }

  /** A sub-directory mount's root is its directory. */
  translate(gfid: Gfid): Gfid {
    return gfid === ROOT_GFID && this.client.subdir ? this.client.subdir.gfid : gfid;
  }

  /** By gfid; looked up on the disk when the table doesn't know it. Errors: EINVAL for a null gfid, `missing` when it isn't there. */
  async byGfid(wire: Gfid, missing: number = Errno.ESTALE): Promise<Loc> {
    const gfid = this.translate(wire);
    if (gfid === NULL_GFID) throw new FopError(Errno.EINVAL);
    const known = this.table.find(gfid);
    const inode = this.hold(known ?? (await this.#discover(gfid, missing)));
    return new Loc({ inode, gfid, path: this.table.path(inode) ?? ('' as Bytes) });
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
    const pargfid = this.translate(wireParent);
    if (pargfid === NULL_GFID) throw new FopError(Errno.EINVAL);
    if (name.includes('/')) throw new FopError(Errno.EPERM);
    const parent = this.hold(this.table.find(pargfid) ?? (await this.#discover(pargfid, Errno.ESTALE)));
    if (parent.ia_type !== IaType.DIR) throw new FopError(Errno.EPERM);
    const path = this.table.path(parent, name) ?? ('' as Bytes);
    const known = this.table.grep(parent, name);
    const loc = (inode: Inode): Loc => new Loc({ inode: this.hold(inode), parent, pargfid, name, path });
    if (presence === 'not') {
      if (known) await this.#confirmAbsent(loc(known));
      return loc(this.table.create());
    }
    if (known) return loc(known);
    const fresh = loc(this.table.create());
    if (presence === 'dont-care') return fresh;
    try {
      const reply = await this.below.lookup(this.frame, fresh, undefined);
      return loc(this.table.link(reply.inode, parent, name, reply.stat));
    } catch (error) {
      if (presence === 'must') throw error;
      return fresh;
    }
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
    if (number >= 0) {
      const fd = this.client.fd(number).ref();
      this.#fds.push(fd);
      return fd;
    }
    const { inode } = await this.byGfid(gfid, Errno.ENOENT);
    if (number !== ANON_FD) throw new FopError(Errno.EBADF);
    const wanted = O_RDWR | O_LARGEFILE | (flags & O_DIRECT);
    for (const open of inode.fds) {
      if (!open.anonymous || open.flags !== wanted) continue;
      this.#fds.push(open.ref());
      return open;
    }
    const fd = new Fd(inode, { flags: wanted, pid: this.frame.pid, anonymous: true }).bind();
    this.#fds.push(fd);
    return fd;
  }
}
