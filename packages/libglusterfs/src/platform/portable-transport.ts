import type net from 'node:net';
import tls from 'node:tls';
import { IoVec } from '../iobuf.js';
import type { LocalPortSearch } from './local-port.js';
import type { SocketOptions, Transport, TransportHandlers } from './network.js';
import { peerCommonName } from './portable-tls.js';
import { RECORD_SIZE_LIMIT, RecordFramer, recordMark } from './record-framer.js';

const KEEPALIVE_TIME_S = 20;
/** `onDrain` comes when the queue falls below LOW after it was over HIGH; bytes. */
const QUEUE_HIGH = 1024 * 1024;
const QUEUE_LOW = 256 * 1024;
/** Pieces below this size are joined before they are written: copying them costs less than a write each. Bytes. */
const JOIN_BELOW = 4096;
/** Errors of bind for which another local port is tried. */
const PORT_TAKEN: ReadonlySet<unknown> = new Set(['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES']);

/** A connection on a Node socket. Sends of one turn of the event loop leave together, in its check phase. */
export class PortableTransport implements Transport {
  handlers: TransportHandlers;
  local = '';
  peer = '';
  peerCommonName: string | undefined;
  connected = false;
  readonly #framer: RecordFramer;
  #socket: net.Socket | undefined;
  #pieces: Uint8Array[] = [];
  #payloads: IoVec[] = [];
  /** Bytes that wait for the flush, and bytes that the socket has and the kernel not yet. */
  #pendingBytes = 0;
  #socketBytes = 0;
  /** Payloads that the socket has. */
  readonly #inFlight = new Set<IoVec[]>();
  #flushing = false;
  #wasHigh = false;
  #closed = false;
  #ending = false;
  #paused = false;
  #error: Error | undefined;

  private constructor(handlers: TransportHandlers, options: SocketOptions) {
    this.handlers = handlers;
    this.#framer = new RecordFramer(options.recordSizeMax ?? RECORD_SIZE_LIMIT, (record) => {
      if (!this.#closed && this.#error === undefined) this.handlers.onRecord(new IoVec([record]), this);
    });
  }

  /** A connection to be made; `open` may be called again with another local port. */
  static connecting(handlers: TransportHandlers, options: SocketOptions, search: LocalPortSearch | undefined, path: string | undefined, open: (localPort: number | undefined) => net.Socket): PortableTransport {
    const transport = new PortableTransport(handlers, options);
    const attempt = (): void => {
      const localPort = search ? search.next() : options.bind?.port;
      let socket: net.Socket;
      try {
        socket = open(localPort);
      } catch (error) {
        // Certificates that can't be read, a port out of range.
        setImmediate(() => transport.#close(error instanceof Error ? error : new Error(String(error))));
        return;
      }
      transport.#socket = socket;
      const onError = (error: Error & { code?: string }): void => {
        socket.removeAllListeners();
        socket.on('error', () => {});
        socket.destroy();
        if (search && localPort !== undefined && PORT_TAKEN.has(error.code) && !transport.#closed) attempt();
        else transport.#close(error);
      };
      socket.once('error', onError);
      socket.once('close', () => transport.#close(transport.#error));
      socket.once(socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect', () => {
        socket.off('error', onError);
        socket.removeAllListeners('close');
        if (transport.#closed) return;
        transport.#attach(socket, options, path);
        transport.handlers.onConnect?.(transport);
      });
    };
    attempt();
    return transport;
  }

  /** A connection that a listener accepted. */
  static accepted(socket: net.Socket, options: SocketOptions, path: string | undefined, all: Set<PortableTransport>, accept: (transport: Transport) => TransportHandlers): void {
    const transport = new PortableTransport({ onRecord() {}, onClose() {} }, options);
    all.add(transport);
    socket.once('close', () => all.delete(transport));
    transport.#attach(socket, options, path);
    transport.handlers = accept(transport);
  }

  #attach(socket: net.Socket, options: SocketOptions, path: string | undefined): void {
    this.#socket = socket;
    this.connected = true;
    this.local = path ?? `${plainHost(socket.localAddress)}:${socket.localPort}`;
    this.peer = path ?? `${plainHost(socket.remoteAddress)}:${socket.remotePort}`;
    this.peerCommonName = peerCommonName(socket);
    if (path === undefined) {
      socket.setNoDelay(true);
      socket.setKeepAlive(true, (options.keepaliveTimeS ?? KEEPALIVE_TIME_S) * 1000);
    }
    socket.on('data', (chunk) => this.#onData(typeof chunk === 'string' ? Buffer.from(chunk) : chunk));
    socket.on('error', (error) => {
      this.#error ??= error;
      this.connected = false;
    });
    socket.once('close', () => this.#close(this.#error));
    if (this.#paused) socket.pause();
    if (this.#pieces.length > 0) this.#schedule();
  }

  #onData(chunk: Buffer): void {
    if (this.#closed) return;
    try {
      this.#framer.push(chunk);
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  send(header: Uint8Array, payload?: IoVec): void {
    if (this.#closed || this.#ending || this.#error !== undefined) return;
    const size = header.length + (payload?.size ?? 0);
    this.#pieces.push(recordMark(size), header);
    if (payload !== undefined && payload.size > 0) {
      for (const chunk of payload.chunks) this.#pieces.push(chunk);
      this.#payloads.push(payload.ref());
    }
    this.#pendingBytes += size + 4;
    if (this.queuedBytes > QUEUE_HIGH) this.#wasHigh = true;
    if (this.connected) this.#schedule();
  }

  #schedule(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    const socket = this.#socket;
    if (this.#closed || socket === undefined || this.#pieces.length === 0) return;
    const pieces = joinSmall(this.#pieces);
    const payloads = this.#payloads;
    const bytes = this.#pendingBytes;
    this.#pieces = [];
    this.#payloads = [];
    this.#inFlight.add(payloads);
    this.#pendingBytes = 0;
    this.#socketBytes += bytes;
    const done = (error?: Error | null): void => {
      this.#socketBytes -= bytes;
      this.#release(payloads);
      if (error) {
        // The bytes went nowhere: that is no drain. The close follows.
        this.connected = false;
        return;
      }
      // Also for a reader that was paused over less than the high-water mark.
      if ((this.#wasHigh || this.#paused) && this.queuedBytes < QUEUE_LOW) {
        this.#wasHigh = false;
        if (!this.#closed) this.handlers.onDrain?.(this);
      }
    };
    const last = pieces.length - 1;
    if (last > 0) socket.cork();
    pieces.forEach((piece, i) => (i === last ? socket.write(piece, done) : socket.write(piece)));
    if (last > 0) socket.uncork();
    if (this.#ending) socket.end();
  }

  #release(payloads: IoVec[]): void {
    if (!this.#inFlight.delete(payloads)) return;
    for (const payload of payloads) payload.unref();
  }

  get queuedBytes(): number {
    return this.#pendingBytes + this.#socketBytes;
  }

  pause(): void {
    this.#paused = true;
    if (this.connected) this.#socket?.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.connected) this.#socket?.resume();
  }

  destroy(error?: Error): void {
    if (this.#closed) return;
    this.#error ??= error;
    this.connected = false;
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) setImmediate(() => this.#close(this.#error));
    else socket.destroy();
  }

  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    // With something queued, the flush ends it.
    if (this.#pieces.length > 0) return;
    if (this.connected) this.#socket?.end();
    else this.destroy();
  }

  #close(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.connected = false;
    for (const payload of this.#payloads) payload.unref();
    this.#payloads = [];
    for (const payloads of [...this.#inFlight]) this.#release(payloads);
    this.#pieces = [];
    this.handlers.onClose(error, this);
  }
}

/** `::ffff:1.2.3.4`, as a dual-stack listener sees IPv4, is 1.2.3.4. */
function plainHost(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/, '');
}

/** Joins runs of small pieces; large ones stay as they are, uncopied. */
function joinSmall(pieces: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  let runSize = 0;
  const flush = (): void => {
    const [only] = run;
    if (only !== undefined) joined.push(run.length === 1 ? only : Buffer.concat(run, runSize));
    run = [];
    runSize = 0;
  };
  for (const piece of pieces) {
    if (piece.length >= JOIN_BELOW) {
      flush();
      joined.push(piece);
    } else if (piece.length > 0) {
      run.push(piece);
      runSize += piece.length;
    }
  }
  flush();
  return joined;
}
