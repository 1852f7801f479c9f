import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeDOff, encodeDOff, leafOfDOff } from '../src/index.js';

type Entry = readonly [name: string, offset: string, type: number];
interface Volume { leaf_count: number; bricks: Record<string, Entry[]>; mount: Entry[] }
const volumes: Record<string, Volume> = JSON.parse(readFileSync(new URL('./vectors/dht-d_off.json', import.meta.url), 'utf8'));

describe('d_off', () => {
  for (const [name, { leaf_count, bricks, mount }] of Object.entries(volumes)) {
    it(`of volume ${name} is what GlusterFS made of its bricks' (${leaf_count} leaves)`, () => {
      let checked = 0;
      for (const [entry, hex] of mount) {
        if (entry === '.' || entry === '..') continue;
        const offset = BigInt(`0x${hex}`);
        // Directories are on all bricks; the one that showed it is in the offset.
        const sources = Object.entries(bricks).flatMap(([brick, entries]) => entries.filter(([known]) => known === entry).map(([, from]) => ({ leaf: Number(brick), from: BigInt(`0x${from}`) })));
        const possible = sources.map(({ leaf, from }) => encodeDOff(from, leaf, leaf_count));
        // The kernel shows 2^63-1 where the brick's directory ends.
        if (possible.length === 0) continue;
        expect(possible).toContain(offset);
        const source = sources.find(({ leaf, from }) => encodeDOff(from, leaf, leaf_count) === offset);
        expect(leafOfDOff(offset, leaf_count)).toBe(source?.leaf);
        if (source && source.from < 1n << 40n) expect(decodeDOff(offset, leaf_count)).toBe(source.from);
        checked++;
      }
      expect(checked).toBeGreaterThan(3);
    });
  }

  it('passes one leaf through, and 0 and the end too', () => {
    expect(encodeDOff(12345n, 0, 1)).toBe(12345n);
    expect(decodeDOff(12345n, 1)).toBe(12345n);
    expect(encodeDOff(0n, 2, 3)).toBe(0n);
    expect(encodeDOff((1n << 64n) - 1n, 2, 3)).toBe((1n << 64n) - 1n);
  });
});
