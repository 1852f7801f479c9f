import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CHUNK_SIZE, portableReedSolomon, reedSolomons } from '../src/index.js';

interface Vector {
  k: number;
  r: number;
  files: Record<string, { size: number; sha256: string; fragments?: { base64?: string }[] }>;
}

const folder = path.join(import.meta.dirname, 'vectors/ec');
const vectors = readdirSync(folder).filter((name) => name.startsWith('fragments-')).map((name): [string, Vector] => [name, JSON.parse(readFileSync(path.join(folder, name), 'latin1'))]);

function* subsets(count: number, size: number, from = 0): Generator<number[]> {
  if (size === 0) return void (yield []);
  for (let i = from; i <= count - size; i++) for (const rest of subsets(count, size - 1, i + 1)) yield [i, ...rest];
}

function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = seed;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    bytes[i] = x >>> 16;
  }
  return bytes;
}

const codecs = reedSolomons();
if (codecs.length === 1) console.warn('native Reed-Solomon skipped: the native addon is not there');

describe.each(codecs.map((codec) => [codec.name, codec] as const))('Reed-Solomon in %s', (_name, codec) => {
  it.each(vectors)('encodes and decodes what GlusterFS wrote: %s', (_file, { k, r, files }) => {
    for (const { size, sha256, fragments } of Object.values(files)) {
      const stored = (fragments ?? []).flatMap(({ base64 }) => (base64 === undefined ? [] : [Uint8Array.from(Buffer.from(base64, 'base64'))]));
      const length = stored[0]?.length ?? 0;
      if (stored.length < k + r || length === 0) continue;
      const all = Array.from({ length: k + r }, (_, i) => i);
      const lost = [...subsets(k + r, k)].filter((_, i) => i % (k > 8 ? 97 : 1) === 0);
      for (const bricks of lost) {
        const data = new Uint8Array(k * length);
        codec.decode(k, bricks, bricks.map((brick) => stored[brick] ?? new Uint8Array(0)), data);
        expect(createHash('sha256').update(data.subarray(0, size)).digest('hex')).toBe(sha256);
        const again = all.map(() => new Uint8Array(length));
        codec.encode(k, all, data, again);
        again.forEach((fragment, i) => expect(Buffer.from(fragment).equals(stored[i] ?? new Uint8Array(0))).toBe(true));
      }
    }
  });

  it.each([[2, 1], [3, 1], [4, 2], [6, 3], [8, 7], [16, 15]])('gives the data back from any k of n fragments, and agrees with TypeScript: k %i, r %i', (k, r) => {
    const stripes = 3;
    const data = pattern(k * CHUNK_SIZE * stripes, k * 31 + r);
    const bricks = Array.from({ length: k + r }, (_, i) => i);
    const fragments = bricks.map(() => new Uint8Array(CHUNK_SIZE * stripes));
    codec.encode(k, bricks, data, fragments);
    const expected = bricks.map(() => new Uint8Array(CHUNK_SIZE * stripes));
    portableReedSolomon.encode(k, bricks, data, expected);
    expect(fragments.every((fragment, i) => Buffer.from(fragment).equals(expected[i] ?? new Uint8Array(0)))).toBe(true);
    let count = 0;
    for (const chosen of subsets(k + r, k)) {
      if (++count > 200) break;
      const shuffled = count % 2 === 0 ? chosen.toReversed() : chosen;
      const back = new Uint8Array(data.length);
      codec.decode(k, shuffled, shuffled.map((brick) => fragments[brick] ?? new Uint8Array(0)), back);
      expect(Buffer.from(back).equals(data)).toBe(true);
    }
  });

  it('works on memory that is not aligned', () => {
    const room = pattern(4 * CHUNK_SIZE + 3, 5);
    const data = room.subarray(3);
    const out = [0, 1, 2, 3, 4, 5].map(() => new Uint8Array(CHUNK_SIZE + 1).subarray(1));
    codec.encode(4, [0, 1, 2, 3, 4, 5], data, out);
    const back = new Uint8Array(data.length + 1).subarray(1);
    codec.decode(4, [1, 3, 4, 5], [1, 3, 4, 5].map((i) => out[i] ?? new Uint8Array(0)), back);
    expect(Buffer.from(back).equals(data)).toBe(true);
  });

  it('refuses lengths that do not fit', () => {
    expect(() => codec.encode(2, [0], new Uint8Array(1000), [new Uint8Array(500)])).toThrow(RangeError);
    expect(() => codec.encode(2, [0], new Uint8Array(1024), [new Uint8Array(500)])).toThrow(RangeError);
    expect(() => codec.decode(2, [0], [new Uint8Array(512)], new Uint8Array(1024))).toThrow(RangeError);
  });
});
