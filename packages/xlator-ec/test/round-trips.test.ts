import { Dict, Errno, OpenFlag, errnoOf } from '@glusterts/libglusterfs';
import { pattern } from '@glusterts/xlator-compliance';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Client, ServedVolume, whyNot } from './served-volume.js';

const reason = whyNot();
if (reason) console.warn(`volumes on real disks skipped: ${reason}`);

const GENERATION = 'glusterts.inodelk-generation';
const ZEROS = '0'.repeat(32);
const pair = (data: number, metadata: number): string => data.toString(16).padStart(16, '0') + metadata.toString(16).padStart(16, '0');
const size = (bytes: number): string => bytes.toString(16).padStart(16, '0');

let volume: ServedVolume;

/** Polls: locks go when their time has come, and nobody is told. */
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 50 });

/** Nothing is left to heal, and all bricks say the same of a file. */
function quiet(name: string): Promise<void> {
  return eventually(() => {
    const [first, ...others] = volume.xattrs(name);
    for (const other of others) expect(other).toEqual(first);
    expect(first?.['dirty'] ?? ZEROS).toBe(ZEROS);
    expect(volume.indexed()).toEqual([]);
  });
}

describe.skipIf(reason !== undefined)('a 4+2 volume over sockets', () => {
  beforeEach(async () => {
    volume = await ServedVolume.start();
  });
  afterEach(async () => {
    await volume.stop();
  });

  /** The root's times are each brick's own until something is made there; a directory has the client's. */
  async function started(options: readonly string[] = []): Promise<Client> {
    const client = await volume.client(options);
    if (!(await client.driver.exists('/d'))) await client.driver.mkdir('/d');
    // The first show which bricks number their locks, and that the root is an exception.
    for (let i = 0; i < 10; i++) await client.driver.lookup('/d');
    return client;
  }

  it('makes, writes and closes a file with one message a brick each for creation and lock, write, and what is known in the end', async () => {
    const { driver, counted } = await started();
    // The directory's lock is held from here on.
    await driver.create('/d/first').then((fd) => driver.close(fd));
    const counts = await counted(async () => {
      const fd = await driver.create('/d/f');
      await driver.write(fd, pattern(4096, 1), 0);
      await driver.close(fd);
    });
    expect(counts).toMatchObject({ create: 6, writev: 6, fxattrop: 6 });
    // A part of the creation.
    expect(counts['inodelk']).toBeUndefined();
    expect(counts['flush']).toBeUndefined();
    expect(counts['xattrop']).toBeUndefined();
    await quiet('d/f');
    for (const each of volume.xattrs('d/f')) expect(each).toEqual({ config: '0000080602000200', size: size(4096), version: pair(1, 1), dirty: ZEROS });
    for (const each of volume.xattrs('d/first')) expect(each['version']).toBe(pair(0, 0));
  });

  it('takes the lock of a file that is read again and again, and reads without it again once somebody else has wanted it', async () => {
    const one = await started();
    const two = await started();
    const bytes = pattern(20_000, 3);
    await one.driver.writeFile('/d/f', bytes);
    await eventually(() => expect(one.taps.map(({ held }) => held)).toEqual([0, 0, 0, 0, 0, 0]));
    const fd = await one.driver.open('/d/f');
    const read = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) expect(Buffer.from(await one.driver.read(fd, 4096, 4096)).equals(bytes.subarray(4096, 8192))).toBe(true);
    };
    expect((await one.counted(() => read(10)))['inodelk']).toBeUndefined();
    const many = await one.counted(() => read(50));
    expect(many['inodelk']).toBe(6);
    expect(one.taps.map(({ held }) => held)).toEqual([1, 1, 1, 1, 1, 1]);
    // Given back at once: not when nobody has read for a second.
    const before = performance.now();
    const changed = pattern(4096, 9);
    const there = await two.driver.open('/d/f');
    await two.driver.write(there, changed, 4096);
    await two.driver.close(there);
    expect(performance.now() - before).toBeLessThan(900);
    bytes.set(changed, 4096);
    await read(1);
    await eventually(() => expect([...one.taps, ...two.taps].every(({ held }) => held === 0)).toBe(true));
    expect((await one.counted(() => read(50)))['inodelk']).toBeUndefined();
    await one.driver.close(fd);
  });

  it('gives such a lock back to those whose bricks do not tell of them, while it goes on reading', async () => {
    await volume.stop();
    volume = await ServedVolume.start(6, 2, { notifies: false });
    const one = await started();
    const two = await started();
    const bytes = pattern(20_000, 3);
    await one.driver.writeFile('/d/f', bytes);
    await eventually(() => expect(one.taps[0]?.held).toBe(0));
    const fd = await one.driver.open('/d/f');
    let reading = true;
    const reader = (async () => {
      while (reading) await one.driver.read(fd, 4096, 0);
    })();
    await eventually(() => expect(one.taps[0]?.held).toBe(1));
    await two.driver.writeFile('/d/f', pattern(4096, 5));
    reading = false;
    await reader;
    await one.driver.close(fd);
  });

  it('gives locks back that it writes and makes files under to those whose bricks do not tell of them', async () => {
    await volume.stop();
    volume = await ServedVolume.start(6, 2, { notifies: false });
    const one = await started();
    const two = await started();
    const fd = await one.driver.create('/d/f');
    let busy = true;
    const worker = (async () => {
      for (let i = 0; busy; i++) {
        await one.driver.write(fd, pattern(4096, i), 0);
        if (i % 2 === 0) await one.driver.create(`/d/new${i}`).then((made) => one.driver.close(made));
        else await one.driver.rename(`/d/new${i - 1}`, `/d/old${i - 1}`);
      }
    })();
    await two.driver.writeFile('/d/g', pattern(4096, 5));
    const there = await two.driver.open('/d/f');
    await two.driver.write(there, pattern(100, 6), 8192);
    await two.driver.close(there);
    busy = false;
    await worker;
    await one.driver.close(fd);
  });

  it('asks for the number of locks in a few of the fops under a lock only, and knows the size of a file that it renames from the answer', async () => {
    const { driver, taps, counted } = await started();
    await driver.writeFile('/d/f0', pattern(5000, 1));
    await eventually(() => expect(taps.map(({ held }) => held)).toEqual([0, 0, 0, 0, 0, 0]));
    let asked = 0;
    let sizesAsked = 0;
    for (const tap of taps) {
      tap.before = (fop, args) => {
        const xdata = args.at(-1);
        if (fop === 'lookup' && xdata instanceof Dict && xdata.size === 1 && xdata.has('trusted.ec.size')) sizesAsked++;
        if ((fop === 'rename' || fop === 'unlink') && xdata instanceof Dict && xdata.has('glusterfs.inodelk-dom-count')) asked++;
        return undefined;
      };
    }
    for (let i = 0; i < 4; i++) {
      await driver.lookup(`/d/f${i}`);
      const counts = await counted(async () => expect((await driver.rename(`/d/f${i}`, `/d/f${i + 1}`)).ia_size).toBe(5000));
      expect(counts['rename']).toBe(6);
    }
    await driver.unlink('/d/f4');
    expect(sizesAsked).toBe(0);
    expect(asked).toBeLessThan(30);
  });

  it('asks three bricks for a name, and all when those disagree', async () => {
    const { driver, counted, taps } = await started();
    await driver.writeFile('/d/f', pattern(100, 1));
    await quiet('d/f');
    await eventually(() => expect(taps.every(({ held }) => held === 0)).toBe(true));
    // Of the directory and of the name in it.
    expect(await counted(() => driver.lookup('/d/f'))).toEqual({ lookup: 6 });
    expect(await counted(() => driver.exists('/d/none'))).toEqual({ lookup: 6 });
    await volume.stopBrick(1);
    await driver.writeFile('/d/f', pattern(300, 2));
    await driver.writeFile('/d/new', pattern(300, 2));
    await volume.startBrick(1);
    const other = await started();
    for (let i = 0; i < 12; i++) {
      expect((await other.driver.lookup('/d/f')).ia_size).toBe(300);
      expect((await other.driver.lookup('/d/new')).ia_size).toBe(300);
    }
  });

  it('reads a file that nobody has locked from four bricks, without locks', async () => {
    const { driver } = await started(['eager-lock off']);
    await driver.writeFile('/d/f', pattern(10_000, 3));
    await quiet('d/f');
    const { driver: reader, counted } = await started();
    await reader.lookup('/d/f');
    const fd = await reader.open('/d/f', OpenFlag.RDONLY);
    const counts = await counted(async () => expect(Buffer.compare(await reader.read(fd, 10_000, 0), pattern(10_000, 3))).toBe(0));
    expect(counts['readv']).toBe(4);
    expect(counts['inodelk']).toBeUndefined();
    expect(await counted(() => reader.read(fd, 100, 5000))).toEqual({ readv: 4 });
    expect(await reader.read(fd, 100, 10_000)).toHaveLength(0);
    expect(Buffer.compare(await reader.read(fd, 100, 9990), pattern(10_000, 3).subarray(9990))).toBe(0);
    await reader.close(fd);
  });

  it('reads what another client has just written, and the size it has given the file, at every step', async () => {
    const { driver: writer } = await started();
    const { driver: reader } = await started();
    const out = await writer.create('/d/f');
    let model = Buffer.alloc(0);
    await reader.lookup('/d/f');
    const fd = await reader.open('/d/f', OpenFlag.RDONLY);
    for (let i = 0; i < 12; i++) {
      const bytes = pattern(700 + i * 13, i);
      await writer.write(out, bytes, model.length);
      model = Buffer.concat([model, bytes]);
      if (i % 3 === 1) await writer.write(out, bytes.subarray(0, 10), 5);
      if (i % 3 === 1) bytes.subarray(0, 10).forEach((byte, at) => (model[5 + at] = byte));
      expect(Buffer.compare(await reader.read(fd, 1 << 20, 0), model), `step ${i}`).toBe(0);
      if (i % 4 === 2) expect((await reader.fstat(fd)).ia_size).toBe(model.length);
    }
    await writer.close(out);
    await reader.close(fd);
    await quiet('d/f');
  });

  it('never mixes fragments of two writes when reads run beside another client that writes', async () => {
    const { driver: writer } = await started();
    const { driver: reader } = await started();
    await writer.writeFile('/d/f', new Uint8Array(8192).fill(1));
    await reader.lookup('/d/f');
    const fd = await reader.open('/d/f', OpenFlag.RDONLY);
    const out = await writer.open('/d/f');
    let done = false;
    const writing = (async () => {
      for (let i = 2; i < 120; i++) {
        await writer.write(out, new Uint8Array(8192).fill(i), 0);
        // The lock goes now and then, so that reads without it have their turn.
        if (i % 10 === 0) await writer.stat('/d/f');
      }
      done = true;
    })();
    let last = 0;
    while (!done) {
      const bytes = await reader.read(fd, 8192, 0);
      const [first] = bytes;
      expect(bytes.every((byte) => byte === first)).toBe(true);
      expect(first).toBeGreaterThanOrEqual(last);
      last = first ?? 0;
    }
    await writing;
    await writer.close(out);
    await reader.close(fd);
  });

  it('gives a lock back at once when another client wants it, the bytes with it', async () => {
    const { driver: one } = await started(['eager-lock-timeout 60', 'other-eager-lock-timeout 60']);
    const { driver: two } = await started(['eager-lock-timeout 60', 'other-eager-lock-timeout 60']);
    const fd = await one.create('/d/f');
    await one.write(fd, pattern(5000, 1), 0);
    const begin = performance.now();
    // Written to, not read: that needs the lock whatever the bricks can tell.
    const other = await two.open('/d/f');
    await two.write(other, pattern(100, 2), 4990);
    await one.write(fd, pattern(50, 3), 0);
    await two.mkdir('/d/sub');
    await one.mkdir('/d/sub2');
    expect(performance.now() - begin).toBeLessThan(20_000);
    const expected = new Uint8Array(5090);
    expected.set(pattern(5000, 1));
    expected.set(pattern(100, 2), 4990);
    expected.set(pattern(50, 3), 0);
    expect(Buffer.compare(await two.read(other, 9000, 0), expected)).toBe(0);
    await two.close(other);
    await one.close(fd);
  });

  it('does without lock numbers, as on bricks of GlusterFS', async () => {
    const client = await volume.client();
    for (const tap of client.taps) tap.hidden = [GENERATION];
    // It may have seen the root already; bricks are judged anew when they come up.
    const { driver, counted } = await volume.client();
    void client;
    await driver.mkdir('/d');
    await driver.writeFile('/d/f', pattern(3000, 1));
    expect(Buffer.compare(await driver.readFile('/d/f'), pattern(3000, 1))).toBe(0);
    await quiet('d/f');
    expect((await counted(() => driver.lookup('/d/f')))['lookup']).toBeLessThanOrEqual(6);
  });

  it('sets the mark again on the others when a brick dies over the call that takes it away', async () => {
    const { driver, taps } = await started();
    const fd = await driver.create('/d/f');
    await driver.write(fd, pattern(4096, 1), 0);
    const dying = taps[4];
    if (!dying) throw new Error('six bricks');
    dying.before = async (fop) => {
      if (fop === 'fxattrop') await volume.stopBrick(4);
    };
    await driver.close(fd);
    await eventually(() => {
      for (const [brick, each] of volume.xattrs('d/f').entries()) {
        if (brick === 4) expect(each).toMatchObject({ version: pair(0, 0), size: size(0) });
        else {
          expect(each).toMatchObject({ version: pair(1, 1), size: size(4096) });
          expect(each['dirty']).not.toBe(ZEROS);
        }
      }
    });
    await volume.startBrick(4);
    const { driver: other } = await started();
    expect(Buffer.compare(await other.readFile('/d/f'), pattern(4096, 1))).toBe(0);
  });

  it('reads nothing for a write that goes on where the last one ended within a stripe', async () => {
    const { driver, counted } = await started();
    const fd = await driver.create('/d/f');
    await driver.write(fd, pattern(700, 1), 0);
    const counts = await counted(async () => {
      for (let at = 700; at < 7000; at += 700) await driver.write(fd, pattern(700, at), at);
    });
    expect(counts['readv']).toBeUndefined();
    const expected = Buffer.concat([pattern(700, 1), ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => pattern(700, i * 700))]);
    expect(Buffer.compare(await driver.read(fd, 7000, 0), expected)).toBe(0);
    // Cut off and longer again: what was there is gone.
    await driver.truncate('/d/f', 6500);
    await driver.truncate('/d/f', 7000);
    await driver.write(fd, pattern(10, 9), 6980);
    const zeros = Buffer.concat([expected.subarray(0, 6500), Buffer.alloc(500)]);
    zeros.set(pattern(10, 9), 6980);
    expect(Buffer.compare(await driver.read(fd, 7000, 0), zeros)).toBe(0);
    await driver.close(fd);
  });

  it('says EIO when a write reached fewer bricks than quorum-count, though it is done there', async () => {
    const { driver, taps } = await started(['quorum-count 5']);
    const fd = await driver.create('/d/f');
    await driver.write(fd, pattern(4096, 1), 0);
    for (const tap of [taps[0], taps[3]]) {
      if (!tap) throw new Error('six bricks');
      tap.before = async (fop) => {
        if (fop === 'writev') throw Object.assign(new Error('lost'), {});
      };
    }
    expect(await driver.write(fd, pattern(4096, 2), 0).then(() => 0, errnoOf)).toBe(Errno.EIO);
    for (const tap of taps) tap.before = undefined;
    expect(Buffer.compare(await driver.read(fd, 4096, 0), pattern(4096, 2))).toBe(0);
    await driver.close(fd);
  });

  it('marks a directory in which a creation reached three bricks only', async () => {
    const { driver, taps } = await started();
    for (const tap of taps.slice(0, 3)) {
      tap.before = async (fop) => {
        if (fop === 'create') throw new Error('lost');
      };
    }
    await expect(driver.create('/d/torn')).rejects.toMatchObject({ errno: Errno.EIO });
    for (const tap of taps) tap.before = undefined;
    await eventually(() => {
      for (const each of volume.xattrs('d')) expect(each['dirty']).toBe(pair(1, 1));
    });
  });

  it('takes the mark away that a file was made with, although another client had it first', async () => {
    const { driver, taps } = await started();
    const { driver: other } = await started();
    let go: (() => void) | undefined;
    const held = new Promise<void>((resolve) => (go = resolve));
    let holding = true;
    for (const tap of taps) {
      tap.before = (fop, args) => {
        const [, , loc] = args as [unknown, unknown, { path?: string }];
        return fop === 'inodelk' && holding && loc.path === '/d/f' ? held : undefined;
      };
    }
    const fd = await driver.create('/d/f');
    const theirs = await other.open('/d/f');
    await other.write(theirs, pattern(300, 1), 0);
    await other.close(theirs);
    holding = false;
    go?.();
    await driver.write(fd, pattern(10, 2), 300);
    await driver.close(fd);
    expect(await driver.readFile('/d/f')).toHaveLength(310);
    await quiet('d/f');
    for (const each of volume.xattrs('d/f')) expect(each['size']).toBe(size(310));
  });

  it('keeps a file usable whose name goes right after its creation, and leaves no mark of it', async () => {
    const { driver } = await started();
    const fd = await driver.create('/d/f');
    await driver.unlink('/d/f');
    await driver.write(fd, pattern(5000, 1), 0);
    expect(Buffer.compare(await driver.read(fd, 5000, 0), pattern(5000, 1))).toBe(0);
    await driver.close(fd);
    const idle = await driver.create('/d/g');
    await driver.unlink('/d/g');
    // Its lock goes by itself after a second.
    await eventually(() => expect(volume.indexed()).toEqual([]));
    await driver.close(idle);
  });

  it.each([1, 2, 3])('two clients on the same files and the same directory leave what one would (seed %i)', async (seed) => {
    const clients = [await started(), await started()];
    let state = seed * 7919;
    const below = (limit: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % limit;
    };
    const models = new Map<string, Buffer>();
    for (let step = 0; step < 80; step++) {
      const driver = clients[below(2)]?.driver;
      if (!driver) throw new Error('two clients');
      const name = `/d/f${below(4)}`;
      const model = models.get(name);
      switch (model === undefined ? 0 : below(8)) {
        case 0: {
          if (model !== undefined) break;
          await driver.create(name).then((fd) => driver.close(fd));
          models.set(name, Buffer.alloc(0));
          break;
        }
        case 1:
          await driver.unlink(name);
          models.delete(name);
          break;
        case 2: {
          const length = below(9000);
          await driver.truncate(name, length);
          models.set(name, Buffer.concat([model ?? Buffer.alloc(0), Buffer.alloc(length)]).subarray(0, length));
          break;
        }
        case 3: {
          const to = `/d/f${below(4)}`;
          await driver.rename(name, to);
          models.delete(name);
          models.set(to, model ?? Buffer.alloc(0));
          break;
        }
        case 4:
        case 5:
          expect(Buffer.compare(await driver.readFile(name), model ?? Buffer.alloc(0)), `step ${step}`).toBe(0);
          expect((await driver.stat(name)).ia_size).toBe(model?.length);
          break;
        default: {
          const bytes = pattern(1 + below(5000), step);
          const at = below(6000);
          const fd = await driver.open(name);
          await driver.write(fd, bytes, at);
          if (below(2) === 0) await driver.close(fd);
          else fd.unref();
          const longer = Buffer.alloc(Math.max(model?.length ?? 0, at + bytes.length));
          model?.copy(longer);
          longer.set(bytes, at);
          models.set(name, longer);
        }
      }
    }
    for (const [name, model] of models) {
      await quiet(name.slice(1));
      for (const { driver } of clients) expect(Buffer.compare(await driver.readFile(name), model)).toBe(0);
    }
    await quiet('d');
  });
});
