import type { IoVec } from '@glusterts/libglusterfs';
import type { RpcCredential } from './rpc-auth.js';
import type { RpcConnection } from './rpc-connection.js';
import { AcceptStat } from './rpc-message.js';
import type { RpcProcedure, RpcProgram } from './rpc-program.js';
import type { XdrReader } from './xdr-reader.js';
import type { XdrWriter } from './xdr-writer.js';

/**
 * Answers one procedure. The call's record is borrowed until the promise settles (or until return). It may answer before, after
 * or never; XdrError thrown before an answer becomes GARBAGE_ARGS, anything else SYSTEM_ERR.
 */
export interface RpcHandler {
  handle(call: RpcCall): void | Promise<void>;
  /** Doesn't count against the limits: locks, which may wait for ever for an unlock that must get through, and PING. */
  readonly exempt?: boolean;
  /** Bytes that the answer may have, from the arguments: what READ asks for. They count against the limits while the call is served. Default 0. */
  replySize?(call: RpcCall): number;
  /** Allowed from ports of 1024 and above even when insecure ports are not. */
  readonly unprivileged?: boolean;
}

export interface HandlerOptions {
  readonly exempt?: boolean;
  readonly replySize?: (call: RpcCall) => number;
  readonly unprivileged?: boolean;
}

/** What a `serve` function returns to leave the call without an answer. */
export const NO_REPLY = Symbol('no reply');

/** A handler from a function on decoded messages. */
export function serve<Request, Reply>(
  procedure: RpcProcedure<Request, Reply>,
  answer: (request: Request, call: RpcCall) => Reply | typeof NO_REPLY | Promise<Reply | typeof NO_REPLY>,
  options: HandlerOptions = {},
): RpcHandler {
  const send = (call: RpcCall, reply: Reply | typeof NO_REPLY): void => {
    if (reply !== NO_REPLY) call.reply((w) => procedure.encodeReply(w, reply));
  };
  return {
    ...options,
    handle(call) {
      const reply = answer(procedure.decodeRequest(call.reader), call);
      if (!(reply instanceof Promise)) return send(call, reply);
      return reply.then((settled) => send(call, settled));
    },
  };
}

/** A call being served. */
export class RpcCall {
  readonly connection: RpcConnection;
  readonly xid: number;
  readonly program: RpcProgram;
  readonly procedure: number;
  readonly auth: RpcCredential;
  /** At the arguments. */
  readonly reader: XdrReader;
  readonly record: IoVec;
  /** Bytes that it takes of its connection's limits; the connection's. */
  cost = 0;
  #answered = false;

  constructor(connection: RpcConnection, xid: number, program: RpcProgram, procedure: number, auth: RpcCredential, reader: XdrReader, record: IoVec) {
    this.connection = connection;
    this.xid = xid;
    this.program = program;
    this.procedure = procedure;
    this.auth = auth;
    this.reader = reader;
    this.record = record;
  }

  get answered(): boolean {
    return this.#answered;
  }

  /** The bytes from where the reader stands to the end of the record: WRITE's data. `ref()` it to keep it. */
  payload(): IoVec {
    return this.record.slice(this.reader.position);
  }

  /**
   * Answers with SUCCESS and a result, and raw bytes after it. The payload stays the caller's: the transport takes a reference
   * of its own. A second answer is an error of ours, and throws; one to a connection that is gone does nothing.
   */
  reply(encode: (w: XdrWriter) => void, payload?: IoVec): void {
    this.#once();
    this.connection.sendReply(this.xid, AcceptStat.SUCCESS, encode, payload);
  }

  /** Answers that the call could not be carried out. */
  fail(stat: Exclude<AcceptStat, 0>): void {
    this.#once();
    this.connection.sendReply(this.xid, stat);
  }

  /** Answers AUTH_ERROR. */
  deny(): void {
    this.#once();
    this.connection.sendAuthError(this.xid);
  }

  #once(): void {
    if (this.#answered) throw new Error(`${this.program.name} procedure ${this.procedure}, xid ${this.xid}, was answered twice`);
    this.#answered = true;
  }
}
