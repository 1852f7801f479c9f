import { Iatt, type StatReply, SetAttr } from '@glusterts/libglusterfs';
import { type GraphDriver, complianceSuite } from '@glusterts/xlator-compliance';
import { afterEach, describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { type TwoClients, twoClients } from './two-clients.js';

/** From the bottom up, as glusterd writes them into the default client graph (spec/client.md, §3.5), and all that there is. */
const STACKS: Readonly<Record<string, readonly string[]>> = {
  'the default graph': ['write-behind', 'open-behind', 'quick-read', 'md-cache', 'io-threads'],
  'all performance xlators': ['write-behind', 'read-ahead', 'io-cache', 'open-behind', 'quick-read', 'nl-cache', 'md-cache', 'io-threads'],
};
const stackOf = (names: readonly string[]): typeof xlators => names.flatMap((name) => xlators.filter(({ type }) => type === `performance/${name}`));

let bench: TwoClients | undefined;
afterEach(async () => {
  await bench?.down();
  bench = undefined;
});

/** Numbers that look random, the same ones in each run. */
function randomOf(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
}

const shownOf = (stat: Iatt): string => [stat.ia_size, stat.ia_prot, stat.ia_nlink, stat.ia_mtime, stat.ia_mtime_nsec].join();

async function change(driver: GraphDriver, name: string, random: (below: number) => number): Promise<void> {
  switch (random(6)) {
    case 0: return void (await driver.chmod(name, 0o600 + random(64)));
    case 1: return void (await driver.truncate(name, random(100)));
    case 2: {
      const fd = await driver.open(name);
      for (let i = random(3); i >= 0; i--) await driver.write(fd, Buffer.from('y'.repeat(1 + random(50))), random(100));
      return driver.close(fd);
    }
    case 3:
      await driver.link(name, '/extra');
      return driver.unlink('/extra');
    case 4: return driver.setxattr(name, 'user.x', Buffer.from(String(random(9))));
    default: {
      const wanted = new Iatt();
      wanted.ia_mtime = random(1000);
      await driver.setattr(name, wanted, SetAttr.MTIME);
    }
  }
}

for (const [title, names] of Object.entries(STACKS)) {
  complianceSuite({ name: `${title} over storage/memory`, makeGraph: async () => (await twoClients(stackOf(names))).graph });

  describe(`${title}: two clients`, () => {
    it.each([1, 2, 3])('what is shown is never older than a second, nor than a change of our own (seed %d)', async (seed) => {
      const b = (bench = await twoClients(stackOf(names)));
      const random = randomOf(seed);
      const files = ['/a', '/b', '/c'];
      for (const name of files) await b.ours.writeFile(name, Buffer.from('x'));
      let now = 0;
      const history = new Map<string, { from: number; state: string }[]>();
      const ownChange = new Map<string, number>();
      const record = async (): Promise<void> => {
        for (const name of files) {
          const states = history.get(name) ?? [];
          const state = shownOf(await b.other.stat(name));
          if (states.at(-1)?.state !== state) states.push({ from: now, state });
          history.set(name, states);
        }
      };
      await record();
      for (let step = 0; step < 1500; step++) {
        const pass = random(300);
        now += pass;
        b.time.advance(pass);
        const name = files[random(files.length)] ?? '/a';
        const what = random(4);
        if (what === 0) await change(b.other, name, random);
        else if (what === 1) {
          await change(b.ours, name, random);
          ownChange.set(name, now);
        } else {
          const shown = shownOf(what === 2 ? await b.ours.stat(name) : await b.ours.lookup(name));
          const states = history.get(name) ?? [];
          const oldest = Math.max(now - 1000, ownChange.get(name) ?? 0);
          const allowed = states.filter((_, i) => (states[i + 1]?.from ?? Infinity) >= oldest).map(({ state }) => state);
          expect(allowed, `step ${step}, ${name} at ${now}`).toContain(shown);
        }
        await record();
      }
    });

    it('the size of a file never falls behind what was written to it, however slow the brick is', async () => {
      const b = (bench = await twoClients(stackOf(names)));
      const random = randomOf(7);
      const fd = await b.ours.create('/f');
      b.gate.alter<StatReply>('fstat', async (reply) => {
        for (let i = random(20); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
        return reply;
      });
      b.gate.alter('writev', async (reply) => {
        for (let i = random(20); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
        return reply;
      });
      let written = 0;
      const writer = (async () => {
        for (let i = 0; i < 300; i++) {
          const chunk = Buffer.alloc(1 + random(5000), i);
          await b.ours.write(fd, chunk, written);
          written += chunk.length;
          if (random(4) === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      const watcher = async (): Promise<void> => {
        for (let i = 0; i < 150; i++) {
          const least = written;
          const what = random(3);
          if (what === 0) await b.ours.read(fd, 100, random(Math.max(1, written)));
          const { ia_size } = what === 1 ? await b.ours.stat('/f') : await b.ours.fstat(fd);
          expect(ia_size).toBeGreaterThanOrEqual(least);
          b.time.advance(random(100));
        }
      };
      await Promise.all([writer, watcher(), watcher(), watcher()]);
      expect((await b.ours.fstat(fd)).ia_size).toBe(written);
      await b.ours.close(fd);
    });
  });
}
