/**
 * Reed-Solomon beside ISA-L, in one run: `node tools/bench/dist/reed-solomon.js`. MB/s of user data; the same number of products on both sides.
 */
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CHUNK_SIZE, type ReedSolomon, reedSolomons } from '@glusterts/libglusterfs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const ROUNDS = 200;
const TRIALS = 5;

function isal(): string | undefined {
  const program = path.join(tmpdir(), `glusterts-isal-${process.pid}`);
  try {
    execFileSync('cc', ['-O2', '-o', program, path.join(root, 'tools/bench/native/isal.c'), '-lisal'], { stdio: 'ignore' });
    return program;
  } catch {
    return undefined;
  }
}

function best(bytes: number, run: () => void): number {
  run();
  let seconds = Infinity;
  for (let trial = 0; trial < TRIALS; trial++) {
    const begin = performance.now();
    for (let i = 0; i < ROUNDS; i++) run();
    seconds = Math.min(seconds, (performance.now() - begin) / 1000);
  }
  return (bytes * ROUNDS) / seconds / 1e6;
}

function measure(codec: ReedSolomon, k: number, r: number): { encode: number; decode: number } {
  const size = Math.floor((1 << 20) / k / CHUNK_SIZE) * CHUNK_SIZE;
  const data = new Uint8Array(size * k).fill(7);
  const all = Array.from({ length: k + r }, (_, i) => i);
  const fragments = all.map(() => new Uint8Array(size));
  const last = all.slice(r);
  const encode = best(data.length, () => codec.encode(k, all, data, fragments));
  const chosen = fragments.slice(r);
  const decode = best(data.length, () => codec.decode(k, last, chosen, data));
  return { encode, decode };
}

const program = isal();
if (program === undefined) console.log('ISA-L is not there (apt-get install libisal-dev); its column stays empty');
for (const [k, r] of [[4, 2], [8, 3], [16, 4]] as const) {
  const theirs = (rows: number): number => (program === undefined ? NaN : Number(execFileSync(program, [String(k), String(rows), String(ROUNDS)], { encoding: 'utf8' })));
  const encode = theirs(k + r);
  const decode = theirs(k);
  for (const codec of reedSolomons().filter(({ name }) => name !== 'TypeScript')) {
    const ours = measure(codec, k, r);
    console.log(`${k}+${r} ${codec.name.padEnd(8)} encode ${ours.encode.toFixed(0).padStart(6)} MB/s, ISA-L ${encode.toFixed(0).padStart(6)}, ratio ${(ours.encode / encode).toFixed(2)}; decode ${ours.decode.toFixed(0).padStart(6)}, ISA-L ${decode.toFixed(0).padStart(6)}, ratio ${(ours.decode / decode).toFixed(2)}`);
  }
}
