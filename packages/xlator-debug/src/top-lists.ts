/* The files and folders that are used most (spec/client.md, §12.1). */

/** Entries of one list. */
const MEMBERS_MAX = 100;

/** What the lists of counts are of. */
export const COUNT_LISTS = ['open', 'read', 'write', 'opendir', 'readdirp'] as const;
export type CountList = (typeof COUNT_LISTS)[number];
export type ThroughputList = 'read' | 'write';

export interface Throughput {
  /** Bytes per nanosecond, cut to a whole number: what GlusterFS takes for KBPS. */
  value: number;
  /** Seconds and nanoseconds since 1970. */
  at: { readonly sec: number; readonly nsec: number };
}

/** One file or folder. */
export class FileStat {
  readonly path: string;
  readonly counts: Record<CountList, number> = { open: 0, read: 0, write: 0, opendir: 0, readdirp: 0 };
  readonly throughput: Record<ThroughputList, Throughput> = { read: { value: 0, at: { sec: 0, nsec: 0 } }, write: { value: 0, at: { sec: 0, nsec: 0 } } };

  constructor(path: string) {
    this.path = path;
  }
}

export interface TopEntry {
  readonly file: FileStat;
  value: number;
}

/** The files with the largest values, the largest first; of equal ones, the newest. */
export class TopList {
  readonly entries: TopEntry[] = [];

  add(file: FileStat, value: number): void {
    const { entries } = this;
    const at = entries.findIndex((entry) => entry.file === file);
    const place = entries.findIndex((entry) => entry.value <= value);
    const known = entries[at];
    if (known && (place < 0 || place >= at)) {
      known.value = value;
      return;
    }
    if (known) entries.splice(at, 1);
    if (place >= 0) entries.splice(place, 0, { file, value });
    else if (entries.length < MEMBERS_MAX) entries.push({ file, value });
    if (entries.length > MEMBERS_MAX) entries.pop();
  }
}

/** All lists of one io-stats. */
export class TopLists {
  readonly counts: Readonly<Record<CountList, TopList>> = { open: new TopList(), read: new TopList(), write: new TopList(), opendir: new TopList(), readdirp: new TopList() };
  readonly throughput: Readonly<Record<ThroughputList, TopList>> = { read: new TopList(), write: new TopList() };

  count(file: FileStat, list: CountList): void {
    this.counts[list].add(file, ++file.counts[list]);
  }

  /** A read or write of so many bytes that took so long; only a file's best is kept. */
  passed(file: FileStat, list: ThroughputList, bytes: number, elapsedNs: number, at: Throughput['at']): void {
    const value = elapsedNs > 0 ? Math.trunc(bytes / elapsedNs) : 0;
    const best = file.throughput[list];
    if (best.value > value) return;
    best.value = value;
    best.at = at;
    this.throughput[list].add(file, value);
  }
}
