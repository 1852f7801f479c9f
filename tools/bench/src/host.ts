import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface HostOptions {
  /** Where the bricks lie: a memory file system, or a folder on the disk of this path. */
  readonly bricks: 'tmpfs' | { readonly folder: string };
  /** Put in front of PATH: our `bin/`; undefined: Debian's GlusterFS. */
  readonly bin: string | undefined;
}

const SCRIPT = `
set -e
hostname benchhost
mount --make-rprivate /
ip link set lo up
mkdir -p /var/lib/glusterd /var/log/glusterfs /d /mnt
mount -t tmpfs tmpfs /run; mkdir -p /run/gluster /run/lock
mount --bind "$BENCH_STATE/lib" /var/lib/glusterd
mount --bind "$BENCH_STATE/log" /var/log/glusterfs
mount --bind "$BENCH_STATE/mnt" /mnt
mount --bind "$BENCH_STATE/hosts" /etc/hosts
if [ -n "$BENCH_BRICKS" ]; then mount --bind "$BENCH_BRICKS" /d; else mount -t tmpfs -o size=6g tmpfs /d; fi
echo ready
exec sleep infinity
`;

/** A throw-away host on this machine: own network, processes, mounts and GlusterFS state. Needs root. */
export class Host {
  readonly #process: ChildProcess;
  readonly #state: string;
  readonly #pid: number;
  readonly #env: NodeJS.ProcessEnv;
  readonly #bricks: string | undefined;

  private constructor(process: ChildProcess, state: string, pid: number, env: NodeJS.ProcessEnv, bricks: string | undefined) {
    this.#process = process;
    this.#state = state;
    this.#pid = pid;
    this.#env = env;
    this.#bricks = bricks;
  }

  static async start(options: HostOptions): Promise<Host> {
    const state = mkdtempSync(path.join(tmpdir(), 'glusterts-bench-'));
    for (const name of ['lib', 'log', 'mnt']) mkdirSync(path.join(state, name));
    writeFileSync(path.join(state, 'hosts'), '127.0.0.1 localhost benchhost\n');
    const bricks = options.bricks === 'tmpfs' ? undefined : mkdtempSync(path.join(options.bricks.folder, 'glusterts-bench-bricks-'));
    const env = { ...process.env, PATH: `${options.bin === undefined ? '' : `${options.bin}:`}${process.env['PATH'] ?? ''}` };
    const child = spawn('unshare', ['--net', '--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child', '--mount-proc', 'bash', '-c', SCRIPT], {
      env: { ...env, BENCH_STATE: state, BENCH_BRICKS: bricks ?? '' }, stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`the host did not start (status ${code}); it needs root`)));
    });
    const first = execFileSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' }).trim().split('\n')[0] ?? '';
    return new Host(child, state, Number(first), env, bricks);
  }

  /** Runs a shell command there and returns what it printed; throws with its output when it fails. */
  sh(command: string, timeoutMs = 600_000): string {
    const result = spawnSync('nsenter', ['-t', String(this.#pid), '-n', '-m', '-u', '-i', '-p', '--', 'bash', '-c', command], {
      env: this.#env, encoding: 'utf8', timeout: timeoutMs, maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (result.status !== 0) throw new Error(`${command}\nstatus ${result.status ?? result.signal}\n${result.stdout}${result.stderr}`);
    return result.stdout;
  }

  /** Processor seconds and resident MiB of the GlusterFS processes there, ours or the original's, by their names. */
  usage(): { cpuSeconds: number; residentMiB: number } {
    let ticks = 0;
    let kib = 0;
    const namespace = readlinkSafe(`/proc/${this.#pid}/ns/pid`);
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid) || readlinkSafe(`/proc/${pid}/ns/pid`) !== namespace) continue;
      try {
        if (!/gluster/.test(readFileSync(`/proc/${pid}/comm`, 'latin1'))) continue;
        const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ');
        ticks += Number(fields[11]) + Number(fields[12]);
        kib += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
      } catch {
        // It ended while we looked.
      }
    }
    return { cpuSeconds: ticks / 100, residentMiB: kib / 1024 };
  }

  stop(): void {
    this.#process.kill('SIGKILL');
    try {
      process.kill(this.#pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
    spawnSync('sleep', ['0.3']);
    rmSync(this.#state, { recursive: true, force: true });
    if (this.#bricks !== undefined) rmSync(this.#bricks, { recursive: true, force: true });
  }
}

function readlinkSafe(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}
