import { describe, expect, it } from 'vitest';
import { CallTable } from '../src/call-table.js';

describe('calls in flight', () => {
  it('finds each until it was answered, in whatever order that happens', () => {
    const table = new CallTable<string>();
    const there = new Map<number, string>();
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
    // Past the end of the xids, with calls that thousands of others overtake.
    for (let i = 0, xid = 0xffffe000; i < 20_000; i++, xid = (xid + 1) >>> 0) {
      table.set(xid, `call ${xid}`);
      there.set(xid, `call ${xid}`);
      for (const other of there.keys()) {
        if (random(4) === 0 || (other % 1777 === 0 && i < 19_000)) continue;
        expect(table.get(other)).toBe(`call ${other}`);
        table.delete(other);
        there.delete(other);
        expect(table.get(other)).toBeUndefined();
      }
      expect(table.size).toBe(there.size);
    }
    expect(new Map(table.entries())).toEqual(there);
    table.clear();
    expect([table.size, table.entries()]).toEqual([0, []]);
  });

  it('knows nothing of a call that was never made, or was answered before', () => {
    const table = new CallTable<number>();
    table.set(5, 1);
    expect([table.get(5 + 1024), table.get(0)]).toEqual([undefined, undefined]);
    table.delete(5 + 1024);
    expect(table.get(5)).toBe(1);
    table.set(5 + 1024, 2);
    table.delete(5);
    expect([table.get(5), table.get(5 + 1024), table.size]).toEqual([undefined, 2, 1]);
  });
});
