import { type CacheInvalidation, type Client, Dict, Frame, GfEvent, type Graph, type Iatt, Loc, type Platform, type Upcall, XattropOp, createPlatform } from '@glusterts/libglusterfs';
import { GraphDriver, complianceSuite, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';

const volfile = (...options: readonly string[]): string => `volume b\n type storage/memory\n option size 0\nend-volume\nvolume up\n type features/upcall\n${options.map((line) => ` option ${line}\n`).join('')} subvolumes b\nend-volume\n`;
const ON = volfile('cache-invalidation on', 'cache-invalidation-timeout 600');
const bytes = (text: string): Uint8Array => Buffer.from(text);

complianceSuite({ name: 'features/upcall, switched on', makeGraph: () => testGraph(ON, [...memory, ...xlators]) });

/** A brick and two of its clients. */
class Bench {
  readonly heard: { to: string; event: CacheInvalidation }[] = [];
  readonly graph: Graph;
  readonly a: GraphDriver;
  readonly b: GraphDriver;
  readonly clients: readonly Client[];
  static ms = 0;

  private constructor(graph: Graph) {
    this.graph = graph;
    this.clients = ['a', 'b'].map((uid): Client => ({ uid, ctx: new Map(), callback: () => undefined }));
    const [a, b] = this.clients.map((client) => new GraphDriver(graph.topSubvolume, graph, new Frame({ client })));
    if (!a || !b) throw new Error('two clients');
    this.a = a;
    this.b = b;
    graph.onTopEvent((event, data) => {
      if (event !== GfEvent.UPCALL) return;
      const upcall = data as Upcall;
      if (upcall.kind === 'cache-invalidation') this.heard.push({ to: upcall.client?.uid ?? '', event: upcall });
    });
  }

  static async make(text: string): Promise<Bench> {
    const real = createPlatform();
    const platform: Platform = { ...real, clock: { ...real.clock, monotonic: () => Bench.ms } };
    return new Bench(await testGraph(text, [...memory, ...xlators], { platform }));
  }

  /** What was told since the last call: `client flags`. */
  take(): string[] {
    return this.heard.splice(0).map(({ to, event }) => `${to} 0x${event.flags.toString(16)}`);
  }

  one(): CacheInvalidation {
    const all = this.heard.splice(0);
    expect(all).toHaveLength(1);
    const [first] = all;
    if (!first) throw new Error('nothing was told');
    return first.event;
  }
}

describe('features/upcall', () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await Bench.make(ON);
  });
  afterEach(async () => bench.graph.fini());

  const times = (stat: Iatt): string => `${stat.ia_mtime}.${stat.ia_mtime_nsec} ${stat.ia_ctime}.${stat.ia_ctime_nsec}`;

  it('tells the other client what GlusterFS\'s tells it (the sequence of vectors/upcall.json)', async () => {
    const { a, b } = bench;
    await b.root();
    await a.mkdir('/d');
    const made = bench.one();
    expect([made.flags, made.expire_time_attr, times(made.stat), made.parent_stat.isNull]).toEqual([0x10, 600, times(await a.lookup('/')), true]);
    const fd = await a.create('/d/f');
    for (const path of ['/d', '/d/f']) await b.lookup(path);
    await a.write(fd, bytes('more'), 0);
    const written = bench.one();
    expect([written.flags, written.stat.ia_size, written.dict]).toEqual([0x18, 4, undefined]);
    await a.chmod('/d/f', 0o600);
    expect(bench.take()).toEqual(['b 0x45e']);
    await a.chown('/d/f', 1, 1);
    expect(bench.take()).toEqual(['b 0x5e']);
    await a.rename('/d/f', '/d/g');
    const renamed = bench.one();
    const dir = await a.lookup('/d');
    expect([renamed.flags, renamed.stat.ia_size, renamed.parent_stat.ia_gfid, renamed.oldparent_stat.ia_gfid, times(renamed.parent_stat)]).toEqual([0x280, 4, dir.ia_gfid, dir.ia_gfid, times(dir)]);
    await a.link('/d/g', '/d/h');
    const linked = bench.one();
    expect([linked.flags, linked.stat.ia_nlink, linked.parent_stat.ia_gfid, linked.oldparent_stat.isNull]).toEqual([0x211, 2, dir.ia_gfid, true]);
    await a.unlink('/d/h');
    const unlinked = bench.one();
    expect([unlinked.flags, unlinked.stat.isNull, unlinked.parent_stat.ia_gfid]).toEqual([0x211, true, dir.ia_gfid]);
    await a.close(await a.create('/d/new'));
    expect(bench.take()).toEqual(['b 0x10']);
    await a.unlink('/d/g');
    expect(bench.take()).toEqual(['b 0x211']);
    await a.close(fd);
  });

  it('tells nothing to the client that does it, nor to one that has not used the inode, nor of the brick\'s own fops', async () => {
    const { a, b } = bench;
    await a.writeFile('/f', bytes('1'));
    await a.writeFile('/f', bytes('2'));
    expect(bench.take()).toEqual([]);
    await b.lookup('/f');
    const own = new GraphDriver(bench.graph.topSubvolume, bench.graph, new Frame());
    await own.writeFile('/f', bytes('3'));
    expect(bench.take()).toEqual([]);
  });

  it.each([
    ['stat', (d: GraphDriver) => d.stat('/f')],
    ['open and read', (d: GraphDriver) => d.readFile('/f')],
    ['getxattr', (d: GraphDriver) => d.getxattr('/f', 'user.none').catch(() => d.getxattr('/f', 'user.a'))],
    ['a listing', async (d: GraphDriver) => {
      const fd = await d.open('/');
      const { entries } = await d.subvolume.readdirp(d.frame, fd, 65536, 0n, undefined);
      // As protocol/server does.
      for (const { inode, name, stat } of entries) if (inode && name !== '.' && name !== '..') d.graph.inodeTable.link(inode, fd.inode, name, stat);
      await d.close(fd);
    }],
  ] as const)('%s makes a client one that is told', async (_, use) => {
    const { a, b } = bench;
    await a.writeFile('/f', bytes('1'));
    await a.setxattr('/f', 'user.a', bytes('1'));
    await use(b);
    bench.take();
    await a.truncate('/f', 0);
    expect(bench.take()).toEqual(['b 0x18']);
  });

  it('tells those that know only the directory of what goes from it or moves into it', async () => {
    const { a, b } = bench;
    await a.mkdir('/d');
    await b.lookup('/d');
    await a.writeFile('/d/f', bytes('1'));
    expect(bench.take()).toEqual(['b 0x10']);
    for (const change of [() => a.link('/d/f', '/d/g'), () => a.rename('/d/g', '/d/h'), () => a.rename('/d/h', '/h'), () => a.unlink('/d/f')]) {
      await change();
      const told = bench.one();
      expect([told.flags, times(told.stat)]).toEqual([0x10, times(await a.lookup('/d'))]);
    }
  });

  it('forgets who has done nothing for the timeout', async () => {
    const { a, b } = bench;
    await a.writeFile('/f', bytes('1'));
    await b.lookup('/f');
    Bench.ms += 599_000;
    await a.truncate('/f', 5);
    expect(bench.take()).toEqual(['b 0x18']);
    Bench.ms += 1000;
    await a.truncate('/f', 6);
    expect(bench.take()).toEqual([]);
    await b.lookup('/f');
    await a.truncate('/f', 7);
    expect(bench.take()).toEqual(['b 0x18']);
  });

  it('tells nothing to a client that is gone', async () => {
    const { a, b } = bench;
    await a.writeFile('/f', bytes('1'));
    await b.lookup('/f');
    const gone = bench.clients[1];
    if (gone) for (const xlator of bench.graph.xlators) xlator.client_disconnect?.(gone);
    await a.truncate('/f', 5);
    expect(bench.take()).toEqual([]);
  });

  it('tells everybody, the last user included, when the brick forgets the inode', async () => {
    const { a, b } = bench;
    await a.writeFile('/f', bytes('1'));
    await b.lookup('/f');
    bench.take();
    bench.graph.inodeTable.clear();
    expect(bench.take().filter((line) => line.endsWith('0x100')).sort()).toEqual(['a 0x100', 'b 0x100']);
  });

  it('tells of xattrs that somebody registered, and of no others', async () => {
    const { a, b } = bench;
    await a.writeFile('/f', bytes('1'));
    await b.lookup('/f');
    bench.take();
    await a.setxattr('/f', 'user.a', bytes('1'));
    expect(bench.take()).toEqual([]);
    await b.subvolume.ipc(b.frame, 2, new Dict().setInt('user.DosStream.*', 0).setInt('user.a', 0));
    const loc = (await a.resolve('/f')).loc;
    await a.subvolume.setxattr(a.frame, loc, new Dict().setBin('user.a', bytes('2')).setBin('user.b', bytes('3')), 0, undefined);
    const set = bench.one();
    expect([set.flags & ~0x10, set.dict?.keys()]).toEqual([0x400, ['user.a']]);
    await a.setxattr('/f', 'user.DosStream.x', bytes('1'));
    expect(bench.one().dict?.keys()).toEqual(['user.DosStream.x']);
    await a.removexattr('/f', 'user.a');
    const removed = bench.one();
    expect([removed.flags & ~0x10, removed.dict?.keys()]).toEqual([0x800, ['user.a']]);
  });

  it('of pending counts only the first one is told', async () => {
    const { a, b } = bench;
    await a.writeFile('/f', bytes('1'));
    await b.lookup('/f');
    await b.subvolume.ipc(b.frame, 2, new Dict().setInt('trusted.afr.v-client-0', 0));
    bench.take();
    const { loc } = await a.resolve('/f');
    const mark = (count: number): Promise<unknown> => a.subvolume.xattrop(a.frame, new Loc({ inode: loc.inode }), XattropOp.ADD_ARRAY, new Dict().setBin('trusted.afr.v-client-0', Uint8Array.from([0, 0, 0, count, 0, 0, 0, 0, 0, 0, 0, 0])), undefined);
    await mark(0);
    expect(bench.take()).toEqual([]);
    await mark(1);
    expect(bench.take()).toEqual(['b 0x400']);
    await mark(1);
    expect(bench.take()).toEqual([]);
  });

  it('is switched on and off while it runs; ipc is answered in any case', async () => {
    const off = await Bench.make(volfile('cache-invalidation off'));
    try {
      await off.a.writeFile('/f', bytes('1'));
      await off.b.lookup('/f');
      await off.b.subvolume.ipc(off.b.frame, 2, new Dict().setInt('user.a', 0));
      await off.a.truncate('/f', 2);
      expect(off.take()).toEqual([]);
      expect(await off.graph.reconfigure(ON)).toBe('reconfigured');
      await off.b.lookup('/f');
      await off.a.truncate('/f', 3);
      expect(off.take()).toEqual(['b 0x18']);
      expect(await off.graph.reconfigure(volfile('cache-invalidation off'))).toBe('reconfigured');
      await off.a.truncate('/f', 4);
      expect(off.take()).toEqual([]);
    } finally {
      await off.graph.fini();
    }
  });
});
