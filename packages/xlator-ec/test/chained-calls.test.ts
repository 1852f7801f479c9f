import { Dict, Errno, type Fd, FopError, IoVec, OpenFlag, errnoOf } from '@glusterts/libglusterfs';
import { pattern } from '@glusterts/xlator-compliance';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Client, ServedVolume, Tap, whyNot } from './served-volume.js';

const reason = whyNot();
if (reason) console.warn(`volumes on real disks skipped: ${reason}`);

const ZEROS = '0'.repeat(32);
const pair = (data: number, metadata: number): string => data.toString(16).padStart(16, '0') + metadata.toString(16).padStart(16, '0');
const size = (bytes: number): string => bytes.toString(16).padStart(16, '0');
const BYTES = pattern(4096, 1);

const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 50 });

describe.skipIf(reason !== undefined)('calls of which one waits for the other, sent as one', () => {
  let volume: ServedVolume;
  let client: Client;

  beforeEach(async () => {
    volume = await ServedVolume.start();
    client = await volume.client();
    const { driver } = client;
    await driver.mkdir('/d');
    for (let i = 0; i < 10; i++) await driver.lookup('/d');
    // The first file shows which bricks can do so.
    await driver.create('/d/first').then((fd) => driver.close(fd));
  });
  afterEach(async () => {
    await volume.stop();
  });

  /** As write-behind does it when a close waits for the write. */
  function writeAndClose(fd: Fd, { driver }: Client = client): Promise<unknown> {
    return driver.subvolume.writev(driver.frame, fd, new IoVec([BYTES]), 0, 0, new Dict().setUint('glusterts.closing', 1));
  }

  /** What the brick's graph sees. */
  function brick(number: number): Tap {
    const found = Tap.all.get(`b${number}/brick`);
    if (!found) throw new Error(`no brick ${number}`);
    return found;
  }

  /** The fops that are sent to one brick, and in which of the waits for answers. */
  function burstsOf(run: () => Promise<unknown>): Promise<string[][]> {
    const bursts: string[][] = [[]];
    const [tap] = client.taps;
    if (!tap) throw new Error('no brick');
    const answered = (): void => void (bursts.at(-1)?.length !== 0 && bursts.push([]));
    tap.before = (fop) => {
      bursts.at(-1)?.push(fop);
      return undefined;
    };
    brick(0).before = () => {
      answered();
      return undefined;
    };
    return run().then(() => {
      brick(0).before = tap.before = undefined;
      return bursts.filter((burst) => burst.length > 0);
    });
  }

  const nothingHeld = (): Promise<void> => eventually(() => expect(client.taps.map(({ held }) => held)).toEqual([0, 0, 0, 0, 0, 0]));

  it('a new file’s lock is a part of its creation, versions and size of its only write', async () => {
    let fd: Fd | undefined;
    const before = client.taps.map(({ held }) => held);
    const making = await burstsOf(async () => {
      fd = await client.driver.create('/d/f');
    });
    expect(making.flat().filter((fop) => fop !== 'lookup')).toEqual(['create']);
    expect(client.taps.map(({ held }) => held)).toEqual(before.map((held) => held + 1));
    if (!fd) throw new Error('not made');
    const open = fd;
    expect(await burstsOf(() => writeAndClose(open))).toEqual([['writev']]);
    const counts = await client.counted(() => client.driver.close(open));
    expect(counts).toEqual({});
    for (const each of volume.xattrs('d/f')) expect(each).toEqual({ config: '0000080602000200', size: size(4096), version: pair(1, 1), dirty: ZEROS });
    await nothingHeld();
    expect(volume.indexed()).toEqual([]);
    for (const each of volume.xattrs('d/f')) expect(each).toMatchObject({ size: size(4096), version: pair(1, 1), dirty: ZEROS });
    expect(Buffer.compare(await client.driver.readFile('/d/f'), BYTES)).toBe(0);
  });

  it('the locks of many files go back in a few calls, and every one of them does', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `/d/many${i}`);
    const counts = await client.counted(async () => {
      await Promise.all(names.map(async (name) => {
        const fd = await client.driver.create(name);
        await writeAndClose(fd);
        await client.driver.close(fd);
      }));
      await nothingHeld();
    });
    expect(counts['inodelk']).toBeGreaterThan(0);
    // They become idle over some seconds on a busy machine, and go every tenth of one.
    expect(counts['inodelk']).toBeLessThan(6 * 30);
    // Who wants one has it at once: nobody is in the way on any brick.
    const other = await volume.client();
    const waits: string[] = [];
    for (const tap of other.taps) tap.told = tap.before = undefined;
    for (const tap of client.taps) tap.told = () => void waits.push('told');
    for (const name of names) {
      const fd = await other.driver.open(name);
      await other.driver.write(fd, pattern(10, 5), 0);
      await other.driver.close(fd);
    }
    expect(waits).toEqual([]);
  });

  it('what is written afterwards counts as before', async () => {
    const fd = await client.driver.create('/d/f');
    await writeAndClose(fd);
    await client.driver.write(fd, pattern(3000, 2), 4096);
    await client.driver.close(fd);
    for (const each of volume.xattrs('d/f')) expect(each).toMatchObject({ size: size(7096), version: pair(2, 2), dirty: ZEROS });
    await nothingHeld();
    expect(Buffer.compare(await client.driver.readFile('/d/f'), Buffer.concat([BYTES, pattern(3000, 2)]))).toBe(0);
  });

  it('a brick whose write fails does not count it, and the others keep their marks', async () => {
    const fd = await client.driver.create('/d/f');
    brick(3).before = (fop) => {
      if (fop === 'writev') throw new FopError(Errno.ENOSPC);
      return undefined;
    };
    await writeAndClose(fd);
    await client.driver.close(fd);
    brick(3).before = undefined;
    await nothingHeld();
    for (const [number, each] of volume.xattrs('d/f').entries()) {
      expect(each).toMatchObject(number === 3 ? { size: size(0), version: pair(0, 0) } : { size: size(4096), version: pair(1, 1) });
      expect(each['dirty']).not.toBe(ZEROS);
    }
    expect(volume.indexed()).toHaveLength(6);
    const other = await volume.client();
    expect(Buffer.compare(await other.driver.readFile('/d/f'), BYTES)).toBe(0);
  });

  it('a write that fails on too many bricks leaves versions and size as they were, and every mark', async () => {
    const fd = await client.driver.create('/d/f');
    for (const number of [0, 2, 4]) {
      brick(number).before = (fop) => {
        if (fop === 'writev') throw new FopError(Errno.ENOSPC);
        return undefined;
      };
    }
    await expect(writeAndClose(fd)).rejects.toBeInstanceOf(FopError);
    for (const number of [0, 2, 4]) brick(number).before = undefined;
    await client.driver.close(fd);
    await nothingHeld();
    for (const each of volume.xattrs('d/f')) {
      expect(each).toMatchObject({ size: size(0), version: pair(0, 0) });
      expect(each['dirty']).not.toBe(ZEROS);
    }
  });

  it('an error that all bricks agree on counts nowhere', async () => {
    const fd = await client.driver.create('/d/f');
    for (let number = 0; number < 6; number++) {
      brick(number).before = (fop) => {
        if (fop === 'writev') throw new FopError(Errno.EDQUOT);
        return undefined;
      };
    }
    await expect(writeAndClose(fd)).rejects.toMatchObject({ errno: Errno.EDQUOT });
    for (let number = 0; number < 6; number++) brick(number).before = undefined;
    // What is tried again is counted once.
    await writeAndClose(fd);
    await client.driver.close(fd);
    await nothingHeld();
    for (const each of volume.xattrs('d/f')) expect(each).toMatchObject({ size: size(4096), version: pair(1, 1) });
    expect(Buffer.compare(await client.driver.readFile('/d/f'), BYTES)).toBe(0);
  });

  it.each(['writev', 'fxattrop'])('a brick that dies in the middle (%s) is told apart by the others', async (dying) => {
    const fd = await client.driver.create('/d/f');
    let dead = false;
    const [, , , , tap] = client.taps;
    if (!tap) throw new Error('no brick');
    // The second is a part of the first, and only the brick sees it.
    (dying === 'writev' ? tap : brick(4)).before = (fop) => {
      if (fop !== dying || dead) return undefined;
      dead = true;
      return dying === 'writev' ? volume.stopBrick(4) : volume.stopBrick(4).then(() => Promise.reject(new FopError(Errno.ENOTCONN)));
    };
    await writeAndClose(fd);
    await client.driver.close(fd);
    await eventually(() => {
      for (const [number, each] of volume.xattrs('d/f').entries()) {
        expect(each).toMatchObject(number === 4 ? { version: pair(0, 0), size: size(0) } : { version: pair(1, 1), size: size(4096) });
        expect(each['dirty']).not.toBe(ZEROS);
      }
    });
    await volume.startBrick(4);
    const other = await volume.client();
    expect(Buffer.compare(await other.driver.readFile('/d/f'), BYTES)).toBe(0);
  });

  it('a creation that reaches three bricks only leaves no lock', async () => {
    for (const number of [0, 1, 2]) {
      brick(number).before = (fop) => {
        if (fop === 'create') throw new FopError(Errno.ENOSPC);
        return undefined;
      };
    }
    await expect(client.driver.create('/d/torn')).rejects.toBeInstanceOf(FopError);
    for (const number of [0, 1, 2]) brick(number).before = undefined;
    await nothingHeld();
  });

  it('a creation that one brick misses leaves a file that can be written, and no lock', async () => {
    brick(5).before = (fop) => {
      if (fop === 'create') throw new FopError(Errno.ENOSPC);
      return undefined;
    };
    const fd = await client.driver.create('/d/f');
    brick(5).before = undefined;
    await writeAndClose(fd);
    await client.driver.close(fd);
    await nothingHeld();
    expect(Buffer.compare(await client.driver.readFile('/d/f'), BYTES)).toBe(0);
  });

  it('opening a file by creating it, which another client has made meanwhile, takes no lock of it', async () => {
    const other = await volume.client();
    const loc = await client.driver.fresh('/d/f');
    await other.driver.writeFile('/d/f', pattern(100, 3));
    expect(loc.name).toBe('f');
    const fd = await client.driver.create('/d/f', OpenFlag.RDWR | OpenFlag.CREAT);
    await nothingHeld();
    expect(Buffer.compare(await client.driver.read(fd, 100, 0), pattern(100, 3))).toBe(0);
    await writeAndClose(fd);
    await client.driver.close(fd);
    expect(Buffer.compare(await other.driver.readFile('/d/f'), BYTES)).toBe(0);
  });

  it('two clients that write one after the other see each other’s bytes', async () => {
    const other = await volume.client();
    const fd = await client.driver.create('/d/f');
    await writeAndClose(fd);
    const theirs = await other.driver.open('/d/f');
    expect(Buffer.compare(await other.driver.read(theirs, 4096, 0), BYTES)).toBe(0);
    await other.driver.write(theirs, pattern(10, 5), 4096);
    await other.driver.close(theirs);
    await client.driver.close(fd);
    const all = await client.driver.readFile('/d/f');
    expect(Buffer.compare(all, Buffer.concat([BYTES, pattern(10, 5)]))).toBe(0);
  });

  it('bricks that don’t do so are asked one call after the other', async () => {
    for (const tap of client.taps) tap.hidden = ['glusterts.along'];
    const other = await volume.client();
    for (const tap of other.taps) tap.hidden = ['glusterts.along'];
    for (let i = 0; i < 10; i++) await other.driver.lookup('/d');
    for (const name of ['/d/x', '/d/y']) {
      const fd = await other.driver.create(name);
      await writeAndClose(fd, other);
      await other.driver.close(fd);
    }
    for (const each of volume.xattrs('d/y')) expect(each).toMatchObject({ size: size(4096), version: pair(1, 1), dirty: ZEROS });
    // These don't know what is asked of them: the lock is asked for again.
    const fd = await client.driver.create('/d/z').catch(errnoOf);
    expect(fd).not.toBeTypeOf('number');
    if (typeof fd === 'number') return;
    await client.driver.write(fd, BYTES, 0);
    await client.driver.close(fd);
    await nothingHeld();
    expect(Buffer.compare(await client.driver.readFile('/d/z'), BYTES)).toBe(0);
  });
});
