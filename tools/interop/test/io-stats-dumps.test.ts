import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whyNot, type Cluster } from '../src/cluster.ts';
import { startVolumeP } from '../src/performance-volume.ts';

/*
 * io-stats' dumps of a mount (spec/client.md, §12.4, §12.5), beside those of GlusterFS 10.3. What each byte is made of,
 * packages/xlator-debug/test/dump-vectors.test.ts checks; here the files come from a volume in use.
 */

const reason = whyNot(false);
if (reason) console.warn(`io-stats' dumps are skipped: ${reason}`);

const vector = (name: string): string => readFileSync(new URL(`vectors/${name}`, import.meta.url), 'latin1');

/** Which fops come, and in which sizes, is the kernel's and the mount's own; the numbers are the run's. */
function shape(text: string): string[] {
  const lines = text.split('\n').map((line) =>
    line
      .replace(/^[A-Z_]+ +\d+ +(?:[\d.]+ us +[\d.]+ us +[\d.]+ us)$/, 'FOP N us us us')
      .replace(/^(Block Size|Read Count|Write Count) +:.*$/, '$1 : N')
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \+0000/, 'TIME')
      .replace(/^(TIME \t )[\d.]+ +( \t .*)$/, '$1N$2')
      // How many answers a listing has, and into how many pieces a large write falls, depends on the mount.
      .replace(/^\d+( +\/(?:big|d))$/, 'N$1')
      .replace(/: \d+/g, ': N'),
  );
  return lines.filter((line, i) => line !== 'FOP N us us us' || lines[i - 1] !== line);
}

describe.skipIf(reason !== undefined)('io-stats’ dumps of a mount', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startVolumeP();
  });
  afterAll(() => cluster.stop());

  const dump = (name: string): string => {
    cluster.host.sh(`setfattr -n trusted.io-stats-dump -v ${name} /mnt/p`);
    return cluster.host.sh(`cat /var/run/gluster/${name.replace(/^\//, '').replaceAll('/', '-')}.p`);
  };

  it('on demand: the file is named after the xattr’s value, and has GlusterFS’s parts, with the same files in the lists', () => {
    cluster.host.sh(`cd /mnt/p && mkdir d && for i in 1 2 3 4; do echo $i >d/f$i; done && dd if=/dev/zero of=big bs=131072 count=24 status=none && : >>big && for i in 1 2 3 4; do cat d/f$i; done && ls -l d && stat d/f1 && ls -l d && mv d/f1 d/f5`);
    const seen = dump('/tmp/iosplain');
    expect(shape(seen)).toEqual(shape(vector('io-stats-dump-1-client.txt')));
    expect(seen).toMatch(/^MKDIR {18}1 +\d+\.\d\d us +\d+\.\d\d us +\d+\.\d\d us$/m);
    expect(seen).toMatch(/^READ {19}4 +\d+\.\d\d us/m);
    expect(seen).toMatch(/^ {2}BytesWritten : 3145736$/m);
  });

  it('a second time: the interval begins where the first dump ended', () => {
    cluster.host.sh('cd /mnt/p && for i in 1 2 3; do echo $i >q$i; cat q$i; done && rm d/f2');
    const seen = dump('second');
    expect(shape(seen)).toEqual(shape(vector('io-stats-dump-2-client-after-interval.txt')));
    const interval = seen.slice(seen.indexOf('=== Interval 1 stats'));
    expect(interval).toMatch(/^ {5}BytesRead : 6\n {2}BytesWritten : 6$/m);
    expect(interval).toMatch(/^UNLINK {17}1 /m);
  });

  it('goes nowhere but into the run directory', () => {
    cluster.host.sh('setfattr -n trusted.io-stats-dump -v ../../../tmp/escaped /mnt/p; [ ! -e /tmp/escaped.p ] && [ ! -e /var/tmp/escaped.p ]');
    expect(cluster.host.sh('grep -c \'no "../" allowed in path\' /var/log/glusterfs/mnt-p.log').trim()).toBe('1');
    // Nor does it reach the brick's disk, or make the brick write one.
    expect(cluster.host.sh('getfattr -d -m - /d/b2 2>/dev/null | grep -c stats-dump || true').trim()).toBe('0');
    expect(cluster.host.sh('ls /var/run/gluster').split('\n').filter((name) => name.includes('second'))).toEqual(['second.p']);
  });

  it('every so many seconds: JSON with GlusterFS’s keys in its order, under the name of the program', () => {
    cluster.host.sh(`${cluster.gluster} volume set p diagnostics.stats-dump-interval 2`);
    // The second dump: its interval has a length. A copy may have been made while the file was being written.
    const whole = (name: string): string => `cp /var/lib/glusterd/stats/${name} /run/${name} 2>/dev/null && [ $(grep -c '^}$' /run/${name}) = 2 ] && grep -q 'inter.sample_interval_sec": [1-9]' /run/${name}`;
    for (const name of ['glusterfs_p.dump', 'glusterfsd__d_b2.dump']) cluster.host.sh(`for i in $(seq 600); do ${whole(name)} && exit 0; ls /mnt/p >/dev/null; sleep 0.1; done; exit 1`);
    const seen = cluster.host.sh('cat /run/glusterfs_p.dump');
    const keys = (text: string): string[] => text.split('\n').map((line) => line.replace(/(": ?)-?(?:[\d.]+|nan)/, '$1N'));
    // Present when anything was counted in the interval, which depends on the moment.
    const steady = (line: string): boolean => !line.includes('_nozerofill');
    expect(keys(seen).filter(steady)).toEqual(keys(vector('io-stats-interval-dump-client.json')).filter(steady));
    // The brick has the option too.
    expect(cluster.host.sh('ls /var/lib/glusterd/stats').trim().split('\n').toSorted()).toEqual(['glusterfs_p.dump', 'glusterfsd__d_b2.dump']);
    expect(cluster.host.sh('head -2 /run/glusterfsd__d_b2.dump')).toMatch(/^\{\n"gluster\.brick\._d_b2\.aggr\.read_1b": \d+,\n$/);
    for (const part of seen.split(/(?<=^\}\n)/m)) expect(() => JSON.parse(part)).not.toThrow();
  });
});
