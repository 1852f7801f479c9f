import { type Bytes, Dict } from '@glusterts/libglusterfs';
import { GlusterHandshake, GlusterPortmap, NO_REPLY, type RpcConnection, RpcServer, type RpcService, serve } from '@glusterts/rpc-xdr';
import type { Glusterd } from '../glusterd.js';
import { cliService } from './cli-program.js';
import { getspec } from './getspec.js';

const UUID_FLAG = 1;

/** The TCP listener and the CLI's unix socket, with their programs (spec/glusterd.md, §4). */
export class GlusterdServers {
  readonly #glusterd: Glusterd;
  readonly tcp: RpcServer;
  readonly unix: RpcServer;

  constructor(glusterd: Glusterd) {
    this.#glusterd = glusterd;
    this.tcp = this.#server('socket.management');
    this.unix = this.#server('socket.management.cli');
    this.tcp.register(cliService(glusterd, 'tcp'));
    this.tcp.register(this.#portmap());
    this.tcp.register(this.#handshake());
    this.tcp.register(this.tcp.dumpProgram);
    this.unix.register(cliService(glusterd, 'unix'));
    this.unix.register({ ...this.#handshake(), name: 'Gluster Handshake (CLI Getspec)' });
    this.unix.register(this.unix.dumpProgram);
  }

  #server(name: string): RpcServer {
    const { connections, portmap, platform, log } = this.#glusterd;
    return new RpcServer({
      platform, log, name,
      onConnect: (connection) => connections.add(connection),
      onDisconnect: (connection) => {
        connections.delete(connection);
        portmap.disconnected(connection);
      },
    });
  }

  /** Rejects with the errno of bind: a second glusterd. */
  async listen(): Promise<void> {
    const { config, system } = this.#glusterd;
    const host = config.bindAddress ?? (config.addressFamily === 'inet' ? '0.0.0.0' : '::');
    await this.tcp.listen({ host, port: config.listenPort });
    system.files.remove(config.socketFile);
    await this.unix.listen({ path: config.socketFile });
  }

  async close(): Promise<void> {
    await Promise.all([this.tcp.close(), this.unix.close()]);
    this.#glusterd.system.files.remove(this.#glusterd.config.socketFile);
  }

  #isLocal(connection: RpcConnection): boolean {
    const at = connection.peer.lastIndexOf(':');
    const host = at < 0 ? '' : connection.peer.slice(0, at);
    return host === '' || host.startsWith('/') || this.#glusterd.system.isLocalAddress(host);
  }

  #handshake(): RpcService {
    const glusterd = this.#glusterd;
    return {
      ...GlusterHandshake.program,
      handlers: {
        [GlusterHandshake.GETSPEC.number]: serve(GlusterHandshake.GETSPEC, (request, call) => {
          const trusted = this.#isLocal(call.connection);
          const reply = getspec(glusterd, request, trusted);
          glusterd.log.info(0, `getspec of ${request.key} by ${call.connection.peer || 'unix socket'}: ${reply.op_ret < 0 ? `errno ${reply.op_errno}` : `${reply.op_ret} bytes`}`);
          return reply;
        }, { unprivileged: true }),
        [GlusterHandshake.EVENT_NOTIFY.number]: serve(GlusterHandshake.EVENT_NOTIFY, () => NO_REPLY),
        [GlusterHandshake.GET_VOLUME_INFO.number]: serve(GlusterHandshake.GET_VOLUME_INFO, ({ dict }) => {
          const volume = glusterd.find(dict?.getStr('volname') ?? '');
          if (!volume || ((dict?.getNumber('flags') ?? 0) & UUID_FLAG) === 0) return { op_ret: -1, op_errno: 30806, op_errstr: 'Volume does not exist' as Bytes, dict: undefined };
          return { op_ret: 0, op_errno: 0, op_errstr: '' as Bytes, dict: new Dict().setStr('volume_id', volume.id) };
        }, { unprivileged: true }),
      },
    };
  }

  #portmap(): RpcService {
    const { portmap, log } = this.#glusterd;
    return {
      ...GlusterPortmap.program,
      handlers: {
        [GlusterPortmap.PORTBYBRICK.number]: serve(GlusterPortmap.PORTBYBRICK, ({ brick }) => {
          const port = portmap.find(brick);
          return port === undefined ? { op_ret: -1, op_errno: 0, status: 0, port: 0 } : { op_ret: 0, op_errno: 0, status: 0, port };
        }, { unprivileged: true }),
        [GlusterPortmap.SIGNIN.number]: serve(GlusterPortmap.SIGNIN, ({ brick, port }, call) => {
          log.info(106143, `adding brick ${brick} on port ${port}`);
          portmap.signIn(brick, port, call.connection);
          return { op_ret: 0, op_errno: 0 };
        }),
        [GlusterPortmap.SIGNOUT.number]: serve(GlusterPortmap.SIGNOUT, ({ brick, port }) => {
          log.info(106144, `removing brick ${brick} on port ${port}`);
          portmap.signOut(brick, port);
          return { op_ret: 0, op_errno: 0 };
        }),
      },
    };
  }
}
