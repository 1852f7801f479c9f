import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, whyNot } from '../src/cluster.ts';

/* The first lines of a mount's log, beside those of GlusterFS 10.3 (vectors/log-client-head.txt): volume `vh` of two bricks on the host `clia`. */

const reason = whyNot(false);
if (reason) console.warn(`the head of a mount's log is skipped: ${reason}`);

const vector = readFileSync(new URL('vectors/log-client-head.txt', import.meta.url), 'latin1');

/**
 * Time, place in C's sources, pid and secrets aside. Ours has no threads that it could tell of, and its pool has no other servers.
 * It answers the kernel's INIT before there is a graph, and says so there; GlusterFS does after these lines.
 */
function linesOf(log: string): string[] {
  return log
    .split('\n')
    .filter((line) => !/Started thread with index|Received list of available volfile servers|FUSE inited with protocol versions/.test(line))
    .map((line) =>
      line
        .replace(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \+0000\] ([A-Z])( \[MSGID: \d+\])? \[[\w.-]+:\d+:[\w-]+\] /, '[TIME] $1$2 [PLACE] ')
        .replace(/process is \d+$/, 'process is N')
        .replace(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'UUID'),
    );
}

describe.skipIf(reason !== undefined)('the log of a mount', () => {
  let cluster: Cluster;
  let log: string;
  beforeAll(async () => {
    cluster = await Cluster.start('ours', { name: 'clia' });
    const { host, gluster } = cluster;
    host.sh(`${gluster} volume create vh clia:/d/h1 clia:/d/h2 force && ${gluster} volume start vh && mkdir /mnt/h && glusterfs -s clia --volfile-id vh /mnt/h`);
    log = host.sh('cat /var/log/glusterfs/mnt-h.log');
  });
  afterAll(() => cluster.stop());

  it('begins with GlusterFS’s lines', () => {
    const wanted = linesOf(vector.replace(/\n$/, ''));
    expect(linesOf(log).slice(0, wanted.length)).toEqual(wanted);
  });

  it('shows the whole graph between its rules, a line with a blank after each volume', () => {
    const graph = /^Final graph:\n\+-{78}\+\n([^]*?)\+-{78}\+$/m.exec(log)?.[1] ?? '';
    const lines = graph.split('\n').slice(0, -1);
    lines.forEach((line, i) => expect(line.startsWith(`${String(i + 1).padStart(3)}: `), line).toBe(true));
    expect(lines.slice(-5).map((line) => line.slice(5))).toEqual(['volume meta-autoload', '    type meta', '    subvolumes vh', 'end-volume', ' ']);
  });

  it('goes on with the connections and the protocol’s versions', () => {
    cluster.host.sh("for i in $(seq 600); do [ $(grep -c 'MSGID: 114046' /var/log/glusterfs/mnt-h.log) = 2 ] && grep -q 'FUSE inited' /var/log/glusterfs/mnt-h.log && exit 0; sleep 0.1; done; exit 1");
    const later = cluster.host.sh('cat /var/log/glusterfs/mnt-h.log');
    expect(later).toMatch(/ I \[MSGID: 114046\] \[[^\]]+\] 0-vh-client-[01]: Connected, attached to remote volume \[\{conn-name=vh-client-[01]\}, \{remote_subvol=\/d\/h[12]\}\] $/m);
    expect(later).toMatch(/0-glusterfs-fuse: FUSE inited with protocol versions: glusterfs 7\.\d+ kernel 7\.\d+$/m);
  });
});
