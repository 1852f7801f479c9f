import { type Address, type Bytes, Dict, Errno, FopError, type Logger, type Platform, errnoOf, utf8 } from '@glusterts/libglusterfs';
import { GlusterHandshake, RpcClient } from '@glusterts/rpc-xdr';

const GLUSTERD_PORT = 24007;
/** Flag of GETSPEC: a client process asks (spec/client.md, §4.4). */
const GETSPEC_CLIENT = 1;
const OP_VERSION_MAX = 100000;
const TIMEOUT_MS = 30_000;

/** Where glusterd is: a host name, host and port, or a UNIX socket's path. */
export type VolfileServer = string | { readonly host: string; readonly port?: number } | { readonly path: string };

function addressOf(server: VolfileServer): Address {
  if (typeof server === 'string') return { host: server, port: GLUSTERD_PORT };
  if ('path' in server) return server;
  return { host: server.host, port: server.port ?? GLUSTERD_PORT };
}

/**
 * Asks glusterds, one after the other, for a volume's client volfile (spec/client.md, §4.4). Throws ENOENT when the volume isn't
 * known or not started, ENOTCONN when nobody answers.
 */
export async function fetchVolfile(platform: Platform, log: Logger, servers: readonly VolfileServer[], volume: string): Promise<Bytes> {
  let failure: unknown = new FopError(Errno.EINVAL, undefined, 'no volfile server was given');
  for (const server of servers) {
    try {
      return await fetchFrom(platform, log, addressOf(server), volume);
    } catch (error) {
      failure = error;
      if (errnoOf(error) !== Errno.ENOTCONN) break;
    }
  }
  throw failure;
}

async function fetchFrom(platform: Platform, log: Logger, address: Address, volume: string): Promise<Bytes> {
  let client: RpcClient | undefined;
  try {
    const connected = new Promise<RpcClient>((resolve, reject) => {
      client = new RpcClient({
        platform, log, name: 'gfapi', address, reconnectDelayMs: false,
        onConnect: resolve,
        onDisconnect: () => reject(new FopError(Errno.ENOTCONN, undefined, 'no glusterd answers')),
      });
      client.connect();
    });
    const xdata = new Dict().setInt('min-op-version', 1).setInt('max-op-version', OP_VERSION_MAX);
    const rsp = await (await connected).invoke(GlusterHandshake.GETSPEC, { flags: GETSPEC_CLIENT, key: utf8(volume), xdata }, { timeoutMs: TIMEOUT_MS });
    if (rsp.op_ret < 0) throw new FopError(rsp.op_errno || Errno.ENOENT, undefined, `glusterd has no volfile for ${volume}`);
    return rsp.spec;
  } finally {
    client?.disconnect();
  }
}
