import { FOP_LABELS } from '@glusterts/libglusterfs';
import { type Counters, UPCALL_LABELS } from './counters.js';
import { fixed } from './printf.js';
import type { OpenFiles } from './text-report.js';

/* io-stats' dump as JSON, two objects in one file (spec/client.md, §12.4; vectors/client/io-stats-interval-dump-client.json). */

/** The largest block size of the report is 2^30. */
const BLOCK_SIZES = 31;

/** Requests that wait in io-threads, by the names of its classes. */
export type QueueSizes = ReadonlyMap<string, number>;

/** Since the start. @param prefix `gluster.<name>` */
export function cumulativeJson(counters: Counters, open: OpenFiles, queues: QueueSizes, prefix: string, nowS: number): string {
  const key = (name: string): string => `"${prefix}.aggr.${name}"`;
  const lines: string[] = [];
  eachBlock((i, size) => {
    lines.push(`${key(`read_${size}`)}: ${counters.readBlocks[i] ?? 0},`, `${key(`write_${size}`)}: ${counters.writeBlocks[i] ?? 0},`);
  });
  lines.push(`${key('fds.open_count')}: ${open.open},`, `${key('fds.max_open_count')}: ${open.most},`);
  lines.push(...fopLines(counters, key, (name, hits) => `${key(`fop.${name}.count`)}: ${hits},`));
  lines.push(...queueLines(queues, key));
  lines.push(`${key('uptime')}: ${nowS - counters.startedS},`, `${key('bytes_read')}: ${counters.bytesRead},`, `${key('bytes_written')}: ${counters.bytesWritten}`);
  return `{\n${lines.join('\n')}\n}\n`;
}

/** Since the dump before. */
export function intervalJson(counters: Counters, queues: QueueSizes, prefix: string, nowS: number): string {
  const key = (name: string): string => `"${prefix}.inter.${name}"`;
  const seconds = nowS - counters.startedS;
  const rate = (count: number): string => fixed(count / seconds, 2);
  const lines: string[] = [];
  eachBlock((i, size) => {
    lines.push(`${key(`read_${size}_per_sec`)}: ${rate(counters.readBlocks[i] ?? 0)},`, `${key(`write_${size}_per_sec`)}: ${rate(counters.writeBlocks[i] ?? 0)},`);
  });
  lines.push(...fopLines(counters, key, (name, hits) => `${key(`fop.${name}.per_sec`)}: ${rate(hits)},`));
  lines.push(...queueLines(queues, key));
  lines.push(`${key('sample_interval_sec')}: ${fixed(seconds, 2)},`, `${key('bytes_read_per_sec')}: ${rate(counters.bytesRead)},`, `${key('bytes_written_per_sec')}: ${rate(counters.bytesWritten)}`);
  return `{\n${lines.join('\n')}\n}\n`;
}

function eachBlock(visit: (index: number, size: string) => void): void {
  for (let i = 0; i < BLOCK_SIZES; i++) visit(i, i >= 20 ? `${2 ** (i - 20)}mb` : i >= 10 ? `${2 ** (i - 10)}kb` : `${2 ** i}b`);
}

/** The latencies are C floats there, and so is what is weighed with them. */
function fopLines(counters: Counters, key: (name: string) => string, count: (name: string, hits: number) => string): string[] {
  const lines: string[] = [];
  let sum = 0;
  let weighted = 0;
  let total = 0;
  counters.fops.forEach(({ hits, averageNs, minNs, maxNs }, i) => {
    const name = (FOP_LABELS[i] ?? '').toLowerCase();
    const measured = hits > 0 && averageNs !== 0;
    const average = measured ? Math.fround(averageNs) : 0;
    lines.push(
      count(name, hits),
      `${key(`fop.${name}.latency_ave_usec`)}: ${fixed(average, 2)},`,
      `${key(`fop.${name}.latency_min_usec`)}: ${fixed(measured ? Math.fround(minNs) : 0, 2)},`,
      `${key(`fop.${name}.latency_max_usec`)}: ${fixed(measured ? Math.fround(maxNs) : 0, 2)},`,
    );
    sum += average;
    weighted += Math.fround(Math.fround(hits) * average);
    total += hits;
  });
  const mean = total > 0 ? weighted / total : 0;
  if (total > 0) lines.push(`${key('fop.weighted_latency_ave_usec_nozerofill')}: ${fixed(mean, 4)},`);
  lines.push(`${key('fop.weighted_latency_ave_usec')}: ${fixed(mean, 4)},`, `${key('fop.weighted_fop_count')}: ${total},`);
  // No blank after this colon.
  lines.push(`${key('fop.unweighted_latency_ave_usec')}:${fixed(sum / FOP_LABELS.length, 4)},`);
  counters.upcalls.forEach((hits, i) => lines.push(count((UPCALL_LABELS[i] ?? '').toLowerCase(), hits)));
  return lines;
}

function queueLines(queues: QueueSizes, key: (name: string) => string): string[] {
  return [...queues].map(([name, size]) => `${key(`${name}.queue_size`)}: ${size},`);
}
