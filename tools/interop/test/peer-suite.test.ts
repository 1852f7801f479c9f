import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, isFolder, whyNot } from '../src/cluster.ts';

/** A checkout of GlusterFS's own `tests/`, and the program that runs them in a throw-away host; neither is part of this repository. */
const suite = process.env['GLUSTER_SUITE'] ?? '';
const runner = process.env['GLUSTER_PEER_SUITE'] ?? '';
const reason = whyNot(true) ?? (isFolder(path.join(suite, 'tests')) && runner !== '' ? undefined : 'GLUSTER_SUITE (a checkout of GlusterFS v10.3) and GLUSTER_PEER_SUITE (its runner) are not set');
if (reason) console.warn(`GlusterFS's own regression tests skipped: ${reason}`);

describe.skipIf(reason !== undefined)('GlusterFS’s own regression tests, with our bin/', () => {
  it.each(['tests/basic/ec/ec-4-1.t', 'tests/basic/ec/ec-5-2.t', 'tests/basic/ec/ec-6-2.t', 'tests/basic/ec/ec-read-mask.t'])('%s passes from end to end', (test) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'glusterts-peer-'));
    const result = path.join(folder, 'result.tsv');
    try {
      execFileSync(runner, [suite, result, '-b', path.join(ROOT, 'bin'), '-n', '231', test], { stdio: 'ignore' });
      expect(readFileSync(result, 'utf8')).toMatch(/\tpass\t/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
