/** GF(2^8) with the polynomial 0x11D (spec/ec.md, §2.1). */
const POLYNOMIAL = 0x11d;

const EXP = new Uint8Array(510);
const LOG = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
  EXP[i] = x;
  EXP[i + 255] = x;
  LOG[x] = i;
  x <<= 1;
  if (x > 0xff) x ^= POLYNOMIAL;
}

export function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : (EXP[(LOG[a] ?? 0) + (LOG[b] ?? 0)] ?? 0);
}

/** Throws a RangeError for 0. */
export function inverse(a: number): number {
  if (a === 0) throw new RangeError('0 has no inverse');
  return EXP[(255 - (LOG[a] ?? 0)) % 255] ?? 0;
}

export function power(a: number, exponent: number): number {
  if (exponent === 0) return 1;
  return a === 0 ? 0 : (EXP[((LOG[a] ?? 0) * exponent) % 255] ?? 0);
}

/** Row of the encode matrix for brick `index`: v^(k-1) … v^0 with v = index + 1 (spec/ec.md, §2.2). */
export function encodeRow(k: number, index: number): number[] {
  return Array.from({ length: k }, (_, j) => power(index + 1, k - 1 - j));
}

/** The inverse of a square matrix. Throws a RangeError when there is none. */
export function invert(matrix: readonly (readonly number[])[]): number[][] {
  const size = matrix.length;
  const work = matrix.map((row, i) => [...row, ...Array.from({ length: size }, (_, j) => (i === j ? 1 : 0))]);
  for (let column = 0; column < size; column++) {
    const pivotRow = work.findIndex((row, i) => i >= column && (row[column] ?? 0) !== 0);
    const pivot = work[pivotRow];
    const current = work[column];
    if (!pivot || !current) throw new RangeError('the matrix has no inverse');
    work[pivotRow] = current;
    work[column] = pivot;
    const scale = inverse(pivot[column] ?? 0);
    for (let j = 0; j < 2 * size; j++) pivot[j] = multiply(pivot[j] ?? 0, scale);
    for (const row of work) {
      const factor = row[column] ?? 0;
      if (row === pivot || factor === 0) continue;
      for (let j = 0; j < 2 * size; j++) row[j] = (row[j] ?? 0) ^ multiply(factor, pivot[j] ?? 0);
    }
  }
  return work.map((row) => row.slice(size));
}

/** Rows that turn the fragments of these bricks (in this order) back into the k chunks. */
export function decodeMatrix(k: number, bricks: readonly number[]): number[][] {
  return invert(bricks.map((brick) => encodeRow(k, brick)));
}
