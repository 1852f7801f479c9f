import type { Bytes, Logger, Platform } from '@glusterts/libglusterfs';
import { Errno, FopError, utf8 } from '@glusterts/libglusterfs';
import { GLUSTERD_PORT, type GlusterdConfig } from './config.js';
import { OpError } from './op-error.js';
import type { System } from './platform/system.js';
import type { Portmap } from './portmap.js';
import type { Brick, Volume } from './volume.js';
import { brickName, pathId } from './volume.js';

/** How often a start is tried anew when the drawn port is in use. */
const START_ATTEMPTS = 8;
const EXIT_POLL_MS = 50;
/** How long a brick may take to end before it is killed. */
const TERM_PATIENCE_MS = 10_000;
/** Exit status of a brick whose port was taken. */
const EADDRINUSE = 98;

/** Starts, stops and watches this node's brick processes (spec/glusterd.md, §12). */
export class BrickProcesses {
  readonly #platform: Platform;
  readonly #system: System;
  readonly #config: GlusterdConfig;
  readonly #portmap: Portmap;
  readonly #log: Logger;

  constructor(platform: Platform, system: System, config: GlusterdConfig, portmap: Portmap, log: Logger) {
    this.#platform = platform;
    this.#system = system;
    this.#config = config;
    this.#portmap = portmap;
    this.#log = log;
  }

  #runId(brick: Brick): string {
    return `${brick.hostname}-${pathId(brick.path)}`;
  }

  pidFile(volume: Volume, brick: Brick): string {
    return `${this.#config.rundir}/vols/${volume.name}/${this.#runId(brick)}.pid`;
  }

  socketFile(volume: Volume, brick: Brick): string {
    const long = `${this.#config.rundir}/vols/${volume.name}/run/${this.#runId(brick)}`;
    return `${this.#config.rundir}/${this.#platform.storage.xxh64(long as Bytes)}.socket`;
  }

  volfileId(volume: Volume, brick: Brick): string {
    return `${volume.name}.${brick.hostname}.${pathId(brick.path)}`;
  }

  /** The pid of a brick's living process. */
  pid(volume: Volume, brick: Brick): number | undefined {
    const pid = Number.parseInt(this.#system.files.read(this.pidFile(volume, brick)) ?? '', 10);
    // Pids are used again: only a process that was started for this brick is one.
    return pid > 0 && this.#system.isRunning(pid, [this.volfileId(volume, brick)]) ? pid : undefined;
  }

  /** Shown as online: alive, and signed in. */
  isOnline(volume: Volume, brick: Brick): boolean {
    return this.pid(volume, brick) !== undefined && this.#portmap.find(brick.path) !== undefined;
  }

  /** The command line, to the word (spec/glusterd.md, §12). */
  command(volume: Volume, brick: Brick, uuid: string, settings: { readonly localtimeLogging: boolean }): string[] {
    const { config } = { config: this.#config };
    const words = [
      ...config.brickCommand, '-s', brick.hostname, '--volfile-id', this.volfileId(volume, brick), '-p', this.pidFile(volume, brick), '-S', this.socketFile(volume, brick),
      '--brick-name', brick.path, '-l', `${config.logdir}/bricks/${pathId(brick.path)}.log`, '--xlator-option', `*-posix.glusterd-uuid=${uuid}`, '--process-name', 'brick',
    ];
    if (config.listenPort !== GLUSTERD_PORT) words.push('--volfile-server-port', String(config.listenPort));
    if (settings.localtimeLogging) words.push('--localtime-logging');
    words.push('--brick-port', String(brick.port));
    if (volume.options.get('config.global-threading') === 'on') words.push('--global-threading');
    words.push('--xlator-option', `${volume.name}-server.listen-port=${brick.port}`);
    if (config.bindAddress !== undefined) words.push('--xlator-option', `transport.socket.bind-address=${config.bindAddress}`);
    if (config.addressFamily !== undefined) words.push('--xlator-option', `transport.address-family=${config.addressFamily}`);
    return words;
  }

  /**
   * Starts a brick, or takes a living one as its own. The port may have changed when it returns.
   *
   * @throws OpError when the process ends with anything but 0.
   */
  async start(volume: Volume, brick: Brick, uuid: string, settings: { readonly localtimeLogging: boolean }): Promise<void> {
    if (this.pid(volume, brick) !== undefined) {
      if (this.#portmap.find(brick.path) === undefined && brick.port > 0) this.#portmap.signIn(brick.path, brick.port, undefined);
      return;
    }
    this.#portmap.forget(brick.path);
    const { files } = this.#system;
    files.makeDirectory(`${this.#config.rundir}/vols/${volume.name}`);
    files.remove(this.socketFile(volume, brick));
    for (let attempt = 1; ; attempt++) {
      brick.port = await this.#drawPort();
      const command = this.command(volume, brick, uuid, settings);
      this.#log.info(0, `starting a fresh brick process for brick ${brick.path}: ${command.join(' ')}`);
      const status = await this.#system.run(command, { GLUSTERD_WORKDIR: this.#config.workdir, DEFAULT_VAR_RUN_DIRECTORY: this.#config.rundir });
      if (status === 0) return;
      if (status === EADDRINUSE && attempt < START_ATTEMPTS) continue;
      this.#log.error(0, `Unable to start brick ${brickName(brick)}: exit status ${status}`);
      throw new OpError('Commit failed on localhost. Please check log file for details.');
    }
  }

  /** From a random start upwards, the first port that can be bound. */
  async #drawPort(): Promise<number> {
    const { basePort, maxPort } = this.#config;
    const count = maxPort - basePort + 1;
    const first = this.#platform.random.below(count);
    for (let step = 0; step < count; step++) {
      const port = basePort + ((first + step) % count);
      if (!this.#portmap.isTaken(port) && (await this.#isFree(port))) return port;
    }
    throw new OpError(`No free port between ${basePort} and ${maxPort}`);
  }

  async #isFree(port: number): Promise<boolean> {
    try {
      const listener = await this.#platform.network.listen({ host: '0.0.0.0', port }, () => ({ onRecord: (record) => record.unref(), onClose: () => undefined }));
      await listener.close();
      return true;
    } catch (error) {
      if (error instanceof FopError && error.errno === Errno.EACCES) throw error;
      return false;
    }
  }

  /** SIGTERM, and SIGKILL to one that doesn't listen; then its pid file and socket go. */
  async stop(volume: Volume, brick: Brick): Promise<void> {
    const pid = this.pid(volume, brick);
    if (pid !== undefined) {
      this.#system.kill(pid, 'SIGTERM');
      const deadline = this.#platform.clock.monotonic() + TERM_PATIENCE_MS;
      while (this.pid(volume, brick) === pid) {
        if (this.#platform.clock.monotonic() > deadline) this.#system.kill(pid, 'SIGKILL');
        await new Promise<void>((resolve) => this.#platform.timers.after(EXIT_POLL_MS, resolve));
      }
    }
    this.#portmap.forget(brick.path);
    this.#system.files.remove(this.pidFile(volume, brick));
    this.#system.files.remove(this.socketFile(volume, brick));
  }

  /** Asks a brick's process for a statedump (spec/cli.md, §14). */
  statedump(volume: Volume, brick: Brick, words: readonly string[]): void {
    const pid = this.pid(volume, brick);
    if (pid === undefined) return;
    const options = words.length === 0 ? ['all'] : words;
    this.#system.files.overwrite(`${this.#config.rundir}/glusterdump.${pid}.options`, options.map((word) => `${utf8(word)}=yes\n`).join(''));
    this.#system.kill(pid, 'SIGUSR1');
  }
}
