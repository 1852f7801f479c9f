import { loadNative } from '../platform/native.js';
import { type ReedSolomon, checkLengths } from './codec.js';
import { decodeMatrix } from './field.js';
import { portableReedSolomon } from './portable-codec.js';

/** The addon's part (native/src/rs_binding.cc). */
interface RsAddon {
  /** What this processor and system can run, fastest first; the place in this list is the number of a level. */
  rsLevels(): string[];
  rsEncode(level: number, k: number, bricks: Int32Array, data: Uint8Array, ...fragments: readonly Uint8Array[]): void;
  /** `matrix`: k·k coefficients, row by row. */
  rsDecode(level: number, k: number, matrix: Uint8Array, data: Uint8Array, ...fragments: readonly Uint8Array[]): void;
}

/** Sets of bricks of the last calls: there are only as many as bricks have died lately, or as reads take turns over. */
const SETS_MAX = 256;

/** Keeps what a function makes of k and a list of bricks, the latest SETS_MAX of it. */
function kept<T>(make: (k: number, bricks: readonly number[]) => T): (k: number, bricks: readonly number[]) => T {
  const sets = new Map<number | string, T>();
  return (k, bricks) => {
    const key = keyOf(k, bricks);
    let value = sets.get(key);
    if (value === undefined) {
      value = make(k, bricks);
      if (sets.size >= SETS_MAX) for (const oldest of sets.keys()) if (sets.delete(oldest)) break;
      sets.set(key, value);
    }
    return value;
  };
}

/** A number for the usual case, ascending bricks: their mask below k. */
function keyOf(k: number, bricks: readonly number[]): number | string {
  let mask = 0;
  let before = -1;
  for (let i = 0; i < bricks.length; i++) {
    const brick = bricks[i] ?? -1;
    if (brick <= before || brick > 30) return `${k}:${bricks.join(',')}`;
    mask |= 1 << brick;
    before = brick;
  }
  return (mask >>> 0) * 32 + k;
}

const bricksOf = kept((_k, bricks) => Int32Array.from(bricks));
const matrixOf = kept((k, bricks) => Uint8Array.from(decodeMatrix(k, bricks).flat()));

function nativeReedSolomon(addon: RsAddon, name: string, level: number): ReedSolomon {
  return {
    name,
    encode: (k, bricks, data, fragments) => {
      checkLengths(k, bricks, data, fragments);
      addon.rsEncode(level, k, bricksOf(k, bricks), data, ...fragments);
    },
    decode: (k, bricks, fragments, data) => {
      checkLengths(k, bricks, data, fragments);
      if (bricks.length !== k) throw new RangeError(`${k} fragments are needed, not ${bricks.length}`);
      addon.rsDecode(level, k, matrixOf(k, bricks), data, ...fragments);
    },
  };
}

/** All implementations that run here, fastest first; the portable one is always the last. */
export function reedSolomons(): ReedSolomon[] {
  const addon = loadNative<RsAddon>('rsLevels');
  return [...(addon ? addon.rsLevels().map((name, level) => nativeReedSolomon(addon, name, level)) : []), portableReedSolomon];
}

let chosen: ReedSolomon | undefined;

/** The fastest one. */
export function reedSolomon(): ReedSolomon {
  return (chosen ??= reedSolomons()[0] ?? portableReedSolomon);
}
