import { Errno, Fd, type Graph, Loc, ROOT_GFID, type Bytes } from '@glusterts/libglusterfs';
import { GraphDriver, complianceSuite, expectErrno, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { type Recorder, recorder, recorderOf, volfileOf } from './recorder.js';

const definitions = [...memory, recorder, ...xlators];

complianceSuite({ name: 'performance/readdir-ahead over storage/memory', makeGraph: () => testGraph(volfileOf('performance/readdir-ahead'), definitions) });

interface Bench { graph: Graph; driver: GraphDriver; seen: Recorder }

async function bench(options: Record<string, string> = {}): Promise<Bench> {
  const graph = await testGraph(volfileOf('performance/readdir-ahead', options), definitions);
  const driver = new GraphDriver(graph.topSubvolume, graph);
  for (let i = 0; i < 100; i++) await driver.writeFile(`/file${i}`, Buffer.from('x'));
  const seen = recorderOf(graph);
  seen.taken();
  return { graph, driver, seen };
}

async function opened({ graph, driver }: Bench): Promise<Fd> {
  const { root } = graph.inodeTable;
  const fd = new Fd(root);
  await driver.subvolume.opendir(driver.frame, new Loc({ inode: root, gfid: ROOT_GFID, path: '/' as Bytes }), fd, undefined);
  await new Promise((resolve) => setImmediate(resolve));
  return fd;
}

describe('performance/readdir-ahead', () => {
  it('answers in the reader’s steps what one readdirp fetched', async () => {
    const at = await bench();
    const fd = await opened(at);
    const fetched = at.seen.taken().filter((fop) => fop === 'readdirp').length;
    const names: string[] = [];
    for (let offset = 0n, eof = false; !eof; ) {
      const reply = await at.driver.subvolume.readdirp(at.driver.frame, fd, 2500, offset, undefined);
      expect(reply.entries.length).toBeLessThan(12);
      for (const entry of reply.entries) {
        names.push(entry.name);
        offset = entry.d_off;
      }
      eof = reply.eof;
    }
    expect(new Set(names).size).toBe(102);
    expect(names).toHaveLength(102);
    expect(fetched).toBeLessThan(3);
    expect(at.seen.taken()).toEqual([]);
    fd.unref();
    await at.graph.fini();
  });

  it('tells a file that was written since without attributes', async () => {
    const at = await bench();
    const fd = await opened(at);
    await at.driver.writeFile('/file7', Buffer.from('longer'));
    const { entries } = await at.driver.subvolume.readdirp(at.driver.frame, fd, 131072, 0n, undefined);
    const stale = entries.filter(({ stat, inode }) => inode === undefined && stat.ia_ctime === 0).map(({ name }) => String(name));
    expect(stale).toContain('file7');
    expect(stale).not.toContain('file8');
    fd.unref();
    await at.graph.fini();
  });

  it('a reader who jumps gets the child’s answers from then on', async () => {
    const at = await bench();
    const fd = await opened(at);
    const first = await at.driver.subvolume.readdirp(at.driver.frame, fd, 2500, 0n, undefined);
    at.seen.taken();
    const again = await at.driver.subvolume.readdirp(at.driver.frame, fd, 2500, 0n, undefined);
    expect(again.entries.map(({ name }) => name)).toEqual(first.entries.map(({ name }) => name));
    expect(at.seen.taken()).toEqual(['readdirp']);
    fd.unref();
    await at.graph.fini();
  });

  it('an error below reaches the reader', async () => {
    const at = await bench();
    at.seen.fail('readdirp', Errno.EIO);
    const fd = await opened(at);
    await expectErrno(at.driver.subvolume.readdirp(at.driver.frame, fd, 2500, 0n, undefined), Errno.EIO);
    fd.unref();
    await at.graph.fini();
  });
});
