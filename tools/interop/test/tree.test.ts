import { afterEach, describe, expect, it } from 'vitest';
import { Cluster, DISPERSE_4_2, DISTRIBUTE_2, type Shape, type Side, treeScript, whyNot } from '../src/cluster.ts';

const reason = whyNot(true);
if (reason) console.warn(`interop of trees skipped: ${reason}`);

let cluster: Cluster | undefined;

afterEach(() => {
  cluster?.stop();
  cluster = undefined;
});

/** Copies with one side's mount, compares through both. */
async function copyAndCompare(served: Side, copier: Side, shape: Shape): Promise<void> {
  cluster = await Cluster.start(served);
  const { host } = cluster;
  cluster.createVolume('v', shape);
  cluster.mount('ours', 'v', '/mnt/ours');
  cluster.mount('real', 'v', '/mnt/real');
  const files = Number(host.sh(treeScript('/run/tree')).trim().split('\n').at(-1));
  expect(files).toBeGreaterThanOrEqual(5000);
  host.sh(`cp -a /run/tree /mnt/${copier}/tree`);
  host.sh('echo 3 >/proc/sys/vm/drop_caches');
  for (const side of ['ours', 'real']) {
    expect(host.sh(`diff -r --no-dereference /run/tree /mnt/${side}/tree`)).toBe('');
    const listing = (folder: string): string => host.sh(`cd ${folder} && (find . ! -type d -printf '%P %m %s %n %l\\n'; find . -type d -printf '%P %m\\n') | LC_ALL=C sort | md5sum`);
    expect(listing(`/mnt/${side}/tree`)).toBe(listing('/run/tree'));
  }
  host.sh(`rm -rf /mnt/${copier}/tree`);
  expect(host.sh('ls -A /mnt/ours /mnt/real | grep -v :').trim()).toBe('');
}

describe.skipIf(reason !== undefined)('a tree of 5,000 files and 200 MiB', () => {
  it.each([
    ['ours', 'real', 'distribute of 2', DISTRIBUTE_2],
    ['ours', 'real', 'disperse 4+2', DISPERSE_4_2],
    ['real', 'ours', 'distribute of 2', DISTRIBUTE_2],
    ['real', 'ours', 'disperse 4+2', DISPERSE_4_2],
  ] as const)('served by %s, copied in by the mount of %s, comes back byte for byte from both: %s', async (served, copier, _name, shape) => {
    await copyAndCompare(served, copier, shape);
  });
});
