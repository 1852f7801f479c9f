import { describe, expect, it } from 'vitest';
import { CHUNK_SIZE, portableReedSolomon, reedSolomons } from '../src/index.js';

/** Every subset of every geometry takes minutes: `GLUSTERTS_RS_ALL=1 npx vitest run test/reed-solomon-subsets.test.ts`. */
const ALL = process.env['GLUSTERTS_RS_ALL'] === '1';
/** Largest k that is gone through completely, and how many subsets stand for the rest. */
const EXHAUSTIVE_K = ALL ? 16 : 8;
const SAMPLES = 60;
/** Bricks of the geometries that are gone through completely; beyond, there are too many subsets for any machine. */
const BRICKS_MAX = 18;

function random(seed: number): () => number {
  let x = seed;
  return () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x / 2 ** 32;
  };
}

function* subsets(count: number, size: number, from = 0): Generator<number[]> {
  if (size === 0) return void (yield []);
  for (let i = from; i <= count - size; i++) for (const rest of subsets(count, size - 1, i + 1)) yield [i, ...rest];
}

function* samples(count: number, size: number, next: () => number): Generator<number[]> {
  for (let n = 0; n < SAMPLES; n++) {
    const bricks = Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = Math.floor(next() * (i + 1));
      [bricks[i], bricks[j]] = [bricks[j] ?? 0, bricks[i] ?? 0];
    }
    yield bricks.slice(0, size);
  }
}

function bytes(length: number, next: () => number): Uint8Array {
  return Uint8Array.from({ length }, () => Math.floor(next() * 256));
}

/** Data and the fragments of all bricks, by the TypeScript code; the geometry with the most bricks holds those with fewer. */
function encoded(k: number, stripes: number): { readonly data: Uint8Array; readonly fragments: Uint8Array[] } {
  const data = bytes(k * CHUNK_SIZE * stripes, random(k));
  const fragments = Array.from({ length: 2 * k - 1 }, () => new Uint8Array(CHUNK_SIZE * stripes));
  portableReedSolomon.encode(k, fragments.map((_, i) => i), data, fragments);
  return { data, fragments };
}

const natives = reedSolomons().filter((codec) => codec !== portableReedSolomon);
if (natives.length === 0) console.warn('native Reed-Solomon skipped: the native addon is not there');

describe.each(natives.map((codec) => [codec.name, codec] as const))('Reed-Solomon in %s', (_name, codec) => {
  it.each(Array.from({ length: 15 }, (_, i) => i + 2))('decodes from every set of bricks, or from a sample of the sets: k %i', { timeout: 3600_000 }, (k) => {
    const { data, fragments } = encoded(k, 1);
    const whole = k <= EXHAUSTIVE_K;
    const sets = whole ? subsets(Math.min(BRICKS_MAX, 2 * k - 1), k) : samples(2 * k - 1, k, random(1000 + k));
    const back = new Uint8Array(data.length);
    for (const bricks of sets) {
      back.fill(0xa5);
      codec.decode(k, bricks, bricks.map((brick) => fragments[brick] ?? back), back);
      if (!Buffer.from(back.buffer).equals(data)) expect.fail(`bricks ${bricks.join(',')} give other data`);
    }
  });

  it.each(Array.from({ length: 15 }, (_, i) => i + 2))('encodes any number of stripes for any bricks, wherever they lie in memory, and nothing beside them: k %i', (k) => {
    const next = random(2000 + k);
    for (const stripes of [1, 2, 3, 7, 17, 40]) {
      const { data, fragments } = encoded(k, stripes);
      const size = CHUNK_SIZE * stripes;
      const count = 1 + Math.floor(next() * (2 * k - 1));
      const bricks = [...samples(2 * k - 1, count, next)][0] ?? [];
      const shift = Math.floor(next() * 64);
      const source = new Uint8Array(data.length + 64);
      source.set(data, shift);
      const rooms = bricks.map((_, i) => ({ room: new Uint8Array(size + 128).fill(0xa5), at: (shift + 13 * i) % 64 }));
      codec.encode(k, bricks, source.subarray(shift, shift + data.length), rooms.map(({ room, at }) => room.subarray(at, at + size)));
      bricks.forEach((brick, i) => {
        const { room, at } = rooms[i] ?? { room: new Uint8Array(0), at: 0 };
        expect(Buffer.from(room.subarray(at, at + size)).equals(fragments[brick] ?? room)).toBe(true);
        expect(room.every((byte, p) => byte === 0xa5 || (p >= at && p < at + size))).toBe(true);
      });
    }
  });

  it('encodes for the same brick twice', () => {
    const { data, fragments } = encoded(8, 2);
    const bricks = [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1];
    const out = bricks.map(() => new Uint8Array(CHUNK_SIZE * 2));
    codec.encode(8, bricks, data, out);
    expect(bricks.every((brick, i) => Buffer.from(out[i] ?? []).equals(fragments[brick] ?? data))).toBe(true);
  });

  it.each(Array.from({ length: 15 }, (_, i) => i + 2))('encodes for each set of neighbouring bricks: k %i', (k) => {
    const { data, fragments } = encoded(k, 1);
    for (let first = 0; first < fragments.length; first++) {
      for (let past = first + 1; past <= fragments.length; past++) {
        const bricks = fragments.map((_, i) => i).slice(first, past);
        const out = bricks.map(() => new Uint8Array(CHUNK_SIZE).fill(0xa5));
        codec.encode(k, past % 2 === 0 ? bricks.reverse() : bricks, data, out);
        expect(bricks.every((brick, i) => Buffer.from(out[i] ?? []).equals(fragments[brick] ?? data))).toBe(true);
      }
    }
  });

  it.each(Array.from({ length: 15 }, (_, i) => i + 2))('decodes any number of stripes, wherever they lie in memory, and writes nothing beside them: k %i', (k) => {
    const next = random(3000 + k);
    for (const stripes of [1, 2, 3, 7, 17, 40]) {
      const { data, fragments } = encoded(k, stripes);
      const size = CHUNK_SIZE * stripes;
      const bricks = [...samples(2 * k - 1, k, next)][0] ?? [];
      const sources = bricks.map((brick) => {
        const at = Math.floor(next() * 64);
        const room = new Uint8Array(size + 64);
        room.set(fragments[brick] ?? [], at);
        return room.subarray(at, at + size);
      });
      const at = Math.floor(next() * 64);
      const room = new Uint8Array(data.length + 128).fill(0xa5);
      codec.decode(k, bricks, sources, room.subarray(at, at + data.length));
      expect(Buffer.from(room.subarray(at, at + data.length)).equals(data)).toBe(true);
      expect(room.every((byte, p) => byte === 0xa5 || (p >= at && p < at + data.length))).toBe(true);
    }
  });
});
