/**
 * `npm run bench`: the same workloads on our volume and on GlusterFS's, in turn, in one run, on the same disk.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compareReport } from './compare-report.js';
import { type VolumeResult, compareVolume } from './compare.js';
import { type ConnectionsResult, connectionsReport, manyConnections } from './connections/connections.js';
import { MICRO_SUBJECTS, micro } from './micro/micro.js';
import { Programs } from './programs.js';
import { sweepPage } from './sweep/page.js';
import { QUESTIONS } from './sweep/questions.js';
import { type SweepResult, pointsOf, questionNamed, sweep } from './sweep/sweep.js';
import { UsageError } from './usage-error.js';
import { LAYOUTS, layoutNamed } from './volume.js';
import { ROW_NAMES, type RowName } from './workloads.js';

const HELP = `npm run bench -- [options]            our volume and GlusterFS's, in turn, in one run (needs root, fio, glusterfs-server)
  --volumes NAMES    of ${Object.keys(LAYOUTS).join(', ')}, with commas; default distribute-2,disperse-4+2
  --rows NAMES       of ${ROW_NAMES.join(', ')}, with commas; default all
  --disk tmpfs|ext4  where the bricks lie: memory, or an ext4 in a file under BENCH_DISK (default /tmp); default tmpfs
  --pairs N          default 5; which side is first alternates
  --rounds N         default 2: the rows once in processes that have just started, and again on the same mount
  --rest SECONDS     between the mount and the first row; default 0
  --mib N --ios N --files N   sizes; default 256, 10000, 2000
  --quick            two pairs and small sizes, to see that it works
  --self             GlusterFS against itself: the noise
  --json FILE        the results, also as JSON
npm run bench -- --sweep [--full | --points LIST] [--questions NAMES] [--pairs N] [--rest SECONDS] [--page FILE] [--json FILE]   how the cost grows, as a page of pictures
  --questions NAMES  of ${QUESTIONS.map(({ name }) => name).join(', ')}, with commas; default all
  --points LIST      these points only, of all that there are, with commas: --questions bricks,clients --points 16,32
  --full             every point: files to 1 GiB, directories to a million, 32 bricks, 16 clients (hours); --quick: the first two points
  --page FILE        default bench-sweep.html
npm run bench -- connections [--count 10000] [--self] [--json FILE]   many idle connections to one brick; --self: GlusterFS's too
npm run bench -- micro [NAMES] [--quick] [--json FILE]   parts by themselves: ${MICRO_SUBJECTS.join(', ')} (Reed-Solomon: node tools/bench/dist/reed-solomon.js)`;

process.on('uncaughtException', (error) => {
  console.error(error instanceof UsageError ? `bench: ${error.message}\nnpm run bench -- --help says what there is` : error);
  process.exit(error instanceof UsageError ? 2 : 1);
});

function asUsage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

const { values: options, positionals } = asUsage(() => parseArgs({
  allowPositionals: true,
  options: {
    volumes: { type: 'string', default: 'distribute-2,disperse-4+2' },
    rows: { type: 'string', default: ROW_NAMES.join(',') },
    disk: { type: 'string', default: 'tmpfs' },
    pairs: { type: 'string' },
    rounds: { type: 'string' },
    rest: { type: 'string', default: '0' },
    mib: { type: 'string' },
    ios: { type: 'string' },
    files: { type: 'string' },
    quick: { type: 'boolean', default: false },
    self: { type: 'boolean', default: false },
    json: { type: 'string' },
    sweep: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    questions: { type: 'string', default: QUESTIONS.map(({ name }) => name).join(',') },
    points: { type: 'string' },
    page: { type: 'string', default: 'bench-sweep.html' },
    count: { type: 'string', default: '10000' },
    help: { type: 'boolean', default: false },
  },
}));

const REST_SECONDS_MAX = 3600;

function count(name: 'pairs' | 'rounds' | 'mib' | 'ios' | 'files', full: number, quick: number): number {
  const text = options[name];
  const value = text === undefined ? (options.quick ? quick : full) : Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new UsageError(`--${name} ${text}: a whole number from 1 on is meant`);
  return value;
}

function restSeconds(): number {
  const seconds = Number(options.rest);
  if (!(seconds >= 0 && seconds <= REST_SECONDS_MAX)) throw new UsageError(`--rest ${options.rest}: seconds are meant, up to ${REST_SECONDS_MAX}`);
  return seconds;
}

function rowNamed(name: string): RowName {
  const row = ROW_NAMES.find((known) => known === name);
  if (!row) throw new UsageError(`unknown row ${name}; known: ${ROW_NAMES.join(', ')}`);
  return row;
}

async function compare(): Promise<void> {
  const { disk } = options;
  if (disk !== 'tmpfs' && disk !== 'ext4') throw new UsageError(`--disk ${disk}: tmpfs or ext4 is meant`);
  const volumes = options.volumes.split(',');
  for (const volume of volumes) layoutNamed(volume);
  const rows = new Set(options.rows.split(',').map(rowNamed));
  const sizes = { sequentialMiB: count('mib', 256, 64), randomOps: count('ios', 10_000, 1000), files: count('files', 2000, 300) };
  const programs = new Programs();
  const results: VolumeResult[] = [];
  try {
    for (const volume of volumes) {
      const result = await compareVolume(volume, programs.smallfiles, {
        disk, rows, sizes, pairs: count('pairs', 5, 2), rounds: count('rounds', 2, 1), restSeconds: restSeconds(), self: options.self, progress: (line) => process.stderr.write(`${line} …\n`),
      });
      results.push(result);
      console.log(compareReport(result));
      // After each volume: a run that is broken off leaves what it had.
      if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ sizes, results }, undefined, 1)}\n`);
    }
  } finally {
    programs.remove();
  }
}

async function connections(): Promise<void> {
  const results: ConnectionsResult[] = [];
  for (const side of options.self ? (['ours', 'GlusterFS'] as const) : (['ours'] as const)) results.push(await manyConnections(side, Number(options.count)));
  console.log(connectionsReport(results));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, undefined, 1)}\n`);
}

async function growth(): Promise<void> {
  const names = options.questions.split(',');
  const which = { full: options.full, quick: options.quick, only: options.points?.split(',').map(Number) };
  // Before anything is measured.
  for (const name of names) pointsOf(questionNamed(name), which);
  const programs = new Programs();
  const pairs = count('pairs', 1, 1);
  const rest = restSeconds();
  const about = `Distribute over two bricks on tmpfs, default options, one process of one mount, unless it is what grows; median of ${pairs} run(s), each side in turn. The first request came ${rest} s after the mount.`;
  const write = (results: readonly SweepResult[]): void => {
    writeFileSync(options.page, sweepPage(results, about));
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, undefined, 1)}\n`);
  };
  try {
    await sweep({ names, ...which, pairs, smallfiles: programs.smallfiles, restSeconds: rest, progress: (line) => process.stderr.write(`${line} …\n`), done: write });
  } finally {
    programs.remove();
  }
  console.log(`wrote ${options.page}`);
}

const MICRO_MS = 1000;
const MICRO_QUICK_MS = 100;

const [command, ...names] = positionals;
if (options.help) console.log(HELP);
else if (options.sweep) await growth();
else if (command === undefined) await compare();
else if (command === 'connections') await connections();
else if (command === 'micro') {
  const rows = await micro(names, options.quick ? MICRO_QUICK_MS : MICRO_MS);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, undefined, 1)}\n`);
} else throw new UsageError(`unknown command ${command}`);
