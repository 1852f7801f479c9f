import { type Bytes, Dict } from '@glusterts/libglusterfs';
import { type GfCliReq, type GfCliRsp, GlusterCli, type RpcProcedure } from '@glusterts/rpc-xdr';
import { type Command, CommandFailure, type CommandRun, dictOf } from '../session.js';
import { leaf } from '../xml.js';

const SHARED_STORAGE = 'gluster_shared_storage';

/** `volume start` (spec/cli.md, §6.3). */
export const startVolume: Command = async (run) => {
  const { name, force } = forceWords(run);
  await send(run, 'start', GlusterCli.START_VOLUME, name, new Dict().setStr('volname', name).setInt('flags', force ? 1 : 0));
};

/** `volume stop`. */
export const stopVolume: Command = async (run) => {
  const { name, force } = forceWords(run);
  if (!(await run.confirm(sharedQuestion('Stopping', name) ?? 'Stopping volume will make its data inaccessible. Do you want to continue?'))) return;
  await send(run, 'stop', GlusterCli.STOP_VOLUME, name, new Dict().setStr('volname', name).setInt('flags', force ? 1 : 0));
};

/** `volume delete`. */
export const deleteVolume: Command = async (run) => {
  const [name, ...more] = run.words.slice(2);
  if (name === undefined || more.length > 0) throw run.usage();
  if (!(await run.confirm(sharedQuestion('Deleting', name) ?? 'Deleting volume will erase all information about the volume. Do you want to continue?'))) return;
  await send(run, 'delete', GlusterCli.DELETE_VOLUME, name, new Dict().setStr('volname', name as Bytes));
};

function sharedQuestion(verb: string, name: string): string | undefined {
  if (name !== SHARED_STORAGE) return undefined;
  return `${verb} the shared storage volume(${SHARED_STORAGE}), will affect features like snapshot scheduler, geo-replication and NFS-Ganesha. Do you still want to continue?`;
}

function forceWords(run: CommandRun): { readonly name: Bytes; readonly force: boolean } {
  const [name, force, ...more] = run.words.slice(2);
  if (name === undefined || more.length > 0 || (force !== undefined && force !== 'force')) throw run.usage();
  return { name: name as Bytes, force: force === 'force' };
}

async function send(run: CommandRun, verb: 'start' | 'stop' | 'delete', procedure: RpcProcedure<GfCliReq, GfCliRsp>, name: string, request: Dict): Promise<void> {
  const reply = await run.request(procedure, request);
  if (run.options.xml) {
    const dict = dictOf(reply);
    const element = { start: 'volStart', stop: 'volStop', delete: 'volDelete' }[verb];
    const children = [{ name: 'volume', children: [leaf('name', dict.getStr('volname')), leaf('id', dict.getStr('vol-id'))] }];
    return run.xml(reply, reply.op_ret === 0 ? [{ name: element, children }] : []);
  }
  if (reply.op_ret === 0) return run.out(`volume ${verb}: ${name}: success`);
  run.err(`volume ${verb}: ${name}: failed${reply.op_errstr === '' ? '' : `: ${reply.op_errstr}`}`);
  throw new CommandFailure(1);
}
