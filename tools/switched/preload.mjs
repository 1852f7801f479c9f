// For NODE_OPTIONS=--import: in our daemons and programs, not in vitest and the like, `graphs.mjs` comes before the program itself.
import { realpathSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');

function isOurs() {
  try {
    const main = path.relative(root, realpathSync(process.argv[1] ?? ''));
    return /^(?:apps\/glusterfsd?\/dist|examples)\//.test(main);
  } catch {
    return false;
  }
}

if (isOurs()) await import('./graphs.mjs');
