import { Errno, OpenFlag, Seek } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { expectErrno } from './expect-errno.js';
import type { Bench } from './suite.js';

const LARGEST_OFFSET = 2 ** 43;

/** Bytes that tell where they stand. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed * 17 + (i >> 8)) & 0xff;
  return bytes;
}

/** Reading, writing, sizes and holes. */
export function ioTests(bench: Bench): void {
  const { at } = bench;

  describe('file content', () => {
    it('reads back what was written, at sizes around block boundaries', async () => {
      const { driver } = bench;
      for (const size of [1, 511, 512, 513, 2047, 2048, 2049, 4095, 4096, 4097, 65535, 65536, 65537, 131072, 300001]) {
        const bytes = pattern(size, size);
        await driver.writeFile(at(`s${size}`), bytes);
        expect((await driver.lookup(at(`s${size}`))).ia_size).toBe(size);
        expect(Buffer.compare(await driver.readFile(at(`s${size}`)), bytes)).toBe(0);
      }
    });

    it('writes into the middle without touching the rest', async () => {
      const { driver } = bench;
      const bytes = pattern(20_000, 1);
      const fd = await driver.create(at('f'));
      await driver.write(fd, bytes, 0);
      for (const [offset, length] of [[0, 1], [1, 1], [510, 4], [2047, 2], [4000, 200], [8191, 4098], [19_999, 1], [19_990, 100]] as const) {
        const piece = pattern(length, offset + 3);
        await driver.write(fd, piece, offset);
        const grown = new Uint8Array(Math.max(20_090, offset + length));
        grown.set(bytes);
        const expected = Buffer.from(await driver.read(fd, length, offset));
        expect(Buffer.compare(expected, piece)).toBe(0);
      }
      await driver.close(fd);
    });

    it('reads zeros from holes', async () => {
      const { driver } = bench;
      const fd = await driver.create(at('f'));
      await driver.write(fd, pattern(10, 1), 100_000);
      expect((await driver.fstat(fd)).ia_size).toBe(100_010);
      const bytes = await driver.read(fd, 200_000, 0);
      expect(bytes.length).toBe(100_010);
      expect(bytes.subarray(0, 100_000).every((byte) => byte === 0)).toBe(true);
      expect(Buffer.compare(bytes.subarray(100_000), pattern(10, 1))).toBe(0);
      await driver.close(fd);
    });

    it('reads nothing at and after the end', async () => {
      const { driver } = bench;
      const fd = await driver.create(at('f'));
      expect((await driver.read(fd, 10, 0)).length).toBe(0);
      await driver.write(fd, pattern(1000, 1), 0);
      expect((await driver.read(fd, 10, 1000)).length).toBe(0);
      expect((await driver.read(fd, 10, 1_000_000)).length).toBe(0);
      expect((await driver.read(fd, 10, 995)).length).toBe(5);
      await driver.close(fd);
    });

    it('works with offsets near the largest one', async () => {
      const { driver } = bench;
      const offset = (bench.options.largestOffset ?? LARGEST_OFFSET) - 8192;
      const fd = await driver.create(at('big'));
      await driver.write(fd, pattern(100, 9), offset);
      expect((await driver.fstat(fd)).ia_size).toBe(offset + 100);
      expect(Buffer.compare(await driver.read(fd, 100, offset), pattern(100, 9))).toBe(0);
      const before = await driver.read(fd, 100, offset - 4096);
      expect(before.every((byte) => byte === 0)).toBe(true);
      await driver.subvolume.ftruncate(driver.frame, fd, 10, undefined);
      await driver.close(fd);
    });

    it('truncates and grows, and what comes back is zeros', async () => {
      const { driver } = bench;
      await driver.writeFile(at('f'), pattern(10_000, 2));
      for (const size of [9999, 5000, 4096, 513, 512, 3, 0, 7, 70_000]) {
        const poststat = await driver.truncate(at('f'), size);
        expect(poststat.ia_size).toBe(size);
        expect((await driver.lookup(at('f'))).ia_size).toBe(size);
      }
      expect((await driver.readFile(at('f'))).every((byte) => byte === 0)).toBe(true);
      await driver.writeFile(at('g'), pattern(5000, 3));
      await driver.truncate(at('g'), 1000);
      await driver.truncate(at('g'), 3000);
      const bytes = await driver.readFile(at('g'));
      expect(Buffer.compare(bytes.subarray(0, 1000), pattern(5000, 3).subarray(0, 1000))).toBe(0);
      expect(bytes.subarray(1000).every((byte) => byte === 0)).toBe(true);
    });

    it('empties a file that is opened with O_TRUNC', async () => {
      const { driver } = bench;
      await driver.writeFile(at('f'), pattern(5000, 3));
      await driver.close(await driver.open(at('f'), OpenFlag.RDWR | OpenFlag.TRUNC));
      expect((await driver.lookup(at('f'))).ia_size).toBe(0);
    });

    it('tells the size before and after a write', async () => {
      const { driver } = bench;
      const fd = await driver.create(at('f'));
      await driver.write(fd, pattern(100, 1), 0);
      const { IoVec } = await import('@glusterts/libglusterfs');
      const reply = await driver.subvolume.writev(driver.frame, fd, IoVec.from(pattern(100, 1)), 50, 0, undefined);
      expect(reply.written).toBe(100);
      // performance/write-behind has answered before there was anything to tell.
      expect(reply.poststat.isNull ? (await driver.fstat(fd)).ia_size : reply.poststat.ia_size).toBe(150);
      await driver.subvolume.fsync(driver.frame, fd, false, undefined);
      await driver.close(fd);
    });

    it('serves many writes at once', async () => {
      const { driver } = bench;
      const fd = await driver.create(at('f'));
      const bytes = pattern(64 * 3000, 5);
      await Promise.all(Array.from({ length: 64 }, (_, i) => driver.write(fd, bytes.subarray(i * 3000, (i + 1) * 3000), i * 3000)));
      expect(Buffer.compare(await driver.read(fd, bytes.length, 0), bytes)).toBe(0);
      await driver.close(fd);
    });

    it.skipIf(!bench.has('fallocate'))('preallocates, punches holes and fills with zeros', async () => {
      const { driver } = bench;
      const { subvolume, frame } = driver;
      const fd = await driver.create(at('f'));
      await subvolume.fallocate(frame, fd, true, 0, 200_000, undefined);
      expect((await driver.fstat(fd)).ia_size).toBe(0);
      await subvolume.fallocate(frame, fd, false, 0, 200_000, undefined);
      expect((await driver.fstat(fd)).ia_size).toBe(200_000);
      await driver.write(fd, pattern(200_000, 1), 0);
      await subvolume.discard(frame, fd, 65_536, 65_536, undefined);
      if (bench.has('zerofill')) await subvolume.zerofill(frame, fd, 150_000, 60_000, undefined);
      else await driver.write(fd, new Uint8Array(60_000), 150_000);
      const bytes = await driver.read(fd, 300_000, 0);
      expect(bytes.length).toBe(210_000);
      expect(bytes.subarray(65_536, 131_072).every((byte) => byte === 0)).toBe(true);
      expect(bytes.subarray(150_000).every((byte) => byte === 0)).toBe(true);
      expect(Buffer.compare(bytes.subarray(0, 65_536), pattern(200_000, 1).subarray(0, 65_536))).toBe(0);
      expect(Buffer.compare(bytes.subarray(131_072, 150_000), pattern(200_000, 1).subarray(131_072, 150_000))).toBe(0);
      await driver.close(fd);
    });

    it.skipIf(!bench.has('seek'))('finds data and holes', async () => {
      const { driver } = bench;
      const { subvolume, frame } = driver;
      const fd = await driver.create(at('f'));
      await driver.write(fd, pattern(100, 1), 0);
      await driver.write(fd, pattern(100, 1), 1 << 20);
      expect((await subvolume.seek(frame, fd, 0, Seek.DATA, undefined)).offset).toBe(0);
      const hole = (await subvolume.seek(frame, fd, 0, Seek.HOLE, undefined)).offset;
      expect(hole).toBeGreaterThanOrEqual(100);
      expect(hole).toBeLessThan(1 << 20);
      const data = (await subvolume.seek(frame, fd, hole, Seek.DATA, undefined)).offset;
      expect(data).toBeGreaterThan(hole);
      expect(data).toBeLessThanOrEqual(1 << 20);
      await expectErrno(subvolume.seek(frame, fd, 1 << 21, Seek.DATA, undefined), Errno.ENXIO);
      await driver.close(fd);
    });
  });
}
