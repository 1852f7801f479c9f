import { FOP_LABELS } from '@glusterts/libglusterfs';
import { BLOCK_BUCKETS, type Counters, UPCALL_LABELS } from './counters.js';
import { fixed } from './printf.js';
import { type CountList, type ThroughputList, type Throughput, type TopLists } from './top-lists.js';

/* io-stats' dump as text (spec/client.md, §12.5; vectors/client/io-stats-dump-1-client.txt). Nanoseconds stand beside "us", as in GlusterFS. */

/** Block sizes in one table. */
const PER_LINE = 3;

/** How many files are open, and were at most. */
export interface OpenFiles {
  open: number;
  most: number;
  /** When most were open; 0 for never. */
  mostAt: Throughput['at'];
}

/** The cumulative part, with the lists. */
export function cumulativeText(counters: Counters, open: OpenFiles, lists: TopLists, nowS: number): string {
  return `\n=== Cumulative stats ===\n${countersText(counters, nowS)}Current open fd's: ${open.open} Max open fd's: ${open.most} time ${timeText(open.mostAt)}\n${listsText(lists)}`;
}

/** An interval's part. */
export function intervalText(counters: Counters, number: number, nowS: number): string {
  return `\n=== Interval ${number} stats ===\n${countersText(counters, nowS)}`;
}

function countersText(counters: Counters, nowS: number): string {
  return [
    `      Duration : ${nowS - counters.startedS} secs`,
    `     BytesRead : ${counters.bytesRead}`,
    `  BytesWritten : ${counters.bytesWritten}`,
    '',
    ...blockLines(counters),
    `${'Fop'.padEnd(13)} ${'Call Count'.padStart(10)} ${'Avg-Latency'.padStart(14)} ${'Min-Latency'.padStart(14)} ${'Max-Latency'.padStart(14)}`,
    `${'---'.padEnd(13)} ${'----------'.padStart(10)} ${'-----------'.padStart(14)} ${'-----------'.padStart(14)} ${'-----------'.padStart(14)}`,
    ...fopLines(counters),
    '------ ----- ----- ----- ----- ----- ----- -----  ----- ----- ----- -----',
    '',
    '',
  ].join('\n');
}

function blockLines(counters: Counters): string[] {
  const lines: string[] = [];
  const used: number[] = [];
  for (let i = 0; i < BLOCK_BUCKETS; i++) if ((counters.readBlocks[i] ?? 0) > 0 || (counters.writeBlocks[i] ?? 0) > 0) used.push(i);
  for (let from = 0; from < used.length; from += PER_LINE) {
    const part = used.slice(from, from + PER_LINE);
    lines.push(
      `Block Size   :${part.map((i) => `${String((1 << i) >> 0).padStart(16)}B+`).join('')}`,
      `Read Count   :${part.map((i) => String(counters.readBlocks[i] ?? 0).padStart(18)).join('')}`,
      `Write Count  :${part.map((i) => String(counters.writeBlocks[i] ?? 0).padStart(18)).join('')}`,
      '',
    );
  }
  return lines;
}

function fopLines(counters: Counters): string[] {
  const lines: string[] = [];
  const line = (label: string, hits: number, latencies: readonly string[]): void => {
    lines.push(`${label.padEnd(13)} ${String(hits).padStart(10)} ${latencies.map((latency) => `${latency.padStart(11)} us`).join(' ')}`);
  };
  counters.fops.forEach(({ hits, averageNs, minNs, maxNs }, i) => {
    if (hits > 0) line(FOP_LABELS[i] ?? '', hits, averageNs === 0 ? ['0', '0', '0'] : [averageNs, minNs, maxNs].map((ns) => fixed(ns, 2)));
  });
  counters.upcalls.forEach((hits, i) => {
    if (hits > 0) line(UPCALL_LABELS[i] ?? '', hits, ['0', '0', '0']);
  });
  return lines;
}

function listsText(lists: TopLists): string {
  const counts = (title: string, what: string, list: CountList): string =>
    `\n${title}\n\nCOUNT:  \t  ${what} NAME\n${lists.counts[list].entries.map(({ file, value }) => `${fixed(value, 0).padEnd(12)} ${file.path}\n`).join('')}`;
  const throughput = (title: string, list: ThroughputList): string =>
    `\n${title}\n\nTIMESTAMP \t\t\t THROUGHPUT(KBPS)\tFILE NAME\n${lists.throughput[list].entries
      .map(({ file, value }) => `${timeText(file.throughput[list].at)} \t ${fixed(value, 2).padEnd(10)}  \t  ${file.path}\n`).join('')}`;
  return [
    counts('==========Open File Stats========', 'FILE', 'open'),
    counts('==========Read File Stats========', 'FILE', 'read'),
    counts('==========Write File Stats========', 'FILE', 'write'),
    counts('==========Directory open stats========', 'DIRECTORY', 'opendir'),
    counts('========Directory readdirp Stats=======', 'DIRECTORY', 'readdirp'),
    throughput('========Read Throughput File Stats=====', 'read'),
    throughput('======Write Throughput File Stats======', 'write'),
  ].join('');
}

/** `2026-11-21 02:32:31.566001 +0000` */
function timeText({ sec, nsec }: Throughput['at']): string {
  const date = new Date(sec * 1000).toISOString();
  return `${date.slice(0, 10)} ${date.slice(11, 19)}.${String(Math.floor(nsec / 1000)).padStart(6, '0')} +0000`;
}
