import { CHUNK_SIZE, type ReedSolomon, checkLengths } from './codec.js';
import { decodeMatrix, encodeRow, multiply } from './field.js';

const WORDS = CHUNK_SIZE / 4;
/** 32-bit words of a bit plane: 64 bytes. */
const PLANE = WORDS / 8;

/**
 * For a constant: which planes of the source go into which plane of the product (spec/ec.md, §2.3), as pairs of word
 * offsets [to, from, to, from …].
 */
const networks = new Map<number, Int32Array>();

function network(constant: number): Int32Array {
  let steps = networks.get(constant);
  if (steps) return steps;
  const list: number[] = [];
  for (let a = 0; a < 8; a++) {
    const product = multiply(constant, 1 << a);
    for (let b = 0; b < 8; b++) if (((product >> b) & 1) === 1) list.push(b * PLANE, a * PLANE);
  }
  steps = Int32Array.from(list);
  networks.set(constant, steps);
  return steps;
}

/** target ^= constant · source, for one chunk. */
function addProduct(target: Int32Array, to: number, source: Int32Array, from: number, constant: number): void {
  const steps = network(constant);
  for (let s = 0; s < steps.length; s += 2) {
    let t = to + (steps[s] ?? 0);
    let f = from + (steps[s + 1] ?? 0);
    for (const end = t + PLANE; t < end; t++, f++) target[t] = (target[t] ?? 0) ^ (source[f] ?? 0);
  }
}

/** The bytes as 32-bit words: in place when they are aligned, else a copy. */
function words(bytes: Uint8Array): Int32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes);
  return new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}

function output(bytes: Uint8Array): { readonly target: Int32Array; done(): void } {
  if (bytes.byteOffset % 4 === 0) {
    const target = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).fill(0);
    return { target, done: () => undefined };
  }
  const scratch = new Uint8Array(bytes.length);
  return { target: new Int32Array(scratch.buffer), done: () => bytes.set(scratch) };
}

/** The code in TypeScript: slower, and the oracle that the native one is tested against. */
export const portableReedSolomon: ReedSolomon = {
  name: 'TypeScript',

  encode(k, bricks, data, fragments) {
    checkLengths(k, bricks, data, fragments);
    const source = words(data);
    const stripes = data.length / (k * CHUNK_SIZE);
    bricks.forEach((brick, i) => {
      const fragment = fragments[i];
      if (!fragment) return;
      const { target, done } = output(fragment);
      const row = encodeRow(k, brick);
      for (let stripe = 0; stripe < stripes; stripe++) {
        for (let j = 0; j < k; j++) addProduct(target, stripe * WORDS, source, (stripe * k + j) * WORDS, row[j] ?? 0);
      }
      done();
    });
  },

  decode(k, bricks, fragments, data) {
    checkLengths(k, bricks, data, fragments);
    if (bricks.length !== k) throw new RangeError(`${k} fragments are needed, not ${bricks.length}`);
    const matrix = decodeMatrix(k, bricks);
    const sources = fragments.map(words);
    const { target, done } = output(data);
    const stripes = data.length / (k * CHUNK_SIZE);
    for (let stripe = 0; stripe < stripes; stripe++) {
      for (let j = 0; j < k; j++) {
        const row = matrix[j] ?? [];
        sources.forEach((source, c) => {
          const constant = row[c] ?? 0;
          if (constant !== 0) addProduct(target, (stripe * k + j) * WORDS, source, stripe * WORDS, constant);
        });
      }
    }
    done();
  },
};
