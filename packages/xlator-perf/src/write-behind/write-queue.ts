import { type Bytes, Dict, Errno, FopError, Frame, Iatt, IoVec, type IobufPool, OpenFlag, type Subvolume, type WriteReply, errnoOf, objectList } from '@glusterts/libglusterfs';
import { type Barrier, type Lie, type Region, type Request, type WriteCall, overlap } from './requests.js';

/** What the queues of a graph share. */
export interface WriteBehindSettings {
  readonly child: Subvolume;
  readonly iobufs: IobufPool;
  /** Bytes that may be answered and not yet written, per inode; one request may overshoot. */
  window: number;
  /** Small writes are sent together up to this many bytes. */
  aggregate: number;
  /** With nothing under way a write is not held back for others to join it. */
  trickling: boolean;
  /** Every request waits for every lie before it. */
  strictOrdering: boolean;
  /** A failed fsync keeps the data, for another try. */
  resyncAfterFsync: boolean;
  /** Calls a queue's `push` within a moment, unless it has nothing left. */
  readonly later: (queue: WriteQueue) => void;
  /** Queues that hold something. */
  readonly busy: BusyQueues;
  /** Counts acknowledged lies: directory listings that overlap with one must not tell sizes. */
  fulfilments: number;
}

const NOWHERE = -1;

/** Queues that hold something: a list in which each knows its place. */
export class BusyQueues {
  readonly queues = objectList<WriteQueue>();

  get size(): number {
    return this.queues.length;
  }

  add(queue: WriteQueue): void {
    if (queue.busyAt !== NOWHERE) return;
    queue.busyAt = this.queues.length;
    this.queues.push(queue);
  }

  delete(queue: WriteQueue): void {
    const at = queue.busyAt;
    if (at === NOWHERE) return;
    queue.busyAt = NOWHERE;
    const last = this.queues.pop();
    if (last === undefined || last === queue) return;
    this.queues[at] = last;
    last.busyAt = at;
  }
}

/** Told to the child with a write that a close waits for. */
const CLOSING = 'glusterts.closing' as Bytes;

/** Buffers in one writev to the child. */
const CHAIN_MAX = 64;

/**
 * The requests of one inode (spec/client.md, §9.1). All that has not been sent is in `todo`, in the order in which it came. A
 * write is also in `tempted` until its caller has an answer, and in `liable` from then until the child has it. What has been sent
 * is in `underway` if it is a write.
 *
 * Always true: two writes that overlap are never under way together; what a caller was told is written before anything that
 * overlaps with it and came later; flush and fsync wait for all that was told before them.
 */
export class WriteQueue {
  readonly #settings: WriteBehindSettings;
  #todo: Request[] = [];
  #tempted: Lie[] = [];
  /** In the order in which their callers got their answers. Lists, since sets that change with every write keep V8's collector busy. */
  readonly #liable: Lie[] = [];
  readonly #underway: Region[] = [];
  /** Waiting requests that have been sent. */
  #sent = 0;
  /** Bytes answered and not yet written. */
  #window = 0;
  /** Bytes of lies under way. */
  #transit = 0;
  #gen = 0;
  #processing = false;
  #again = false;
  /** At least so many bytes has the file: none where nothing is known. */
  #size: number | undefined;
  /** Counts what may have made the file shorter: an answer that was on its way then says nothing about the size. */
  #cuts = 0;
  /** The first write of the file may wait a moment for the close: the child does both at once then. */
  holdsFirst = false;
  /** {@link BusyQueues}' own. */
  busyAt = NOWHERE;
  readonly #onSettled: (() => void)[] = [];
  /** {@link WriteBehindSettings.fulfilments} at this inode's last. */
  fulfilledAt = 0;
  /** Fops under way that set the size, and will say so here. */
  cutting = 0;

  constructor(settings: WriteBehindSettings) {
    this.#settings = settings;
  }

  get idle(): boolean {
    return this.#todo.length === 0 && this.#tempted.length === 0 && this.#liable.length === 0 && this.#underway.length === 0 && this.#sent === 0;
  }

  /** Bytes of the file as far as known, 0 if not at all. */
  get size(): number {
    return this.#size ?? 0;
  }

  /** Some of what was told has not been written yet. */
  get owes(): boolean {
    return this.#liable.length > 0;
  }

  /** For statedumps. */
  get figures(): { window: number; transit: number; todo: number; liable: number } {
    return { window: this.#window, transit: this.#transit, todo: this.#todo.length, liable: this.#liable.length };
  }

  /** What {@link learn} is told with an answer: taken when its fop was sent. */
  get cuts(): number {
    return this.#cuts;
  }

  /** An answer tells the file's size; while writes are on their way only a larger one counts. */
  learn(size: number, cuts: number): void {
    if (cuts !== this.#cuts) return;
    this.#size = this.idle ? size : Math.max(this.#size ?? 0, size);
  }

  /** A fop that sets the size begins or ends; writes that were asked meanwhile may be cut off by it. */
  truncated(size: number): void {
    this.#cuts++;
    this.#size = Math.min(this.#size ?? 0, size);
  }

  /** Where a write touches: from the end of the file when it leaves a hole. The file is as long as that from now on. */
  writeRegion(offset: number, length: number): Region {
    const known = this.#size ?? 0;
    this.#size = Math.max(known, offset + length);
    return { start: Math.min(offset, known), end: offset + length };
  }

  /** A write that may be answered before the child has it. */
  write({ frame, fd, vector: given, offset, flags }: WriteCall): Promise<WriteReply> {
    const vector = given.bufs.length > 0 ? given.ref() : this.#copy(given);
    return new Promise((resolve, reject) => {
      const lie: Lie = {
        kind: 'lie', fd: fd.ref(), flags, lkOwner: frame.lk_owner, pid: frame.pid, append: (fd.flags & OpenFlag.APPEND) !== 0, region: this.writeRegion(offset, vector.size), gen: this.#gen,
        vector, offset, size: vector.size, go: false, lied: false, errno: 0, rests: false, resolve, reject,
      };
      this.#tempted.push(lie);
      this.#enqueue(lie);
    });
  }

  /** Memory that no pool owns is the caller's again as soon as he has his answer. */
  #copy(vector: IoVec): IoVec {
    const page = this.#settings.iobufs.get(vector.size);
    vector.copyTo(page.memory);
    return new IoVec([page.memory.subarray(0, vector.size)], [page]);
  }

  /** Anything else that must wait for the writes before it: `run` is called when it may go. */
  wait<T>(region: Region, run: () => Promise<T>, what: { barrier?: Barrier; isWrite?: boolean } = {}): Promise<T> {
    if (this.idle && what.isWrite !== true) return run();
    return new Promise<T>((resolve, reject) => {
      this.#enqueue({
        kind: 'waiting', region, gen: this.#gen, barrier: what.barrier, isWrite: what.isWrite ?? false, errno: 0,
        start: (done) => {
          run().then(
            (value) => {
              done();
              resolve(value);
            },
            (error: unknown) => {
              done();
              reject(error);
            },
          );
        },
        refuse: (errno) => reject(new FopError(errno)),
      });
    });
  }

  /** All of it goes now: nothing more is coming. */
  push(): void {
    this.holdsFirst = false;
    for (const request of this.#todo) if (request.kind === 'lie') request.go = true;
    this.#wake();
    this.#process();
  }

  /** What has failed and waits for another try is lost: the graph ends. Answers how many bytes that are. */
  abandonFailures(): number {
    let bytes = 0;
    for (const lie of this.#liable) if (lie.rests) bytes += lie.vector.size;
    for (const lie of [...this.#liable]) if (lie.rests) this.#drop(lie);
    this.#todo = this.#todo.filter((request) => request.kind !== 'lie' || !request.rests);
    this.#process();
    return bytes;
  }

  /** Resolves when nothing is under way: all is written, or has failed. */
  settled(): Promise<void> {
    if (this.#underway.length === 0 && this.#sent === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onSettled.push(resolve));
  }

  #enqueue(request: Request): void {
    this.#settings.busy.add(this);
    this.#wake();
    this.#todo.push(request);
    this.#process();
  }

  /** What failed is tried once more. */
  #wake(): void {
    for (const request of this.#todo) if (request.kind === 'lie') request.rests = false;
  }

  #process(): void {
    if (this.#processing) {
      this.#again = true;
      return;
    }
    this.#processing = true;
    do {
      this.#again = false;
      this.#release();
      const ready = this.#take();
      this.#answer();
      if (ready !== undefined) this.#send(ready);
    } while (this.#again);
    this.#processing = false;
    if (this.#underway.length === 0 && this.#sent === 0) for (const settled of this.#onSettled.splice(0)) settled();
    if (this.idle) this.#settings.busy.delete(this);
  }

  /** Lets writes go that need wait for no other to join them: the last run of adjacent ones may wait, while others are under way. */
  #release(): void {
    let begin = 0;
    let last: Lie | undefined;
    let run = 0;
    for (let at = 0; at < this.#todo.length; at++) {
      const request = this.#todo[at];
      if (request === undefined) continue;
      if (request.kind === 'waiting') {
        if (last && !last.go) this.#letGo(begin, at);
        continue;
      }
      if (last && !adjoin(last, request)) {
        this.#letGo(begin, at);
        begin = at;
        run = 0;
      }
      run += request.size;
      last = request;
    }
    if (!last || last.go) return;
    if (run < this.#settings.aggregate) {
      if (!this.#settings.trickling || this.#transit !== 0) return;
      if (this.holdsFirst && this.#todo.length === 1) return this.#settings.later(this);
    }
    this.holdsFirst = false;
    this.#letGo(begin, this.#todo.length);
  }

  #letGo(from: number, to: number): void {
    for (let at = from; at < to; at++) {
      const request = this.#todo[at];
      if (request?.kind === 'lie') request.go = true;
    }
  }

  /** Takes what may be sent out of `todo`. */
  #take(): Request[] | undefined {
    let ready: Request[] | undefined;
    let rest: Request[] | undefined;
    for (let at = 0; at < this.#todo.length; at++) {
      const request = this.#todo[at];
      if (request === undefined) continue;
      if (this.#mayGo(request)) {
        rest ??= this.#todo.slice(0, at);
        (ready ??= []).push(request);
      } else rest?.push(request);
    }
    if (rest) this.#todo = rest;
    return ready;
  }

  /** Whether it may leave `todo`: to be sent, or to be refused with its `errno`. */
  #mayGo(request: Request): boolean {
    const isLie = request.kind === 'lie';
    if (isLie && request.rests) return false;
    for (const lie of this.#liable) {
      if (lie === request || lie.gen >= request.gen) continue;
      // The brick appends at the end as it finds it: nothing may be on its way then.
      const appends = lie.append || (isLie && request.append);
      if (!appends && !this.#settings.strictOrdering && !overlap(lie.region, request.region)) continue;
      if (!isLie && request.barrier !== undefined) {
        // It speaks for all of them: it goes when each has been written, was given up, or (resync) failed once more.
        if (request.errno !== 0 && lie.rests) continue;
        return false;
      }
      // It is being tried, for the first time or because this request woke it: that decides.
      if (!lie.rests) return false;
      if (isLie && request.lied) {
        // It shares the fate of what it waits for, or those who wait for it would wait until something else comes.
        request.errno = lie.errno;
        request.rests = this.#again = true;
        return false;
      }
      request.errno = lie.errno;
      return true;
    }
    if (!isLie && request.errno !== 0) return true;
    if (isLie ? !request.go : !request.isWrite) return !isLie;
    for (const region of this.#underway) if (overlap(region, request.region)) return false;
    this.#underway.push(request.region);
    if (isLie) this.#transit += request.vector.size;
    return true;
  }

  /** Tells callers that their writes are done, as far as the window reaches. */
  #answer(): void {
    let at = 0;
    for (; at < this.#tempted.length && this.#window <= this.#settings.window; at++) {
      const lie = this.#tempted[at];
      // Refused in this very round.
      if (lie === undefined || lie.errno !== 0) continue;
      this.#window += lie.size;
      lie.lied = true;
      this.#gen++;
      this.#liable.push(lie);
      lie.resolve({ written: lie.size, prestat: new Iatt(), poststat: new Iatt(), xdata: undefined });
    }
    if (at > 0) this.#tempted.splice(0, at);
  }

  #send(ready: readonly Request[]): void {
    let chain: Lie[] = [];
    let size = 0;
    for (const request of ready) {
      if (request.kind === 'waiting') {
        this.#start(request);
        continue;
      }
      if (request.errno !== 0 && !request.lied) {
        this.#drop(request);
        request.reject(new FopError(request.errno));
        continue;
      }
      const last = chain.at(-1);
      if (last && (!adjoin(last, request) || size + request.size > this.#settings.aggregate || chain.length === CHAIN_MAX)) {
        this.#fulfil(chain);
        chain = [];
        size = 0;
      }
      chain.push(request);
      size += request.vector.size;
    }
    if (chain.length > 0) this.#fulfil(chain);
  }

  #start(request: Extract<Request, { kind: 'waiting' }>): void {
    if (request.errno !== 0) {
      // The flush goes down all the same: it gives back the caller's locks.
      if (request.barrier === 'flush') request.start(() => undefined);
      request.refuse(request.errno);
      return;
    }
    this.#sent++;
    request.start(() => {
      this.#sent--;
      if (request.isWrite) remove(this.#underway, request.region);
      this.#process();
    });
  }

  /** Sends adjacent lies as one write, as root: the rights were checked when the file was opened. */
  #fulfil(chain: readonly Lie[]): void {
    const [first] = chain;
    if (first === undefined) return;
    const vector = chain.length === 1 ? first.vector : new IoVec(chain.flatMap((lie) => lie.vector.chunks), chain.flatMap((lie) => lie.vector.bufs));
    const frame = new Frame();
    frame.pid = first.pid;
    frame.lk_owner = first.lkOwner;
    const cuts = this.#cuts;
    const xdata = this.holdsFirst && this.#todo.length === 1 && isFlush(this.#todo[0]) ? new Dict().setUint(CLOSING, 1) : undefined;
    this.holdsFirst = false;
    this.#settings.child.writev(frame, first.fd, vector, first.offset, first.flags, xdata).then(
      (reply) => this.#acknowledge(chain, reply, cuts),
      (error: unknown) => this.#failed(chain, errnoOf(error)),
    );
  }

  #acknowledge(chain: readonly Lie[], reply: WriteReply, cuts: number): void {
    // A write of nothing would be tried for ever.
    if (reply.written <= 0) return this.#failed(chain, Errno.EIO);
    let left = reply.written;
    const again: Lie[] = [];
    for (const lie of chain) {
      const wanted = lie.vector.size;
      remove(this.#underway, lie.region);
      this.#transit -= wanted;
      if (left >= wanted) {
        left -= wanted;
        this.#finish(lie);
        continue;
      }
      // A short write: the rest is written next.
      const all = lie.vector;
      lie.vector = all.slice(left);
      lie.offset += left;
      lie.errno = 0;
      lie.go = true;
      left = 0;
      again.push(lie);
    }
    if (again.length > 0) this.#todo.unshift(...again);
    this.#settings.fulfilments++;
    this.fulfilledAt = this.#settings.fulfilments;
    if (!reply.poststat.isNull) this.learn(reply.poststat.ia_size, cuts);
    this.#process();
  }

  /** The child has it all. */
  #finish(lie: Lie): void {
    if (!lie.lied) {
      // The window was full. It needs no place in it now.
      this.#tempted.splice(this.#tempted.indexOf(lie), 1);
      lie.lied = true;
      this.#gen++;
      lie.resolve({ written: lie.size, prestat: new Iatt(), poststat: new Iatt(), xdata: undefined });
    } else if (remove(this.#liable, lie)) this.#window -= lie.size;
    lie.vector.unref();
    lie.fd.unref();
  }

  /** It will not be written, and its caller hears of it. */
  #drop(lie: Lie): void {
    this.truncated(0);
    const at = this.#tempted.indexOf(lie);
    if (at >= 0) this.#tempted.splice(at, 1);
    if (remove(this.#liable, lie)) this.#window -= lie.size;
    lie.vector.unref();
    lie.fd.unref();
  }

  #failed(chain: readonly Lie[], errno: number): void {
    const again: Lie[] = [];
    for (const lie of chain) {
      remove(this.#underway, lie.region);
      this.#transit -= lie.vector.size;
      if (!lie.lied) {
        this.#drop(lie);
        lie.reject(new FopError(errno));
      } else if (this.#reported(lie, errno)) this.#drop(lie);
      else {
        lie.errno = errno;
        lie.go = lie.rests = true;
        again.push(lie);
      }
    }
    if (again.length > 0) this.#todo.unshift(...again);
    this.#process();
  }

  /** Whether a barrier that waits for it takes the blame; the data are given up then. */
  #reported(lie: Lie, errno: number): boolean {
    let given = false;
    for (const request of this.#todo) {
      if (request.kind !== 'waiting' || request.barrier === undefined || request.gen <= lie.gen) continue;
      request.errno = errno;
      if (request.barrier === 'flush' || !this.#settings.resyncAfterFsync) given = true;
    }
    return given;
  }
}

function remove<T>(list: T[], item: T): boolean {
  const at = list.indexOf(item);
  if (at < 0) return false;
  // Nearly always the first.
  if (at === 0) list.shift();
  else list.splice(at, 1);
  return true;
}

const isFlush = (request: Request | undefined): boolean => request?.kind === 'waiting' && request.barrier === 'flush';

/** Whether `b` may be sent in one write with `a`, which comes before it. */
function adjoin(a: Lie, b: Lie): boolean {
  return b.offset === a.offset + a.vector.size && b.fd === a.fd && b.lkOwner === a.lkOwner && b.flags === a.flags && a.errno === 0 && b.errno === 0;
}
