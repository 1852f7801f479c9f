import {
  type CopyFileRangeReply, type CreateReply, type CtxSlot, Dict, type Direntp, Errno, type Fd, FopError, type Frame, GfEvent, IaType, type Iatt, type Inode, IoVec, Loc, type LookupReply, NULL_GFID, OpenFlag,
  type OpenReply, type OptionValues, type PrePostReply, type ReadReply, type ReaddirReply, type StatedumpWriter, type Upcall, type WriteReply, type Xdata, Xlator, type XlatorContext,
} from '@glusterts/libglusterfs';
import { requireOneChild } from '../one-child.js';
import { PriorityList } from '../priority-list.js';
import { type Content, ContentCache } from './content-cache.js';

const CONTENT = 'glusterfs.content';
/** What md-cache asks of listings that stand for lookups, and what is true of an entry that has it: a lookup would tell the same of it. */
const AGREED = 'glusterts.agreed';
/** Its value, of a listing that contents may come along with. */
const WITH_CONTENTS = 1;
/** Answers that carry one of these are of a file that can't be trusted. */
const BAD = ['glusterfs.bad-inode', 'sh-failed'] as const;
/** Upcall flags that tell of changed data: size and times (spec/brick.md, features/upcall). */
const UP_SIZE = 0x8;
const UP_TIMES = 0x10;
const MS_PER_S = 1000;

/**
 * performance/quick-read (spec/client.md, §9.5): a lookup brings the content of a small file along, and reads are answered from it
 * for as long as it was confirmed less than `cache-timeout` ago.
 *
 * It has no `invalidate`: md-cache sends that for the very lookup that brought the new content.
 */
export class QuickRead extends Xlator {
  readonly #cache: ContentCache;
  /** Files that a listing has shown to be small enough, and whose content nobody has asked for since. */
  readonly #listed: CtxSlot<true>;
  /** Whether lookups bring contents. */
  #fetches = true;
  readonly #priorities: PriorityList;
  #fileSizeMax = 0;
  #timeoutMs = 0;
  #upcalls = false;
  #byCtime = false;
  /** Content confirmed before this is not served: what the child answered then may have been of another brick. */
  #childDownMs: number;
  #hits = 0;
  #misses = 0;
  #invalidations = 0;

  constructor(context: XlatorContext) {
    super(context);
    this.#listed = this.newCtxSlot<true>();
    this.#cache = new ContentCache(this.newCtxSlot<Content>(), this.options.number('cache-size'), (kept, stat) => this.#sameFile(kept, stat));
    this.#priorities = new PriorityList(this.options.text('priority'), 0);
    this.#childDownMs = this.#nowMs;
    this.#take(this.options);
  }

  override init(): void {
    requireOneChild(this);
    this.#checkSize(this.options.number('cache-size'));
  }

  override reconfigure(values: OptionValues): void {
    this.#checkSize(values.number('cache-size'));
    this.options = values;
    this.#cache.sizeMax = values.number('cache-size');
    this.#take(values);
  }

  #take(values: OptionValues): void {
    this.#fileSizeMax = values.number('max-file-size');
    this.#timeoutMs = values.number('cache-timeout') * MS_PER_S;
    this.#upcalls = values.bool('quick-read-cache-invalidation');
    this.#byCtime = values.bool('ctime-invalidation');
  }

  #checkSize(size: number): void {
    const most = this.graph.platform.memorySize;
    if (size > most) throw new FopError(Errno.EINVAL, undefined, `Not creating quick-read volume because cache size ${size} is greater than ${most}`);
  }

  override dump(writer: StatedumpWriter): void {
    writer.section('xlator.performance.quick-read.priv');
    writer.write('max_file_size', this.#fileSizeMax);
    writer.write('cache_timeout', this.#timeoutMs / MS_PER_S);
    for (const [name, value] of this.metrics()) writer.write(name, value);
  }

  override metrics(): [string, number][] {
    return [['total_files_cached', this.#cache.files], ['total_cache_used', this.#cache.used], ['cache-hit', this.#hits], ['cache-miss', this.#misses], ['cache-invalidations', this.#invalidations]];
  }

  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    if (event === GfEvent.CHILD_DOWN || event === GfEvent.SOME_DESCENDENT_DOWN) this.#childDownMs = this.#nowMs;
    else if (event === GfEvent.UPCALL && this.#upcalls) this.#upcall(data as Upcall);
    super.notify(event, data, from);
  }

  #upcall(upcall: Upcall): void {
    if (upcall.kind !== 'cache-invalidation' || !(upcall.flags & (UP_SIZE | UP_TIMES))) return;
    this.#invalidations++;
    const inode = this.graph.inodeTable.find(upcall.gfid);
    if (inode) this.#changed(inode, this.#cache.next());
  }

  get #nowMs(): number {
    return this.graph.platform.clock.monotonic();
  }

  // ------------------------------------------------------------------------------------------------ filling

  override async lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    const generation = this.#cache.next();
    let request = xdata;
    if (this.#fileSizeMax > 0 && maybeFile(loc.inode) && !this.#cache.get(loc.inode)?.data) request = (xdata?.clone() ?? new Dict()).setUint(CONTENT, this.#fileSizeMax);
    let reply: LookupReply;
    try {
      reply = await this.child.lookup(frame, loc, request);
    } catch (error) {
      this.#drop(loc.inode, generation);
      throw error;
    }
    const known = this.#known(reply.inode, reply.stat);
    if (known) this.#learn(known, reply, generation);
    return reply;
  }

  /** The inode that the table has for a file; the one of a fresh lookup may be thrown away by it. None for a file that has taken the name of the one that was asked for. */
  #known(inode: Inode, stat: Iatt): Inode | undefined {
    if (inode.gfid === stat.ia_gfid) return inode;
    return this.graph.inodeTable.find(stat.ia_gfid) ?? (inode.gfid === NULL_GFID ? inode : undefined);
  }

  #learn(inode: Inode, { stat, xdata }: LookupReply, generation: number): void {
    if (xdata && BAD.some((key) => xdata.has(key))) return this.#drop(inode, generation);
    const data = xdata?.getBin(CONTENT);
    if (!data) return this.#confirm(inode, stat, generation);
    // Read while it was being written: not the file of these attributes.
    if (data.length !== stat.ia_size) return this.#drop(inode, generation);
    this.#cache.put(this.#cache.of(inode), data, stat, generation, this.#nowMs);
  }

  #confirm(inode: Inode, stat: Iatt, generation: number): void {
    const content = this.#cache.get(inode);
    if (!content) return;
    this.#cache.confirm(content, stat, generation, this.#nowMs);
    this.#cache.touch(content);
  }

  #sameFile(kept: Iatt, stat: Iatt): boolean {
    if (stat.ia_size > this.#fileSizeMax || stat.ia_size !== kept.ia_size) return false;
    if (this.#byCtime) return kept.ia_ctime === stat.ia_ctime && kept.ia_ctime_nsec === stat.ia_ctime_nsec;
    return kept.ia_mtime === stat.ia_mtime && kept.ia_mtime_nsec === stat.ia_mtime_nsec;
  }

  override async readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    const generation = this.#cache.next();
    // md-cache lists in place of lookups, which would bring the contents along.
    const vouched = this.#fetches && this.#fileSizeMax > 0 && xdata?.getNumber(AGREED) === WITH_CONTENTS;
    const request = vouched ? xdata.clone().setUint(CONTENT, this.#fileSizeMax) : xdata;
    const reply = await this.child.readdirp(frame, fd, size, offset, request);
    for (let i = 0; i < reply.entries.length; i++) this.#see(reply.entries[i] as Direntp, vouched, generation);
    return reply;
  }

  /** An entry of a listing. @param vouched contents were asked for */
  #see({ inode, stat, dict }: Direntp, vouched: boolean, generation: number): void {
    const known = inode && this.#known(inode, stat);
    if (vouched) {
      const data = dict?.getBin(CONTENT);
      if (data) dict?.delete(CONTENT);
      if (known && data && dict?.has(AGREED) && stat.ia_ctime !== 0 && data.length === stat.ia_size && this.graph.inodeTable.find(stat.ia_gfid) === known) {
        return this.#cache.put(this.#cache.of(known), data, stat, generation, this.#nowMs);
      }
    }
    if (!known) return;
    const content = this.#cache.get(known);
    // Nobody uses a file by listing it: its place among the others stays.
    if (content) this.#cache.confirm(content, stat, generation, this.#nowMs);
    if (this.#fetches && isFile(stat) && stat.ia_size > 0 && stat.ia_size <= this.#fileSizeMax && !content?.data) this.#listed.set(known, true);
  }

  // ------------------------------------------------------------------------------------------------ serving

  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    const content = this.#cache.get(fd.inode);
    if (content) {
      const { data, stat } = content;
      if (data && stat && offset < data.length && this.#isFresh(content)) {
        this.#hits++;
        this.#cache.touch(content);
        const end = Math.min(offset + size, data.length);
        return Promise.resolve({ vector: IoVec.from(data.subarray(offset, end)), stat: stat.clone(), eof: end === data.length, xdata: undefined });
      }
      this.#misses++;
    }
    if (this.#fetches && offset === 0 && this.#listed.get(fd.inode) && (fd.flags & (OpenFlag.ACCMODE | OpenFlag.DIRECT)) === OpenFlag.RDONLY) return this.#fetch(frame, fd, size, flags, xdata);
    return this.child.readv(frame, fd, size, offset, flags, xdata);
  }

  /**
   * The first read of a small file of which only a listing has told: a lookup brings all of it, in one round trip instead of those
   * of an open and a read.
   */
  async #fetch(frame: Frame, fd: Fd, size: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    const { inode } = fd;
    this.#listed.delete(inode);
    const name = this.graph.inodeTable.parentOf(inode);
    if (name) {
      try {
        const { stat, xdata: answer } = await this.lookup(frame, new Loc({ inode, gfid: inode.gfid, ...name }), undefined);
        // A volume whose bricks have parts of files (cluster/disperse) has no such answers.
        if (!answer?.has(CONTENT) && stat.ia_size > 0 && stat.ia_size <= this.#fileSizeMax) this.#fetches = false;
        const content = this.#cache.get(inode);
        if (content?.data && content.stat && this.#isFresh(content)) return this.readv(frame, fd, size, 0, flags, xdata);
      } catch {
        // The file may be open, and its name gone.
      }
    }
    return this.child.readv(frame, fd, size, 0, flags, xdata);
  }

  #isFresh({ refreshedMs }: Content): boolean {
    return refreshedMs >= this.#childDownMs && this.#nowMs - refreshedMs < this.#timeoutMs;
  }

  /** Truncating through open is a change, which GlusterFS's overlooks. */
  override open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    if (!this.#priorities.empty) {
      const content = this.#cache.get(fd.inode);
      if (content) this.#cache.setPriority(content, this.#priorities.of(loc.path));
    }
    const reply = this.child.open(frame, loc, flags, fd, xdata);
    return flags & OpenFlag.TRUNC ? this.#change(fd.inode, reply) : reply;
  }

  /** Where the name exists after all, it is opened, and truncated if so asked. */
  override async create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    const generation = this.#cache.next();
    const reply = await this.child.create(frame, loc, flags, mode, umask, fd, xdata);
    if (flags & OpenFlag.TRUNC && !(flags & OpenFlag.EXCL)) this.#changed(this.#known(reply.inode, reply.stat) ?? reply.inode, generation);
    return reply;
  }

  // ------------------------------------------------------------------------------------------------ changes

  /** Drops the content when the answer is there: whatever it is, the file may have changed. */
  async #change<T>(inode: Inode, reply: Promise<T>): Promise<T> {
    const generation = this.#cache.next();
    try {
      return await reply;
    } finally {
      this.#changed(inode, generation);
    }
  }

  /** The record is made if there is none: a lookup under way may yet bring what was there before. */
  #changed(inode: Inode, generation: number): void {
    this.#cache.drop(this.#cache.of(inode), generation);
  }

  #drop(inode: Inode, generation: number): void {
    const content = this.#cache.get(inode);
    if (content) this.#cache.drop(content, generation);
  }

  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    return this.#change(fd.inode, this.child.writev(frame, fd, vector, offset, flags, xdata));
  }

  override truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(loc.inode, this.child.truncate(frame, loc, offset, xdata));
  }

  override ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(fd.inode, this.child.ftruncate(frame, fd, offset, xdata));
  }

  override fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(fd.inode, this.child.fallocate(frame, fd, keep_size, offset, len, xdata));
  }

  override discard(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(fd.inode, this.child.discard(frame, fd, offset, len, xdata));
  }

  override zerofill(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(fd.inode, this.child.zerofill(frame, fd, offset, len, xdata));
  }

  override copy_file_range(frame: Frame, fd_in: Fd, off_in: number, fd_out: Fd, off_out: number, len: number, flags: number, xdata: Xdata): Promise<CopyFileRangeReply> {
    return this.#change(fd_out.inode, this.child.copy_file_range(frame, fd_in, off_in, fd_out, off_out, len, flags, xdata));
  }

  override forget(inode: Inode): void {
    this.#cache.forget(inode);
    this.#listed.delete(inode);
  }
}

/** Of attributes that tell of a regular file. */
const isFile = ({ ia_type }: Iatt): boolean => ia_type === IaType.REG;
/** Not yet known, or known to be a regular file. */
const maybeFile = (inode: Inode): boolean => inode.ia_type === IaType.INVAL || inode.ia_type === IaType.REG;
