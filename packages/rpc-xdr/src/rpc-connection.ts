import { type IoVec, RecordMarkError, type Transport, type TransportHandlers } from '@glusterts/libglusterfs';
import type { Caller, RpcCredential } from './rpc-auth.js';
import { RpcCall, type RpcHandler } from './rpc-call.js';
import { AcceptStat, type CallHeader, MessageType, RPC_VERSION, readCallHeader, writeAuthError, writeCallHeader, writeReplyHeader, writeRpcMismatch } from './rpc-message.js';
import type { RpcProcedure, RpcProgram } from './rpc-program.js';
import type { RpcServer } from './rpc-server.js';
import { XdrError, XdrReader } from './xdr-reader.js';
import type { XdrWriter } from './xdr-writer.js';

const PRIVILEGED = 1024;
const RECORD_MARK_BYTES = 4;
/** What a call takes beside its record: its frame, its request, the state of its handler. */
const CALL_BYTES = 1024;
const NOBODY: Caller = { pid: 0, uid: 0, gid: 0, groups: [], lk_owner: '' as Caller['lk_owner'], flags: 0, ctime: 0, ctime_nsec: 0 };

/** One client's connection to an {@link RpcServer}. */
export class RpcConnection implements TransportHandlers {
  readonly server: RpcServer;
  readonly transport: Transport;
  readonly peer: string;
  /** Records and their marks that came and went here. */
  bytesRead = 0;
  bytesWritten = 0;
  readonly local: string;
  /** What the program's owner keeps about this client. */
  data: unknown = undefined;
  #abort: AbortController | undefined;
  #gone = false;
  #outstanding = 0;
  #outstandingBytes = 0;
  /** A limit is reached: reading has stopped, and calls that had been read already wait in the backlog. */
  #paused = false;
  #resuming = false;
  #backlog: IoVec[] = [];
  /** So many of the backlog have been begun. */
  #begun = 0;
  #callbackXid = 1;

  constructor(server: RpcServer, transport: Transport) {
    this.server = server;
    this.transport = transport;
    this.peer = transport.peer;
    this.local = transport.local;
  }

  get connected(): boolean {
    return !this.#gone;
  }

  /** Calls being served that count against the limits. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** With TLS: the client's login name. */
  get peerCommonName(): string | undefined {
    return this.transport.peerCommonName;
  }

  /** Aborted when the connection ends. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#gone) this.#abort.abort();
    return this.#abort.signal;
  }

  /** Ends the connection. Handlers that run go on; what they answer goes nowhere. */
  disconnect(error?: Error): void {
    this.transport.destroy(error);
  }

  /** Calls the client; it never answers. */
  callback<Request>(procedure: RpcProcedure<Request, void>, request: Request): void {
    if (this.#gone) return;
    const w = this.server.writer;
    w.rewind();
    writeCallHeader(w, this.#callbackXid++, procedure.program, procedure.number, 'null', NOBODY);
    procedure.encodeRequest(w, request);
    this.#send(w.finish());
  }

  /** As `callback`, with arguments that are encoded already. */
  callbackRaw(program: RpcProgram, procedure: number, body: Uint8Array): void {
    if (this.#gone) return;
    const w = this.server.writer;
    w.rewind();
    writeCallHeader(w, this.#callbackXid++, program, procedure, 'null', NOBODY);
    w.raw(body);
    this.#send(w.finish());
  }

  #send(message: Buffer, payload?: IoVec): void {
    const size = RECORD_MARK_BYTES + message.length + (payload?.size ?? 0);
    this.bytesWritten += size;
    this.server.bytesWritten += size;
    this.transport.send(message, payload);
  }

  onRecord(record: IoVec): void {
    const size = RECORD_MARK_BYTES + record.size;
    this.bytesRead += size;
    this.server.bytesRead += size;
    // One read may have brought thousands of calls, each of which asks for a megabyte.
    if (this.#paused) this.#backlog.push(record);
    else this.#begin(record);
  }

  #begin(record: IoVec): void {
    const [first] = record.chunks;
    try {
      this.#take(new XdrReader(first ?? new Uint8Array(0)), record);
    } catch (error) {
      record.unref();
      if (!(error instanceof XdrError)) throw error;
      this.server.options.log.warning(0, `bad record from ${this.peer}, disconnecting: ${error.message}`);
      this.transport.destroy(error);
    }
  }

  onDrain(): void {
    this.#resumeIfFree();
  }

  onClose(error: Error | undefined): void {
    this.#gone = true;
    for (const record of this.#backlog.splice(0).slice(this.#begun)) record.unref();
    this.#abort?.abort();
    if (error instanceof RecordMarkError) this.server.options.log.warning(0, `bad stream from ${this.peer}, disconnecting: ${error.message}`);
    if (this.server.connections.delete(this)) this.server.options.onDisconnect?.(this, error);
  }

  #take(reader: XdrReader, record: IoVec): void {
    const xid = reader.u32();
    const type = reader.u32();
    if (type === MessageType.TOO_OLD) {
      this.server.options.log.error(0, `${this.peer} is too old a peer`);
      record.unref();
      return;
    }
    // A server's callbacks are never answered, so a reply can't be one.
    if (type !== MessageType.CALL) throw new XdrError(`message type ${type}`);
    const header = readCallHeader(reader);
    const found = this.#find(xid, header);
    if (!found) {
      record.unref();
      return;
    }
    this.#serve(new RpcCall(this, xid, found.program, header.procedure, found.credential, reader, record), found.handler);
  }

  /** The handler of a call, or undefined when it has been answered with what is wrong. */
  #find(xid: number, header: CallHeader): { program: RpcProgram; handler: RpcHandler; credential: RpcCredential } | undefined {
    if (header.rpcVersion !== RPC_VERSION) {
      const w = this.server.writer;
      w.rewind();
      writeRpcMismatch(w, xid);
      this.#send(w.finish());
      return undefined;
    }
    if (!header.credential) {
      this.server.options.log.warning(0, `credential of ${this.peer} denied`);
      this.sendAuthError(xid);
      return undefined;
    }
    const service = this.server.find(header.program, header.version);
    if (service === undefined || service === 'version') {
      this.sendReply(xid, service === undefined ? AcceptStat.PROG_UNAVAIL : AcceptStat.PROG_MISMATCH);
      return undefined;
    }
    const handler = service.handlers[header.procedure];
    if (!handler) {
      this.sendReply(xid, AcceptStat.PROC_UNAVAIL);
      return undefined;
    }
    if (!this.server.allowInsecure && !handler.unprivileged && this.#port() >= PRIVILEGED) {
      this.sendAuthError(xid);
      return undefined;
    }
    return { program: service, handler, credential: header.credential };
  }

  /** The peer's port; 0 on a unix socket. */
  #port(): number {
    const match = /:(\d+)$/.exec(this.peer);
    return match ? Number(match[1]) : 0;
  }

  #serve(call: RpcCall, handler: RpcHandler): void {
    const counts = handler.exempt !== true;
    if (counts) {
      this.#outstanding++;
      call.cost = CALL_BYTES + call.record.size;
      this.#outstandingBytes += call.cost;
    }
    let running: void | Promise<void> = undefined;
    try {
      if (counts && handler.replySize) {
        const size = handler.replySize(call);
        call.cost += size;
        this.#outstandingBytes += size;
      }
      running = handler.handle(call);
    } catch (error) {
      this.#failed(call, error);
    }
    if (running instanceof Promise) {
      this.#pauseIfFull();
      running.then(
        () => this.#settled(call, counts),
        (error: unknown) => {
          this.#failed(call, error);
          this.#settled(call, counts);
        },
      );
    } else this.#settled(call, counts);
  }

  #failed(call: RpcCall, error: unknown): void {
    const garbage = error instanceof XdrError;
    this.server.options.log.warning(0, `${call.program.name} procedure ${call.procedure} from ${this.peer}: ${garbage ? `arguments don't decode: ${error.message}` : String(error)}`);
    if (!call.answered) call.fail(garbage ? AcceptStat.GARBAGE_ARGS : AcceptStat.SYSTEM_ERR);
  }

  #settled(call: RpcCall, counts: boolean): void {
    if (counts) {
      this.#outstanding--;
      this.#outstandingBytes -= call.cost;
    }
    call.record.unref();
    if (this.#paused) this.#resumeIfFree();
  }

  /** Sends an accepted reply; used by {@link RpcCall}. */
  sendReply(xid: number, stat: AcceptStat, encode?: (w: XdrWriter) => void, payload?: IoVec): void {
    if (this.#gone) return;
    const w = this.server.writer;
    w.rewind();
    try {
      writeReplyHeader(w, xid, stat);
      encode?.(w);
    } catch (error) {
      // A result that can't be encoded must not leave its caller waiting.
      w.rewind();
      writeReplyHeader(w, xid, AcceptStat.SYSTEM_ERR);
      this.#send(w.finish());
      throw error;
    }
    // A brick names no versions: low and high are 0.
    if (stat === AcceptStat.PROG_MISMATCH) w.u53(0);
    this.#send(w.finish(), payload);
    this.#pauseIfFull();
  }

  /** Denies a call; used by {@link RpcCall}. */
  sendAuthError(xid: number): void {
    if (this.#gone) return;
    const w = this.server.writer;
    w.rewind();
    writeAuthError(w, xid);
    this.#send(w.finish());
  }

  #full(): boolean {
    const { limits } = this.server;
    return (
      (limits.outstandingMax > 0 && this.#outstanding >= limits.outstandingMax) || this.#outstandingBytes >= limits.outstandingBytesMax || this.transport.queuedBytes >= limits.queuedBytesMax
    );
  }

  #pauseIfFull(): void {
    if (this.#paused || !this.#full()) return;
    this.#paused = true;
    this.transport.pause();
  }

  /** Serves what waits, as far as the limits let it; then reads again. */
  #resumeIfFree(): void {
    // A call that is over at once comes back here while the loop runs.
    if (!this.#paused || this.#resuming || this.#gone) return;
    this.#resuming = true;
    // A socket that broke takes all bytes; what waits for it is served for nobody.
    while (this.#begun < this.#backlog.length && this.transport.connected && !this.#full()) {
      const record = this.#backlog[this.#begun++];
      if (record) this.#begin(record);
    }
    this.#resuming = false;
    if (this.#begun < this.#backlog.length || this.#full()) return;
    this.#backlog = [];
    this.#begun = 0;
    this.#paused = false;
    this.transport.resume();
  }
}
