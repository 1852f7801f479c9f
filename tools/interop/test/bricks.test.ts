import { afterEach, describe, expect, it } from 'vitest';
import { Cluster, DISPERSE_4_2, DISTRIBUTE_2, type Side, whyNot } from '../src/cluster.ts';

const reason = whyNot(true);
if (reason) console.warn(`interop of bricks skipped: ${reason}`);

let cluster: Cluster | undefined;

afterEach(() => {
  cluster?.stop();
  cluster = undefined;
});

describe.skipIf(reason !== undefined)('bricks', () => {
  it.each([
    ['ours', 'real'],
    ['real', 'ours'],
  ] as const)('written by %s are served by %s, glusterd’s store and all: the same files', async (first, second) => {
    cluster = await Cluster.start(first);
    const { host } = cluster;
    cluster.createVolume('v', DISTRIBUTE_2);
    cluster.createVolume('e', DISPERSE_4_2);
    for (const volume of ['v', 'e']) {
      cluster.mount(first, volume, `/mnt/${volume}`);
      host.sh(`cd /mnt/${volume} && mkdir -p a/b && for i in $(seq 100); do head -c $((i * 97)) /dev/urandom >a/f$i; done && head -c 3000001 /dev/urandom >a/b/big && ln a/f1 a/hard && ln -s f2 a/soft && setfattr -n user.colour -v red a/f3 && chmod 640 a/f4 && mv a/f5 a/b/moved`);
    }
    const sums = (): string => host.sh(`for v in v e; do cd /mnt/$v; find . -type f -exec md5sum {} + | LC_ALL=C sort; find . -printf '%P %m %n %l\\n' | LC_ALL=C sort; getfattr --only-values -n user.colour a/f3; done`);
    const before = sums();
    host.sh('umount /mnt/v; umount /mnt/e; sleep 1');
    host.sh(`for v in v e; do ${cluster.gluster} volume stop $v; done; pkill -x glusterd; for i in $(seq 50); do pgrep -x glusterd >/dev/null || break; sleep 0.1; done; pgrep -l gluster || true`);
    const other = await takeOver(cluster, second);
    for (const volume of ['v', 'e']) {
      host.sh(`${other} volume start ${volume}`);
      cluster.mount(second, volume, `/mnt/${volume}`);
    }
    expect(sums()).toBe(before);
    host.sh('for v in v e; do echo more >>/mnt/$v/a/f1; [ "$(tail -c 5 /mnt/$v/a/hard)" = more ] || exit 1; rm -r /mnt/$v/a; [ -z "$(ls -A /mnt/$v)" ] || exit 1; done');
  });

  it('reject a brick directory that is already part of a volume, with GlusterFS’s own words', async () => {
    const words: string[] = [];
    for (const side of ['ours', 'real'] as const) {
      cluster = await Cluster.start(side);
      cluster.createVolume('v', DISTRIBUTE_2);
      words.push(cluster.host.sh(`${cluster.gluster} volume create w benchhost:/d/v0 benchhost:/d/w1 2>&1; echo status $?`));
      cluster.stop();
      cluster = undefined;
    }
    expect(words[0]).toBe(words[1]);
    expect(words[0]).toContain('status 1');
  });
});

/** Starts the other side's glusterd over the same working directory; its `gluster`. */
async function takeOver(running: Cluster, side: Side): Promise<string> {
  const gluster = side === 'ours' ? `'${process.cwd()}/../../bin/gluster' --mode=script` : '/usr/sbin/gluster --mode=script';
  const glusterd = side === 'ours' ? `'${process.cwd()}/../../bin/glusterd'` : '/usr/sbin/glusterd';
  running.host.sh(glusterd);
  running.host.sh(`for i in $(seq 100); do ${gluster} volume list >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1`);
  return gluster;
}
