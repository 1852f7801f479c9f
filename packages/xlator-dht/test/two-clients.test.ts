import { type Graph, Frame, type Bytes } from '@glusterts/libglusterfs';
import { GraphDriver, runModel, testGraph } from '@glusterts/xlator-compliance';
import { type Memory, xlators as memory } from '@glusterts/xlator-memory';
import { afterEach, describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { volfile } from './memory-volume.js';

const graphs: Graph[] = [];
let shares = 0;
afterEach(async () => {
  for (const graph of graphs.splice(0)) await graph.fini();
});

async function clients(count: number, bricks = 3): Promise<GraphDriver[]> {
  const share = `two-clients-${shares++}`;
  const drivers: GraphDriver[] = [];
  for (let i = 0; i < count; i++) {
    const graph = await testGraph(volfile(bricks, share), [...memory, ...xlators]);
    graphs.push(graph);
    const driver = new GraphDriver(graph.topSubvolume, graph, new Frame({ pid: 1000 + i, lk_owner: `client-${i}` as Bytes }));
    await driver.root();
    drivers.push(driver);
  }
  return drivers;
}

const brick = (graph: Graph | undefined, index: number): Memory => graph?.find(`v-client-${index}`) as Memory;

describe('two clients of one volume', () => {
  for (const seed of [11, 12]) {
    it(`see one tree, whoever changes it (seed ${seed})`, async () => {
      const drivers = await clients(2);
      await drivers[0]?.mkdir('/m');
      await runModel(drivers, '/m', { seed, operations: 400, hardLinks: true });
    });
  }

  it('make the same names at once, and one of them wins each time', async () => {
    const drivers = await clients(2);
    for (let i = 0; i < 40; i++) {
      const made = await Promise.allSettled(drivers.map((driver) => driver.mkdir(`/d${i}`)));
      expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const created = await Promise.allSettled(drivers.map(async (driver) => driver.close(await driver.create(`/f${i}`))));
      expect(created.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    }
    expect(await drivers[0]?.names('/')).toHaveLength(80);
    expect(await drivers[1]?.names('/')).toHaveLength(80);
  });

  it('rename crosswise at once without a deadlock, and lose nothing', async () => {
    const [a, b] = await clients(2);
    for (let i = 0; i < 30; i++) {
      await a?.writeFile(`/x${i}`, Buffer.from('x'));
      await a?.writeFile(`/y${i}`, Buffer.from('y'));
      await Promise.allSettled([a?.rename(`/x${i}`, `/y${i}`), b?.rename(`/y${i}`, `/x${i}`)]);
      const left = (await a?.names('/'))?.filter((name) => name === `x${i}` || name === `y${i}`) ?? [];
      expect(left.length).toBeGreaterThan(0);
      for (const name of left) expect((await b?.readFile(`/${name}`))?.length).toBe(1);
    }
  });
});

describe('a directory that a brick lost', () => {
  it('is made again by the next lookup, with its layout, and its files are found', async () => {
    const [a, b] = await clients(2);
    await a?.mkdir('/d');
    for (let i = 0; i < 20; i++) await a?.writeFile(`/d/f${i}`, Buffer.from(`${i}`));
    const gfid = (await a?.lookup('/d'))?.ia_gfid;
    const { store } = brick(graphs[0], 1);
    const node = [...store.root.entries.values()].find(({ name }) => name === 'd')?.node;
    for (const { name, node: file } of [...(node?.entries.values() ?? [])]) {
      node?.removeEntry(name);
      store.reap(file);
    }
    store.root.removeEntry('d' as Bytes);
    if (node) node.parent = undefined;
    if (node) store.reap(node);
    expect((await b?.lookup('/d'))?.ia_gfid).toBe(gfid);
    const again = [...store.root.entries.values()].find(({ name }) => name === 'd')?.node;
    expect(again?.gfid).toBe(gfid);
    expect(again?.xattrs.get('trusted.glusterfs.dht')?.length).toBe(16);
    await b?.writeFile('/d/new', Buffer.from('new'));
    for (let i = 0; i < 20; i++) await b?.writeFile(`/d/g${i}`, Buffer.from('g'));
    expect((await a?.names('/d'))?.filter((name) => name.startsWith('g'))).toHaveLength(20);
  });
});
