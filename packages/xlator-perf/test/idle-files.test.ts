import { type Bytes, Dict, Fd, GfEvent, Iatt, type Inode, Loc, OpenFlag, type Upcall } from '@glusterts/libglusterfs';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { afterEach, describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { mdCache } from '../src/md-cache/index.js';
import { InodeMetadata } from '../src/md-cache/inode-metadata.js';
import { OldMetadata } from '../src/md-cache/old-metadata.js';
import { type Recorder, clockedPlatform, recorder, recorderOf, volfileOf } from './recorder.js';
import { type TwoClients, inodeOf, likeWriteBehind, lookupOf, statOf, twoClients } from './two-clients.js';

const definitions = [...memory, recorder, ...xlators];
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

let bench: TwoClients | undefined;
afterEach(async () => {
  await bench?.down();
  bench = undefined;
});

/** What the layers keep of an inode, beside plain values. */
const kept = (inode: Inode): unknown[] => [inode.ctx0, inode.ctx1, inode.ctx2, inode.ctx3, inode.ctx4, inode.ctx5, inode.ctx6, inode.ctx7, ...inode.ctx].filter((cell) => typeof cell === 'object');

/** So much time passes, and so many answers come, that all that md-cache knew of the other files has grown old. */
async function growOld(b: TwoClients, files: number): Promise<void> {
  b.time.advance(70_000);
  for (let i = 0; i < files; i++) await b.ours.mknod(`/later${made++}`, 0o100644);
}
let made = 0;

interface Bench { driver: GraphDriver; seen: Recorder; end(): Promise<void> }

async function over(type: string, options: Record<string, string> = {}): Promise<Bench> {
  const platform = clockedPlatform();
  const graph = await testGraph(volfileOf(type, options), definitions, { platform });
  return { driver: new GraphDriver(graph.topSubvolume, graph), seen: recorderOf(graph), end: () => graph.fini() };
}

describe('files that are open nowhere', () => {
  it('have nothing kept of them in the default graph once what was known is old', async () => {
    const FILES = 1500;
    const names = ['write-behind', 'open-behind', 'quick-read', 'md-cache', 'io-threads'];
    const b = (bench = await twoClients(names.flatMap((name) => xlators.filter(({ type }) => type === `performance/${name}`))));
    const inodes: Inode[] = [];
    for (let i = 0; i < FILES; i++) {
      await b.ours.writeFile(`/f${i}`, Buffer.from('x'));
      await b.ours.stat(`/f${i}`);
      const fd = await b.ours.open(`/f${i}`, OpenFlag.RDONLY);
      await b.ours.read(fd, 10, 0);
      await b.ours.close(fd);
      await b.ours.writeFile(`/f${i}`, Buffer.from('y'));
      inodes.push(inodeOf(b, `f${i}`));
    }
    await growOld(b, FILES);
    // quick-read remembers of the last 1,024 when they were written to.
    expect(inodes.slice(0, FILES - 1024).flatMap(kept)).toEqual([]);
    expect(inodes.slice(FILES - 1024).filter((inode) => kept(inode).length > 1)).toEqual([]);
  });
});

describe('write-behind: a file that was closed', () => {
  it('while a listing was under way is listed without attributes all the same, and remembered no longer than that', async () => {
    const { driver, seen, end } = await over('performance/write-behind');
    await driver.writeFile('/f', Buffer.from(''));
    const fd = await driver.open('/f');
    const release = seen.hold('readdirp', 'after');
    const listing = driver.list('/');
    while (!seen.calls.includes('readdirp')) await turn();
    await driver.write(fd, Buffer.from('12345'), 0);
    await driver.close(fd);
    release();
    const entry = (await listing).find(({ name }) => name === 'f');
    expect(entry?.inode).toBeUndefined();
    expect(entry?.stat.isNull).toBe(true);
    expect(kept(fd.inode)).toEqual([]);
    expect((await driver.list('/')).find(({ name }) => name === 'f')?.stat.ia_size).toBe(5);
    await end();
  });

  it('is in statedumps all the same', async () => {
    const { driver, end } = await over('performance/write-behind');
    await driver.writeFile('/f', Buffer.from('12345'));
    await driver.mkdir('/d');
    const dumped = (name: string): string[] => {
      const lines: string[] = [];
      const inode = driver.graph.inodeTable.grep(driver.graph.inodeTable.root, name as Bytes);
      if (inode) driver.subvolume.xlator.dumpInode?.(inode, { section: (title) => lines.push(title), write: (key, value) => lines.push(`${key}=${value}`) });
      return lines;
    };
    expect(dumped('f')).toEqual(expect.arrayContaining(['xlator.performance.write-behind.wb_inode', 'path=/f', 'window_current=0', 'transit-size=0']));
    expect(dumped('d')).toEqual([]);
    await end();
  });

  it('while it was being made shorter is known to be short afterwards', async () => {
    const { driver, seen, end } = await over('performance/write-behind');
    const SIZE = 262_144;
    await driver.writeFile('/f', Buffer.alloc(SIZE, 1));
    const fd = await driver.open('/f');
    await driver.write(fd, Buffer.alloc(SIZE, 2), 0);
    await driver.fstat(fd);
    const release = seen.hold('truncate');
    const truncated = driver.truncate('/f', 0);
    while (!seen.calls.includes('truncate')) await turn();
    await driver.close(fd);
    const again = await driver.open('/f');
    expect((await driver.lookup('/f')).ia_size).toBe(SIZE);
    release();
    await truncated;
    const go = seen.hold('writev');
    seen.taken();
    // It leaves a hole: the write before it touches the same bytes.
    await driver.write(again, Buffer.alloc(10, 3), 200_000);
    await driver.write(again, Buffer.alloc(131_072, 4), 0);
    await turn();
    expect(seen.taken()).toEqual(['writev']);
    go();
    await driver.close(again);
    expect(Buffer.from(await driver.readFile('/f'))).toEqual(Buffer.concat([Buffer.alloc(131_072, 4), Buffer.alloc(200_000 - 131_072), Buffer.alloc(10, 3)]));
    await end();
  });
});

describe('quick-read: a file of which nothing is kept', () => {
  it('gets no content that was read before its last change, even when a thousand others have changed since', async () => {
    const { driver, seen, end } = await over('performance/quick-read');
    await driver.writeFile('/f', Buffer.from('old'));
    const [fd, ...others] = await Promise.all(['/f', ...Array.from({ length: 1100 }, (_, i) => `/g${i}`)].map((path) => (path === '/f' ? driver.open(path) : driver.create(path))));
    if (!fd) throw new Error('no fd');
    driver.subvolume.xlator.forget?.(fd.inode);
    const release = seen.hold('lookup', 'after');
    seen.taken();
    const early = driver.lookup('/f');
    while (!seen.calls.includes('lookup')) await turn();
    await driver.write(fd, Buffer.from('new'), 0);
    for (const other of others) await driver.write(other, Buffer.from('x'), 0);
    release();
    await early;
    seen.taken();
    expect(Buffer.from(await driver.read(fd, 10, 0)).toString()).toBe('new');
    expect(seen.taken()).toContain('readv');
    await end();
  });

  it('gets what a listing brings, though the same listing has shown the file that makes room for it to be unchanged', async () => {
    const { driver, seen, end } = await over('performance/quick-read', { 'cache-size': '8' });
    for (const name of ['/a', '/b', '/c', '/d']) await driver.writeFile(name, Buffer.from('data'));
    const names: string[] = [];
    seen.entry = (entry) => {
      if (entry.stat.ia_size === 4) names.push(entry.name);
      entry.dict = new Dict().setBin('glusterfs.content', Buffer.from('data')).setUint('glusterts.agreed', 1);
    };
    const { root } = driver.graph.inodeTable;
    for (const name of ['a', 'b', 'c', 'd']) driver.subvolume.xlator.forget?.(driver.graph.inodeTable.grep(root, name as Bytes) as Inode);
    const directory = new Fd(root);
    await driver.subvolume.opendir(driver.frame, new Loc({ inode: root }), directory, undefined);
    await driver.subvolume.readdirp(driver.frame, directory, 4096, 0n, new Dict().setUint('glusterts.agreed', 1));
    directory.unref();
    seen.taken();
    // There is room for two.
    for (const name of names.slice(-2)) {
      const inode = driver.graph.inodeTable.grep(root, name as Bytes);
      if (!inode) throw new Error(name);
      const fd = new Fd(inode, { flags: OpenFlag.RDONLY, anonymous: true });
      expect(Buffer.from(await driver.read(fd, 10, 0)).toString()).toBe('data');
      fd.unref();
    }
    expect(names).toHaveLength(4);
    expect(seen.taken()).toEqual([]);
    await end();
  });
});

describe('md-cache: what has grown old', () => {
  const start = async (...options: string[]): Promise<TwoClients> => (bench = await twoClients(mdCache, options));
  const old = async (b: TwoClients, name: string): Promise<void> => {
    await growOld(b, 20);
    expect(kept(inodeOf(b, name))).toEqual([]);
  };

  it('still tells that a file was changed by others', async () => {
    const b = await start();
    await b.ours.writeFile('/f', Buffer.from('1'));
    await b.ours.stat('/f');
    await old(b, 'f');
    const heard: Inode[] = [];
    b.graph.onInvalidate((inode) => heard.push(inode));
    await statOf(b, 'f');
    expect(heard).toEqual([]);
    await old(b, 'f');
    await b.other.writeFile('/f', Buffer.from('2'));
    await statOf(b, 'f');
    expect(heard).toEqual([inodeOf(b, 'f')]);
  });

  it('still tells that an answer was asked for before a change', async () => {
    const b = await start();
    likeWriteBehind(b);
    const fd = await b.ours.create('/f');
    b.time.advance(5000);
    const held = b.gate.hold('fstat');
    const early = b.ours.fstat(fd);
    await held.answered;
    await b.ours.write(fd, Buffer.from('12345'), 0);
    await old(b, 'f');
    held.release();
    expect((await early).ia_size).toBe(0);
    expect((await b.ours.fstat(fd)).ia_size).toBe(5);
    await b.ours.close(fd);
  });

  it('still tells that written data may be waiting below', async () => {
    const b = await start();
    likeWriteBehind(b);
    const fd = await b.ours.create('/f');
    await b.ours.write(fd, Buffer.from('12345'), 0);
    await old(b, 'f');
    await b.ours.read(fd, 5, 0);
    b.gate.take();
    await b.ours.fstat(fd);
    expect(b.gate.take()).toEqual(['fstat']);
    await b.ours.close(fd);
  });

  it('still tells that a lookup was asked for', async () => {
    const b = await start('cache-invalidation on');
    await b.ours.writeFile('/f', Buffer.from('1'));
    const ask = (): void => b.graph.find('gate')?.parents[0]?.notify(GfEvent.UPCALL, { kind: 'cache-invalidation', client: undefined, gfid: inodeOf(b, 'f').gfid, flags: 0x1000, expire_time_attr: 60, stat: new Iatt(), parent_stat: new Iatt(), oldparent_stat: new Iatt(), dict: undefined } as Upcall);
    ask();
    await old(b, 'f');
    await statOf(b, 'f');
    b.gate.take();
    await lookupOf(b, 'f');
    expect(b.gate.take()).toEqual(['lookup']);
    ask();
    await old(b, 'f');
    b.gate.take();
    await lookupOf(b, 'f');
    expect(b.gate.take()).toEqual(['lookup']);
    await lookupOf(b, 'f');
    expect(b.gate.take()).toEqual([]);
  });

  it('of one file is not another\'s, whoever comes and goes', async () => {
    const b = await start();
    for (const name of ['a', 'b', 'c']) await b.ours.writeFile(`/${name}`, Buffer.from(name));
    await old(b, 'a');
    const gone = inodeOf(b, 'b');
    b.graph.inodeTable.unlink(gone, b.graph.inodeTable.root, 'b' as Bytes);
    const heard: Inode[] = [];
    b.graph.onInvalidate((inode) => heard.push(inode));
    for (const name of ['d', 'e']) await b.ours.writeFile(`/${name}`, Buffer.from(name));
    await old(b, 'd');
    const { entries } = b.graph.inodeTable.root;
    for (const name of [...(entries ?? new Map<Bytes, Inode>()).keys()]) await statOf(b, name);
    expect(entries?.size).toBeGreaterThan(40);
    expect(heard).toEqual([]);
    await b.other.writeFile('/c', Buffer.from('C'));
    await old(b, 'a');
    for (const name of ['a', 'c', 'd', 'e']) await statOf(b, name);
    expect(heard).toEqual([inodeOf(b, 'c')]);
  });

  it('lies in tables of numbers, in which each has a place of its own, and places of those that have gone are used again', () => {
    const COUNT = 10_000;
    const table = new OldMetadata();
    const known = (i: number): InodeMetadata => Object.assign(new InodeMetadata(undefined, 0), { since: 7 * i, generation: 2 ** 40 + i, mtime: -i, mtime_nsec: 999_999_999 - i, ctime: 2 ** 33 + i, ctime_nsec: i, valid: i % 2 === 0, writesPending: i % 3 === 0, needsLookup: i % 5 === 0 });
    const places = Array.from({ length: COUNT }, (_, i) => table.put(known(i)));
    expect(new Set(places).size).toBe(COUNT);
    for (const [i, place] of places.entries()) if (i % 2 === 1) table.drop(place);
    const again = Array.from({ length: COUNT / 2 }, (_, i) => table.put(known(COUNT + i)));
    expect(new Set(again)).toEqual(new Set(places.filter((_, i) => i % 2 === 1)));
    const takes = (place: number, i: number): void => {
      const taken = new InodeMetadata(undefined, 0);
      expect(table.needsLookup(place)).toBe(i % 5 === 0);
      table.take(place, taken);
      expect(taken).toEqual(known(i));
    };
    for (const [i, place] of places.entries()) if (i % 2 === 0) takes(place, i);
    for (const [i, place] of again.entries()) takes(place, COUNT + i);
    expect(Math.max(...Array.from({ length: COUNT }, (_, i) => table.put(known(i))))).toBe(COUNT - 1);
  });
});
