import { type Frame, GlusterLogger, Graph, type Loc, type LookupReply, Xlator, XlatorLoader, type Xdata, createPlatform, machineClock, withParts } from '@glusterts/libglusterfs';
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

it.each([[true, 48], [false, 24]])('files are looked up again when time has gone by since they were made: %s', async (passes, lookups) => {
  const ahead = { ms: 0 };
  // Otherwise it stands still: caches would be as old as the machine is slow.
  const platform = withParts(createPlatform(), { clock: { ...machineClock(), monotonic: () => ahead.ms } });
  const log = GlusterLogger.create('test', { sink: () => undefined, clock: platform.clock });
  const asked: string[] = [];
  class Listener extends Xlator {
    override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
      if (/^f\d+$/.test(loc.name)) asked.push(loc.name);
      return this.child.lookup(frame, loc, xdata);
    }
  }
  const loader = new XlatorLoader({}).add({ type: 'test/listener', options: [], create: (context) => new Listener(context) });
  const text = VOLFILE.replace('volume md-cache', 'volume listener\n    type test/listener\n    subvolumes locks\nend-volume\nvolume md-cache').replace(/subvolumes locks\n(?=end-volume\n$)/, 'subvolumes listener\n');
  const graph = await Graph.load(text, { platform, loader, log });
  await graph.activate();
  let over = false;
  const pass = (ms: number): void => void (ahead.ms += ms);
  await rehearseMount(graph, { platform, log, options: fuseOptions({ mountpoint: '/nowhere' }), next: () => !over, ...(passes ? { pass } : {}), say: (scene) => (over ||= scene === 'stat') });
  // Before each is made; and once more.
  expect(new Set(asked).size).toBe(24);
  expect(asked).toHaveLength(lookups);
  await graph.fini();
});

it('the clock of a rehearsal is ahead by as much as it is told, and goes on', () => {
  const ahead = { ms: 0 };
  const [clock, machine] = [machineClock(ahead), machineClock()];
  const before = machine.monotonic();
  ahead.ms = 2000;
  const now = clock.monotonic();
  expect(now).toBeGreaterThanOrEqual(before + 2000);
  expect(now).toBeLessThanOrEqual(machine.monotonic() + 2000);
});
