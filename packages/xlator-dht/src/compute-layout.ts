import { Errno } from '@glusterts/libglusterfs';
import type { Layout, LayoutEntry } from './layout.js';
import type { NameHasher } from './name-munging.js';

/** Ranges for directories (spec/dht.md, §6). */

const HASH_MAX = 0xffffffff;

export interface ComputeOptions {
  /** Path of the directory in the volume, or its gfid as text with randomize-hash-range-by-gfid. */
  readonly key: string;
  readonly hasher: NameHasher;
  readonly weighted: boolean;
  /** directory-layout-spread. */
  readonly spread: number | undefined;
}

/** Gives every usable entry its range. Sorts by name. Entries without one end as 0-0. */
export function computeLayout(layout: Layout, options: ComputeOptions): Layout {
  layout.sortByName();
  const { entries } = layout;
  for (const entry of entries) if (entry.subvol.decommissioned) entry.err = Errno.EINVAL;
  let usable = 0;
  for (const entry of entries) {
    if (entry.err === 0) entry.err = -1;
    if (isUsable(entry)) usable++;
  }
  if (usable === 0) {
    for (const entry of entries) {
      if (entry.err !== Errno.ENOSPC) continue;
      entry.err = -1;
      usable++;
    }
  }
  const { spread } = options;
  const wanted = Math.max(1, spread !== undefined && spread > 0 && spread <= usable ? spread : usable);

  let total = 0;
  let weighted = options.weighted;
  if (weighted) {
    let taken = 0;
    for (const entry of entries) {
      if (taken === wanted) break;
      if (!isUsable(entry)) continue;
      if (entry.subvol.disk.chunks === 0) weighted = false;
      total += entry.subvol.disk.chunks;
      taken++;
    }
    if (total === 0) weighted = false;
  }
  const unit = HASH_MAX / (weighted ? total : wanted);

  for (const entry of entries) entry.start = entry.stop = 0;
  const first = options.hasher.hash(options.key) % entries.length;
  let position = 0;
  let given = 0;
  for (let j = 0; j < entries.length && given < wanted; j++) {
    const entry = entries[(first + j) % entries.length];
    if (!entry || !isUsable(entry) || (weighted && entry.subvol.disk.chunks === 0)) continue;
    const size = Math.trunc(weighted ? unit * entry.subvol.disk.chunks : unit) >>> 0;
    entry.start = position;
    entry.stop = (position + size - 1) >>> 0;
    entry.commit = layout.commit;
    if (++given === wanted) entry.stop = HASH_MAX;
    position = (position + size) >>> 0;
  }
  return layout;
}

const isUsable = (entry: LayoutEntry): boolean => entry.err === -1 || entry.err === 0 || entry.err === Errno.ENOENT;

const overlap = (a: LayoutEntry, b: LayoutEntry): number => {
  if (a.err > 0 || b.err > 0 || a.start === a.stop || b.start === b.stop) return 0;
  const start = Math.max(a.start, b.start);
  const stop = Math.min(a.stop, b.stop);
  return start > stop ? 0 : (stop - start + 1) >>> 0;
};

/** Exchanges new ranges so that as little as possible moves (spec/dht.md, §6.2). Both sorted by name here. */
export function maximiseOverlap(next: Layout, old: Layout): void {
  old.sortByName();
  const count = next.entries.length;
  const table = next.entries.map((to) => old.entries.map((from) => overlap(from, to)));
  const cell = (i: number, j: number): number => table[i]?.[j] ?? 0;
  for (let i = 0; i < count; i++) {
    const mine = next.entries[i];
    if (!mine || mine.err > 0) continue;
    let best = 0;
    let chosen = -1;
    for (let j = i + 1; j < count; j++) {
      const other = next.entries[j];
      if (!other || other.err > 0) continue;
      // 32 bits that wrap around, as the original's: two ranges that are exactly exchanged sum to 0.
      const swapped = (cell(i, j) + cell(j, i)) >>> 0;
      const current = (cell(i, i) + cell(j, j)) >>> 0;
      if (swapped > current && swapped - current > best) {
        best = swapped - current;
        chosen = j;
      }
    }
    const other = next.entries[chosen];
    if (!other) continue;
    [mine.start, other.start] = [other.start, mine.start];
    [mine.stop, other.stop] = [other.stop, mine.stop];
    const row = table[i];
    const otherRow = table[chosen];
    if (row && otherRow) [table[i], table[chosen]] = [otherRow, row];
  }
}
