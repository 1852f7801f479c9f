import { ClientPid, type ConnectedClient, type Frame, FopError, Errno, GfEvent, type OptionValues, type Platform, type SocketOptions, type StatedumpWriter, type Upcall, Xlator, type XlatorContext, applyEventThreads } from '@glusterts/libglusterfs';
import { Glusterfs4, type RpcConnection, RpcServer } from '@glusterts/rpc-xdr';
import type { AuthOptions } from './authentication.js';
import { BrickClient } from './brick-client.js';
import { entryFops } from './entry-fops.js';
import { type HandshakeOwner, handshakeService } from './handshake.js';
import { inodeFops } from './inode-fops.js';
import { localFileService, revokeLocalFiles } from './local-files.js';
import { sendUpcall } from './upcalls.js';

/** GlusterFS's own clients that root-squash lets through when they are trusted (spec/brick.md, §11.6). */
const UNSQUASHED: ReadonlySet<number> = new Set([ClientPid.NO_ROOT_SQUASH, ClientPid.GSYNCD, ClientPid.DEFRAG, ClientPid.SELF_HEALD, ClientPid.QUOTA_MOUNT]);
const NFS_PID = 1;

/** protocol/server: offers the graphs below it, one for each brick, to clients (spec/brick.md, §11, §12). */
export class ServerXlator extends Xlator {
  readonly #platform: Platform;
  readonly #clients = new Map<string, BrickClient>();
  /** Bricks (children) that have said CHILD_UP. */
  readonly #up = new Set<string>();
  #rpc: RpcServer | undefined;
  #parentUp = false;

  constructor(context: XlatorContext) {
    super(context);
    this.#platform = context.graph.platform;
  }

  override async init(): Promise<void> {
    if (this.children.length === 0) throw new FopError(Errno.EINVAL, undefined, 'protocol/server should have subvolume');
    this.graph.inodeTable.lruLimit = this.options.number('inode-lru-limit');
    const rpc = new RpcServer({
      platform: this.#platform,
      log: this.log,
      name: this.name,
      allowInsecure: this.options.bool('rpc-auth-allow-insecure'),
      onDisconnect: (connection) => this.#disconnected(connection),
    });
    this.#rpc = rpc;
    this.#setEventThreads();
    const state = this.#state();
    rpc.register(handshakeService(state));
    rpc.register({ ...Glusterfs4.program, handlers: { ...entryFops(state), ...inodeFops(state) } });
    rpc.register(rpc.dumpProgram);
    rpc.register(localFileService());
    const path = this.options.text('transport.socket.listen-path');
    const port = this.options.get('transport.socket.listen-port');
    const address = path === undefined ? { host: this.options.text('transport.socket.bind-address') ?? '0.0.0.0', port: typeof port === 'number' ? port : 24007 } : { path };
    await rpc.listen(address, this.#socketOptions());
  }

  override async fini(): Promise<void> {
    applyEventThreads(this, this.#platform.network, 1, this.log);
    await this.#rpc?.close();
  }

  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    if (event === GfEvent.PARENT_UP) this.#parentUp = true;
    if (event === GfEvent.UPCALL) {
      sendUpcall(data as Upcall);
      return;
    }
    if (event === GfEvent.CHILD_UP && from) this.#up.add(from.name);
    if (event === GfEvent.CHILD_DOWN && from) this.#up.delete(from.name);
    super.notify(event, data, from);
  }

  override reconfigure(options: OptionValues): void {
    this.options = options;
    this.graph.inodeTable.lruLimit = options.number('inode-lru-limit');
    if (this.#rpc) this.#rpc.allowInsecure = options.bool('rpc-auth-allow-insecure');
    this.#setEventThreads();
    revokeLocalFiles(this.#clients.values());
  }

  #setEventThreads(): void {
    applyEventThreads(this, this.#platform.network, this.options.get('event-threads'), this.log);
  }

  override dump(writer: StatedumpWriter): void {
    writer.section('xlator.protocol.server.priv');
    writer.write('server.total-bytes-read', this.#rpc?.bytesRead ?? 0);
    writer.write('server.total-bytes-write', this.#rpc?.bytesWritten ?? 0);
    // The one that was registered first stands last.
    const [first, ...others] = this.#rpc?.programs ?? [];
    for (const program of first ? [...others, first] : []) {
      writer.section(program.name);
      writer.write(`${program.name}.program-number`, program.number);
      writer.write(`${program.name}.program-version`, program.version);
    }
  }

  override connectedClients(): readonly ConnectedClient[] {
    return [...this.#clients.values()].flatMap(({ connections, opVersion, processName }) => {
      const [connection] = connections;
      return connection ? [{ hostname: connection.peer, bytesRead: connection.bytesRead, bytesWritten: connection.bytesWritten, opVersion, processName }] : [];
    });
  }

  /** The clients; their numbers are those of the order in which they came, from 1. */
  override dumpFds(writer: StatedumpWriter): void {
    let number = 0;
    for (const client of this.#clients.values()) {
      const prefix = `conn.${++number}`;
      writer.write(`${prefix}.id`, client.uid);
      if (client.subdir) writer.write(`${prefix}.subdir`, client.subdir.path);
      writer.write(`${prefix}.ref`, client.connections.size);
      writer.write(`${prefix}.bound_xl`, client.bound.name);
    }
  }

  #socketOptions(): SocketOptions {
    const { options } = this;
    const text = (key: string): string => options.text(key) ?? '';
    return {
      keepaliveTimeS: options.number('transport.socket.keepalive-time'),
      keepaliveIntervalS: options.number('transport.socket.keepalive-interval'),
      keepaliveCount: options.number('transport.socket.keepalive-count'),
      tcpUserTimeoutS: options.number('transport.tcp-user-timeout'),
      windowSize: options.number('tcp-window-size'),
      answerPings: true,
      localPath: options.bool('transport.socket.local-path'),
      ...(options.bool('transport.socket.ssl-enabled')
        ? { tls: { cert: text('transport.socket.ssl-own-cert'), key: text('transport.socket.ssl-private-key'), ca: text('transport.socket.ssl-ca-list') } }
        : {}),
    };
  }

  #state(): HandshakeOwner {
    const server = this;
    return {
      table: this.graph.inodeTable,
      log: this.log,
      callPool: this.graph.callPool,
      processUuid: this.graph.processUuid.replace(/^CTX_ID:/, ''),
      squash: (client, frame) => server.#squash(client, frame),
      brick: (name) => {
        const subvolume = server.children.find((child) => child.name === name) ?? (server.children.length === 1 && server.children[0]?.xlator.volfileOptions.get('unique-id') === name ? server.children[0] : undefined);
        if (!subvolume) return undefined;
        return server.#parentUp ? { subvolume, up: server.#up.has(subvolume.name) } : 'not-up';
      },
      volumeId: () => server.graph.xlators.map((xlator) => xlator.volfileOptions.get('volume-id')).find((id) => id !== undefined),
      authOptions: (): AuthOptions => server.volfileOptions,
      settings: () => ({ strict: server.options.bool('strict-auth-accept'), allowInsecure: server.options.bool('rpc-auth-allow-insecure') }),
      find: (uid) => server.#clients.get(uid),
      attach: (client, connection) => {
        server.#clients.set(client.uid, client);
        client.connections.add(connection);
        connection.data = client;
        server.log.info(115029, 'accepted client from', { client: client.uid, version: '10.3' });
      },
    };
  }

  #squash(client: BrickClient, frame: Frame): void {
    const all = this.options.bool('all-squash');
    if (!all && !this.options.bool('root-squash')) return;
    if (client.trusted && frame.pid !== NFS_PID && UNSQUASHED.has(frame.pid)) return;
    const anonuid = this.options.number('anonuid');
    const anongid = this.options.number('anongid');
    if (all || frame.uid === 0) frame.uid = anonuid;
    if (all || frame.gid === 0) frame.gid = anongid;
    frame.groups = frame.groups.map((group) => (group === 0 ? anongid : group));
  }

  /** The last connection of a client takes with it what the client held (spec/brick.md, §12.4). */
  #disconnected(connection: RpcConnection): void {
    const client = connection.data;
    if (!(client instanceof BrickClient)) return;
    client.connections.delete(connection);
    if (client.connections.size > 0) return;
    this.#clients.delete(client.uid);
    this.log.info(115036, 'disconnecting connection', { 'client-uid': client.uid });
    for (const xlator of this.graph.xlators) xlator.client_disconnect?.(client);
    client.cleanUp().catch((error: unknown) => this.log.error(0, `clean-up of ${client.uid}: ${String(error)}`));
  }
}
