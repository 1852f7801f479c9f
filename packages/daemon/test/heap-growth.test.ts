import { execFileSync } from 'node:child_process';
import type { Timer } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { HeapGrowth } from '../src/heap-growth.js';

const MIB = 2 ** 20;
/** 200,000 objects are alive, and each that is made lets go of the oldest one. Prints the largest size of the heap, bytes. */
const CHURN = `
  const v8 = require('node:v8');
  v8.setFlagsFromString('--heap-growing-percent=' + process.argv[1]);
  const alive = [];
  let largest = 0;
  for (let i = 0; i < 6e6; i++) {
    alive[i % 200000] = { a: [i, i + 1, i + 2], b: 'name' + i, c: { d: i } };
    if (i % 10000 === 0) largest = Math.max(largest, v8.getHeapStatistics().total_heap_size);
  }
  console.log(largest);
`;

describe('the growth of the heap', () => {
  it('is bounded while the heap is large, and only then; the larger it is the more', () => {
    let fire: (() => void) | undefined;
    let cancelled = false;
    const timer: Timer = { cancel: () => (cancelled = true) };
    const timers = { after: (_ms: number, next: () => void) => ((fire = next), timer), soon: () => undefined };
    let size = 50 * MIB;
    const told: number[] = [];
    const growth = new HeapGrowth(timers, { size: () => size, grow: (percent) => told.push(percent) });
    growth.start();
    fire?.();
    expect(told).toEqual([]);
    size = 100 * MIB;
    fire?.();
    fire?.();
    expect(told).toEqual([50]);
    size = 300 * MIB;
    fire?.();
    size = 500 * MIB;
    fire?.();
    fire?.();
    expect(told).toEqual([50, 25, 10]);
    size = 60 * MIB;
    fire?.();
    expect(told).toEqual([50, 25, 10, 0]);
    growth.stop();
    expect(cancelled).toBe(true);
  });

  it('is V8\'s: a process that lets go of much holds less of it', () => {
    const largest = (percent: number): number => Number(execFileSync(process.execPath, ['-e', CHURN, String(percent)], { encoding: 'utf8' }));
    expect(largest(50)).toBeLessThan(largest(0) * 0.8);
  });
});
