import { type Address, Dict, Errno, FopError, type Logger, type Platform, utf8 } from '@glusterts/libglusterfs';
import { GlusterCallback, GlusterHandshake, GlusterPortmap, RpcClient } from '@glusterts/rpc-xdr';

const OP_VERSION_MIN = 1;
const OP_VERSION_MAX = 100000;
const FLAG_CLIENT = 1;
const FETCHSPEC = 1;
const DEFAULT_PORT = 24007;

export interface VolfileServerOptions {
  readonly platform: Platform;
  readonly log: Logger;
  /** Hosts (or, with transport unix, socket paths), tried in order. */
  readonly servers: readonly string[];
  readonly port: number | undefined;
  readonly unix: boolean;
  /** The key of the volfile. */
  readonly volfileId: string;
  /** A client process says so in GETSPEC, and takes further servers from the answer. */
  readonly client: boolean;
  readonly brickName: string | undefined;
  /** The volfile changed while running; called with the new text. */
  readonly onVolfile: (text: string) => void;
  /** The connection stands again: bricks sign in again. */
  readonly onReconnect?: () => void;
}

/**
 * The connection to glusterd: fetches the volfile, hears when it may have changed, keeps coming back (spec/client.md, §4.4).
 */
export class VolfileServer {
  readonly #options: VolfileServerOptions;
  readonly #servers: string[];
  #client: RpcClient | undefined;
  #text: string | undefined;
  #fetching = false;
  #fetchAgain = false;
  #stopped = false;

  constructor(options: VolfileServerOptions) {
    this.#options = options;
    this.#servers = [...options.servers];
  }

  /** The first volfile. Throws a FopError: ENOTCONN when no server answers, else the server's errno (ENOENT: no such volume). */
  async fetchFirst(): Promise<string> {
    for (let i = 0; i < this.#servers.length; i++) {
      const server = this.#servers[i] ?? '';
      const client = await this.#connect(server);
      if (!client) {
        this.#options.log.error(101043, 'failed to connect with volfile server', { host: server });
        continue;
      }
      this.#client = client;
      const text = await this.#getspec(client);
      this.#text = text;
      return text;
    }
    throw new FopError(Errno.ENOTCONN, undefined, 'all volfile servers are unreachable');
  }

  /** A brick is ready: tells glusterd its port. Resolves when glusterd has answered. */
  async signIn(brick: string, port: number): Promise<void> {
    await this.#client?.invoke(GlusterPortmap.SIGNIN, { brick: utf8(brick), port, pid: process.pid });
  }

  async signOut(brick: string, port: number): Promise<void> {
    await this.#client?.invoke(GlusterPortmap.SIGNOUT, { brick: utf8(brick), port, rdma_port: 0 });
  }

  /** Asks for the volfile once more, e.g. after SIGHUP. */
  refresh(): void {
    if (this.#fetching) {
      this.#fetchAgain = true;
      return;
    }
    const client = this.#client;
    if (!client || this.#stopped) return;
    this.#fetching = true;
    this.#getspec(client)
      .then((text) => {
        if (text === this.#text) {
          this.#options.log.info(101220, 'No change in volfile,continuing');
          return;
        }
        this.#text = text;
        this.#options.onVolfile(text);
      })
      .catch((error: unknown) => this.#options.log.error(101043, 'failed to get the volume file from server', { reason: String(error) }))
      .finally(() => {
        this.#fetching = false;
        if (!this.#fetchAgain) return;
        this.#fetchAgain = false;
        this.refresh();
      });
  }

  stop(): void {
    this.#stopped = true;
    this.#client?.disconnect();
  }

  #address(server: string): Address {
    return this.#options.unix ? { path: server } : { host: server, port: this.#options.port ?? DEFAULT_PORT };
  }

  #connect(server: string): Promise<RpcClient | undefined> {
    const { platform, log } = this.#options;
    return new Promise((resolve) => {
      let first = true;
      const client = new RpcClient({
        platform,
        log: log.domain('glusterfs-mgmt'),
        name: 'glusterfs',
        address: this.#address(server),
        callbacks: [
          {
            program: GlusterCallback.program,
            handle: (procedure) => {
              if (procedure !== FETCHSPEC) return;
              log.info(101221, 'Volume file changed');
              this.refresh();
            },
          },
        ],
        onConnect: () => {
          if (first) {
            first = false;
            resolve(client);
            return;
          }
          this.#options.onReconnect?.();
          this.refresh();
        },
        onDisconnect: () => {
          if (!first) return;
          first = false;
          client.disconnect();
          resolve(undefined);
        },
      });
      client.connect();
    });
  }

  async #getspec(client: RpcClient): Promise<string> {
    const { volfileId, brickName } = this.#options;
    const xdata = new Dict().setInt('min-op-version', OP_VERSION_MIN).setInt('max-op-version', OP_VERSION_MAX);
    if (brickName !== undefined) xdata.setStr('brick_name', utf8(brickName));
    const reply = await client.invoke(GlusterHandshake.GETSPEC, { flags: this.#options.client ? FLAG_CLIENT : 0, key: utf8(volfileId), xdata });
    if (reply.op_ret < 0) throw new FopError(reply.op_errno || Errno.ENOENT, undefined, `failed to get the volume file (key:${volfileId})`);
    const backups = reply.xdata?.getStr('cluster.brick-vol-servers');
    if (backups !== undefined && this.#options.client) {
      this.#options.log.info(0, `Received list of available volfile servers: ${backups}`);
      for (const server of backups.split(' ')) {
        const host = server.replace(/:\d+$/, '');
        if (host !== '' && !this.#servers.includes(host)) this.#servers.push(host);
      }
    }
    return reply.spec;
  }
}
