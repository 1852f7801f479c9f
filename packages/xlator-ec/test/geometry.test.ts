import { readFileSync } from 'node:fs';
import { Errno, type Graph, OpenFlag, errnoOf } from '@glusterts/libglusterfs';
import { GraphDriver, pattern, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { Cable, cable, cabledVolfile } from './cable.js';
import { volfile } from './memory-volume.js';

/** What GlusterFS did with graphs of n bricks: mounted them, or said why not. */
const recorded = /^local graphs.*\n((?: .*\n)+)/m.exec(readFileSync(new URL('vectors/behaviour-2+1.txt', import.meta.url), 'utf8'))?.[1] ?? '';

interface Case { readonly n: number; readonly r: number; readonly mask: string | undefined; readonly said: string }

/** `...` stands for the words of the first answer, and the bracket that it ends with. */
function casesOf(text: string): Case[] {
  const cases: Case[] = [];
  for (const part of text.split(/\n|; /)) {
    const match = /^ *(?:n=(\d+) r=(\d+) *)?(?:ec-read-mask (\S+) )?(?:-> )?(.*)$/.exec(part);
    if (!match?.[4]) continue;
    const last = cases.at(-1);
    const said = match[4].startsWith('...') ? `${/^.*?(?= between)/.exec(last?.said ?? '')?.[0] ?? ''}${match[4].slice(3)})` : match[4];
    cases.push({ n: Number(match[1] ?? last?.n), r: Number(match[2] ?? last?.r), mask: match[3], said });
  }
  return cases;
}

async function refusal(text: string, xlatorOptions: readonly string[] = []): Promise<{ errno: number; lines: string[] } | undefined> {
  const lines: string[] = [];
  try {
    const graph = await testGraph(text, [...memory, ...xlators], { lines, xlatorOptions });
    await graph.fini();
    return undefined;
  } catch (error) {
    return { errno: errnoOf(error), lines };
  }
}

describe('graphs of GlusterFS’s vector', () => {
  const cases = casesOf(recorded);
  it('are ten, of both kinds', () => {
    expect(cases).toHaveLength(10);
    expect(cases[1]).toEqual({ n: 20, r: 1, mask: undefined, said: 'Invalid redundancy (must be between 1 and 9)' });
  });

  it.each(cases.map((each) => [`${each.n} bricks, redundancy ${each.r}${each.mask === undefined ? '' : `, ec-read-mask ${each.mask}`}: ${each.said}`, each] as const))('%s', async (_title, { n, r, mask, said }) => {
    const refused = await refusal(volfile(n, r, mask === undefined ? [] : [`ec-read-mask ${mask}`]));
    if (said === 'mounts') return void expect(refused).toBeUndefined();
    expect(refused?.errno).toBe(Errno.EINVAL);
    // A log line ends with the message.
    expect(refused?.lines.some((line) => / E \[MSGID: 1220\d\d\] .*0-v-disperse-0: /.test(line) && line.trimEnd().endsWith(said))).toBe(true);
  });
});

describe('ec-read-mask', () => {
  it.each([
    [':', 'read-mask ":" should contain at least 4 ids'],
    ['0', 'read-mask "0" should contain at least 4 ids'],
    ['0:1:2:2', 'read-mask "0:1:2:2" should contain at least 4 ids'],
    ['0:1:2:6', 'In read-mask "0:1:2:6" id 6 is not in range [0 - 5]'],
    ['0:-1:2:5', 'In read-mask "0:-1:2:5" id -1 is not in range [0 - 5]'],
    ['0:1:2:5:abc', 'In read-mask "0:1:2:5:abc" id abc is not a valid integer'],
    ['0:1:2:5a', 'In read-mask "0:1:2:5a" id 5a is not a valid integer'],
  ])('%s is refused', async (mask, said) => {
    const refused = await refusal(volfile(6, 2), [`*.ec-read-mask=${mask}`]);
    expect(refused?.errno).toBe(Errno.EINVAL);
    expect(refused?.lines.find((line) => line.includes('MSGID: 122045'))?.trimEnd().endsWith(said)).toBe(true);
  });

  it('is refused on the command line when nothing is given', async () => {
    expect((await refusal(volfile(6, 2), ['*.ec-read-mask=']))?.errno).toBe(Errno.EINVAL);
  });

  it('lets data come from its bricks only, and shows in the statedump', async () => {
    const graph: Graph = await testGraph(cabledVolfile(6, 2, ['ec-read-mask 0:1:2:5', 'eager-lock off']), [...memory, ...xlators, cable]);
    const made = graph.topSubvolume.xlator;
    const driver = new GraphDriver(graph.topSubvolume, graph);
    await driver.writeFile('/f', pattern(10_000, 1));
    const of = (brick: number): Cable => Cable.all.get(`cable-${brick}`) ?? expect.unreachable();
    for (const brick of [0, 1, 2, 5]) {
      of(brick).unplug();
      const fd = await driver.open('/f', OpenFlag.RDONLY);
      await expect(driver.read(fd, 100, 0)).rejects.toMatchObject({ errno: Errno.EIO });
      await driver.close(fd);
      of(brick).plug();
    }
    for (const brick of [3, 4]) {
      of(brick).unplug();
      expect(Buffer.compare(await driver.readFile('/f'), pattern(10_000, 1))).toBe(0);
    }
    const dumped = new Map<string, unknown>();
    made.dump({ section: () => undefined, write: (key, value) => void dumped.set(key, value) });
    expect(dumped.get('read-mask')).toBe('100111');
    await graph.fini();
    expect(graph.iobufs.active).toBe(0);
  });
});

describe('a statedump', () => {
  it.each([
    ['background-heals 0', 0, 0],
    ['background-heals 3', 3, 128],
  ])('with %s says how many files heal and how many may wait', async (option, heals, waiting) => {
    const graph: Graph = await testGraph(cabledVolfile(6, 2, [option]), [...memory, ...xlators, cable]);
    const dumped = new Map<string, unknown>();
    graph.topSubvolume.xlator.dump({ section: () => undefined, write: (key, value) => void dumped.set(key, value) });
    expect([dumped.get('background-heals'), dumped.get('heal-wait-qlength')]).toEqual([heals, waiting]);
    await graph.fini();
  });
});
