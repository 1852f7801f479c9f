import { type Bytes, Dict, type Graph, type Logger, type Platform, decodeLegacyDict } from '@glusterts/libglusterfs';
import { type Gd1MgmtBrickOpReq, type Gd1MgmtBrickOpRsp, GlusterBrick, RpcServer, serve } from '@glusterts/rpc-xdr';
import { rmSync } from 'node:fs';
import { brickStatus } from './brick-status.js';

export interface BrickOperationsOptions {
  readonly platform: Platform;
  readonly log: Logger;
  readonly socketFile: string;
  readonly graph: () => Graph | undefined;
  /** TERMINATE: the reply has been handed over; the process is to end as by SIGTERM. */
  readonly onTerminate: (brick: string) => void;
}

const ok = (output: Dict | undefined = new Dict()): Gd1MgmtBrickOpRsp => ({ op_ret: 0, op_errno: 0, output, op_errstr: '' as Bytes });
const failed = (words: string): Gd1MgmtBrickOpRsp => ({ op_ret: -1, op_errno: 0, output: undefined, op_errstr: words as Bytes });

/** The unix socket on which glusterd commands this process (spec/rpc-wire.md, §12). */
export async function listenForBrickOperations(options: BrickOperationsOptions): Promise<RpcServer> {
  const server = new RpcServer({ platform: options.platform, log: options.log.domain('glusterfsd-mgmt'), name: 'glusterfsd' });
  server.register({
    ...GlusterBrick.program,
    handlers: {
      [GlusterBrick.TERMINATE.number]: serve(GlusterBrick.TERMINATE, (request: Gd1MgmtBrickOpReq) => {
        // The answer goes first; a brick that isn't here is answered the same.
        options.platform.timers.soon(() => options.onTerminate(request.name));
        return ok();
      }),
      [GlusterBrick.XLATOR_INFO.number]: serve(GlusterBrick.XLATOR_INFO, (request: Gd1MgmtBrickOpReq) => translatorInfo(options.graph(), request)),
      [GlusterBrick.STATUS.number]: serve(GlusterBrick.STATUS, (request: Gd1MgmtBrickOpReq) => status(options.graph(), request)),
    },
  });
  server.register(server.dumpProgram);
  rmSync(options.socketFile, { force: true });
  await server.listen({ path: options.socketFile });
  return server;
}

function status(graph: Graph | undefined, request: Gd1MgmtBrickOpReq): Gd1MgmtBrickOpRsp {
  if (!graph) return failed(`${request.name} is not up yet`);
  const output = brickStatus(graph, decodeLegacyDict(request.input) ?? new Dict());
  return output ? ok(output) : failed('');
}

function translatorInfo(graph: Graph | undefined, request: Gd1MgmtBrickOpReq): Gd1MgmtBrickOpRsp {
  const output = graph?.find(request.name)?.translatorInfo(decodeLegacyDict(request.input) ?? new Dict());
  return output ? ok(output) : failed(`${request.name}: no such xlator, or it has nothing to tell`);
}
