import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HOST, ourGluster, ourGlusterd, ourGlusterfsd, PrivateHost, whyNoGlusterfs, whyNoHost } from './private-host.js';

const reason = whyNoHost() ?? whyNoGlusterfs();
if (reason !== undefined) console.warn(`interoperability with the real glusterd: skipped: ${reason}`);
const matrix = process.env['GLUSTERTS_MATRIX'] === '1';
if (!matrix) console.warn('glusterd with the other side’s gluster, over 150 commands: skipped: only in `npm run test:matrix -w @glusterts/glusterd`');

const programs = { real: { cli: '/usr/sbin/gluster', daemon: '/usr/sbin/glusterd' }, ours: { cli: ourGluster, daemon: ourGlusterd } };
const WAIT_FOR_SOCKET = 'for i in $(seq 200); do gluster pool list >/dev/null 2>&1 && break; sleep 0.05; done';
const STOP_GLUSTERD = 'p=$(pgrep -x glusterd | head -1); kill $p; while kill -0 $p 2>/dev/null; do sleep 0.05; done';

/** What differs from run to run, and the parts that are not built: the self-heal daemon. */
function normalise(text: string): string {
  return text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UUID')
    .replace(/^Self-heal Daemon on localhost.*$/gm, 'SHD')
    .replace(/\d{5} +0 +Y +\d+ */g, 'PORT Y PID')
    .replace(/(<(?:port|tcp|pid)>)\d+/g, '$1N')
    .replace(/^((?:Arena|Ordblks|Smblks|Hblks|Hblkhd|Usmblks|Fsmblks|Uordblks|Fordblks|Keepcost) *: | Unique : )\d+$/gm, '$1N')
    .replace(/(<(?:arena|ordblks|smblks|hblks|hblkhd|usmblks|fsmblks|uordblks|fordblks|keepcost)>)\d+/g, '$1N')
    .replace(/glusterd_state_\d{8}_\d{6}/g, 'glusterd_state_TIME')
    .replace(/^(Volume\d+\.Brick\d+\.(?:port|spacefree|spacetotal): )\d+/gm, '$1N')
    // Real bricks of a disperse volume have the real self-heal daemon as a client.
    .replace(/^(Volume\d+\.shd_svc\.(?:online_status|inited)): .*$/gm, '$1: SHD')
    .replace(/^Volume\d+\.Brick\d+\.(?:client_count|Client\d+\.\w+): .*\n/gm, '')
    .replace(/^((?:TCP Port|Pid) +: )\d+ *$/gm, '$1N')
    .replace(/^((?:Disk Space Free|Free Inodes) +: ).*$/gm, '$1X');
}

function session(cli: string, daemon: string): string {
  const commands = readFileSync(join(import.meta.dirname, 'commands.sh'), 'utf8');
  const host = new PrivateHost();
  try {
    return normalise(host.run(`${daemon}\n${WAIT_FOR_SOCKET}\nset -- ${cli} ${HOST}\n${commands}`));
  } finally {
    host.close();
  }
}

describe.skipIf(reason !== undefined)('beside the real glusterd and gluster', () => {
  let host: PrivateHost;
  beforeEach(() => {
    host = new PrivateHost();
  });
  afterEach(() => host.close());

  test(`150 commands get the same words and exit status from ${matrix ? 'every pair' : 'our pair and the real pair'} of CLI and daemon`, () => {
    const expected = session(programs.real.cli, programs.real.daemon);
    expect(expected).toContain('volume start: vd: success');
    expect(session(programs.ours.cli, programs.ours.daemon)).toBe(expected);
    if (!matrix) return;
    expect(session(programs.ours.cli, programs.real.daemon)).toBe(expected);
    expect(session(programs.real.cli, programs.ours.daemon)).toBe(expected);
  }, 600_000);

  test('a store of ours is served by the real glusterd, whose store is served by ours, and bricks live on', () => {
    const bricks = [1, 2, 3].map((at) => `${HOST}:/d/e${at}`).join(' ');
    const output = host.run(`
${ourGlusterd}; ${WAIT_FOR_SOCKET}
gluster volume create ve disperse 3 redundancy 1 ${bricks} force; gluster volume start ve; gluster volume set ve performance.io-thread-count 20
pgrep -x glusterfsd | sort >/run/pids
${STOP_GLUSTERD}
/usr/sbin/glusterd; ${WAIT_FOR_SOCKET}
gluster volume info ve; gluster volume set ve user.x y; gluster volume create vd ${HOST}:/d/d1 force
${STOP_GLUSTERD}
${ourGlusterd}; ${WAIT_FOR_SOCKET}
gluster volume info; gluster volume start vd; gluster volume get ve user.x
for i in $(seq 100); do gluster volume status ve | grep -q '^Brick.* N  ' || break; sleep 0.1; done
gluster volume status ve
pgrep -x glusterfsd | sort | comm -12 - /run/pids | wc -l`);
    expect(output).toContain('performance.io-thread-count: 20');
    expect(output).toContain('user.x                                   y');
    expect(output).toContain('volume start: vd: success');
    expect(output.match(/^Brick gdtest:\/d\/e\d +\d+ +0 +Y/gm)).toHaveLength(3);
    expect(output.trim().endsWith('\n3')).toBe(true);
  }, 300_000);

  test('the real glusterfs mounts a volume that our glusterd serves, follows a changed volfile, and outlives a dead brick', () => {
    const bricks = [1, 2, 3].map((at) => `${HOST}:/d/e${at}`).join(' ');
    const output = host.run(`
${ourGlusterd}; ${WAIT_FOR_SOCKET}
G() { ${ourGluster} "$@"; }
G volume create ve disperse 3 redundancy 1 ${bricks} force; G volume start ve
for i in $(seq 100); do G volume status ve | grep -q '^Brick.* N  ' || break; sleep 0.1; done
mkdir -p /mnt/m; mount -t glusterfs ${HOST}:ve /mnt/m; echo hello >/mnt/m/f; cat /mnt/m/f
G volume set ve performance.quick-read off
for i in $(seq 100); do grep -q 'graph 2\\|0-glusterfs: No change\\|2-ve' /var/log/glusterfs/mnt-m.log && break; sleep 0.1; done
grep -c '2-ve' /var/log/glusterfs/mnt-m.log
kill -9 $(cat /run/gluster/vols/ve/*e1.pid); cat /mnt/m/f
G volume status ve | grep e1; G volume start ve; G volume start ve force
for i in $(seq 100); do G volume status ve | grep -q '^Brick.* N  ' || break; sleep 0.1; done
G volume status ve | grep -c '^Brick.* Y  '
umount /mnt/m; G --mode=script volume stop ve; pgrep -x glusterfsd | wc -l`);
    expect(output.match(/^hello$/gm)).toHaveLength(2);
    expect(output).toMatch(/^Brick gdtest:\/d\/e1 +N\/A +N\/A +N +N\/A {2}$/m);
    expect(output).toContain('volume start: ve: failed: Volume ve already started');
    expect(output).toMatch(/\n3\nvolume stop: ve: success\n0\n/);
  }, 300_000);

  test('our own bricks tell of clients, inodes, fds and calls what the real ones tell', () => {
    const statuses = (daemon: string, bricks: string): string => {
      const own = new PrivateHost();
      try {
        const all = ['clients', 'client-list', 'mem', 'fd', 'inode', 'callpool'].map((what) => `G volume status vd ${what}; G volume status vd ${what} --xml`).join('\n');
        const output = own.run(`
export GLUSTERTS_GLUSTERFSD='${bricks}'
G() { /usr/sbin/gluster "$@"; }
${daemon}; ${WAIT_FOR_SOCKET}
G volume create vd ${HOST}:/d/d1 ${HOST}:/d/d2 force; G volume start vd
for i in $(seq 200); do G volume status vd | grep -q '^Brick.* N  ' || break; sleep 0.05; done
${all}
mkdir -p /mnt/m; mount -t glusterfs ${HOST}:vd /mnt/m; ls /mnt/m
${all}
G get-state odir /d file state detail; grep Client /d/state`);
        // Addresses and amounts are of the run; the numbers of malloc have no like in ours.
        return normalise(output)
          .replace(/^((?:Arena|Ordblks|Smblks|Hblks|Hblkhd|Usmblks|Fsmblks|Uordblks|Fordblks|Keepcost) *: ).*$/gm, '$1N')
          .replace(/(<(?:bytesRead|bytesWrite|unique)>)\d+/g, '$1N')
          .replace(/(10\.99\.0\.1:)\d+/g, '$1PORT')
          .replace(/^(10\.99\.0\.1:PORT) +\d+ +\d+ +/gm, '$1 READ WRITTEN ')
          .replace(/^(Volume1\.Brick\d\.Client1\.bytes\w+: )\d+/gm, '$1N');
      } finally {
        own.close();
      }
    };
    const expected = statuses(programs.real.daemon, '/usr/sbin/glusterfsd');
    expect(expected).toContain('Clients connected : 1');
    expect(statuses(programs.ours.daemon, ourGlusterfsd)).toBe(expected);
  }, 300_000);
});
