import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, whyNot } from '../src/cluster.ts';
import { latencyShape, sameEverywhere, shape } from '../src/meta-shapes.ts';
import { startVolumeP } from '../src/performance-volume.ts';

/* `.meta` of volume `p`, with all performance xlators, beside that of GlusterFS 10.3. */

const reason = whyNot(false);
if (reason) console.warn(`the .meta tree of all performance xlators is skipped: ${reason}`);

const vector = (name: string): string => readFileSync(new URL(`vectors/${name}`, import.meta.url), 'latin1');

describe.skipIf(reason !== undefined)('.meta of a volume with all performance xlators', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startVolumeP();
    cluster.host.sh('cd /mnt/p && echo 1 >.meta/measure_latency && mkdir d && echo a >d/f && cat d/f && ls -l d && [ ! -e nothing ]');
  });
  afterAll(() => cluster.stop());

  it('has the files, folders and links of GlusterFS’s', () => {
    const seen = cluster.host.sh("cd /mnt/p/.meta && find . -printf '%y %m %P %l\\n'");
    const lines = (text: string): string[] => sameEverywhere(text).split('\n').filter((line) => line !== '').sort();
    // This list was made without the files meminfo, which the other vectors do have.
    expect(lines(seen).filter((line) => !line.includes('/meminfo '))).toEqual(lines(vector('meta-tree-all-perf.txt')));
  });

  it('has GlusterFS’s contents in each xlator’s type, private, profile, history and meminfo', () => {
    const parts = vector('meta-private-all-perf.txt').split(/^(?==== )/m).map((part): [string, string] => [part.slice(4, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)]);
    expect(parts.length).toBe(5 * 15);
    for (const [file, wanted] of parts) {
      const seen = cluster.host.sh(`cat /mnt/p/.meta/graphs/active/${file.replace(/^top\//, '$(readlink /mnt/p/.meta/graphs/active/top)/')}`);
      if (file.endsWith('/profile')) expect(latencyShape(seen).length, file).toBeLessThanOrEqual(3);
      if (file.endsWith('/profile')) expect(latencyShape(wanted).filter((line) => !line.endsWith(' = LATENCY')), file).toEqual(latencyShape(seen).filter((line) => !line.endsWith(' = LATENCY')));
      else expect(shape(seen), file).toBe(shape(wanted));
    }
  });
});
