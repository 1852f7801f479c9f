import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bytes, CallPool, Frame, GlusterLogger, Loc, MemPools, XlatorLoader, createPlatform, parseVolfile } from '@glusterts/libglusterfs';
import { describe, expect, it, vi } from 'vitest';
import { Pace, Rehearsal, playBrick, rehearsalWanted, withBrickStage, withClientStage } from '../src/index.js';
import { MachineTurn } from '../src/rehearsal/machine-turn.js';
import { moveBrick } from '../src/rehearsal/volfiles.js';

const vectors = path.join(path.dirname(fileURLToPath(import.meta.url)), 'vectors');
const volfile = (name: string): string => readFileSync(path.join(vectors, name), 'latin1');
const platform = createPlatform();
const loader = new XlatorLoader({});
const noBrick = platform.portable ? 'the native addon is not built' : process.getuid?.() !== 0 ? 'trusted xattrs need root' : undefined;
if (noBrick !== undefined) console.warn(`rehearsal: ${noBrick}`);

const folders = (): string[] => ['/var/run/gluster', '/dev/shm', '/tmp'].flatMap((parent) => (existsSync(parent) ? readdirSync(parent).filter((name) => name.startsWith('glusterts-rehearsal-') && name.includes(`.${process.pid}-`)) : []));

/** What a rehearsing brick has in its index. */
const marks = (): string[] =>
  ['/var/run/gluster', '/dev/shm'].flatMap((parent) => folders().map((folder) => path.join(parent, folder, 'brick', '.glusterfs', 'indices', 'xattrop')))
    .filter((index) => existsSync(index))
    .flatMap((index) => readdirSync(index).filter((name) => !name.startsWith('xattrop-')));

describe('the twin of a brick', () => {
  it('lies in another folder with all that it has', () => {
    const moved = moveBrick(parseVolfile(volfile('brick-distribute.vol')).volumes, '/scratch/brick', '/scratch/socket');
    expect(moved?.name).toBe('/scratch/brick');
    expect(moved?.dispersed).toBe(false);
    expect(moved?.text).not.toContain('/dd/b1');
    expect(moved?.text).not.toContain('/var/lib/glusterd');
    expect(moved?.text).toContain('listen-path "/scratch/socket"');
  });

  it('is refused for what is no brick', () => {
    expect(moveBrick(parseVolfile(volfile('client-distribute-2.vol')).volumes, '/scratch/brick', '/scratch/socket')).toBeUndefined();
  });
});

describe.skipIf(noBrick)('a rehearsal', () => {
  it.each([false, true])('of a brick leaves nothing behind, and what it sends again is answered as the first time: dispersed %s', async (dispersed) => {
    const brick = volfile('brick-distribute.vol');
    const scenes: string[] = [];
    let rounds = 0;
    let left = Infinity;
    const world = await withBrickStage(dispersed ? brick.replace('type features/index', 'type features/index\n    option xattrop64-watchlist trusted.ec.dirty') : brick, platform, loader, {}, async (stage) => {
      expect(stage.dispersed).toBe(dispersed);
      const next = (): boolean => left-- > 0;
      rounds = await playBrick(stage, next, (scene) => {
        scenes.push(scene);
        // As real clients leave it: the closing write takes the mark away that the file was made with.
        if (dispersed && scene === 'create') expect(marks()).toEqual([]);
        // Two rounds of ten scenes are recorded; some thousand requests are sent again.
        if (scenes.length === 20) left = 2000;
      });
      expect(stage.tape.differing).toBe(0);
      return stage.world;
    });
    expect(scenes.slice(0, 10)).toEqual(['create', 'lookup', 'read', 'list', 'rename', 'unlink', 'write 1M', 'read 1M', 'randread', 'randwrite']);
    expect(scenes).toHaveLength(20);
    expect(rounds).toBeGreaterThan(4);
    expect(world?.timers).toBe(0);
    expect(world?.calls).toBe(0);
    expect(platform.iobufs.active).toBe(0);
    expect(folders()).toEqual([]);
  });

  it.each(['client-distribute-2.vol', 'client-disperse-4+2.vol'])('has the whole graph of a client, up, on bricks in memory, and leaves nothing behind: %s', async (name) => {
    const world = await withClientStage(volfile(name), platform, loader, { autoload: ['meta'] }, async (stage) => {
      expect(stage.graph.xlators.filter(({ type }) => type === 'protocol/client')).toHaveLength(name.includes('disperse') ? 6 : 2);
      const { root } = stage.graph.inodeTable;
      const { statfs } = await stage.graph.topSubvolume.statfs(new Frame(), new Loc({ inode: root, path: '/' as Bytes }), undefined);
      expect(statfs.f_bsize).toBeGreaterThan(0);
      return stage.world;
    });
    expect(world?.timers).toBe(0);
    expect(world?.calls).toBe(0);
    expect(platform.iobufs.active).toBe(0);
    expect(folders()).toEqual([]);
  });

  it('that fails is told at debug level, and harms nobody', async () => {
    const lines: string[] = [];
    const log = GlusterLogger.create('test', { sink: (line) => lines.push(line), clock: platform.clock, level: 8 });
    const calls = new CallPool(new MemPools(platform.timers), platform.clock);
    const init = { platform, loader, log, calls, text: volfile('client-distribute-2.vol'), xlatorOptions: [], autoload: [] };
    const rehearsal = Rehearsal.ofMount(init, () => Promise.reject(new Error('forgot the words')));
    await rehearsal.ahead;
    await rehearsal.over;
    expect(lines.join('')).toMatch(/ D .*forgot the words/);
    expect(calls.total).toBe(0);
    expect(folders()).toEqual([]);
  });
});

describe.skipIf(noBrick)('a mount’s rehearsal', () => {
  it.each([['before a pause, is given up', false, /forgot the words/, 2], ['after a pause, goes on in another graph', true, /rehearsed as a mount.*count=14/, 4]] as const)('that fails %s', async (_, pauses, told, plays) => {
    const lines: string[] = [];
    const log = GlusterLogger.create('test', { sink: (line) => lines.push(line), clock: platform.clock, level: 8 });
    const calls = new CallPool(new MemPools(platform.timers), platform.clock);
    // Each pause of 5 s is over after 0.1.
    const clock = { ...platform.clock, monotonic: () => platform.clock.monotonic() * 50 };
    const init = { platform: { ...platform, clock }, loader, log, calls, text: volfile('client-distribute-2.vol'), xlatorOptions: [], autoload: [] };
    let played = 0;
    const rehearsal = Rehearsal.ofMount(init, async (_graph, { next }) => {
      if (++played > 2) return 7;
      for (let last = clock.monotonic(); pauses && clock.monotonic() - last < 3000; ) {
        last = clock.monotonic();
        await next();
      }
      throw new Error('forgot the words');
    });
    await rehearsal.over;
    expect(lines.join('')).toMatch(told);
    expect(played).toBe(plays);
    expect(folders()).toEqual([]);
  });
});

describe('the pace', () => {
  it('gives way to real requests once its time ahead is over, and goes on when it is quiet', async () => {
    const calls = new CallPool(new MemPools(platform.timers), platform.clock);
    const pace = new Pace({ clock: platform.clock, calls, workMs: 10_000, ahead: 0, eager: 60_000 });
    const stack = calls.enter('lookup', new Frame(), 1);
    let resumed = false;
    const next = pace.next().then((more) => {
      resumed = true;
      return more;
    });
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(resumed).toBe(false);
    calls.leave(stack);
    expect(await next).toBe(true);
    pace.end();
    expect(await pace.next()).toBe(false);
  });

  it('takes each pause at first, and only long ones later', async () => {
    const calls = new CallPool(new MemPools(platform.timers), platform.clock);
    let now = 0;
    const pace = new Pace({ clock: { ...platform.clock, monotonic: () => (now += 1) }, calls, workMs: 10_000, eager: 1000 });
    const requests = (count: number): void => {
      for (let i = 0; i < count; i++) calls.leave(calls.enter('lookup', new Frame(), 1));
    };
    const waited = async (): Promise<number> => {
      const begin = now;
      expect(await pace.next()).toBe(true);
      return now - begin;
    };
    requests(1);
    expect(await waited()).toBeLessThan(200);
    now += 1000;
    requests(1);
    const timer = setInterval(() => (now += 100), 1);
    expect(await waited()).toBeGreaterThan(2000);
    clearInterval(timer);
    pace.end();
  });

  it('needs its turn in long pauses, and gives it back when requests come, or at the end', async () => {
    const calls = new CallPool(new MemPools(platform.timers), platform.clock);
    let now = 0;
    let workMs = 0;
    let free = false;
    const told: string[] = [];
    const turn = {
      take: () => {
        told.push(free ? 'taken' : 'refused');
        return free;
      },
      giveBack: () => void told.push('given back'),
    };
    const pace = new Pace({ clock: { ...platform.clock, monotonic: () => (now += 3) }, calls, turn, workMs: 1000, eager: 60_000, eagerWorkMs: 10, processorTime: () => workMs * 1000 });
    // What it may do at once needs nobody's leave.
    expect(await pace.next()).toBe(true);
    workMs = 11;
    expect(await pace.next()).toBe(true);
    expect(told).toEqual([]);
    // It has just begun: no long pause. Then there is one, but somebody else rehearses.
    const next = pace.next();
    now += 6000;
    await expect.poll(() => told.length).toBeGreaterThan(1);
    expect(new Set(told)).toEqual(new Set(['refused']));
    free = true;
    expect(await next).toBe(true);
    told.length = 0;
    expect(await pace.next()).toBe(true);
    expect(told).toEqual([]);
    calls.leave(calls.enter('lookup', new Frame(), 1));
    const later = pace.next();
    now += 6000;
    expect(await later).toBe(true);
    expect(told).toEqual(['given back', 'taken']);
    workMs = 1001;
    expect(await pace.next()).toBe(false);
    pace.end();
    expect(told).toEqual(['given back', 'taken', 'given back']);
  });

  it('that is ended while it waits for a pause waits no longer', async () => {
    const calls = new CallPool(new MemPools(platform.timers), platform.clock);
    const pace = new Pace({ clock: { ...platform.clock, monotonic: () => 0 }, calls, workMs: 10_000, ahead: 0 });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const next = pace.next();
      expect(vi.getTimerCount()).toBe(1);
      pace.end();
      expect(await next).toBe(false);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('ends when the work is done', async () => {
    const calls = new CallPool(new MemPools(platform.timers), platform.clock);
    let spentUs = 0;
    const pace = new Pace({ clock: platform.clock, calls, workMs: 5, eager: 60_000, processorTime: () => (spentUs += 2000) });
    let rounds = 0;
    while (await pace.next()) {
      rounds++;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect([2, 3]).toContain(rounds);
  });
});

describe.skipIf(platform.portable)('the turn', () => {
  it('is of one at a time, of the next when it is given back or its owner has gone', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'glusterts-turn-'));
    try {
      const one = new MachineTurn(platform.storage, folder);
      const other = new MachineTurn(platform.storage, folder);
      expect(one.take()).toBe(true);
      expect(other.take()).toBe(false);
      one.giveBack();
      expect(other.take()).toBe(true);
      expect(one.take()).toBe(false);
      other[Symbol.dispose]();
      expect(one.take()).toBe(true);
      one[Symbol.dispose]();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is everybody’s where there can be no lock', () => {
    const nowhere = (): MachineTurn => new MachineTurn(platform.storage, '/dev/null/nothing');
    expect([nowhere().take(), nowhere().take()]).toEqual([true, true]);
  });
});

describe('the switch', () => {
  it('turns it off, and portable processes never rehearse', () => {
    const before = process.env['GLUSTERTS_REHEARSAL'];
    try {
      process.env['GLUSTERTS_REHEARSAL'] = '0';
      expect(rehearsalWanted(platform)).toBe(false);
      delete process.env['GLUSTERTS_REHEARSAL'];
      expect(rehearsalWanted({ ...platform, portable: true })).toBe(false);
      expect(rehearsalWanted({ ...platform, portable: false })).toBe(true);
    } finally {
      if (before !== undefined) process.env['GLUSTERTS_REHEARSAL'] = before;
    }
  });
});
