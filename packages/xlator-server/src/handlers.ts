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

/** Tells features/locks who the client is (spec/brick.md, §12.5). */
export const CONNECTION_ID = 'connection-id';

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
  const frame = new Frame();
  frame.uid = auth.uid;
  frame.gid = auth.gid;
  frame.groups = auth.groups;
  frame.pid = auth.pid;
  frame.lk_owner = auth.lk_owner;
  frame.client = client;
  frame.flags = auth.flags;
  frame.ctime = auth.ctime;
  frame.ctime_nsec = auth.ctime_nsec;
  frame.signal = call.connection.signal;
  state.squash(client, frame);
  return new Request(client, frame, state.table, state.callPool, state.callPool.enter(op, frame, call.xid));
}

/** Errors of xlators are answers; anything else is a bug of ours, logged, and EIO to the client. */
export function failureOf(error: unknown, state: ServerState, name: string): { op_ret: -1; op_errno: number; xdata: Xdata } {
  if (error instanceof FopError) return { op_ret: -1, op_errno: error.errno, xdata: error.xdata };
  state.log.error(115056, `${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return { op_ret: -1, op_errno: Errno.EIO, xdata: undefined };
}

/** What fops answer that have nothing but their result and xdata. */
export const plainReply = ({ xdata }: { xdata: Xdata }): ServedReply => ({ op_ret: 0, op_errno: 0, xdata });

export const statReply = ({ stat, xdata }: { stat: Iatt; xdata: Xdata }): ServedReply & { stat: Iatt } => ({ op_ret: 0, op_errno: 0, xdata, stat });

export const prePostReply = ({ prestat, poststat, xdata }: { prestat: Iatt; poststat: Iatt; xdata: Xdata }): ServedReply & { prestat: Iatt; poststat: Iatt } =>
  ({ op_ret: 0, op_errno: 0, xdata, prestat, poststat });

/** Of fops whose `run` makes the whole reply. */
export const asItIs = <Reply>(reply: Reply): Reply => reply;

/**
 * A handler of one fop: decodes, resolves and winds in `run`, makes the reply of what came back, and encodes; on an error every
 * field of `zero` is sent beside it. Before SETVOLUME: GARBAGE_ARGS.
 */
export function fop<Req, Rsp extends ServedReply, Answer>(
  procedure: RpcProcedure<Req, Rsp>,
  state: ServerState,
  zero: Omit<Rsp, keyof ServedReply>,
  run: (req: Req, request: Request, call: RpcCall) => Promise<Answer>,
  replyOf: (answer: Answer) => Rsp,
  options: HandlerOptions = {},
): RpcHandler {
  const send = (call: RpcCall, request: Request, reply: Rsp): void => {
    request.done();
    call.reply((w) => procedure.encodeReply(w, reply));
  };
  // One for all errors: a reply is encoded before it is left.
  const failure = { ...zero, op_ret: -1, op_errno: 0, xdata: undefined } as { -readonly [Field in keyof Rsp]: Rsp[Field] };
  const fail = (call: RpcCall, request: Request, error: unknown): void => {
    const { op_errno, xdata } = failureOf(error, state, procedure.name);
    failure.op_errno = op_errno;
    failure.xdata = xdata;
    send(call, request, failure);
    failure.xdata = undefined;
  };
  return {
    ...options,
    // No async function: most errors are answers, and each frame that one is thrown through costs as much as the rest of a fop.
    handle(call) {
      const client = clientOf(call);
      if (!client) return call.fail(AcceptStat.GARBAGE_ARGS);
      const req = procedure.decodeRequest(call.reader);
      const request = requestOf(call, client, state, procedure.name);
      let running: Promise<Answer>;
      try {
        running = run(req, request, call);
      } catch (error) {
        return fail(call, request, error);
      }
      return running.then(
        (answer) => {
          const reply = replyOf(answer);
          if (client.subdir) rewriteSubdir(reply, client.subdir.gfid);
          send(call, request, reply);
        },
        (error: unknown) => fail(call, request, error),
      );
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
