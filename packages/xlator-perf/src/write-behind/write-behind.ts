import {
  type Bytes, type CopyFileRangeReply, type CreateReply, type CtxSlot, type Direntp, type EntryReply, type Fd, type Frame, GfEvent, Iatt, type Inode, type IoVec, type Loc, type LookupReply, OpenFlag, type OpenReply, type OptionValues, type PlainReply,
  type PrePostReply, type ReadReply, type ReaddirReply, type RenameReply, type Seek, type SeekReply, SetAttr, type StatReply, type StatedumpWriter, type Timer, type WriteReply, type Xdata, Xlator, type XlatorContext, gfidToString, inodeAddress,
} from '@glusterts/libglusterfs';
import { requireOneChild } from '../one-child.js';
import { setPassThrough } from '../pass-through.js';
import { type Region, WHOLE } from './requests.js';
import { BusyQueues, type WriteBehindSettings, WriteQueue } from './write-queue.js';

/** cluster/disperse says so in the answer to a CREATE; see {@link WriteQueue.holdsFirst}. */
const HOLD = 'glusterts.hold-first-write' as Bytes;
/** For how long a first write is held back, in milliseconds, and of how many files at once. */
const HOLD_MS = 2;
const HELD_MAX = 256;

/** So many queues are remembered to be dropped after the listings that are under way; others stay for the next close. */
const LEFT_MAX = 4096;

/** Had a queue: statedumps tell of such files, as GlusterFS's do. */
const LEFT = 0;
const NOTHING = { window: 0, transit: 0 };

/** How often the end of a graph tries what is owed. */
const LAST_TRIES = 2;

/**
 * performance/write-behind (spec/client.md, §9.1): writes are answered before the bricks have them, up to a window; small adjacent
 * ones are sent together. What a caller was told is never lost unless a later flush, fsync or fop on the file says so.
 */
export class WriteBehind extends Xlator {
  readonly #queues: CtxSlot<WriteQueue | typeof LEFT>;
  readonly #settings: WriteBehindSettings;
  #flushBehind = true;
  #strictDirect = false;
  #passThrough = false;
  /** Have held a first write back since the timer was set. */
  readonly #held: WriteQueue[] = [];
  #heldTimer: Timer | undefined;
  /** Listings under way. */
  #listings = 0;
  /** Files whose queues are wanted only for as long as there are such. */
  readonly #left: Inode[] = [];
  /** The children have heard PARENT_DOWN. */
  #ending: Promise<void> | undefined;

  constructor(context: XlatorContext) {
    super(context);
    this.#queues = this.newCtxSlot<WriteQueue | typeof LEFT>();
    this.#settings = {
      child: this.child, iobufs: this.graph.iobufs, window: 0, aggregate: 0, trickling: true, strictOrdering: false, resyncAfterFsync: false, later: (queue) => this.#later(queue), busy: new BusyQueues(), fulfilments: 0,
    };
    this.#take(this.options);
    if (this.#passThrough) setPassThrough(this, true);
  }

  override init(): void {
    requireOneChild(this);
  }

  /** Put out of the way on a live graph it takes no more writes, but goes on with those that it has; only a new graph is bound past it. */
  override reconfigure(values: OptionValues): void {
    const was = this.#passThrough;
    this.#take(values);
    if (!was || this.#passThrough) return;
    setPassThrough(this, false);
    this.graph.rebind();
  }

  #take(values: OptionValues): void {
    this.options = values;
    const settings = this.#settings;
    settings.window = values.number('cache-size');
    settings.aggregate = values.number('aggregate-size');
    settings.trickling = values.bool('trickling-writes');
    settings.strictOrdering = values.bool('strict-write-ordering');
    settings.resyncAfterFsync = values.bool('resync-failed-syncs-after-fsync');
    this.#flushBehind = values.bool('flush-behind');
    this.#strictDirect = values.bool('strict-O_DIRECT');
    this.#passThrough = values.bool('pass-through');
  }

  /** The connections close only when all has been written. */
  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    if (event !== GfEvent.PARENT_DOWN) return super.notify(event, data, from);
    this.#ending = this.#drain().then(() => super.notify(event, data, from));
  }

  override async fini(): Promise<void> {
    await (this.#ending ?? this.#drain());
  }

  /** Writes what is owed; what fails again then is given up. */
  async #drain(): Promise<void> {
    this.#pushHeld();
    const { busy } = this.#settings;
    for (let tries = 0; tries < LAST_TRIES && busy.size > 0; tries++) {
      const queues = [...busy.queues];
      for (const queue of queues) queue.push();
      await Promise.all(queues.map((queue) => queue.settled()));
    }
    for (const queue of [...busy.queues]) {
      const bytes = queue.abandonFailures();
      if (bytes > 0) this.log.error(0, `${bytes} bytes that were answered could not be written, and are lost`);
    }
  }

  override dump(writer: StatedumpWriter): void {
    writer.section('xlator.performance.write-behind.priv');
    writer.write('aggregate_size', this.#settings.aggregate);
    writer.write('window_size', this.#settings.window);
    writer.write('flush_behind', this.#flushBehind ? 1 : 0);
    writer.write('trickling_writes', this.#settings.trickling ? 1 : 0);
  }

  override dumpInode(inode: Inode, writer: StatedumpWriter): void {
    const queue = this.#queues.get(inode);
    if (queue === undefined) return;
    const { window, transit } = queue === LEFT ? NOTHING : queue.figures;
    writer.section('xlator.performance.write-behind.wb_inode');
    const path = inode.table.path(inode);
    if (path !== undefined) writer.write('path', path);
    writer.write('inode', inodeAddress(inode));
    writer.write('gfid', gfidToString(inode.gfid));
    writer.write('window_conf', this.#settings.window);
    writer.write('window_current', window);
    writer.write('transit-size', transit);
    writer.write('dontsync', 0);
  }

  /** All that are held go together, when the first of them has waited for long enough. */
  #later(queue: WriteQueue): void {
    this.#held.push(queue);
    if (this.#held.length === HELD_MAX) return this.#pushHeld();
    this.#heldTimer ??= this.graph.platform.timers.after(HOLD_MS, () => this.#pushHeld());
  }

  #pushHeld(): void {
    this.#heldTimer?.cancel();
    this.#heldTimer = undefined;
    for (const queue of this.#held.splice(0)) if (queue.holdsFirst) queue.push();
  }

  #known(inode: Inode): WriteQueue | undefined {
    const queue = this.#queues.get(inode);
    return queue === LEFT ? undefined : queue;
  }

  #queue(inode: Inode): WriteQueue {
    let queue = this.#known(inode);
    if (!queue) this.#queues.set(inode, (queue = new WriteQueue(this.#settings)));
    return queue;
  }

  /** A queue that has nothing to do is no use to a file that is open nowhere, of which there may be a million. */
  override release({ inode }: Fd): void {
    if (inode.fds.size > 0 || this.#known(inode)?.idle !== true) return;
    if (this.#listings === 0) this.#leave(inode);
    // A listing that began before the writes ended will ask.
    else if (this.#left.length < LEFT_MAX) this.#left.push(inode);
  }

  #leave(inode: Inode): void {
    const queue = this.#known(inode);
    if (queue?.idle === true && queue.cutting === 0 && inode.fds.size === 0) this.#queues.set(inode, LEFT);
  }

  /** After the writes that are in its way; at once on a file that nothing was written to. */
  #after<T>(inode: Inode, region: Region, run: () => Promise<T>): Promise<T> {
    const queue = this.#known(inode);
    return queue === undefined ? run() : queue.wait(region, run);
  }

  // ------------------------------------------------------------------------------------------------ writing

  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    const queue = this.#queue(fd.inode);
    const sync = OpenFlag.SYNC | OpenFlag.DSYNC | (this.#strictDirect ? OpenFlag.DIRECT : 0);
    if (((fd.flags | flags) & sync) === 0 && !this.#passThrough && vector.size > 0) return queue.write({ frame, fd, vector, offset, flags });
    return queue.wait(queue.writeRegion(offset, vector.size), () => this.child.writev(frame, fd, vector, offset, flags, xdata), { isWrite: true });
  }

  /** Answered as soon as the writes are through; the brick hears of it behind our back. */
  override flush(frame: Frame, fd: Fd, xdata: Xdata): Promise<PlainReply> {
    const queue = this.#known(fd.inode);
    if (queue === undefined) return this.child.flush(frame, fd, xdata);
    const run = (): Promise<PlainReply> => {
      if (!this.#flushBehind) return this.child.flush(frame, fd, xdata);
      fd.ref();
      const done = (): void => fd.unref();
      this.child.flush(frame.derive({ signal: undefined }), fd, xdata).then(done, done);
      return Promise.resolve({ xdata: undefined });
    };
    return queue.wait(WHOLE, run, { barrier: 'flush' });
  }

  override fsync(frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<PrePostReply> {
    const queue = this.#known(fd.inode);
    const run = (): Promise<PrePostReply> => this.child.fsync(frame, fd, datasync, xdata);
    return queue === undefined ? run() : queue.wait(WHOLE, run, { barrier: 'fsync' });
  }

  // ------------------------------------------------------------------------------------------------ what must see the writes

  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    return this.#after(fd.inode, { start: offset, end: offset + size }, () => this.child.readv(frame, fd, size, offset, flags, xdata));
  }

  override stat(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply> {
    return this.#after(loc.inode, WHOLE, () => this.child.stat(frame, loc, xdata));
  }

  override fstat(frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
    return this.#after(fd.inode, WHOLE, () => this.child.fstat(frame, fd, xdata));
  }

  override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    const queue = this.#known(loc.inode);
    if (queue === undefined) return this.child.lookup(frame, loc, xdata);
    return this.#learning(queue, queue.wait(WHOLE, () => this.child.lookup(frame, loc, xdata)), queue.cuts);
  }

  async #learning(queue: WriteQueue, reply: Promise<LookupReply>, cuts: number): Promise<LookupReply> {
    const answer = await reply;
    queue.learn(answer.stat.ia_size, cuts);
    return answer;
  }

  override truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#sizing(loc.inode, offset, () => this.child.truncate(frame, loc, offset, xdata));
  }

  override ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#sizing(fd.inode, offset, () => this.child.ftruncate(frame, fd, offset, xdata));
  }

  #sizing<T>(inode: Inode, size: number, run: () => Promise<T>): Promise<T> {
    const queue = this.#known(inode);
    if (queue === undefined) return run();
    const reply = queue.wait({ start: Math.min(size, queue.size), end: Infinity }, run);
    queue.truncated(size);
    queue.cutting++;
    const ended = (): void => {
      queue.cutting--;
      queue.truncated(size);
    };
    reply.then(ended, ended);
    return reply;
  }

  override setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    const run = (): Promise<PrePostReply> => this.child.setattr(frame, loc, stbuf, valid, xdata);
    return valid & SetAttr.SIZE ? this.#sizing(loc.inode, stbuf.ia_size, run) : this.#after(loc.inode, WHOLE, run);
  }

  override fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#after(fd.inode, WHOLE, () => this.child.fsetattr(frame, fd, stbuf, valid, xdata));
  }

  override link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
    return this.#after(oldloc.inode, WHOLE, () => this.child.link(frame, oldloc, newloc, xdata));
  }

  override rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    return this.#after(oldloc.inode, WHOLE, () => this.child.rename(frame, oldloc, newloc, xdata));
  }

  override fallocate(frame: Frame, fd: Fd, keep_size: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#after(fd.inode, WHOLE, () => this.child.fallocate(frame, fd, keep_size, offset, len, xdata));
  }

  override discard(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#after(fd.inode, WHOLE, () => this.child.discard(frame, fd, offset, len, xdata));
  }

  override zerofill(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#after(fd.inode, WHOLE, () => this.child.zerofill(frame, fd, offset, len, xdata));
  }

  /** Holes are where nothing was written yet: it must see what was told, though GlusterFS's own lets it pass. */
  override seek(frame: Frame, fd: Fd, offset: number, what: Seek, xdata: Xdata): Promise<SeekReply> {
    return this.#after(fd.inode, WHOLE, () => this.child.seek(frame, fd, offset, what, xdata));
  }

  override copy_file_range(frame: Frame, fd_in: Fd, off_in: number, fd_out: Fd, off_out: number, len: number, flags: number, xdata: Xdata): Promise<CopyFileRangeReply> {
    const copy = (): Promise<CopyFileRangeReply> => this.child.copy_file_range(frame, fd_in, off_in, fd_out, off_out, len, flags, xdata);
    return this.#after(fd_in.inode, WHOLE, () => (fd_in.inode === fd_out.inode ? copy() : this.#after(fd_out.inode, WHOLE, copy)));
  }

  // ------------------------------------------------------------------------------------------------ opening, listing

  override async create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    const reply = await this.child.create(frame, loc, flags, mode, umask, fd, xdata);
    const known = this.graph.inodeTable.find(reply.stat.ia_gfid);
    // It was there already, and somebody has it open: its requests stand in one queue, whichever inode they come by.
    if (known !== undefined && known !== fd.inode) this.#queues.set(fd.inode, this.#queue(known));
    this.#opened(fd.inode, flags, reply.stat.ia_size);
    if (reply.xdata?.has(HOLD) === true) {
      reply.xdata.delete(HOLD);
      this.#queue(fd.inode).holdsFirst = true;
    }
    return reply;
  }

  override async open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    const run = (): Promise<OpenReply> => this.child.open(frame, loc, flags, fd, xdata);
    // Emptied after the writes that were answered, not before them.
    const reply = await (flags & OpenFlag.TRUNC ? this.#sizing(fd.inode, 0, run) : run());
    this.#opened(fd.inode, flags, undefined);
    return reply;
  }

  #opened(inode: Inode, flags: number, size: number | undefined): void {
    if ((flags & OpenFlag.ACCMODE) === OpenFlag.RDONLY) return;
    const queue = this.#queue(inode);
    if (flags & OpenFlag.TRUNC) queue.truncated(0);
    else if (size !== undefined) queue.learn(size, queue.cuts);
  }

  /** Sizes of files with writes on their way are not told: the listing may be older than they. */
  override async readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    const before = this.#settings.fulfilments;
    this.#listings++;
    try {
      const reply = await this.child.readdirp(frame, fd, size, offset, xdata);
      if (this.#settings.busy.size > 0 || this.#settings.fulfilments !== before) this.#hideSizes(reply.entries, before);
      return reply;
    } finally {
      if (--this.#listings === 0 && this.#left.length > 0) for (const inode of this.#left.splice(0)) this.#leave(inode);
    }
  }

  #hideSizes(entries: readonly Direntp[], before: number): void {
    for (const entry of entries) {
      const inode = this.graph.inodeTable.find(entry.stat.ia_gfid);
      const queue = inode && this.#known(inode);
      if (queue === undefined || (!queue.owes && queue.fulfilledAt <= before)) continue;
      entry.inode = undefined;
      entry.stat = new Iatt();
    }
  }
}
