import { describe, expect, it } from 'vitest';
import { Dict, DictType } from '../src/index.js';

describe('a dict', () => {
  it.each([3, 16, 17, 400])('of %i pairs keeps their order, their places and their last values', (count) => {
    const dict = new Dict();
    const names = Array.from({ length: count }, (_, i) => `key ${i}`);
    for (const name of names) dict.setInt(name, 1);
    for (const name of names) dict.setStr(name, `of ${name}`);
    expect(dict.size).toBe(count);
    expect(dict.keys()).toEqual([...names].reverse());
    expect(dict.entries().map(([, value]) => value.value)).toEqual([...names].reverse().map((name) => `of ${name}`));
    const copy = dict.clone();
    expect(dict.delete('key 1')).toBe(true);
    expect(dict.delete('key 1')).toBe(false);
    dict.setInt('key 1', -5);
    expect(dict.keys()).toEqual(['key 1', ...names.filter((name) => name !== 'key 1').reverse()]);
    for (const name of names) expect(dict.has(name)).toBe(true);
    expect([dict.getInt('key 1'), copy.getStr('key 1'), copy.size, dict.has('key'), dict.get('none')]).toEqual([-5n, 'of key 1', count, false, undefined]);
    expect(new Dict().setInt('first', 0).merge(dict).keys()).toEqual([...dict.keys(), 'first']);
  });

  it('holds integers of all sizes, each with its type', () => {
    const dict = new Dict().setInt('a', 256).setUint('b', 256).setInt('c', 257).setInt('d', -1).setUint('e', 2n ** 64n - 1n).setInt('f', 0);
    expect(dict.entries().map(([, { type, value }]) => [type, value])).toEqual([
      [DictType.INT, 0n], [DictType.UINT, 2n ** 64n - 1n], [DictType.INT, -1n], [DictType.INT, 257n], [DictType.UINT, 256n], [DictType.INT, 256n],
    ]);
  });
});
