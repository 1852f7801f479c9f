import type { Host } from './host.js';

/** One row of the comparison: more is better. */
export interface Measurement {
  readonly row: string;
  readonly unit: string;
  readonly perSecond: number;
  readonly cpuSecondsPerOperation: number;
}

export interface WorkloadSizes {
  /** Bytes of the file for sequential I/O. */
  readonly sequentialMiB: number;
  readonly randomOps: number;
  readonly files: number;
}

interface FioJob {
  read: { io_bytes: number; runtime: number; total_ios: number };
  write: { io_bytes: number; runtime: number; total_ios: number };
  job_runtime: number;
}

/** Runs every workload on a mounted volume, in the order of docs/performance.md's table. */
export function runWorkloads(host: Host, mountpoint: string, smallfiles: string, sizes: WorkloadSizes): Measurement[] {
  const rows: Measurement[] = [];
  const measured = (row: string, unit: string, run: () => { operations: number; seconds: number }): void => {
    const before = host.usage().cpuSeconds;
    const { operations, seconds } = run();
    const cpu = host.usage().cpuSeconds - before;
    rows.push({ row, unit, perSecond: operations / seconds, cpuSecondsPerOperation: cpu / operations });
  };
  const fio = (args: string, direction: 'read' | 'write', mib: boolean): { operations: number; seconds: number } => {
    const text = host.sh(`cd ${mountpoint} && fio --name=j --filename=bench.dat --ioengine=psync --fallocate=none --thread --output-format=json ${args}`);
    const parsed: { jobs: FioJob[] } = JSON.parse(text.slice(text.indexOf('{')));
    const job = parsed.jobs[0];
    if (!job) throw new Error('fio reported no job');
    const seconds = job.job_runtime / 1000;
    return { operations: mib ? job[direction].io_bytes / (1 << 20) : job[direction].total_ios, seconds };
  };
  const dropCaches = (): string => host.sh('sync; echo 3 >/proc/sys/vm/drop_caches');

  measured('write 1 MiB sequential', 'MiB/s', () => fio(`--rw=write --bs=1M --size=${sizes.sequentialMiB}M --end_fsync=1`, 'write', true));
  dropCaches();
  measured('read 1 MiB sequential', 'MiB/s', () => fio(`--rw=read --bs=1M --size=${sizes.sequentialMiB}M --invalidate=1`, 'read', true));
  dropCaches();
  measured('read 4 KiB random', 'IOPS', () => fio(`--rw=randread --bs=4k --size=${sizes.sequentialMiB}M --number_ios=${sizes.randomOps} --randseed=1`, 'read', false));
  measured('write 4 KiB random', 'IOPS', () => fio(`--rw=randwrite --bs=4k --size=${sizes.sequentialMiB}M --number_ios=${sizes.randomOps} --randseed=2 --end_fsync=1`, 'write', false));
  host.sh(`rm -f ${mountpoint}/bench.dat; mkdir -p ${mountpoint}/small`);

  const before = host.usage().cpuSeconds;
  const lines = host.sh(`${smallfiles} ${mountpoint}/small ${sizes.files}`).trim().split('\n');
  const cpu = (host.usage().cpuSeconds - before) / (lines.length * sizes.files);
  const units: Readonly<Record<string, string>> = { create: 'files/s', stat: 'stats/s', read: 'files/s', list: 'entries/s', rename: 'renames/s', unlink: 'unlinks/s' };
  for (const line of lines) {
    const [name, operations, seconds] = line.split(' ');
    if (name === undefined) continue;
    rows.push({ row: name, unit: units[name] ?? '', perSecond: Number(operations) / Number(seconds), cpuSecondsPerOperation: cpu });
  }
  return rows;
}
