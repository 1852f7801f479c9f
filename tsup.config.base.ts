import type { Options } from 'tsup';

/** What every package is built with: one ESM bundle per entry, dependencies left out, source maps beside it. */
export const base: Options = {
  entry: ['src/index.ts'],
  format: ['esm'],
  target: 'node20',
  platform: 'node',
  sourcemap: true,
  clean: true,
  dts: false,
  splitting: true,
  silent: true,
};
