/** Bytes of a chunk, which is also a brick's share of a stripe (spec/ec.md, §1). */
export const CHUNK_SIZE = 512;

/**
 * GlusterFS's erasure code: a stripe of k chunks becomes one fragment of a chunk's size for each brick (spec/ec.md, §2). Lengths
 * are whole stripes; buffers may not overlap.
 */
export interface ReedSolomon {
  readonly name: string;
  /** `fragments[i]` receives the fragments of brick `bricks[i]`: data.length / k bytes each. */
  encode(k: number, bricks: readonly number[], data: Uint8Array, fragments: readonly Uint8Array[]): void;
  /** From the fragments of any k bricks, given in the order of `bricks`, the data: k times their length. */
  decode(k: number, bricks: readonly number[], fragments: readonly Uint8Array[], data: Uint8Array): void;
}

/** Throws a RangeError when lengths don't fit each other. */
export function checkLengths(k: number, bricks: readonly number[], data: Uint8Array, fragments: readonly Uint8Array[]): void {
  const size = data.length / k;
  if (!Number.isInteger(size) || size % CHUNK_SIZE !== 0) throw new RangeError(`${data.length} bytes are no whole stripes of ${k} chunks`);
  if (bricks.length !== fragments.length) throw new RangeError(`${bricks.length} bricks, ${fragments.length} fragments`);
  for (const fragment of fragments) if (fragment.length !== size) throw new RangeError(`a fragment of ${fragment.length} bytes, not ${size}`);
}
