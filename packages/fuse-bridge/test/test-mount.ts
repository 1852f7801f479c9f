import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { fuseDeviceAvailable } from '@glusterts/libglusterfs';
import { build } from 'esbuild';
import type { FuseOptions } from '../src/index.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../../..');

/** Why mounts cannot be tested here; undefined when they can. */
export function whyNoMounts(): string | undefined {
  if (!fuseDeviceAvailable()) return 'the native addon is not built (node tools/build-native.mjs)';
  if (process.getuid?.() !== 0) return 'mount namespaces need root';
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
  } catch {
    return '/dev/fuse cannot be opened';
  }
  if (spawnSync('unshare', ['-m', 'true']).status !== 0) return 'unshare -m is not allowed';
  return undefined;
}

export function hasCommand(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
}

let bundle: Promise<string> | undefined;

/** mount-host.ts as one module that Node runs. */
function hostModule(): Promise<string> {
  return (bundle ??= (async () => {
    const outfile = path.join(mkdtempSync(path.join(os.tmpdir(), 'fuse-host-')), 'host.mjs');
    // The addon is found beside the sources.
    const url = pathToFileURL(path.join(root, 'packages/libglusterfs/src/platform/native.ts')).href;
    await build({
      entryPoints: [path.join(here, 'mount-host.ts')], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent',
      conditions: ['@glusterts/source'], define: { 'import.meta.url': JSON.stringify(url) },
      // `npm run test:switched`: what the daemons get by NODE_OPTIONS, for here the graph is in the bundle.
      ...(process.env['GLUSTERTS_SWITCHED'] === undefined ? {} : { inject: [path.join(root, 'tools/switched/graphs.mjs')] }),
    });
    return outfile;
  })());
}

export interface MountStats {
  readonly active: number;
  readonly ioSize: number;
  readonly seen: Readonly<Record<string, { count: number; largest: number; aligned: boolean }>>;
  readonly dump: readonly string[];
  readonly inodes: number;
  readonly lru: number;
  readonly error?: string;
}

/** A real mount over a brick in memory, in a process and a mount namespace of its own. */
export class TestMount {
  readonly dir: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly log: string[];

  private constructor(dir: string, child: ChildProcess, answers: AsyncIterator<string>, pid: number, log: string[]) {
    this.dir = dir;
    this.#child = child;
    this.#answers = answers;
    this.pid = pid;
    this.log = log;
  }

  static async start(options: Partial<FuseOptions> = {}, setup: { lruLimit?: number; meta?: boolean; late?: boolean; unknownNotice?: number } = {}): Promise<TestMount> {
    const dir = mkdtempSync(path.join(os.tmpdir(), 'fuse-mount-'));
    const host = await hostModule();
    const child = spawn('unshare', ['-m', '--propagation', 'private', process.execPath, host, JSON.stringify({ options: { mountpoint: dir, ...options }, ...setup })], { stdio: ['pipe', 'pipe', 'pipe'] });
    const log: string[] = [];
    child.stderr?.setEncoding('utf8').on('data', (text: string) => log.push(text));
    const answers = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]();
    const first = await answers.next();
    if (first.done) throw new Error(`the mount did not come up: ${log.join('')}`);
    return new TestMount(dir, child, answers, JSON.parse(first.value).ready, log);
  }

  /** Runs a shell script inside, in the mount's directory. Throws with its output when it fails. */
  sh(script: string, options: { status?: number; timeoutMs?: number } = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      const args = [`--mount=/proc/${this.pid}/ns/mnt`, 'sh', '-c', `set -e; cd ${this.dir}; ${script}`];
      execFile('nsenter', args, { encoding: 'latin1', timeout: options.timeoutMs ?? 25_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
        const status = error ? Number(error.code ?? -1) : 0;
        if (status === (options.status ?? 0)) resolve(stdout);
        else reject(new Error(`exit status ${error?.signal ?? status} of: ${script}\n${stdout}\n${stderr}\n${this.log.join('')}`));
      });
    });
  }

  async ask(what: 'stats' | 'graph' | 'unmount' = 'stats'): Promise<MountStats> {
    this.#child.stdin?.write(`${JSON.stringify({ do: what })}\n`);
    return this.#answer();
  }

  async #answer(): Promise<MountStats> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`the mount's process has ended: ${this.log.join('')}`);
    return JSON.parse(value);
  }

  /** A process inside, for those that must be left running. */
  spawn(script: string): ChildProcess {
    return spawn('nsenter', [`--mount=/proc/${this.pid}/ns/mnt`, 'sh', '-c', `cd ${this.dir}; ${script}`], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Sends SIGTERM, unless it ends by itself, and resolves with its last words. */
  async end(options: { signal?: boolean; keepDir?: boolean } = { signal: true }): Promise<{ end: string; active: number; code: number | null }> {
    const exited = this.#child.exitCode === null && this.#child.signalCode === null ? once(this.#child, 'exit') : Promise.resolve([this.#child.exitCode]);
    if (options.signal) process.kill(this.pid, 'SIGTERM');
    const { value } = await this.#answers.next();
    const [code] = await exited;
    // Removing a mount point takes the mounts on it away in all namespaces.
    if (!options.keepDir) rmSync(this.dir, { recursive: true, force: true });
    return { ...JSON.parse(value ?? '{}'), code };
  }
}

export function removeBundle(): void {
  void bundle?.then((file) => existsSync(file) && rmSync(path.dirname(file), { recursive: true, force: true }));
}
