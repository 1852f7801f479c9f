import { Errno, type Graph, OpenFlag } from '@glusterts/libglusterfs';
import { GraphDriver, pattern, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { afterEach, describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { Cable, cable, cabledVolfile } from './cable.js';

let graph: Graph;

async function volume(bricks: number, redundancy: number): Promise<GraphDriver> {
  graph = await testGraph(cabledVolfile(bricks, redundancy), [...memory, ...xlators, cable]);
  const driver = new GraphDriver(graph.topSubvolume, graph);
  await driver.root();
  return driver;
}

function cableOf(brick: number): Cable {
  const found = Cable.all.get(`cable-${brick}`);
  if (!found) throw new Error(`no cable ${brick}`);
  return found;
}

function* subsets(count: number, size: number, from = 0): Generator<number[]> {
  if (size === 0) return void (yield []);
  for (let i = from; i <= count - size; i++) for (const rest of subsets(count, size - 1, i + 1)) yield [i, ...rest];
}

/** xorshift32: the same operations for the same seed. */
function random(seed: number): (limit: number) => number {
  let state = seed >>> 0 || 1;
  return (limit) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % limit;
  };
}

afterEach(async () => {
  await graph.fini();
  expect(graph.iobufs.active).toBe(0);
});

describe('with bricks gone', () => {
  it('reads every file with any two of six bricks down', async () => {
    const driver = await volume(6, 2);
    const files = [0, 1, 511, 2048, 2049, 100_000].map((size) => pattern(size, size));
    for (const [i, bytes] of files.entries()) await driver.writeFile(`/f${i}`, bytes);
    for (const lost of subsets(6, 2)) {
      for (const brick of lost) cableOf(brick).unplug();
      for (const [i, bytes] of files.entries()) expect(Buffer.compare(await driver.readFile(`/f${i}`), bytes)).toBe(0);
      for (const brick of lost) cableOf(brick).plug();
    }
  });

  it('gives ENOTCONN with three of six down, and goes on when one is back', async () => {
    const driver = await volume(6, 2);
    await driver.writeFile('/f', pattern(5000, 1));
    for (const brick of [0, 2, 4]) cableOf(brick).unplug();
    await expect(driver.readFile('/f')).rejects.toMatchObject({ errno: Errno.ENOTCONN });
    cableOf(2).plug();
    expect(Buffer.compare(await driver.readFile('/f'), pattern(5000, 1))).toBe(0);
  });

  it.each([...subsets(6, 2)].map((lost) => [lost.join(', '), lost] as const))('never reads from a brick that missed a write: %s were away', async (_name, lost) => {
    const driver = await volume(6, 2);
    await driver.writeFile('/f', pattern(10_000, 1));
    for (const brick of lost) cableOf(brick).unplug();
    const fd = await driver.open('/f', OpenFlag.RDWR);
    await driver.write(fd, pattern(3000, 2), 500);
    await driver.close(fd);
    for (const brick of lost) cableOf(brick).plug();
    const expected = pattern(10_000, 1);
    expected.set(pattern(3000, 2), 500);
    expect(Buffer.compare(await driver.readFile('/f'), expected)).toBe(0);
    // The four that are good are all needed now: without one of them there is an error, not old data.
    const good = [0, 1, 2, 3, 4, 5].filter((brick) => !lost.includes(brick));
    cableOf(good[0] ?? 0).unplug();
    await expect(driver.readFile('/f')).rejects.toMatchObject({ errno: Errno.EIO });
  });

  it('loses no acknowledged write when two bricks die in the middle of writing, at any of its calls', async () => {
    for (const fop of ['writev', 'fxattrop', 'inodelk', 'flush', 'create', 'lookup']) {
      for (let left = 0; left < 4; left++) {
        const driver = await volume(6, 2);
        cableOf(1).cutAt = { fop, left };
        cableOf(4).cutAt = { fop, left: left + 1 };
        const bytes = pattern(30_000, left + 7);
        const fd = await driver.create('/f');
        for (let at = 0; at < bytes.length; at += 5000) await driver.write(fd, bytes.subarray(at, at + 5000), at);
        await driver.close(fd);
        expect(Buffer.compare(await driver.readFile('/f'), bytes)).toBe(0);
        await graph.fini();
      }
    }
  });

  it.each([1, 2, 3, 4, 5, 6])('keeps files as a plain buffer would, while bricks come and go between files (seed %i)', async (seed) => {
    const driver = await volume(6, 2);
    const next = random(seed * 7919);
    for (let file = 0; file < 6; file++) {
      const away = [next(6), next(6)].filter((brick, i, list) => list.indexOf(brick) === i).slice(0, next(3));
      for (const brick of away) cableOf(brick).unplug();
      const model = Buffer.alloc(60_000);
      let size = 0;
      const fd = await driver.create(`/f${file}`);
      for (let step = 0; step < 60; step++) {
        const at = next(50_000);
        const length = 1 + next(next(4) === 0 ? 9000 : 700);
        switch (next(4)) {
          case 0: {
            const bytes = await driver.read(fd, length, at);
            expect(Buffer.compare(bytes, model.subarray(Math.min(at, size), Math.min(at + length, size)))).toBe(0);
            break;
          }
          case 1:
            if (next(3) === 0) {
              await driver.truncate(`/f${file}`, at);
              if (at < size) model.fill(0, at, size);
              size = at;
            }
            break;
          default: {
            const bytes = pattern(length, seed + step);
            await driver.write(fd, bytes, at);
            model.set(bytes, at);
            size = Math.max(size, at + length);
          }
        }
      }
      expect((await driver.fstat(fd)).ia_size).toBe(size);
      await driver.close(fd);
      expect(Buffer.compare(await driver.readFile(`/f${file}`), model.subarray(0, size))).toBe(0);
      for (const brick of away) cableOf(brick).plug();
      expect(Buffer.compare(await driver.readFile(`/f${file}`), model.subarray(0, size))).toBe(0);
    }
  });
});
