import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, whyNot } from '../src/cluster.ts';
import { startVolumeP } from '../src/performance-volume.ts';

/*
 * A volume of one brick with every performance xlator, as the host `clta` had it when vectors/volfile-all-perf.vol and
 * vectors/virtual-xattrs-getfattr.txt were taken there, mounted by us.
 */

const reason = whyNot(false);
if (reason) console.warn(`the volume with all performance xlators is skipped: ${reason}`);

const vector = (name: string): string => readFileSync(new URL(`vectors/${name}`, import.meta.url), 'latin1');

/** What is another on every host and in every run: process number, uuids. */
function sameEverywhere(text: string): string {
  return text.replace(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'UUID').replace(/PID:\d+/, 'PID:N');
}

/** `<file> <name>` to what getfattr said of it, the newline that ended it left out. A gfid's 16 bytes are any 16 bytes. */
function answers(text: string): Map<string, string> {
  const found = new Map<string, string>();
  let key = '';
  for (const line of text.split(/^(?=\/mnt\/p\/)/m)) {
    const head = /^\/mnt\/p\/(\S+) (\S+): /.exec(line);
    if (!head) throw new Error(`not an answer: ${line}`);
    key = `${String(head[1])} ${String(head[2])}`;
    const answer = line.slice(head[0].length).replace(/\n$/, '');
    const gfid = /^(getfattr: Removing.*\n)[^]{16}$/.exec(answer);
    found.set(key, gfid && key.endsWith(' glusterfs.gfid') ? `${String(gfid[1])}16 bytes` : sameEverywhere(answer));
  }
  return found;
}

describe.skipIf(reason !== undefined)('a mount with all performance xlators', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startVolumeP();
  });
  afterAll(() => cluster.stop());

  it('shows the graph under .meta as GlusterFS does', () => {
    expect(sameEverywhere(cluster.host.sh('cat /mnt/p/.meta/graphs/active/volfile'))).toBe(sameEverywhere(vector('volfile-all-perf.vol')));
  });

  it('answers getfattr of every name, on a file and on a directory, as GlusterFS does', () => {
    const wanted = answers(vector('virtual-xattrs-getfattr.txt'));
    cluster.host.sh('echo hello >/mnt/p/big && mkdir /mnt/p/d');
    const names = [...new Set([...wanted.keys()].map((key) => key.slice(key.indexOf(' ') + 1)))];
    expect(names.length).toBe(wanted.size / 2);
    // Bytes that are no text must come through: base64.
    const script = names.map((name) => `for f in big d; do printf '/mnt/p/%s %s: ' $f '${name}'; getfattr -n '${name}' --only-values /mnt/p/$f 2>&1; echo; done`).join('\n');
    const seen = answers(Buffer.from(cluster.host.sh(`{ ${script}\n} | base64 -w0`), 'base64').toString('latin1'));
    expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(wanted));
  });
});
