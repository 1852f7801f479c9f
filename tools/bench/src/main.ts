/**
 * `npm run bench`: the same workloads on our volume and on GlusterFS's, in turn, in one run, on the same disk.
 */
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Host } from './host.js';
import { type Measurement, runWorkloads } from './workloads.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

const { values: options } = parseArgs({
  options: {
    layout: { type: 'string', multiple: true, default: ['distribute-2', 'disperse-4+2'] },
    disk: { type: 'string', default: 'tmpfs' },
    pairs: { type: 'string', default: '1' },
    mib: { type: 'string', default: '256' },
    ios: { type: 'string', default: '10000' },
    files: { type: 'string', default: '2000' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) {
  console.log('npm run bench -- [--layout distribute-2|disperse-4+2 …] [--disk tmpfs|FOLDER] [--pairs N] [--mib N] [--ios N] [--files N] [--json]');
  process.exit(0);
}

const LAYOUTS: Readonly<Record<string, { bricks: number; words: string }>> = {
  'distribute-2': { bricks: 2, words: '' },
  'disperse-4+2': { bricks: 6, words: 'disperse 6 redundancy 2' },
};

function smallfilesProgram(): string {
  const program = path.join(tmpdir(), `glusterts-smallfiles-${process.pid}`);
  execFileSync('cc', ['-O2', '-o', program, path.join(root, 'tools/bench/native/smallfiles.c')]);
  return program;
}

async function measure(side: 'ours' | 'GlusterFS', layout: string, smallfiles: string): Promise<{ rows: Measurement[]; residentMiB: number }> {
  const shape = LAYOUTS[layout];
  if (!shape) throw new Error(`unknown layout ${layout}; known: ${Object.keys(LAYOUTS).join(', ')}`);
  const host = await Host.start({ bricks: options.disk === 'tmpfs' ? 'tmpfs' : { folder: options.disk }, bin: side === 'ours' ? path.join(root, 'bin') : undefined });
  try {
    host.sh('glusterd');
    host.sh('for i in $(seq 50); do gluster --mode=script volume list >/dev/null 2>&1 && exit 0; sleep 0.2; done; exit 1');
    const bricks = Array.from({ length: shape.bricks }, (_, i) => `benchhost:/d/b${i}`).join(' ');
    host.sh(`gluster --mode=script volume create v ${shape.words} ${bricks} force && gluster --mode=script volume start v && mkdir -p /mnt/v && glusterfs -s benchhost --volfile-id v /mnt/v`);
    host.sh('for i in $(seq 100); do touch /mnt/v/ready 2>/dev/null && exit 0; sleep 0.1; done; exit 1');
    const rows = runWorkloads(host, '/mnt/v', smallfiles, { sequentialMiB: Number(options.mib), randomOps: Number(options.ios), files: Number(options.files) });
    return { rows, residentMiB: host.usage().residentMiB };
  } finally {
    host.stop();
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

interface RowResult { row: string; unit: string; ours: number; theirs: number; ratio: number; cpuRatio: number }

async function compare(layout: string, smallfiles: string): Promise<{ layout: string; rows: RowResult[]; geometricMean: number; residentMiB: { ours: number; theirs: number } }> {
  const ours: Measurement[][] = [];
  const theirs: Measurement[][] = [];
  const resident = { ours: 0, theirs: 0 };
  for (let pair = 0; pair < Number(options.pairs); pair++) {
    // Which goes first changes from pair to pair, so that neither always finds the machine warmer.
    const order = pair % 2 === 0 ? (['GlusterFS', 'ours'] as const) : (['ours', 'GlusterFS'] as const);
    for (const side of order) {
      process.stderr.write(`${layout}, pair ${pair + 1}: ${side} …\n`);
      const { rows, residentMiB } = await measure(side, layout, smallfiles);
      (side === 'ours' ? ours : theirs).push(rows);
      resident[side === 'ours' ? 'ours' : 'theirs'] = residentMiB;
    }
  }
  const rows = (ours[0] ?? []).map(({ row, unit }, i): RowResult => {
    const of = (runs: Measurement[][], pick: (m: Measurement) => number): number => median(runs.map((run) => { const m = run[i]; return m ? pick(m) : NaN; }));
    const mine = of(ours, (m) => m.perSecond);
    const other = of(theirs, (m) => m.perSecond);
    return { row, unit, ours: mine, theirs: other, ratio: mine / other, cpuRatio: of(ours, (m) => m.cpuSecondsPerOperation) / of(theirs, (m) => m.cpuSecondsPerOperation) };
  });
  return { layout, rows, geometricMean: Math.exp(rows.reduce((sum, row) => sum + Math.log(row.ratio), 0) / rows.length), residentMiB: resident };
}

const smallfiles = smallfilesProgram();
const results = [];
for (const layout of options.layout) results.push(await compare(layout, smallfiles));
if (options.json) console.log(JSON.stringify({ disk: options.disk, pairs: Number(options.pairs), results }, null, 2));
else {
  for (const result of results) {
    console.log(`\n${result.layout}, bricks on ${options.disk}, ${options.pairs} pair(s), medians`);
    console.log(`${'row'.padEnd(26)}${'ours'.padStart(12)}${'GlusterFS'.padStart(12)}  ${'unit'.padEnd(10)}${'ratio'.padStart(7)}${'cpu/op'.padStart(9)}`);
    for (const row of result.rows) {
      console.log(`${row.row.padEnd(26)}${row.ours.toFixed(0).padStart(12)}${row.theirs.toFixed(0).padStart(12)}  ${row.unit.padEnd(10)}${row.ratio.toFixed(2).padStart(7)}${row.cpuRatio.toFixed(2).padStart(9)}`);
    }
    console.log(`geometric mean of the ratios ${result.geometricMean.toFixed(2)}; resident MiB of all processes: ours ${result.residentMiB.ours.toFixed(0)}, GlusterFS ${result.residentMiB.theirs.toFixed(0)}`);
  }
}
