/**
 * `npm run fuzz -- [--count N] [--seed S] [--only NAME]`: N inputs (default 1,000,000) for each decoder that reads bytes from outside. No crash,
 * no hang, no unbounded allocation; a failing input is told by its seed.
 */
import { parseArgs } from 'node:util';
import { TARGETS } from './targets.js';

/** One input that takes longer is a hang. */
const SLOW_MS = 500;
/** Growth of the heap over a whole run that is still called bounded. */
const GROWTH_MAX_MIB = 256;

const { values } = parseArgs({ options: { count: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '1' }, only: { type: 'string' } } });
const count = Number(values.count);
const first = Number(values.seed);
let failures = 0;

for (const { name, run } of TARGETS) {
  if (values.only !== undefined && !name.includes(values.only)) continue;
  const before = process.memoryUsage().rss;
  const begin = performance.now();
  let accepted = 0;
  for (let seed = first; seed < first + count; seed++) {
    const started = performance.now();
    try {
      if (run(seed)) accepted++;
    } catch (error) {
      failures++;
      console.error(`${name}, seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
      if (failures > 10) process.exit(1);
    }
    if (performance.now() - started > SLOW_MS) {
      failures++;
      console.error(`${name}, seed ${seed}: took ${(performance.now() - started).toFixed(0)} ms`);
    }
  }
  const growth = (process.memoryUsage().rss - before) / 1048576;
  if (growth > GROWTH_MAX_MIB) {
    failures++;
    console.error(`${name}: the process grew by ${growth.toFixed(0)} MiB`);
  }
  console.log(`${name}: ${count} inputs, ${accepted} accepted, ${((performance.now() - begin) / 1000).toFixed(1)} s, grew by ${growth.toFixed(0)} MiB`);
}
process.exit(failures === 0 ? 0 : 1);
