import type { IoVec } from '../iobuf.js';

/** Where to connect or listen. A port of 0 lets the kernel choose. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

/** Socket options of a 10.x process are the defaults (spec/rpc-wire.md, §1). Times in seconds. */
export interface SocketOptions {
  readonly keepaliveTimeS?: number;
  readonly keepaliveIntervalS?: number;
  readonly keepaliveCount?: number;
  readonly tcpUserTimeoutS?: number;
  readonly windowSize?: number;
  /** Local address to bind before connecting; a port of -1: GlusterFS's own search downwards (spec/rpc-wire.md, §13.5). */
  readonly bind?: { readonly host?: string; readonly port?: number; readonly insecure?: boolean };
  readonly tls?: TlsOptions;
  /**
   * Of a listener: GF-DUMP's PING is answered by the transport wherever it can, and then reaches no handler: also while this thread waits
   * for a disk (docs/architecture.md, "Slow disks"). Only the native network without TLS can.
   */
  readonly answerPings?: boolean;
  /**
   * Of a listener, and of who connects: when both are on one machine, records may pass by TCP through a unix socket, which costs less. The addresses
   * stay those of the TCP connection, and it is over when that is (docs/rpc.md, "The local path"). Only the native network without TLS does so.
   */
  readonly localPath?: boolean;
  /** A record larger than this closes the connection. Default and most 1 GiB. */
  readonly recordSizeMax?: number;
}

/** `cert`, `key` and `ca` are paths of PEM files. */
export interface TlsOptions {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly ciphers?: string;
  readonly depth?: number;
}

/**
 * A connection that carries whole RPC records (spec/rpc-wire.md, §1). The record mark is the transport's business.
 * Handlers are called from the event loop, never from inside a call to the transport.
 */
export interface Transport {
  readonly local: string;
  /** `host:port`, or the socket's path. */
  readonly peer: string;
  readonly connected: boolean;
  /** With TLS: the common name in the peer's certificate, its login name (spec/rpc-wire.md, §16). */
  readonly peerCommonName?: string | undefined;
  /**
   * Sends one record made of these pieces. They, and the payload, may not be changed until `onSent` of the gather has
   * passed; a payload's iobufs are referenced by the transport until then. Many sends in one turn leave in one writev.
   * Sending on a closed transport does nothing: onClose tells.
   */
  send(header: Uint8Array, payload?: IoVec): void;
  /**
   * Whether descriptors of open files may be passed to the other end: a process of the same user on the same machine (docs/rpc.md, "The local path").
   * False at first; true once `onConnect`, or the first record, has come.
   */
  readonly passesDescriptors?: boolean;
  /** Passes a descriptor to the other end, before what is sent from now on; this one is the transport's, which closes it. Returns the number to take it by there. */
  passDescriptor?(descriptor: number): number;
  /** The descriptor that the other end has passed under this number, the caller's from now on; undefined when there is none. */
  takeDescriptor?(number: number): number | undefined;
  /** Bytes accepted and not yet taken by the kernel. */
  readonly queuedBytes: number;
  /** Stops and restarts reading: back-pressure. */
  pause(): void;
  resume(): void;
  /** Closes now, dropping what is queued; onClose follows once. */
  destroy(error?: Error): void;
  /** Closes when the queue is sent. */
  end(): void;
  handlers: TransportHandlers;
}

export interface TransportHandlers {
  onConnect?(transport: Transport): void;
  /**
   * One whole record, without marks. It is handed over: unref it when done. Usually one chunk; a payload may follow as
   * further chunks (then the first chunk ends exactly where the payload begins).
   */
  onRecord(record: IoVec, transport: Transport): void;
  /** The queue fell below the low-water mark after `queuedBytes` was over the high one. */
  onDrain?(transport: Transport): void;
  /** Once, after connect failure, error, or end of stream. */
  onClose(error: Error | undefined, transport: Transport): void;
}

export interface Listener {
  readonly address: Address;
  close(): Promise<void>;
}

export interface Network {
  /**
   * How many threads `owner` wants for the sockets of all (GlusterFS's event-threads): the loop's own, and others that move large payloads. The most
   * that any owner wants is what there will be; 1 is to want none, and gives up what was wanted before. Returns how many there are, the loop's among
   * them: fewer when the system has no more. Absent: it never has another.
   */
  setEventThreads?(owner: object, count: number): number;
  connect(address: Address, handlers: TransportHandlers, options?: SocketOptions): Transport;
  /** Resolves when the socket listens. `accept` gives each new connection its handlers. Errors carry errno (EADDRINUSE …). */
  listen(address: Address, accept: (transport: Transport) => TransportHandlers, options?: SocketOptions): Promise<Listener>;
}
