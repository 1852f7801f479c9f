import {
  type Client, Errno, type Fd, Frame, GlusterLogger, Graph, IoVec, type PrePostReply, type ReadReply, type StorageJobs, type WriteReply, Xlator, type XlatorDefinition, XlatorLoader, createPlatform,
} from '@glusterts/libglusterfs';
import { complianceSuite, expectErrno, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { volfileOf, recorder } from './recorder.js';

/** A pool whose jobs end when the test says so. */
class Pool implements StorageJobs {
  readonly running: { name: string; end(error?: Errno): void }[] = [];
  readonly #listeners: (() => void)[] = [];

  get inFlight(): number {
    return this.running.length;
  }

  onDone(listener: () => void): void {
    this.#listeners.push(listener);
  }

  job(name: string): Promise<void> {
    return new Promise((resolve) => {
      const job = {
        name,
        end: (): void => {
          this.running.splice(this.running.indexOf(job), 1);
          for (const listener of this.#listeners) listener();
          resolve();
        },
      };
      this.running.push(job);
    });
  }

  get names(): string[] {
    return this.running.map(({ name }) => name);
  }

  async end(name: string): Promise<void> {
    const job = this.running.find((each) => each.name === name);
    if (!job) throw new Error(`${name} does not run: ${this.names.join(' ')}`);
    job.end();
    await settle();
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Puts a job into the pool for each fop; named by the offset that it is about. */
class Disk extends Xlator {
  static pool = new Pool();

  override async writev(_frame: Frame, _fd: Fd, vector: IoVec, offset: number): Promise<WriteReply> {
    await Disk.pool.job(`w${offset}`);
    return { written: vector.size } as WriteReply;
  }

  override async readv(_frame: Frame, _fd: Fd, _size: number, offset: number): Promise<ReadReply> {
    if (offset > 0) await Disk.pool.job(`r${offset}`);
    return { vector: IoVec.empty } as ReadReply;
  }

  override async fsync(): Promise<PrePostReply> {
    await Disk.pool.job('fsync');
    return {} as PrePostReply;
  }
}

const disk: XlatorDefinition = { type: 'storage/disk', options: [], create: (context) => new Disk(context) };

interface Bench { graph: Graph; pool: Pool; write(offset: number, who?: Frame): Promise<unknown>; read(offset: number): Promise<unknown>; dump(): Record<string, unknown>; reconfigure(options: Record<string, string>): Promise<unknown> }

async function bench(options: Record<string, string> = {}): Promise<Bench> {
  const real = createPlatform();
  const pool = (Disk.pool = new Pool());
  const volfile = (values: Record<string, string>): string => `volume disk\n type storage/disk\n option a b\nend-volume\nvolume top\n type performance/io-threads\n${Object.entries(values).map(([key, value]) => ` option ${key} ${value}\n`).join('')} subvolumes disk\nend-volume\n`;
  const graph = await Graph.load(volfile(options), {
    platform: { ...real, storage: { ...real.storage, available: true, jobs: pool } },
    loader: new XlatorLoader().add(disk, ...xlators),
    log: GlusterLogger.create('test', { sink: () => undefined, clock: real.clock }),
  });
  await graph.activate();
  const fd = { inode: {} } as Fd;
  const top = graph.topSubvolume;
  const me = new Frame({ pid: 100 });
  return {
    graph, pool,
    write: (offset, who = me) => top.writev(who, fd, IoVec.from(new Uint8Array(1)), offset, 0, undefined),
    read: (offset) => top.readv(me, fd, 1, offset, 0, undefined),
    reconfigure: (values) => graph.reconfigure(volfile(values)),
    dump: () => {
      const values: Record<string, unknown> = {};
      graph.find('top')?.dump({ section: (title) => void (values['section'] = title), write: (key, value) => void (values[key] = value) });
      return values;
    },
  };
}

const client = (uid: string): Client => ({ uid, ctx: new Map(), callback: () => undefined });

describe('performance/io-threads', () => {
  it('lets no more requests wait for the disk at once than thread-count says, and the others in their order', async () => {
    const at = await bench({ 'thread-count': '2' });
    const all = [1, 2, 3, 4].map((offset) => at.write(offset));
    expect(at.pool.names).toEqual(['w1', 'w2']);
    await at.pool.end('w2');
    expect(at.pool.names).toEqual(['w1', 'w3']);
    await at.pool.end('w1');
    await at.pool.end('w3');
    await at.pool.end('w4');
    await Promise.all(all);
    expect(at.pool.names).toEqual([]);
  });

  it('a request that is answered on the spot takes no place', async () => {
    const at = await bench({ 'thread-count': '1' });
    for (let i = 0; i < 3; i++) await at.read(0);
    const write = at.write(1);
    expect(at.dump()['current_low_priority_threads']).toBe(1);
    await at.pool.end('w1');
    await write;
    expect(at.dump()['current_low_priority_threads']).toBe(0);
  });

  it('serves the clients in turn', async () => {
    const at = await bench({ 'thread-count': '1' });
    const [a, b] = [new Frame({ pid: 1, client: client('a') }), new Frame({ pid: 1, client: client('b') })];
    const all = [at.write(1, a), at.write(2, a), at.write(3, a), at.write(4, a), at.write(10, b), at.write(11, b)];
    const order: string[] = [];
    while (at.pool.inFlight > 0) {
      order.push(...at.pool.names);
      await at.pool.end(at.pool.names[0] ?? '');
    }
    await Promise.all(all);
    expect(order).toEqual(['w1', 'w2', 'w10', 'w3', 'w11', 'w4']);
  });

  it('internal clients get the least: one at a time, after the others, unless that is off', async () => {
    const at = await bench({ 'thread-count': '2' });
    const heal = new Frame({ pid: -6 });
    const all = [at.write(1, heal), at.write(2, heal), at.write(3)];
    expect(at.pool.names).toEqual(['w1', 'w3']);
    all.push(at.write(4));
    await at.pool.end('w1');
    expect(at.pool.names).toEqual(['w3', 'w4']);
    await at.pool.end('w3');
    expect(at.pool.names).toEqual(['w4', 'w2']);
    await at.pool.end('w4');
    await at.pool.end('w2');
    await Promise.all(all);
    const off = await bench({ 'enable-least-priority': 'off' });
    const both = [off.write(1, heal), off.write(2, heal)];
    expect(off.pool.names).toEqual(['w1', 'w2']);
    await off.pool.end('w1');
    await off.pool.end('w2');
    await Promise.all(both);
  });

  it('a class that is at its limit keeps no other from going', async () => {
    const at = await bench({ 'low-prio-threads': '1' });
    const all = [at.write(1), at.write(2), at.write(3, new Frame({ pid: -6 }))];
    expect(at.pool.names).toEqual(['w1', 'w3']);
    await at.pool.end('w1');
    await at.pool.end('w2');
    await at.pool.end('w3');
    await Promise.all(all);
  });

  it('answers EAGAIN when its queue is full, and goes on', async () => {
    const at = await bench({ 'thread-count': '1' });
    const all = Array.from({ length: 1 + 16384 }, (_, i) => at.write(i + 1));
    await expectErrno(at.write(0), Errno.EAGAIN);
    while (at.pool.inFlight > 0) {
      at.pool.running[0]?.end();
      await Promise.resolve();
      if (at.pool.inFlight === 0) await settle();
    }
    expect((await Promise.all(all)).length).toBe(16385);
  });

  it('a raised limit takes effect at once; pass-through bounds nothing', async () => {
    const at = await bench({ 'thread-count': '1' });
    const all = [1, 2, 3, 4].map((offset) => at.write(offset));
    await at.reconfigure({ 'thread-count': '2' });
    expect(at.pool.names).toEqual(['w1', 'w2']);
    await at.reconfigure({ 'thread-count': '1', 'pass-through': 'on' });
    all.push(at.write(5), at.write(6));
    expect(at.pool.names).toEqual(['w1', 'w2', 'w5', 'w6']);
    for (const name of ['w1', 'w2', 'w5', 'w6', 'w3', 'w4']) await at.pool.end(name);
    await Promise.all(all);
  });

  it('with cleanup-disconnected-reqs what a gone client had waiting is dropped, and only that', async () => {
    const at = await bench({ 'thread-count': '1', 'cleanup-disconnected-reqs': 'on' });
    const [a, b] = [client('a'), client('b')];
    const first = at.write(1);
    const gone = at.write(2, new Frame({ pid: 1, client: a }));
    const stays = at.write(3, new Frame({ pid: 1, client: b }));
    at.graph.find('top')?.client_disconnect?.(a);
    await expectErrno(gone, Errno.ENOTCONN);
    await at.pool.end('w1');
    await at.pool.end('w3');
    await Promise.all([first, stays]);
  });

  it('dumps what GlusterFS\'s dumps', async () => {
    const at = await bench();
    expect(at.dump()).toEqual({
      section: 'performance/io-threads.top', maximum_threads_count: 16, current_threads_count: 1, sleep_count: 1, idle_time: 120, stack_size: 262144,
      max_high_priority_threads: 16, max_normal_priority_threads: 16, max_low_priority_threads: 16, max_least_priority_threads: 1,
      current_high_priority_threads: 0, current_normal_priority_threads: 0, current_low_priority_threads: 0, current_least_priority_threads: 0,
    });
  });

  it('on a client it is out of the way', async () => {
    const network: XlatorDefinition = { type: 'protocol/client', options: [], create: (context) => new (class extends Xlator {})(context) };
    const platform = createPlatform();
    const graph = await Graph.load('volume c\n type protocol/client\n option a b\nend-volume\nvolume top\n type performance/io-threads\n subvolumes c\nend-volume\n', {
      platform, loader: new XlatorLoader().add(network, ...xlators), log: GlusterLogger.create('test', { sink: () => undefined, clock: platform.clock }),
    });
    expect(Object.keys(graph.find('top') ?? {}).includes('writev')).toBe(false);
    expect(graph.find('top')?.writev).toBeUndefined();
  });
});

complianceSuite({ name: 'performance/io-threads over storage/memory', makeGraph: () => testGraph(volfileOf('performance/io-threads'), [...memory, recorder, ...xlators]) });
