import {
  type Bytes, type Dict, type Direntp, Errno, type Fd, FopError, Frame, type GetxattrReply, GfEvent, Iatt, type Inode, type Loc, type LookupReply, NULL_GFID, OpenFlag, type OpenReply, type OptionValues, type PlainReply, type ReaddirReply,
  type ReadlinkReply, type RenameReply, type StatReply, type StatedumpWriter, type StatfsReply, type UnlinkReply, type Upcall, type Xdata, type Xlator, type XlatorContext, errnoOf,
} from '@glusterts/libglusterfs';
import { requireOneChild } from '../one-child.js';
import { setPassThrough } from '../pass-through.js';
import { AttributeChanges, isGone } from './attribute-changes.js';
import { CacheableNames } from './cacheable-names.js';
import { type MetadataPolicy, Saw, UNKNOWN } from './metadata-store.js';
import { StatAhead } from './stat-ahead.js';
import { applyUpcall } from './upcall.js';

/** Longest life without upcalls, seconds. */
const LIFE_MAX_UNTOLD = 60;
/** The target of an ipc to features/upcall (spec/features.md, §11.4). */
const IPC_UPCALL = 2;
/** Attributes before and after, in the answers to changes of xattrs. */
const PRESTAT = 'virt-gf-prestat';
const POSTSTAT = 'virt-gf-poststat';
/** Only a creation, or the heal of an inode without a gfid, has use for it. */
const GFID_REQ = 'gfid-req';
/** The parent's attributes in a lookup from the cache. Nobody changes an answer's attributes. */
const NO_IATT = new Iatt();

function policyOf(options: OptionValues): MetadataPolicy {
  const timeout = options.number('md-cache-timeout');
  const seconds = options.bool('cache-invalidation') ? timeout : Math.min(timeout, LIFE_MAX_UNTOLD);
  return { life: seconds * 1000, names: CacheableNames.fromOptions(options), globalInvalidation: options.bool('global-cache-invalidation') };
}

/**
 * performance/md-cache: attributes and some xattrs of each inode, for `md-cache-timeout` seconds or until something changes
 * them (spec/client.md, §9.6). What differs from GlusterFS, always towards fresher answers or fewer fops, is in README.md.
 */
export class MdCache extends AttributeChanges {
  readonly #counts = { statHit: 0, statMiss: 0, xattrHit: 0, xattrMiss: 0, namelessLookup: 0, negativeLookup: 0, statInvalidations: 0, xattrInvalidations: 0 };
  /** Somebody asks for cacheable xattrs: from then on they are asked for with all lookups and readdirps. */
  #xattrsWanted = false;
  readonly #walks: ConstructorParameters<typeof StatAhead>[1];
  #statAhead: StatAhead | undefined;
  #statfs: { readonly reply: StatfsReply; readonly time: number } | undefined;

  constructor(context: XlatorContext) {
    super(context, policyOf(context.options));
    this.#xattrsWanted = this.store.policy.names.chosen;
    setPassThrough(this, this.options.bool('pass-through'));
    this.#walks = this.newCtxSlot();
  }

  override init(): void {
    requireOneChild(this);
    const types = new Set(this.graph.xlators.map(({ type }) => type));
    this.#statAhead = new StatAhead(
      {
        contents: types.has('performance/quick-read') && !types.has('cluster/disperse'),
        child: this.child, clock: this.graph.platform.clock, life: () => this.store.policy.life, request: () => this.#request(undefined), start: () => this.store.now,
        learn: (inode, { stat, dict }, start, asked) => {
          this.store.learn(inode, stat, start, Saw.WHOLE);
          this.#learnXattrs(inode, stat, dict, asked, start);
        },
      },
      this.#walks,
    );
  }

  override reconfigure(options: OptionValues): void {
    this.options = options;
    this.store.policy = policyOf(options);
    this.#xattrsWanted ||= this.store.policy.names.chosen;
    // Names that are new were not asked for so far; and while it was off nobody told of changes.
    this.store.voidAll();
    this.#statfs = undefined;
    if (setPassThrough(this, options.bool('pass-through'))) this.graph.rebind();
    this.#register();
  }

  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    switch (event) {
      case GfEvent.CHILD_DOWN:
      case GfEvent.SOME_DESCENDENT_DOWN:
        this.store.voidAll();
        break;
      case GfEvent.CHILD_UP:
      case GfEvent.SOME_DESCENDENT_UP:
        this.#register();
        break;
      case GfEvent.UPCALL:
        if (this.options.bool('cache-invalidation')) this.#onUpcall(data as Upcall);
        break;
      default:
    }
    super.notify(event, data, from);
  }

  #onUpcall(upcall: Upcall): void {
    if (upcall.kind !== 'cache-invalidation') return;
    const effect = applyUpcall(this.store, this.graph.inodeTable, upcall);
    if (effect.stat) this.#counts.statInvalidations++;
    if (effect.xattrs) this.#counts.xattrInvalidations++;
  }

  /**
   * Tells the bricks which xattrs upcalls are wanted for. If they don't take it, no xattr is kept until they do: a long timeout
   * stands on being told.
   */
  #register(): void {
    if (!this.options.bool('cache-invalidation') || this.options.bool('pass-through')) return;
    const names = CacheableNames.fromOptions(this.options);
    this.child.ipc(new Frame(), IPC_UPCALL, names.request(undefined)).then(
      () => this.#keepXattrs(names),
      (error: unknown) => {
        this.log.warning(0, `Registering the list of xattrs that needs invalidaton, with upcall, failed: ${error instanceof Error ? error.message : String(error)}`);
        this.log.info(0, 'Disabled cache for all xattrs, as registering for xattr cache invalidation failed');
        this.#keepXattrs(new CacheableNames([]));
      },
    );
  }

  #keepXattrs(names: CacheableNames): void {
    this.store.policy = { ...this.store.policy, names };
  }

  override forget(inode: Inode): void {
    this.store.forget(inode);
  }

  override metrics(): [string, number][] {
    const counts = this.#counts;
    return [
      ['stat_cache_hit_count', counts.statHit], ['stat_cache_miss_count', counts.statMiss], ['xattr_cache_hit_count', counts.xattrHit], ['xattr_cache_miss_count', counts.xattrMiss],
      ['nameless_lookup_count', counts.namelessLookup], ['negative_lookup_count', counts.negativeLookup],
      ['stat_cache_invalidations_received', counts.statInvalidations], ['xattr_cache_invalidations_received', counts.xattrInvalidations],
    ];
  }

  override dump(writer: StatedumpWriter): void {
    const counts = this.#counts;
    writer.section(`${this.type}.${this.name}`);
    writer.write('stat_hit_count', counts.statHit);
    writer.write('stat_miss_count', counts.statMiss);
    writer.write('xattr_hit_count', counts.xattrHit);
    writer.write('xattr_miss_count', counts.xattrMiss);
    writer.write('nameless_lookup_count', counts.namelessLookup);
    writer.write('negative_lookup_count', counts.negativeLookup);
    writer.write('stat_invalidations_received', counts.statInvalidations);
    writer.write('xattr_invalidations_received', counts.xattrInvalidations);
  }

  /** The request with all cacheable xattrs asked for, when they have a reader. */
  #request(xdata: Xdata): Xdata {
    return this.#xattrsWanted ? this.store.policy.names.request(xdata) : xdata;
  }

  /** An answer to {@link #request}. */
  #learnXattrs(inode: Inode, stat: Iatt | undefined, answer: Xdata, asked: boolean, start: number): void {
    if (asked) this.store.learnXattrs(inode, stat, answer, start);
  }

  // ---- lookups and attributes ----

  override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    const { inode } = loc;
    if (inode.gfid !== NULL_GFID && !this.store.takeRequiredLookup(inode) && this.store.believesName(inode, loc.parent, loc.name)) {
      const stat = this.store.iatt(inode);
      if (stat !== undefined) {
        const xattrs = this.#cachedFor(inode, xdata);
        if (xattrs !== UNKNOWN) {
          this.#counts.statHit++;
          if (loc.parent) this.#statAhead?.hit(loc.parent);
          return Promise.resolve({ inode, stat, postparent: NO_IATT, xdata: xattrs });
        }
        this.#counts.xattrMiss++;
      } else {
        this.#counts.statMiss++;
        if (loc.parent) this.#statAhead?.missed(loc.parent);
      }
    } else this.#counts.statMiss++;
    return this.#lookupBelow(frame, loc, xdata);
  }

  /** The answer to a request's xdata, when it can be had from the cache. */
  #cachedFor(inode: Inode, xdata: Xdata): Xdata | typeof UNKNOWN {
    if (xdata === undefined || (xdata.size === 1 && xdata.has(GFID_REQ))) return undefined;
    const { names } = this.store.policy;
    for (const key of xdata.keys()) {
      if (key === (GFID_REQ as Bytes)) continue;
      if (!names.has(key)) return UNKNOWN;
      this.#xattrsWanted = true;
    }
    return this.store.xattrs(inode);
  }

  async #lookupBelow(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    const start = this.store.now;
    const asked = this.#xattrsWanted;
    try {
      const reply = await this.child.lookup(frame, loc, this.#request(xdata));
      if (loc.parent && reply.postparent.ia_ctime !== 0) this.store.learn(loc.parent, reply.postparent, start, Saw.WHOLE);
      this.store.learn(reply.inode, reply.stat, start, Saw.WHOLE);
      this.#learnXattrs(reply.inode, reply.stat, reply.xdata, asked, start);
      if (loc.parent) this.store.confirmName(reply.inode, reply.stat, loc.parent, loc.name, start);
      return reply;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === Errno.ENOENT) this.#counts.negativeLookup++;
      if (errno === Errno.ESTALE && loc.parent) this.store.invalidate(loc.parent);
      if (isGone(error) && loc.inode.gfid !== NULL_GFID) this.store.invalidate(loc.inode);
      throw error;
    }
  }

  override stat(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply> {
    const stat = loc.inode.gfid === NULL_GFID ? undefined : this.store.iatt(loc.inode);
    if (stat === undefined) {
      this.#counts.statMiss++;
      return this.#statBelow(loc.inode, this.child.stat(frame, loc, this.#request(xdata)));
    }
    this.#counts.statHit++;
    return Promise.resolve({ stat, xdata: undefined });
  }

  override fstat(frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
    const stat = this.store.iatt(fd.inode);
    if (stat === undefined) {
      this.#counts.statMiss++;
      return this.#statBelow(fd.inode, this.child.fstat(frame, fd, this.#request(xdata)));
    }
    this.#counts.statHit++;
    return Promise.resolve({ stat, xdata: undefined });
  }

  async #statBelow(inode: Inode, below: Promise<StatReply>): Promise<StatReply> {
    const start = this.store.now;
    const asked = this.#xattrsWanted;
    const reply = await this.unlessGone(inode, below);
    this.store.learn(inode, reply.stat, start, Saw.WHOLE);
    this.#learnXattrs(inode, undefined, reply.xdata, asked, start);
    return reply;
  }

  override open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    if ((flags & OpenFlag.ACCMODE) === OpenFlag.RDONLY) this.#statAhead?.opened();
    return super.open(frame, loc, flags, fd, xdata);
  }

  override unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    this.#statAhead?.removed();
    return super.unlink(frame, loc, xflags, xdata);
  }

  override rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    this.#statAhead?.removed();
    return super.rename(frame, oldloc, newloc, xdata);
  }

  override access(frame: Frame, loc: Loc, mask: number, xdata: Xdata): Promise<PlainReply> {
    return this.unlessGone(loc.inode, this.child.access(frame, loc, mask, xdata));
  }

  override readlink(frame: Frame, loc: Loc, size: number, xdata: Xdata): Promise<ReadlinkReply> {
    return this.unlessGone(loc.inode, this.child.readlink(frame, loc, size, xdata));
  }

  override async statfs(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatfsReply> {
    if (!this.options.bool('md-cache-statfs')) return this.child.statfs(frame, loc, xdata);
    const { clock } = this.graph.platform;
    if (this.#statfs && clock.monotonic() <= this.#statfs.time + this.store.policy.life) return { statfs: this.#statfs.reply.statfs, xdata: undefined };
    const reply = await this.unlessGone(loc.inode, this.child.statfs(frame, loc, xdata));
    this.#statfs = { reply, time: clock.monotonic() };
    return reply;
  }

  // ---- directories ----

  /** readdir-ahead asks for the same xattrs when it fills its list. */
  override opendir(frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    return this.unlessGone(loc.inode, this.child.opendir(frame, loc, fd, this.#request(xdata)));
  }

  override async fsyncdir(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PlainReply> {
    return this.unlessGone(fd.inode, this.child.fsyncdir(frame, fd, datasync, xdata));
  }

  override readdir(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply> {
    if (this.options.bool('force-readdirp')) return this.readdirp(frame, fd, size, offset, xdata);
    return this.unlessGone(fd.inode, this.child.readdir(frame, fd, size, offset, xdata));
  }

  override async readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    const start = this.store.now;
    const asked = this.#xattrsWanted;
    const reply = await this.unlessGone(fd.inode, this.child.readdirp(frame, fd, size, offset, this.#request(xdata)));
    for (const { inode, stat, dict } of reply.entries) {
      // Entries without attributes must be looked up; that is no news of the inode.
      if (inode === undefined || stat.ia_ctime === 0) continue;
      this.store.learn(inode, stat, start, Saw.WHOLE);
      this.#learnXattrs(inode, stat, dict, asked, start);
    }
    return reply;
  }

  // ---- xattrs ----

  override getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    return this.#cachedXattr(loc.inode, name) ?? this.#xattrBelow(loc.inode, name, this.child.getxattr(frame, loc, name, xdata));
  }

  override fgetxattr(frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    return this.#cachedXattr(fd.inode, name) ?? this.#xattrBelow(fd.inode, name, this.child.fgetxattr(frame, fd, name, xdata));
  }

  #cachedXattr(inode: Inode, name: Bytes | undefined): Promise<GetxattrReply> | undefined {
    if (name === undefined || !this.store.policy.names.has(name)) return undefined;
    this.#xattrsWanted = true;
    const dict = this.store.xattr(inode, name);
    if (dict === UNKNOWN) return undefined;
    this.#counts.xattrHit++;
    return dict === undefined ? Promise.reject(new FopError(Errno.ENODATA)) : Promise.resolve({ dict, xdata: undefined });
  }

  async #xattrBelow(inode: Inode, name: Bytes | undefined, below: Promise<GetxattrReply>): Promise<GetxattrReply> {
    const start = this.store.now;
    this.#counts.xattrMiss++;
    const cacheable = name !== undefined && this.store.policy.names.has(name);
    try {
      const reply = await below;
      const value = cacheable ? reply.dict.get(name) : undefined;
      if (cacheable && value !== undefined) this.store.learnXattr(inode, name, value, start);
      return reply;
    } catch (error) {
      if (isGone(error)) this.store.invalidate(inode);
      else if (cacheable && errnoOf(error) === Errno.ENODATA) this.store.learnXattr(inode, name, undefined, start);
      throw error;
    }
  }

  override setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return this.#xattrsChanged(loc.inode, this.child.setxattr(frame, loc, dict, flags, xdata), () => this.store.setXattrs(loc.inode, dict));
  }

  override fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return this.#xattrsChanged(fd.inode, this.child.fsetxattr(frame, fd, dict, flags, xdata), () => this.store.setXattrs(fd.inode, dict));
  }

  override removexattr(frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    if (this.#isAbsent(loc.inode, name)) return Promise.reject(new FopError(Errno.ENODATA));
    return this.#xattrsChanged(loc.inode, this.child.removexattr(frame, loc, name, xdata), () => this.store.removeXattr(loc.inode, name));
  }

  override fremovexattr(frame: Frame, fd: Fd, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    if (this.#isAbsent(fd.inode, name)) return Promise.reject(new FopError(Errno.ENODATA));
    return this.#xattrsChanged(fd.inode, this.child.fremovexattr(frame, fd, name, xdata), () => this.store.removeXattr(fd.inode, name));
  }

  #isAbsent(inode: Inode, name: Bytes): boolean {
    if (!this.store.policy.names.has(name)) return false;
    const absent = this.store.xattr(inode, name) === undefined;
    if (absent) this.#counts.xattrHit++;
    else this.#counts.xattrMiss++;
    return absent;
  }

  /** @param apply what the success means for the cached xattrs */
  async #xattrsChanged(inode: Inode, below: Promise<PlainReply>, apply: () => void): Promise<PlainReply> {
    const start = this.store.now;
    try {
      const reply = await below;
      apply();
      const pre = reply.xdata?.getIatt(PRESTAT);
      const post = reply.xdata?.getIatt(POSTSTAT);
      // write-behind doesn't hold these fops back: writes may be waiting that the attributes don't show.
      if (pre && post && post.ia_ctime !== 0) this.store.learn(inode, post, start, Saw.RANGE, pre);
      else this.store.invalidate(inode);
      return reply;
    } catch (error) {
      // It may have been done in spite of the error.
      this.store.invalidate(inode);
      this.store.invalidateXattrs(inode);
      throw error;
    }
  }
}

