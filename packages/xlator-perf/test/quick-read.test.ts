import { Dict, Errno, Fd, GfEvent, type Graph, Iatt, type Inode, Loc, OpenFlag, type Platform, type Bytes } from '@glusterts/libglusterfs';
import { GraphDriver, complianceSuite, expectErrno, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { type Recorder, clockedPlatform, recorder, recorderOf, volfileOf } from './recorder.js';

const definitions = [...memory, recorder, ...xlators];
const DATA = Buffer.from('some data');

interface Bench { volfile: string; graph: Graph; driver: GraphDriver; seen: Recorder; platform: Platform & { advance(ms: number): void }; other: GraphDriver }

let shares = 0;

/** A graph with quick-read, and another client of the same files. */
async function bench(options: Record<string, string> = {}): Promise<Bench> {
  const platform = clockedPlatform();
  const share = `option share quick-read-${++shares}\nend-volume`;
  const volfile = volfileOf('performance/quick-read').replace('end-volume', share);
  const graph = await testGraph(volfileOf('performance/quick-read', options).replace('end-volume', share), definitions, { platform });
  const twin = await testGraph(`volume brick\n type storage/memory\n ${share}\n`, memory);
  const other = new GraphDriver(twin.topSubvolume, twin);
  await other.writeFile('/f', DATA);
  platform.advance(10);
  const seen = recorderOf(graph);
  return { volfile, graph, driver: new GraphDriver(graph.topSubvolume, graph), seen, platform, other };
}

async function reads({ driver, seen }: Bench, path = '/f'): Promise<{ text: string; asked: boolean }> {
  const fd = await driver.open(path, OpenFlag.RDONLY);
  seen.taken();
  const text = Buffer.from(await driver.read(fd, 4096, 0)).toString();
  const asked = seen.taken().includes('readv');
  await driver.close(fd);
  return { text, asked };
}

const contentAsked = (seen: Recorder): unknown => (seen.args.at(-1)?.[2] as Dict | undefined)?.getNumber('glusterfs.content');

describe('performance/quick-read', () => {
  it('a lookup asks for the content, reads are answered from it, and a lookup that finds it cached does not ask', async () => {
    const at = await bench();
    await at.driver.lookup('/f');
    expect(contentAsked(at.seen)).toBe(65536);
    expect(await reads(at)).toEqual({ text: 'some data', asked: false });
    await at.driver.lookup('/f');
    expect(contentAsked(at.seen)).toBeUndefined();
    await at.graph.fini();
  });

  it('a part of the content is served with the attributes that came with it; reading at its end goes down', async () => {
    const at = await bench();
    const stat = await at.driver.lookup('/f');
    const fd = await at.driver.open('/f', OpenFlag.RDONLY);
    const reply = await at.driver.subvolume.readv(at.driver.frame, fd, 4, 5, 0, undefined);
    expect(Buffer.from(reply.vector.toUint8Array()).toString()).toBe('data');
    expect([reply.eof, reply.stat.ia_size, reply.stat.ia_mtime_nsec]).toEqual([true, 9, stat.ia_mtime_nsec]);
    expect((await at.driver.subvolume.readv(at.driver.frame, fd, 4, 0, 0, undefined)).eof).toBe(false);
    expect(at.seen.taken()).not.toContain('readv');
    expect((await at.driver.read(fd, 10, 9)).length).toBe(0);
    expect(at.seen.taken()).toEqual(['readv']);
    await at.driver.close(fd);
    await at.graph.fini();
  });

  it('what was confirmed longer ago than cache-timeout is not served; a lookup with the same mtime confirms it', async () => {
    const at = await bench();
    await at.driver.lookup('/f');
    const fd = await at.driver.open('/f', OpenFlag.RDONLY);
    at.platform.advance(999);
    at.seen.taken();
    await at.driver.read(fd, 10, 0);
    expect(at.seen.taken()).toEqual([]);
    at.platform.advance(1);
    await at.driver.read(fd, 10, 0);
    expect(at.seen.taken()).toEqual(['readv']);
    await at.driver.lookup('/f');
    at.seen.taken();
    await at.driver.read(fd, 10, 0);
    expect(at.seen.taken()).toEqual([]);
    await at.driver.close(fd);
    await at.graph.fini();
  });

  it('a listing confirms, or drops what changed', async () => {
    const at = await bench();
    await at.driver.lookup('/f');
    const fd = await at.driver.open('/f', OpenFlag.RDONLY);
    at.platform.advance(1500);
    await at.driver.list('/');
    at.seen.taken();
    await at.driver.read(fd, 10, 0);
    expect(at.seen.taken()).toEqual([]);
    await at.other.writeFile('/f', Buffer.from('SOME DATA'));
    await at.driver.list('/');
    expect(Buffer.from(await at.driver.read(fd, 10, 0)).toString()).toBe('SOME DATA');
    await at.driver.close(fd);
    await at.graph.fini();
  });

  it('the first read of a small file that only a listing has told of is answered by one lookup, without an open', async () => {
    const at = await bench();
    await at.other.writeFile('/large', Buffer.alloc(70000));
    for (const [name, fops] of [['f', ['lookup']], ['large', ['readv']]] as const) {
      await at.driver.lookup(`/${name}`);
      // As after cache-size was reached: nothing is kept.
      const { inode } = await at.driver.resolve(`/${name}`);
      at.driver.subvolume.xlator.forget?.(inode);
      await at.driver.list('/');
      const fd = new Fd(inode, { flags: OpenFlag.RDONLY, anonymous: true });
      at.seen.taken();
      const { vector } = await at.driver.subvolume.readv(at.driver.frame, fd, 4096, 0, 0, undefined);
      expect(vector.size).toBe(name === 'f' ? 9 : 4096);
      vector.unref();
      expect(at.seen.taken()).toEqual(fops);
      fd.unref();
    }
    await at.graph.fini();
  });

  it('keeps what a listing that stands for lookups brings: of files that it vouches for, when it is whole', async () => {
    const at = await bench();
    const names = ['f', 'short', 'doubtful'] as const;
    for (const name of names.slice(1)) await at.other.writeFile(`/${name}`, DATA);
    const inodes = new Map<string, Inode>();
    for (const name of names) {
      const { inode } = await at.driver.resolve(`/${name}`);
      at.driver.subvolume.xlator.forget?.(inode);
      inodes.set(name, inode);
    }
    at.seen.entry = (entry, request) => {
      if (!request?.has('glusterfs.content')) return;
      entry.dict = new Dict().setBin('glusterfs.content', Buffer.from(entry.name === 'short' ? 'some' : 'SOME DATA'));
      if (entry.name !== 'doubtful') entry.dict.setUint('glusterts.agreed', 1);
    };
    const { root } = at.graph.inodeTable;
    const list = async (request: Dict | undefined): Promise<void> => {
      const fd = new Fd(root);
      await at.driver.subvolume.opendir(at.driver.frame, new Loc({ inode: root }), fd, undefined);
      const { entries } = await at.driver.subvolume.readdirp(at.driver.frame, fd, 4096, 0n, request);
      expect(entries.length).toBeGreaterThanOrEqual(names.length);
      expect(entries.some(({ dict }) => dict?.has('glusterfs.content'))).toBe(false);
      fd.unref();
    };
    const text = async (name: string): Promise<string> => {
      const inode = inodes.get(name);
      if (!inode) throw new Error(name);
      const fd = new Fd(inode, { flags: OpenFlag.RDONLY, anonymous: true });
      at.seen.taken();
      const { vector } = await at.driver.subvolume.readv(at.driver.frame, fd, 4096, 0, 0, undefined);
      fd.unref();
      return `${Buffer.from(vector.toUint8Array()).toString()} ${at.seen.taken().join()}`;
    };
    await list(new Dict().setUint('glusterts.agreed', 1));
    expect(await text('f')).toBe('SOME DATA ');
    for (const name of names.slice(1)) expect(await text(name)).toBe('some data lookup');
    // A change ends it, and a listing that nobody meant for lookups brings nothing.
    const fd = await at.driver.open('/f', OpenFlag.RDWR);
    await at.driver.write(fd, Buffer.from('more data'), 0);
    await at.driver.close(fd);
    await list(undefined);
    expect(await text('f')).toBe('more data lookup');
    await at.graph.fini();
  });

  it('an open file whose name is gone, or is another file\'s now, is read by its fd', async () => {
    for (const replaced of [false, true]) {
      const at = await bench();
      await at.driver.lookup('/f');
      const fd = await at.driver.open('/f', OpenFlag.RDONLY);
      at.driver.subvolume.xlator.forget?.(fd.inode);
      await at.driver.list('/');
      await at.other.rename('/f', '/elsewhere');
      if (replaced) await at.other.writeFile('/f', Buffer.from('another'));
      at.seen.taken();
      expect(Buffer.from(await at.driver.read(fd, 4096, 0)).toString()).toBe('some data');
      expect(at.seen.taken()).toEqual(['lookup', 'readv']);
      await at.driver.close(fd);
      await at.graph.fini();
    }
  });

  it('a volume whose lookups bring no contents is asked once', async () => {
    const at = await bench();
    at.seen.withoutContents = true;
    const names = ['/f', '/g', '/h'];
    for (const name of names.slice(1)) await at.other.writeFile(name, DATA);
    const inodes: Inode[] = [];
    for (const name of names) inodes.push((await at.driver.resolve(name)).inode);
    const readAll = async (): Promise<readonly string[]> => {
      await at.driver.list('/');
      at.seen.taken();
      for (const inode of inodes) {
        const fd = new Fd(inode, { flags: OpenFlag.RDONLY, anonymous: true });
        (await at.driver.subvolume.readv(at.driver.frame, fd, 4096, 0, 0, undefined)).vector.unref();
        fd.unref();
      }
      return at.seen.taken();
    };
    expect(await readAll()).toEqual(['lookup', 'readv', 'readv', 'readv']);
    expect(await readAll()).toEqual(['readv', 'readv', 'readv']);
    await at.graph.fini();
  });

  it('another client\'s change is seen by the next lookup', async () => {
    const at = await bench();
    await at.driver.lookup('/f');
    await at.other.writeFile('/f', Buffer.from('SOME DATA'));
    const lookup = await reads(at);
    expect(lookup).toEqual({ text: 'SOME DATA', asked: true });
    expect(await reads(at)).toEqual({ text: 'SOME DATA', asked: false });
    await at.graph.fini();
  });

  it('files over max-file-size and of no bytes are read from the child', async () => {
    const at = await bench({ 'max-file-size': '8' });
    expect(await reads(at)).toEqual({ text: 'some data', asked: true });
    await at.other.writeFile('/g', Buffer.alloc(8, 65));
    expect(await reads(at, '/g')).toEqual({ text: 'AAAAAAAA', asked: false });
    await at.other.writeFile('/empty', Buffer.alloc(0));
    expect(await reads(at, '/empty')).toEqual({ text: '', asked: true });
    await at.graph.fini();
  });

  const changes: Record<string, (at: Bench, fd: Fd) => Promise<unknown>> = {
    writev: ({ driver }, fd) => driver.write(fd, Buffer.from('S'), 0),
    ftruncate: ({ driver }, fd) => driver.subvolume.ftruncate(driver.frame, fd, 1, undefined),
    truncate: ({ driver }) => driver.truncate('/f', 1),
    zerofill: ({ driver }, fd) => driver.subvolume.zerofill(driver.frame, fd, 0, 1, undefined),
    discard: ({ driver }, fd) => driver.subvolume.discard(driver.frame, fd, 0, 1, undefined),
    fallocate: ({ driver }, fd) => driver.subvolume.fallocate(driver.frame, fd, false, 0, 100, undefined),
    open: async ({ driver }) => driver.close(await driver.open('/f', OpenFlag.RDWR | OpenFlag.TRUNC)),
    create: async ({ driver }) => driver.close(await driver.create('/f', OpenFlag.RDWR | OpenFlag.CREAT | OpenFlag.TRUNC)),
  };
  it.each(Object.entries(changes))('%s drops the content', async (_fop, change) => {
    const at = await bench();
    const fd = await at.driver.open('/f');
    await at.driver.lookup('/f');
    try {
      await change(at, fd);
    } catch {
      // Whether the child does it or not: the file may have changed.
    }
    at.seen.taken();
    await at.driver.read(fd, 10, 0);
    expect(at.seen.taken()).toEqual(['readv']);
    await at.driver.close(fd);
    await at.graph.fini();
  });

  it.each([['with nothing cached', '0'], ['with content asked for', '64KB']])('a lookup that began before a write ended keeps nothing older than the write, %s before', async (_how, size) => {
    const at = await bench({ 'max-file-size': size });
    const fd = await at.driver.open('/f');
    if (size === '0') await at.graph.reconfigure(at.volfile);
    else await at.driver.write(fd, Buffer.from('a'), 0);
    // The child has answered the lookup; the answer is still on its way.
    const go = at.seen.hold('lookup', 'after');
    const lookup = at.driver.subvolume.lookup(at.driver.frame, new Loc({ inode: fd.inode, parent: at.graph.inodeTable.root, name: 'f' as Bytes }), undefined);
    await new Promise((resolve) => setImmediate(resolve));
    await at.driver.write(fd, Buffer.from('Z'), 0);
    go();
    await lookup;
    expect(Buffer.from(await at.driver.read(fd, 1, 0)).toString()).toBe('Z');
    await at.driver.close(fd);
    await at.graph.fini();
  });

  it('content that a lookup brings while a write is under way is dropped when the write is answered', async () => {
    const at = await bench();
    const fd = await at.driver.open('/f');
    const go = at.seen.hold('writev');
    const write = at.driver.write(fd, Buffer.from('Z'), 0);
    await at.driver.lookup('/f');
    go();
    await write;
    expect(Buffer.from(await at.driver.read(fd, 1, 0)).toString()).toBe('Z');
    await at.driver.close(fd);
    await at.graph.fini();
  });

  it('a failed lookup, and answers marked as bad, drop the content', async () => {
    const at = await bench();
    const fd = await at.driver.open('/f');
    at.seen.fail('lookup', Errno.EIO);
    await expectErrno(at.driver.lookup('/f'), Errno.EIO);
    at.seen.taken();
    at.seen.fail('lookup', undefined);
    await at.driver.read(fd, 10, 0);
    expect(at.seen.taken()).toEqual(['readv']);
    await at.driver.close(fd);
    await at.graph.fini();
  });

  it('content confirmed before a child went down is not served', async () => {
    const at = await bench();
    const fd = await at.driver.open('/f');
    at.platform.advance(1);
    at.seen.notify(GfEvent.SOME_DESCENDENT_DOWN);
    at.seen.taken();
    await at.driver.read(fd, 10, 0);
    expect(at.seen.taken()).toEqual(['readv']);
    await at.driver.close(fd);
    await at.graph.fini();
  });

  it('with ctime-invalidation a changed ctime drops the content, without it the mtime alone counts', async () => {
    for (const [value, asked] of [['on', true], ['off', false]] as const) {
      const at = await bench({ 'ctime-invalidation': value });
      const fd = await at.driver.open('/f');
      await at.other.chmod('/f', 0o600);
      await at.driver.lookup('/f');
      at.seen.taken();
      await at.driver.read(fd, 10, 0);
      expect(at.seen.taken().length > 0).toBe(asked);
      await at.driver.close(fd);
      await at.graph.fini();
    }
  });

  it('upcalls of changed data drop the content if they are to', async () => {
    for (const [value, asked] of [['on', true], ['off', false]] as const) {
      const at = await bench({ 'quick-read-cache-invalidation': value });
      const fd = await at.driver.open('/f');
      const stat = new Iatt();
      at.seen.notify(GfEvent.UPCALL, { kind: 'cache-invalidation', client: undefined, gfid: fd.inode.gfid, flags: 0x8, expire_time_attr: 0, stat, parent_stat: stat, oldparent_stat: stat, dict: undefined });
      at.seen.taken();
      await at.driver.read(fd, 10, 0);
      expect(at.seen.taken().length > 0).toBe(asked);
      await at.driver.close(fd);
      await at.graph.fini();
    }
  });

  it('over cache-size the file that was not read for the longest time goes; a higher priority stays', async () => {
    const at = await bench({ 'cache-size': '20', priority: '*.keep:1' });
    await at.other.writeFile('/x.keep', Buffer.alloc(9, 75));
    await reads(at, '/x.keep');
    await at.driver.close(await at.driver.open('/x.keep'));
    await reads(at, '/f');
    await at.other.writeFile('/g', Buffer.alloc(9, 71));
    const fd = await at.driver.open('/f');
    await at.driver.lookup('/g');
    at.seen.taken();
    await at.driver.read(fd, 10, 0);
    expect(at.seen.taken()).toEqual(['readv']);
    await at.driver.close(fd);
    const kept = await at.driver.open('/x.keep');
    at.seen.taken();
    await at.driver.read(kept, 10, 0);
    expect(at.seen.taken()).toEqual([]);
    await at.driver.close(kept);
    await at.graph.fini();
  });

  it('a listing is no use of a file: its content goes no later for it', async () => {
    const at = await bench({ 'cache-size': '20' });
    for (const name of ['/g', '/h']) await at.other.writeFile(name, DATA);
    const [f, g] = [await at.driver.open('/f'), await at.driver.open('/g')];
    await at.driver.read(f, 9, 0);
    expect((await at.driver.list('/')).map(({ name }) => name).filter((name) => !name.startsWith('.'))).toEqual(['f', 'g', 'h']);
    at.seen.taken();
    await at.driver.lookup('/h');
    await at.driver.read(f, 9, 0);
    expect(at.seen.taken()).toEqual(['lookup']);
    await at.driver.read(g, 9, 0);
    expect(at.seen.taken()).toEqual(['readv']);
    for (const fd of [f, g]) await at.driver.close(fd);
    await at.graph.fini();
  });

  it('refuses a cache larger than the machine\'s memory', async () => {
    await expect(testGraph(volfileOf('performance/quick-read', { 'cache-size': '900TB' }), definitions)).rejects.toThrow(/Not creating quick-read volume because cache size 989560464998400 is greater than \d+/);
  });

  it('dumps what GlusterFS\'s dumps', async () => {
    const at = await bench();
    await reads(at);
    const lines: string[] = [];
    at.graph.find('top')?.dump({ section: (title) => lines.push(`[${title}]`), write: (key, value) => lines.push(`${key}=${value}`) });
    expect(lines).toEqual(['[xlator.performance.quick-read.priv]', 'max_file_size=65536', 'cache_timeout=1', 'total_files_cached=1', 'total_cache_used=9', 'cache-hit=1', 'cache-miss=0', 'cache-invalidations=0']);
    at.graph.inodeTable.clear();
    const after: string[] = [];
    at.graph.find('top')?.dump({ section: () => undefined, write: (key, value) => after.push(`${key}=${value}`) });
    expect(after).toContain('total_cache_used=0');
    await at.graph.fini();
  });
});

complianceSuite({ name: 'performance/quick-read over storage/memory', makeGraph: () => testGraph(volfileOf('performance/quick-read'), definitions) });
complianceSuite({
  name: 'performance/quick-read over performance/open-behind',
  makeGraph: () => testGraph(`${volfileOf('performance/open-behind')}volume qr\n type performance/quick-read\n subvolumes top\nend-volume\n`, definitions),
});

describe('performance/quick-read below performance/md-cache', () => {
  it('keeps the new content of a file that another client changed', async () => {
    const platform = clockedPlatform();
    const share = `option share quick-read-${++shares}\nend-volume`;
    const volfile = `${volfileOf('performance/quick-read').replace('end-volume', share)}volume md\n type performance/md-cache\n subvolumes top\nend-volume\n`;
    const graph = await testGraph(volfile, definitions, { platform });
    const twin = await testGraph(`volume brick\n type storage/memory\n ${share}\n`, memory);
    const [driver, other, seen] = [new GraphDriver(graph.topSubvolume, graph), new GraphDriver(twin.topSubvolume, twin), recorderOf(graph)];
    await other.writeFile('/f', DATA);
    await driver.lookup('/f');
    for (const text of ['SOME DATA', 'more data', 'data again']) {
      // The first lookup finds the old content changed, the second one brings the new, and tells md-cache of one more change.
      for (const content of ['passing', text]) {
        await other.writeFile('/f', Buffer.from(content));
        platform.advance(1001);
        await driver.lookup('/f');
      }
      seen.taken();
      const fd = await driver.open('/f', OpenFlag.RDONLY);
      expect(Buffer.from(await driver.read(fd, 100, 0)).toString()).toBe(text);
      await driver.close(fd);
      expect(seen.taken()).not.toContain('readv');
    }
    await graph.fini();
    await twin.fini();
  });
});
