import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, whyNot } from '../src/cluster.ts';
import { latencyShape, sameEverywhere, shape } from '../src/meta-shapes.ts';

/*
 * `.meta` of a volume with the default options and one brick, as the host `clta` had it when vectors/meta-*-default.txt were taken
 * (GlusterFS 10.3), mounted by us.
 */

const reason = whyNot(false);
if (reason) console.warn(`the .meta tree is skipped: ${reason}`);

const vector = (name: string): string => readFileSync(new URL(`vectors/${name}`, import.meta.url), 'latin1');

describe.skipIf(reason !== undefined)('.meta of a volume with the default options', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start('ours', { name: 'clta' });
    cluster.host.sh(`${cluster.gluster} volume create v clta:/d/b1 force && ${cluster.gluster} volume start v`);
    // Word by word as it was done for the vectors: the command line and the log file's name are shown too.
    cluster.host.sh('mkdir /mnt/v && glusterfs -s clta --volfile-id v /mnt/v');
    cluster.host.sh('for i in $(seq 200); do stat -f /mnt/v >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1');
  });
  afterAll(() => cluster.stop());

  it('has the files, folders and links of GlusterFS’s, with their modes and targets', () => {
    const seen = cluster.host.sh("cd /mnt/v/.meta && LC_ALL=C find . -printf '%y %m %P %l\\n' | sort -k3");
    const lines = (text: string): string[] => sameEverywhere(text).split('\n').filter((line) => line !== '' && !line.startsWith('#')).sort();
    expect(lines(seen)).toEqual(lines(vector('meta-tree-default.txt')));
  });

  /** The vector's `=== FILE` parts. */
  const contents = new Map(vector('meta-contents-default.txt').split(/(?<=^|\})(?==== )/m).map((part) => {
    const end = part.indexOf('\n');
    return [part.slice(4, end).replace(/^.*: /, 'after: '), part.slice(end + 1)] as const;
  }));

  it('has GlusterFS’s contents in each file', () => {
    const { host } = cluster;
    // Ours measures only when it is told to; GlusterFS does from the start, and then shows 1.
    expect(host.sh('cat /mnt/v/.meta/measure_latency')).toBe('0\n');
    host.sh('cd /mnt/v && echo 1 >.meta/measure_latency && echo a >f && cat f && ls -l && cat /mnt/v/.meta/version');
    expect(contents.size).toBe(25);
    for (const [file, wanted] of contents) {
      if (file.startsWith('after: ')) continue;
      const seen = Buffer.from(host.sh(`base64 -w0 /mnt/v/${file}`), 'base64').toString('latin1');
      if (file === '.meta/frames') expect(framesShape(seen), file).toEqual(framesShape(wanted));
      else if (file.endsWith('/profile')) expect(latencyShape(seen), file).toEqual(latencyShape(wanted));
      else if (/cmdline$|\/volfile$|\/name$|\/type$|options|version$|uuid$|loglevel$|measure/.test(file)) expect(sameEverywhere(seen), file).toBe(sameEverywhere(wanted));
      else expect(shape(seen), file).toBe(shape(wanted));
    }
  });

  /** Numbers and owners aside; which layer the reading request stands in is known to GlusterFS alone, so ours always has the top's frame and the mount's. */
  function framesShape(text: string): string {
    return text.replace(/"(Creation_time|Unique|UID|GID)": [\d.]+/g, '"$1": N').replace(/"LK_owner": "[0-9a-f]*"/, '"LK_owner": "X"');
  }

  it('resets the counters of a profile that was read', () => {
    const profile = '/mnt/v/.meta/graphs/active/v-client-0/profile';
    cluster.host.sh(`cat ${profile} >/dev/null; ls /mnt/v`);
    const [title, ...lines] = cluster.host.sh(`cat ${profile}`).trim().split('\n');
    const [wantedTitle] = (contents.get('after: .meta/graphs/active/v-client-0/profile') ?? '').split('\n');
    expect(title).toBe(wantedTitle);
    expect(lines.length).toBeLessThan(8);
    cluster.host.sh('echo 0 >/mnt/v/.meta/measure_latency');
  });
});
