import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { Host, type HostOptions } from '../../bench/src/host.ts';

export const ROOT = path.resolve(import.meta.dirname, '../../..');
const BIN = path.join(ROOT, 'bin');

export type Side = 'ours' | 'real';

/** Why clusters can't be run here, or undefined. */
export function whyNot(needsReal: boolean): string | undefined {
  if (process.env['GLUSTERTS_PORTABLE'] === '1') return 'GLUSTERTS_PORTABLE=1: mounts and bricks need the native addon';
  if (process.getuid?.() !== 0) return 'it needs root';
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse';
  if (!existsSync(path.join(ROOT, 'packages/libglusterfs/native/build/Release/glusterts_native.node'))) return 'the native addon is not built';
  if (!existsSync(path.join(ROOT, 'apps/glusterfsd/dist/main.js'))) return 'the daemons are not built';
  if (needsReal && !existsSync('/usr/sbin/glusterfsd')) return 'the real GlusterFS is not installed';
  return undefined;
}

/** The words that run a program of one side, whatever PATH says. */
export function program(side: Side, name: 'glusterd' | 'glusterfsd' | 'glusterfs' | 'gluster'): string {
  return side === 'ours' ? `'${path.join(BIN, name)}'` : `/usr/sbin/${name}`;
}

export interface Shape {
  readonly bricks: number;
  /** Words of `volume create` before the bricks. */
  readonly words: string;
}

export const DISTRIBUTE_2: Shape = { bricks: 2, words: '' };
export const DISPERSE_4_2: Shape = { bricks: 6, words: 'disperse 6 redundancy 2' };

/** A host with one node's pool on it: glusterd and its bricks of one side, mounts of either. */
export class Cluster {
  readonly host: Host;
  readonly side: Side;
  readonly name: string;

  private constructor(host: Host, side: Side, name: string) {
    this.host = host;
    this.side = side;
    this.name = name;
  }

  static async start(side: Side, where: Partial<Pick<HostOptions, 'bricks' | 'name'>> = {}): Promise<Cluster> {
    const host = await Host.start({ bricks: 'tmpfs', bin: side === 'ours' ? BIN : undefined, ...where });
    const cluster = new Cluster(host, side, where.name ?? 'benchhost');
    try {
      cluster.startGlusterd();
    } catch (error) {
      host.stop();
      throw error;
    }
    return cluster;
  }

  startGlusterd(): void {
    this.host.sh(program(this.side, 'glusterd'));
    this.host.sh(`for i in $(seq 100); do ${this.gluster} volume list >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1`);
  }

  get gluster(): string {
    return `${program(this.side, 'gluster')} --mode=script`;
  }

  /** Creates and starts a volume on /d/NAME0, /d/NAME1 … */
  createVolume(name: string, shape: Shape): void {
    const bricks = Array.from({ length: shape.bricks }, (_, i) => `${this.name}:/d/${name}${i}`).join(' ');
    this.host.sh(`${this.gluster} volume create ${name} ${shape.words} ${bricks} force && ${this.gluster} volume start ${name}`);
  }

  /** Mounts with one side's client, and waits until the volume answers. */
  mount(side: Side, volume: string, mountpoint: string, options = ''): void {
    this.host.sh(`mkdir -p ${mountpoint} && ${program(side, 'glusterfs')} -s ${this.name} --volfile-id ${volume} ${options} -l /var/log/glusterfs/${path.basename(mountpoint)}.log ${mountpoint}`);
    this.host.sh(`for i in $(seq 200); do stat -f ${mountpoint} >/dev/null 2>&1 && touch ${mountpoint}/.answers 2>/dev/null && rm -f ${mountpoint}/.answers && exit 0; sleep 0.1; done; cat /var/log/glusterfs/${path.basename(mountpoint)}.log; exit 1`);
  }

  unmount(mountpoint: string): void {
    this.host.sh(`umount ${mountpoint}`);
  }

  /** Kills a brick as a crash would. */
  killBrick(volume: string, index: number): void {
    // The brackets keep the shell's own command line from matching.
    const pattern = `--brick-nam[e] /d/${volume}${index} `;
    this.host.sh(`pid=$(pgrep -f -- "${pattern}"); [ -n "$pid" ] && kill -9 $pid; for i in $(seq 50); do pgrep -f -- "${pattern}" >/dev/null || exit 0; sleep 0.1; done; exit 1`);
  }

  stop(): Promise<void> {
    return this.host.stop();
  }
}

/** A shell script that makes a tree of 5,000 files and 200 MiB in a folder: many small ones, some large, deep folders, links, odd names. */
export function treeScript(folder: string): string {
  return `
mkdir -p ${folder} && cd ${folder}
python3 - <<'PY'
import os, random
random.seed(7)
total = 0
for i in range(5000):
    d = 'd%02d/e%d' % (i % 40, i % 7)
    os.makedirs(d, exist_ok=True)
    size = random.choice([0, 1, 511, 512, 513, 2047, 2048, 2049, 4096, 10000, 40000])
    with open('%s/f%d' % (d, i), 'wb') as f: f.write(random.randbytes(size))
    total += size
i = 0
while total < 210 * 1024 * 1024:
    size = 7 * 1024 * 1024 + random.randrange(100000)
    with open('d%02d/big%d' % (i % 40, i), 'wb') as f: f.write(random.randbytes(size))
    total += size
    i += 1
os.symlink('f0', 'd00/e0/link'); os.symlink('/nowhere', 'd01/dangling')
os.link('d00/e0/f0', 'd00/e0/hard')
open(b'd02/\\xff\\xfe not utf8', 'wb').write(b'bytes')
open('d02/with  blanks\\tand\\nlines', 'w').write('x')
os.makedirs('/'.join(['deep'] * 30)); open('/'.join(['deep'] * 30) + '/leaf', 'w').write('leaf')
os.chmod('d03/e3', 0o2755)
PY
find . -type f | wc -l`;
}

/** Whether a folder exists on this machine, for tests that need a checkout. */
export function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
