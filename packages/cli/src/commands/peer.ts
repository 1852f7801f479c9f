import { type Bytes, Dict } from '@glusterts/libglusterfs';
import { GlusterCli } from '@glusterts/rpc-xdr';
import { isHostName } from '../brick-words.js';
import { type Command, CommandFailure, type CommandRun } from '../session.js';
import { leaf, type XmlElement } from '../xml.js';

const PEERS = 1;
const POOL = 2;
const GLUSTERD_PORT = 24007;
const HOST_WIDTH_MIN = 8;

interface Peer {
  readonly uuid: string;
  readonly hostname: string;
  readonly connected: boolean;
  readonly state: string | undefined;
  readonly stateId: number | undefined;
  readonly names: readonly string[];
}

async function listPeers(run: CommandRun, flags: number): Promise<Peer[]> {
  const reply = await run.call(GlusterCli.LIST_FRIENDS, { flags, dict: undefined });
  if (reply.op_ret !== 0) throw run.fail(flags === PEERS ? 'peer status: failed' : 'pool list: failed');
  const dict = reply.friends ?? new Dict();
  const peers = Array.from({ length: dict.getNumber('count') ?? 0 }, (_, at): Peer => {
    const key = `friend${at + 1}`;
    const names = Array.from({ length: dict.getNumber(`${key}.hostname_count`) ?? 0 }, (_unused, name) => dict.getStr(`${key}.hostname${name}`) ?? '');
    return {
      uuid: dict.getStr(`${key}.uuid`) ?? '', hostname: dict.getStr(`${key}.hostname`) ?? '', connected: dict.getNumber(`${key}.connected`) === 1, state: dict.getStr(`${key}.state`),
      stateId: dict.getNumber(`${key}.stateId`), names,
    };
  });
  if (run.options.xml) run.xml({ op_ret: reply.op_ret, op_errno: reply.op_errno, op_errstr: '' as Bytes }, [{ name: 'peerStatus', children: peers.map(toXml) }]);
  return peers;
}

function toXml(peer: Peer): XmlElement {
  const children = [leaf('uuid', peer.uuid), leaf('hostname', peer.hostname)];
  if (peer.names.length > 0) children.push({ name: 'hostnames', children: peer.names.map((name) => leaf('hostname', name)) });
  children.push(leaf('connected', peer.connected ? 1 : 0));
  if (peer.state !== undefined) children.push(leaf('state', peer.stateId), leaf('stateStr', peer.state));
  return { name: 'peer', children };
}

const connection = (peer: Peer): string => (peer.connected ? 'Connected' : 'Disconnected');

/** `peer status` (spec/cli.md, §6.1). */
export const peerStatus: Command = async (run) => {
  if (run.words.length > 2) throw run.usage();
  const peers = await listPeers(run, PEERS);
  if (run.options.xml) return;
  run.out(`Number of Peers: ${peers.length}`);
  for (const peer of peers) {
    run.out(`\nHostname: ${peer.hostname}\nUuid: ${peer.uuid}\nState: ${peer.state} (${connection(peer)})`);
    if (peer.names.length > 1) run.out(['Other names:', ...peer.names.filter((name) => name !== peer.hostname)].join('\n'));
  }
};

/** `pool list`. */
export const poolList: Command = async (run) => {
  if (run.words.length > 2) throw run.usage();
  const peers = await listPeers(run, POOL);
  if (run.options.xml) return;
  const width = Math.max(HOST_WIDTH_MIN, ...peers.map((peer) => peer.hostname.length));
  run.out(`UUID\t\t\t\t\t${'Hostname'.padEnd(width)}\tState`);
  for (const peer of peers) run.out(`${peer.uuid}\t${peer.hostname.padEnd(width)}\t${connection(peer)} `);
};

/** `peer probe`. */
export const peerProbe: Command = async (run) => {
  const [host, ...more] = run.words.slice(2);
  if (host === undefined || more.length > 0) throw run.usage();
  if (!isHostName(host)) {
    run.out(`${host} is an invalid address`);
    throw run.usage();
  }
  const reply = await run.request(GlusterCli.PROBE, new Dict().setStr('hostname', host as Bytes).setInt('port', GLUSTERD_PORT));
  const text = reply.op_errstr === '' ? 'success' : reply.op_errstr;
  if (run.options.xml) {
    const failed = reply.op_ret !== 0;
    return run.xml(failed ? reply : { ...reply, op_errstr: '' as Bytes }, failed ? [] : [leaf('output', text)]);
  }
  if (reply.op_ret !== 0) throw run.fail(`peer probe: failed: ${text}`);
  run.out(`peer probe: ${text}`);
};

/** `peer detach`. */
export const peerDetach: Command = async (run) => {
  const [host, force, ...more] = run.words.slice(2);
  if (host === undefined || more.length > 0 || (force !== undefined && force !== 'force')) throw run.usage();
  const question =
    'All clients mounted through the peer which is getting detached need to be remounted using one of the other active peers in the trusted storage pool to ensure client gets notification on any changes done on the gluster configuration and if the same has been done do you want to proceed?';
  if (!(await run.confirm(question))) return;
  const request = new Dict().setStr('hostname', host as Bytes).setInt('flags', force === 'force' ? 1 : 0).setInt('port', GLUSTERD_PORT);
  const reply = await run.request(GlusterCli.DEPROBE, request);
  if (run.options.xml) return run.xml(reply, reply.op_ret === 0 ? [leaf('output', 'success')] : []);
  if (reply.op_ret !== 0) {
    run.err(`peer detach: failed: ${reply.op_errstr}`);
    throw new CommandFailure(-reply.op_ret & 0xff);
  }
  run.out('peer detach: success');
};
