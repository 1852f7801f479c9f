import { Errno, type Fd, type Frame, IoVec, type Loc, SetAttr } from '@glusterts/libglusterfs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestBrick, whyNot } from './brick-harness.js';

const reason = whyNot();
if (reason) console.warn(`writes on the pool: ${reason}`);

const MIB = 1 << 20;
const MDATA = 'trusted.glusterfs.mdata';

const word = (value: number): string => value.toString(16).padStart(16, '0');
/** The xattr of times in whole seconds and one nanosecond. */
const mdata = (ctime: number, mtime: number, atime: number): string => `01${'0'.repeat(16)}${[ctime, mtime, atime].map((sec) => word(sec) + word(1)).join('')}`;

describe.skipIf(reason)('large writes, which the pool makes', () => {
  const brick = new TestBrick();
  beforeAll(() => brick.start());
  afterAll(() => brick.stop());

  const at = (sec: number, flags = 3): Frame => brick.frame({ flags, ctime: sec, ctime_nsec: 1 });
  const write = (fd: Fd, frame: Frame, index: number, size = MIB, fill = 1) => brick.fops.writev(frame, fd, IoVec.from(Buffer.alloc(size, fill)), index * MIB, 0, undefined);
  const times = async (loc: Loc): Promise<number[]> => {
    const { stat } = await brick.fops.stat(brick.frame(), loc, undefined);
    return [stat.ia_ctime, stat.ia_mtime, stat.ia_atime];
  };

  it('store their times before they are answered', async () => {
    const { loc, fd } = await brick.create('/one', 0o644, at(1000, 7));
    const { poststat } = await write(fd, at(2000), 0);
    expect([poststat.ia_mtime, poststat.ia_size]).toEqual([2000, MIB]);
    expect(brick.onDisk('/one', MDATA)).toBe(mdata(2000, 2000, 1000));
    expect(await times(loc)).toEqual([2000, 2000, 1000]);
    fd.unref();
  });

  it('of one file at the same time: each finds at least its own times stored, and the newest stay', async () => {
    const { loc, fd } = await brick.create('/many', 0o644, at(1000, 7));
    const seen = await Promise.all(
      Array.from({ length: 24 }, async (_, i) => {
        const { poststat } = await write(fd, at(2000 + i), i, MIB, i);
        expect(poststat.ia_mtime).toBeGreaterThanOrEqual(2000 + i);
        return (brick.onDisk('/many', MDATA) ?? '') >= mdata(2000 + i, 2000 + i, 1000);
      }),
    );
    expect(seen).not.toContain(false);
    expect(brick.onDisk('/many', MDATA)).toBe(mdata(2023, 2023, 1000));
    expect(await times(loc)).toEqual([2023, 2023, 1000]);
    for (let i = 0; i < 24; i++) expect((await brick.fops.readv(brick.frame(), fd, 1, (i + 1) * MIB - 1, 0, undefined)).vector.toUint8Array()).toEqual(Uint8Array.of(i));
    fd.unref();
  });

  it('of clients whose clocks differ: the latest time counts, whoever came last', async () => {
    const { loc, fd } = await brick.create('/clocks', 0o644, at(1000, 7));
    await Promise.all([3000, 2000, 2500, 1500].map((sec, i) => write(fd, at(sec), i)));
    expect(await times(loc)).toEqual([3000, 3000, 1000]);
    expect(brick.onDisk('/clocks', MDATA)).toBe(mdata(3000, 3000, 1000));
    fd.unref();
  });

  it('and small ones behind them, in their order', async () => {
    const { fd } = await brick.create('/small', 0o644, at(1000, 7));
    await Promise.all([write(fd, at(2000), 0), write(fd, at(2001), 0, 4096, 2), write(fd, at(2002), 0, 100, 3)]);
    const { vector } = await brick.fops.readv(brick.frame(), fd, 8192, 0, 0, undefined);
    expect(Buffer.compare(vector.toUint8Array(), Buffer.concat([Buffer.alloc(100, 3), Buffer.alloc(3996, 2), Buffer.alloc(4096, 1)]))).toBe(0);
    expect(brick.onDisk('/small', MDATA)).toBe(mdata(2002, 2002, 1000));
    fd.unref();
  });

  it('while utimes sets the times back: what is on disk at the end is what a stat tells', async () => {
    const { loc, fd } = await brick.create('/utimes', 0o644, at(1000, 7));
    const wanted = (await brick.fops.stat(brick.frame(), loc, undefined)).stat.clone();
    [wanted.ia_mtime, wanted.ia_mtime_nsec, wanted.ia_atime, wanted.ia_atime_nsec] = [5, 1, 5, 1];
    const writes = [0, 1, 2].map((i) => write(fd, at(2000 + i), i));
    await brick.fops.setattr(at(1900, 1), loc, wanted, SetAttr.ATIME | SetAttr.MTIME, undefined);
    await Promise.all(writes);
    const [ctime = 0, mtime = 0, atime] = await times(loc);
    expect([ctime, atime]).toEqual([2002, 5]);
    expect([5, 2000, 2001, 2002]).toContain(mtime);
    expect(brick.onDisk('/utimes', MDATA)).toBe(mdata(2002, mtime, 5));
    fd.unref();
  });

  it('that fail leave the times as they are', async () => {
    const { loc, fd } = await brick.create('/fail', 0o644, at(1000, 7));
    const reading = await brick.open('/fail', 0);
    await expect(write(reading, at(2000), 0)).rejects.toMatchObject({ errno: Errno.EBADF });
    expect(await times(loc)).toEqual([1000, 1000, 1000]);
    const outcomes = await Promise.allSettled([write(fd, at(3000), 0), write(reading, at(4000), 1)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(await times(loc)).toEqual([3000, 3000, 1000]);
    expect(brick.onDisk('/fail', MDATA)).toBe(mdata(3000, 3000, 1000));
    fd.unref();
    reading.unref();
  });

  it('and truncation, and the taking of space, in their order', async () => {
    const { loc, fd } = await brick.create('/truncated', 0o644, at(1000, 7));
    const replies = await Promise.all([write(fd, at(2000), 0), brick.fops.ftruncate(at(2001), fd, 10, undefined), write(fd, at(2002), 0, 5), brick.fops.fallocate(at(2003), fd, false, 0, 4096, undefined)]);
    expect(replies.at(-1)?.poststat.ia_size).toBe(4096);
    expect(await times(loc)).toEqual([2003, 2003, 1000]);
    expect(brick.onDisk('/truncated', MDATA)).toBe(mdata(2003, 2003, 1000));
    fd.unref();
  });
});
