import {
  type Bytes, type CreateReply, Dict, type EntryReply, Errno, type Fd, FopError, type Frame, type GetxattrReply, GfEvent, IaType, type Inode, type Loc, type LookupReply, NULL_GFID, type OptionValues, type RenameReply,
  type StatedumpWriter, type UnlinkReply, type Upcall, type Xdata, Xlator, type XlatorContext, errnoOf, gfidToString, inodeAddress,
} from '@glusterts/libglusterfs';
import { requireOneChild } from '../one-child.js';
import { setPassThrough } from '../pass-through.js';
import { INODE_LIMIT, type NamePolicy, NameStore } from './name-store.js';

/** Bits of an upcall (spec/rpc-wire.md, §9.11). */
const Up = { TIMES: 0x10, RENAME: 0x80, PARENT_TIMES: 0x200 } as const;
const REAL_FILENAME = 'glusterfs.get_real_filename:';

function policyOf(options: OptionValues): NamePolicy {
  return { life: options.number('nl-cache-timeout') * 1000, limit: options.number('nl-cache-limit'), positive: options.bool('nl-cache-positive-entry') };
}

/**
 * performance/nl-cache: names that are not there, and, if told to, those that are in directories that this client has made
 * (spec/client.md, §9.8). It relies on the bricks' upcalls (features.cache-invalidation) for what others make.
 */
export class NlCache extends Xlator {
  readonly #store: NameStore;
  readonly #counts = { hit: 0, miss: 0, realNameHit: 0, realNameMiss: 0, invalidations: 0 };

  constructor(context: XlatorContext) {
    super(context);
    this.#store = new NameStore(this.newCtxSlot(), this.graph.platform.clock, policyOf(this.options));
    setPassThrough(this, this.options.bool('pass-through'));
  }

  override init(): void {
    requireOneChild(this);
  }

  override reconfigure(options: OptionValues): void {
    this.options = options;
    this.#store.policy = policyOf(options);
    if (!setPassThrough(this, options.bool('pass-through'))) return;
    // Nobody told it what was made meanwhile.
    this.#store.voidAll();
    this.graph.rebind();
  }

  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    switch (event) {
      case GfEvent.CHILD_DOWN:
      case GfEvent.SOME_DESCENDENT_DOWN:
      case GfEvent.CHILD_UP:
      case GfEvent.SOME_DESCENDENT_UP:
        this.#store.voidAll();
        break;
      case GfEvent.UPCALL:
        this.#onUpcall(data as Upcall);
        break;
      case GfEvent.PARENT_DOWN:
        this.#store.disable();
        break;
      default:
    }
    super.notify(event, data, from);
  }

  /** Others have changed a directory: what is known of its names is void. */
  #onUpcall(up: Upcall): void {
    if (up.kind !== 'cache-invalidation') return;
    const table = this.graph.inodeTable;
    const inode = table.find(up.gfid);
    const isDirectory = inode?.ia_type === IaType.DIR;
    if (!(isDirectory && up.flags & Up.TIMES) && !(up.flags & Up.PARENT_TIMES)) return;
    if (isDirectory) this.#store.clear(inode);
    for (const { ia_gfid } of [up.parent_stat, up.oldparent_stat]) {
      const parent = ia_gfid === NULL_GFID ? undefined : table.find(ia_gfid);
      if (parent) this.#store.clear(parent);
    }
    this.#counts.invalidations++;
  }

  override forget(inode: Inode): void {
    this.#store.forget(inode);
  }

  override dump(writer: StatedumpWriter): void {
    writer.section(`${this.type}.${this.name}`);
    for (const [name, value] of this.metrics()) writer.write(name, value);
  }

  override dumpInode(inode: Inode, writer: StatedumpWriter): void {
    const names = this.#store.kept(inode);
    if (!names) return;
    const { clock } = this.graph.platform;
    const { state, negative, positive } = names.figures;
    writer.section('xlator.performance.nl-cache.nlc_inode');
    const path = inode.table.path(inode);
    if (path !== undefined) writer.write('path', path);
    writer.write('inode', inodeAddress(inode));
    writer.write('gfid', gfidToString(inode.gfid));
    writer.write('state', state);
    writer.write('timer', inodeAddress(inode));
    writer.write('cache-time', names.since === 0 ? 0 : Math.floor((clock.wall() - clock.monotonic() + names.time) / 1000));
    writer.write('cache-size', names.size);
    writer.write('refd-inodes', positive.length);
    for (const name of positive) writer.write('pe', `${inodeAddress(inode)}, ${inodeAddress(inode)}, ${name}`);
    for (const name of negative) writer.write('ne', name);
  }

  override metrics(): [string, number][] {
    return [
      ['negative_lookup_hit_count', this.#counts.hit],
      ['negative_lookup_miss_count', this.#counts.miss],
      ['get_real_filename_hit_count', this.#counts.realNameHit],
      ['get_real_filename_miss_count', this.#counts.realNameMiss],
      ['nameless_lookup_count', 0],
      // GlusterFS counts neither.
      ['inodes_with_positive_dentry_cache', 0],
      ['inodes_with_negative_dentry_cache', 0],
      ['dentry_invalidations_received', this.#counts.invalidations],
      ['cache_limit', this.#store.policy.limit],
      ['consumed_cache_size', this.#store.size],
      ['inode_limit', INODE_LIMIT],
      ['consumed_inodes', this.#store.inodes],
    ];
  }

  override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    const { parent, name } = loc;
    if (parent === undefined || name === '') return this.child.lookup(frame, loc, xdata);
    // A name that the table knows is asked for, whatever is known here.
    if (this.#store.known(parent)?.lacks(name) === true && parent.table.grep(parent, name) === undefined) {
      this.#counts.hit++;
      return Promise.reject(new FopError(Errno.ENOENT));
    }
    return this.#lookupBelow(frame, loc, parent, xdata);
  }

  async #lookupBelow(frame: Frame, loc: Loc, parent: Inode, xdata: Xdata): Promise<LookupReply> {
    const start = this.#store.now;
    try {
      const reply = await this.child.lookup(frame, loc, xdata);
      if (this.#store.known(parent)?.lacks(loc.name) === true) this.#store.uncertain(parent, loc.name);
      return reply;
    } catch (error) {
      if (errnoOf(error) === Errno.ENOENT) {
        this.#counts.miss++;
        this.#store.learnAbsence(parent, loc.name, start);
      }
      throw error;
    }
  }

  /** After the making of a name. One that failed may have been done all the same, or the name was there already. */
  async #made<T extends EntryReply>(loc: Loc, below: Promise<T>): Promise<T> {
    const { parent, name } = loc;
    try {
      const reply = await below;
      if (parent) this.#store.appeared(parent, name);
      return reply;
    } catch (error) {
      if (parent) this.#store.uncertain(parent, name);
      throw error;
    }
  }

  override create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    return this.#made(loc, this.child.create(frame, loc, flags, mode, umask, fd, xdata));
  }

  override mknod(frame: Frame, loc: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.#made(loc, this.child.mknod(frame, loc, mode, rdev, umask, xdata));
  }

  override async mkdir(frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply> {
    const reply = await this.#made(loc, this.child.mkdir(frame, loc, mode, umask, xdata));
    this.#store.madeEmpty(reply.inode);
    return reply;
  }

  override symlink(frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply> {
    return this.#made(loc, this.child.symlink(frame, linkpath, loc, umask, xdata));
  }

  override link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
    return this.#made(newloc, this.child.link(frame, oldloc, newloc, xdata));
  }

  async #unmade(loc: Loc, below: Promise<UnlinkReply>): Promise<UnlinkReply> {
    const reply = await below;
    if (loc.parent) this.#store.vanished(loc.parent, loc.name);
    return reply;
  }

  override unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    return this.#unmade(loc, this.child.unlink(frame, loc, xflags, xdata));
  }

  override async rmdir(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
    const reply = await this.#unmade(loc, this.child.rmdir(frame, loc, flags, xdata));
    this.#store.clear(loc.inode);
    return reply;
  }

  override async rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    try {
      const reply = await this.child.rename(frame, oldloc, newloc, xdata);
      if (oldloc.parent) this.#store.vanished(oldloc.parent, oldloc.name);
      if (newloc.parent) this.#store.appeared(newloc.parent, newloc.name);
      return reply;
    } catch (error) {
      if (newloc.parent) this.#store.uncertain(newloc.parent, newloc.name);
      throw error;
    }
  }

  /** `glusterfs.get_real_filename:NAME` of a directory: its name as it is spelled there, whatever the case that was asked with. */
  override async getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    if (!this.#store.policy.positive || name?.startsWith(REAL_FILENAME) !== true) return this.child.getxattr(frame, loc, name, xdata);
    const names = this.#store.known(loc.inode);
    const real = names?.realName(name.slice(REAL_FILENAME.length));
    if (real !== undefined || names?.full === true) {
      this.#counts.realNameHit++;
      if (real === undefined) throw new FopError(Errno.ENOENT);
      return { dict: new Dict().setStr(name, real), xdata: undefined };
    }
    try {
      return await this.child.getxattr(frame, loc, name, xdata);
    } catch (error) {
      if (errnoOf(error) === Errno.ENOENT) this.#counts.realNameMiss++;
      throw error;
    }
  }
}
