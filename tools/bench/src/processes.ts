import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** What a daemon is: the mount (or another client), a brick, the self-heal daemon, glusterd. */
export type ProcessKind = 'mount' | 'brick' | 'self-heal' | 'glusterd';
export const PROCESS_KINDS: readonly ProcessKind[] = ['mount', 'brick', 'self-heal', 'glusterd'];

/** What all daemons of one kind use. */
export interface Usage {
  processes: number;
  /** Processor seconds since they started, in user space and in the kernel on their behalf. */
  cpuSeconds: number;
  /** Resident memory, with what is shared counted in each. */
  rssMiB: number;
  /** Resident memory, with what is shared divided among those who share it. */
  pssMiB: number;
  /** The most that was resident: the sum of each process's own peak. */
  peakRssMiB: number;
}

export type Usages = Readonly<Record<ProcessKind, Usage>>;

const NS_PER_SECOND = 1e9;
const TICKS_PER_SECOND = 100;

function kindOf(pid: string): ProcessKind | undefined {
  const comm = readFileSync(`/proc/${pid}/comm`, 'latin1').trim();
  if (!comm.startsWith('gluster')) return undefined;
  if (comm === 'glusterd') return 'glusterd';
  if (comm.startsWith('glusterfsd')) return 'brick';
  const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  if (/glustershd|shd\//.test(words)) return 'self-heal';
  // The original's glusterd and glusterfsd are both links to glusterfsd; their comm tells them apart.
  return comm.startsWith('glusterfs') ? 'mount' : undefined;
}

/** In nanoseconds by thread, where the kernel counts so (a row lasts tens of ticks only); else in ticks. */
function cpuSeconds(pid: string): number {
  let ns = 0;
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
    if (ns > 0) return ns / NS_PER_SECOND;
  } catch {
    // A thread ended between the two reads, or the kernel keeps no schedstat.
  }
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function mib(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) / 1024;
}

function link(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}

/** GlusterFS's daemons, ours or the original's, in the process namespace of `pid`. Memory is read only if asked for: it takes the kernel a while. */
export function usageOf(pid: number, what: 'processor' | 'all' = 'processor'): Usages {
  const empty = (): Usage => ({ processes: 0, cpuSeconds: 0, rssMiB: 0, pssMiB: 0, peakRssMiB: 0 });
  const usages: Record<ProcessKind, Usage> = { mount: empty(), brick: empty(), 'self-heal': empty(), glusterd: empty() };
  const namespace = link(`/proc/${pid}/ns/pid`);
  for (const other of readdirSync('/proc')) {
    if (!/^\d+$/.test(other) || link(`/proc/${other}/ns/pid`) !== namespace) continue;
    try {
      const kind = kindOf(other);
      if (!kind) continue;
      const usage = usages[kind];
      usage.cpuSeconds += cpuSeconds(other);
      usage.processes++;
      if (what === 'processor') continue;
      const status = readFileSync(`/proc/${other}/status`, 'latin1');
      usage.rssMiB += mib(status, 'VmRSS');
      usage.peakRssMiB += mib(status, 'VmHWM');
      usage.pssMiB += mib(readFileSync(`/proc/${other}/smaps_rollup`, 'latin1'), 'Pss');
    } catch {
      // It ended while we looked.
    }
  }
  return usages;
}

export function cpuSecondsOf(usages: Usages): number {
  return PROCESS_KINDS.reduce((sum, kind) => sum + usages[kind].cpuSeconds, 0);
}
