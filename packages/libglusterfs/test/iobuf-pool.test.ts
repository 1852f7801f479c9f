import { describe, expect, it } from 'vitest';
import { ArenaIobufPool, createPlatform, IOBUF_CLASSES, type Iobuf, SPARE_BYTES_MAX } from '../src/index.js';

const MIB = 1 << 20;
const large = (pool: ArenaIobufPool): { arenas: number; active: number } => {
  const found = pool.stats().find(({ size }) => size === MIB);
  if (!found) throw new Error('no class of 1 MiB');
  return found;
};
const take = (pool: ArenaIobufPool, count: number): Iobuf[] => Array.from({ length: count }, () => pool.get(MIB));

describe('the pool of iobufs', () => {
  it('gives the smallest page that suffices, and plain memory beyond the largest', () => {
    const pool = new ArenaIobufPool();
    for (const { size } of IOBUF_CLASSES) {
      const page = pool.get(size);
      expect(page.memory.length).toBe(size);
      page.unref();
    }
    const beyond = pool.get(MIB + 1);
    expect([beyond.memory.length, pool.misses, pool.active]).toEqual([MIB + 1, 1, 1]);
    beyond.unref();
    expect(pool.active).toBe(0);
    expect(() => beyond.unref()).toThrow('twice');
  });

  it('makes no memory anew while a burst comes and goes, and keeps no more than its limit', () => {
    let made = 0;
    const pool = new ArenaIobufPool((bytes) => {
      made++;
      return new ArrayBuffer(bytes);
    });
    for (let burst = 0; burst < 10; burst++) for (const page of take(pool, 6)) page.unref();
    expect(made).toBe(3);
    for (const page of take(pool, 100)) page.unref();
    expect(large(pool).arenas * 2 * MIB).toBe(SPARE_BYTES_MAX);
    expect(large(pool).active).toBe(0);
  });

  it('trims to one idle arena, or none beside those that are in use, whatever was in between', () => {
    const pool = new ArenaIobufPool();
    const pages = take(pool, 6);
    pool.trim();
    expect(large(pool).arenas).toBe(3);
    for (const page of pages.splice(0, 3)) page.unref();
    pool.trim();
    expect(large(pool)).toMatchObject({ arenas: 2, active: 3 });
    for (const page of pages) page.unref();
    pool.trim();
    pool.trim();
    expect(large(pool).arenas).toBe(1);
    const again = take(pool, 5);
    expect(new Set(again.map(({ memory }) => memory)).size).toBe(5);
    expect(large(pool)).toMatchObject({ arenas: 3, active: 5 });
    for (const page of again) page.unref();
    expect(pool.active).toBe(0);
  });

  it('gives the pages of an idle arena that stays back to the kernel, when it is trimmed', () => {
    const dropped: ArrayBuffer[] = [];
    const pool = new ArenaIobufPool((bytes) => new ArrayBuffer(bytes), (memory) => void dropped.push(memory));
    const [used] = take(pool, 1);
    pool.trim();
    expect(dropped).toEqual([]);
    used?.unref();
    pool.trim();
    expect(dropped).toEqual([used?.memory.buffer]);
  });

  it.skipIf(createPlatform().portable)('drops what the pages of a real arena held', () => {
    const { iobufs } = createPlatform();
    const page = iobufs.get(MIB);
    page.memory.fill(1);
    page.unref();
    iobufs.trim();
    expect(page.memory.some((byte) => byte !== 0)).toBe(false);
  });
});
