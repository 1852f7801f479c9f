import { type Bytes, type Graph, type Inode } from '@glusterts/libglusterfs';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { afterEach, describe, expect, it } from 'vitest';
import type { Dht } from '../src/dht.js';
import { Distribute } from '../src/distribute.js';
import { xlators } from '../src/index.js';
import { volfile } from './memory-volume.js';

let graph: Graph | undefined;
afterEach(async () => {
  await graph?.fini();
  graph = undefined;
});

async function start(names: readonly string[]): Promise<{ dht: Dht; inodes: Inode[]; driver: GraphDriver }> {
  graph = await testGraph(volfile(2), [...memory, ...xlators]);
  const driver = new GraphDriver(graph.topSubvolume, graph);
  await driver.root();
  for (const name of names) await driver.writeFile(`/${name}`, Buffer.from(name));
  const { root } = graph.inodeTable;
  const found = graph.find('v-dht');
  if (!(found instanceof Distribute)) throw new Error('no distribute');
  return { dht: found.dht, driver, inodes: names.map((name) => graph?.inodeTable.grep(root, name as Bytes) as Inode) };
}

describe('what distribute knows of files', () => {
  const NAMES = Array.from({ length: 40 }, (_, i) => `f${i}`);

  it('is one object for all that lie on a subvolume: there may be a million', async () => {
    const { dht, inodes } = await start(NAMES);
    expect(new Set(inodes.map((inode) => dht.known(inode))).size).toBe(2);
    for (const inode of inodes) expect(dht.known(inode)?.cached).toBe(dht.cachedOf(inode));
  });

  it('is the file\'s own once there is more to know, and when it is found elsewhere the others stay where they are', async () => {
    const { dht, inodes } = await start(NAMES);
    const there = inodes.map((inode) => dht.cachedOf(inode));
    const [moved, migrating, locked] = inodes;
    if (!moved || !migrating || !locked) throw new Error('too few');
    const [first, second] = dht.subvols;
    if (!first || !second) throw new Error('too few subvolumes');
    const other = dht.cachedOf(moved) === first ? second : first;
    dht.setCached(moved, moved.gfid, other);
    dht.state(migrating).migration = { from: first, to: second };
    dht.knownState(locked).lockSubvol = other;
    expect(inodes.map((inode) => dht.cachedOf(inode).name)).toEqual([other, ...there.slice(1)].map(({ name }) => name));
    const numbers = (wanted: (inode: Inode) => boolean): number[] => inodes.flatMap((inode, i) => (wanted(inode) ? [i] : []));
    expect(numbers((inode) => dht.known(inode)?.migration !== undefined)).toEqual([1]);
    expect(numbers((inode) => dht.known(inode)?.lockSubvol !== undefined)).toEqual([2]);
    // What it has beside its place stays.
    dht.setCached(migrating, migrating.gfid, other);
    // By identity: a subvolume leads to the whole graph.
    const known = dht.known(migrating);
    expect([known?.cached === other, known?.migration?.from === first, known?.migration?.to === second]).toEqual([true, true, true]);
  });
});
