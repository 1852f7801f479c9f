import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, whyNot } from '../src/cluster.ts';
import { mountPid, startVolumeP } from '../src/performance-volume.ts';
import { type ShapeOptions, shapeOf } from '../src/statedump-shape.ts';

/* SIGUSR1 to a mount of volume `p` (spec/client.md, §15), beside the statedumps of GlusterFS 10.3. */

const reason = whyNot(false);
if (reason) console.warn(`statedumps are skipped: ${reason}`);

const vector = (name: string): string => readFileSync(new URL(`vectors/${name}`, import.meta.url), 'latin1');
/** Sections of what xlators keep of inodes stand where an inode has any: which does, and so where they come first, is the run's own. */
const ofInode = (line: string): boolean => /^\[[^\]]*(?:\.inode|_inode)\]/.test(line);
/** With one brick our distribute is bound past, and keeps no layouts. */
const ofLayout = (line: string): boolean => /^\[xlator\.cluster\.dht\.\S+\.inode\]/.test(line);

function expectShape(seen: string, vectorText: string, options: ShapeOptions, butFor: (line: string) => boolean = () => false): void {
  const got = shapeOf(seen);
  const wanted = shapeOf(vectorText, options).filter((line) => !ofLayout(line));
  const steady = (line: string): boolean => !ofInode(line) && !butFor(line);
  expect(got.filter(steady)).toEqual(wanted.filter(steady));
  for (const line of wanted.filter(ofInode)) expect(got.filter(ofInode)).toContain(line);
}

describe.skipIf(reason !== undefined)('the statedump of a mount', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startVolumeP();
    // Writes, names that are not there, and a folder: for what the xlators keep of inodes.
    cluster.host.sh('cd /mnt/p && echo 1 >.meta/measure_latency && mkdir d && for i in 1 2 3; do [ ! -e d/f$i ] && echo $i >d/f$i && cat d/f$i; done; [ ! -e nothing ]');
  });
  afterAll(() => cluster.stop());

  /** The dump that a signal makes, wherever it goes. */
  const dump = (directory: string): string => {
    const { host } = cluster;
    const pid = mountPid(cluster);
    host.sh(`rm -f ${directory}/glusterdump.*.dump.*; kill -USR1 ${pid}; for i in $(seq 600); do ls ${directory}/glusterdump.${pid}.dump.* >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1`);
    expect(host.sh(`stat -c %a ${directory}/glusterdump.${pid}.dump.*`).trim()).toBe('600');
    return host.sh(`cat ${directory}/glusterdump.${pid}.dump.*`);
  };

  it('has GlusterFS’s sections and keys, in its order', () => {
    const seen = dump('/var/run/gluster');
    expectShape(seen, vector('statedump-client-all-perf.txt'), {});
    expect(seen).toMatch(/^DUMP-START-TIME: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \+0000\n\n\[mallinfo\]\n/);
    expect(seen).toMatch(/\n\nDUMP-END-TIME: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \+0000$/);
    // The names that were looked for in vain before they were there.
    expect(seen).toMatch(/^\[xlator\.performance\.nl-cache\.nlc_inode\]\npath=\/\ninode=0x[0-9a-f]+\ngfid=0{8}-0000-0000-0000-0{11}1\nstate=4\ntimer=0x[0-9a-f]+\ncache-time=\d{10}\ncache-size=\d+\nrefd-inodes=0\nne=nothing\n/m);
  });

  it('has what the options file asks for, where it says, with the requests in flight and their frames', () => {
    const { host } = cluster;
    host.sh("mkdir /run/elsewhere && echo 'path=/run/elsewhere mem=no priv=yes callpool=yes inode=yes' >/var/run/gluster/glusterdump.options");
    const holder = host.spawn('exec 9>/mnt/p/d/locked; flock 9; cat');
    // Not before the other has the lock: it would not have to wait.
    const waiter = host.spawn('for i in $(seq 600); do [ -e /mnt/p/d/locked ] && ! flock -n /mnt/p/d/locked true && break; sleep 0.1; done; exec 9>>/mnt/p/d/locked; flock 9');
    try {
      let seen = '';
      // Until one has a lock and the other waits for it.
      for (let i = 0; i < 200 && !/^op=LK$/m.test(seen); i++) seen = dump('/run/elsewhere');
      const wanted = vector('statedump-client-options-file.txt');
      const isFrame = (line: string): boolean => line.startsWith('[global.callpool.stack.N.frame.N]');
      expectShape(seen, wanted, {}, isFrame);
      // The vector has one frame, that of who made the request; ours have his and that of whom he asked.
      const [first, second] = shapeOf(seen).filter(isFrame);
      expect(second).toBe(shapeOf(wanted).find(isFrame));
      expect(first).toBe(`${second} ; parent= ; wind_from= ; wind_to= ; unwind_to=`);
      expect(seen).toMatch(/^translator=meta-autoload\ncomplete=0\nparent=fuse\nwind_from=fuse_lk_resume\nwind_to=xl->fops->lk\nunwind_to=fuse_lk_cbk$/m);
      expect(seen).toMatch(/^frame-creation-time=1970-01-\d\d \d\d:\d\d:\d\d \+0000\.\d{9}\ntimings=\d+\.\d{9} -> 0\.000000000\nframe=0x[0-9a-f]+\ntranslator=fuse\ncomplete=0$/m);
    } finally {
      holder.stdin?.end();
      waiter.stdin?.end();
      host.sh('rm /var/run/gluster/glusterdump.options');
    }
  });
});

describe.skipIf(reason !== undefined)('the statedumps of a volume', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start('ours', { name: 'clia' });
    const { host, gluster } = cluster;
    // Volumes of one brick where the vectors have replicas; their clients have no io-threads.
    for (const [volume, brick] of [['vh', 'h1'], ['vr', 'r1']]) host.sh(`${gluster} volume create ${volume} clia:/d/${brick} force && ${gluster} volume set ${volume} performance.client-io-threads off && ${gluster} volume start ${volume}`);
    host.sh('mkdir /mnt/h /mnt/r && glusterfs -s clia --volfile-id vh /mnt/h && glusterfs -s clia --volfile-id vr /mnt/r');
    for (const mount of ['h', 'r']) host.sh(`for i in $(seq 600); do mkdir /mnt/${mount}/d 2>/dev/null && exit 0; sleep 0.1; done; exit 1`);
    host.sh('echo a >/mnt/h/f && cat /mnt/h/f && echo a >/mnt/r/f');
  });
  afterAll(() => cluster.stop());

  it('a client’s is GlusterFS’s, but for replicate and its second brick', () => {
    const { host } = cluster;
    const pid = host.sh("pgrep -f -- '--volfile-i[d] vh /mnt/h' | head -1").trim();
    host.sh(`kill -USR1 ${pid}; for i in $(seq 600); do ls /var/run/gluster/glusterdump.${pid}.dump.* >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1`);
    expectShape(host.sh(`cat /var/run/gluster/glusterdump.${pid}.dump.*`), vector('statedump-client.txt'), {
      without: /^(?:vh-replicate-0\.latency|cluster\/replicate\.vh-replicate-0.*|vh-client-1\..*|protocol\/client\.vh-client-1 .*|xlator\.protocol\.client\.vh-client-1\..*)$/,
      rename: (text) => text.replace('subvolumes[0]=cluster/replicate.vh-replicate-0', 'subvolumes[0]=protocol/client.vh-client-0').replace('subvolumes[0]=vh-replicate-0', 'subvolumes[0]=vh-client-0'),
    });
  });

  it('a brick’s is GlusterFS’s, taken by `volume statedump`', () => {
    const { host, gluster } = cluster;
    const holder = host.spawn('exec 9>/mnt/r/locked; flock 9; cat');
    try {
      host.sh('for i in $(seq 600); do [ -e /mnt/r/locked ] && ! flock -n /mnt/r/locked true && exit 0; sleep 0.1; done; exit 1');
      expect(host.sh(`${gluster} volume statedump vr`)).toBe('volume statedump: success\n');
      host.sh('for i in $(seq 600); do ls /var/run/gluster/d-r1.*.dump.* >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1');
      const seen = host.sh('cat /var/run/gluster/d-r1.*.dump.*');
      // Arenas on their way out come and go; version 330 of the file operations is not offered by us.
      // Its process had three bricks: what each has is looked for once, in the first one's words.
      // And one inode was busy.
      const oneBrick = (text: string): string => text.replaceAll(/\/d\/r\d/g, '/d/r1').replaceAll(/\n\[\S+\.inode\]\nUnable to print lock state=.*\n/g, '');
      expectShape(seen, vector('statedump-brick.txt'), { rename: oneBrick, without: /^(?:purge\.\d+|GlusterFS 3\.3)$/ });
      expect(seen).toMatch(/^posixlk-count=1\nposixlk\.posixlk\[0\]\(ACTIVE\)=type=WRITE, whence=0, start=0, len=0, pid = \d+, owner=[0-9a-f]+, .*connection-id=CTX_ID:/m);
    } finally {
      holder.stdin?.end();
    }
  });
});
