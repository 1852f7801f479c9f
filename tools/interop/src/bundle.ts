import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

/** Bundles a program of ours, and hands its path to `use`; it is gone when that has ended. */
export async function withBundle<T>(entry: string, use: (program: string) => T | Promise<T>): Promise<T> {
  const directory = mkdtempSync(path.join(tmpdir(), 'glusterts-bundle-'));
  const program = path.join(directory, 'program.mjs');
  try {
    // The addon is found beside the sources.
    const url = pathToFileURL(path.resolve(import.meta.dirname, '../../../packages/libglusterfs/src/platform/native.ts')).href;
    await build({
      entryPoints: [entry], outfile: program, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent', conditions: ['@glusterts/source'],
      define: { 'import.meta.url': JSON.stringify(url) },
      // `npm run test:switched`: what the daemons get by NODE_OPTIONS, for here the graph is in the bundle.
      ...(process.env['GLUSTERTS_SWITCHED'] === undefined ? {} : { inject: [path.resolve(import.meta.dirname, '../../switched/graphs.mjs')] }),
    });
    return await use(program);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
