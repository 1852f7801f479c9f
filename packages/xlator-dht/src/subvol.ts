import { type Statvfs, type Subvolume, graphLeaves } from '@glusterts/libglusterfs';
import { type LayoutEntry, encodeLayout } from './layout.js';

const MIB = 2 ** 20;

/** The last disk numbers of a subvolume (spec/dht.md, §6.1 and §10.1). */
export interface DiskUsage {
  /** Size in MiB, for weighting; 0: not known. */
  chunks: number;
  availPercent: number;
  availBytes: number;
  inodePercent: number;
  known: boolean;
}

/** A child of distribute and what is known of it. */
export class Subvol {
  readonly index: number;
  readonly name: string;
  /** Its fops. */
  readonly fops: Subvolume;
  up = false;
  /** It has said once whether it is up. */
  reported = false;
  /** When it came up, in order of coming; grows. */
  upSince = 0;
  decommissioned = false;
  disk: DiskUsage = { chunks: 0, availPercent: 100, availBytes: Number.MAX_SAFE_INTEGER, inodePercent: 100, known: false };

  #oneBrick: boolean | undefined;
  #lastLayout: { readonly start: number; readonly stop: number; readonly commit: number; readonly type: number; readonly bytes: Uint8Array } | undefined;

  constructor(index: number, fops: Subvolume) {
    this.index = index;
    this.name = fops.name;
    this.fops = fops;
  }

  /** It is one brick: what a brick says of a file in xdata is true of the file, not of a copy or a fragment. */
  get oneBrick(): boolean {
    return (this.#oneBrick ??= graphLeaves(this.fops.xlator).length === 1);
  }

  /** The xattr that an entry of a layout is on disk. Files are created in one directory after the other: the last one is remembered. */
  diskLayout(entry: LayoutEntry, type: number): Uint8Array {
    const { start, stop, commit } = entry;
    const last = this.#lastLayout;
    if (last?.start === start && last.stop === stop && last.commit === commit && last.type === type) return last.bytes;
    const bytes = encodeLayout(entry, type);
    this.#lastLayout = { start, stop, commit, type, bytes };
    return bytes;
  }

  setDisk(statfs: Statvfs): void {
    const perChunk = statfs.f_bsize > 0 ? Math.floor(MIB / statfs.f_bsize) : 0;
    this.disk = {
      chunks: perChunk > 0 && statfs.f_blocks > 0 ? Math.floor((statfs.f_blocks + perChunk - 1) / perChunk) : 0,
      availPercent: statfs.f_blocks > 0 ? Math.trunc((statfs.f_bavail * 100) / statfs.f_blocks) : 100,
      availBytes: statfs.f_bavail * statfs.f_frsize,
      inodePercent: statfs.f_files > 0 ? Math.trunc((statfs.f_ffree * 100) / statfs.f_files) : 100,
      known: true,
    };
  }
}
