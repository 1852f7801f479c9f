import { readFileSync } from 'node:fs';
import { type Subvolume, utf8 } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { computeLayout, maximiseOverlap } from '../src/compute-layout.js';
import { dmHash } from '../src/hash.js';
import { Layout, encodeLayout } from '../src/layout.js';
import { NameHasher } from '../src/name-munging.js';
import { Subvol } from '../src/subvol.js';

const vector = <T>(name: string): T => JSON.parse(readFileSync(new URL(`./vectors/${name}`, import.meta.url), 'utf8'));

interface HashVector { golden_layouts: Record<string, [number, number][]>; names: { name_hex: string; hash: string; hashed_hex: string | null; placement: Record<string, number[]> }[] }
interface WeightedVolume { subvols: string[]; chunks: Record<string, number>; dirs: Record<string, { layout: (string | null)[] }> }
interface UnweightedVolume { subvols: string[]; dirs: Record<string, (string | null)[]> }

const subvol = (name: string, index: number, chunks = 0): Subvol => {
  // Layouts ask a subvolume for its name only.
  const result = new Subvol(index, { name } as Subvolume);
  result.disk.chunks = chunks;
  return result;
};

const fresh = (subvols: readonly Subvol[]): Layout => new Layout(subvols.map((each) => ({ subvol: each, err: 0, start: 0, stop: 0, commit: 0 })), 1);
const hasher = new NameHasher(undefined, undefined);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('the hash', () => {
  const { names, golden_layouts } = vector<HashVector>('hash.json');

  it('is that of the 306 names which GlusterFS placed', () => {
    for (const { name_hex, hash, hashed_hex } of names) {
      const name = Buffer.from(name_hex, 'hex').toString('latin1');
      expect(hasher.hash(name).toString(16).padStart(8, '0')).toBe(hash);
      if (hashed_hex !== null) expect(Buffer.from(hasher.munge(name), 'latin1').toString('hex')).toBe(hashed_hex);
    }
  });

  it('puts them on the brick where GlusterFS put them, on 2, 3, 5 and 7 bricks', () => {
    for (const { name_hex, placement } of names) {
      const hash = hasher.hash(Buffer.from(name_hex, 'hex').toString('latin1'));
      for (const [volume, bricks] of Object.entries(placement)) {
        const index = golden_layouts[volume]?.findIndex(([start, stop]) => start <= hash && hash <= stop);
        expect(bricks).toContain(index);
      }
    }
  });

  it('has the values of the specification', () => {
    for (const [name, value] of [['', '884774a2'], ['a', '3a17e4e6'], ['file', 'c40ec480'], ['/', '8619bd58'], ['/d01', '0035d697'], ['abc', 'ba8bd29a'], ['abc.tmp', 'a261ca32']] as const) {
      expect(dmHash(name).toString(16).padStart(8, '0')).toBe(value);
    }
  });
});

describe('name munging', () => {
  it('takes the temporary names of rsync for the final ones', () => {
    const cases = [['.file.txt.AbC123', 'file.txt'], ['.a.b', 'a'], ['..a.b', '.a'], ['.hidden', '.hidden'], ['.a.', '.a.'], ['...', '...'], ['.x.y\nz', 'x'], ['plain', 'plain']] as const;
    for (const [name, munged] of cases) expect(hasher.munge(name)).toBe(munged);
  });

  it('lets the extra regex come first, and does it once only', () => {
    const extra = new NameHasher(undefined, '^(.+)\\.tmp$');
    expect(extra.munge('abc.tmp')).toBe('abc');
    expect(extra.munge('.abc.XyZ.tmp')).toBe('.abc.XyZ');
    expect(extra.munge('.abc.XyZ')).toBe('abc');
  });

  it('is switched off by none, and by a pattern that does not compile', () => {
    expect(new NameHasher('none', undefined).munge('.a.b')).toBe('.a.b');
    const warnings: string[] = [];
    expect(new NameHasher('(', undefined, (pattern) => warnings.push(pattern)).munge('.a.b')).toBe('.a.b');
    expect(warnings).toEqual(['(']);
  });

  it('knows POSIX classes', () => {
    expect(new NameHasher('^([[:alpha:]]+)[0-9]+$', undefined).munge('abc123')).toBe('abc');
    expect(new NameHasher('^([^]x]+)x', undefined).munge('abx')).toBe('ab');
  });
});

describe('layouts of new directories', () => {
  for (const [name, { subvols, chunks, dirs }] of Object.entries(vector<Record<string, WeightedVolume>>('layouts-weighted.json'))) {
    it(`are GlusterFS's, weighted, on volume ${name}`, () => {
      for (const [path, { layout: golden }] of Object.entries(dirs)) {
        const children = subvols.map((each, i) => subvol(each, i, chunks[each]));
        const layout = computeLayout(fresh(children), { key: utf8(path), hasher, weighted: true, spread: undefined });
        children.forEach((child, i) => {
          const entry = layout.entryOf(child);
          expect(entry && hex(encodeLayout(entry, 0))).toBe(golden[i]);
        });
      }
    });
  }

  for (const [name, { subvols, dirs }] of Object.entries(vector<Record<string, UnweightedVolume>>('layouts-unweighted.json'))) {
    it(`are GlusterFS's, unweighted, on volume ${name}`, () => {
      for (const [path, golden] of Object.entries(dirs)) {
        const children = subvols.map((each, i) => subvol(each, i));
        const layout = computeLayout(fresh(children), { key: utf8(path), hasher, weighted: false, spread: undefined });
        children.forEach((child, i) => {
          const entry = layout.entryOf(child);
          expect(entry && hex(encodeLayout(entry, 0))).toBe(golden[i]);
        });
      }
    });
  }

  it('leave subvolumes beyond the spread without a range', () => {
    const children = [0, 1, 2, 3, 4].map((i) => subvol(`v-client-${i}`, i));
    const layout = computeLayout(fresh(children), { key: '/d', hasher, weighted: false, spread: 3 });
    expect(layout.entries.filter((entry) => entry.stop === 0)).toHaveLength(2);
    for (const entry of layout.entries) entry.err = 0;
    expect(layout.sort().anomalies()).toMatchObject({ holes: 0, overlaps: 0 });
  });
});

describe('a layout', () => {
  const children = [0, 1, 2].map((i) => subvol(`v-client-${i}`, i));
  const ranges = (...pairs: readonly (readonly [number, number])[]): Layout => {
    const layout = new Layout([], 1);
    pairs.forEach(([start, stop], i) => {
      const child = children[i];
      if (child) layout.entries.push({ subvol: child, err: 0, start, stop, commit: 0 });
    });
    return layout.sort();
  };

  it('without holes and overlaps is sane', () => {
    expect(ranges([0, 9], [10, 0xfffffffe], [0xffffffff, 0xffffffff]).anomalies().holes).toBe(1);
    expect(ranges([100, 0xffffffff], [0, 99], [0, 0]).anomalies()).toMatchObject({ holes: 0, overlaps: 0, missingDirectories: 0 });
  });

  it('tells holes and overlaps', () => {
    expect(ranges([0, 9], [20, 0xffffffff]).anomalies()).toMatchObject({ holes: 1, overlaps: 0 });
    expect(ranges([0, 19], [10, 0xffffffff]).anomalies()).toMatchObject({ holes: 0, overlaps: 1 });
    expect(ranges([0, 0], [0, 0], [0, 0]).anomalies().holes).toBe(1);
  });

  it('keeps ranges where they were as far as it can when one subvolume is added', () => {
    const old = ranges([0, 0x7ffffffe], [0x7fffffff, 0xffffffff], [0, 0]);
    const next = computeLayout(old.clone(), { key: '/', hasher, weighted: false, spread: undefined });
    const before = next.clone();
    maximiseOverlap(next, old);
    const kept = (layout: Layout): number => layout.entries.reduce((sum, entry) => {
      const was = old.entryOf(entry.subvol);
      return sum + Math.max(0, Math.min(entry.stop, was?.stop ?? 0) - Math.max(entry.start, was?.start ?? 0) + 1);
    }, 0);
    expect(kept(next)).toBeGreaterThanOrEqual(kept(before));
    for (const entry of next.entries) entry.err = 0;
    expect(next.sort().anomalies()).toMatchObject({ holes: 0, overlaps: 0 });
  });
});
