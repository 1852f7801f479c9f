import { type Bytes, Errno, type Graph, OpenFlag } from '@glusterts/libglusterfs';
import { GraphDriver, pattern, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { beforeEach, describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';

let graph: Graph;
let driver: GraphDriver;

beforeEach(async () => {
  graph = await testGraph('volume b\n type storage/memory\n option size 16MB\nend-volume\nvolume m\n type meta\n option meta-dir-name .meta\n subvolumes b\nend-volume\n', [...memory, ...xlators], {
    cmdArgs: new Map([['cmdline', 'glusterfs -f v /m'], ['graph-uuid', 'host-1-2026'], ['log-file', '/var/log/x.log']]),
  });
  driver = new GraphDriver(graph.topSubvolume, graph);
  await driver.root();
});

async function text(path: string): Promise<string> {
  const fd = await driver.open(path, OpenFlag.RDONLY);
  const bytes = await driver.read(fd, 65536, 0);
  await driver.close(fd);
  return Buffer.from(bytes).toString('latin1');
}

describe('meta', () => {
  it('goes on listing the graphs that served before', async () => {
    const volfile = 'volume b\n type storage/memory\n option size 0\nend-volume\nvolume m\n type meta\n subvolumes b\nend-volume\n';
    const old = await testGraph(volfile, [...memory, ...xlators], { cmdArgs: new Map([['graph-uuid', 'the-old-one']]) });
    const next = await testGraph(volfile, [...memory, ...xlators], { cmdArgs: new Map([['graph-uuid', 'the-new-one']]), elders: [old] });
    await old.fini();
    const at = new GraphDriver(next.topSubvolume, next);
    await at.root();
    expect((await at.names('/.meta/graphs')).toSorted()).toEqual(['active', 'the-new-one', 'the-old-one']);
    expect(await at.readlink('/.meta/graphs/active')).toBe('the-new-one');
    expect(await at.names('/.meta/graphs/the-old-one')).toContain('b');
    await next.fini();
  });

  it('shows the process, its graphs and each xlator’s options, in GlusterFS’s words', async () => {
    expect(await text('/.meta/version')).toBe('{ \n  "Package Version": "10.3"\n}');
    expect(await text('/.meta/cmdline')).toBe('{ \n  "Cmdlinestr": "glusterfs -f v /m"\n}');
    expect(await driver.readlink('/.meta/graphs/active')).toBe('host-1-2026');
    expect(await driver.readlink('/.meta/graphs/host-1-2026/top')).toBe('m');
    expect(await text('/.meta/graphs/host-1-2026/b/type')).toBe('storage/memory\n');
    expect(await text('/.meta/graphs/host-1-2026/b/options/size')).toBe('16MB\n');
    expect(await driver.readlink('/.meta/graphs/host-1-2026/m/subvolumes/0')).toBe('../../b');
    expect(await text('/.meta/graphs/host-1-2026/volfile')).toContain('volume b\n    type storage/memory\n    option size 16MB\nend-volume\n');
  });

  it('is found by name alone, and lists its folders', async () => {
    expect(await driver.names('/')).not.toContain('.meta');
    expect((await driver.names('/.meta')).toSorted()).toEqual(['cmdline', 'frames', 'graphs', 'logging', 'mallinfo', 'measure_latency', 'process_uuid', 'version']);
  });

  it('takes no changes, and leaves the rest of the volume alone', async () => {
    const fd = await driver.open('/.meta/version', OpenFlag.RDWR);
    await expect(driver.write(fd, Buffer.from('x'), 0)).rejects.toMatchObject({ errno: Errno.EPERM });
    await driver.close(fd);
    await expect(driver.lookup('/.meta/nothing')).rejects.toMatchObject({ errno: Errno.ENOENT });
    await driver.writeFile('/f', pattern(1000, 1));
    expect(Buffer.compare(await driver.readFile('/f'), pattern(1000, 1))).toBe(0);
    const { loc } = await driver.resolve('/.meta/version');
    await expect(graph.topSubvolume.getxattr(driver.frame, loc, 'user.a' as Bytes, undefined)).rejects.toMatchObject({ errno: Errno.ESTALE });
  });

  it('measures latency when it is told to, and forgets what it has shown', async () => {
    const write = async (path: string, words: string): Promise<void> => {
      const fd = await driver.open(path, OpenFlag.WRONLY);
      await driver.write(fd, Buffer.from(words), 0);
      await driver.close(fd);
    };
    expect(await text('/.meta/measure_latency')).toBe('0\n');
    await write('/.meta/measure_latency', '1\n');
    expect(await text('/.meta/measure_latency')).toBe('1\n');
    await driver.lookup('/');
    const profile = '/.meta/graphs/host-1-2026/b/profile';
    expect(await text(profile)).toMatch(/^\[b\.latency\]\nb\.latency\.\w+ = AVG:\d+\.\d{6} CNT:\d+ TOTAL:\d+ MIN:\d+ MAX:\d+\n/);
    await write('/.meta/measure_latency', '0\n');
    await text(profile);
    expect(await text(profile)).toBe('[b.latency]\n');
  });

  it('shows the requests in flight', async () => {
    const stack = graph.callPool.enter('readv', driver.frame, 423);
    const frames: unknown = JSON.parse(await text('/.meta/frames'));
    expect(frames).toMatchObject({ Stack: [{ Number: 1, Unique: 423, Type: 'READ', Frame: [{ Xlator: 'm', Parent: 'gfapi', Wind_from: 'glfs_readv_resume', Wind_to: 'xl->fops->readv', Unwind_to: 'glfs_readv_cbk', Complete: 0 }, { Number: 2, Xlator: 'gfapi', Complete: 0 }] }], Call_Count: 1 });
    graph.callPool.leave(stack);
    expect(JSON.parse(await text('/.meta/frames'))).toEqual({ Stack: [], Call_Count: 0 });
    expect(await text('/.meta/mallinfo')).toMatch(/^\[mallinfo\]\nmallinfo_arena = \d+\n/);
  });
});
