import { lstatSync, readdirSync, statSync } from 'node:fs';
import { Fd, localStorage, utf8 } from '@glusterts/libglusterfs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TestBrick, whyNot } from './brick-harness.js';

/* What storage/posix does about calls that hang, where a disk that does isn't needed to show it; turns.test.ts, kernel-cache.test.ts. */

describe.skipIf(whyNot())('calls that may hang', () => {
  let brick: TestBrick;
  beforeAll(async () => {
    brick = await new TestBrick().start();
  });
  afterAll(() => brick.stop());

  it('closes a file that was written in turn, and one that was only read at once', async () => {
    const { fd, loc } = await brick.create('/written');
    const { ino } = lstatSync(brick.backend('/written'));
    const opened = (): number => readdirSync('/proc/self/fd').filter((number) => statSync(`/proc/self/fd/${number}`, { throwIfNoEntry: false })?.ino === ino).length;
    const reading = new Fd(loc.inode, { flags: 0 });
    await brick.fops.open(brick.frame(), loc, 0, reading, undefined);
    expect(opened()).toBe(2);
    reading.unref();
    expect(opened()).toBe(1);
    fd.unref();
    expect(opened()).toBe(localStorage().inMemory(utf8(brick.dir)) === 1 ? 0 : 1);
    await new Promise<void>((resolve) => localStorage().inTurn(resolve));
    expect(opened()).toBe(0);
  });

  it('keeps what others have set, and opened, while a call of its own hung', async () => {
    const { fd, loc } = await brick.create('/hangs');
    fd.unref();
    const { brick: posix } = brick.posix;
    const later = { ctime: 1, ctime_nsec: 2, mtime: 3, mtime_nsec: 4, atime: 5, atime_nsec: 6 };
    const storage = localStorage();
    const getxattr = vi.spyOn(storage, 'lgetxattr').mockImplementationOnce(() => {
      posix.mdataSlot.set(loc.inode, later);
      return new Uint8Array(0);
    });
    expect(posix.times(utf8(brick.backend('/hangs')), loc.inode.gfid, loc.inode)).toEqual(later);
    getxattr.mockRestore();

    const anonymous = new Fd(loc.inode, { anonymous: true });
    const before = readdirSync('/proc/self/fd').length;
    const real = storage.open;
    const open = vi.spyOn(storage, 'open').mockImplementationOnce((...args) => {
      posix.openFile(anonymous);
      return real(...args);
    });
    const file = posix.openFile(anonymous);
    open.mockRestore();
    expect(posix.openFile(anonymous)).toBe(file);
    expect(readdirSync('/proc/self/fd').length).toBe(before + 1);
    anonymous.unref();
  });
});
