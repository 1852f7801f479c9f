/**
 * Reed-Solomon beside ISA-L and memcpy, in one run, turn by turn: `node tools/bench/dist/reed-solomon.js [--all] [--json] [--volumes
 * 5+2,12+4]`. The fastest level is measured, or with --all each. MB/s of user data, medians. ISA-L does as many products of the same size; a level for AVX2 is compared with
 * ISA-L's code for AVX2. Another ISA-L than the system's is taken by gcc's own variables (CPATH, LIBRARY_PATH, LD_LIBRARY_PATH).
 *
 * memcpy moves the same bytes: encoding D bytes for k+r bricks reads D and writes D·(k+r)/k, so memcpy copies half the sum, which it reads and
 * writes; decoding reads D and writes D, so memcpy copies D. Its speed is given in MB/s of D too: the ratio is the time memcpy takes by the time
 * the code takes.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CHUNK_SIZE, type ReedSolomon, createPlatform, reedSolomons } from '@glusterts/libglusterfs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const SIZES = [128 << 10, 1 << 20];
const TURNS = 9;
/** The best of so many times stands for a turn: in the others another process had the processor. */
const PARTS = 8;
/** About this much data is gone through in each. */
const PART_BYTES = 32 << 20;

interface Row {
  readonly k: number;
  readonly r: number;
  readonly bytes: number;
  readonly level: string;
  readonly operation: 'encode' | 'decode';
  readonly mbPerSecond: number;
  readonly isalMbPerSecond: number | null;
  readonly toIsal: number | null;
  readonly memcpyMbPerSecond: number | null;
  readonly toMemcpy: number | null;
}

function compile(folder: string, name: string, ...libraries: string[]): string | undefined {
  const program = path.join(folder, name);
  try {
    execFileSync('cc', ['-O2', '-o', program, path.join(root, `tools/bench/native/${name}.c`), ...libraries], { stdio: 'ignore' });
    return program;
  } catch {
    return undefined;
  }
}

function rounds(bytes: number, k: number): number {
  return Math.ceil(PART_BYTES / bytes / k);
}

function ask(program: string | undefined, args: readonly (number | string)[]): number | undefined {
  if (program === undefined) return undefined;
  const answer = execFileSync(program, args.map(String), { encoding: 'utf8' }).trim();
  return answer === '' ? undefined : Number(answer);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

const { iobufs } = createPlatform();

/** Iobufs, as payloads lie in. Buffers begin at different places of a page, as ISA-L's do here. */
function buffer(index: number, length: number): Uint8Array {
  const begin = ((index * 13) % 64) * 64;
  return iobufs.get(begin + length).memory.subarray(begin, begin + length).fill(index + 1);
}

function speed(bytes: number, times: number, run: () => void): number {
  for (let i = 0; i < 3; i++) run();
  let best = Infinity;
  for (let part = 0; part < PARTS; part++) {
    const begin = performance.now();
    for (let i = 0; i < times; i++) run();
    best = Math.min(best, performance.now() - begin);
  }
  return (bytes * times) / best / 1e3;
}

function measure(codec: ReedSolomon, k: number, r: number, total: number, programs: { isal: string | undefined; memcpy: string | undefined }): Row[] {
  const size = Math.floor(total / k / CHUNK_SIZE) * CHUNK_SIZE;
  const bytes = size * k;
  const times = rounds(bytes, k);
  const all = Array.from({ length: k + r }, (_, i) => i);
  const data = buffer(40, bytes);
  const fragments = all.map((i) => buffer(i, size));
  const last = all.slice(r);
  const chosen = fragments.slice(r);
  const runs = {
    encode: { rows: k + r, run: () => codec.encode(k, all, data, fragments) },
    decode: { rows: k, run: () => codec.decode(k, last, chosen, data) },
  };
  const isalLevel = codec.name.startsWith('AVX2') ? ['avx2'] : [];
  return (['encode', 'decode'] as const).map((operation): Row => {
    const { rows, run } = runs[operation];
    const copied = (bytes + size * rows) / 2;
    const ours: number[] = [], isal: number[] = [], memcpy: number[] = [], toIsal: number[] = [], toMemcpy: number[] = [];
    for (let turn = 0; turn < TURNS; turn++) {
      const mine = speed(bytes, times, run);
      ours.push(mine);
      const theirs = ask(programs.isal, [k, rows, bytes, times, ...isalLevel]);
      if (theirs !== undefined) isal.push(theirs), toIsal.push(mine / theirs);
      const copy = ask(programs.memcpy, [copied, times * 4]);
      if (copy !== undefined) memcpy.push((copy * bytes) / copied), toMemcpy.push(mine / ((copy * bytes) / copied));
    }
    const orNull = (values: readonly number[]): number | null => (values.length === 0 ? null : median(values));
    return { k, r, bytes, level: codec.name, operation, mbPerSecond: median(ours), isalMbPerSecond: orNull(isal), toIsal: orNull(toIsal), memcpyMbPerSecond: orNull(memcpy), toMemcpy: orNull(toMemcpy) };
  });
}

function line(row: Row): string {
  const number = (value: number | null, digits: number, width: number): string => (value === null ? '-' : value.toFixed(digits)).padStart(width);
  return [
    `${row.k}+${row.r}`.padEnd(5), `${row.bytes >> 10} KiB`.padStart(9), row.level.padEnd(18), row.operation, number(row.mbPerSecond, 0, 7),
    `ISA-L ${number(row.isalMbPerSecond, 0, 7)} ratio ${number(row.toIsal, 2, 5)}`, `memcpy ${number(row.memcpyMbPerSecond, 0, 7)} ratio ${number(row.toMemcpy, 2, 5)}`,
  ].join('  ');
}

const { values: options } = parseArgs({ options: { all: { type: 'boolean', default: false }, json: { type: 'boolean', default: false }, volumes: { type: 'string', default: '2+1,4+2,8+3,16+4' } } });
const volumes = options.volumes.split(',').map((volume): [number, number] => {
  const [k = NaN, r = NaN] = volume.split('+').map(Number);
  if (!(k >= 2 && k <= 16 && r >= 1 && r < k)) throw new RangeError(`no volume of GlusterFS: ${volume}`);
  return [k, r];
});
const folder = mkdtempSync(path.join(tmpdir(), 'glusterts-bench-'));
try {
  const programs = { isal: compile(folder, 'isal', '-lisal'), memcpy: compile(folder, 'memcpy') };
  if (programs.isal === undefined) console.error('ISA-L is not there (apt-get install libisal-dev); its column stays empty');
  const natives = reedSolomons().filter(({ name }) => name !== 'TypeScript');
  const rows: Row[] = [];
  for (const [k, r] of volumes) {
    for (const bytes of SIZES) {
      for (const codec of options.all ? natives : natives.slice(0, 1)) {
        const measured = measure(codec, k, r, bytes, programs);
        rows.push(...measured);
        if (!options.json) for (const row of measured) console.log(line(row));
      }
    }
  }
  if (options.json) console.log(JSON.stringify(rows, undefined, 1));
} finally {
  rmSync(folder, { recursive: true });
}
