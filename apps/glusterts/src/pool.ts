import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { GLUSTERD_PORT, answers, isFree, poolAddress } from './address.js';
import type { StartOptions } from './arguments.js';
import { run, startDaemon, stopDaemon, until } from './commands.js';

export const VOLUME = 'vol';
/** A unix socket's path has at most 107 bytes, and glusterd's have 26 after its run directory. */
const RUN_DIRECTORY_MAX = 80;

const START_ATTEMPTS = 4;

export type Progress = (stage: string) => void;

/** A pool of one node: glusterd, its bricks, and a mount, all under one directory. */
export class Pool {
  readonly #options: StartOptions;
  readonly #bin: string;
  readonly #progress: Progress;
  #glusterd: ChildProcess | undefined;
  #mount: ChildProcess | undefined;
  #starting: Promise<void> | undefined;
  #stopping = false;
  address = '';
  port = GLUSTERD_PORT;
  /** Why there is no mount, when there is none. */
  noMount: string | undefined;

  constructor(options: StartOptions, bin: string, progress: Progress) {
    this.#options = options;
    this.#bin = bin;
    this.#progress = progress;
  }

  get socket(): string {
    return path.join(this.#options.dir, 'run/glusterd.socket');
  }

  /** The words with which a user reaches this pool's glusterd. */
  get glusterCommand(): string {
    return `${quote(path.join(this.#bin, 'gluster'))} --glusterd-sock=${quote(this.socket)}`;
  }

  /** Everything up to the mount; throws with what to look at. */
  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { dir } = this.#options;
    if (Buffer.byteLength(path.join(dir, 'run')) > RUN_DIRECTORY_MAX) {
      throw new Error(`${dir} is too long a path: glusterd's sockets lie in it, and a socket's path has at most 107 bytes; use --dir with a shorter one`);
    }
    for (const name of ['glusterd', 'run', 'log', 'bricks']) mkdirSync(path.join(dir, name), { recursive: true });
    if (await answers(this.socket)) throw new Error(`the pool in ${dir} is running already`);
    this.#checkShape();
    for (const stage of [() => this.#listen(), () => this.#startVolume(), () => this.#startMount()]) {
      if (this.#stopping) return;
      await stage();
    }
  }

  /** The shape of a volume stays as it was created. */
  #checkShape(): void {
    const file = path.join(this.#options.dir, 'shape');
    const shape = `${this.#options.bricks} bricks, redundancy ${this.#options.redundancy}`;
    let former: string | undefined;
    try {
      former = readFileSync(file, 'utf8').trim();
    } catch {
      writeFileSync(file, `${shape}\n`);
    }
    if (former !== undefined && former !== shape) throw new Error(`the volume in ${this.#options.dir} has ${former}; for ${shape} use another --dir`);
  }

  /** Starts glusterd; when another pool was quicker to take the address, at the next one. */
  async #listen(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      ({ host: this.address, port: this.port } = await poolAddress(this.#options.dir));
      try {
        return await this.#startGlusterd();
      } catch (error) {
        if (attempt === START_ATTEMPTS || this.#stopping || (await isFree(this.address, this.port))) throw error;
        if (this.#glusterd) await stopDaemon(this.#glusterd);
      }
    }
  }

  async #startGlusterd(): Promise<void> {
    this.#progress(`starting glusterd on ${this.address}:${this.port}`);
    const { dir } = this.#options;
    const volfile = path.join(dir, 'glusterd.vol');
    writeFileSync(
      volfile,
      [
        'volume management',
        '    type mgmt/glusterd',
        `    option working-directory ${volfileString(`${dir}/glusterd`)}`,
        `    option run-directory ${volfileString(`${dir}/run`)}`,
        '    option transport-type socket',
        `    option transport.socket.bind-address ${this.address}`,
        `    option transport.socket.listen-port ${this.port}`,
        `    option glusterd-sockfile ${volfileString(this.socket)}`,
        `    option logging-directory ${volfileString(`${dir}/log`)}`,
        'end-volume',
        '',
      ].join('\n'),
    );
    const child = startDaemon(path.join(this.#bin, 'glusterd'), ['-N', '-f', volfile, '-l', path.join(dir, 'log/glusterd.log'), '-p', path.join(dir, 'run/glusterd.pid')], path.join(dir, 'log/glusterd.out'));
    this.#glusterd = child;
    await until(`glusterd did not start; see ${dir}/log/glusterd.log and glusterd.out`, async () => (await this.gluster('volume', 'list')).status === 0, 30_000, () => child.exitCode === null && !this.#stopping);
  }

  async #startVolume(): Promise<void> {
    const { dir, bricks, redundancy } = this.#options;
    const info = await this.gluster('volume', 'info', VOLUME);
    if (info.status !== 0) {
      this.#progress(redundancy > 0 ? `creating a ${bricks - redundancy}+${redundancy} disperse volume` : `creating a distribute volume of ${bricks} bricks`);
      const names = Array.from({ length: bricks }, (_, i) => `${this.address}:${path.join(dir, 'bricks', `b${i}`)}`);
      const words = redundancy > 0 ? ['disperse', String(bricks), 'redundancy', String(redundancy)] : [];
      await this.#must('volume', 'create', VOLUME, ...words, ...names, 'force');
    }
    this.#progress(`starting ${bricks} bricks`);
    await this.#must('volume', 'start', VOLUME, ...(info.status === 0 && info.output.includes('Status: Started') ? ['force'] : []));
  }

  async #startMount(): Promise<void> {
    this.noMount = whyNoFuse();
    if (this.noMount !== undefined) return;
    const { dir, mountpoint } = this.#options;
    this.#progress(`mounting at ${mountpoint}`);
    mkdirSync(mountpoint, { recursive: true });
    if (readdirSync(mountpoint).length > 0) throw new Error(`${mountpoint} is not empty`);
    const parent = statSync(path.dirname(mountpoint)).dev;
    const child = startDaemon(path.join(this.#bin, 'glusterfs'), ['-N', '-s', this.address, '--volfile-server-port', String(this.port), '--volfile-id', VOLUME, '-l', path.join(dir, 'log/mount.log'), mountpoint], path.join(dir, 'log/mount.out'));
    this.#mount = child;
    await until(`the mount did not come up; see ${dir}/log/mount.log and mount.out`, () => isMounted(mountpoint, parent), 30_000, () => child.exitCode === null && !this.#stopping);
  }

  /** Unmounts, stops the bricks, then glusterd. Never throws: whatever is left is told. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#starting?.catch(() => undefined);
    if (this.#mount) {
      this.#progress('unmounting');
      await run('umount', [this.#options.mountpoint]).catch(() => undefined);
      await stopDaemon(this.#mount);
      // A process that was killed leaves its mount behind.
      if (isMounted(this.#options.mountpoint)) await run('umount', ['-l', this.#options.mountpoint]).catch(() => undefined);
    }
    if (this.#glusterd) {
      this.#progress('stopping the bricks and glusterd');
      const stopped = await this.gluster('volume', 'stop', VOLUME, 'force').catch(() => undefined);
      if (stopped && stopped.status !== 0 && !/not in the started state|does not exist/.test(stopped.output)) process.stderr.write(stopped.output);
      await stopDaemon(this.#glusterd);
    }
  }

  gluster(...words: string[]): ReturnType<typeof run> {
    return run(path.join(this.#bin, 'gluster'), ['--mode=script', '--wignore', `--glusterd-sock=${this.socket}`, ...words]);
  }

  async #must(...words: string[]): Promise<void> {
    const { status, output } = await this.gluster(...words);
    if (status !== 0) throw new Error(`gluster ${words.join(' ')}: ${output.trim()}`);
  }
}

function isMounted(mountpoint: string, parentDevice?: number): boolean {
  if (parentDevice !== undefined) {
    try {
      if (statSync(mountpoint).dev === parentDevice) return false;
    } catch {
      return false;
    }
  }
  const escaped = mountpoint.replaceAll('\\', '\\134').replaceAll(' ', '\\040').replaceAll('\t', '\\011');
  return readFileSync('/proc/self/mounts', 'utf8').split('\n').some((line) => line.split(' ')[1] === escaped);
}

/** Why this process can't mount, in words for its user; undefined when it can. */
function whyNoFuse(): string | undefined {
  try {
    if (!statSync('/dev/fuse').isCharacterDevice()) return '/dev/fuse is no device here';
    // Opened, not just looked at: a container may have the node and not the right.
    closeSync(openSync('/dev/fuse', 'r+'));
  } catch {
    return '/dev/fuse may not be used here';
  }
  return undefined;
}

/** For a volfile. */
function volfileString(text: string): string {
  return `"${text.replace(/["\\`]/g, '\\$&')}"`;
}

/** For a shell. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
