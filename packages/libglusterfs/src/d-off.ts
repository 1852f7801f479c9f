import type { Xlator } from './xlator.js';

/*
 * Directory offsets of a graph with several leaves (spec/dht.md, §15.3). A leaf (protocol/client) encodes its number into every
 * d_off that it answers and takes it out of the offsets that it is given; cluster/distribute reads it to find the subvolume.
 */

const END = (1n << 64n) - 1n;
const MOST = (1n << 63n) - 1n;
const HUGE_BIT = 1n << 62n;
/** Below these, an offset and its leaf fit into a number that is exact, and into the bits that are there. */
const SMALL = 1n << 40n;
const SMALL_LEAVES = 4096;

/** Bits that hold a leaf number below `leaves`. */
function leafBits(leaves: number): bigint {
  let bits = 0n;
  while (1n << bits < BigInt(leaves)) bits++;
  return bits;
}

/** The offset that the leaf numbered `leaf` of `leaves` answers for a brick's own offset. Huge ones lose their low bits. */
export function encodeDOff(offset: bigint, leaf: number, leaves: number): bigint {
  if (offset === END || offset === 0n || leaves <= 1) return offset;
  if (offset < SMALL && leaves <= SMALL_LEAVES) return BigInt(Number(offset) * leaves + leaf);
  const bits = leafBits(leaves);
  if ((offset & ~(MOST >> (bits + 1n))) !== 0n) return HUGE_BIT | ((offset >> 1n) & (END + 1n - (1n << bits))) | BigInt(leaf);
  return offset * BigInt(leaves) + BigInt(leaf);
}

/** The number of the leaf that an offset comes from. */
export function leafOfDOff(offset: bigint, leaves: number): number {
  if (leaves <= 1) return 0;
  if ((offset & HUGE_BIT) !== 0n) return Number(offset & ((1n << leafBits(leaves)) - 1n));
  return Number(offset % BigInt(leaves));
}

/** The brick's own offset. */
export function decodeDOff(offset: bigint, leaves: number): bigint {
  if (leaves <= 1) return offset;
  if ((offset & HUGE_BIT) !== 0n) return ((offset & ~HUGE_BIT) & ~((1n << leafBits(leaves)) - 1n)) << 1n;
  return offset / BigInt(leaves);
}

/** The xlators without children at and below `top`, depth first: a leaf's place in it is its number. */
export function graphLeaves(top: Xlator): Xlator[] {
  const leaves: Xlator[] = [];
  const seen = new Set<Xlator>();
  const visit = (xlator: Xlator): void => {
    if (seen.has(xlator)) return;
    seen.add(xlator);
    if (xlator.children.length === 0) leaves.push(xlator);
    for (const child of xlator.children) visit(child.xlator);
  };
  visit(top);
  return leaves;
}
