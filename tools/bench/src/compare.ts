import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { HostOptions } from './host.js';
import { PROCESS_KINDS, type ProcessKind, type Usages } from './processes.js';
import { type Spread, geometricMean, median, spread } from './statistics.js';
import { type Side, layoutNamed, startVolume } from './volume.js';
import { type Measurement, ROWS, ROW_NAMES, type RowName, type WorkloadSizes, runWorkloads } from './workloads.js';

export interface CompareOptions {
  readonly disk: 'tmpfs' | 'ext4';
  readonly pairs: number;
  /** How often the rows are run on the same mount: the first time in processes that have just started, the last in ones that are warm. */
  readonly rounds: number;
  /** Seconds between the mount and the first row. */
  readonly restSeconds: number;
  readonly rows: ReadonlySet<RowName>;
  readonly sizes: WorkloadSizes;
  /** GlusterFS against itself: what differs then is noise. */
  readonly self: boolean;
  progress(line: string): void;
}

interface Run {
  readonly rounds: readonly (readonly Measurement[])[];
  readonly rest: Usages;
  readonly after: Usages;
}

export interface RowResult {
  readonly row: RowName;
  readonly unit: string;
  /** Per second: more is better. */
  readonly ours: Spread;
  readonly theirs: Spread;
  /** Ours by theirs, pair by pair. */
  readonly ratio: Spread;
  /** Processor microseconds of all daemons per operation. */
  readonly oursCpuUs: number;
  readonly theirsCpuUs: number;
  readonly cpuRatio: Spread;
  /** Microseconds per operation that processors of the machine polled in place of halting. */
  readonly oursPollingUs: number;
  readonly theirsPollingUs: number;
  /** Processor time and polling together, ours by theirs. */
  readonly cpuAndPollingRatio: Spread;
}

/** MiB of all processes of a kind: with the mount made, and the most until the end of the rows. */
export interface MemoryResult {
  readonly kind: ProcessKind;
  readonly processes: number;
  readonly restRssMiB: number;
  readonly restPssMiB: number;
  readonly endPssMiB: number;
  readonly peakRssMiB: number;
}

export interface RoundResult {
  readonly rows: readonly RowResult[];
  readonly geometricMean: number;
}

export interface VolumeResult {
  readonly volume: string;
  readonly disk: string;
  readonly pairs: number;
  readonly self: boolean;
  readonly rounds: readonly RoundResult[];
  readonly memory: { readonly ours: readonly MemoryResult[]; readonly theirs: readonly MemoryResult[] };
}

const IMAGE_BYTES = '12G';

/** An image file on the real disk, for the ext4 that bricks of both sides lie on. */
export class DiskImage implements Disposable {
  readonly #folder = mkdtempSync(path.join(process.env['BENCH_DISK'] ?? tmpdir(), 'glusterts-bench-disk-'));
  readonly image = path.join(this.#folder, 'bricks.ext4');

  constructor() {
    execFileSync('truncate', ['-s', IMAGE_BYTES, this.image]);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function measure(side: Side, volume: string, bricks: HostOptions['bricks'], smallfiles: string, options: CompareOptions): Promise<Run> {
  const host = await startVolume(side, layoutNamed(volume), bricks, { restSeconds: options.restSeconds });
  try {
    const rest = host.usage('all');
    const rounds = Array.from({ length: options.rounds }, () => runWorkloads(host, '/mnt/v0', smallfiles, options.sizes, options.rows));
    return { rounds, rest, after: host.usage('all') };
  } finally {
    await host.stop();
  }
}

function memoryOf(runs: readonly Run[]): MemoryResult[] {
  return PROCESS_KINDS.map((kind): MemoryResult => ({
    kind,
    processes: runs[0]?.after[kind].processes ?? 0,
    restRssMiB: median(runs.map(({ rest }) => rest[kind].rssMiB)),
    restPssMiB: median(runs.map(({ rest }) => rest[kind].pssMiB)),
    endPssMiB: median(runs.map(({ after }) => after[kind].pssMiB)),
    peakRssMiB: median(runs.map(({ after }) => after[kind].peakRssMiB)),
  })).filter(({ processes }) => processes > 0);
}

function column(runs: readonly Run[], round: number, row: RowName, pick: (measurement: Measurement) => number): number[] {
  return runs.map(({ rounds }) => {
    const found = rounds[round]?.find((measurement) => measurement.row === row);
    return found ? pick(found) : NaN;
  });
}

/** One volume, ours and theirs in turn. */
export async function compareVolume(volume: string, smallfiles: string, options: CompareOptions): Promise<VolumeResult> {
  using disk = options.disk === 'ext4' ? new DiskImage() : undefined;
  const bricks = disk ? { image: disk.image } : 'tmpfs';
  const runs: { ours: Run[]; theirs: Run[] } = { ours: [], theirs: [] };
  for (let pair = 0; pair < options.pairs; pair++) {
    // Which goes first changes from pair to pair, so that neither always finds the machine warmer.
    for (const who of pair % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const)) {
      const side: Side = who === 'theirs' || options.self ? 'GlusterFS' : 'ours';
      options.progress(`${volume} on ${options.disk}, pair ${pair + 1} of ${options.pairs}: ${side}`);
      runs[who].push(await measure(side, volume, bricks, smallfiles, options));
    }
  }
  return {
    volume,
    disk: options.disk,
    pairs: options.pairs,
    self: options.self,
    rounds: Array.from({ length: options.rounds }, (_, round) => roundResult(runs, round, options.rows)),
    memory: { ours: memoryOf(runs.ours), theirs: memoryOf(runs.theirs) },
  };
}

function roundResult(runs: { readonly ours: readonly Run[]; readonly theirs: readonly Run[] }, round: number, wanted: ReadonlySet<RowName>): RoundResult {
  const rows = ROW_NAMES.filter((row) => wanted.has(row)).map((row): RowResult => {
    const both = (pick: (measurement: Measurement) => number): { ours: number[]; theirs: number[] } => ({ ours: column(runs.ours, round, row, pick), theirs: column(runs.theirs, round, row, pick) });
    const speeds = both((m) => m.perSecond);
    const cpu = both((m) => m.cpuSecondsPerOperation * 1e6);
    const polling = both((m) => m.pollingSecondsPerOperation * 1e6);
    const all = both((m) => (m.cpuSecondsPerOperation + m.pollingSecondsPerOperation) * 1e6);
    const byPair = (of: { ours: number[]; theirs: number[] }): Spread => spread(of.ours.map((value, i) => value / (of.theirs[i] ?? NaN)));
    return {
      row,
      unit: ROWS[row].unit,
      ours: spread(speeds.ours),
      theirs: spread(speeds.theirs),
      ratio: byPair(speeds),
      oursCpuUs: median(cpu.ours),
      theirsCpuUs: median(cpu.theirs),
      cpuRatio: byPair(cpu),
      oursPollingUs: median(polling.ours),
      theirsPollingUs: median(polling.theirs),
      cpuAndPollingRatio: byPair(all),
    };
  });
  return { rows, geometricMean: geometricMean(rows.map(({ ratio }) => ratio.median)) };
}
