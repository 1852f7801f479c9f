import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { withClientStage } from '@glusterts/daemon';
import { fuseOptions, rehearseMount } from '@glusterts/fuse-bridge';
import { XlatorLoader, createPlatform } from '@glusterts/libglusterfs';
import { expect, it } from 'vitest';

const vectors = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../packages/daemon/test/vectors');
const platform = createPlatform();

const reason = platform.portable ? 'portable processes don\'t rehearse' : undefined;
if (reason !== undefined) console.warn(`rehearsal-tapes: ${reason}`);

it.skipIf(reason).each([
  ['client-distribute-2.vol', 2],
  ['client-disperse-4+2.vol', 0],
])('a mount rehearses with what its bricks answered in the first rounds, where later ones ask the same: %s', async (name, bricks) => {
  const options = fuseOptions({ mountpoint: '/nowhere' });
  const scenes: string[] = [];
  let rounds = 0;
  let left = Infinity;
  const counts = await withClientStage(readFileSync(path.join(vectors, name), 'latin1'), platform, new XlatorLoader({}), { autoload: ['meta'] }, async ({ world, graph, tapes }) => {
    expect(tapes).toHaveLength(bricks);
    await rehearseMount(graph, {
      platform: world.platform,
      options,
      log: world.log,
      cast: 0,
      pass: (ms) => world.pass(ms),
      next: () => left-- > 0,
      begin: (variant) => {
        if (tapes.length > 0) world.begin(variant);
        for (const tape of tapes) tape.begin(variant);
        // Two rounds are recorded, and four are played.
        if (++rounds === 7) left = 0;
      },
      say: (scene) => scenes.push(scene),
    });
    return { answered: tapes.reduce((sum, tape) => sum + tape.answered, 0), other: tapes.reduce((sum, tape) => sum + tape.other, 0) };
  });
  expect(scenes).toHaveLength(60);
  expect(scenes.slice(50)).toEqual(scenes.slice(0, 10));
  if (bricks > 0) expect(counts?.answered).toBeGreaterThan(1000);
  // What depends on the time of day, and on how long something took.
  expect(counts?.other ?? Infinity).toBeLessThanOrEqual((counts?.answered ?? 0) / 10);
  expect(platform.iobufs.active).toBe(0);
});
