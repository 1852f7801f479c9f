import type { MemoryResult, VolumeResult } from './compare.js';
import type { Spread } from './statistics.js';
import { ROWS } from './workloads.js';

function range({ median, min, max }: Spread): string {
  return `${median.toFixed(2).padStart(6)} (${min.toFixed(2)}–${max.toFixed(2)})`;
}

function memoryLine(name: string, memory: readonly MemoryResult[]): string {
  const parts = memory.map(({ kind, processes, restRssMiB, restPssMiB, endPssMiB, peakRssMiB }) =>
    `${kind}${processes > 1 ? ` ×${processes}` : ''} ${restPssMiB.toFixed(0)}/${restRssMiB.toFixed(0)} → ${endPssMiB.toFixed(0)}, peak ${peakRssMiB.toFixed(0)}`);
  const total = (pick: (m: MemoryResult) => number): string => memory.reduce((sum, m) => sum + pick(m), 0).toFixed(0);
  return `  ${name.padEnd(10)} ${parts.join('; ')}; all: PSS ${total((m) => m.restPssMiB)} → ${total((m) => m.endPssMiB)}, peak RSS ${total((m) => m.peakRssMiB)}`;
}

/** The result as text for a terminal. */
export function compareReport(result: VolumeResult): string {
  const first = result.self ? 'GlusterFS' : 'ours';
  const lines = [
    '',
    `${result.volume}, bricks on ${result.disk}, ${result.pairs} pair(s), medians; ratios pair by pair (least–greatest)`,
  ];
  for (const [round, { rows, geometricMean }] of result.rounds.entries()) {
    if (result.rounds.length > 1) lines.push(round === 0 ? 'in processes that have just started:' : `round ${round + 1} on the same mounts:`);
    lines.push(
      `${'row'.padEnd(24)}${first.padStart(10)}${'GlusterFS'.padStart(11)}  ${'unit'.padEnd(10)}${'ratio'.padStart(6)}${'µs of processor per operation'.padStart(44)}${'idle polling, and with it'.padStart(35)}`,
    );
    for (const row of rows) {
      lines.push([
        ROWS[row.row].title.padEnd(24), row.ours.median.toFixed(0).padStart(10), row.theirs.median.toFixed(0).padStart(11), '  ', row.unit.padEnd(10),
        range(row.ratio).padEnd(22), row.oursCpuUs.toFixed(1).padStart(9), ` / ${row.theirsCpuUs.toFixed(1)}`.padEnd(11), range(row.cpuRatio).padEnd(20), row.oursPollingUs.toFixed(1).padStart(9), ` / ${row.theirsPollingUs.toFixed(1)}`.padEnd(9), row.cpuAndPollingRatio.median.toFixed(2).padStart(6),
      ].join(''));
    }
    lines.push(`geometric mean of the ratios ${geometricMean.toFixed(2)}`);
  }
  lines.push('memory in MiB, PSS/RSS with the mount made → PSS after the rows, peak RSS:', memoryLine(first, result.memory.ours), memoryLine('GlusterFS', result.memory.theirs));
  return lines.join('\n');
}
