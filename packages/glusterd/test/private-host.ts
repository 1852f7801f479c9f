import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** Name of the host within. */
export const HOST = 'gdtest';
const root = resolve(import.meta.dirname, '../../..');
/** Our programs, as words of a shell: the checkout's path may hold blanks. */
export const ourGlusterd = `'${join(root, 'bin/glusterd')}'`;
export const ourGlusterfsd = join(root, 'bin/glusterfsd');
export const ourGlusterfs = join(root, 'bin/glusterfs');
export const ourMountHelper = join(root, 'bin/mount.glusterfs');
export const ourGluster = `'${join(root, 'bin/gluster')}'`;

/** Why no private host can be made here; undefined when it can. */
export function whyNoHost(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (spawnSync('unshare', ['--net', '--mount', '--uts', '--pid', '--fork', 'true']).status !== 0) return 'needs namespaces (unshare)';
  if (!existsSync(join(root, 'apps/glusterd/dist/main.js')) || !existsSync(join(root, 'apps/gluster/dist/main.js'))) return 'needs apps/glusterd and apps/gluster built';
  if (!existsSync(join(root, 'packages/libglusterfs/native/build/Release/glusterts_native.node'))) return 'needs the native addon';
  return undefined;
}

/** Why the real GlusterFS can't be compared with. */
export function whyNoGlusterfs(): string | undefined {
  for (const program of ['glusterd', 'glusterfsd', 'gluster']) {
    try {
      accessSync(`/usr/sbin/${program}`, constants.X_OK);
    } catch {
      return `needs the real ${program} in /usr/sbin`;
    }
  }
  return undefined;
}

/** A host of its own: network, processes, mounts, /var/lib/glusterd, logs, /run, /d and /mnt; all gone when it is closed. */
export class PrivateHost {
  readonly directory = mkdtempSync(join(tmpdir(), 'gdtest-'));
  readonly #name: string;

  /** @param name its host name; a recording's, when what it printed is compared with */
  constructor(name = HOST, aliases: readonly string[] = []) {
    this.#name = name;
    for (const below of ['lib', 'log', 'run', 'd', 'mnt']) mkdirSync(join(this.directory, below));
    writeFileSync(join(this.directory, 'hosts'), `127.0.0.1 localhost\n10.99.0.1 ${name}${aliases.map((alias) => ` ${alias}`).join('')}\n`);
  }

  /** Runs a script as the host's first process; everything that it started ends with it. The disks stay for the next run. */
  run(script: string): string {
    const { directory } = this;
    const boot = [
      'set -e', `hostname ${this.#name}`, 'mount --make-rprivate /', 'mkdir -p /var/lib/glusterd /var/log/glusterfs /d', 'ip link set lo up', 'ip addr add 10.99.0.1/32 dev lo',
      `mount --bind ${directory}/lib /var/lib/glusterd`, `mount --bind ${directory}/log /var/log/glusterfs`, `mount --bind ${directory}/hosts /etc/hosts`, `mount --bind ${directory}/d /d`,
      `mount --bind ${directory}/mnt /mnt`, `mount --bind ${directory}/run /run`, 'mkdir -p /run/gluster', 'export GLUSTERTS_GLUSTERFSD=/usr/sbin/glusterfsd', 'cd /', 'set +e',
    ];
    const file = join(directory, 'script');
    writeFileSync(file, `${boot.join('\n')}\n${script}\n`);
    const result = spawnSync('unshare', ['--net', '--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child', '--mount-proc', 'bash', file], { encoding: 'utf8', timeout: 280_000, maxBuffer: 1 << 26 });
    return `${result.stdout}${result.stderr}`;
  }

  read(path: string): string {
    return readFileSync(join(this.directory, path), 'utf8');
  }

  close(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
