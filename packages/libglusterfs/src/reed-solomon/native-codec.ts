import { loadNative } from '../platform/native.js';
import { CHUNK_SIZE, type ReedSolomon, checkLengths } from './codec.js';
import { decodeMatrix } from './field.js';
import { portableReedSolomon } from './portable-codec.js';

/** The addon's part (native/src/rs_binding.cc). */
interface RsAddon {
  /** Instruction sets that this processor has, fastest first. */
  rsLevels(): string[];
  rsEncode(level: string, k: number, bricks: Int32Array, data: Uint8Array, fragments: readonly Uint8Array[]): void;
  /** `matrix`: k·k coefficients, row by row. */
  rsDecode(level: string, k: number, matrix: Uint8Array, fragments: readonly Uint8Array[], data: Uint8Array): void;
}

/** Matrices of the last erasure patterns: there are only as many as bricks have died lately. */
const MATRICES_MAX = 64;
const matrices = new Map<string, Uint8Array>();

function flatMatrix(k: number, bricks: readonly number[]): Uint8Array {
  const key = `${k}:${bricks.join(',')}`;
  let matrix = matrices.get(key);
  if (!matrix) {
    matrix = Uint8Array.from(decodeMatrix(k, bricks).flat());
    if (matrices.size >= MATRICES_MAX) matrices.clear();
    matrices.set(key, matrix);
  }
  return matrix;
}

function nativeReedSolomon(addon: RsAddon, level: string): ReedSolomon {
  return {
    name: level,
    encode: (k, bricks, data, fragments) => {
      checkLengths(k, bricks, data, fragments);
      if (data.length >= CHUNK_SIZE) addon.rsEncode(level, k, Int32Array.from(bricks), data, fragments);
    },
    decode: (k, bricks, fragments, data) => {
      checkLengths(k, bricks, data, fragments);
      if (bricks.length !== k) throw new RangeError(`${k} fragments are needed, not ${bricks.length}`);
      if (data.length >= CHUNK_SIZE) addon.rsDecode(level, k, flatMatrix(k, bricks), fragments, data);
    },
  };
}

/** All implementations that run here, fastest first; the portable one is always the last. */
export function reedSolomons(): ReedSolomon[] {
  const addon = loadNative<RsAddon>('rsLevels');
  return [...(addon ? addon.rsLevels().map((level) => nativeReedSolomon(addon, level)) : []), portableReedSolomon];
}

let chosen: ReedSolomon | undefined;

/** The fastest one. */
export function reedSolomon(): ReedSolomon {
  return (chosen ??= reedSolomons()[0] ?? portableReedSolomon);
}
