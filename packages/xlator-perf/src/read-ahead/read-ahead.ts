import {
  type CtxSlot, type Fd, type Flock, type Frame, GfEvent, type Inode, type LkCmd, type LkReply, OpenFlag, type OptionValues, type ReadReply, type StatedumpWriter, type Upcall, type Xdata, type Xlator,
  type XlatorContext,
} from '@glusterts/libglusterfs';
import { ContentChanges } from '../content-changes.js';
import { requireOneChild } from '../one-child.js';
import { setPassThrough } from '../pass-through.js';
import { type Part, ReadBlock, assemble, readParts } from '../read-block.js';
import { type AheadSettings, READ_MAX, type Send, Sequence } from './sequence.js';

/** What was read ahead is given up after this time: as long as the other caches believe what they have. */
const FRESH_MS = 1000;
/** Open files that are read ahead at a time, each of a window: those that were given up make room. */
const READERS_MAX = 64;

/** The sequences of all fds of a file. */
class Readers extends Set<Sequence> {
  /** It belongs to several inodes. */
  shared = false;
}

/**
 * performance/read-ahead (spec/client.md, §9.2): who reads a file from the front to the back finds the next pages there when he
 * asks for them. Pages are kept for an fd, and dropped when they were read, when the reader goes elsewhere, and when the file
 * changes.
 */
export class ReadAhead extends ContentChanges {
  readonly #sequences: CtxSlot<Sequence>;
  /** The sequences of a file's fds, by inode. */
  readonly #readers: CtxSlot<Readers>;
  readonly #settings: AheadSettings = { pageSize: 0, pageCount: 0 };
  /** Those that have something ahead, in the order in which they were read last. */
  readonly #busy = new Set<Sequence>();
  #forceAtime = false;
  #passThrough = false;
  /** What was sent for before may be another brick's. */
  #childDownMs = -Infinity;
  #ended = false;

  constructor(context: XlatorContext) {
    super(context);
    this.#sequences = this.newCtxSlot<Sequence>();
    this.#readers = this.newCtxSlot<Readers>();
    this.#take(this.options);
    if (this.#passThrough) setPassThrough(this, true);
  }

  override init(): void {
    requireOneChild(this);
  }

  /** Put out of the way on a live graph it reads nothing more ahead; only a new graph is bound past it. */
  override reconfigure(values: OptionValues): void {
    const was = this.#passThrough;
    this.#take(values);
    this.#dropAll();
    if (!was || this.#passThrough) return;
    setPassThrough(this, false);
    this.graph.rebind();
  }

  #take(values: OptionValues): void {
    this.options = values;
    this.#settings.pageSize = values.number('page-size');
    this.#settings.pageCount = values.number('page-count');
    this.#forceAtime = values.bool('force-atime-update');
    this.#passThrough = values.bool('pass-through');
  }

  override dump(writer: StatedumpWriter): void {
    writer.section('xlator.performance.read-ahead.priv');
    writer.write('page_size', this.#settings.pageSize);
    writer.write('page_count', this.#settings.pageCount);
    writer.write('force_atime_update', this.#forceAtime ? 1 : 0);
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
    if (inode) this.changed(inode);
  }

  override fini(): void {
    this.#end();
  }

  #end(): void {
    this.#ended = true;
    this.#dropAll();
  }

  #dropAll(): void {
    for (const sequence of this.#busy) sequence.drop();
    this.#busy.clear();
  }

  /** What was sent for at that time or before is not served any more. */
  get #oldestMs(): number {
    return Math.max(this.#nowMs - FRESH_MS, this.#childDownMs);
  }

  get #nowMs(): number {
    return this.graph.platform.clock.monotonic();
  }

  // ------------------------------------------------------------------------------------------------ reading

  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    const unsuitable = ((fd.flags | flags) & OpenFlag.DIRECT) !== 0 || (fd.flags & OpenFlag.ACCMODE) === OpenFlag.WRONLY || fd.anonymous || size <= 0 || size > READ_MAX;
    if (unsuitable || this.#passThrough || this.#ended) return this.child.readv(frame, fd, size, offset, flags, xdata);
    const sequence = this.#sequence(fd);
    if (!sequence.follows(offset, size)) {
      this.#busy.delete(sequence);
      return this.child.readv(frame, fd, size, offset, flags, xdata);
    }
    sequence.expire(this.#oldestMs);
    const parts = sequence.take(offset, size, (start, end) => this.#send(frame, fd, sequence, start, end, flags, xdata));
    const fromAhead = !parts.some(({ own }) => own);
    // Whoever asks for this read may lose interest in it; what lies ahead is for all who come.
    const ahead: Send = (start, end) => this.#send(frame.signal === undefined ? frame : frame.derive({ signal: undefined }), fd, sequence, start, end, flags, xdata);
    this.#goOn(sequence, offset, size, ahead);
    if (this.#forceAtime && fromAhead) this.#touch(frame, fd);
    if (parts.every(({ block }) => block.ready)) {
      const { reply, complete } = assemble(parts, offset, size);
      // At its own end what is there may say nothing of what has been written since.
      if (complete && reply.vector.size > 0) {
        for (const { block } of parts) block.letGo();
        sequence.passed(offset + size);
        return Promise.resolve(reply);
      }
      reply.vector.unref();
    }
    return this.#wait(frame, fd, sequence, parts, size, offset, flags, xdata, fromAhead, ahead);
  }

  async #wait(
    frame: Frame, fd: Fd, sequence: Sequence, parts: readonly Part[], size: number, offset: number, flags: number, xdata: Xdata, fromAhead: boolean, ahead: Send,
  ): Promise<ReadReply> {
    const direct = (rest: number, at: number): Promise<ReadReply> => this.child.readv(frame, fd, rest, at, flags, xdata);
    const reply = await readParts(parts, offset, size, direct);
    sequence.passed(offset + size);
    if (fromAhead && reply.vector.size === 0) {
      reply.vector.unref();
      sequence.drop();
      return direct(size, offset);
    }
    // The first answer has told how large the file is.
    if (!this.#ended && !this.#passThrough && fd.refs > 0 && this.#sequences.get(fd) === sequence) {
      this.#goOn(sequence, offset, size, ahead);
    }
    return reply;
  }

  #send(frame: Frame, fd: Fd, sequence: Sequence, start: number, end: number, flags: number, xdata: Xdata): ReadBlock {
    fd.ref();
    const block = new ReadBlock(start, end, this.#nowMs, this.child.readv(frame, fd, end - start, start, flags, xdata));
    void block.answered.then(() => {
      if (block.failed) sequence.drop();
      else sequence.size = block.stat === undefined || block.stat.isNull ? undefined : block.stat.ia_size;
      fd.unref();
    });
    return block;
  }

  /** Reads on, unless too many others have something ahead already that they may yet ask for. */
  #goOn(sequence: Sequence, offset: number, size: number, send: Send): void {
    const busy = this.#busy;
    const [oldest] = busy;
    if (busy.size >= READERS_MAX && !busy.has(sequence) && oldest !== undefined) {
      oldest.expire(this.#oldestMs);
      if (oldest.ahead > 0) return;
      busy.delete(oldest);
    }
    sequence.readAhead(offset, size, send);
    busy.delete(sequence);
    if (sequence.ahead > 0) busy.add(sequence);
  }

  /** The brick sees a read at least. */
  #touch(frame: Frame, fd: Fd): void {
    fd.ref();
    const done = (): void => fd.unref();
    this.child.readv(frame.derive({ signal: undefined }), fd, 1, 1, 0, undefined).then(({ vector }) => vector.unref()).then(done, done);
  }

  #sequence(fd: Fd): Sequence {
    let sequence = this.#sequences.get(fd);
    if (sequence === undefined) {
      this.#sequences.set(fd, (sequence = new Sequence(this.#settings)));
      this.#readersOf(fd.inode).add(sequence);
    }
    return sequence;
  }

  #readersOf(inode: Inode): Readers {
    let readers = this.#readers.get(inode);
    if (readers === undefined) this.#readers.set(inode, (readers = new Readers()));
    return readers;
  }

  override release(fd: Fd): void {
    const sequence = this.#sequences.get(fd);
    if (sequence === undefined) return;
    sequence.drop();
    this.#busy.delete(sequence);
    this.#sequences.delete(fd);
    const readers = this.#readers.get(fd.inode);
    readers?.delete(sequence);
    if (readers?.size === 0 && !readers.shared) this.#readers.delete(fd.inode);
  }

  // ------------------------------------------------------------------------------------------------ changes

  /** Whatever has changed: the pages of all fds. */
  protected override changed(inode: Inode): void {
    const readers = this.#readers.get(inode);
    if (readers === undefined) return;
    for (const sequence of readers) {
      sequence.changed();
      this.#busy.delete(sequence);
    }
  }

  protected override sameFile(known: Inode, fresh: Inode): void {
    const readers = this.#readersOf(known);
    readers.shared = true;
    this.#readers.set(fresh, readers);
  }

  /** md-cache has seen that the file is another. */
  override invalidate(inode: Inode): void {
    this.changed(inode);
  }

  /** Who takes a lock wants to see what others wrote before they gave theirs back. */
  override async lk(frame: Frame, fd: Fd, cmd: LkCmd, flock: Flock, xdata: Xdata): Promise<LkReply> {
    const reply = await this.child.lk(frame, fd, cmd, flock, xdata);
    this.changed(fd.inode);
    return reply;
  }

  override forget(inode: Inode): void {
    this.#readers.delete(inode);
  }
}
