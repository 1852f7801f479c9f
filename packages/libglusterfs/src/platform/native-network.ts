import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { Errno, errnoName } from '../errno.js';
import { IoVec, type Iobuf, type IobufPool } from '../iobuf.js';
import type { Address, Listener, Network, SocketOptions, Transport, TransportHandlers } from './network.js';

/** The addon's pool (native/src/event_pool_binding.cc). Ids are small integers; results are ids or -errno. */
export interface NativeEventPool {
  connect(host: string | Buffer, port: number | undefined, options: Float64Array, bindHost: string | undefined, bindFrom: number, bindTo: number): number;
  listen(host: string | Buffer, port: number | undefined, backlog: number, options: Float64Array): number;
  writev(id: number, buffers: readonly Uint8Array[], skip: number): number;
  noteRead(id: number, header: Uint8Array): void;
  wantWrite(id: number): void;
  pause(id: number, paused: boolean): void;
  close(id: number): number;
  localName(id: number): string;
  peerName(id: number): string;
  drive(): number;
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

const EVENT_CONNECT = 1;
const EVENT_ACCEPT = 2;
const EVENT_RECORD = 3;
const EVENT_WRITABLE = 4;
const EVENT_CLOSE = 5;
const EVENT_INTS = 6;

const RECORD_SIZE_MAX = 2 ** 30;
const LISTEN_BACKLOG = 1024;
/** Above this many queued bytes `onDrain` is owed once the queue is below a quarter of it. */
const HIGH_WATER_BYTES = 4 << 20;
/** Buffers in one writev. */
const GATHER_MAX = 1024;
const MARK_SLAB_BYTES = 16384;
const MARK_LAST = 0x80000000;

/** System errors, as Node makes them. */
function systemError(errno: number, syscall: string): Error {
  return Object.assign(new Error(`${syscall} ${errnoName(errno)}`), { errno: -errno, code: errnoName(errno), syscall });
}

/**
 * The network on the addon's epoll loop: one wake-up, one batch, one entry into JavaScript; sends of a turn leave in one
 * writev per connection. TLS goes to `tls`, another Network.
 */
export class NativeNetwork implements Network {
  readonly #pool: NativeEventPool;
  readonly #iobufs: IobufPool;
  readonly #tls: Network;
  readonly #connections = new Map<number, NativeTransport>();
  readonly #listeners = new Map<number, (transport: Transport) => TransportHandlers>();
  /** Pages that the pool fills, by index. */
  readonly #pages: (Iobuf | undefined)[] = [];
  readonly #freePages: number[] = [];
  readonly #pageIndex = new Int32Array(1);
  #dirty: NativeTransport[] = [];
  /** Closed while a batch is handled: their ids may not be reused before it ends, for later events of it still name them. */
  readonly #closing = new Set<number>();
  #inBatch = false;
  #flushScheduled = false;
  #devices = 0;

  constructor(EventPool: NativeEventPoolConstructor, iobufs: IobufPool, tls: Network) {
    this.#iobufs = iobufs;
    this.#tls = tls;
    this.#pool = new EventPool(
      (events, count, bytes, offset) => this.#batch(events, count, bytes, offset),
      () => {
        this.#inBatch = false;
        for (const id of this.#closing) this.#close(id);
        this.#closing.clear();
        this.#flush();
      },
      (size) => this.#allocPage(size),
      this.#pageIndex,
    );
  }

  connect(address: Address, handlers: TransportHandlers, options: SocketOptions = {}): Transport {
    if (options.tls) return this.#tls.connect(address, handlers, options);
    const transport = new NativeTransport(this.#pool, handlers, (dirty) => this.#markDirty(dirty), (closed) => this.#forget(closed));
    const settings = socketSettings(options);
    const fail = (errno: number): void => {
      setImmediate(() => transport.closed(systemError(errno, 'connect')));
    };
    if ('path' in address) {
      this.#open(transport, this.#pool.connect(Buffer.from(address.path), undefined, settings, undefined, 0, 0), fail);
      return transport;
    }
    const start = (host: string): void => {
      if (transport.destroyed) return;
      const bind = options.bind;
      const from = bind?.port === -1 ? (bind.insecure === false ? 1023 : 49151) : (bind?.port ?? 0);
      const to = bind?.port === -1 ? (bind.insecure === false ? 1 : 1025) : from;
      const bindHost = bind?.host ?? (bind?.port !== undefined ? (isIP(host) === 6 ? '::' : '0.0.0.0') : undefined);
      this.#open(transport, this.#pool.connect(host, address.port, settings, bindHost, from, to), fail);
    };
    if (isIP(address.host)) start(address.host);
    else {
      lookup(address.host, (error, host) => {
        if (error) transport.closed(error);
        else start(host);
      });
    }
    return transport;
  }

  listen(address: Address, accept: (transport: Transport) => TransportHandlers, options: SocketOptions = {}): Promise<Listener> {
    if (options.tls) return this.#tls.listen(address, accept, options);
    const settings = socketSettings(options);
    const ready = (host: string | Buffer, port: number | undefined): Listener => {
      const id = this.#pool.listen(host, port, LISTEN_BACKLOG, settings);
      if (id < 0) throw systemError(-id, 'listen');
      this.#listeners.set(id, accept);
      this.#countRef();
      const bound = 'path' in address ? address : { host: address.host, port: Number(this.#pool.localName(id).replace(/^.*:/, '')) };
      return {
        address: bound,
        close: async () => {
          if (!this.#listeners.delete(id)) return;
          this.#pool.close(id);
          this.#countRef();
        },
      };
    };
    return new Promise((resolve, reject) => {
      const attempt = (host: string | Buffer, port: number | undefined): void => {
        try {
          resolve(ready(host, port));
        } catch (error) {
          reject(error);
        }
      };
      if ('path' in address) attempt(Buffer.from(address.path), undefined);
      else if (isIP(address.host)) attempt(address.host, address.port);
      else {
        lookup(address.host, (error, host) => {
          if (error) reject(error);
          else attempt(host, address.port);
        });
      }
    });
  }

  #open(transport: NativeTransport, id: number, fail: (errno: number) => void): void {
    if (id < 0) return fail(-id);
    transport.id = id;
    this.#connections.set(id, transport);
    this.#countRef();
  }

  /** The pool itself, for another device (/dev/fuse) that joins its epoll set; it keeps the process alive until it {@link leave}s. */
  join(): NativeEventPool {
    this.#devices++;
    this.#countRef();
    return this.#pool;
  }

  /**
   * The pool waits for its sockets and for Node's loop alike from now on, not the loop for the pool: a wake-up costs less, and everything else
   * in the process a little more. For processes that live for the network: daemons. Of several networks on one loop only the first one does so.
   */
  drive(): void {
    const error = -this.#pool.drive();
    if (error > 0 && error !== Errno.EBUSY) throw systemError(error, 'epoll_ctl');
  }

  leave(): void {
    this.#devices--;
    this.#countRef();
  }

  #countRef(): void {
    if (this.#connections.size + this.#listeners.size + this.#devices > 0) this.#pool.ref();
    else this.#pool.unref();
  }

  #forget(transport: NativeTransport): void {
    if (this.#connections.get(transport.id) !== transport) return;
    this.#connections.delete(transport.id);
    if (this.#inBatch) this.#closing.add(transport.id);
    else this.#close(transport.id);
    this.#countRef();
  }

  #close(id: number): void {
    const page = this.#pool.close(id);
    if (page >= 0) this.#takePage(page)?.unref();
  }

  #markDirty(transport: NativeTransport): void {
    this.#dirty.push(transport);
    if (this.#inBatch || this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#dirty.length > 0) {
      const dirty = this.#dirty;
      this.#dirty = [];
      for (const transport of dirty) transport.flush();
    }
  }

  #allocPage(size: number): Uint8Array {
    const iobuf = this.#iobufs.get(size);
    const index = this.#freePages.pop() ?? this.#pages.length;
    this.#pages[index] = iobuf;
    this.#pageIndex[0] = index;
    return iobuf.memory;
  }

  #takePage(index: number): Iobuf | undefined {
    const iobuf = this.#pages[index];
    this.#pages[index] = undefined;
    this.#freePages.push(index);
    return iobuf;
  }

  #batch(events: Int32Array, count: number, bytes: ArrayBuffer, offset: number): void {
    this.#inBatch = true;
    for (let i = 0; i < count; i++) {
      const at = i * EVENT_INTS;
      const type = events[at] ?? 0;
      const id = events[at + 1] ?? 0;
      const page = events[at + 4] ?? -1;
      const value = events[at + 5] ?? 0;
      if (type === EVENT_RECORD) {
        const header = Buffer.from(bytes, offset + (events[at + 2] ?? 0), events[at + 3] ?? 0);
        const iobuf = page >= 0 ? this.#takePage(page) : undefined;
        const record = iobuf ? new IoVec([header, iobuf.memory.subarray(0, value)], [iobuf]) : new IoVec([header]);
        const transport = this.#connections.get(id);
        // Closed by an earlier event of this batch: the record has no reader.
        if (transport) transport.received(record);
        else record.unref();
      } else if (type === EVENT_ACCEPT) {
        const accept = this.#listeners.get(id);
        const transport = new NativeTransport(this.#pool, ignoring, (dirty) => this.#markDirty(dirty), (closed) => this.#forget(closed));
        transport.id = value;
        this.#connections.set(value, transport);
        this.#countRef();
        transport.opened();
        if (accept) transport.handlers = accept(transport);
        else transport.destroy();
      } else if (type === EVENT_CONNECT) {
        const transport = this.#connections.get(id);
        transport?.opened();
        transport?.handlers.onConnect?.(transport);
      } else if (type === EVENT_WRITABLE) {
        this.#connections.get(id)?.flush();
      } else if (type === EVENT_CLOSE) {
        if (page >= 0) this.#takePage(page)?.unref();
        this.#closing.delete(id);
        const transport = this.#connections.get(id);
        this.#connections.delete(id);
        this.#countRef();
        transport?.closed(value === 0 ? undefined : systemError(value, 'read'));
      }
    }
  }
}

const ignoring: TransportHandlers = { onRecord: (record) => record.unref(), onClose: () => undefined };

function socketSettings(options: SocketOptions): Float64Array {
  return Float64Array.of(
    options.keepaliveTimeS ?? 20,
    options.keepaliveIntervalS ?? 2,
    options.keepaliveCount ?? 9,
    (options.tcpUserTimeoutS ?? 0) * 1000,
    options.windowSize ?? 0,
    Math.min(options.recordSizeMax ?? RECORD_SIZE_MAX, RECORD_SIZE_MAX),
    options.answerPings ? 1 : 0,
  );
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

/** A call of READ, version 4 or 3.3, by its program and procedure words (spec/rpc-wire.md, §2). */
function isReadCall(header: Uint8Array): boolean {
  return header.length >= 24 && header[23] === 12 && header[7] === 0 && header[15] === 0x05 && header[14] === 0xd0 && header[13] === 0x13;
}

class NativeTransport implements Transport {
  id = -1;
  connected = false;
  destroyed = false;
  handlers: TransportHandlers;
  readonly #pool: NativeEventPool;
  readonly #markDirty: (transport: NativeTransport) => void;
  readonly #forget: (transport: NativeTransport) => void;
  #queue: Uint8Array[] = [];
  /** Payloads and the queue position (in buffers, counted since the beginning) after which they are done with. */
  #held: { end: number; payload: IoVec }[] = [];
  #buffersSent = 0;
  #buffersQueued = 0;
  /** Bytes of the first queued buffer that have left already. */
  #skip = 0;
  #dirty = false;
  #waiting = false;
  #drainOwed = false;
  #ending = false;
  #local = '';
  #peer = '';
  queuedBytes = 0;

  constructor(pool: NativeEventPool, handlers: TransportHandlers, markDirty: (transport: NativeTransport) => void, forget: (transport: NativeTransport) => void) {
    this.#pool = pool;
    this.handlers = handlers;
    this.#markDirty = markDirty;
    this.#forget = forget;
  }

  get local(): string {
    return this.#local;
  }

  get peer(): string {
    return this.#peer;
  }

  opened(): void {
    this.connected = true;
    this.#local = this.#pool.localName(this.id);
    this.#peer = this.#pool.peerName(this.id);
  }

  received(record: IoVec): void {
    this.handlers.onRecord(record, this);
  }

  send(header: Uint8Array, payload?: IoVec): void {
    if (!this.connected || this.destroyed || this.#ending) return;
    const length = header.length + (payload?.size ?? 0);
    this.#queue.push(recordMark(length), header);
    this.#buffersQueued += 2;
    if (payload && payload.size > 0) {
      for (const chunk of payload.chunks) if (chunk.length > 0) this.#buffersQueued = this.#buffersQueued + (this.#queue.push(chunk), 1);
      if (payload.bufs.length > 0) this.#held.push({ end: this.#buffersQueued, payload: payload.ref() });
    }
    this.queuedBytes += length + 4;
    if (this.queuedBytes > HIGH_WATER_BYTES) this.#drainOwed = true;
    if (isReadCall(header)) this.#pool.noteRead(this.id, header);
    if (!this.#dirty && !this.#waiting) {
      this.#dirty = true;
      this.#markDirty(this);
    }
  }

  /** Sends what the socket takes. */
  flush(): void {
    this.#dirty = false;
    this.#waiting = false;
    let from = 0;
    while (from < this.#queue.length && !this.destroyed) {
      const gather = this.#queue.length - from > GATHER_MAX || from > 0 ? this.#queue.slice(from, from + GATHER_MAX) : this.#queue;
      const written = this.#pool.writev(this.id, gather, this.#skip);
      if (written < 0) {
        this.#fail(systemError(-written, 'write'));
        return;
      }
      const consumed = this.#consume(gather, written);
      from += consumed;
      if (consumed < gather.length) {
        this.#waiting = true;
        this.#pool.wantWrite(this.id);
        break;
      }
    }
    this.#queue = from >= this.#queue.length ? [] : this.#queue.slice(from);
    this.#buffersSent += from;
    while (this.#held.length > 0 && (this.#held[0]?.end ?? Infinity) <= this.#buffersSent) this.#held.shift()?.payload.unref();
    if (this.#drainOwed && this.queuedBytes < HIGH_WATER_BYTES / 4) {
      this.#drainOwed = false;
      this.handlers.onDrain?.(this);
    }
    if (this.#ending && this.#queue.length === 0) this.#fail(undefined);
  }

  /** Counts the buffers that `written` bytes cover whole; remembers how far into the next one it went. */
  #consume(gather: readonly Uint8Array[], written: number): number {
    this.queuedBytes -= written;
    let left = written + this.#skip;
    let count = 0;
    for (const buffer of gather) {
      if (left < buffer.length) break;
      left -= buffer.length;
      count++;
    }
    this.#skip = left;
    return count;
  }

  pause(): void {
    if (this.id >= 0 && !this.destroyed) this.#pool.pause(this.id, true);
  }

  resume(): void {
    if (this.id >= 0 && !this.destroyed) this.#pool.pause(this.id, false);
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

  /** The pool (or the resolver) says that it is over. */
  closed(error: Error | undefined): void {
    if (this.destroyed) return;
    this.id = -1;
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
    this.#queue = [];
    this.queuedBytes = 0;
    for (const { payload } of this.#held.splice(0)) payload.unref();
    if (this.id >= 0) this.#forget(this);
  }
}
