import { Dict, type Bytes, utf8 } from '@glusterts/libglusterfs';
import { type GfCliReq, type GfCliRsp, GlusterCli, type RpcCall, type RpcHandler, type RpcProcedure, type RpcService, serve } from '@glusterts/rpc-xdr';
import type { Glusterd } from '../glusterd.js';
import { MgmtErrno, OpError } from '../op-error.js';
import { createVolume } from '../ops/create.js';
import { getOptions } from '../ops/get.js';
import { getState } from '../ops/get-state.js';
import { healVolume } from '../ops/heal.js';
import { listPeers, volumeInfo, volumeList } from '../ops/info.js';
import type { OpResult } from '../ops/operation.js';
import { resetOptions, setOptions } from '../ops/set-reset.js';
import { deleteVolume, startVolume, stopVolume } from '../ops/start-stop.js';
import { volumeStatedump } from '../ops/statedump.js';
import { volumeStatus } from '../ops/status.js';

type Operation = (glusterd: Glusterd, request: Dict) => OpResult | Promise<OpResult>;
interface Entry {
  readonly procedure: RpcProcedure<GfCliReq, GfCliRsp>;
  readonly operation: Operation;
  /** Written to cmd_history.log. */
  readonly recorded?: boolean;
}

const POOL_LIST = 2;

/** What isn't built refuses by name. */
const refuse = (what: string): Operation => () => {
  throw new OpError(`${what} is not supported by this version`, MgmtErrno.NOT_SUPPORTED);
};

/** Procedures with the common form; the read-only ones are also served on TCP (spec/cli.md, §1). */
const readOnly: readonly Entry[] = [
  { procedure: GlusterCli.STATUS_VOLUME, operation: volumeStatus, recorded: true },
  { procedure: GlusterCli.LIST_VOLUME, operation: (glusterd) => ({ dict: volumeList(glusterd) }) },
  { procedure: GlusterCli.UUID_GET, operation: (glusterd) => ({ dict: new Dict().setStr('uuid', glusterd.uuid) }) },
];
const changing: readonly Entry[] = [
  { procedure: GlusterCli.CREATE_VOLUME, operation: createVolume, recorded: true },
  { procedure: GlusterCli.DELETE_VOLUME, operation: deleteVolume, recorded: true },
  { procedure: GlusterCli.START_VOLUME, operation: startVolume, recorded: true },
  { procedure: GlusterCli.STOP_VOLUME, operation: stopVolume, recorded: true },
  { procedure: GlusterCli.SET_VOLUME, operation: setOptions, recorded: true },
  { procedure: GlusterCli.RESET_VOLUME, operation: resetOptions, recorded: true },
  { procedure: GlusterCli.GET_VOL_OPT, operation: (glusterd, request) => ({ dict: getOptions(glusterd, request) }) },
  { procedure: GlusterCli.STATEDUMP_VOLUME, operation: volumeStatedump, recorded: true },
  { procedure: GlusterCli.PROBE, operation: probe, recorded: true },
  { procedure: GlusterCli.DEPROBE, operation: refuse('Peer detach'), recorded: true },
  { procedure: GlusterCli.ADD_BRICK, operation: refuse('Adding bricks'), recorded: true },
  { procedure: GlusterCli.REMOVE_BRICK, operation: refuse('Removing bricks'), recorded: true },
  { procedure: GlusterCli.REPLACE_BRICK, operation: refuse('Replacing bricks'), recorded: true },
  { procedure: GlusterCli.RESET_BRICK, operation: refuse('Resetting bricks'), recorded: true },
  { procedure: GlusterCli.DEFRAG_VOLUME, operation: refuse('Rebalance'), recorded: true },
  { procedure: GlusterCli.HEAL_VOLUME, operation: healVolume, recorded: true },
  { procedure: GlusterCli.PROFILE_VOLUME, operation: refuse('Profile'), recorded: true },
  { procedure: GlusterCli.QUOTA, operation: refuse('Quota'), recorded: true },
  { procedure: GlusterCli.BITROT, operation: refuse('Bitrot'), recorded: true },
  { procedure: GlusterCli.LOG_ROTATE, operation: refuse('Log rotation'), recorded: true },
  { procedure: GlusterCli.SYNC_VOLUME, operation: refuse('Volume sync'), recorded: true },
  { procedure: GlusterCli.CLRLOCKS_VOLUME, operation: refuse('Clearing locks'), recorded: true },
  { procedure: GlusterCli.BARRIER_VOLUME, operation: refuse('Barrier'), recorded: true },
  { procedure: GlusterCli.GSYNC_SET, operation: refuse('Geo-replication'), recorded: true },
  { procedure: GlusterCli.SNAP, operation: refuse('Snapshot'), recorded: true },
  { procedure: GlusterCli.GANESHA, operation: refuse('NFS-Ganesha') },
  { procedure: GlusterCli.UUID_RESET, operation: refuse('Resetting the uuid') },
  { procedure: GlusterCli.COPY_FILE, operation: refuse('Copying files') },
  { procedure: GlusterCli.SYS_EXEC, operation: refuse('Executing commands') },
  { procedure: GlusterCli.GET_STATE, operation: getState },
];

async function probe(glusterd: Glusterd, request: Dict): Promise<OpResult> {
  const host = request.getStr('hostname') ?? '';
  if (!(await glusterd.system.isLocalHost(host))) throw new OpError('Pools of several nodes are not supported by this version', MgmtErrno.NOT_SUPPORTED);
  return { dict: new Dict(), note: 'Probe on localhost not needed' };
}

/** The procedures of the CLI's program: all on the unix socket, the read-only ones on TCP. */
export function cliService(glusterd: Glusterd, where: 'unix' | 'tcp'): RpcService {
  const handlers: Record<number, RpcHandler> = {
    [GlusterCli.GET_VOLUME.number]: serve(GlusterCli.GET_VOLUME, ({ dict }) => {
      const info = volumeInfo(glusterd, dict ?? new Dict());
      return info.found ? success(info.dict) : { op_ret: -1, op_errno: MgmtErrno.NO_VOLUME, op_errstr: 'Volume does not exist' as Bytes, dict: info.dict };
    }),
    [GlusterCli.LIST_FRIENDS.number]: serve(GlusterCli.LIST_FRIENDS, ({ flags }) => ({ op_ret: 0, op_errno: 0, friends: listPeers(glusterd, flags === POOL_LIST) })),
    [GlusterCli.GETWD.number]: serve(GlusterCli.GETWD, () => ({ op_ret: 0, op_errno: 0, wd: glusterd.config.workdir as Bytes })),
  };
  for (const entry of where === 'unix' ? [...readOnly, ...changing] : readOnly) {
    handlers[entry.procedure.number] = serve(entry.procedure, (request, call) => answer(glusterd, entry, request.dict ?? new Dict(), call));
  }
  return { ...GlusterCli.program, name: where === 'unix' ? 'GlusterD svc cli' : 'GlusterD svc cli read-only', handlers };
}

const success = (dict: Dict | undefined, note = ''): GfCliRsp => ({ op_ret: 0, op_errno: 0, op_errstr: note as Bytes, dict });

async function answer(glusterd: Glusterd, entry: Entry, request: Dict, _call: RpcCall): Promise<GfCliRsp> {
  try {
    const { dict, note } = await entry.operation(glusterd, request);
    if (entry.recorded) glusterd.recordCommand(request, undefined);
    const reply = success(dict, note);
    return entry.procedure === GlusterCli.PROBE && note !== undefined ? { ...reply, op_errno: 1 } : reply;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (!(error instanceof OpError)) glusterd.log.error(0, `${entry.procedure.name}: ${error instanceof Error ? (error.stack ?? message) : message}`);
    if (entry.recorded) glusterd.recordCommand(request, message);
    return { op_ret: error instanceof OpError ? error.opRet : -1, op_errno: error instanceof OpError ? error.errno : MgmtErrno.INTERNAL, op_errstr: utf8(message), dict: request };
  }
}
