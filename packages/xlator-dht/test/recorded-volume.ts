import { execFileSync } from 'node:child_process';
import { type Stats, lstatSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Graph, type Statvfs, localStorage } from '@glusterts/libglusterfs';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as locks } from '@glusterts/xlator-locks';
import { xlators as posix } from '@glusterts/xlator-posix';
import { xlators as distribute } from '../src/index.js';
import { type Sent, Wire, wireInto } from './wire.js';

/** Why bricks on disk can't be had here; undefined when they can. */
export function whyNoBricks(): string | undefined {
  if (!localStorage().available) return 'the native addon is not built (node tools/build-native.mjs)';
  if (process.getuid?.() !== 0) return 'trusted.* xattrs need root';
  return undefined;
}

export interface RecordedVolumeOptions {
  /** As in the vectors: `v3`, whose xlators are `v3-dht` and `v3-client-0` … */
  readonly name: string;
  readonly bricks: number;
  /** Options of cluster/distribute. */
  readonly options?: Readonly<Record<string, string>>;
  /** Lines of volfile for storage/posix. */
  readonly brickOptions?: readonly string[];
  /** Disk numbers of each brick; without them the bricks are equal and of a fixed size, so that layouts don't depend on the machine. */
  readonly disks?: readonly Partial<Statvfs>[];
}

const DISK: Partial<Statvfs> = { f_bsize: 4096, f_frsize: 4096, f_blocks: 1_000_000, f_bfree: 1_000_000, f_bavail: 1_000_000, f_files: 1_000_000, f_ffree: 1_000_000 };

/** A distribute volume named as a recorded one, over storage/posix, which the test can look at, cut and listen to. */
export class RecordedVolume {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'dht-recorded-'));
  readonly sent: Sent[] = [];
  readonly #wires = new Map<string, Wire>();
  readonly #graphs: Graph[] = [];
  readonly #made: RecordedVolumeOptions;
  /** For the mounts to come. */
  disks: readonly Partial<Statvfs>[];

  constructor(options: RecordedVolumeOptions) {
    this.#made = options;
    this.disks = options.disks ?? [];
    for (let i = 0; i < options.bricks; i++) mkdirSync(this.disk(i), { recursive: true });
  }

  disk(brick: number): string {
    return path.join(this.directory, `b${brick + 1}/brick`);
  }

  subvol(brick: number): string {
    return `${this.#made.name}-client-${brick}`;
  }

  wire(brick: number): Wire {
    const wire = this.#wires.get(this.subvol(brick));
    if (!wire) throw new Error(`no brick ${brick}`);
    return wire;
  }

  /** A new mount, with other options of distribute if they are given. */
  async mount(options: Readonly<Record<string, string>> = this.#made.options ?? {}): Promise<GraphDriver> {
    const { name, bricks, brickOptions = [] } = this.#made;
    const indices = Array.from({ length: bricks }, (_, i) => i);
    const leaves = indices.map((i) => `volume posix-${i}\n type storage/posix\n option directory ${this.disk(i)}\n option health-check-interval 0\n${brickOptions.map((line) => ` option ${line}\n`).join('')}end-volume
volume locks-${i}\n type features/locks\n subvolumes posix-${i}\nend-volume
volume ${this.subvol(i)}\n type test/wire\n subvolumes locks-${i}\nend-volume\n`);
    const settings = Object.entries(options).map(([key, value]) => ` option ${key} ${value}\n`).join('');
    const text = `${leaves.join('')}volume ${name}-dht\n type cluster/distribute\n${settings} subvolumes ${indices.map((i) => this.subvol(i)).join(' ')}\nend-volume\n`;
    const tell = wireInto(this.sent, this.#wires);
    const told = { ...tell, create: (context: Parameters<typeof tell.create>[0]) => {
      const wire = tell.create(context);
      const brick = Number(/\d+$/.exec(context.name)?.[0]);
      if (wire instanceof Wire) Object.assign(wire, { disk: this.disks[brick] ?? DISK, leaf: brick, leaves: bricks });
      return wire;
    } };
    const graph = await testGraph(text, [...posix, ...locks, ...distribute, told]);
    this.#graphs.push(graph);
    const driver = new GraphDriver(graph.topSubvolume, graph);
    // Disk numbers were asked for when the bricks came up, in the background.
    await driver.statfs();
    await driver.root();
    return driver;
  }

  /** One xattr on a brick, in hex; undefined when it isn't there. */
  xattr(brick: number, name: string, key: string): string | undefined {
    try {
      const text = execFileSync('getfattr', ['-h', '-n', key, '-e', 'hex', '--absolute-names', path.join(this.disk(brick), name)], { encoding: 'latin1', stdio: ['ignore', 'pipe', 'ignore'] });
      return /=0x([0-9a-f]*)$/m.exec(text)?.[1] ?? '';
    } catch {
      return undefined;
    }
  }

  /** The file on a brick; undefined when there is none. */
  stat(brick: number, name: string): Stats | undefined {
    return lstatSync(path.join(this.disk(brick), name), { throwIfNoEntry: false });
  }

  async stop(): Promise<void> {
    for (const graph of this.#graphs) await graph.fini();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
