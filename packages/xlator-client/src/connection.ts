import { Dict, Errno, FopError, type Frame, GfEvent, type GraphView, type IoVec, type Logger, type OptionValues, type SocketOptions, hostName, utf8 } from '@glusterts/libglusterfs';
import { GlusterDump, GlusterHandshake, GlusterPortmap, Glusterfs4, RpcClient, type RpcCallbacks, type RpcDisconnect, type RpcProcedure, type RpcReply } from '@glusterts/rpc-xdr';

const GLUSTERD_PORT = 24007;
const CLIENT_VERSION = '10.3';
const OP_VERSION = 100000;
const EPHEMERAL_SEARCH = -1;

export interface ConnectionOwner {
  readonly name: string;
  readonly graph: GraphView;
  readonly log: Logger;
  readonly options: OptionValues;
  volfileOptions(): ReadonlyMap<string, string>;
  readonly callbacks: readonly RpcCallbacks[];
  /** The brick took us in: open the fds again; resolves when they are. */
  reopen(): Promise<void>;
  /** The connection is gone: nothing that the brick knew of us is good any more. */
  lost(): void;
  tell(event: GfEvent, data?: unknown): void;
}

/**
 * The way to the brick: glusterd's portmap, the programs, SETVOLUME; again and again (spec/rpc-wire.md, §13.2; spec/client.md,
 * §8.1).
 */
export class BrickConnection {
  readonly #owner: ConnectionOwner;
  readonly #rpc: RpcClient;
  #ready = false;
  #childUp = false;
  #lastTold: GfEvent | undefined;
  #volumeId: string | undefined;
  #handshakes = 0;
  /** What SETVOLUME has added to the options. */
  readonly #added = new Map<string, string>();
  #portAnnounced = false;
  /** Counts connections: what an old one still answers is nobody's business. */
  #generation = 0;

  constructor(owner: ConnectionOwner) {
    this.#owner = owner;
    const { options } = owner;
    this.#rpc = new RpcClient({
      platform: owner.graph.platform,
      log: owner.log,
      name: owner.name,
      address: this.#firstAddress(),
      socket: this.#socketOptions(),
      frameTimeoutS: options.number('frame-timeout'),
      pingTimeoutS: options.number('ping-timeout'),
      callbacks: owner.callbacks,
      onConnect: () => this.#onConnect(),
      onDisconnect: (_client, reason) => this.#onDisconnect(reason),
    });
  }

  /** Fops may be sent. */
  get ready(): boolean {
    return this.#ready;
  }

  get peer(): string {
    return this.#rpc.peer;
  }

  get rpc(): RpcClient {
    return this.#rpc;
  }

  setTimeouts(frameTimeoutS: number, pingTimeoutS: number): void {
    this.#rpc.setTimeouts({ frameTimeoutS, pingTimeoutS });
  }

  start(): void {
    this.#rpc.connect();
  }

  stop(): void {
    this.#rpc.disconnect();
  }

  /** A fop's call. Rejects with ENOTCONN while the brick hasn't taken us in. */
  invoke<Request, Reply, Result>(procedure: RpcProcedure<Request, Reply>, request: Request, frame: Frame, then: (reply: Reply) => Result | FopError, payload?: IoVec): Promise<Result> {
    if (!this.#ready) return Promise.reject(new FopError(Errno.ENOTCONN));
    return this.#rpc.invokeThen(procedure, request, frame, then, payload);
  }

  /** As `invoke`, for replies with payload: see `RpcClient.invokeWhole`. */
  invokeWhole<Request, Result>(procedure: RpcProcedure<Request, unknown>, request: Request, frame: Frame, take: (reply: RpcReply) => Result | FopError): Promise<Result> {
    if (!this.#ready) return Promise.reject(new FopError(Errno.ENOTCONN));
    return this.#rpc.invokeWhole(procedure, request, frame, take);
  }

  /** The brick says (by callback) that what is below it went up or down. */
  setChildUp(up: boolean): void {
    this.#childUp = up;
    if (this.#ready) this.#tell(up ? GfEvent.CHILD_UP : GfEvent.CHILD_DOWN);
  }

  #firstAddress(): { host: string; port: number } | { path: string } {
    const { options } = this.#owner;
    const path = options.text('transport.socket.connect-path');
    if (path !== undefined) return { path };
    const port = options.get('remote-port');
    return { host: options.text('remote-host') ?? 'localhost', port: typeof port === 'number' && port > 0 ? port : GLUSTERD_PORT };
  }

  #socketOptions(): SocketOptions {
    const { options } = this.#owner;
    const insecure = options.get('client-bind-insecure') !== false;
    const text = (key: string): string => options.text(key) ?? '';
    return {
      keepaliveTimeS: options.number('transport.socket.keepalive-time'),
      keepaliveIntervalS: options.number('transport.socket.keepalive-interval'),
      keepaliveCount: options.number('transport.socket.keepalive-count'),
      tcpUserTimeoutS: options.number('transport.tcp-user-timeout'),
      windowSize: options.number('tcp-window-size'),
      bind: { port: EPHEMERAL_SEARCH, insecure },
      localPath: options.bool('transport.socket.local-path'),
      ...(options.bool('transport.socket.ssl-enabled')
        ? { tls: { cert: text('transport.socket.ssl-own-cert'), key: text('transport.socket.ssl-private-key'), ca: text('transport.socket.ssl-ca-list') } }
        : {}),
    };
  }

  #onConnect(): void {
    const generation = ++this.#generation;
    this.#handshake(generation).catch((error: unknown) => {
      if (generation !== this.#generation) return;
      this.#owner.log.warning(114043, `failed to set the volume: ${error instanceof Error ? error.message : String(error)}`);
      this.#rpc.drop();
    });
  }

  async #handshake(generation: number): Promise<void> {
    const { options } = this.#owner;
    const dump = await this.#rpc.invoke(GlusterDump.DUMP, { gfs_id: 0xcaed });
    if (generation !== this.#generation) return;
    const offers = (number: number, version: number): boolean => dump.prog.some((program) => Number(program.prognum) === number && Number(program.progver) === version);
    if (offers(GlusterPortmap.program.number, GlusterPortmap.program.version)) return this.#askForPort(generation);
    if (!offers(Glusterfs4.program.number, Glusterfs4.program.version)) throw new FopError(Errno.EPROTONOSUPPORT, undefined, 'the brick does not offer version 400 of the file operations');
    this.#rpc.auth = 'v3';
    const reply = await this.#rpc.invoke(GlusterHandshake.SETVOLUME, { dict: this.#setvolumeDict() });
    if (generation !== this.#generation) return;
    const answer = reply.dict ?? new Dict();
    if (reply.op_ret < 0) return this.#refused(reply.op_errno, answer.getStr('ERROR') ?? '');
    const volumeId = answer.getStr('volume-id');
    if (volumeId !== undefined) {
      if (this.#volumeId !== undefined && this.#volumeId !== volumeId) throw new FopError(Errno.EINVAL, undefined, `the brick's volume-id changed from ${this.#volumeId} to ${volumeId}`);
      this.#volumeId = volumeId;
    }
    this.#owner.log.info(114046, `Connected, attached to remote volume`, { 'conn-name': this.#owner.name, remote_subvol: options.text('remote-subvolume') ?? '' });
    this.#ready = true;
    this.#portAnnounced = false;
    await this.#owner.reopen();
    if (generation !== this.#generation) return;
    this.#childUp = (answer.getNumber('child_up') ?? 1) !== 0;
    if (this.#childUp) this.#tell(GfEvent.CHILD_UP);
  }

  async #askForPort(generation: number): Promise<void> {
    const { options, log } = this.#owner;
    const brick = options.text('remote-subvolume') ?? '';
    const reply = await this.#rpc.invoke(GlusterPortmap.PORTBYBRICK, { brick: utf8(brick) });
    if (generation !== this.#generation) return;
    if (reply.op_ret < 0 || reply.port <= 0) {
      if (!this.#portAnnounced) log.error(114058, 'failed to get the port number for remote subvolume. Please run gluster volume status on server to see if brick process is running', {});
      this.#portAnnounced = true;
      this.#rpc.drop();
      return;
    }
    this.#rpc.reconnect({ host: options.text('remote-host') ?? 'localhost', port: reply.port });
  }

  /**
   * The options with what SETVOLUME adds, in the order in which 10.3 sets them: `.meta` shows them so, and the wire has the
   * last one first (vectors of SETVOLUME; vectors/client/volfile-all-perf.vol).
   */
  get shownOptions(): ReadonlyMap<string, string> {
    const shown = new Map(this.#owner.volfileOptions());
    // "tcp" is a name for the transport "socket".
    if (shown.get('transport-type') === 'tcp') shown.set('transport-type', 'socket');
    for (const [key, value] of this.#added) shown.set(key, value);
    return shown;
  }

  #setvolumeDict(): Dict {
    const { graph, name } = this.#owner;
    const added = this.#added;
    added.set('fops-version', String(Glusterfs4.program.number));
    added.set('process-uuid', `${graph.processUuid}-GRAPH_ID:${graph.id}-PID:${process.pid}-HOST:${hostName()}-PC_NAME:${name}-RECON_NO:-${this.#handshakes++}`);
    const processName = graph.cmdArgs.get('process-name');
    if (processName !== undefined) added.set('process-name', processName);
    added.set('client-version', CLIENT_VERSION);
    if (this.#volumeId !== undefined) added.set('volume-id', this.#volumeId);
    added.set('volfile-key', graph.cmdArgs.get('volfile-id') ?? graph.volumeName);
    added.set('volfile-checksum', '0');
    const subdir = graph.cmdArgs.get('subdir-mount');
    if (subdir !== undefined) added.set('subdir-mount', subdir);
    added.set('clnt-lk-version', '1');
    added.set('opversion', String(OP_VERSION));
    const dict = new Dict();
    for (const [key, value] of [...this.shownOptions].reverse()) dict.setStr(key, utf8(value));
    return dict;
  }

  #refused(errno: number, words: string): void {
    const { log, graph } = this.#owner;
    log.error(114044, `SETVOLUME on remote-host failed`, { 'remote-error': words, errno });
    const subdirMissing = errno === Errno.ENOENT && graph.cmdArgs.has('subdir-mount');
    if (errno === Errno.EACCES || subdirMissing) this.#tell(GfEvent.AUTH_FAILED);
    else if (errno === Errno.ESTALE) this.#tell(GfEvent.VOLFILE_MODIFIED);
    else this.#tell(GfEvent.CHILD_CONNECTING);
    this.#rpc.drop();
  }

  #onDisconnect(reason: RpcDisconnect): void {
    this.#generation++;
    const wasReady = this.#ready;
    this.#ready = false;
    this.#childUp = false;
    if (wasReady) this.#owner.log.info(114018, 'disconnected from client, process will keep trying to connect glusterd until brick\'s port is available', { 'conn-name': this.#owner.name });
    this.#owner.lost();
    if (!reason.planned) this.#tell(GfEvent.CHILD_DOWN);
  }

  /** The same event twice is told once (spec/client.md, §5). */
  #tell(event: GfEvent): void {
    if (event === this.#lastTold) return;
    this.#lastTold = event;
    this.#owner.tell(event);
  }
}
