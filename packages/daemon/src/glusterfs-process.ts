import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import {
  type Bytes, CallPool, Errno, FopError, GfEvent, GlusterLogger, Graph, type GraphOptions, type GraphRootView, type InodeTableOptions, type Logger, MemPools, type Platform, SyncEnv, SyncLock, VolfileError, XlatorLoader, createPlatform, display, errnoOf, fromBuffer, gfidToString, utf8, volfileText,
} from '@glusterts/libglusterfs';
import { type Arguments, logLevelOf } from './arguments.js';
import { listenForBrickOperations } from './brick-operations.js';
import { tellParent } from './daemonise.js';
import { HeapGrowth } from './heap-growth.js';
import { IdleMemory } from './idle-memory.js';
import { LogFile } from './log-file.js';
import { writeMetrics } from './metrics.js';
import { PidFile } from './pid-file.js';
import { type PlayMount, Rehearsal, type RehearsalInit, rehearsalWanted } from './rehearsal/rehearsal.js';
import { writeStatedump } from './statedump.js';
import { VolfileServer } from './volfile-server.js';
import { defaultVolfile, LOG_DIRECTORY, RUN_DIRECTORY, VERSION } from './paths.js';

/** The longest that Node's timers take. */
const KEEP_ALIVE_MS = 2 ** 31 - 1;

/** A mount as the process sees it; packages/fuse-bridge makes it. */
export interface Mount {
  /** Options for the inode tables of the graphs that it will be given. */
  readonly inodeTable: InodeTableOptions;
  /** The first graph, or one to switch to. */
  setGraph(graph: Graph): Promise<void>;
  /** Resolves when the file system is gone. */
  readonly done: Promise<string>;
  unmount(): void | Promise<void>;
  /** As statedumps and `.meta` show it. */
  readonly root: GraphRootView;
  /** Plays what the kernel will ask for, in another graph. Undefined: this mount doesn't rehearse. */
  readonly rehearse?: PlayMount;
}

export interface ProcessHooks {
  /** Makes the mount of a client process; throws when it can't. */
  mount?(args: Arguments, platform: Platform, log: Logger): Mount;
}

/** The default log file's name (spec/cli.md, §13). */
export function defaultLogFile(args: Arguments): string {
  const dashed = (file: string): string => file.replace(/^\/+/, '').replaceAll('/', '-');
  if (args.mountpoint !== undefined) return path.join(LOG_DIRECTORY, `${dashed(path.resolve(args.mountpoint))}.log`);
  const volfile = args.get('volfile');
  if (volfile !== undefined) return path.join(LOG_DIRECTORY, `${dashed(volfile)}.log`);
  return path.join(LOG_DIRECTORY, `${args.all('volfile-server')[0] ?? args.program}-${dashed(args.get('volfile-id') ?? '')}-${process.pid}.log`);
}

/** Graphs that served before and are still shown under `.meta`. */
const ELDERS_MAX = 8;

/** One glusterfs or glusterfsd process: its volfile, its graph, its sockets, its end (spec/client.md, §1; spec/brick.md, §1.2). */
export class GlusterfsProcess {
  readonly #args: Arguments;
  readonly #hooks: ProcessHooks;
  readonly #platform: Platform;
  readonly #logFile: LogFile;
  readonly #log: GlusterLogger;
  readonly #loader: XlatorLoader;
  readonly #processUuid: string;
  readonly #memPools: MemPools;
  readonly #callPool: CallPool;
  readonly #elders: Graph[] = [];
  /** What the process does beside serving: new volfiles, one after the other, and words to glusterd. */
  readonly #tasks: SyncEnv;
  readonly #changing: SyncLock;
  readonly #idleMemory: IdleMemory;
  #pidFile: PidFile | undefined;
  #server: VolfileServer | undefined;
  #graph: Graph | undefined;
  #mount: Mount | undefined;
  #rehearsal: Rehearsal | undefined;
  #ending = false;

  /** Throws ArgumentError for bad values, and whatever keeps the log file from being opened. */
  constructor(args: Arguments, hooks: ProcessHooks = {}) {
    this.#args = args;
    this.#hooks = hooks;
    const level = logLevelOf(args);
    this.#platform = createPlatform({ daemon: true });
    this.#logFile = new LogFile(args.has('debug') ? '/dev/stderr' : (args.get('log-file') ?? defaultLogFile(args)));
    this.#log = GlusterLogger.create('glusterfs', { sink: this.#logFile.sink, clock: this.#platform.clock, level, msgIds: args.get('log-format') !== 'no-msg-id', timers: this.#platform.timers });
    this.#log.configure({ bufSize: args.number('log-buf-size'), flushTimeoutS: args.number('log-flush-timeout') });
    this.#loader = new XlatorLoader({ xlatorPath: args.all('xlator-path').map((folder) => path.resolve(folder)) });
    this.#processUuid = `CTX_ID:${gfidToString(this.#platform.random.uuid())}`;
    this.#memPools = new MemPools(this.#platform.timers);
    this.#callPool = new CallPool(this.#memPools, this.#platform.clock);
    this.#tasks = new SyncEnv(this.#platform);
    this.#changing = new SyncLock(this.#platform.timers);
    this.#idleMemory = new IdleMemory(this.#platform, this.#callPool);
  }

  /** Runs until the process ends; it never returns before. */
  async run(): Promise<never> {
    const { program } = this.#args;
    this.#log.info(100030, 'Started running version', { arg: program, version: VERSION, cmdlinestr: this.#args.commandLine });
    this.#log.info(0, `Pid of current running process is ${process.pid}`);
    this.#handleSignals();
    this.#raiseLimits();
    // A server overrides a file.
    const volfilePath = this.#args.has('volfile-server') ? undefined : path.resolve(this.#args.get('volfile') ?? defaultVolfile(program));
    // A server's refusal comes out as an errno, and so does a port that is taken, for which glusterd draws another; all else is 1 (spec/client.md, §1).
    let fetching = false;
    try {
      const pidFile = this.#args.get('pid-file');
      if (pidFile !== undefined) this.#pidFile = PidFile.create(path.resolve(pidFile), this.#platform);
      if (this.#args.mountpoint !== undefined && !this.#isServer) this.#startMount();
      await this.#listenForOperations();
      fetching = volfilePath === undefined;
      const text = volfilePath === undefined ? await this.#fetchVolfile() : fromBuffer(readFileSync(volfilePath));
      fetching = false;
      this.#rehearseMount(text);
      await this.#startGraph(text);
      await this.#signIn();
      await this.#rehearsal?.ahead;
      this.#rehearseBrick(text);
    } catch (error) {
      this.#log.error(error instanceof VolfileError ? error.msgid : 0, error instanceof Error ? error.message : String(error));
      if (error instanceof VolfileError) this.#log.error(100026, 'failed to construct the graph', {});
      const errno = errnoOf(error);
      return this.#end((fetching || errno === Errno.EADDRINUSE) && errno > 0 ? errno : 1);
    }
    tellParent(0);
    // A graph without a connection or a mount leaves Node nothing to wait for; the process lives all the same.
    setInterval(() => undefined, KEEP_ALIVE_MS);
    process.chdir('/');
    this.#idleMemory.start();
    new HeapGrowth(this.#platform.timers).start();
    const reason = this.#mount ? await this.#mount.done : await new Promise<string>(() => undefined);
    this.#log.info(0, `unmounting ${this.#args.mountpoint ?? ''}: ${reason}`);
    return this.#end(0);
  }

  #rehearseMount(text: string): void {
    const play = this.#mount?.rehearse;
    if (play && rehearsalWanted(this.#platform)) this.#rehearsing(Rehearsal.ofMount(this.#rehearsalInit(text), play));
  }

  /** After it has signed in: it is started no later for it. */
  #rehearseBrick(text: string): void {
    if (this.#isServer && this.#args.has('brick-name') && rehearsalWanted(this.#platform)) this.#rehearsing(Rehearsal.ofBrick(this.#rehearsalInit(text)));
  }

  #rehearsing(rehearsal: Rehearsal): void {
    this.#rehearsal = rehearsal;
    void rehearsal.over.then(() => this.#idleMemory.due());
  }

  #rehearsalInit(text: string): RehearsalInit {
    return {
      platform: this.#platform,
      loader: this.#loader,
      log: this.#log,
      calls: this.#callPool,
      text,
      xlatorOptions: this.#args.all('xlator-option'),
      autoload: this.#autoload,
      ...(this.#mount ? { inodeTable: this.#mount.inodeTable } : {}),
    };
  }

  get #isServer(): boolean {
    return this.#args.program.startsWith('glusterfsd');
  }

  #startMount(): void {
    if (!this.#hooks.mount) throw new FopError(Errno.EINVAL, undefined, `${this.#args.program} doesn't mount`);
    this.#mount = this.#hooks.mount(this.#args, this.#platform, this.#log.domain('glusterfs-fuse'));
  }

  async #listenForOperations(): Promise<void> {
    const socketFile = this.#args.get('socket-file');
    if (socketFile === undefined) return;
    await listenForBrickOperations({
      platform: this.#platform,
      log: this.#log,
      socketFile,
      graph: () => this.#graph,
      onTerminate: (brick) => {
        this.#log.info(0, `terminating brick ${brick}`);
        void this.#end(15);
      },
    });
  }

  #fetchVolfile(): Promise<string> {
    const volfileId = this.#args.get('volfile-id');
    const servers = this.#args.all('volfile-server');
    if (volfileId === undefined || servers.length === 0) throw new FopError(Errno.EINVAL, undefined, 'a volfile (-f), or a volfile server (-s) and an id (--volfile-id), is needed');
    this.#server = new VolfileServer({
      platform: this.#platform,
      log: this.#log,
      servers,
      port: this.#args.number('volfile-server-port'),
      unix: this.#args.get('volfile-server-transport') === 'unix',
      volfileId,
      client: !this.#isServer,
      brickName: this.#args.get('brick-name'),
      onVolfile: (text) => {
        this.#tasks
          .run('volfile changed', (task) => this.#changing.with(task, () => this.#volfileChanged(text), { signal: task.signal }))
          .catch((error: unknown) => this.#log.error(0, `the new volfile was not taken: ${String(error)}`));
      },
      onReconnect: () => void this.#tasks.run('portmap sign-in', () => this.#signIn()).catch((error: unknown) => this.#log.error(0, `portmap sign-in failed: ${String(error)}`)),
    });
    return this.#server.fetchFirst();
  }

  get #autoload(): string[] {
    const autoload: string[] = [];
    if (this.#args.has('worm')) autoload.push('features/worm');
    if (this.#args.has('acl')) autoload.push('system/posix-acl');
    if (this.#mount) autoload.push('meta');
    return autoload;
  }

  #graphOptions(): GraphOptions {
    const args = this.#args;
    const cmdArgs = new Map(args.entries());
    cmdArgs.set('program', args.program);
    cmdArgs.set('cmdline', args.commandLine);
    cmdArgs.set('log-file', this.#logFile.file);
    cmdArgs.set('graph-uuid', graphUuid(this.#platform));
    const volumeName = args.get('volume-name');
    return {
      platform: this.#platform,
      loader: this.#loader,
      log: this.#log,
      processUuid: this.#processUuid,
      memPools: this.#memPools,
      callPool: this.#callPool,
      elders: this.#elders,
      root: this.#mount?.root,
      cmdArgs,
      xlatorOptions: args.all('xlator-option'),
      autoload: this.#autoload,
      file: args.get('volfile') ?? args.get('volfile-id') ?? 'volfile',
      ...(volumeName === undefined ? {} : { volumeName }),
      ...(this.#mount ? { inodeTable: this.#mount.inodeTable } : {}),
    };
  }

  async #startGraph(text: string): Promise<void> {
    const graph = await Graph.load(text, this.#graphOptions());
    // Failed authentication ends the process: there is nothing to wait for.
    graph.onTopEvent((event) => {
      if (event !== GfEvent.AUTH_FAILED || this.#ending) return;
      this.#log.error(0, 'Server authenication failed. Shutting down.');
      // The mount itself was made, and that is what 10.3's process in the foreground ends with, whichever comes first.
      if (this.#mount) tellParent(0);
      void this.#end(1);
    });
    await graph.activate();
    this.#logGraph(graph);
    const old = this.#graph;
    this.#graph = graph;
    await this.#mount?.setGraph(graph);
    if (!old || old === graph) return;
    if (this.#elders.push(old) > ELDERS_MAX) this.#elders.shift();
    await old.fini();
  }

  /** Each volume is followed by a line with a blank. */
  #logGraph(graph: Graph): void {
    const lines = volfileText(graph).replace(/\n$/, '').split('\n').map((line, i) => `${String(i + 1).padStart(3)}: ${line === '' ? ' ' : display(line as Bytes)}`);
    const rule = `+${'-'.repeat(78)}+`;
    this.#logFile.sink(`Final graph:\n${rule}\n${lines.join('\n')}\n${rule}\n`, this.#log.level);
  }

  async #volfileChanged(text: string): Promise<void> {
    const graph = this.#graph;
    if (!graph || this.#ending) return;
    const result = await graph.reconfigure(text);
    this.#log.info(0, result === 'reconfigured' ? 'graph reconfigured' : 'a new graph is needed');
    if (result === 'reconfigured') return;
    if (!this.#mount) {
      this.#log.warning(0, 'the shape of a brick graph changes only when the brick is started again');
      return;
    }
    await this.#startGraph(text);
    this.#log.info(0, `switched to graph ${this.#graph?.id ?? 0}`);
  }

  /** A brick with a port tells glusterd (spec/rpc-wire.md, §11.4). */
  async #signIn(): Promise<void> {
    const brick = this.#args.get('brick-name');
    const port = this.#brickPort;
    if (brick !== undefined && port !== undefined && this.#graph) await this.#server?.signIn(brick, port);
  }

  get #brickPort(): number | undefined {
    const port = Number(this.#args.get('brick-port')?.split(',')[0]);
    return Number.isInteger(port) && port > 0 ? port : undefined;
  }

  #handleSignals(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        const number = signal === 'SIGTERM' ? 15 : 2;
        this.#log.warning(0, `received signum (${number}), shutting down`);
        void this.#end(number);
      });
    }
    process.on('SIGHUP', () => {
      this.#logFile.reopen();
      this.#server?.refresh();
    });
    process.on('SIGUSR1', () => this.#dump());
    process.on('SIGUSR2', () => this.#writeMetrics());
    process.on('SIGPIPE', () => undefined);
    process.on('uncaughtException', (error) => {
      this.#log.error(0, `uncaught: ${error.stack ?? String(error)}`);
      void this.#end(1);
    });
    process.on('unhandledRejection', (error) => this.#log.error(0, `unhandled: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`));
  }

  #dump(): void {
    const brick = this.#args.get('brick-name');
    try {
      const file = writeStatedump({
        graph: this.#graph,
        name: brick === undefined ? 'glusterdump' : brick.replace(/^\//, '').replaceAll('/', '-'),
        directory: RUN_DIRECTORY,
        root: this.#mount?.root,
        brick,
      });
      this.#log.info(0, `statedump written to ${file}`);
    } catch (error) {
      this.#log.error(0, `no statedump: ${String(error)}`);
    }
  }

  #writeMetrics(): void {
    const graph = this.#graph;
    if (!graph) return;
    const args = this.#args;
    const header = { commandLine: args.commandLine, brick: args.get('brick-name'), mountpoint: args.mountpoint === undefined ? undefined : path.resolve(args.mountpoint), volumeName: args.get('volume-name') };
    try {
      this.#log.info(0, `metrics written to ${writeMetrics(graph, header, path.join(RUN_DIRECTORY, 'metrics'))}`);
    } catch (error) {
      this.#log.error(0, `no metrics: ${String(error)}`);
    }
  }

  /** As many open files as a brick of a million wants, or as many as the kernel gives. */
  #raiseLimits(): void {
    const RLIMIT_NOFILE = 7;
    const { storage } = this.#platform;
    if (!storage.available) return;
    for (const limit of [1048576, 65536]) if (storage.setrlimit(RLIMIT_NOFILE, limit, limit) >= 0) break;
    if (this.#isServer) storage.umask(0);
  }

  async #end(status: number): Promise<never> {
    if (this.#ending) return new Promise<never>(() => undefined);
    this.#ending = true;
    void this.#tasks.destroy();
    this.#rehearsal?.stop();
    // Whatever hangs must not keep the process: GlusterFS doesn't wait either.
    const limit = setTimeout(() => process.exit(status), 5000);
    try {
      const brick = this.#args.get('brick-name');
      const port = this.#brickPort;
      if (brick !== undefined && port !== undefined && this.#graph) await this.#server?.signOut(brick, port).catch(() => undefined);
      await this.#mount?.unmount();
      // Not after the rehearsal: glusterd says already that the brick is down.
      await this.#graph?.fini();
      this.#server?.stop();
    } catch (error) {
      this.#log.error(0, `on the way out: ${String(error)}`);
    }
    // What it has put somewhere goes with it.
    await this.#rehearsal?.over;
    clearTimeout(limit);
    this.#log.flush();
    this.#pidFile?.remove();
    tellParent(status === 0 ? 1 : status);
    process.exit(status);
  }
}

/** `<hostname>-<pid>-<YYYY-MM-DD-HH:MM:SS>.<usec> +0000` (spec/client.md, §4.1). */
function graphUuid(platform: Platform): string {
  const { sec, nsec } = platform.clock.realtime();
  const time = new Date(sec * 1000).toISOString().slice(0, 19).replace('T', '-');
  return utf8(`${hostname()}-${process.pid}-${time}.${String(Math.floor(nsec / 1000)).padStart(6, '0')} +0000`);
}
