import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const built = existsSync(path.join(root, 'packages/gfapi/dist'));
if (!built) console.warn('the examples: skipped: need the built packages');

describe.skipIf(!built)('the examples, as the README starts them', { timeout: 60_000 }, () => {
  it('examples/shout reads in capitals', () => {
    const result = spawnSync(process.execPath, ['examples/shout/run.mjs'], { cwd: root, encoding: 'utf8', timeout: 45_000 });
    expect(result.status, result.stderr).toBe(0);
    expect(result.stdout).toBe('HELLO FROM AN XLATOR OF THIRTY LINES\n');
  });
});
