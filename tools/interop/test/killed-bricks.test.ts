import { afterEach, describe, expect, it } from 'vitest';
import { Cluster, DISPERSE_4_2, type Side, whyNot } from '../src/cluster.ts';

const reason = whyNot(true);
if (reason) console.warn(`killing bricks skipped: ${reason}`);

let cluster: Cluster | undefined;

afterEach(() => {
  cluster?.stop();
  cluster = undefined;
});

describe.skipIf(reason !== undefined)('with two of six bricks killed by SIGKILL in the middle of a copy', () => {
  it.each(['ours', 'real'] satisfies Side[])('nothing acknowledged is lost, and reads stay right (bricks of %s, our mount)', async (served) => {
    cluster = await Cluster.start(served);
    const { host } = cluster;
    cluster.createVolume('v', DISPERSE_4_2);
    cluster.mount('ours', 'v', '/mnt/v');
    host.sh('mkdir /run/src && cd /run/src && for i in $(seq 400); do head -c $((i * 613 % 200000)) /dev/urandom >f$i; done; head -c 30000000 /dev/urandom >big');
    // The copy tells of each file after its fsync; the bricks die while it is at work.
    host.sh('(cd /run/src; for f in *; do cp $f /mnt/v/$f && sync /mnt/v/$f && echo $f >>/run/acknowledged || echo $f >>/run/refused; done; echo done >/run/finished) >/run/copy.log 2>&1 &');
    host.sh('for i in $(seq 200); do [ $(cat /run/acknowledged 2>/dev/null | wc -l) -ge 60 ] && exit 0; sleep 0.05; done; exit 1');
    cluster.killBrick('v', 1);
    host.sh('n=$(cat /run/acknowledged | wc -l); for i in $(seq 200); do [ $(cat /run/acknowledged | wc -l) -ge $((n + 40)) ] && exit 0; sleep 0.05; done; exit 1');
    cluster.killBrick('v', 4);
    host.sh('for i in $(seq 600); do [ -e /run/finished ] && exit 0; sleep 0.1; done; exit 1', 120_000);
    host.sh('echo 3 >/proc/sys/vm/drop_caches');
    expect(host.sh('cat /run/refused 2>/dev/null; cat /run/copy.log')).toBe('');
    expect(host.sh('cd /run/src; while read f; do cmp $f /mnt/v/$f || echo $f differs; done </run/acknowledged')).toBe('');
    expect(Number(host.sh('wc -l </run/acknowledged').trim())).toBe(401);
    // A third brick is one too many: errors, not wrong data.
    cluster.killBrick('v', 5);
    expect(host.sh('echo 3 >/proc/sys/vm/drop_caches; cat /mnt/v/f7 2>&1 >/dev/null | grep -c -E "not connected|Input/output" || true').trim()).toBe('1');
  });
});
