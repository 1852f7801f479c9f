import { type AuthForm, CREDENTIAL_SIZE_MAX, type Caller, type RpcCredential, readCredential, writeCredential } from './rpc-auth.js';
import type { RpcProgram } from './rpc-program.js';
import { XdrError, type XdrReader } from './xdr-reader.js';
import type { XdrWriter } from './xdr-writer.js';

export const RPC_VERSION = 2;
/** What a record is (spec/rpc-wire.md, §1). */
export const MessageType = { CALL: 0, REPLY: 1, TOO_OLD: 42 } as const;
/** How a server answers an accepted call (spec/rpc-wire.md, §2). */
export const AcceptStat = { SUCCESS: 0, PROG_UNAVAIL: 1, PROG_MISMATCH: 2, PROC_UNAVAIL: 3, GARBAGE_ARGS: 4, SYSTEM_ERR: 5 } as const;
export type AcceptStat = (typeof AcceptStat)[keyof typeof AcceptStat];
const ReplyStat = { ACCEPTED: 0, DENIED: 1 } as const;
const RejectStat = { RPC_MISMATCH: 0, AUTH_ERROR: 1 } as const;

/** Appends a call's header. */
export function writeCallHeader(w: XdrWriter, xid: number, program: RpcProgram, procedure: number, form: AuthForm, caller: Caller): void {
  const at = w.reserve(24);
  const view = w.view;
  view.setUint32(at, xid);
  view.setUint32(at + 4, MessageType.CALL);
  view.setUint32(at + 8, RPC_VERSION);
  view.setUint32(at + 12, program.number);
  view.setUint32(at + 16, program.version);
  view.setUint32(at + 20, procedure);
  writeCredential(w, form, caller);
}

/** Appends the header of an accepted reply. */
export function writeReplyHeader(w: XdrWriter, xid: number, stat: AcceptStat): void {
  const at = w.reserve(24);
  const view = w.view;
  view.setUint32(at, xid);
  view.setUint32(at + 4, MessageType.REPLY);
  view.setUint32(at + 8, ReplyStat.ACCEPTED);
  view.setUint32(at + 12, 0);
  view.setUint32(at + 16, 0);
  view.setUint32(at + 20, stat);
}

/** Appends a whole reply that says AUTH_ERROR; bricks send auth_stat 0. */
export function writeAuthError(w: XdrWriter, xid: number): void {
  for (const word of [xid, MessageType.REPLY, ReplyStat.DENIED, RejectStat.AUTH_ERROR, 0]) w.u32(word);
}

/** Appends a whole reply that says RPC_MISMATCH. */
export function writeRpcMismatch(w: XdrWriter, xid: number): void {
  for (const word of [xid, MessageType.REPLY, ReplyStat.DENIED, RejectStat.RPC_MISMATCH, RPC_VERSION, RPC_VERSION]) w.u32(word);
}

/** A call's header, after xid and type. */
export interface CallHeader {
  readonly rpcVersion: number;
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  /** Undefined: to be denied. */
  readonly credential: RpcCredential | undefined;
}

/** Reads a call's header from after its type, and leaves the reader at the arguments. Throws XdrError. */
export function readCallHeader(r: XdrReader): CallHeader {
  const rpcVersion = r.u32();
  const program = r.u32();
  const version = r.u32();
  const procedure = r.u32();
  const flavor = r.u32();
  const size = r.u32();
  const start = r.position;
  if (size > r.remaining) throw new XdrError(`a credential of ${size} bytes in ${r.remaining}`);
  let credential: RpcCredential | undefined;
  if (size <= CREDENTIAL_SIZE_MAX && rpcVersion === RPC_VERSION) {
    try {
      credential = r.within(size, (body) => readCredential(flavor, body));
    } catch (error) {
      // Deny what doesn't decode: the record itself is sound.
      if (!(error instanceof XdrError)) throw error;
    }
  }
  r.position = start + ((size + 3) & ~3);
  if (r.position > r.end) throw new XdrError('a credential without its padding');
  r.u32();
  r.opaqueView(CREDENTIAL_SIZE_MAX);
  return { rpcVersion, program, version, procedure, credential };
}

/** How a reply's header ends: a stat when accepted, undefined when denied. The reader stands at the result. Throws XdrError. */
export function readReplyHeader(r: XdrReader): AcceptStat | undefined {
  const replyStat = r.u32();
  if (replyStat === ReplyStat.DENIED) return undefined;
  if (replyStat !== ReplyStat.ACCEPTED) throw new XdrError(`reply_stat ${replyStat}`);
  r.u32();
  r.opaqueView(CREDENTIAL_SIZE_MAX);
  const stat = r.u32();
  if (stat > AcceptStat.SYSTEM_ERR) throw new XdrError(`accept_stat ${stat}`);
  return stat as AcceptStat;
}
