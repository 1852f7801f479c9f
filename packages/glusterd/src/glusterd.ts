import { type Dict, formatLogTime, gfidToString, type Logger, type Platform } from '@glusterts/libglusterfs';
import { GlusterCallback, type RpcConnection } from '@glusterts/rpc-xdr';
import { BrickProcesses } from './brick-processes.js';
import { BrickRoots } from './brick-roots.js';
import { GLUSTERD_PORT, type GlusterdConfig } from './config.js';
import { runHooks } from './hooks.js';
import { MgmtErrno, OpError } from './op-error.js';
import { volumeOpVersions } from './options/op-versions.js';
import type { System } from './platform/system.js';
import { Portmap } from './portmap.js';
import { NodeStore } from './store/node-store.js';
import { VolumeStore } from './store/volume-store.js';
import type { VolgenContext } from './volgen/cluster.js';
import { volumeVolfiles } from './volgen/volume-volfiles.js';
import type { Brick, Volume } from './volume.js';
import { parseBool, VolumeStatus } from './volume.js';

/** The daemon's state, and what its operations have in common. */
export class Glusterd {
  readonly platform: Platform;
  readonly system: System;
  readonly config: GlusterdConfig;
  readonly log: Logger;
  readonly node: NodeStore;
  readonly store: VolumeStore;
  readonly portmap = new Portmap();
  readonly bricks: BrickProcesses;
  readonly roots: BrickRoots;
  /** Sorted by name. */
  volumes: Volume[] = [];
  /** Everyone who is connected, to be told of new volfiles. */
  readonly connections = new Set<RpcConnection>();
  readonly #locks = new Set<string>();

  constructor(platform: Platform, system: System, config: GlusterdConfig, log: Logger) {
    this.platform = platform;
    this.system = system;
    this.config = config;
    this.log = log;
    this.node = new NodeStore(system.files, config.workdir);
    this.store = new VolumeStore(system.files, config.workdir, config.basePort);
    this.bricks = new BrickProcesses(platform, system, config, this.portmap, log);
    this.roots = new BrickRoots(platform.storage, config.workdir);
  }

  /**
   * Makes the directories and reads the store (spec/glusterd.md, §1, steps 1 and 3 to 6).
   *
   * @throws StoreError when a volume can't be read back: the daemon doesn't start then
   */
  restore(): void {
    const { workdir, rundir, logdir } = this.config;
    const below = (root: string, names: string[]): string[] => [root, ...names.map((name) => `${root}/${name}`)];
    for (const directory of [
      ...below(logdir, ['bricks']), ...below(rundir, ['snaps', 'bitd', 'scrub', 'quotad', 'vols', 'shd']),
      ...below(workdir, ['vols', 'snaps', 'peers', 'bitd', 'scrub', 'glustershd', 'quotad', 'groups', 'ss_brick']),
    ]) this.system.files.makeDirectory(directory);
    for (const op of ['create', 'delete', 'start', 'stop', 'add-brick', 'remove-brick', 'set', 'reset', 'gsync-create']) {
      for (const time of ['pre', 'post']) this.system.files.makeDirectory(`${workdir}/hooks/1/${op}/${time}`);
    }
    this.node.restore();
    for (const name of this.store.names()) this.volumes.push(this.store.restore(name, (message) => this.log.warning(106006, message)));
    const upgraded = this.node.noteUpgrade() || this.config.upgrade;
    for (const volume of this.volumes) if (upgraded || this.#hasOtherPort(volume)) this.#storeVolfiles(volume);
  }

  /** Whether a volume's volfiles were made when this glusterd listened on another port. */
  #hasOtherPort(volume: Volume): boolean {
    const { listenPort } = this.config;
    const stored = this.store.readVolfile(volume.name, `${volume.name}.tcp-fuse.vol`);
    const port = /^ {4}option remote-port (\d+)$/m.exec(stored ?? '')?.[1];
    return stored !== undefined && Number(port ?? GLUSTERD_PORT) !== listenPort;
  }

  /** Starts or finds the bricks of started volumes. One that can't be started stays down. */
  async startVolumes(): Promise<void> {
    for (const volume of this.volumes) {
      if (volume.status !== VolumeStatus.STARTED) continue;
      for (const brick of this.ownBricks(volume)) {
        try {
          await this.startBrick(volume, brick);
        } catch (error) {
          this.log.error(106005, `Unable to start brick ${brick.hostname}:${brick.path}: ${String(error)}`);
        }
      }
      this.store.store(volume, this.node.opVersion);
    }
  }

  /** This node's UUID, made when first needed. */
  get uuid(): string {
    if (this.node.uuid === undefined) {
      this.node.uuid = this.newUuid();
      this.node.storeInfo();
      this.log.info(106477, `generated UUID: ${this.node.uuid}`);
    }
    return this.node.uuid;
  }

  newUuid(): string {
    return gfidToString(this.platform.random.uuid());
  }

  find(name: string): Volume | undefined {
    return this.volumes.find((volume) => volume.name === name);
  }

  /** @throws OpError */
  need(name: string): Volume {
    const volume = this.find(name);
    if (!volume) throw new OpError(`Volume ${name} does not exist`);
    return volume;
  }

  ownBricks(volume: Volume): Brick[] {
    return volume.bricks.filter((brick) => brick.uuid === this.uuid);
  }

  async startBrick(volume: Volume, brick: Brick): Promise<void> {
    await this.bricks.start(volume, brick, this.uuid, { localtimeLogging: parseBool(this.node.options.get('cluster.localtime-logging')) ?? false });
  }

  get volgenContext(): VolgenContext {
    const { bindAddress, listenPort, workdir } = this.config;
    return {
      workdir, opVersion: this.node.opVersion, uuid: this.uuid,
      ...(bindAddress === undefined ? {} : { bindAddress }), ...(listenPort === GLUSTERD_PORT ? {} : { remotePort: listenPort }),
    };
  }

  /**
   * A volume's files as they would be.
   *
   * @throws VolgenError
   */
  volfilesOf(volume: Volume): Map<string, string> {
    return volumeVolfiles(volume, this.volgenContext);
  }

  #storeVolfiles(volume: Volume): void {
    this.store.storeVolfiles(volume.name, this.volfilesOf(volume));
  }

  /** Stores a volume after a change, its volfiles with it, and tells all who are connected. */
  commit(volume: Volume, options: { readonly newVersion: boolean }): void {
    if (options.newVersion) volume.version++;
    Object.assign(volume, volumeOpVersions(volume));
    this.system.files.makeDirectory(this.store.directory(volume.name));
    this.#storeVolfiles(volume);
    this.store.store(volume, this.node.opVersion);
    this.notifyVolfileChange();
  }

  addVolume(volume: Volume): void {
    this.volumes = [...this.volumes, volume].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  removeVolume(volume: Volume): void {
    this.volumes = this.volumes.filter((other) => other !== volume);
  }

  /** FETCHSPEC to every connection (spec/glusterd.md, §4.8). */
  notifyVolfileChange(): void {
    for (const connection of this.connections) connection.callback(GlusterCallback.FETCHSPEC, undefined);
  }

  /**
   * Runs an operation under the lock of what it changes.
   *
   * @throws OpError when another one holds it
   */
  async locked<T>(name: string, busyText: string, operation: () => Promise<T>): Promise<T> {
    if (this.#locks.has(name)) throw new OpError(busyText, MgmtErrno.ANOTHER_TRANSACTION);
    this.#locks.add(name);
    try {
      return await operation();
    } finally {
      this.#locks.delete(name);
    }
  }

  /** A line of cmd_history.log (spec/cli.md, §13). */
  recordCommand(request: Dict, refusal: string | undefined): void {
    const command = request.getStr('cmd-str');
    if (command === undefined) return;
    const time = formatLogTime(this.platform.clock);
    this.system.appendLine(`${this.config.logdir}/cmd_history.log`, `[${time}]  : ${command} : ${refusal === undefined ? 'SUCCESS' : `FAILED : ${refusal}`}`);
  }

  async hooks(op: string, time: 'pre' | 'post', volume: string, words: readonly string[]): Promise<void> {
    await runHooks(this.system, this.log, `${this.config.workdir}/hooks/1/${op}/${time}`, volume, words);
  }
}
