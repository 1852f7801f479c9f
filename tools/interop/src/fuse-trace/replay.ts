import path from 'node:path';
import type { Host } from '../../../bench/src/host.ts';
import { withBundle } from '../bundle.ts';
import type { FuseOptions } from '../../../../packages/fuse-bridge/src/options.ts';

export interface ReplayJob {
  /** A client's volfile; a path on the host, as is `trace`. */
  readonly volfile: string;
  readonly trace: string;
  readonly options: Partial<FuseOptions>;
  /** By the number of a section: a shell command before it, and what the graph says then. */
  readonly before: Readonly<Record<number, { readonly run: string; readonly awaits: 'up' | 'down' }>>;
}

/** A section of the trace beside what we did, line by line. */
export interface Compared {
  readonly title: string;
  readonly expected: readonly string[];
  readonly actual: readonly string[];
}

/** One word for the shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Sends the requests of a trace to our bridge, on a host's volume, in their order. */
export async function replayTrace(host: Host, job: ReplayJob): Promise<Compared[]> {
  const entry = path.join(import.meta.dirname, 'replay-host.ts');
  return withBundle(entry, (program) => JSON.parse(host.sh(`'${process.execPath}' ${program} ${quoted(JSON.stringify(job))}`, 240_000)));
}
