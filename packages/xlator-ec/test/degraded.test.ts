import { Dict, Errno, type Bytes, GfEvent, type Graph, type XlatorDefinition, XattropOp, type Xlator, errnoOf } from '@glusterts/libglusterfs';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { volfile } from './memory-volume.js';

const DIRTY = 'trusted.ec.dirty' as Bytes;

/** A volume whose bricks the test can take away, and what makes it up by name. */
async function volume(text: string): Promise<{ graph: Graph; driver: GraphDriver; set: (brick: number, up: boolean) => void; made: Map<string, Xlator> }> {
  const made = new Map<string, Xlator>();
  const kept = (definition: XlatorDefinition): XlatorDefinition => ({
    ...definition,
    create: (context) => {
      const xlator = definition.create(context);
      made.set(xlator.name, xlator);
      return xlator;
    },
  });
  const graph = await testGraph(text, [...memory, ...xlators].map(kept));
  const set = (brick: number, up: boolean): void => made.get('v-disperse-0')?.notify(up ? GfEvent.CHILD_UP : GfEvent.CHILD_DOWN, undefined, made.get(`brick-${brick}`));
  return { graph, driver: new GraphDriver(graph.topSubvolume, graph), set, made };
}

/** Mulberry32: the same numbers for the same seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

describe('a disperse volume with bricks missing', () => {
  for (const [n, r] of [[3, 1], [6, 2]] as const) {
    it.each([1, 2, 3])(`${n - r}+${r} holds what was written, with up to ${r} bricks gone meanwhile (seed %i)`, async (seed) => {
      const { graph, driver, set } = await volume(volfile(n, r));
      const below = numbers(seed);
      const fd = await driver.create('/f');
      let model = new Uint8Array(0);
      // Nothing heals here, so a brick that went stays behind: only the first r may go.
      const gone = new Set<number>();
      for (let step = 0; step < 400; step++) {
        const what = below(20);
        if (what < 9) {
          const bytes = Uint8Array.from({ length: 1 + below(9000) }, () => below(256));
          const offset = below(30_000);
          await driver.write(fd, bytes, offset);
          if (offset + bytes.length > model.length) {
            const longer = new Uint8Array(offset + bytes.length);
            longer.set(model);
            model = longer;
          }
          model.set(bytes, offset);
        } else if (what < 11) {
          const size = below(35_000);
          await driver.truncate('/f', size);
          const other = new Uint8Array(size);
          other.set(model.subarray(0, size));
          model = other;
        } else if (what < 12) {
          const brick = below(n);
          if (gone.size < r) gone.add(brick);
          if (gone.has(brick)) set(brick, below(2) === 0);
        } else {
          const offset = below(35_000);
          const size = 1 + below(12_000);
          expect(Buffer.compare(await driver.read(fd, size, offset), model.subarray(offset, offset + size)), `step ${step}`).toBe(0);
        }
        expect((await driver.fstat(fd)).ia_size).toBe(model.length);
      }
      await driver.close(fd);
      expect(Buffer.compare(await driver.readFile('/f'), model)).toBe(0);
      await graph.fini();
      expect(graph.iobufs.active).toBe(0);
    });
  }

  it('keeps the dirty mark when a write reached some bricks only and failed', async () => {
    const small = volfile(6, 2, ['eager-lock off']).replace(/(volume brick-[012]\n.*\n {4}option size) 0/g, '$1 64KB');
    const { graph, driver, made } = await volume(small);
    const fd = await driver.create('/f');
    await driver.write(fd, new Uint8Array(4096).fill(1), 0);
    await expect(driver.write(fd, new Uint8Array(512 * 1024).fill(2), 0).catch((error: unknown) => errnoOf(error))).resolves.toBe(Errno.EIO);
    // Waits for the release; the fragments differ in length now, so there is no answer to it.
    await driver.fstat(fd).catch(() => undefined);
    const brick = made.get('v-disperse-0')?.children[5];
    if (!brick) throw new Error('the volume has six bricks');
    const { dict } = await brick.fxattrop(driver.frame, fd, XattropOp.ADD_ARRAY64, new Dict().setBin(DIRTY, new Uint8Array(16)), undefined);
    expect(Buffer.from(dict?.getBin(DIRTY) ?? []).readBigUInt64BE(0)).toBe(1n);
    await driver.close(fd);
    await graph.fini();
  });
});
