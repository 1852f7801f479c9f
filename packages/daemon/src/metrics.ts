import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { type Graph, dictStats } from '@glusterts/libglusterfs';

/* What SIGUSR2 asks for: numbers for machines (spec/client.md, §15.5; vectors/client/sigusr2-metrics-client.txt). */

const SUFFIX_LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const SUFFIX_LENGTH = 6;
const NAME_TRIES = 100;

/** The process in the words of its command line; undefined is shown as `(null)`. */
export interface MetricsHeader {
  readonly commandLine: string;
  readonly brick: string | undefined;
  readonly mountpoint: string | undefined;
  readonly volumeName: string | undefined;
}

/** Writes a new file into the directory and returns its name. */
export function writeMetrics(graph: Graph, header: MetricsHeader, directory: string): string {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const { file, fd } = openNew(graph, directory);
  try {
    writeSync(fd, Buffer.from(metricsText(graph, header), 'latin1'));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return file;
}

/** As mkstemp does it. */
function openNew(graph: Graph, directory: string): { file: string; fd: number } {
  const { random } = graph.platform;
  for (let i = 1; ; i++) {
    const suffix = Array.from({ length: SUFFIX_LENGTH }, () => SUFFIX_LETTERS[random.below(SUFFIX_LETTERS.length)]).join('');
    const file = path.join(directory, `gmetrics.${suffix}`);
    try {
      return { file, fd: openSync(file, 'wx', 0o600) };
    } catch (error) {
      if (i === NAME_TRIES || !(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
  }
}

function metricsText(graph: Graph, header: MetricsHeader): string {
  const { callPool } = graph;
  const lines = [
    `## ${header.commandLine}`,
    `### ${localTime(graph.platform.clock.wall())}`,
    `### BrickName: ${header.brick ?? '(null)'}`,
    `### MountName: ${header.mountpoint ?? '(null)'}`,
    `### VolumeName: ${header.volumeName ?? '(null)'}`,
    `total.stack.count ${callPool.total}`,
    `total.stack.in-flight ${callPool.cnt}`,
    `total.dict.max-pairs-per ${dictStats.pairsMax}`,
    `total.dict.pairs-used ${dictStats.pairs}`,
    `total.dict.used ${dictStats.dicts}`,
    `total.dict.average-pairs ${dictStats.dicts === 0 ? 0 : Math.floor(dictStats.pairs / dictStats.dicts)}`,
    '# -----',
    '# -----',
  ];
  for (const xlator of [...graph.xlators].reverse()) {
    lines.push(...graph.latency.metrics(xlator));
    // The types of C's allocations would follow: JavaScript has none.
    lines.push(`# ${xlator.type}.${xlator.name}.total.num_types 0`, '# type, in-use-size, in-use-units, max-size, max-units, total-allocs');
    for (const [name, value] of xlator.metrics()) lines.push(`${xlator.name}.${name} ${value}`);
  }
  if (graph.root) lines.push(...graph.latency.metrics(graph.root));
  return `${lines.join('\n')}\n\n# End of metrics\n`;
}

function localTime(wallMs: number): string {
  const date = new Date(wallMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
