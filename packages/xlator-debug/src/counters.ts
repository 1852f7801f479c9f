import type { FopName } from '@glusterts/libglusterfs';

/** Hits and latency of one fop; nanoseconds. */
export interface FopCounter {
  hits: number;
  averageNs: number;
  minNs: number;
  maxNs: number;
}

/** One set of io-stats' counters: cumulative, or of an interval (spec/client.md, §12.1). */
export class Counters {
  readonly startedMs: number;
  readonly fops = new Map<FopName, FopCounter>();
  bytesRead = 0;
  bytesWritten = 0;
  /** By floor(log2(size)). */
  readonly readBlocks = new Float64Array(32);
  readonly writeBlocks = new Float64Array(32);

  constructor(startedMs: number) {
    this.startedMs = startedMs;
  }

  hit(fop: FopName, latencyNs: number | undefined): void {
    let counter = this.fops.get(fop);
    if (!counter) this.fops.set(fop, (counter = { hits: 0, averageNs: 0, minNs: 0, maxNs: 0 }));
    counter.hits++;
    if (latencyNs === undefined) return;
    counter.averageNs += (latencyNs - counter.averageNs) / counter.hits;
    counter.minNs = counter.minNs === 0 ? latencyNs : Math.min(counter.minNs, latencyNs);
    counter.maxNs = Math.max(counter.maxNs, latencyNs);
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
  const bucket = Math.min(31, Math.floor(Math.log2(size)));
  blocks[bucket] = (blocks[bucket] ?? 0) + 1;
}
