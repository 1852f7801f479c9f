import { Dict, Errno, FopError, type Logger, type Platform, utf8 } from '@glusterts/libglusterfs';
import { GlusterHandshake, Glusterfs4, RpcClient } from '@glusterts/rpc-xdr';

const silent: Logger = { level: 0, log() {}, error() {}, warning() {}, info() {}, debug() {}, domain: () => silent };

export interface BrickTarget {
  readonly port: number;
  /** The brick's path: what SETVOLUME names. */
  readonly brick: string;
  /** The address to come from: a loopback address has some 28,000 ports. */
  readonly from: string;
}

/** SETVOLUME's dict, with as many words as a GlusterFS client's. */
function setvolumeDict(brick: string, uuid: string): Dict {
  const dict = new Dict();
  const options: Readonly<Record<string, string>> = {
    'ping-timeout': '42', 'remote-host': 'benchhost', 'remote-subvolume': brick, 'transport-type': 'socket', 'transport.address-family': 'inet',
    'transport.socket.ssl-enabled': 'off', 'transport.tcp-user-timeout': '0', 'transport.socket.keepalive-time': '20',
    'transport.socket.keepalive-interval': '2', 'transport.socket.keepalive-count': '9', 'strict-locks': 'off', 'send-gids': 'true',
  };
  for (const [key, value] of Object.entries(options)) dict.setStr(key, value);
  dict.setInt('fops-version', Glusterfs4.program.number);
  dict.setStr('process-uuid', utf8(`CTX_ID:${uuid}-GRAPH_ID:0-PID:4711-HOST:benchhost-PC_NAME:v-client-0-RECON_NO:-0`));
  dict.setStr('process-name', 'fuse');
  dict.setStr('client-version', '10.3');
  dict.setStr('volfile-key', 'v');
  dict.setUint('volfile-checksum', 0);
  dict.setUint('clnt-lk-version', 1);
  dict.setInt('opversion', 100000);
  return dict;
}

/** One connection to a brick that has let us in. */
export async function connectToBrick(platform: Platform, target: BrickTarget, uuid: string): Promise<RpcClient> {
  const client = await new Promise<RpcClient>((resolve, reject) => {
    new RpcClient({
      platform, log: silent, name: 'bench', address: { host: '127.0.0.1', port: target.port }, socket: { bind: { host: target.from } }, reconnectDelayMs: false, auth: 'v3',
      onConnect: resolve, onDisconnect: (_client, { error }) => reject(error ?? new FopError(Errno.ENOTCONN)),
    }).connect();
  });
  const answer = await client.invoke(GlusterHandshake.SETVOLUME, { dict: setvolumeDict(target.brick, uuid) });
  if (answer.op_ret < 0) throw new FopError(answer.op_errno, undefined, answer.dict?.getStr('ERROR') ?? 'refused');
  return client;
}
