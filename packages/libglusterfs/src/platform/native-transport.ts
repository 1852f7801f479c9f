import { closeSync, openSync } from 'node:fs';
import { errnoName } from '../errno.js';
import type { IoVec } from '../iobuf.js';
import { objectList } from '../object-list.js';
import { Borrower, LOAN_BYTES_MIN, Lender, LocalRecord, MARK_BYTES, MARK_LAST, localRecord } from './lent-payload.js';
import type { Transport, TransportHandlers } from './network.js';
import { canShareMemory } from './shared-arena.js';

/** The addon's pool (native/src/event_pool_binding.cc). Ids are small integers; results are ids or -errno. */
export interface NativeEventPool {
  connect(host: string | Buffer, port: number | undefined, options: Float64Array, bindHost: string | undefined, bindFrom: number, bindTo: number): number;
  listen(host: string | Buffer, port: number | undefined, backlog: number, options: Float64Array): number;
  writev(id: number, buffers: readonly Uint8Array[], skip: number, descriptor: number): number;
  takeDescriptor(id: number): number;
  peerUid(id: number): number;
  noteRead(id: number, header: Uint8Array): void;
  pause(id: number, paused: boolean): void;
  /** The page that it held, -1 for none, or {@link CLOSES_LATER}. */
  close(id: number): number;
  localName(id: number): string;
  peerName(id: number): string;
  drive(): number;
  setThreads(count: number): number;
  ref(): void;
  unref(): void;
}

export type NativeEventPoolConstructor = new (
  /** `events` is used again for the next batch. Of none, only another device's requests follow, in the same entry. */
  onBatch: (events: Int32Array, count: number, bytes: ArrayBuffer, offset: number) => void,
  afterBatch: () => void,
  allocPage: (size: number) => Uint8Array | undefined,
  pageIndex: Int32Array,
) => NativeEventPool;

/** A thread works for the connection still: `EVENT_RELEASED` tells when its memory is free, and its id. */
export const CLOSES_LATER = -2;

/** Above this many queued bytes `onDrain` is owed once the queue is below a quarter of it. */
const HIGH_WATER_BYTES = 4 << 20;
/** Buffers in one writev. */
const GATHER_MAX = 1024;
/** And bytes, or one buffer more. */
const GATHER_BYTES_MAX = 4 << 20;
/** No descriptor goes along. */
const NONE = -1;
const MARK_SLAB_BYTES = 16384;
const RETURN_BYTES = 12;
/** Descriptors that have come and that nobody has taken; the first of more are closed. */
const DESCRIPTORS_MAX = 64;

/** System errors, as Node makes them. */
export function systemError(errno: number, syscall: string): Error {
  return Object.assign(new Error(`${syscall} ${errnoName(errno)}`), { errno: -errno, code: errnoName(errno), syscall });
}

let marks = Buffer.alloc(MARK_SLAB_BYTES);
let marksUsed = 0;

/** Four bytes: last fragment, and the record's length. */
function recordMark(length: number): Uint8Array {
  if (marksUsed + 4 > MARK_SLAB_BYTES) {
    marks = Buffer.alloc(MARK_SLAB_BYTES);
    marksUsed = 0;
  }
  marks.writeUInt32BE((MARK_LAST | length) >>> 0, marksUsed);
  marksUsed += 4;
  return marks.subarray(marksUsed - 4, marksUsed);
}

/** A whole record with its mark: a loan is given back. */
function returnRecord(loan: number): Uint8Array {
  if (marksUsed + RETURN_BYTES > MARK_SLAB_BYTES) {
    marks = Buffer.alloc(MARK_SLAB_BYTES);
    marksUsed = 0;
  }
  const at = marksUsed;
  marks.writeUInt32BE((MARK_LAST | (RETURN_BYTES - 4)) >>> 0, at);
  marks.writeUInt32BE(loan, at + 4);
  marks.writeUInt32BE(LocalRecord.DONE, at + 8);
  marksUsed += RETURN_BYTES;
  return marks.subarray(at, marksUsed);
}

/** A call of READ, version 4 or 3.3, by its program and procedure words (spec/rpc-wire.md, §2). */
function isReadCall(header: Uint8Array): boolean {
  return header.length >= 24 && header[23] === 12 && header[7] === 0 && header[15] === 0x05 && header[14] === 0xd0 && header[13] === 0x13;
}

/** Neither CALL nor REPLY. */
function isLocal(head: Uint8Array): boolean {
  return head.length >= 8 && head[4] === LocalRecord.DESCRIPTOR >>> 24;
}

/**
 * A connection of the addon's pool. Its records pass through the socket that was connected or, once it has adopted another, through that; it is over
 * when either is.
 */
export class NativeTransport implements Transport {
  /** The pool's number of the socket, −1 for none. */
  id = -1;
  /** Of the socket that records pass through. */
  #route = -1;
  /** Gets the next record in place of the handlers. */
  claim: ((record: IoVec) => void) | undefined;
  connected = false;
  destroyed = false;
  handlers: TransportHandlers;
  readonly #pool: NativeEventPool;
  readonly #markDirty: (transport: NativeTransport) => void;
  readonly #forget: (transport: NativeTransport) => void;
  readonly #adopted: (transport: NativeTransport, id: number, part: 'lends' | 'borrows') => void;
  #queue: Uint8Array[] = [];
  /** Payloads and the queue position (in buffers, counted since the beginning) after which they are done with. */
  #held: { end: number; payload: IoVec }[] = [];
  #buffersSent = 0;
  #buffersQueued = 0;
  /** Buffers at the head of the queue that the pool still sends from. */
  #sending = 0;
  /** Descriptors that go along with the buffers at these positions, counted as in `#held`. */
  #leaving = objectList<{ at: number; descriptor: number }>();
  /** Those that have come, by number. */
  readonly #arrived = new Map<number, number>();
  #descriptorsPassed = 0;
  #passesDescriptors = false;
  #lender: Lender | undefined;
  #borrower: Borrower | undefined;
  #dirty = false;
  #waiting = false;
  #drainOwed = false;
  #ending = false;
  /** Of a transport that is over: sockets that the pool still has. */
  #sockets = 0;
  #local = '';
  #peer = '';
  queuedBytes = 0;

  constructor(pool: NativeEventPool, handlers: TransportHandlers, markDirty: (transport: NativeTransport) => void, forget: (transport: NativeTransport) => void, adopted: (transport: NativeTransport, id: number, part: 'lends' | 'borrows') => void) {
    this.#pool = pool;
    this.handlers = handlers;
    this.#markDirty = markDirty;
    this.#forget = forget;
    this.#adopted = adopted;
  }

  get local(): string {
    return this.#local;
  }

  get peer(): string {
    return this.#peer;
  }

  /** The sockets that it holds. */
  get ids(): readonly number[] {
    if (this.id < 0) return this.#route < 0 ? [] : [this.#route];
    return this.#route < 0 || this.#route === this.id ? [this.id] : [this.id, this.#route];
  }

  /** Whether this is its TCP connection while another socket carries the records: after its end there may be records still. */
  isIdle(id: number): boolean {
    return id === this.id && this.#route >= 0 && this.#route !== id;
  }

  opened(): void {
    this.connected = true;
    this.#route = this.id;
    this.#local = this.#pool.localName(this.id);
    this.#peer = this.#pool.peerName(this.id);
  }

  /**
   * Takes over the socket of another transport, which is no transport any more. What that still had to send goes first, and has to be little. From now
   * on this side lends its large payloads, or borrows the other's.
   */
  adopt(side: NativeTransport, part: 'lends' | 'borrows'): void {
    side.flush();
    this.#route = side.id;
    side.id = side.#route = -1;
    side.#drop();
    this.#passesDescriptors = this.#pool.peerUid(this.#route) === process.getuid?.();
    if (this.#passesDescriptors && canShareMemory) {
      if (part === 'lends') this.#lender = new Lender((record, descriptor) => this.#sendWith(record, descriptor));
      else this.#borrower = new Borrower((loan) => this.#giveBack(loan));
    }
    this.#adopted(this, this.#route, part);
  }

  /** Records pass through a unix socket, and both ends are processes of one user. */
  get passesDescriptors(): boolean {
    return this.#passesDescriptors && !this.destroyed;
  }

  passDescriptor(descriptor: number): number {
    const number = this.#descriptorsPassed++;
    if (!this.passesDescriptors || !this.connected || this.#ending) {
      closeSync(descriptor);
      return number;
    }
    this.#leaving.push({ at: this.#buffersQueued, descriptor });
    this.send(localRecord(number, LocalRecord.DESCRIPTOR));
    return number;
  }

  /** @param descriptor goes along, and stays its owner's */
  #sendWith(record: Buffer, descriptor: number | undefined): void {
    // Opened once more, since it is closed when it has been sent.
    if (descriptor !== undefined) this.#leaving.push({ at: this.#buffersQueued, descriptor: openSync(`/proc/self/fd/${descriptor}`, 'r+') });
    this.send(record);
  }

  takeDescriptor(number: number): number | undefined {
    const descriptor = this.#arrived.get(number);
    this.#arrived.delete(number);
    return descriptor;
  }

  /** A record from the transport at the other end. Throws what is wrong with it. */
  #localReceived(record: Buffer): void {
    const number = record.readUInt32BE(0);
    switch (record.readUInt32BE(4)) {
      case LocalRecord.DESCRIPTOR:
        return this.#descriptorArrived(number, this.#nextDescriptor());
      case LocalRecord.ARENA:
        return this.#borrower?.arena(record, this.#nextDescriptor());
      case LocalRecord.GONE:
        return this.#borrower?.gone(number);
      case LocalRecord.LOAN:
        if (!this.#borrower) throw new Error('a loan to who did not ask');
        return this.handlers.onRecord(this.#borrower.loan(record), this);
      default:
        throw new Error('a record of an unknown kind');
    }
  }

  #giveBack(loan: number): void {
    if (!this.connected || this.destroyed || this.#ending) return;
    this.#enqueue(returnRecord(loan));
  }

  /** A loan comes back. */
  returned(loan: number): void {
    if (this.#lender?.returned(loan) !== true) this.destroy(new Error('a loan was given back that is none'));
  }

  #nextDescriptor(): number {
    const descriptor = this.#pool.takeDescriptor(this.#route);
    if (descriptor < 0) throw new Error('a descriptor was announced, and none came');
    return descriptor;
  }

  #descriptorArrived(number: number, descriptor: number): void {
    this.#arrived.set(number, descriptor);
    if (this.#arrived.size <= DESCRIPTORS_MAX) return;
    for (const [oldest, unwanted] of this.#arrived) {
      this.#arrived.delete(oldest);
      closeSync(unwanted);
      return;
    }
  }

  received(record: IoVec): void {
    const [head] = record.chunks;
    if (this.#passesDescriptors && head !== undefined && isLocal(head) && record.chunks.length === 1) {
      try {
        this.#localReceived(head instanceof Buffer ? head : Buffer.from(head.buffer, head.byteOffset, head.length));
      } catch (error) {
        this.destroy(error instanceof Error ? error : undefined);
      }
      return;
    }
    if (this.claim) this.claim(record);
    else this.handlers.onRecord(record, this);
  }

  send(header: Uint8Array, payload?: IoVec): void {
    if (!this.connected || this.destroyed || this.#ending) return;
    const loan = payload !== undefined && payload.size >= LOAN_BYTES_MIN ? this.#lender?.lend(payload, header.length) : undefined;
    if (loan) payload = undefined;
    const length = (loan ? loan.length - MARK_BYTES : 0) + header.length + (payload?.size ?? 0);
    this.#queue.push(loan ?? recordMark(length), header);
    this.#buffersQueued += 2;
    if (payload && payload.size > 0) {
      for (const chunk of payload.chunks) if (chunk.length > 0) this.#buffersQueued = this.#buffersQueued + (this.#queue.push(chunk), 1);
      if (payload.bufs.length > 0) this.#held.push({ end: this.#buffersQueued, payload: payload.ref() });
    }
    this.queuedBytes += length + 4;
    if (this.queuedBytes > HIGH_WATER_BYTES) this.#drainOwed = true;
    if (isReadCall(header)) this.#pool.noteRead(this.#route, header);
    this.#leaves();
  }

  #enqueue(record: Uint8Array): void {
    this.#queue.push(record);
    this.#buffersQueued++;
    this.queuedBytes += record.length;
    this.#leaves();
  }

  #leaves(): void {
    if (!this.#dirty && !this.#waiting) {
      this.#dirty = true;
      this.#markDirty(this);
    }
  }

  /** Sends what is queued; what the socket doesn't take of a gather the pool sends when it does. */
  flush(): void {
    this.#dirty = false;
    while (this.#queue.length > 0 && !this.destroyed && !this.#waiting) {
      const gather = this.#gather();
      const along = this.#leaving[0]?.at === this.#buffersSent ? (this.#leaving.shift()?.descriptor ?? NONE) : NONE;
      const written = this.#pool.writev(this.#route, gather, 0, along);
      if (written < 0) {
        this.#fail(systemError(-written, 'write'));
        return;
      }
      let left = written;
      for (const { length } of gather) left -= length;
      this.queuedBytes -= written;
      if (left === 0) this.#sent(gather.length);
      else {
        this.#waiting = true;
        this.#sending = gather.length;
      }
    }
    if (this.#drainOwed && this.queuedBytes < HIGH_WATER_BYTES / 4) {
      this.#drainOwed = false;
      this.handlers.onDrain?.(this);
    }
    if (this.#ending && this.#queue.length === 0) this.#fail(undefined);
  }

  /** The pool has sent the rest of what it had. */
  writable(bytes: number): void {
    if (this.destroyed) return;
    this.queuedBytes -= bytes;
    this.#waiting = false;
    this.#sent(this.#sending);
    this.#sending = 0;
    this.flush();
  }

  /**
   * The first of the queue: so much that the pages are let go of in time, and whole records, for between two gathers the pool may answer a ping.
   */
  #gather(): readonly Uint8Array[] {
    const next = this.#leaving[0];
    // A descriptor's record goes alone, and nothing before it goes along.
    const end = next === undefined ? this.#queue.length : next.at === this.#buffersSent ? 2 : next.at - this.#buffersSent;
    if (end === this.#queue.length && this.queuedBytes <= GATHER_BYTES_MAX && end <= GATHER_MAX) return this.#queue;
    let bytes = 0;
    let count = 0;
    while (count < end && bytes < GATHER_BYTES_MAX) {
      const [buffers, length] = this.#recordAt(count);
      if (count > 0 && count + buffers > GATHER_MAX) break;
      count += buffers;
      bytes += length;
    }
    if (count > GATHER_MAX) count = this.#joinFirst(count);
    return this.#queue.slice(0, count);
  }

  /** How many buffers of the queue the record that begins at `index` takes, and bytes. */
  #recordAt(index: number): [number, number] {
    const mark = this.#queue[index] ?? new Uint8Array(4);
    const length = 4 + (new DataView(mark.buffer, mark.byteOffset).getUint32(0) & ~MARK_LAST);
    let bytes = 0;
    let buffers = 0;
    while (bytes < length && index + buffers < this.#queue.length) bytes += this.#queue[index + buffers++]?.length ?? 0;
    return [buffers, bytes];
  }

  /** Makes one piece of the first `count` buffers, which are too many for a gather. How many there are then. */
  #joinFirst(count: number): number {
    const piece = Buffer.concat(this.#queue.slice(0, count));
    this.#queue.splice(0, count, piece);
    this.#buffersSent += count - 1;
    return 1;
  }

  #sent(count: number): void {
    this.#queue = count === this.#queue.length ? [] : this.#queue.slice(count);
    this.#buffersSent += count;
    while (this.#held.length > 0 && (this.#held[0]?.end ?? Infinity) <= this.#buffersSent) this.#held.shift()?.payload.unref();
  }

  pause(): void {
    if (this.#route >= 0 && !this.destroyed) this.#pool.pause(this.#route, true);
  }

  resume(): void {
    if (this.#route >= 0 && !this.destroyed) this.#pool.pause(this.#route, false);
  }

  destroy(error?: Error): void {
    if (this.destroyed) return;
    this.#drop();
    setImmediate(() => this.handlers.onClose(error, this));
  }

  end(): void {
    if (this.destroyed || this.#ending) return;
    if (this.#queue.length === 0) return this.destroy();
    this.#ending = true;
  }

  /** The pool (or the resolver) says that it is over: `id` names the socket that is closed already, if any is. */
  closed(error: Error | undefined, id = -1): void {
    if (this.destroyed) return;
    if (this.#route === id) this.#route = -1;
    if (this.id === id) this.id = -1;
    this.#drop();
    this.handlers.onClose(error, this);
  }

  #fail(error: Error | undefined): void {
    this.#drop();
    setImmediate(() => this.handlers.onClose(error, this));
  }

  #drop(): void {
    this.destroyed = true;
    this.connected = false;
    this.queuedBytes = 0;
    for (const { descriptor } of this.#leaving.splice(0)) closeSync(descriptor);
    for (const descriptor of this.#arrived.values()) closeSync(descriptor);
    this.#arrived.clear();
    this.#lender?.end();
    this.#lender = this.#borrower = undefined;
    this.claim = undefined;
    this.#sockets = this.ids.length;
    if (this.#sockets > 0) this.#forget(this);
    else this.#letGo();
  }

  /** The pool has let go of one of the sockets. Until the last one the pool may send from what is queued. */
  released(): void {
    if (--this.#sockets === 0) this.#letGo();
  }

  #letGo(): void {
    this.#queue = [];
    for (const { payload } of this.#held.splice(0)) payload.unref();
  }
}
