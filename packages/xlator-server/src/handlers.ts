import { type CallPool, Errno, FopError, Frame, Iatt, type InodeTable, type Logger, ROOT_GFID, type Xdata } from '@glusterts/libglusterfs';
import { AcceptStat, type HandlerOptions, type RpcCall, type RpcHandler, type RpcProcedure } from '@glusterts/rpc-xdr';
import type { BrickClient } from './brick-client.js';
import { Request } from './resolver.js';

/** "Not given": every field of a reply is always there (spec/rpc-wire.md, §5.2). Never changed. */
export const ZERO = new Iatt();

export interface ServedReply {
  readonly op_ret: number;
  readonly op_errno: number;
  readonly xdata: Xdata;
}

/** What handlers need of the server. */
export interface ServerState {
  readonly table: InodeTable;
  readonly log: Logger;
  /** The requests of the process. */
  readonly callPool: CallPool;
  /** root-squash and its kin (spec/brick.md, §11.6). */
  squash(client: BrickClient, frame: Frame): void;
}

/** The client of a connection that SETVOLUME has let in. */
export function clientOf(call: RpcCall): BrickClient | undefined {
  const data = call.connection.data;
  return data instanceof Object && 'bound' in data ? (data as BrickClient) : undefined;
}

/** @param op what statedumps call it while it is in flight */
export function requestOf(call: RpcCall, client: BrickClient, state: ServerState, op: string): Request {
  const { auth } = call;
  const frame = new Frame({
    uid: auth.uid, gid: auth.gid, groups: auth.groups, pid: auth.pid, lk_owner: auth.lk_owner, client, flags: auth.flags, ctime: auth.ctime, ctime_nsec: auth.ctime_nsec, signal: call.connection.signal,
  });
  state.squash(client, frame);
  return new Request(client, frame, state.table, state.callPool, state.callPool.enter(op, frame, call.xid));
}

/** Errors of xlators are answers; anything else is a bug of ours, logged, and EIO to the client. */
export function failureOf(error: unknown, state: ServerState, name: string): { op_ret: -1; op_errno: number; xdata: Xdata } {
  if (error instanceof FopError) return { op_ret: -1, op_errno: error.errno, xdata: error.xdata };
  state.log.error(115056, `${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return { op_ret: -1, op_errno: Errno.EIO, xdata: undefined };
}

/**
 * A handler of one fop: decodes, resolves and winds in `run`, and encodes; on an error every field of `zero` is sent beside it.
 * Before SETVOLUME: GARBAGE_ARGS.
 */
export function fop<Req, Rsp extends ServedReply>(
  procedure: RpcProcedure<Req, Rsp>,
  state: ServerState,
  zero: Omit<Rsp, keyof ServedReply>,
  run: (req: Req, request: Request, call: RpcCall) => Promise<Omit<Rsp, 'op_ret' | 'op_errno'> & Partial<Pick<ServedReply, 'op_ret' | 'op_errno'>>>,
  options: HandlerOptions = {},
): RpcHandler {
  return {
    ...options,
    async handle(call) {
      const client = clientOf(call);
      if (!client) return call.fail(AcceptStat.GARBAGE_ARGS);
      const req = procedure.decodeRequest(call.reader);
      const request = requestOf(call, client, state, procedure.name);
      let reply: Rsp;
      try {
        const answer = await run(req, request, call);
        reply = { op_ret: 0, op_errno: 0, ...answer } as Rsp;
        if (client.subdir) rewriteSubdir(reply, client.subdir.gfid);
      } catch (error) {
        reply = { ...zero, ...failureOf(error, state, procedure.name) } as Rsp;
      } finally {
        request.done();
      }
      call.reply((w) => procedure.encodeReply(w, reply));
    },
  };
}

/** For a sub-directory mount the directory is the root (spec/brick.md, §11.7). */
function rewriteSubdir(reply: object, gfid: Iatt['ia_gfid']): void {
  for (const [key, value] of Object.entries(reply)) {
    if (!(value instanceof Iatt) || value.ia_gfid !== gfid) continue;
    const root = value.clone().setGfid(ROOT_GFID);
    Object.assign(reply, { [key]: root });
  }
}
