import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Usages, usageOf } from './processes.js';

export interface HostOptions {
  /** Where the bricks lie: a memory file system, or a fresh ext4 in this file, by a loop device. */
  readonly bricks: 'tmpfs' | { readonly image: string };
  /** Put in front of PATH: our `bin/`; undefined: Debian's GlusterFS. */
  readonly bin: string | undefined;
  /** What it is called; `benchhost` by default. */
  readonly name?: string;
}

const TMPFS_SIZE = '8g';
/** Open files of the daemons there. */
const FILES_MAX = 1_000_000;

const SCRIPT = `
set -e
ulimit -n ${FILES_MAX} 2>/dev/null || true
hostname "$BENCH_HOST"
mount --make-rprivate /
ip link set lo up
mkdir -p /var/lib/glusterd /var/log/glusterfs /d /mnt
mount -t tmpfs tmpfs /run; mkdir -p /run/gluster /run/lock
mount --bind "$BENCH_STATE/lib" /var/lib/glusterd
mount --bind "$BENCH_STATE/log" /var/log/glusterfs
mount --bind "$BENCH_STATE/mnt" /mnt
mount --bind "$BENCH_STATE/hosts" /etc/hosts
if [ -n "$BENCH_IMAGE" ]; then
  mkfs.ext4 -q -F -I 512 -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$BENCH_IMAGE"
  mount -o loop "$BENCH_IMAGE" /d
else
  mount -t tmpfs -o size=${TMPFS_SIZE} tmpfs /d
fi
echo ready
exec sleep infinity
`;

/** A throw-away host on this machine: own network, processes, mounts and GlusterFS state. Needs root. */
export class Host {
  readonly #process: ChildProcess;
  readonly #state: string;
  readonly #pid: number;
  readonly #env: NodeJS.ProcessEnv;
  readonly #image: string | undefined;

  private constructor(process: ChildProcess, state: string, pid: number, env: NodeJS.ProcessEnv, image: string | undefined) {
    this.#process = process;
    this.#state = state;
    this.#pid = pid;
    this.#env = env;
    this.#image = image;
  }

  static async start(options: HostOptions): Promise<Host> {
    const state = mkdtempSync(path.join(tmpdir(), 'glusterts-bench-'));
    const { name = 'benchhost' } = options;
    for (const folder of ['lib', 'log', 'mnt']) mkdirSync(path.join(state, folder));
    writeFileSync(path.join(state, 'hosts'), `127.0.0.1 localhost ${name}\n`);
    const image = options.bricks === 'tmpfs' ? undefined : options.bricks.image;
    if (image !== undefined) await detached(image);
    const env = { ...process.env, PATH: `${options.bin === undefined ? '' : `${options.bin}:`}${process.env['PATH'] ?? ''}` };
    const child = spawn('unshare', ['--net', '--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child', '--mount-proc', 'bash', '-c', SCRIPT], {
      env: { ...env, BENCH_HOST: name, BENCH_STATE: state, BENCH_IMAGE: image ?? '' }, stdio: ['ignore', 'pipe', 'pipe'],
    });
    let complaints = '';
    child.stderr.on('data', (text: Buffer) => (complaints += text.toString()));
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`the host did not start (status ${code}); it needs root\n${complaints}`)));
    });
    const first = execFileSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' }).trim().split('\n')[0] ?? '';
    return new Host(child, state, Number(first), env, image);
  }

  /** Runs a shell command there and returns what it printed; throws with its output when it fails. */
  sh(command: string, timeoutMs = 3_600_000): string {
    const [program, ...words] = this.#enter(command);
    const result = spawnSync(program, words, { env: this.#env, encoding: 'utf8', timeout: timeoutMs, maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'pipe'] });
    if (result.status !== 0) throw new Error(`${command}\nstatus ${result.status ?? result.signal}\n${result.stdout}${result.stderr}`);
    return result.stdout;
  }

  /** Starts a shell command there, with pipes to its standard input and output. */
  spawn(command: string): ChildProcess {
    const [program, ...words] = this.#enter(command);
    return spawn(program, words, { env: this.#env, stdio: ['pipe', 'pipe', 'inherit'] });
  }

  #enter(command: string): [string, ...string[]] {
    return ['nsenter', '-t', String(this.#pid), '-n', '-m', '-u', '-i', '-p', '--', 'bash', '-c', `ulimit -n ${FILES_MAX} 2>/dev/null; ${command}`];
  }

  /** What the GlusterFS daemons there use. */
  usage(what: 'processor' | 'all' = 'processor'): Usages {
    return usageOf(this.#pid, what);
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    try {
      // The first process of the namespace takes all others with it.
      process.kill(this.#pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
    await gone;
    if (this.#image !== undefined) await detached(this.#image);
    rmSync(this.#state, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

const DETACH_TRIES = 100;

/** Resolves when no loop device holds the file any more: the kernel lets go of it a while after its last mount is gone. */
async function detached(image: string): Promise<void> {
  for (let i = 0; i < DETACH_TRIES; i++) {
    if (spawnSync('losetup', ['-j', image], { encoding: 'utf8' }).stdout.trim() === '') return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`a loop device still holds ${image}`);
}
