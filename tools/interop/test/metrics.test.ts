import { readFileSync } from 'node:fs';
import { FOP_LABELS } from '@glusterts/libglusterfs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whyNot, type Cluster } from '../src/cluster.ts';
import { mountPid, startVolumeP } from '../src/performance-volume.ts';

/* SIGUSR2 (spec/client.md, §15.5) to a mount of volume `p`, beside what GlusterFS 10.3 wrote. */

const reason = whyNot(false);
if (reason) console.warn(`metrics are skipped: ${reason}`);

const vector = readFileSync(new URL('vectors/sigusr2-metrics-client.txt', import.meta.url), 'latin1');

/** `<xlator>.total.<FOP>.count N`, `<xlator>.interval.<FOP>.latency N.NNNNNN` … */
const OF_FOP = /^(\S+)\.(total|interval)\.([A-Z_]+)\.(count|fail_count|latency|max|min) (\d+|\d+\.\d{6})$/;
const KINDS = ['total count', 'interval count', 'interval fail_count', 'interval latency', 'interval max', 'interval min'];

/**
 * All but the lines of fops, numbers aside. Which layers a fop stops at is every implementation's own, so their lines have only their form
 * and order in common. What follows the header of an xlator's allocations are types of C: there are none in JavaScript.
 */
function frameOf(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => !OF_FOP.test(line) && !/^# [a-z]\w+, \d+$/.test(line))
    .map((line) => line.replace(/^### \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/, '### TIME').replace(/ \d+$/, ' N'));
}

/** The places of the lines of fops in the order: by fop number, and for each fop as GlusterFS has them. */
function places(text: string): [string, number][] {
  const found: [string, number][] = [];
  for (const line of text.split('\n')) {
    const [, xlator, when = '', fop = '', what = ''] = OF_FOP.exec(line) ?? [];
    if (xlator === undefined) continue;
    expect(FOP_LABELS, line).toContain(fop);
    expect(KINDS, line).toContain(`${when} ${what}`);
    found.push([xlator, FOP_LABELS.indexOf(fop) * KINDS.length + KINDS.indexOf(`${when} ${what}`)]);
  }
  return found;
}

function expectOrder(text: string): void {
  const last = new Map<string, number>();
  for (const [xlator, place] of places(text)) {
    expect(place, xlator).toBeGreaterThan(last.get(xlator) ?? -1);
    last.set(xlator, place);
  }
}

describe.skipIf(reason !== undefined)('the metrics of a mount', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startVolumeP();
  });
  afterAll(() => cluster.stop());

  const metrics = (): string => {
    const { host } = cluster;
    host.sh(`rm -rf /var/run/gluster/metrics; kill -USR2 ${mountPid(cluster)}; for i in $(seq 600); do grep -qs '^# End of metrics' /var/run/gluster/metrics/* && exit 0; sleep 0.1; done; exit 1`);
    expect(host.sh('stat -c %a /var/run/gluster/metrics/*').trim()).toBe('600');
    expect(host.sh('ls /var/run/gluster/metrics').trim()).toMatch(/^gmetrics\.[A-Za-z0-9]{6}$/);
    return host.sh('cat /var/run/gluster/metrics/*');
  };

  it('the vector itself has the order that ours is held to', () => {
    expectOrder(vector);
    expect(places(vector).length).toBe(251);
  });

  it('have GlusterFS’s lines, in its order', () => {
    // Ours counts fops while they are measured; GlusterFS always.
    cluster.host.sh('cd /mnt/p && echo 1 >.meta/measure_latency && mkdir d && echo a >d/f && cat d/f && ls -l d && stat d/f && rm d/f; [ ! -e nothing ]');
    const seen = metrics();
    expect(frameOf(seen)).toEqual(frameOf(vector));
    expectOrder(seen);
    expect(seen).toMatch(/^p-client-0\.total\.MKDIR\.count 1\np-client-0\.interval\.MKDIR\.count 1\np-client-0\.interval\.MKDIR\.latency \d+\.000000\np-client-0\.interval\.MKDIR\.max \d+\np-client-0\.interval\.MKDIR\.min \d+$/m);
    expect(seen).toMatch(/^fuse\.interval\.LOOKUP\.latency \d+\.\d{6}$/m);
  });

  it('count the interval anew, and the totals on', () => {
    cluster.host.sh('mkdir /mnt/p/e');
    const seen = metrics();
    expect(seen).toMatch(/^p-client-0\.total\.MKDIR\.count 2\np-client-0\.interval\.MKDIR\.count 1$/m);
    expect(seen).toMatch(/^p-client-0\.total\.UNLINK\.count 1\n(?!p-client-0\.interval\.UNLINK)/m);
  });
});
