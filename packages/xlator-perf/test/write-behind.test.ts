import { type Bytes, type Dict, Errno, type Fd, type Graph, IoVec, Loc, OpenFlag, Xlator, type XlatorDefinition, type Frame, type WriteReply, type Xdata, FopError } from '@glusterts/libglusterfs';
import { GraphDriver, complianceSuite, expectErrno, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it, vi } from 'vitest';
import { xlators } from '../src/index.js';
import { type Recorder, recorder, recorderOf, volfileOf } from './recorder.js';

const definitions = [...memory, recorder, ...xlators];
const KIB = 1024;

interface Bench { graph: Graph; driver: GraphDriver; seen: Recorder; fd: Fd }

async function bench(options: Record<string, string> = {}, flags: number = OpenFlag.RDWR): Promise<Bench> {
  const graph = await testGraph(volfileOf('performance/write-behind', options), definitions);
  const driver = new GraphDriver(graph.topSubvolume, graph);
  const seen = recorderOf(graph);
  await driver.writeFile('/f', Buffer.from(''));
  const fd = await driver.open('/f', flags);
  seen.taken();
  seen.args.length = 0;
  return { graph, driver, seen, fd };
}

const block = (size: number, fill = 1): Buffer => Buffer.alloc(size, fill);
/** After everything that is ready has run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const settledAt = async (promise: Promise<unknown>): Promise<'done' | 'waits'> => Promise.race([promise.then(() => 'done' as const), turn().then(() => 'waits' as const)]);
const writes = ({ seen }: Bench): { offset: number; size: number }[] => seen.args.flatMap((args) => (args[2] instanceof IoVec ? [{ offset: args[3] as number, size: args[2].size }] : []));

async function end({ graph, driver, fd }: Bench): Promise<void> {
  await driver.close(fd).catch(() => undefined);
  await graph.fini();
}

describe('performance/write-behind', () => {
  it('answers a write before the child does, with its length and attributes that say nothing', async () => {
    const at = await bench();
    const release = at.seen.hold('writev');
    const reply = await at.driver.subvolume.writev(at.driver.frame, at.fd, IoVec.from(block(4 * KIB)), 0, 0, undefined);
    expect(reply.written).toBe(4 * KIB);
    expect(reply.poststat.isNull).toBe(true);
    release();
    await end(at);
  });

  it('a fop that must see the write waits for it: read of the same bytes, stat, fstat, lookup; a read elsewhere does not', async () => {
    const at = await bench();
    await at.driver.write(at.fd, block(64 * KIB), 0);
    await at.driver.fstat(at.fd);
    const release = at.seen.hold('writev');
    await at.driver.write(at.fd, block(4 * KIB, 2), 4 * KIB);
    const overlapping = at.driver.read(at.fd, 4 * KIB, 6 * KIB);
    const elsewhere = at.driver.read(at.fd, 4 * KIB, 32 * KIB);
    const fstat = at.driver.fstat(at.fd);
    const stat = at.driver.stat('/f');
    expect(await settledAt(elsewhere)).toBe('done');
    for (const waiting of [overlapping, fstat, stat]) expect(await settledAt(waiting)).toBe('waits');
    release();
    expect(Buffer.from(await overlapping).equals(Buffer.concat([block(2 * KIB, 2), block(2 * KIB, 1)]))).toBe(true);
    expect((await fstat).ia_size).toBe(64 * KIB);
    await stat;
    await end(at);
  });

  it('small adjacent writes leave together, up to aggregate-size, while another is under way', async () => {
    const at = await bench();
    const release = at.seen.hold('writev');
    for (let i = 0; i < 65; i++) await at.driver.write(at.fd, block(4 * KIB, i), i * 4 * KIB);
    release();
    await at.driver.subvolume.fsync(at.driver.frame, at.fd, false, undefined);
    expect(writes(at)).toEqual([{ offset: 0, size: 4 * KIB }, { offset: 4 * KIB, size: 128 * KIB }, { offset: 132 * KIB, size: 128 * KIB }]);
    const whole = await at.driver.read(at.fd, 65 * 4 * KIB, 0);
    for (let i = 0; i < 65; i++) expect(whole[i * 4 * KIB]).toBe(i);
    await end(at);
  });

  it('the window is 1 MiB and one request: then callers wait for the child', async () => {
    const at = await bench();
    const release = at.seen.hold('writev');
    let answered = 0;
    const all: Promise<unknown>[] = [];
    for (let i = 0; i < 24; i++) all.push(at.driver.write(at.fd, block(128 * KIB, i), i * 128 * KIB).then(() => answered++));
    await turn();
    expect(answered).toBe(9);
    release();
    await Promise.all(all);
    expect((await at.driver.fstat(at.fd)).ia_size).toBe(24 * 128 * KIB);
    await end(at);
  });

  it('two writes that overlap are never under way together, and the later one wins', async () => {
    const at = await bench();
    const release = at.seen.hold('writev');
    await at.driver.write(at.fd, block(8 * KIB, 1), 0);
    await at.driver.write(at.fd, block(8 * KIB, 2), 4 * KIB);
    await turn();
    expect(writes(at)).toHaveLength(1);
    release();
    await at.driver.fstat(at.fd);
    expect(writes(at)).toHaveLength(2);
    expect(Buffer.from(await at.driver.read(at.fd, 12 * KIB, 0)).equals(Buffer.concat([block(4 * KIB, 1), block(8 * KIB, 2)]))).toBe(true);
    await end(at);
  });

  it('close waits for the writes, but not for the flush of the bricks, unless flush-behind is off', async () => {
    for (const [flushBehind, expected] of [['on', 'done'], ['off', 'waits']] as const) {
      const at = await bench({ 'flush-behind': flushBehind });
      const letWrite = at.seen.hold('writev');
      const letFlush = at.seen.hold('flush');
      await at.driver.write(at.fd, block(KIB), 0);
      const closed = at.driver.subvolume.flush(at.driver.frame, at.fd, undefined);
      expect(await settledAt(closed)).toBe('waits');
      letWrite();
      await turn();
      expect(await settledAt(closed)).toBe(expected);
      letFlush();
      await closed;
      await end(at);
    }
  });

  it('O_SYNC writes and writes on such fds are answered by the child', async () => {
    const at = await bench({}, OpenFlag.RDWR | OpenFlag.DSYNC);
    const release = at.seen.hold('writev');
    const write = at.driver.write(at.fd, block(KIB), 0);
    expect(await settledAt(write)).toBe('waits');
    release();
    await write;
    await end(at);
  });

  describe('a write that fails after its answer (as GlusterFS: write-behind-semantics.txt)', () => {
    it('is told to stat and fstat, then to fsync, which drops the data; the next fsync succeeds', async () => {
      const at = await bench();
      at.seen.fail('writev', Errno.ENOSPC);
      await at.driver.write(at.fd, block(4 * KIB), 0);
      await turn();
      await at.driver.write(at.fd, block(4 * KIB), 4 * KIB);
      await turn();
      await expectErrno(at.driver.fstat(at.fd), Errno.ENOSPC);
      await expectErrno(at.driver.subvolume.stat(at.driver.frame, new Loc({ inode: at.fd.inode, gfid: at.fd.inode.gfid, path: '/f' as Bytes }), undefined), Errno.ENOSPC);
      await expectErrno(at.driver.subvolume.fsync(at.driver.frame, at.fd, false, undefined), Errno.ENOSPC);
      await at.driver.subvolume.fsync(at.driver.frame, at.fd, false, undefined);
      await end(at);
    });

    it('with resync-failed-syncs-after-fsync every fsync fails, until the close does, which drops it', async () => {
      const at = await bench({ 'resync-failed-syncs-after-fsync': 'on' });
      at.seen.fail('writev', Errno.ENOSPC);
      await at.driver.write(at.fd, block(4 * KIB), 0);
      for (let i = 0; i < 2; i++) await expectErrno(at.driver.subvolume.fsync(at.driver.frame, at.fd, false, undefined), Errno.ENOSPC);
      await expectErrno(at.driver.subvolume.flush(at.driver.frame, at.fd, undefined), Errno.ENOSPC);
      await at.driver.subvolume.fsync(at.driver.frame, at.fd, false, undefined);
      await end(at);
    });

    it('is told to close; and the data are kept and tried again when the failure passes', async () => {
      const at = await bench();
      at.seen.fail('writev', Errno.ENOSPC);
      await at.driver.write(at.fd, block(4 * KIB, 7), 0);
      await turn();
      at.seen.fail('writev', undefined);
      // Whatever comes next has it tried again, and waits for that.
      expect((await at.driver.fstat(at.fd)).ia_size).toBe(4 * KIB);
      expect(Buffer.from(await at.driver.read(at.fd, 4 * KIB, 0)).equals(block(4 * KIB, 7))).toBe(true);
      at.seen.fail('writev', Errno.EDQUOT);
      await at.driver.write(at.fd, block(10), 0);
      await expectErrno(at.driver.subvolume.flush(at.driver.frame, at.fd, undefined), Errno.EDQUOT);
      await at.driver.subvolume.flush(at.driver.frame, at.fd, undefined);
      await end(at);
    });

    it('a 3 MiB stream of failing writes is accepted for 1179648 bytes, and no more', async () => {
      const at = await bench();
      at.seen.fail('writev', Errno.ENOSPC);
      const release = at.seen.hold('writev');
      let accepted = 0;
      const all = Array.from({ length: 24 }, (_, i) => at.driver.write(at.fd, block(128 * KIB), i * 128 * KIB).then(() => (accepted += 128 * KIB)));
      await turn();
      release();
      await Promise.allSettled(all);
      expect(accepted).toBe(1179648);
      await end(at);
    });
  });

  it('the end of the graph waits for what is owed, and no page stays behind', async () => {
    const at = await bench();
    const release = at.seen.hold('writev');
    const page = at.graph.platform.iobufs.get(4 * KIB);
    page.memory.fill(9);
    await at.driver.subvolume.writev(at.driver.frame, at.fd, new IoVec([page.memory.subarray(0, 4 * KIB)], [page]), 0, 0, undefined);
    page.unref();
    expect(at.graph.platform.iobufs.active).toBe(1);
    at.fd.unref();
    const over = at.graph.fini();
    expect(await settledAt(over)).toBe('waits');
    release();
    await over;
    expect(at.graph.platform.iobufs.active).toBe(0);
    expect(writes(at)).toEqual([{ offset: 0, size: 4 * KIB }]);
  });
});

/** A child whose writes finish in any order, are now and then cut short, and must never overlap while under way. */
class Shuffler extends Xlator {
  readonly #waiting: (() => void)[] = [];
  readonly #regions = new Set<{ start: number; end: number }>();
  overlaps = 0;
  seed = 1;
  readonly bytes = Buffer.alloc(256 * KIB);
  size = 0;

  next(limit: number): number {
    this.seed = (Math.imul(this.seed, 1103515245) + 12345) >>> 0;
    return Math.floor((this.seed / 2 ** 32) * limit);
  }

  override async writev(_frame: Frame, _fd: Fd, vector: IoVec, offset: number, _flags: number, _xdata: Xdata): Promise<WriteReply> {
    const region = { start: offset, end: offset + vector.size };
    for (const other of this.#regions) if (other.start < region.end && region.start < other.end) this.overlaps++;
    this.#regions.add(region);
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#regions.delete(region);
    const written = this.next(8) === 0 && vector.size > 1 ? 1 + this.next(vector.size - 1) : vector.size;
    vector.slice(0, written).copyTo(this.bytes, offset);
    this.size = Math.max(this.size, offset + written);
    const { stat } = await this.child.fstat(_frame, _fd, undefined);
    const poststat = stat.clone();
    poststat.ia_size = this.size;
    return { written, prestat: stat, poststat, xdata: undefined };
  }

  /** Lets one write finish. */
  step(): boolean {
    const at = this.next(this.#waiting.length);
    const [go] = this.#waiting.splice(at, 1);
    go?.();
    return go !== undefined;
  }
}

const shuffler: XlatorDefinition = { type: 'test/shuffler', options: [], create: (context) => new Shuffler(context) };

describe('performance/write-behind with a child that answers in any order', () => {
  for (let seed = 1; seed <= 20; seed++) {
    it(`keeps what it told, in the order in which it told it (seed ${seed})`, async () => {
      const graph = await testGraph('volume brick\n type storage/memory\n option size 0\nend-volume\nvolume mixed\n type test/shuffler\n subvolumes brick\nend-volume\nvolume top\n type performance/write-behind\n subvolumes mixed\nend-volume\n', [...memory, shuffler, ...xlators]);
      const driver = new GraphDriver(graph.topSubvolume, graph);
      const child = graph.xlators.find((xlator) => xlator instanceof Shuffler);
      if (!(child instanceof Shuffler)) throw new FopError(Errno.EINVAL);
      child.seed = seed * 7919;
      const fds = [await driver.create('/f'), await driver.open('/f', OpenFlag.RDWR)];
      const model = Buffer.alloc(256 * KIB);
      let expected = 0;
      for (let i = 0; i < 400; i++) {
        const fd = fds[child.next(2)] ?? fds[0];
        if (!fd) throw new FopError(Errno.EINVAL);
        const choice = child.next(10);
        if (choice < 8) {
          const size = 1 + child.next(choice < 4 ? 6 * KIB : 40);
          // Half of them continue where the file ends, as streams do.
          const offset = child.next(2) === 0 ? Math.min(expected, 200 * KIB) : child.next(200 * KIB);
          const data = Buffer.alloc(size, 1 + (i % 255));
          // The caller's memory is its own again after the answer.
          const write = driver.subvolume.writev(driver.frame, fd, IoVec.from(Buffer.from(data)), offset, 0, undefined);
          while ((await settledAt(write)) === 'waits') child.step();
          data.copy(model, offset);
          expected = Math.max(expected, offset + size);
        } else if (choice === 8) {
          const synced = driver.subvolume.fsync(driver.frame, fd, false, undefined);
          while ((await settledAt(synced)) === 'waits') child.step();
          expect(child.bytes.equals(model)).toBe(true);
        } else {
          for (let steps = child.next(4); steps > 0; steps--) child.step();
          await turn();
        }
      }
      const last = Promise.all(fds.map((fd) => driver.subvolume.flush(driver.frame, fd, undefined)));
      while ((await settledAt(last)) === 'waits') child.step();
      expect(child.bytes.equals(model)).toBe(true);
      expect(child.overlaps).toBe(0);
      expect(child.size).toBe(expected);
      for (const fd of fds) fd.unref();
      await graph.fini();
    });
  }
});

describe('performance/write-behind, where disperse has asked for the first write along with the close', () => {
  async function made(): Promise<Bench> {
    const graph = await testGraph(volfileOf('performance/write-behind', {}), definitions);
    const driver = new GraphDriver(graph.topSubvolume, graph);
    const seen = recorderOf(graph);
    seen.wantsFirstWriteWithClose = true;
    const fd = await driver.create('/new');
    seen.taken();
    seen.args.length = 0;
    return { graph, driver, seen, fd };
  }
  const written = (at: Bench): boolean[] => at.seen.args.flatMap((args) => (args[2] instanceof IoVec ? [(args[5] as Dict | undefined)?.has('glusterts.closing') ?? false] : []));

  it('sends both together, and says so', async () => {
    const at = await made();
    await at.driver.write(at.fd, block(4 * KIB), 0);
    expect(writes(at)).toEqual([]);
    await at.driver.close(at.fd);
    expect(written(at)).toEqual([true]);
    expect(at.seen.taken()).toEqual(['writev', 'flush']);
    expect(Buffer.compare(await at.driver.readFile('/new'), block(4 * KIB))).toBe(0);
    await at.graph.fini();
  });

  it('sends the write by itself when no close comes within a moment', async () => {
    const at = await made();
    await at.driver.write(at.fd, block(4 * KIB), 0);
    await vi.waitFor(() => expect(written(at)).toEqual([false]));
    await end(at);
  });

  it.each(['a second write', 'fsync', 'fstat', 'a read'])('%s lets it go at once, and the close is told of nothing', async (what) => {
    const at = await made();
    await at.driver.write(at.fd, block(4 * KIB), 0);
    expect(writes(at)).toEqual([]);
    if (what === 'a second write') await at.driver.write(at.fd, block(4 * KIB, 2), 64 * KIB);
    else if (what === 'fsync') await at.driver.subvolume.fsync(at.driver.frame, at.fd, false, undefined);
    else if (what === 'fstat') expect((await at.driver.fstat(at.fd)).ia_size).toBe(4 * KIB);
    else expect(await at.driver.read(at.fd, 4 * KIB, 0)).toHaveLength(4 * KIB);
    await at.driver.close(at.fd);
    expect(written(at)).not.toContain(true);
    expect(written(at).length).toBeGreaterThan(0);
    await at.graph.fini();
  });

  it('writes what is held when the graph ends', async () => {
    const at = await made();
    await at.driver.write(at.fd, block(4 * KIB), 0);
    await at.graph.fini();
    expect(written(at)).toEqual([false]);
  });

  it('a failed write is told to the close', async () => {
    const at = await made();
    at.seen.fail('writev', Errno.ENOSPC);
    await at.driver.write(at.fd, block(4 * KIB), 0);
    await expectErrno(at.driver.close(at.fd), Errno.ENOSPC);
    await at.graph.fini();
  });
});

for (const [name, options] of [['its defaults', ''], ['flush-behind off and strict ordering', '    option flush-behind off\n    option trickling-writes off\n    option strict-write-ordering on\n']] as const) {
  complianceSuite({
    name: `performance/write-behind with ${name} over storage/memory`,
    makeGraph: () => testGraph(`volume brick\n    type storage/memory\n    option size 0\nend-volume\n\nvolume v-write-behind\n    type performance/write-behind\n${options}    subvolumes brick\nend-volume\n`, [...memory, ...xlators]),
  });
}
