import { GlusterLogger, Graph, XlatorLoader, createPlatform } from '@glusterts/libglusterfs';
import { expect, it } from 'vitest';
import { fuseOptions, rehearseMount } from '../src/index.js';

const VOLFILE = `volume brick
    type storage/memory
    option size 64MB
end-volume
volume locks
    type features/locks
    option trace off
    subvolumes brick
end-volume
volume md-cache
    type performance/md-cache
    option md-cache-timeout 1
    subvolumes locks
end-volume
`;

it.each([0, 1])('a rehearsal plays every scene to a graph, and leaves it as it was: cast %i', async (cast) => {
  const platform = createPlatform();
  const log = GlusterLogger.create('test', { sink: () => undefined, clock: platform.clock });
  const graph = await Graph.load(VOLFILE, { platform, loader: new XlatorLoader({}), log });
  await graph.activate();
  const scenes = new Set<string>();
  const requests = await rehearseMount(graph, { platform, log, options: fuseOptions({ mountpoint: '/nowhere' }), cast, next: () => scenes.size < 10, say: (scene) => scenes.add(scene) });
  expect([...scenes]).toEqual(['create', 'stat', 'read', 'list', 'rename', 'unlink', 'write 1M', 'read 1M', 'randread', 'randwrite']);
  expect(requests).toBeGreaterThan(400);
  expect(graph.callPool.cnt).toBe(0);
  expect(graph.inodeTable.fdCount).toBe(0);
  expect(graph.inodeTable.root.entries?.size ?? 0).toBeLessThanOrEqual(1);
  await graph.fini();
  expect(platform.iobufs.active).toBe(0);
});

it('a rehearsal that is stopped in the middle ends, with all that it had open', async () => {
  const platform = createPlatform();
  const log = GlusterLogger.create('test', { sink: () => undefined, clock: platform.clock });
  const graph = await Graph.load(VOLFILE, { platform, loader: new XlatorLoader({}), log });
  await graph.activate();
  let left = 10;
  await rehearseMount(graph, { platform, log, options: fuseOptions({ mountpoint: '/nowhere' }), next: () => left-- > 0 });
  expect(graph.callPool.cnt).toBe(0);
  expect(graph.inodeTable.fdCount).toBe(0);
  await graph.fini();
  expect(platform.iobufs.active).toBe(0);
});
