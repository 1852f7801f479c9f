import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withBundle } from '../src/bundle.ts';
import { Cluster, whyNot } from '../src/cluster.ts';

/*
 * What a small C program saw of libgfapi 10.3 (vectors/gfapi-behaviour.txt), done with our gfapi: the same calls where it has
 * them, in the same order.
 */

const reason = whyNot(false);
if (reason) console.warn(`the recorded calls of gfapi are skipped: ${reason}`);

/** Calls that gfapi, whose functions are node:fs's, doesn't have. */
const NO_SUCH_CALL = [
  /^fini ret -1$/, // glfs_fini after a failed glfs_init: a connection that failed leaves nothing to end
  /^get_volfile/, /^ *$/, // glfs_get_volfile, of which the second line is the volfile's last
  /^volumeid/, // glfs_get_volumeid
  /^anon /, // glfs_h_anonymous_read, _write: nothing is read or written without opening it
  /^poll /, // glfs_h_poll_upcall
  /^getcwd/, // paths begin at the root
];

function recorded(): string[] {
  const lines = readFileSync(new URL('vectors/gfapi-behaviour.txt', import.meta.url), 'utf8').split('\n').filter((line) => !NO_SUCH_CALL.some((call) => call.test(line)));
  // 10.3's md-cache doesn't keep a file's block size, and so says 0; node:fs's readers want one.
  return lines.map((line) => line.replace(' blksize 0 ', ' blksize 4096 '));
}

describe.skipIf(reason !== undefined)('gfapi on a volume with all performance xlators', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start('ours', { name: 'clta' });
    const { host, gluster } = cluster;
    host.sh(`${gluster} volume create p clta:/d/b2 force`);
    for (const option of ['performance.nl-cache on', 'performance.readdir-ahead on', 'performance.parallel-readdir on', 'features.cache-invalidation on']) host.sh(`${gluster} volume set p ${option}`);
    host.sh(`${gluster} volume start p`);
    cluster.mount('ours', 'p', '/mnt/p');
  });
  afterAll(() => cluster.stop());

  it('answers as libgfapi does', async () => {
    const entry = path.join(import.meta.dirname, '../src/gfapi/recorded-calls.ts');
    const seen = await withBundle(entry, (program) => cluster.host.sh(`'${process.execPath}' ${program} clta "${cluster.gluster}"`));
    expect(seen.trimEnd().split('\n')).toEqual(recorded());
    // What it wrote, another client sees.
    expect(cluster.host.sh('od -c /mnt/p/f | head -1')).toBe('0000000   X   Y   l   l   o  \\0  \\0  \\0  \\0  \\0   a   f   t   e   r\n');
  });
});
