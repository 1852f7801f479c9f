import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import type { Host } from '../../../bench/src/host.ts';
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

/** Sends the requests of a trace to our bridge, on a host's volume, in their order. */
export async function replayTrace(host: Host, job: ReplayJob): Promise<Compared[]> {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const directory = mkdtempSync(path.join(tmpdir(), 'fuse-replay-'));
  const program = path.join(directory, 'replay.mjs');
  try {
    // The addon is found beside the sources.
    const url = pathToFileURL(path.resolve(here, '../../../../packages/libglusterfs/src/platform/native.ts')).href;
    await build({
      entryPoints: [path.join(here, 'replay-host.ts')], outfile: program, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent', conditions: ['@glusterts/source'],
      define: { 'import.meta.url': JSON.stringify(url) },
    });
    return JSON.parse(host.sh(`'${process.execPath}' ${program} '${JSON.stringify(job)}'`, 240_000));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
