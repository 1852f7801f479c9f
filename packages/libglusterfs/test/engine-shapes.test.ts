import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { holdAnyNumber, methodsOf, neverOptimised, objectList } from '../src/index.js';

/** Words of V8's own, for tests. */
function native<T>(text: string): T {
  setFlagsFromString('--allow-natives-syntax');
  return runInThisContext(text) as T;
}

const haveSameShape = native<(a: object, b: object) => boolean>('(a, b) => %HaveSameMap(a, b)');

describe('fields that hold any number', () => {
  class Plain {
    size = 0;
  }
  class Prepared {
    size = 0;
    count = 0;
  }
  holdAnyNumber(new Prepared(), ['size']);

  it('keep the shape of their objects when a large number comes, which others change', () => {
    for (const [shape, kept] of [[Plain, false], [Prepared, true]] as const) {
      const before = new shape();
      const large = new shape();
      large.size = 2 ** 40;
      expect(haveSameShape(before, large)).toBe(kept);
    }
    const counted = new Prepared();
    counted.count = 0.5;
    expect(haveSameShape(new Prepared(), counted)).toBe(true);
    expect(new Prepared()).toEqual({ size: 0, count: 0 });
  });
});

describe('lists of objects', () => {
  const ofSmallIntegers = native<(list: object[]) => boolean>('(list) => %HasSmiElements(list)');

  it('have their shape before the first object comes, which others get by it', () => {
    const list = objectList();
    const filled = objectList();
    filled.push({});
    expect(list).toEqual([]);
    expect(filled).toEqual([{}]);
    expect(ofSmallIntegers(list)).toBe(false);
    expect(haveSameShape(list, filled)).toBe(true);
    expect(ofSmallIntegers([])).toBe(true);
  });
});

describe('functions that are never optimised', () => {
  it('are those that are named, and no others', async () => {
    class Actor {
      play(i: number): number {
        return i + 1;
      }

      rest(i: number): number {
        return i - 1;
      }
    }
    const actor = new Actor();
    expect([...methodsOf(actor)]).toContain(actor.play);
    neverOptimised([actor.play]);
    expect(() => neverOptimised([undefined, 3, Actor])).not.toThrow();
    const OPTIMISED = 16;
    const status = native<(f: unknown) => number>('(f) => %GetOptimizationStatus(f)');
    for (let i = 0; (status(actor.rest) & OPTIMISED) === 0 && i < 1000; i++) {
      for (let j = 0; j < 100_000; j++) actor.rest(actor.play(j));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(status(actor.rest) & OPTIMISED).toBe(OPTIMISED);
    expect(status(actor.play) & OPTIMISED).toBe(0);
  });
});
