import { afterEach, describe, expect, it } from 'vitest';
import { Cluster, DISPERSE_4_2, type Side, whyNot } from '../src/cluster.ts';

const reason = whyNot(true);
if (reason) console.warn(`two clients on one volume skipped: ${reason}`);

let cluster: Cluster | undefined;

afterEach(() => {
  cluster?.stop();
  cluster = undefined;
});

/** Appends, overwrites, truncates, renames and makes files by turns through two mounts, against a model; prints what differs. */
const TURNS = `
import os, random, sys
random.seed(int(sys.argv[1])); A, B = '/mnt/a', '/mnt/b'
os.makedirs(A + '/d', exist_ok=True); models = {}
def path(m, n): return m + '/d/' + n
for step in range(150):
    m, o = random.sample([A, B], 2); n = 'f%d' % random.randrange(5); what = random.randrange(10)
    if n not in models:
        fd = os.open(path(m, n), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644); models[n] = bytearray(); os.close(fd)
    elif what == 0: os.unlink(path(m, n)); del models[n]
    elif what == 1:
        size = random.randrange(9000); os.truncate(path(m, n), size); models[n] = (models[n] + bytes(size))[:size]
    elif what == 2:
        t = 'f%d' % random.randrange(5)
        if t != n: os.rename(path(m, n), path(m, t)); models[t] = models.pop(n)
    elif what < 7:
        data = random.randbytes(1 + random.randrange(6000)); at = random.choice([len(models[n]), random.randrange(8000)])
        fd = os.open(path(m, n), os.O_RDWR); os.pwrite(fd, data, at); os.close(fd)
        models[n].extend(bytes(max(0, at - len(models[n])))); models[n][at:at + len(data)] = data
    if n in models:
        fd = os.open(path(o, n), os.O_RDONLY | os.O_DIRECT); import mmap; buf = mmap.mmap(-1, 32768)
        got = os.preadv(fd, [buf], 0); os.close(fd)
        if buf[:got] != bytes(models[n]): print('step', step, n, 'differs', got, len(models[n]))
if sorted(os.listdir(A + '/d')) != sorted(models) or sorted(os.listdir(B + '/d')) != sorted(models): print('listing differs')
`;

describe.skipIf(reason !== undefined)('two clients on one 4+2 volume', () => {
  it.each([
    ['ours', 'ours'],
    ['ours', 'real'],
    ['real', 'ours'],
    ['real', 'real'],
  ] satisfies [Side, Side][])('see what the other has done, and leave no difference between bricks (bricks of %s; a mount of ours, a mount of %s)', async (served, other) => {
    cluster = await Cluster.start(served);
    const { host } = cluster;
    cluster.createVolume('v', DISPERSE_4_2);
    // What is compared is the volume: no client may answer from what it remembers.
    for (const key of ['write-behind', 'quick-read', 'io-cache', 'read-ahead', 'readdir-ahead', 'open-behind', 'stat-prefetch']) host.sh(`${cluster.gluster} volume set v performance.${key} off`);
    const timeouts = '--attribute-timeout=0 --entry-timeout=0 --direct-io-mode=enable';
    cluster.mount('ours', 'v', '/mnt/a', timeouts);
    cluster.mount(other, 'v', '/mnt/b', timeouts);
    host.sh(`cat >/run/turns.py <<'P'\n${TURNS}\nP`);
    const begin = Date.now();
    for (const seed of [1, 2]) expect(host.sh(`python3 /run/turns.py ${seed} 2>&1; rm -rf /mnt/a/d/*`)).toBe('');
    // A lock that isn't given back when asked for costs a second or more each time.
    expect(Date.now() - begin).toBeLessThan(100_000);
    host.sh('for i in 1 2 3; do head -c $((i * 3000)) /dev/urandom >/mnt/a/d/k$i; head -c 100 /dev/urandom >>/mnt/b/d/k$i; done; sleep 3');
    const xattrs = [0, 1, 2, 3, 4, 5].map((brick) => host.sh(`cd /d/v${brick}/d && getfattr -d -m trusted.ec -e hex . k1 k2 k3; ls ../.glusterfs/indices/xattrop | grep -v ^xattrop- || true`));
    for (const each of xattrs) expect(each).toBe(xattrs[0]);
    expect(xattrs[0]?.match(/trusted\.ec\.dirty=0x(\w+)/g)?.every((line) => /0x0+$/.test(line))).toBe(true);
    expect(xattrs[0]).not.toMatch(/^[0-9a-f]{8}-/m);
  });
});
