import { type Bytes, Errno, LoadResult, type Platform, createPlatform } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { KernelCache, NotInMemory } from '../src/kernel-cache.js';

const DIR = '/brick/dir' as Bytes;
const at = (name: string): Bytes => `${DIR}/${name}` as Bytes;

/** A disk with faults: what `cold` holds isn't in memory, what isn't in `there` isn't on it, and calls at once last as long as told. */
class FaultyDisk {
  readonly cold = new Set<string>();
  readonly there = new Set<string>();
  readonly loaded: string[] = [];
  /** What loads answer besides whether it is there. */
  result = 0;
  lastsMs = 0;
  waits = false;
  now = 1000;
  standsIn = 0;
  #blocks = 1;
  #hung = Promise.resolve();
  /** Ends what {@link hang} has begun. */
  letGo = (): void => undefined;
  readonly cache: KernelCache;

  constructor() {
    const real = createPlatform();
    const look = (path: string): number => {
      this.now += this.lastsMs;
      if (this.waits) this.#blocks += 8;
      return this.there.has(path) ? 0 : -Errno.ENOENT;
    };
    const storage: Partial<Platform['storage']> = {
      slow: false,
      blocksRead: () => this.#blocks,
      lstat: look,
      lstatCached: (path) => (this.cold.has(path) ? -Errno.EAGAIN : look(path)),
      loadNames: (_dirfd, names) => {
        this.loaded.push(...names);
        for (const name of names) this.cold.delete(name);
        return this.#hung.then(() => this.result | (names.every((name) => this.there.has(name)) ? 0 : LoadResult.MISSING));
      },
    };
    const all = Object.defineProperty({ ...real.storage, ...storage }, 'standsIn', { get: () => this.standsIn });
    const platform = { ...real, clock: { ...real.clock, monotonic: () => this.now }, timers: { ...real.timers, after: () => ({ cancel: () => true }) }, storage: all };
    this.cache = new KernelCache({ platform: platform as Platform, hidden: '/brick/.glusterfs' as Bytes, never: false });
  }

  /** From now on loads don't come back. */
  hang(): void {
    this.#hung = new Promise((resolve) => (this.letGo = resolve));
  }

  look(path: Bytes): number {
    return this.cache.look(() => this.cache.lstat(path, 0));
  }

  /** As a fop: loads what is missing, and looks again. */
  async fop(path: Bytes): Promise<number> {
    try {
      return this.look(path);
    } catch (error) {
      if (!(error instanceof NotInMemory)) throw error;
      await this.cache.load(error);
      return this.look(path);
    }
  }
}

describe('what the kernel has in memory', () => {
  it('is looked at once; what it hasn’t is loaded, once for all who want it', async () => {
    const disk = new FaultyDisk();
    for (const name of ['warm', 'cold']) disk.there.add(at(name));
    disk.cold.add(at('cold'));
    expect(await disk.fop(at('warm'))).toBe(0);
    expect(await Promise.all([disk.fop(at('cold')), disk.fop(at('cold'))])).toEqual([0, 0]);
    expect(disk.loaded).toEqual([at('cold')]);
  });

  it('in a directory that grows, names that aren’t on the disk are looked for at once, until one is there', async () => {
    const disk = new FaultyDisk();
    for (const name of ['a', 'b', 'c', 'old', 'older']) disk.cold.add(at(name));
    for (const name of ['old', 'older']) disk.there.add(at(name));
    for (const name of ['a', 'b', 'c']) expect(await disk.fop(at(name))).toBe(-Errno.ENOENT);
    expect(disk.loaded).toEqual([at('a')]);
    expect(await disk.fop(at('old'))).toBe(0);
    expect(await disk.fop(at('older'))).toBe(0);
    expect(disk.loaded).toEqual([at('a'), at('older')]);
  });

  it('a directory in which the disk had to be read for that doesn’t count as growing', async () => {
    const disk = new FaultyDisk();
    disk.result = LoadResult.WAITED;
    for (const name of ['a', 'b']) disk.cold.add(at(name));
    for (const name of ['a', 'b']) expect(await disk.fop(at(name))).toBe(-Errno.ENOENT);
    expect(disk.loaded).toEqual([at('a'), at('b')]);
  });

  it('after a look that waited for the disk all the same, what wasn’t seen since is loaded without asking; for 10 s', async () => {
    const disk = new FaultyDisk();
    for (const name of ['evicted', 'x', 'y']) disk.there.add(at(name));
    [disk.lastsMs, disk.waits] = [5, true];
    expect(await disk.fop(at('evicted'))).toBe(0);
    [disk.lastsMs, disk.waits] = [0, false];
    expect(await disk.fop(at('x'))).toBe(0);
    expect(await disk.fop(at('evicted'))).toBe(0);
    expect(disk.loaded).toEqual([at('x'), at('evicted')]);
    disk.now += 10_001;
    expect(await disk.fop(at('y'))).toBe(0);
    expect(disk.loaded.length).toBe(2);
  });

  it('a look that took long because of others isn’t taken for one that waited', async () => {
    const disk = new FaultyDisk();
    for (const name of ['x', 'y']) disk.there.add(at(name));
    disk.lastsMs = 5;
    for (const name of ['x', 'y']) expect(await disk.fop(at(name))).toBe(0);
    expect(disk.loaded).toEqual([]);
  });

  it('what was in memory isn’t believed to be when another look hangs, until it has been loaded', async () => {
    const disk = new FaultyDisk();
    for (const name of ['known', 'unknown']) disk.there.add(at(name));
    expect(await disk.fop(at('known'))).toBe(0);
    disk.standsIn = 1;
    for (const name of ['known', 'unknown', 'known']) expect(await disk.fop(at(name))).toBe(0);
    expect(disk.loaded).toEqual([at('known'), at('unknown')]);
    disk.standsIn = 2;
    expect(await disk.fop(at('known'))).toBe(0);
    disk.standsIn = 0;
    expect(await disk.fop(at('known'))).toBe(0);
    expect(disk.loaded).toEqual([at('known'), at('unknown')]);
  });

  it('when another look hangs, and so many loads do that no more are made, what was in memory is believed to be all the same', async () => {
    const disk = new FaultyDisk();
    for (const name of ['known', 'waited for', 'unknown']) disk.there.add(at(name));
    for (const name of ['known', 'waited for']) expect(await disk.fop(at(name))).toBe(0);
    // One that is soon over, and after it another.
    for (const standsIn of [1, 0, 1]) {
      disk.standsIn = standsIn;
      disk.cache.look(() => undefined);
    }
    disk.hang();
    const cold = Array.from({ length: 20 }, (_, i) => at(`cold ${i}`));
    for (const path of cold) disk.there.add(path);
    const fops = [at('waited for'), ...cold].map((path) => disk.fop(path));
    expect(await disk.fop(at('known'))).toBe(0);
    expect(() => disk.look(at('waited for'))).toThrow(NotInMemory);
    expect(() => disk.look(at('unknown'))).toThrow(NotInMemory);
    expect(disk.loaded).not.toContain(at('known'));
    disk.letGo();
    expect(await Promise.all(fops)).toEqual(fops.map(() => 0));
  });

  it('a look that hangs finds itself as it was, and those who make no look meanwhile may wait', async () => {
    const disk = new FaultyDisk();
    for (const name of ['outer', 'inner']) disk.there.add(at(name));
    for (const name of ['outer', 'inner', 'last']) disk.cold.add(at(name));
    disk.cache.look(() => {
      disk.standsIn = 1;
      expect(disk.cache.lstat(at('outer'), 0)).toBe(0);
      expect(() => disk.look(at('inner'))).toThrow(NotInMemory);
      expect(disk.cache.lstat(at('outer'), 0)).toBe(0);
      disk.standsIn = 0;
      expect(() => disk.cache.lstat(at('last'), 0)).toThrow(NotInMemory);
    });
    expect(disk.cache.lstat(at('last'), 0)).toBe(-Errno.ENOENT);
  });

  it('a change waits while a load holds the lock of its directory', async () => {
    const disk = new FaultyDisk();
    disk.there.add(at('cold'));
    disk.cold.add(at('cold'));
    const pending = disk.fop(at('cold'));
    const obstacle = disk.cache.obstacle(() => disk.cache.demandFree(DIR));
    expect(obstacle).toBeDefined();
    await obstacle;
    await pending;
    expect(disk.cache.obstacle(() => disk.cache.demandFree(DIR))).toBeUndefined();
  });
});
