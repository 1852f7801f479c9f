import { type Address, Errno, FopError, type IoVec, type Logger, type Platform, RecordMarkError, type SocketOptions, type Timer, type Transport } from '@glusterts/libglusterfs';
import { CallTable } from './call-table.js';
import { GlusterDump } from './generated/dump.js';
import type { AuthForm, Caller } from './rpc-auth.js';
import { AcceptStat, MessageType, readCallHeader, readReplyHeader, writeCallHeader } from './rpc-message.js';
import { PingCycle } from './rpc-ping.js';
import type { RpcProcedure, RpcProgram } from './rpc-program.js';
import { XdrError, XdrReader } from './xdr-reader.js';
import { XdrWriter } from './xdr-writer.js';

const FIRST_XID = 2;
const RECORD_MARK_BYTES = 4;
const RECONNECT_DELAY_MS = 3000;
const FRAME_TIMEOUT_S = 1800;
/** How often calls are looked at that have waited too long (spec/rpc-wire.md, §14.2). */
const BAIL_INTERVAL_MS = 10_000;
/** Timed-out calls whose late replies are forgiven; more are forgotten, oldest first. */
const BAILED_MAX = 4096;
/** Management frames: nobody in particular. */
const NOBODY: Caller = { pid: 0, uid: 0, gid: 0, groups: [], lk_owner: '' as Caller['lk_owner'], flags: 0, ctime: 0, ctime_nsec: 0 };

/** A call that the server didn't carry out: denied, or an accept_stat other than SUCCESS. Its errno is ENOTCONN, as in GlusterFS. */
export class RpcRejected extends FopError {
  /** Undefined: denied. */
  readonly acceptStat: AcceptStat | undefined;

  constructor(what: string, acceptStat: AcceptStat | undefined) {
    super(Errno.ENOTCONN, undefined, `${what} ${acceptStat === undefined ? 'was denied' : `got accept_stat ${acceptStat}`}`);
    this.acceptStat = acceptStat;
  }
}

/** Handles the calls that a server makes on the client's connection. They are never answered. */
export interface RpcCallbacks {
  readonly program: RpcProgram;
  /** Called from the event loop. What it throws is logged. Unknown procedures must be ignored. */
  handle(procedure: number, reader: XdrReader, client: RpcClient): void;
}

/** Why a connection ended. */
export interface RpcDisconnect {
  readonly error: Error | undefined;
  /** False: the attempt to connect failed. */
  readonly wasConnected: boolean;
  /** It ended by `reconnect()`: the next attempt is made at once. */
  readonly planned: boolean;
}

export interface RpcClientOptions {
  readonly platform: Pick<Platform, 'network' | 'timers' | 'clock'>;
  readonly log: Logger;
  /** For logs: the xlator's name. */
  readonly name: string;
  /** Where every attempt begins. */
  readonly address: Address;
  readonly socket?: SocketOptions;
  /** Where to go instead, asked before each attempt that `reconnect` didn't direct. */
  readonly remap?: () => Promise<Address | undefined>;
  /** A call older than this fails with ENOTCONN. Seconds; default 1800; 0: never. */
  readonly frameTimeoutS?: number;
  /** T of the ping cycle (spec/rpc-wire.md, §14.1). Seconds; default 0: no pings. */
  readonly pingTimeoutS?: number;
  /** Pause before the next attempt; default 3000. `false`: one attempt, and none after a disconnect. */
  readonly reconnectDelayMs?: number | false;
  readonly callbacks?: readonly RpcCallbacks[];
  /** The credential form at the start of each connection; default v2. */
  readonly auth?: AuthForm;
  onConnect?(client: RpcClient): void;
  onDisconnect?(client: RpcClient, reason: RpcDisconnect): void;
}

export interface CallOptions {
  /** Who calls; default: pid, uid, gid 0. */
  readonly frame?: Caller | undefined;
  /** Raw bytes after the arguments; borrowed, the transport takes its own reference. */
  readonly payload?: IoVec | undefined;
  /** Instead of the client's frame timeout. */
  readonly timeoutMs?: number;
  /** Instead of the client's current form. */
  readonly auth?: AuthForm;
}

/** An accepted reply. Its record is handed over: call `release()`, or hand on the payload, which carries the record's references. */
export class RpcReply {
  /** At the result; what was decoded is behind it. */
  readonly reader: XdrReader;
  readonly record: IoVec;

  constructor(reader: XdrReader, record: IoVec) {
    this.reader = reader;
    this.record = record;
  }

  /** The bytes from where the reader stands to the end of the record: READ's data. */
  payload(): IoVec {
    return this.record.slice(this.reader.position);
  }

  release(): void {
    this.record.unref();
  }
}

interface SavedFrame {
  readonly what: string;
  readonly sentAt: number;
  readonly timeoutMs: number;
  /** Makes the result of a reply, which is released then; undefined: the reply itself is handed over. */
  readonly decode: ((reader: XdrReader) => unknown) | undefined;
  /** Makes what the caller gets, or the error that it gets, of the result; of the reply where nothing decodes it. */
  readonly then: ((result: never) => unknown) | undefined;
  readonly resolve: (reply: never) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One connection to a server, made anew whenever it breaks, and the calls that wait on it. Calls made while it is down fail at
 * once with ENOTCONN (spec/rpc-wire.md, §14.3).
 */
export class RpcClient {
  readonly options: RpcClientOptions;
  /** The credential form of further calls on this connection. */
  auth: AuthForm;
  readonly #writer = new XdrWriter();
  readonly #saved = new CallTable<SavedFrame>();
  readonly #bailed = new Set<number>();
  readonly #callbacks = new Map<number, RpcCallbacks>();
  readonly #ping: PingCycle;
  #pingTimeoutS: number;
  #frameTimeoutS: number;
  /** What statedumps count, over all connections. */
  readonly counts = { messages: 0, pings: 0, bytesRead: 0, bytesWritten: 0 };
  #transport: Transport | undefined;
  #connected = false;
  #wanted = false;
  #planned = false;
  #next: Address | undefined;
  #xid = FIRST_XID;
  #reconnectTimer: Timer | undefined;
  #bailTimer: Timer | undefined;
  #bailDue = 0;

  constructor(options: RpcClientOptions) {
    this.options = options;
    this.auth = options.auth ?? 'v2';
    for (const callbacks of options.callbacks ?? []) this.#callbacks.set(callbacks.program.number, callbacks);
    this.#frameTimeoutS = options.frameTimeoutS ?? FRAME_TIMEOUT_S;
    this.#pingTimeoutS = options.pingTimeoutS ?? 0;
    this.#ping = new PingCycle(options.platform, this.#pingTimeoutS * 1000, {
      outstanding: () => this.#saved.size,
      send: () => this.#sendPing(),
      expired: () => {
        options.log.error(0, `server ${this.peer} has not responded in the last ${this.#pingTimeoutS} seconds, disconnecting.`);
        this.#transport?.destroy(new FopError(Errno.ETIMEDOUT));
      },
    });
  }

  /** New timeouts for calls to come and for the next ping, on the connection that stands (spec/client.md, §8.4). Seconds. */
  setTimeouts(timeouts: { readonly frameTimeoutS: number; readonly pingTimeoutS: number }): void {
    this.#frameTimeoutS = timeouts.frameTimeoutS;
    if (timeouts.pingTimeoutS === this.#pingTimeoutS) return;
    this.#pingTimeoutS = timeouts.pingTimeoutS;
    this.#ping.timeoutMs = timeouts.pingTimeoutS * 1000;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** `host:port` of the server, empty when there is no connection. */
  get peer(): string {
    return this.#transport?.peer ?? '';
  }

  /** `host:port` of this end. */
  get local(): string {
    return this.#transport?.local ?? '';
  }

  /** Whether the server can pass descriptors of files. */
  get passesDescriptors(): boolean {
    return this.#transport?.passesDescriptors === true;
  }

  /** The descriptor that the server has passed under this number, the caller's from now on. */
  takeDescriptor(number: number): number | undefined {
    return this.#transport?.takeDescriptor?.(number);
  }

  /** Calls that wait for their replies. */
  get outstanding(): number {
    return this.#saved.size;
  }

  /** Starts connecting, and goes on doing so whenever the connection breaks, until `disconnect()`. */
  connect(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#attempt();
  }

  /** Ends the connection, if there is one, and connects at once; to `address`, for this one attempt, if given. */
  reconnect(address?: Address): void {
    this.#wanted = true;
    this.#next = address;
    if (this.#transport) {
      this.#planned = true;
      this.#transport.destroy();
      return;
    }
    this.#reconnectTimer?.cancel();
    this.#attempt();
  }

  /** Ends the connection; the next attempt follows after the usual pause. For a server that refused. */
  drop(error?: Error): void {
    this.#transport?.destroy(error);
  }

  /** Ends the connection and stops connecting. */
  disconnect(): void {
    this.#wanted = false;
    this.#reconnectTimer?.cancel();
    this.#transport?.destroy();
  }

  /**
   * Sends a call. Rejects with FopError(ENOTCONN) when there is no connection, it breaks, or the call waits too long; with
   * {@link RpcRejected} when the server refuses it; with E2BIG for a lk_owner that no credential can hold.
   */
  call(procedure: Pick<RpcProcedure<never, unknown>, 'program' | 'number' | 'name'>, encode: (w: XdrWriter) => void, options: CallOptions = {}): Promise<RpcReply> {
    return new Promise<RpcReply>((resolve, reject) => {
      const w = this.#begin(procedure, options.auth ?? this.auth, options.frame ?? NOBODY, reject);
      if (w === undefined) return;
      try {
        encode(w);
      } catch (error) {
        w.rewind();
        reject(error);
        return;
      }
      this.#finish(procedure.name, options.payload, options.timeoutMs ?? this.#timeoutMs, undefined, undefined, resolve, reject);
    });
  }

  /** Sends a call and decodes its result; bytes after it are dropped. Rejects as `call`, and with EINVAL when it doesn't decode. */
  invoke<Request, Reply>(procedure: RpcProcedure<Request, Reply>, request: Request, options: CallOptions = {}): Promise<Reply> {
    return new Promise<Reply>((resolve, reject) => {
      this.#invoke(procedure, request, options.auth ?? this.auth, options.frame ?? NOBODY, options.payload, options.timeoutMs ?? this.#timeoutMs, procedure.decodeReply, undefined, resolve, reject);
    });
  }

  /**
   * As `invoke`, for calls that are made by the thousand: resolves with what `then` makes of the result, or rejects with the error that it
   * returns, without a turn of the microtask queue in between.
   */
  invokeThen<Request, Reply, Result>(procedure: RpcProcedure<Request, Reply>, request: Request, frame: Caller, then: (reply: Reply) => Result | FopError, payload?: IoVec): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#invoke(procedure, request, this.auth, frame, payload, this.#timeoutMs, procedure.decodeReply, then, resolve, reject);
    });
  }

  /** As `invokeThen`, for replies with payload: `take` has the reply handed over, unless it throws. */
  invokeWhole<Request, Result>(procedure: RpcProcedure<Request, unknown>, request: Request, frame: Caller, take: (reply: RpcReply) => Result | FopError): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#invoke(procedure, request, this.auth, frame, undefined, this.#timeoutMs, undefined, take, resolve, reject);
    });
  }

  #invoke<Request>(
    procedure: RpcProcedure<Request, unknown>,
    request: Request,
    auth: AuthForm,
    frame: Caller,
    payload: IoVec | undefined,
    timeoutMs: number,
    decode: SavedFrame['decode'],
    then: SavedFrame['then'],
    resolve: (reply: never) => void,
    reject: (error: unknown) => void,
  ): void {
    const w = this.#begin(procedure, auth, frame, reject);
    if (w === undefined) return;
    try {
      procedure.encodeRequest(w, request);
    } catch (error) {
      w.rewind();
      reject(error);
      return;
    }
    this.#finish(procedure.name, payload, timeoutMs, decode, then, resolve, reject);
  }

  /** Sends a call that the server is known not to answer; nobody waits. Dropped without a connection. */
  notify<Request>(procedure: RpcProcedure<Request, unknown>, request: Request, options: CallOptions = {}): void {
    const transport = this.#transport;
    if (!this.#connected || !transport) return;
    const xid = this.#nextXid();
    // Should it be answered after all, that is no crime.
    this.#forgive(xid);
    const w = this.#writer;
    w.rewind();
    writeCallHeader(w, xid, procedure.program, procedure.number, options.auth ?? this.auth, options.frame ?? NOBODY);
    procedure.encodeRequest(w, request);
    this.#transmit(transport, w.finish(), options.payload);
  }

  get #timeoutMs(): number {
    return this.#frameTimeoutS * 1000;
  }

  /** The writer, with a call's header written; undefined when that has failed and was told. */
  #begin(procedure: Pick<RpcProcedure<never, unknown>, 'program' | 'number'>, auth: AuthForm, frame: Caller, reject: (error: unknown) => void): XdrWriter | undefined {
    if (!this.#connected || !this.#transport) {
      reject(new FopError(Errno.ENOTCONN));
      return undefined;
    }
    const w = this.#writer;
    w.rewind();
    try {
      writeCallHeader(w, this.#xid, procedure.program, procedure.number, auth, frame);
      return w;
    } catch (error) {
      w.rewind();
      reject(error);
      return undefined;
    }
  }

  /** Sends what {@link #begin} began. */
  #finish(
    what: string,
    payload: IoVec | undefined,
    timeoutMs: number,
    decode: SavedFrame['decode'],
    then: SavedFrame['then'],
    resolve: (reply: never) => void,
    reject: (error: unknown) => void,
  ): void {
    const transport = this.#transport;
    if (!transport) return reject(new FopError(Errno.ENOTCONN));
    const sentAt = this.options.platform.clock.monotonic();
    this.#saved.set(this.#nextXid(), { what, sentAt, timeoutMs, decode, then, resolve, reject });
    this.#transmit(transport, this.#writer.finish(), payload);
    if (timeoutMs > 0) this.#watch(sentAt, timeoutMs);
    this.#ping.onSend();
  }

  #transmit(transport: Transport, message: Buffer, payload: IoVec | undefined): void {
    this.counts.messages++;
    this.counts.bytesWritten += RECORD_MARK_BYTES + message.length + (payload?.size ?? 0);
    transport.send(message, payload);
  }

  #nextXid(): number {
    const xid = this.#xid;
    this.#xid = (this.#xid + 1) >>> 0;
    return xid;
  }

  #sendPing(): void {
    this.counts.pings++;
    this.invokePing().then(
      () => this.#ping.onReply(),
      () => {},
    );
  }

  /** GF-DUMP's PING. */
  invokePing(): Promise<unknown> {
    return this.invoke(GlusterDump.PING, undefined);
  }

  #attempt(): void {
    this.#reconnectTimer = undefined;
    const address = this.#next;
    this.#next = undefined;
    if (address || !this.options.remap) {
      this.#open(address ?? this.options.address);
      return;
    }
    this.options.remap().then(
      (mapped) => {
        if (this.#wanted && !this.#transport) this.#open(mapped ?? this.options.address);
      },
      (error: unknown) => {
        this.options.log.warning(0, `no address to connect to: ${String(error)}`);
        this.#again(false);
      },
    );
  }

  #open(address: Address): void {
    this.#transport = this.options.platform.network.connect(
      address,
      {
        onConnect: () => this.#onConnect(),
        onRecord: (record, transport) => this.#onRecord(record, transport),
        onClose: (error) => this.#onClose(error),
      },
      this.options.socket,
    );
  }

  #onConnect(): void {
    this.#connected = true;
    this.auth = this.options.auth ?? 'v2';
    this.options.onConnect?.(this);
  }

  #onClose(error: Error | undefined): void {
    const wasConnected = this.#connected;
    const planned = this.#planned;
    this.#connected = false;
    this.#planned = false;
    this.#transport = undefined;
    this.#ping.stop();
    this.#bailTimer?.cancel();
    this.#bailTimer = undefined;
    this.#bailed.clear();
    if (error instanceof RecordMarkError) this.options.log.warning(0, `bad stream from the server, disconnecting: ${error.message}`);
    const failed = this.#saved.entries().map(([, frame]) => frame);
    this.#saved.clear();
    for (const frame of failed) frame.reject(new FopError(Errno.ENOTCONN, undefined, `${frame.what}: the connection broke`));
    this.options.onDisconnect?.(this, { error, wasConnected, planned });
    this.#again(planned);
  }

  #again(atOnce: boolean): void {
    if (!this.#wanted || this.#transport || this.#reconnectTimer) return;
    const delay = this.options.reconnectDelayMs ?? RECONNECT_DELAY_MS;
    if (atOnce) this.#attempt();
    else if (delay === false) this.#wanted = false;
    else this.#reconnectTimer = this.options.platform.timers.after(delay, () => this.#attempt());
  }

  #onRecord(record: IoVec, transport: Transport): void {
    this.#ping.onReceive();
    this.counts.bytesRead += RECORD_MARK_BYTES + record.size;
    const [first] = record.chunks;
    const reader = new XdrReader(first ?? new Uint8Array(0));
    try {
      const xid = reader.u32();
      const type = reader.u32();
      if (type === MessageType.REPLY) this.#onReply(xid, reader, record);
      else if (type === MessageType.CALL) this.#onCallback(reader, record);
      else {
        if (type === MessageType.TOO_OLD) this.options.log.error(0, `${transport.peer} is too old a peer`);
        else throw new XdrError(`message type ${type}`);
        record.unref();
      }
    } catch (error) {
      record.unref();
      if (!(error instanceof XdrError)) throw error;
      this.options.log.warning(0, `bad record from ${transport.peer}, disconnecting: ${error.message}`);
      transport.destroy(error);
    }
  }

  #onReply(xid: number, reader: XdrReader, record: IoVec): void {
    const frame = this.#saved.get(xid);
    if (!frame) {
      if (!this.#bailed.delete(xid)) throw new XdrError(`a reply to a call that nobody made, xid ${xid}`);
      record.unref();
      return;
    }
    const stat = readReplyHeader(reader);
    this.#saved.delete(xid);
    if (stat === AcceptStat.SUCCESS) {
      this.#answer(frame, reader, record);
      return;
    }
    record.unref();
    frame.reject(new RpcRejected(frame.what, stat));
  }

  #answer({ decode, then, resolve, reject, what }: SavedFrame, reader: XdrReader, record: IoVec): void {
    try {
      let result: unknown = decode === undefined ? new RpcReply(reader, record) : decode(reader);
      if (then !== undefined) result = then(result as never);
      if (decode !== undefined) record.unref();
      if (then !== undefined && result instanceof FopError) reject(result);
      else resolve(result as never);
    } catch (error) {
      record.unref();
      reject(error instanceof XdrError ? new FopError(Errno.EINVAL, undefined, `${what}: ${error.message}`) : error);
    }
  }

  #onCallback(reader: XdrReader, record: IoVec): void {
    const header = readCallHeader(reader);
    const callbacks = this.#callbacks.get(header.program);
    try {
      if (callbacks?.program.version === header.version) callbacks.handle(header.procedure, reader, this);
      else this.options.log.debug(0, `callback of program ${header.program}/${header.version} ignored`);
    } catch (error) {
      this.options.log.warning(0, `callback ${header.procedure} of program ${header.program} failed: ${String(error)}`);
    }
    record.unref();
  }

  /** Sees to it that calls are looked at no later than `timeoutMs` from now, or BAIL_INTERVAL_MS if that is sooner. */
  #watch(now: number, timeoutMs: number): void {
    const delay = Math.min(BAIL_INTERVAL_MS, timeoutMs);
    if (this.#bailTimer && this.#bailDue <= now + delay) return;
    this.#bailTimer?.cancel();
    this.#bailDue = now + delay;
    this.#bailTimer = this.options.platform.timers.after(delay, () => this.#bail(), { background: true });
  }

  #bail(): void {
    this.#bailTimer = undefined;
    const now = this.options.platform.clock.monotonic();
    let shortest = Infinity;
    for (const [xid, frame] of this.#saved.entries()) {
      if (frame.timeoutMs <= 0) continue;
      const left = frame.sentAt + frame.timeoutMs - now;
      if (left > 0) {
        shortest = Math.min(shortest, left);
        continue;
      }
      this.#saved.delete(xid);
      this.#forgive(xid);
      this.options.log.error(0, `bailing out frame ${frame.what} xid = 0x${xid.toString(16)} sent ${Math.round((now - frame.sentAt) / 1000)} s ago to ${this.peer}`);
      frame.reject(new FopError(Errno.ENOTCONN, undefined, `${frame.what} was not answered in time`));
    }
    if (shortest !== Infinity) this.#watch(now, Math.ceil(shortest));
  }

  #forgive(xid: number): void {
    this.#bailed.add(xid);
    if (this.#bailed.size <= BAILED_MAX) return;
    const [oldest] = this.#bailed;
    if (oldest !== undefined) this.#bailed.delete(oldest);
  }
}
