import type { Host } from './host.js';
import { idlePollingSeconds } from './idle-polling.js';
import { cpuSecondsOf } from './processes.js';

/** The ten rows, in the order in which they are run: each may need what an earlier one has made. */
export const ROWS = {
  'seq-write': { title: 'write 1 MiB sequential', unit: 'MiB/s' },
  'seq-read': { title: 'read 1 MiB sequential', unit: 'MiB/s' },
  'rand-read': { title: 'read 4 KiB random', unit: 'IOPS' },
  'rand-write': { title: 'write 4 KiB random', unit: 'IOPS' },
  create: { title: 'create', unit: 'files/s' },
  stat: { title: 'stat', unit: 'stats/s' },
  read: { title: 'read whole files', unit: 'files/s' },
  list: { title: 'list with stat', unit: 'entries/s' },
  rename: { title: 'rename', unit: 'renames/s' },
  unlink: { title: 'unlink', unit: 'unlinks/s' },
} as const;
export type RowName = keyof typeof ROWS;
export const ROW_NAMES = Object.keys(ROWS) as RowName[];

/** One row of one run: more is better. An operation is what the unit counts. */
export interface Measurement {
  readonly row: RowName;
  readonly perSecond: number;
  /** Of all daemons, in user space and in the kernel. */
  readonly cpuSecondsPerOperation: number;
  /** Of the machine's processors that had nothing to do and didn't halt. */
  readonly pollingSecondsPerOperation: number;
}

export interface WorkloadSizes {
  readonly sequentialMiB: number;
  readonly randomOps: number;
  readonly files: number;
}

interface FioJob {
  read: { io_bytes: number; total_ios: number };
  write: { io_bytes: number; total_ios: number };
  job_runtime: number;
}

interface Work {
  readonly operations: number;
  readonly seconds: number;
}

const MIB = 1 << 20;

/** Runs the wanted rows on a mounted volume, and without measuring what they need of the others. */
export function runWorkloads(host: Host, mountpoint: string, smallfiles: string, sizes: WorkloadSizes, wanted: ReadonlySet<RowName>): Measurement[] {
  const rows: Measurement[] = [];
  const row = (name: RowName, run: () => Work): void => {
    const before = cpuSecondsOf(host.usage());
    const polling = idlePollingSeconds();
    const { operations, seconds } = run();
    const polled = idlePollingSeconds() - polling;
    const cpu = cpuSecondsOf(host.usage()) - before;
    if (wanted.has(name)) rows.push({ row: name, perSecond: operations / seconds, cpuSecondsPerOperation: cpu / operations, pollingSecondsPerOperation: polled / operations });
  };
  const last = ROW_NAMES.findLastIndex((name) => wanted.has(name));
  const upTo = (name: RowName): boolean => ROW_NAMES.indexOf(name) <= last;
  const smallWanted = upTo('create');

  if (ROW_NAMES.slice(0, 4).some((name) => wanted.has(name))) {
    const fio = (args: string, direction: 'read' | 'write', count: (job: FioJob) => number): Work => {
      const text = host.sh(`cd ${mountpoint} && fio --name=j --filename=bench.dat --ioengine=psync --fallocate=none --thread --output-format=json --size=${sizes.sequentialMiB}M ${args}`);
      const parsed: { jobs: FioJob[] } = JSON.parse(text.slice(text.indexOf('{')));
      const job = parsed.jobs[0];
      if (!job) throw new Error(`fio reported no job of ${direction}`);
      return { operations: count(job), seconds: job.job_runtime / 1000 };
    };
    const forget = (): string => host.sh('sync; echo 3 >/proc/sys/vm/drop_caches');
    const random = `--bs=4k --number_ios=${sizes.randomOps}`;
    row('seq-write', () => fio('--rw=write --bs=1M --end_fsync=1', 'write', (job) => job.write.io_bytes / MIB));
    forget();
    if (wanted.has('seq-read')) row('seq-read', () => fio('--rw=read --bs=1M --invalidate=1', 'read', (job) => job.read.io_bytes / MIB));
    forget();
    if (wanted.has('rand-read')) row('rand-read', () => fio(`--rw=randread ${random} --randseed=1`, 'read', (job) => job.read.total_ios));
    if (wanted.has('rand-write')) row('rand-write', () => fio(`--rw=randwrite ${random} --randseed=2 --end_fsync=1`, 'write', (job) => job.write.total_ios));
    host.sh(`rm -f ${mountpoint}/bench.dat`);
  }
  if (!smallWanted) return rows;

  const phase = (name: RowName | 'forget'): Work => {
    const [operations, seconds] = host.sh(`${smallfiles} ${mountpoint}/small ${sizes.files} ${name}`).trim().split(' ').map(Number);
    return { operations: operations ?? NaN, seconds: seconds ?? NaN };
  };
  host.sh(`mkdir -p ${mountpoint}/small`);
  row('create', () => phase('create'));
  phase('forget');
  if (wanted.has('stat')) row('stat', () => phase('stat'));
  if (wanted.has('read')) row('read', () => phase('read'));
  phase('forget');
  if (wanted.has('list')) row('list', () => phase('list'));
  if (upTo('rename')) row('rename', () => phase('rename'));
  if (upTo('unlink')) row('unlink', () => phase('unlink'));
  else host.sh(`rm -rf ${mountpoint}/small`);
  return rows;
}
