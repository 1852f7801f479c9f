import type { XdrReader } from './xdr-reader.js';
import type { XdrWriter } from './xdr-writer.js';

/** One version of one RPC program. */
export interface RpcProgram {
  readonly number: number;
  readonly version: number;
  /** As DUMP shows it; informative. */
  readonly name: string;
}

/** One procedure with the codecs of its arguments and its result; made by tools/xdrgen. `void` is no bytes. */
export interface RpcProcedure<Request, Reply> {
  readonly program: RpcProgram;
  readonly number: number;
  readonly name: string;
  encodeRequest(w: XdrWriter, message: Request): void;
  decodeRequest(r: XdrReader): Request;
  encodeReply(w: XdrWriter, message: Reply): void;
  decodeReply(r: XdrReader): Reply;
}

export function encodeVoid(_w: XdrWriter, _message: void): void {}
export function decodeVoid(_r: XdrReader): void {}
