import { FOP_LABELS } from '@glusterts/libglusterfs';

/** Buckets of block sizes, by floor(log2(size)). */
export const BLOCK_BUCKETS = 32;
/** What upcalls are counted as, by GlusterFS's numbers. */
export const UPCALL_LABELS = ['NULL', 'UPCALL', 'CI_IATT', 'CI_XATTR', 'CI_RENAME', 'CI_UNLINK', 'CI_FORGET', 'LEASE_RECALL'] as const;
export type UpcallLabel = (typeof UPCALL_LABELS)[number];

/** Hits and latency of one fop; nanoseconds. */
export interface FopCounter {
  hits: number;
  totalNs: number;
  averageNs: number;
  minNs: number;
  maxNs: number;
}

/** One set of io-stats' counters: cumulative, or of an interval (spec/client.md, §12.1). */
export class Counters {
  /** Seconds since 1970, whole ones. */
  readonly startedS: number;
  /** By fop number. */
  readonly fops: readonly FopCounter[] = FOP_LABELS.map(() => ({ hits: 0, totalNs: 0, averageNs: 0, minNs: 0, maxNs: 0 }));
  /** By place in UPCALL_LABELS. */
  readonly upcalls = UPCALL_LABELS.map(() => 0);
  bytesRead = 0;
  bytesWritten = 0;
  readonly readBlocks = new Float64Array(BLOCK_BUCKETS);
  readonly writeBlocks = new Float64Array(BLOCK_BUCKETS);

  constructor(startedS: number) {
    this.startedS = startedS;
  }

  /** @param latencyNs undefined: not measured */
  hit(number: number, latencyNs: number | undefined): void {
    const counter = this.fops[number];
    if (!counter) return;
    counter.hits++;
    if (latencyNs === undefined) return;
    counter.totalNs += latencyNs;
    counter.averageNs += (latencyNs - counter.averageNs) / counter.hits;
    counter.minNs = counter.minNs === 0 ? latencyNs : Math.min(counter.minNs, latencyNs);
    counter.maxNs = Math.max(counter.maxNs, latencyNs);
  }

  upcall(label: UpcallLabel): void {
    const at = UPCALL_LABELS.indexOf(label);
    this.upcalls[at] = (this.upcalls[at] ?? 0) + 1;
  }

  read(size: number): void {
    this.bytesRead += size;
    if (size > 0) bump(this.readBlocks, size);
  }

  written(size: number): void {
    this.bytesWritten += size;
    if (size > 0) bump(this.writeBlocks, size);
  }
}

function bump(blocks: Float64Array, size: number): void {
  const bucket = Math.min(BLOCK_BUCKETS - 1, Math.floor(Math.log2(size)));
  blocks[bucket] = (blocks[bucket] ?? 0) + 1;
}
