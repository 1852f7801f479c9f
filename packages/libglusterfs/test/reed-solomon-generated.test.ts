import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { multiply } from '../src/reed-solomon/field.js';
import { loadNative, nativeAddonPath } from '../src/platform/native.js';

interface RsAddon {
  rsLevels(): string[];
  rsDecode(level: number, k: number, matrix: Uint8Array, data: Uint8Array, ...fragments: readonly Uint8Array[]): void;
}

const CHUNK = 512;
const addon = loadNative<RsAddon>('rsLevels');
const levels = addon?.rsLevels() ?? [];
if (!addon) console.warn('native Reed-Solomon skipped: the native addon is not there');
const generated = levels.filter((level) => level.endsWith('generated'));
if (generated.length === 0) console.warn('generated code skipped: not an x86-64 with AVX2 that lets a process make code');

function bytes(length: number, seed: number): Uint8Array {
  let x = seed;
  return Uint8Array.from({ length }, () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x >>> 24;
  });
}

/** matrix · fragments for one stripe, symbol by symbol: bit s of plane b is bit b of symbol s (spec/ec.md, §2.3). */
function product(k: number, matrix: Uint8Array, fragments: readonly Uint8Array[]): Uint8Array {
  const symbol = (chunk: Uint8Array, s: number): number => {
    let value = 0;
    for (let b = 0; b < 8; b++) value |= (((chunk[64 * b + (s >> 3)] ?? 0) >> (s & 7)) & 1) << b;
    return value;
  };
  const data = new Uint8Array(k * CHUNK);
  for (let s = 0; s < CHUNK; s++) {
    const symbols = fragments.map((fragment) => symbol(fragment, s));
    for (let j = 0; j < k; j++) {
      const value = symbols.reduce((sum, x, c) => sum ^ multiply(matrix[j * k + c] ?? 0, x), 0);
      for (let b = 0; b < 8; b++) {
        const at = j * CHUNK + 64 * b + (s >> 3);
        data[at] = (data[at] ?? 0) | (((value >> b) & 1) << (s & 7));
      }
    }
  }
  return data;
}

describe.each(levels)('products in %s', (level) => {
  it('are right for every factor', () => {
    const fragment = bytes(CHUNK, 1);
    for (let factor = 0; factor < 256; factor++) {
      const matrix = Uint8Array.of(factor);
      const data = new Uint8Array(CHUNK).fill(0xa5);
      addon?.rsDecode(levels.indexOf(level), 1, matrix, data, fragment);
      expect(Buffer.from(data).equals(product(1, matrix, [fragment]))).toBe(true);
    }
  });

  it('are right for any matrix, with zeros in it too', () => {
    for (let seed = 1; seed <= 150; seed++) {
      const k = 1 + (seed % 16);
      const density = seed % 4;
      const chance = bytes(k * k, 77 * seed);
      const matrix = bytes(k * k, seed).map((factor, i) => (((chance[i] ?? 0) & 3) < density ? 0 : factor));
      const fragments = Array.from({ length: k }, (_, c) => bytes(CHUNK, seed * 100 + c));
      const data = new Uint8Array(k * CHUNK).fill(0xa5);
      addon?.rsDecode(levels.indexOf(level), k, matrix, data, ...fragments);
      expect(Buffer.from(data).equals(product(k, matrix, fragments))).toBe(true);
    }
  });
});

describe.skipIf(generated.length === 0)('generated code', () => {
  it('is chosen first', () => {
    expect(levels[0]).toMatch(/ generated$/);
  });

  it('may be made, used and dropped by several threads at once', { timeout: 60_000 }, async () => {
    // More matrices than are kept, in another order on each thread; a matrix of one factor f gives back what 1/f gave.
    const program = `
      const { workerData: { file, levels, thread }, parentPort } = require('node:worker_threads');
      const addon = require(file);
      const fragment = new Uint8Array(512 * 9).map((_, i) => (i * 31 + thread) & 255);
      const there = new Uint8Array(fragment.length), back = new Uint8Array(fragment.length);
      const multiply = (a, b) => { let r = 0; for (; b; b >>= 1) { if (b & 1) r ^= a; a <<= 1; if (a & 256) a ^= 0x11d; } return r; };
      let wrong = 0;
      for (let round = 0; round < 3; round++) for (let i = 1; i < 256; i++) {
        const f = ((i * (2 * thread + 1)) % 255) + 1;
        let inverse = 1;
        for (let n = 0; n < 254; n++) inverse = multiply(inverse, f);
        for (const level of levels) {
          addon.rsDecode(level, 1, Uint8Array.of(f), there, fragment);
          addon.rsDecode(level, 1, Uint8Array.of(inverse), back, there);
          if (Buffer.compare(back, fragment) !== 0) wrong++;
        }
      }
      parentPort.postMessage(wrong);`;
    const wrong = await Promise.all(
      [0, 1, 2].map((thread) => new Promise<unknown>((resolve, reject) => {
        const worker = new Worker(program, { eval: true, workerData: { file: nativeAddonPath(), levels: generated.map((name) => levels.indexOf(name)), thread } });
        worker.once('message', resolve);
        worker.once('error', reject);
      })),
    );
    expect(wrong).toEqual([0, 0, 0]);
  });

  it('is not offered where the system forbids making code, and everything else still is', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'glusterts-mdwe-'));
    try {
      const wrapper = path.join(folder, 'forbid');
      execFileSync('cc', ['-o', wrapper, path.join(import.meta.dirname, 'forbid-making-code.c')]);
      let answer: string;
      try {
        answer = execFileSync(wrapper, [process.execPath, '--jitless', '-p', `require(${JSON.stringify(nativeAddonPath())}).rsLevels().join()`], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
      } catch (error) {
        console.warn(`not tried: this kernel can't forbid making code (Linux 6.3 and on can): ${String(error)}`);
        return;
      }
      expect(answer.trim()).toBe(levels.filter((level) => !generated.includes(level)).join());
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
