import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { Errno } from '../errno.js';
import { IoVec, type Iobuf, type IobufPool } from '../iobuf.js';
import { LocalPathListener, askForLocalPath, isSameMachine, localPathName, splitName } from './local-path.js';
import { CLOSES_LATER, type NativeEventPool, type NativeEventPoolConstructor, NativeTransport, systemError } from './native-transport.js';
import type { Address, Listener, Network, SocketOptions, Transport, TransportHandlers } from './network.js';

const EVENT_CONNECT = 1;
const EVENT_ACCEPT = 2;
const EVENT_RECORD = 3;
const EVENT_WRITABLE = 4;
const EVENT_CLOSE = 5;
const EVENT_RELEASED = 6;
const EVENT_RETURNED = 7;
const EVENT_INTS = 6;

const RECORD_SIZE_MAX = 2 ** 30;
const LISTEN_BACKLOG = 1024;
const LOCAL_BUFFER_BYTES = 2 << 20;

/**
 * The network on the addon's epoll loop: one wake-up, one batch, one entry into JavaScript; sends of a turn leave in one
 * writev per connection. TLS goes to `tls`, another Network.
 */
export class NativeNetwork implements Network {
  readonly #pool: NativeEventPool;
  readonly #iobufs: IobufPool;
  readonly #tls: Network;
  readonly #connections = new Map<number, NativeTransport>();
  readonly #listeners = new Map<number, (transport: NativeTransport) => TransportHandlers>();
  /** Connections that shall ask for a local path when they stand. */
  readonly #asking = new Set<NativeTransport>();
  /** Of each accepted connection that may be asked for one. */
  readonly #askable = new Map<NativeTransport, LocalPathListener>();
  /** Pages that the pool fills, by index. */
  readonly #pages: (Iobuf | undefined)[] = [];
  readonly #freePages: number[] = [];
  readonly #pageIndex = new Int32Array(1);
  #dirty: NativeTransport[] = [];
  /** Closed while a batch is handled: their ids may not be reused before it ends, for later events of it still name them. */
  readonly #closing = new Map<number, NativeTransport>();
  /** Closed, but a thread still works for them. */
  readonly #lingering = new Map<number, NativeTransport>();
  /** What each of those who ask for threads asks for. */
  readonly #threadsAsked = new Map<object, number>();
  #inBatch = false;
  #flushScheduled = false;
  #devices = 0;
  /** Told when the first connection lends its payloads. */
  readonly #lending: () => void;

  /** @param lending called when payloads had better lie in memory that can be shared */
  constructor(EventPool: NativeEventPoolConstructor, iobufs: IobufPool, tls: Network, lending: () => void = () => undefined) {
    this.#lending = lending;
    this.#iobufs = iobufs;
    this.#tls = tls;
    this.#pool = new EventPool(
      (events, count, bytes, offset) => this.#batch(events, count, bytes, offset),
      () => {
        this.#inBatch = false;
        for (const [id, transport] of this.#closing) this.#close(id, transport);
        this.#closing.clear();
        this.#flush();
      },
      (size) => this.#allocPage(size),
      this.#pageIndex,
    );
  }

  connect(address: Address, handlers: TransportHandlers, options: SocketOptions = {}): Transport {
    if (options.tls) return this.#tls.connect(address, handlers, options);
    const transport = this.#transport(handlers);
    if (options.localPath && !('path' in address)) this.#asking.add(transport);
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
      const bound = 'path' in address ? address : { host: address.host, port: splitName(this.#pool.localName(id)).port };
      const side = options.localPath && 'port' in bound ? this.#listenLocally(bound.port, settings) : undefined;
      this.#listeners.set(
        id,
        side
          ? (transport) => {
              this.#askable.set(transport, side.paths);
              side.paths.add(transport);
              return accept(transport);
            }
          : accept,
      );
      this.#countRef();
      return {
        address: bound,
        close: async () => {
          if (!this.#listeners.delete(id)) return;
          this.#pool.close(id);
          if (side && this.#listeners.delete(side.id)) this.#pool.close(side.id);
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

  #transport(handlers: TransportHandlers): NativeTransport {
    return new NativeTransport(this.#pool, handlers, (dirty) => this.#markDirty(dirty), (closed) => this.#forget(closed), (adopter, id, part) => {
      this.#connections.set(id, adopter);
      if (part === 'lends' && adopter.passesDescriptors) this.#lending();
    });
  }

  /** A name that is taken is another's, on another address with the same port: this one does without. */
  #listenLocally(port: number, settings: Float64Array): { id: number; paths: LocalPathListener } | undefined {
    const paths = new LocalPathListener();
    const id = this.#pool.listen(localPathName(port), undefined, LISTEN_BACKLOG, localSettings(settings));
    if (id < 0) return undefined;
    this.#listeners.set(id, (side) => paths.accept(side));
    return { id, paths };
  }

  /** The connection stands. */
  #opened(transport: NativeTransport): void {
    transport.opened();
    const connected = (): void => {
      if (!transport.destroyed) transport.handlers.onConnect?.(transport);
    };
    if (!this.#asking.delete(transport) || !isSameMachine(transport)) return connected();
    const side = this.#transport(ignoring);
    const id = this.#pool.connect(localPathName(splitName(transport.peer).port), undefined, localSettings(socketSettings({})), undefined, 0, 0);
    if (id < 0) return connected();
    side.handlers = askForLocalPath(transport, side, connected);
    this.#open(side, id, connected);
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
    this.#asking.delete(transport);
    this.#askable.get(transport)?.remove(transport);
    this.#askable.delete(transport);
    for (const id of transport.ids) {
      if (this.#connections.get(id) !== transport) {
        transport.released();
        continue;
      }
      this.#connections.delete(id);
      if (this.#inBatch) this.#closing.set(id, transport);
      else this.#close(id, transport);
    }
    this.#countRef();
  }

  #close(id: number, transport: NativeTransport): void {
    const page = this.#pool.close(id);
    if (page === CLOSES_LATER) {
      this.#lingering.set(id, transport);
      return;
    }
    if (page >= 0) this.#takePage(page)?.unref();
    transport.released();
  }

  setEventThreads(owner: object, count: number): number {
    if (count > 1) this.#threadsAsked.set(owner, count);
    else this.#threadsAsked.delete(owner);
    return 1 + Math.max(0, this.#pool.setThreads(Math.max(1, ...this.#threadsAsked.values()) - 1));
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
        const transport = this.#transport(ignoring);
        transport.id = value;
        this.#connections.set(value, transport);
        this.#countRef();
        transport.opened();
        if (accept) transport.handlers = accept(transport);
        else transport.destroy();
      } else if (type === EVENT_CONNECT) {
        const transport = this.#connections.get(id);
        if (transport) this.#opened(transport);
      } else if (type === EVENT_WRITABLE) {
        this.#connections.get(id)?.writable(value);
      } else if (type === EVENT_CLOSE) {
        if (page >= 0) this.#takePage(page)?.unref();
        this.#closing.get(id)?.released();
        this.#closing.delete(id);
        const transport = this.#connections.get(id);
        this.#connections.delete(id);
        this.#countRef();
        if (value === 0 && transport?.isIdle(id)) transport.id = -1;
        else transport?.closed(value === 0 ? undefined : systemError(value, 'read'), id);
      } else if (type === EVENT_RELEASED) {
        if (page >= 0) this.#takePage(page)?.unref();
        this.#lingering.get(id)?.released();
        this.#lingering.delete(id);
      } else if (type === EVENT_RETURNED) {
        this.#connections.get(id)?.returned(value >>> 0);
      }
    }
  }
}

const ignoring: TransportHandlers = { onRecord: (record) => record.unref(), onClose: () => undefined };

/** The same for the unix socket beside: what is on its way lies in the sender's buffer. */
function localSettings(settings: Float64Array): Float64Array {
  const local = settings.slice();
  local[4] = LOCAL_BUFFER_BYTES;
  return local;
}

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
