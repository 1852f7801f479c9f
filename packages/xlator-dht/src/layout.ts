import { Errno } from '@glusterts/libglusterfs';
import type { Subvol } from './subvol.js';

/** Layouts of directories (spec/dht.md, §4.1 and §5). */

export const LAYOUT_BYTES = 16;
export const INVALID_COMMIT_HASH = 1;
const MAX_HASH_TYPE = 1;

/** err: 0 the directory is there; −1 it is there and a range is to be written; else an errno (spec/dht.md, §5.1). */
export interface LayoutEntry {
  readonly subvol: Subvol;
  err: number;
  start: number;
  /** Inclusive. start = stop = 0: no range. */
  stop: number;
  commit: number;
}

export interface Anomalies {
  holes: number;
  overlaps: number;
  missing: number;
  down: number;
  noSpace: number;
  misc: number;
  /** Subvolumes without the directory. */
  missingDirectories: number;
}

/** One directory's ranges. Entries are kept sorted by range once `sort` ran. */
export class Layout {
  readonly entries: LayoutEntry[];
  type = 0;
  commit = 0;
  /** The process's generation when it was read; an older one is stale (spec/dht.md, §1). */
  generation: number;

  constructor(entries: LayoutEntry[], generation: number) {
    this.entries = entries;
    this.generation = generation;
  }

  clone(): Layout {
    const copy = new Layout(this.entries.map((entry) => ({ ...entry })), this.generation);
    copy.type = this.type;
    copy.commit = this.commit;
    return copy;
  }

  entryOf(subvol: Subvol): LayoutEntry | undefined {
    return this.entries.find((entry) => entry.subvol === subvol);
  }

  /** Adds what one subvolume said: an errno, or its layout xattr, or that it has none (spec/dht.md, §5.2). */
  merge(subvol: Subvol, errno: number, disk: Uint8Array | undefined): void {
    const entry: LayoutEntry = { subvol, err: errno, start: 0, stop: 0, commit: 0 };
    this.entries.push(entry);
    if (errno !== 0 || !disk || disk.length < LAYOUT_BYTES) return;
    const view = new DataView(disk.buffer, disk.byteOffset, disk.byteLength);
    const type = view.getUint32(4);
    if (type > MAX_HASH_TYPE) {
      entry.err = -1;
      return;
    }
    if (type === 1) this.type = 1;
    entry.commit = view.getUint32(0);
    entry.start = view.getUint32(8);
    entry.stop = view.getUint32(12);
    if (this.commit === 0) this.commit = entry.commit;
    else if (this.commit !== entry.commit) this.commit = INVALID_COMMIT_HASH;
  }

  /** By start; entries without a range come first. Stable. */
  sort(): this {
    this.entries.sort((a, b) => (b.start === 0 && b.stop === 0 ? a.stop - b.stop : a.start - b.start) || a.stop - b.stop);
    return this;
  }

  sortByName(): this {
    this.entries.sort((a, b) => (a.subvol.name < b.subvol.name ? -1 : a.subvol.name > b.subvol.name ? 1 : 0));
    return this;
  }

  /** What is wrong with it. Sorted by range first (spec/dht.md, §5.3). */
  anomalies(): Anomalies {
    const found: Anomalies = { holes: 0, overlaps: 0, missing: 0, down: 0, noSpace: 0, misc: 0, missingDirectories: 0 };
    const first = ((this.entries[0]?.start ?? 0) - 1) >>> 0;
    let previous = first;
    let counted = 0;
    for (const entry of this.entries) {
      if (entry.err === Errno.ENOENT || (entry.err === -1 && entry.start === 0 && entry.stop === 0)) found.missingDirectories++;
      if (entry.err !== 0) {
        if (entry.err === -1 || entry.err === Errno.ENOENT || entry.err === Errno.ESTALE) found.missing++;
        else if (entry.err === Errno.ENOTCONN) found.down++;
        else if (entry.err === Errno.ENOSPC) found.noSpace++;
        else found.misc++;
        continue;
      }
      if (entry.start === entry.stop) continue;
      counted++;
      const next = (previous + 1) >>> 0;
      if (next < entry.start) found.holes++;
      if (next > entry.start) found.overlaps++;
      previous = entry.stop;
    }
    if (first !== previous || counted === 0) found.holes++;
    return found;
  }

  /** The subvolume whose range holds a hash. */
  search(hash: number): Subvol | undefined {
    for (const entry of this.entries) if (entry.start <= hash && hash <= entry.stop) return entry.subvol;
    return undefined;
  }
}

/** The 16 bytes on disk. */
export function encodeLayout(entry: Pick<LayoutEntry, 'start' | 'stop' | 'commit'>, type: number): Uint8Array {
  const bytes = new Uint8Array(LAYOUT_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, entry.commit);
  view.setUint32(4, type);
  view.setUint32(8, entry.start);
  view.setUint32(12, entry.stop);
  return bytes;
}
