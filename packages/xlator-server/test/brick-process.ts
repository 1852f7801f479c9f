import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { freePort } from './pair.js';

const here = path.dirname(fileURLToPath(import.meta.url));

/** Bundles brick-host.ts, so that plain node runs it. */
export async function buildBrickHost(outfile: string): Promise<void> {
  await build({
    entryPoints: [path.join(here, 'brick-host.ts')], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent', conditions: ['@glusterts/source'],
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(path.resolve(here, '../../libglusterfs/src/platform/native.ts')).href) },
  });
}

/** A brick in its own process and mount namespace; `setup` is run there first. */
export class BrickProcess {
  readonly #child: ChildProcess;
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(host: string, directory: string, setup: string): Promise<BrickProcess> {
    const port = await freePort();
    const child = spawn('unshare', ['-m', 'sh', '-c', `${setup} exec ${process.execPath} ${host} ${directory} ${port}`], { stdio: ['ignore', 'pipe', process.env.TEST_LOG ? 'inherit' : 'ignore'] });
    if (!child.stdout) throw new Error('no output');
    await once(child.stdout, 'data');
    return new BrickProcess(child, port);
  }

  /** Freezes the file system for some seconds. Thawed by a process of its own, whatever becomes of this one; resolves once it is frozen. */
  async freeze(directory: string, seconds: number): Promise<{ thawed: Promise<unknown> }> {
    const freezer = spawn('nsenter', ['-t', String(this.#child.pid), '-m', 'sh', '-c', `fsfreeze -f ${directory} && echo frozen; sleep ${seconds}; fsfreeze -u ${directory}`], { stdio: ['ignore', 'pipe', 'inherit'] });
    const thawed = once(freezer, 'exit');
    if (!freezer.stdout) throw new Error('no output');
    await once(freezer.stdout, 'data');
    return { thawed };
  }

  /** Runs a command in its mount namespace. */
  async run(command: string): Promise<void> {
    const [status] = (await once(spawn('nsenter', ['-t', String(this.#child.pid), '-m', 'sh', '-c', command], { stdio: ['ignore', 'ignore', 'inherit'] }), 'exit')) as [number | null];
    if (status !== 0) throw new Error(`${command}: ${status}`);
  }

  /** Whether its main thread waits for a disk. */
  get hangs(): boolean {
    return readFileSync(`/proc/${this.#child.pid}/stat`, 'latin1').replace(/^.*\) /s, '').startsWith('D');
  }

  async stop(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }
}
