import type { Host } from '../host.js';
import { type Side, startVolume } from '../volume.js';

/** One number of a point, for one side; more is better. */
export type Values = Readonly<Record<string, number>>;

export interface Circumstances {
  /** The program that makes small files. */
  readonly smallfiles: string;
  /** Seconds between the mount and the first request. */
  readonly restSeconds: number;
}

/** One picture: how one measure grows with one thing. */
export interface Question {
  readonly name: string;
  readonly title: string;
  /** What the horizontal axis counts, and how its values are written. */
  readonly axis: string;
  label(x: number): string;
  /** What is measured; the unit of all of them. */
  readonly series: readonly string[];
  readonly unit: string;
  /** In some minutes, and all of them. */
  readonly points: readonly number[];
  readonly fullPoints: readonly number[];
  measure(side: Side, x: number, how: Circumstances): Promise<Values>;
}

const KIB = 1024;
const MIB = KIB * 1024;
const GIB = MIB * 1024;

function bytesLabel(bytes: number): string {
  if (bytes >= GIB) return `${bytes / GIB} GiB`;
  return bytes >= MIB ? `${bytes / MIB} MiB` : `${bytes / KIB} KiB`;
}

function plainLabel(x: number): string {
  return x >= 1e6 ? `${x / 1e6}M` : x >= 1e3 ? `${x / 1e3}k` : String(x);
}

function powers(base: number, from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => base ** (from + i));
}

/** Operations per second of one phase. */
function phase(host: Host, smallfiles: string, folder: string, count: number, name: string, size = 4096): number {
  const [operations, seconds] = host.sh(`${smallfiles} ${folder} ${count} ${name} ${size}`).trim().split(' ').map(Number);
  return (operations ?? NaN) / (seconds ?? NaN);
}

async function withVolume(side: Side, bricks: number, mounts: number, restSeconds: number, use: (host: Host) => Values): Promise<Values> {
  const host = await startVolume(side, { bricks, words: '' }, 'tmpfs', { mounts, restSeconds });
  try {
    host.sh('for m in /mnt/v*; do mkdir -p $m/sweep; done');
    return use(host);
  } finally {
    await host.stop();
  }
}

/** Bytes that one point of the sizes writes, about. */
const SIZE_TOTAL = 64 * MIB;
const FILES_EACH_MAX = 400;
const FILES_EACH = 400;
const CLIENT_FILES = 200;

/** distribute over two bricks on tmpfs, one client, unless it is what grows. */
export const QUESTIONS: readonly Question[] = [
  {
    name: 'size', title: 'The size of files: whole files written and read by one process', axis: 'bytes of a file', label: bytesLabel, series: ['write', 'read'], unit: 'MiB/s',
    points: powers(4, 6, 14), fullPoints: powers(4, 6, 15),
    measure: (side, size, { smallfiles, restSeconds }) => withVolume(side, 2, 1, restSeconds, (host) => {
      const count = Math.min(FILES_EACH_MAX, Math.max(1, Math.floor(SIZE_TOTAL / size)));
      const write = phase(host, smallfiles, '/mnt/v0/sweep', count, 'create', size);
      phase(host, smallfiles, '/mnt/v0/sweep', count, 'forget');
      const read = phase(host, smallfiles, '/mnt/v0/sweep', count, 'read', size);
      return { write: (write * size) / MIB, read: (read * size) / MIB };
    }),
  },
  {
    name: 'files', title: 'The number of files in one directory', axis: 'files', label: plainLabel, series: ['create', 'stat', 'list with stat'], unit: 'a second',
    points: powers(10, 2, 4), fullPoints: powers(10, 2, 6),
    measure: (side, count, { smallfiles, restSeconds }) => withVolume(side, 2, 1, restSeconds, (host) => {
      const folder = '/mnt/v0/sweep';
      const create = phase(host, smallfiles, folder, count, 'create');
      phase(host, smallfiles, folder, count, 'forget');
      const stat = phase(host, smallfiles, folder, count, 'stat');
      phase(host, smallfiles, folder, count, 'forget');
      return { create, stat, 'list with stat': phase(host, smallfiles, folder, count, 'list') };
    }),
  },
  {
    name: 'bricks', title: 'The number of bricks (distribute)', axis: 'bricks', label: plainLabel, series: ['create', 'stat', 'list with stat'], unit: 'a second',
    points: powers(2, 0, 4), fullPoints: powers(2, 0, 5),
    measure: (side, bricks, { smallfiles, restSeconds }) => withVolume(side, bricks, 1, restSeconds, (host) => {
      const folder = '/mnt/v0/sweep';
      const create = phase(host, smallfiles, folder, FILES_EACH, 'create');
      phase(host, smallfiles, folder, FILES_EACH, 'forget');
      const stat = phase(host, smallfiles, folder, FILES_EACH, 'stat');
      phase(host, smallfiles, folder, FILES_EACH, 'forget');
      return { create, stat, 'list with stat': phase(host, smallfiles, folder, FILES_EACH, 'list') };
    }),
  },
  {
    name: 'clients', title: 'The number of clients (mounts), each with a directory of its own; all together', axis: 'clients', label: plainLabel, series: ['create', 'stat', 'read'], unit: 'a second',
    points: powers(2, 0, 3), fullPoints: powers(2, 0, 4),
    measure: (side, clients, { smallfiles, restSeconds }) => withVolume(side, 2, clients, restSeconds, (host) => {
      host.sh(`for i in $(seq 0 ${clients - 1}); do mkdir -p /mnt/v$i/sweep/of$i; done`);
      const together = (name: string): number => {
        const begin = performance.now();
        host.sh(`for i in $(seq 0 ${clients - 1}); do ${smallfiles} /mnt/v$i/sweep/of$i ${CLIENT_FILES} ${name} >/dev/null & all="$all $!"; done; for p in $all; do wait $p || exit 1; done`);
        return (clients * CLIENT_FILES) / ((performance.now() - begin) / 1000);
      };
      const create = together('create');
      phase(host, smallfiles, '/mnt/v0/sweep/of0', CLIENT_FILES, 'forget');
      const stat = together('stat');
      return { create, stat, read: together('read') };
    }),
  },
];
