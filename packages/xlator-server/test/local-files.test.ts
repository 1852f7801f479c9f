import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Dict, Errno, type Fd, Frame, type FrameInit, type Graph, type LocalFile, type ReadReply, type Xdata, Xlator, type XlatorDefinition, errnoOf, localStorage } from '@glusterts/libglusterfs';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as debug } from '@glusterts/xlator-debug';
import { xlators as features } from '@glusterts/xlator-features';
import { xlators as locks } from '@glusterts/xlator-locks';
import { xlators as perf } from '@glusterts/xlator-perf';
import { xlators as posix } from '@glusterts/xlator-posix';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { xlators as server } from '../src/index.js';
import { clientGraph, freePort } from './pair.js';

const missing = localStorage().available ? (process.getuid?.() === 0 ? undefined : 'trusted.* xattrs need root') : 'the native addon is not built';
if (missing) console.warn(`tests of local files skipped: ${missing}`);

/** Counts the READs that reach the brick, and lets readers by. */
class Counter extends Xlator {
  reads = 0;

  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    this.reads++;
    return this.child.readv(frame, fd, size, offset, flags, xdata);
  }

  override localFile(fd: Fd): LocalFile | undefined {
    return this.child.xlator.localFile(fd);
  }
}

/** Has a say in READs, and says nothing about files. */
class Guard extends Xlator {
  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    return this.child.readv(frame, fd, size, offset, flags, xdata);
  }
}

const own: readonly XlatorDefinition[] = [
  { type: 'test/counter', options: [], create: (context) => new Counter(context) },
  { type: 'test/guard', options: [], create: (context) => new Guard(context) },
];

describe.skipIf(missing !== undefined)('files that a client on the same machine reads itself', () => {
  let dir = '';
  let port = 0;
  let brick: Graph;
  let client: Graph;
  let driver: GraphDriver;
  let counter: Counter;
  const open: { unref(): void }[] = [];

  /** A brick: counter over posix, then the given layers with their options. */
  function volfile(layers: readonly (readonly [type: string, ...options: string[]])[], posixOptions: readonly string[] = []): string {
    const lines = (options: readonly string[]): string => options.map((line) => ` option ${line}\n`).join('');
    let text = `volume posix\n type storage/posix\n option directory ${dir}\n option health-check-interval 0\n${lines(posixOptions)}end-volume\nvolume counter\n type test/counter\n subvolumes posix\nend-volume\n`;
    let below = 'counter';
    layers.forEach(([type, ...options], i) => {
      text += `volume layer${i}\n type ${type}\n${lines(options)} subvolumes ${below}\nend-volume\n`;
      below = `layer${i}`;
    });
    text += `volume brick\n type debug/io-stats\n${lines(profile)} subvolumes ${below}\nend-volume\n`;
    return `${text}volume server\n type protocol/server\n option transport.socket.listen-port ${port}\n option auth.addr.brick.allow *\n subvolumes brick\nend-volume\n`;
  }
  let profile: readonly string[] = [];

  async function start(layers: readonly (readonly [type: string, ...options: string[]])[], posixOptions: readonly string[] = []): Promise<void> {
    brick = await testGraph(volfile(layers, posixOptions), [...posix, ...own, ...locks, ...perf, ...features, ...debug, ...server]);
    const found = brick.find('counter');
    if (!(found instanceof Counter)) throw new Error('no counter');
    counter = found;
    client = await clientGraph('remote-host 127.0.0.1', `remote-port ${port}`);
    driver = new GraphDriver(client.topSubvolume, client);
    await driver.root();
  }

  beforeEach(async () => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'local-files-'));
    port = await freePort();
    profile = [];
  });

  afterEach(async () => {
    for (const fd of open.splice(0)) fd.unref();
    await client.fini();
    await brick.fini();
    expect(ours()).toBe(0);
    rmSync(dir, { recursive: true, force: true });
  });

  /** Descriptors of the brick's data files that are open for reading only: the client's. */
  function ours(): number {
    return readdirSync('/proc/self/fd').filter((number) => {
      try {
        return readlinkSync(`/proc/self/fd/${number}`).startsWith(`${dir}/`) && isReadOnly(number);
      } catch {
        return false;
      }
    }).length;
  }

  async function openFile(name: string, flags?: number): Promise<Fd> {
    const fd = await driver.open(name, flags);
    open.push(fd);
    return fd;
  }

  async function readAs(who: FrameInit, fd: Fd, size: number, offset: number, xdata?: Dict): Promise<ReadReply> {
    const reply = await driver.subvolume.readv(new Frame(who), fd, size, offset, 0, xdata);
    reply.vector.unref();
    return reply;
  }

  /** Reads until the client has the file. */
  async function readUntilLocal(fd: Fd): Promise<void> {
    await expect
      .poll(async () => {
        const before = counter.reads;
        await driver.read(fd, 10, 0);
        return counter.reads - before;
      })
      .toBe(0);
  }

  const usual: readonly (readonly [type: string, ...options: string[]])[] = [['features/locks'], ['features/read-only'], ['performance/io-threads']];

  it('are what the brick has, with the same attributes, after the first READs', async () => {
    await start(usual);
    const bytes = Buffer.from('what the brick has');
    await driver.writeFile('/f', bytes);
    const fd = await openFile('/f');
    const byWire = await readAs({ pid: 1 }, fd, 100, 5);
    await readUntilLocal(fd);
    const { reads } = counter;
    const reply = await driver.subvolume.readv(driver.frame, fd, 100, 5, 0, undefined);
    expect(Buffer.concat(reply.vector.chunks)).toEqual(bytes.subarray(5));
    reply.vector.unref();
    expect(reply.eof).toBe(true);
    expect(reply.stat).toEqual(byWire.stat);
    expect((await readAs({ pid: 1 }, fd, 5, 5)).eof).toBe(false);
    expect((await readAs({ pid: 1 }, fd, 5, 1000)).vector.size).toBe(0);
    expect(counter.reads).toBe(reads);
    expect(ours()).toBe(1);
  });

  it('show at once what another client has written, cut off and touched', async () => {
    await start(usual);
    await driver.writeFile('/f', Buffer.from('before'));
    const fd = await openFile('/f');
    await readUntilLocal(fd);
    const { reads } = counter;
    const other = await clientGraph('remote-host 127.0.0.1', `remote-port ${port}`);
    const there = new GraphDriver(other.topSubvolume, other);
    const handle = await there.open('/f');
    await there.write(handle, Buffer.from('afterwards'), 0);
    expect(Buffer.from(await driver.read(fd, 100, 0)).toString()).toBe('afterwards');
    await there.truncate('/f', 5);
    expect(Buffer.from(await driver.read(fd, 100, 0)).toString()).toBe('after');
    await there.setattr('/f', Object.assign((await there.stat('/f')).clone(), { ia_mtime: 1000, ia_mtime_nsec: 7 }), 32);
    expect((await readAs({ pid: 1 }, fd, 1, 0)).stat).toEqual(await driver.fstat(fd));
    await there.unlink('/f');
    expect(Buffer.from(await driver.read(fd, 100, 0)).toString()).toBe('after');
    expect(counter.reads).toBe(reads);
    handle.unref();
    await other.fini();
  });

  it('are read through the brick where it has more to do: times of access, xdata, inner clients, more than a megabyte', async () => {
    await start(usual);
    await driver.writeFile('/f', Buffer.from('before'));
    const fd = await openFile('/f');
    await readUntilLocal(fd);
    const { reads } = counter;
    await readAs({ pid: 1, flags: 4 }, fd, 10, 0);
    await readAs({ pid: 1 }, fd, 10, 0, new Dict().setInt('glusterfs.inodelk-count', 0));
    await readAs({ pid: -3 }, fd, 10, 0);
    await readAs({ pid: 1 }, fd, (1 << 20) + 1, 0);
    expect(counter.reads).toBe(reads + 4);
    await expect(readAs({ pid: 1 }, fd, 0, 0)).rejects.toSatisfy((error) => errnoOf(error) === Errno.EINVAL);
  });

  it.each([
    ['a layer that has a say in READs', [['test/guard']]],
    ['mandatory locking', [['features/locks', 'mandatory-locking forced']]],
    ['cache invalidation', [['features/upcall', 'cache-invalidation on']]],
  ] as const)('are not given past %s', async (_what, layers) => {
    await start(layers);
    await driver.writeFile('/f', Buffer.from('bytes'));
    const fd = await openFile('/f');
    for (let i = 1; i <= 5; i++) {
      await driver.read(fd, 10, 0);
      expect(counter.reads).toBe(i);
      await driver.fstat(fd);
    }
    expect(ours()).toBe(0);
  });

  it('are not given of what is open for writing only', async () => {
    await start(usual);
    await driver.writeFile('/f', Buffer.from('bytes'));
    const fd = await openFile('/f', 1);
    for (let i = 0; i < 5; i++) await expect(driver.read(fd, 10, 0)).rejects.toSatisfy((error) => errnoOf(error) === Errno.EBADF);
    expect(ours()).toBe(0);
  });

  it('are taken back when the brick is configured anew, and given again', async () => {
    await start(usual);
    await driver.writeFile('/f', Buffer.from('bytes'));
    const fd = await openFile('/f');
    await readUntilLocal(fd);
    profile = ['count-fop-hits on'];
    expect(await brick.reconfigure(volfile(usual))).toBe('reconfigured');
    await expect.poll(() => ours()).toBe(0);
    const { reads } = counter;
    for (let i = 1; i <= 5; i++) {
      expect(Buffer.from(await driver.read(fd, 10, 0)).toString()).toBe('bytes');
      expect(counter.reads).toBe(reads + i);
    }
    profile = [];
    expect(await brick.reconfigure(volfile(usual))).toBe('reconfigured');
    await readUntilLocal(fd);
  });

  it('leave the event loop its turns while somebody only reads', async () => {
    await start(usual);
    await driver.writeFile('/f', Buffer.from('bytes'));
    const fd = await openFile('/f');
    await readUntilLocal(fd);
    let turns = 0;
    const turn = (): void => {
      turns++;
      next = setImmediate(turn);
    };
    let next = setImmediate(turn);
    const { reads } = counter;
    for (let i = 0; i < 1000; i++) await driver.read(fd, 10, 0);
    clearImmediate(next);
    expect(counter.reads).toBe(reads);
    expect(turns).toBeGreaterThan(10);
  });

  it('are closed with the fd, and gone with the connection', async () => {
    await start(usual);
    await driver.writeFile('/f', Buffer.from('bytes'));
    const [one, two] = [await driver.open('/f'), await openFile('/f')];
    await readUntilLocal(one);
    await readUntilLocal(two);
    expect(ours()).toBe(2);
    one.unref();
    await expect.poll(() => ours()).toBe(1);
    await brick.fini();
    await expect.poll(() => ours()).toBe(0);
    await expect(driver.read(two, 10, 0)).rejects.toSatisfy((error) => errnoOf(error) === Errno.ENOTCONN);
  });

  describe('when they are not in memory', () => {
    const bytes = randomBytes(4 << 20);

    /** Has a file of 4 MiB of which the page cache has nothing, once the client has it open itself. */
    async function coldFile(): Promise<Fd> {
      await driver.writeFile('/f', bytes);
      const fd = await openFile('/f');
      await readUntilLocal(fd);
      execFileSync('dd', [`of=${dir}/f`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'], { stdio: 'ignore' });
      return fd;
    }

    it('are read by a thread of the client, in any order and at the end', async () => {
      await start(usual);
      const fd = await coldFile();
      const { reads } = counter;
      const asked: [size: number, offset: number][] = [[4096, 3 << 20], [10, 8191], [1 << 20, 1 << 20], [5000, (4 << 20) - 1000], [100, 4 << 20]];
      const got = await Promise.all(asked.map(([size, offset]) => driver.read(fd, size, offset)));
      for (const [i, [size, offset]] of asked.entries()) expect(Buffer.from(got[i] ?? []).equals(bytes.subarray(offset, offset + size))).toBe(true);
      expect(counter.reads).toBe(reads);
    });

    it('and the disk hangs, the connection’s end is told at once, and the file is closed when the thread is back', async () => {
      await start(usual);
      const fd = await coldFile();
      const storage = localStorage();
      const { preadvAsync } = storage;
      let thaw = (): void => undefined;
      const frozen = new Promise<void>((resolve) => (thaw = resolve));
      const hanging = vi.spyOn(storage, 'preadvAsync').mockImplementation(async (...args) => {
        await frozen;
        return preadvAsync.apply(storage, args);
      });
      const reading = driver.read(fd, 4096, 2 << 20).catch(errnoOf);
      expect(hanging).toHaveBeenCalledOnce();
      await brick.fini();
      expect(await reading).toBe(Errno.ENOTCONN);
      expect(ours()).toBe(1);
      thaw();
      await expect.poll(() => ours()).toBe(0);
      hanging.mockRestore();
    });
  });

  it('have the times of the disk where the volume keeps none', async () => {
    await start(usual, ['ctime off']);
    await driver.writeFile('/f', Buffer.from('bytes'));
    const fd = await openFile('/f');
    await readUntilLocal(fd);
    expect((await readAs({ pid: 1 }, fd, 1, 0)).stat).toEqual(await driver.fstat(fd));
  });
});

/** Neither a directory nor what the brick itself has open. */
function isReadOnly(descriptor: string): boolean {
  const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1] ?? '3', 8);
  return (flags & 0o200003) === 0;
}
