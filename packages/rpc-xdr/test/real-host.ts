import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GlusterDump, RpcClient, type RpcClientOptions } from '../src/index.js';
import { ListLogger, portablePlatform } from './test-platform.js';

/** Why no real glusterd can be started here; undefined when it can. */
export function missing(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  if (spawnSync('glusterd', ['--version']).status !== 0) return 'no glusterd installed';
  if (spawnSync('unshare', ['--net', '--mount', '--pid', '--fork', 'true']).status !== 0) return 'no namespaces';
  return undefined;
}

/** The host's address, on its loopback device: glusterd takes no 127.0.0.1 for a brick. */
export const HOST_ADDRESS = '10.99.0.1';

/** Its own network, mounts and processes; what it keeps is on tmpfs and goes with it. */
const HOST = `
  mount --make-rprivate / &&
  for d in /var/lib/glusterd /var/log/glusterfs /run /mnt; do mkdir -p $d && mount -t tmpfs tmpfs $d || exit 1; done
  mkdir -p /run/gluster /run/lock && ip link set lo up && ip addr add ${HOST_ADDRESS}/32 dev lo && exec glusterd -N`;

/** From a unix socket that all see to a TCP port that only its own network namespace sees. */
const FORWARD = `
  const net = require('net');
  const [path, port] = process.argv.slice(1);
  net.createServer({ noDelay: true }, (near) => {
    const far = net.connect(Number(port), '${HOST_ADDRESS}');
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  }).listen(path);`;

/** A real glusterd in namespaces of its own. */
export class RealHost {
  readonly #dir = mkdtempSync(join(tmpdir(), 'rpc-glusterd-'));
  readonly #children: ChildProcess[] = [];
  readonly #clients: RpcClient[] = [];
  pid = 0;

  async start(): Promise<void> {
    const host = spawn('unshare', ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', HOST], { stdio: 'ignore' });
    this.#children.push(host);
    while (this.pid === 0) {
      await new Promise(setImmediate);
      this.pid = Number(readFileSync(`/proc/${host.pid}/task/${host.pid}/children`, 'latin1').trim());
    }
  }

  /** Runs a command there, and returns its output. */
  run(...command: string[]): string {
    const { stdout, stderr, status } = spawnSync('nsenter', ['-t', String(this.pid), '-n', '-m', '-p', '--', ...command], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command.join(' ')}: ${stdout}${stderr}`);
    return stdout;
  }

  /** A path at which one of its TCP ports answers. */
  forward(port: number): string {
    const path = join(this.#dir, String(port));
    this.#children.push(spawn('nsenter', ['-t', String(this.pid), '-n', process.execPath, '-e', FORWARD, path, String(port)], { stdio: 'ignore' }));
    return path;
  }

  /** Connects again and again until PING is answered. */
  async connected(path: string, options: Partial<RpcClientOptions> = {}): Promise<RpcClient> {
    return new Promise((resolve) => {
      const client: RpcClient = new RpcClient({
        platform: portablePlatform(), log: new ListLogger(), name: 'test', address: { path }, reconnectDelayMs: 50, ...options,
        onConnect: (made) =>
          void made.invoke(GlusterDump.PING, undefined).then(
            () => resolve(made),
            () => {},
          ),
      });
      this.#clients.push(client);
      client.connect();
    });
  }

  stop(): void {
    for (const client of this.#clients) client.disconnect();
    for (const child of this.#children.reverse()) child.kill('SIGKILL');
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
