import {
  type CtxSlot, type Direntp, Errno, type Fd, type Flock, FopError, type Frame, GfEvent, IaType, type Iatt, type Inode, type LkCmd, type LkReply, type Loc, type LookupReply, OpenFlag, type OpenReply,
  type OptionValues, type ReadReply, type ReaddirReply, type StatedumpWriter, type Upcall, type Xdata, type Xlator, type XlatorContext, gfidToString,
} from '@glusterts/libglusterfs';
import { ContentChanges } from '../content-changes.js';
import { requireOneChild } from '../one-child.js';
import { setPassThrough } from '../pass-through.js';
import { PriorityList } from '../priority-list.js';
import { type Part, assemble, readParts } from '../read-block.js';
import { CachedFile, PAGE_SIZE, PageBlock, PageStore } from './page-store.js';

const MS_PER_S = 1000;
/** Pages of one readv to the child: 1 MiB, what protocol/client sends in one record. */
const RUN_MAX = 8;
/** Larger reads are not kept: nobody makes any but a program that goes through a file once. */
const READ_MAX = 16 * 1048576;

/**
 * performance/io-cache (spec/client.md, §9.4): pages of files that were read, up to `cache-size`. They are served for `cache-timeout`
 * without asking, then one fstat tells whether the file is still the same.
 */
export class IoCache extends ContentChanges {
  readonly #files: CtxSlot<CachedFile>;
  readonly #store: PageStore;
  #fileCount = 0;
  #timeoutMs = 0;
  #sizeMin = 0;
  #sizeMax = 0;
  #priorities = new PriorityList(undefined, 1);
  #passThrough = false;
  /** What was confirmed before must be confirmed again: it may have been another brick's. */
  #childDownMs = -Infinity;
  #ended = false;

  constructor(context: XlatorContext) {
    super(context);
    this.#files = this.newCtxSlot<CachedFile>();
    this.#store = new PageStore(this.options.number('cache-size'));
    this.#take(this.options);
    if (this.#passThrough) setPassThrough(this, true);
  }

  override init(): void {
    requireOneChild(this);
    this.#check(this.options);
  }

  /** Put out of the way on a live graph it keeps nothing more; only a new graph is bound past it. */
  override reconfigure(values: OptionValues): void {
    this.#check(values);
    const was = this.#passThrough;
    this.#take(values);
    if (this.#passThrough) this.#store.clear();
    this.#store.prune();
    if (!was || this.#passThrough) return;
    setPassThrough(this, false);
    this.graph.rebind();
  }

  #check(values: OptionValues): void {
    const size = values.number('cache-size');
    const memory = this.graph.platform.memorySize;
    if (size > memory) throw new FopError(Errno.EINVAL, undefined, `Not creating io-cache volume because cache size ${size} is greater than ${memory}`);
    const [least, most] = [values.number('min-file-size'), values.number('max-file-size')];
    if (most > 0 && least > most) throw new FopError(Errno.EINVAL, undefined, `minimum size (${least}) of a file that can be cached is greater than maximum size (${most})`);
  }

  #take(values: OptionValues): void {
    const priority = new PriorityList(values.text('priority'), 1);
    this.options = values;
    this.#priorities = priority;
    this.#store.sizeMax = values.number('cache-size');
    this.#timeoutMs = values.number('cache-timeout') * MS_PER_S;
    this.#sizeMin = values.number('min-file-size');
    this.#sizeMax = values.number('max-file-size');
    this.#passThrough = values.bool('pass-through');
  }

  override dump(writer: StatedumpWriter): void {
    writer.section('io-cache.priv');
    writer.write('page_size', PAGE_SIZE);
    writer.write('cache_size', this.#store.sizeMax);
    writer.write('cache_used', this.#store.used);
    writer.write('inode_count', this.#fileCount);
    writer.write('cache_timeout', this.#timeoutMs / MS_PER_S);
    writer.write('min-file-size', this.#sizeMin);
    writer.write('max-file-size', this.#sizeMax);
  }

  /** GlusterFS has a record of every file and directory that was looked up; here there is one of each file that was read. */
  override dumpInode(inode: Inode, writer: StatedumpWriter): void {
    if (inode.ia_type !== IaType.REG && inode.ia_type !== IaType.DIR) return;
    const path = inode.table.path(inode);
    const file = this.#files.get(inode);
    writer.section('io-cache.inode');
    writer.write('inode.weight', file?.weight ?? this.#priorities.of(path ?? ''));
    if (path !== undefined) writer.write('path', path);
    writer.write('uuid', gfidToString(inode.gfid));
    if (file === undefined || file.confirmedMs === -Infinity) return;
    const confirmed = new Date(this.graph.platform.clock.wall() - (this.#nowMs - file.confirmedMs)).toISOString();
    writer.write('last-cache-validation-time', `${confirmed.slice(0, 10)} ${confirmed.slice(11, 19)} +0000`);
  }

  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    if (event === GfEvent.CHILD_DOWN || event === GfEvent.SOME_DESCENDENT_DOWN) this.#childDownMs = this.#nowMs;
    else if (event === GfEvent.UPCALL) this.#upcall(data as Upcall);
    else if (event === GfEvent.PARENT_DOWN) this.#end();
    super.notify(event, data, from);
  }

  #upcall(upcall: Upcall): void {
    if (upcall.kind !== 'cache-invalidation') return;
    const inode = this.graph.inodeTable.find(upcall.gfid);
    if (inode) this.invalidate(inode);
  }

  override fini(): void {
    this.#end();
  }

  #end(): void {
    this.#ended = true;
    this.#store.clear();
  }

  get #nowMs(): number {
    return this.graph.platform.clock.monotonic();
  }

  // ------------------------------------------------------------------------------------------------ reading

  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    const direct = ((fd.flags | flags) & OpenFlag.DIRECT) !== 0 || size <= 0 || size > READ_MAX || this.#passThrough || this.#ended;
    const file = direct ? undefined : this.#fileOf(fd.inode);
    if (file === undefined || file.weight === 0 || file.unsuitable) return this.child.readv(frame, fd, size, offset, flags, xdata);
    if (this.#isOld(file, offset, size)) return this.#readChecked(frame, fd, file, size, offset, flags, xdata);
    return this.#read(frame, fd, file, size, offset, flags, xdata, Infinity);
  }

  async #readChecked(frame: Frame, fd: Fd, file: CachedFile, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    const startedMs = this.#nowMs;
    await this.#confirmed(frame, fd, file);
    return this.#read(frame, fd, file, size, offset, flags, xdata, startedMs);
  }

  /** @param startedMs what was confirmed, or sent for, since is good enough however short the timeout */
  #read(frame: Frame, fd: Fd, file: CachedFile, size: number, offset: number, flags: number, xdata: Xdata, startedMs: number): Promise<ReadReply> {
    const wind = (rest: number, at: number): Promise<ReadReply> => this.child.readv(frame, fd, rest, at, flags, xdata);
    const parts = this.#parts(file, size, offset, startedMs, wind);
    // At the end of what there is the file may have been written on.
    if (parts === undefined) return wind(size, offset);
    if (!parts.every(({ block }) => block.ready)) return readParts(parts, offset, size, wind);
    const { reply } = assemble(parts, offset, size);
    for (const { block } of parts) block.letGo();
    return Promise.resolve(reply);
  }

  /** The parts of a read, held for it; what is missing is sent for. Undefined for a read behind the end of the file. */
  #parts(file: CachedFile, size: number, offset: number, startedMs: number, wind: (size: number, offset: number) => Promise<ReadReply>): Part[] | undefined {
    const parts: Part[] = [];
    const end = offset + size;
    for (let from = offset; from < end; ) {
      let index = Math.floor(from / PAGE_SIZE);
      let block = this.#usable(file, index, startedMs);
      const own = block === undefined;
      if (block?.ready && block.dataEnd <= from) return parts.length === 0 ? undefined : parts;
      if (block === undefined) block = this.#send(file, index, Math.floor((end - 1) / PAGE_SIZE), startedMs, wind);
      else this.#store.touch(file, block);
      while (++index * PAGE_SIZE < end && file.pages.get(index) === block) continue;
      const to = Math.min(end, index * PAGE_SIZE);
      block.hold();
      parts.push({ block, from, to, own });
      if (block.ready && block.dataEnd < to) return parts;
      from = to;
    }
    return parts;
  }

  #usable(file: CachedFile, index: number, startedMs: number): PageBlock | undefined {
    const block = file.pages.get(index);
    if (block === undefined) return undefined;
    const sinceMs = block.ready ? file.confirmedMs : block.sentMs;
    return this.#isFresh(sinceMs, startedMs) ? block : undefined;
  }

  #isFresh(sinceMs: number, startedMs: number): boolean {
    return sinceMs >= startedMs || (this.#nowMs - sinceMs < this.#timeoutMs && sinceMs > this.#childDownMs);
  }

  /** There are pages of what is to be read that nobody has confirmed for too long. */
  #isOld(file: CachedFile, offset: number, size: number): boolean {
    if (file.blocks.size === 0 || this.#isFresh(file.confirmedMs, Infinity)) return false;
    for (let index = Math.floor(offset / PAGE_SIZE); index * PAGE_SIZE < offset + size; index++) if (file.pages.get(index)?.ready) return true;
    return false;
  }

  /** Sends for a page, and for those behind it up to `last` that are missing too. */
  #send(file: CachedFile, first: number, last: number, startedMs: number, wind: (size: number, offset: number) => Promise<ReadReply>): PageBlock {
    let to = first;
    while (to < last && to - first + 1 < RUN_MAX && this.#usable(file, to + 1, startedMs) === undefined) to++;
    const block = new PageBlock(first, to, this.#nowMs, wind((to - first + 1) * PAGE_SIZE, first * PAGE_SIZE));
    this.#store.expect(file, block);
    void block.answered.then(() => this.#answered(file, block));
    return block;
  }

  #answered(file: CachedFile, block: PageBlock): void {
    // Dropped on its way.
    if (block.pages === 0) return;
    const { stat } = block;
    const kept = stat !== undefined && !stat.isNull && this.#isSuitable(file, stat) && !this.#ended && !this.#passThrough && this.#told(file, stat, block.sentMs);
    if (kept) this.#store.keep(file, block);
    else this.#store.dropBlock(file, block);
  }

  #isSuitable(file: CachedFile, { ia_size }: Iatt): boolean {
    file.unsuitable = ia_size < this.#sizeMin || (this.#sizeMax > 0 && ia_size > this.#sizeMax);
    return !file.unsuitable;
  }

  /** Attributes of an answer to what was sent then. False when they are older than what is kept. */
  #told(file: CachedFile, stat: Iatt, sentMs: number): boolean {
    if (file.blocks.size > 0 && file.stat !== undefined) {
      if (sameContent(file.stat, stat)) {
        file.confirmedMs = Math.max(file.confirmedMs, sentMs);
        return true;
      }
      if (sentMs < file.confirmedMs) return false;
      this.#store.dropAnswered(file);
    }
    file.stat = stat;
    file.confirmedMs = sentMs;
    return true;
  }

  /** Resolves when somebody has told whether the file has changed. */
  #confirmed(frame: Frame, fd: Fd, file: CachedFile): Promise<void> {
    const sentMs = this.#nowMs;
    if (file.check && this.#isFresh(file.check.sentMs, sentMs)) return file.check.done;
    const { epoch } = file;
    const check = { sentMs, done: this.#ask(frame, fd, file, sentMs, epoch) };
    const over = (): void => {
      if (file.check === check) file.check = undefined;
    };
    file.check = check;
    return check.done.then(over);
  }

  async #ask(frame: Frame, fd: Fd, file: CachedFile, sentMs: number, epoch: number): Promise<void> {
    try {
      const { stat } = await this.child.fstat(frame, fd, undefined);
      if (file.epoch === epoch && !stat.isNull) this.#told(file, stat, sentMs);
    } catch {
      // The read itself will tell what is wrong.
      this.#store.dropAnswered(file);
    }
  }

  #fileOf(inode: Inode): CachedFile {
    let file = this.#files.get(inode);
    if (file === undefined) {
      this.#files.set(inode, (file = new CachedFile()));
      this.#fileCount++;
    }
    if (file.rules !== this.#priorities) this.#weigh(file, inode.table.path(inode));
    return file;
  }

  #weigh(file: CachedFile, path: string | undefined): void {
    file.rules = this.#priorities;
    this.#store.setWeight(file, this.#priorities.of(path ?? ''));
    if (file.weight === 0) this.#store.drop(file);
  }

  // ------------------------------------------------------------------------------------------------ what tells of the file

  override open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    const file = this.#files.get(fd.inode);
    if (file !== undefined) {
      file.unsuitable = false;
      if (!this.#priorities.empty) this.#weigh(file, loc.path);
    }
    return super.open(frame, loc, flags, fd, xdata);
  }

  override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    const file = this.#files.get(loc.inode);
    const reply = this.child.lookup(frame, loc, xdata);
    return file === undefined || file.blocks.size === 0 ? reply : this.#learn(file, reply, loc.inode);
  }

  async #learn(file: CachedFile, reply: Promise<LookupReply>, inode: Inode): Promise<LookupReply> {
    const [sentMs, { epoch }] = [this.#nowMs, file];
    const answer = await reply;
    if (answer.stat.ia_gfid === inode.gfid && !answer.stat.isNull && file.epoch === epoch && file.blocks.size > 0) this.#told(file, answer.stat, sentMs);
    return answer;
  }

  /** A listing may have been fetched ahead, so it confirms nothing. */
  override readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    const reply = this.child.readdirp(frame, fd, size, offset, xdata);
    return this.#store.isEmpty ? reply : this.#compare(reply);
  }

  async #compare(reply: Promise<ReaddirReply<Direntp>>): Promise<ReaddirReply<Direntp>> {
    const answer = await reply;
    for (const { stat } of answer.entries) {
      const inode = stat.isNull ? undefined : this.graph.inodeTable.find(stat.ia_gfid);
      const file = inode && this.#files.get(inode);
      if (file?.stat !== undefined && file.blocks.size > 0 && !sameContent(file.stat, stat)) this.#store.dropAnswered(file);
    }
    return answer;
  }

  /** md-cache has seen that the file is another. */
  override invalidate(inode: Inode): void {
    this.changed(inode, 0, Infinity);
  }

  /** Who takes a lock wants to see what others wrote before they gave theirs back: it is as if nothing was confirmed since. */
  override async lk(frame: Frame, fd: Fd, cmd: LkCmd, flock: Flock, xdata: Xdata): Promise<LkReply> {
    const reply = await this.child.lk(frame, fd, cmd, flock, xdata);
    const file = this.#files.get(fd.inode);
    if (file !== undefined) this.#doubt(file);
    return reply;
  }

  #doubt(file: CachedFile): void {
    file.epoch++;
    file.check = undefined;
    file.confirmedMs = -Infinity;
    // What is on its way may be older than the lock.
    for (const [index, block] of [...file.pages]) if (!block.ready) this.#store.dropPage(file, index);
  }

  // ------------------------------------------------------------------------------------------------ changes

  protected override changed(inode: Inode, start: number, end: number): void {
    const file = this.#files.get(inode);
    if (file === undefined || file.pages.size === 0) return;
    if (end === Infinity) this.#store.drop(file);
    else this.#store.dropRange(file, start, end);
  }

  protected override sameFile(known: Inode, fresh: Inode): void {
    const file = this.#fileOf(known);
    if (this.#files.get(fresh) === undefined) this.#fileCount++;
    this.#files.set(fresh, file);
  }

  override forget(inode: Inode): void {
    const file = this.#files.get(inode);
    if (file === undefined) return;
    this.#store.drop(file);
    this.#files.delete(inode);
    this.#fileCount--;
  }
}

/** GlusterFS compares mtime only, which whoever has written may set back. */
function sameContent(a: Iatt, b: Iatt): boolean {
  return a.ia_mtime === b.ia_mtime && a.ia_mtime_nsec === b.ia_mtime_nsec && a.ia_ctime === b.ia_ctime && a.ia_ctime_nsec === b.ia_ctime_nsec && a.ia_size === b.ia_size;
}
