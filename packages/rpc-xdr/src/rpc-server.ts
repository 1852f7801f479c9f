import type { Address, Listener, Logger, Platform, SocketOptions, Transport } from '@glusterts/libglusterfs';
import { type GfDumpReq, type GfDumpRsp, GlusterDump } from './generated/dump.js';
import { RpcConnection } from './rpc-connection.js';
import { type RpcHandler, serve } from './rpc-call.js';
import type { RpcProgram } from './rpc-program.js';
import { XdrWriter } from './xdr-writer.js';

/** A program and who answers its procedures, by number. */
export interface RpcService extends RpcProgram {
  /** DUMP doesn't tell of it: it is nothing that GlusterFS has. */
  readonly unlisted?: boolean;
  readonly handlers: Readonly<Record<number, RpcHandler>>;
}

/** What one connection may cost. */
export interface RpcLimits {
  /** Calls being served before the next must wait; 0: any number, as 10.x bricks (spec/rpc-wire.md, §15.1). Default 0. */
  readonly outstandingMax: number;
  /** Bytes of requests being served, and of the answers that they ask for, before the next must wait. Default 64 MiB. */
  readonly outstandingBytesMax: number;
  /** Bytes of replies that the peer doesn't take before further calls must wait; above every transport's high-water mark, lest nobody resume. Default 16 MiB. */
  readonly queuedBytesMax: number;
  /** Connections; more are closed at once. Default 65536. */
  readonly connectionsMax: number;
}

const LIMITS: RpcLimits = { outstandingMax: 0, outstandingBytesMax: 64 * 1024 * 1024, queuedBytesMax: 16 * 1024 * 1024, connectionsMax: 65536 };

export interface RpcServerOptions {
  readonly platform: Pick<Platform, 'network'>;
  readonly log: Logger;
  readonly name: string;
  readonly limits?: Partial<RpcLimits>;
  /** Off: calls from ports of 1024 and above are denied, but for handlers marked unprivileged. Default true. */
  readonly allowInsecure?: boolean;
  onConnect?(connection: RpcConnection): void;
  /** After the last record; replies still to be given go nowhere. */
  onDisconnect?(connection: RpcConnection, error: Error | undefined): void;
}

/** Listens, takes calls apart, finds their handlers, and sends what they answer. */
export class RpcServer {
  readonly options: RpcServerOptions;
  readonly limits: RpcLimits;
  readonly connections = new Set<RpcConnection>();
  /** Over all connections since the start, for statedumps. */
  bytesRead = 0;
  bytesWritten = 0;
  /** For the replies of all connections: each is written in one go. */
  readonly writer = new XdrWriter();
  readonly #services: RpcService[] = [];
  readonly #listeners: Listener[] = [];
  /** May be changed while running. */
  allowInsecure: boolean;

  constructor(options: RpcServerOptions) {
    this.options = options;
    this.limits = { ...LIMITS, ...options.limits };
    this.allowInsecure = options.allowInsecure ?? true;
  }

  /** Programs in the order of registration, which is DUMP's; without those that it doesn't tell of. */
  get programs(): readonly RpcProgram[] {
    return this.#services.filter((service) => service.unlisted !== true);
  }

  /** Adds a program. One of the same number and version takes the place of the earlier one. */
  register(service: RpcService): void {
    const at = this.#services.findIndex((other) => other.number === service.number && other.version === service.version);
    if (at < 0) this.#services.push(service);
    else this.#services[at] = service;
  }

  /** Finds a program's version; `'version'` when only the number is known, undefined when not even that. */
  find(program: number, version: number): RpcService | 'version' | undefined {
    let found: 'version' | undefined;
    for (const service of this.#services) {
      if (service.number !== program) continue;
      if (service.version === version) return service;
      found = 'version';
    }
    return found;
  }

  /** GF-DUMP, to be registered where its place in the list is: NULL, DUMP and PING, which never wait behind fops. */
  get dumpProgram(): RpcService {
    const pong = { op_ret: 0, op_errno: 0, xdata: undefined };
    return {
      ...GlusterDump.program,
      handlers: {
        [GlusterDump.NULL.number]: serve(GlusterDump.NULL, () => undefined, { exempt: true, unprivileged: true }),
        [GlusterDump.DUMP.number]: serve(GlusterDump.DUMP, (_request: GfDumpReq) => this.#dump(), { unprivileged: true }),
        [GlusterDump.PING.number]: serve(GlusterDump.PING, () => pong, { exempt: true, unprivileged: true }),
      },
    };
  }

  #dump(): GfDumpRsp {
    return { gfs_id: 0, op_ret: 0, op_errno: 0, prog: this.programs.map(({ name, number, version }) => ({ progname: name as GfDumpRsp['prog'][number]['progname'], prognum: number, progver: version })) };
  }

  /** Listens; resolves with the listener, whose address has the port that was found. Rejects with the errno of bind. */
  async listen(address: Address, socket?: SocketOptions): Promise<Listener> {
    const listener = await this.options.platform.network.listen(address, (transport) => this.#accept(transport), socket);
    this.#listeners.push(listener);
    return listener;
  }

  #accept(transport: Transport): RpcConnection {
    const connection = new RpcConnection(this, transport);
    if (this.connections.size >= this.limits.connectionsMax) {
      this.options.log.warning(0, `${transport.peer}: more than ${this.limits.connectionsMax} connections, closing it`);
      transport.destroy();
      return connection;
    }
    this.connections.add(connection);
    this.options.onConnect?.(connection);
    return connection;
  }

  /** Stops listening and ends all connections. */
  async close(): Promise<void> {
    const listeners = this.#listeners.splice(0);
    for (const connection of this.connections) connection.disconnect();
    await Promise.all(listeners.map((listener) => listener.close()));
  }
}
