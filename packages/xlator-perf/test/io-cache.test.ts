import { type Bytes, Errno, type Fd, FopError, GfEvent, Iatt, LkCmd, LkType, OpenFlag, type ReadReply, SetAttr, type StatReply, type Upcall } from '@glusterts/libglusterfs';
import { complianceSuite, expectErrno } from '@glusterts/xlator-compliance';
import { afterEach, describe, expect, it } from 'vitest';
import { ioCache } from '../src/io-cache/index.js';
import { type TwoClients, twoClients } from './two-clients.js';

const PAGE = 131072;

complianceSuite({ name: 'performance/io-cache over storage/memory', makeGraph: async () => (await twoClients(ioCache)).graph });

let bench: TwoClients | undefined;
afterEach(async () => {
  await bench?.down();
  bench = undefined;
});

type Opened = TwoClients & { fd: Fd };

/** A file of so many pages, each of bytes of its own number, with a few bytes of the next, and an fd on it. */
async function opened(pages: number, options: readonly string[] = [], flags: number = OpenFlag.RDWR): Promise<Opened> {
  const at = (bench = await twoClients(ioCache, options));
  await at.other.writeFile('/f', content(pages));
  const fd = await at.ours.open('/f', flags);
  at.gate.take();
  return { ...at, fd };
}

function content(pages: number): Buffer {
  const bytes = Buffer.alloc(pages * PAGE + 5);
  for (let page = 0; page <= pages; page++) bytes.fill(page + 1, page * PAGE);
  return bytes;
}

/** What came down since the last time: `offset+size` of readvs in pages, other fops by name. */
function came({ gate }: TwoClients): string[] {
  const seen = gate.seen.map((fop, i) => (fop === 'readv' ? `${Number(gate.args[i]?.[3]) / PAGE}+${Number(gate.args[i]?.[2]) / PAGE}` : fop));
  gate.take();
  return seen;
}

/** The distinct bytes of a read. */
const read = async (at: Opened, offset: number, size: number): Promise<number[]> => [...new Set(await at.ours.read(at.fd, size, offset))];

function shown({ graph }: TwoClients): Record<string, number> {
  const found: Record<string, number> = {};
  graph.top.dump({ section: () => undefined, write: (key, value) => void (found[key] = Number(value)) });
  return found;
}

describe('performance/io-cache', () => {
  it('a read brings whole pages, and those are not asked for again', async () => {
    const at = await opened(4);
    expect(await read(at, 10, 100)).toEqual([1]);
    expect(came(at)).toEqual(['0+1']);
    expect(await read(at, 5000, 100_000)).toEqual([1]);
    expect(came(at)).toEqual([]);
    expect(await read(at, 100_000, 2 * PAGE)).toEqual([1, 2, 3]);
    expect(came(at)).toEqual(['1+2']);
    expect(await read(at, 0, 16 * PAGE)).toEqual([1, 2, 3, 4, 5]);
    // Eight pages at a time.
    expect(came(at)).toEqual(['3+8', '11+5']);
    expect(await at.ours.read(at.fd, 100, 4 * PAGE)).toHaveLength(5);
    expect(came(at)).toEqual([]);
    await at.ours.close(at.fd);
  });

  it('a read behind the end is always asked for: the file may have grown', async () => {
    const at = await opened(0);
    expect(await read(at, 0, 100)).toEqual([1]);
    came(at);
    expect(await read(at, 5, 100)).toEqual([]);
    expect(came(at)).toEqual([`${5 / PAGE}+${100 / PAGE}`]);
    const fd = await at.other.open('/f');
    await at.other.write(fd, Buffer.from([7]), 5);
    expect(await read(at, 5, 100)).toEqual([7]);
    await at.other.close(fd);
    await at.ours.close(at.fd);
  });

  it('two readers of a page share one readv', async () => {
    const at = await opened(2);
    const held = at.gate.hold('readv');
    const both = [read(at, 0, 100), read(at, 1000, 100)];
    held.release();
    expect(await Promise.all(both)).toEqual([[1], [1]]);
    expect(came(at)).toEqual(['0+1']);
    await at.ours.close(at.fd);
  });

  it('the error of another’s readv is not the reader’s own', async () => {
    const at = await opened(2);
    const held = at.gate.hold('readv');
    let count = 0;
    at.gate.alter<ReadReply>('readv', (reply) => {
      if (count++ > 0) return reply;
      reply.vector.unref();
      throw new FopError(Errno.EIO);
    });
    const first = read(at, 0, 100);
    const second = read(at, 1000, 100);
    held.release();
    await expectErrno(first, Errno.EIO);
    expect(await second).toEqual([1]);
    at.gate.alter('readv', undefined);
    await at.ours.close(at.fd);
  });

  it('after cache-timeout one fstat tells for all readers whether the pages are still good', async () => {
    const at = await opened(2);
    await read(at, 0, 2 * PAGE);
    came(at);
    at.time.advance(999);
    await read(at, 0, 2 * PAGE);
    expect(came(at)).toEqual([]);
    at.time.advance(1);
    const held = at.gate.hold('fstat');
    const all = [read(at, 0, 100), read(at, PAGE, 100), read(at, 50, 2 * PAGE - 50)];
    held.release();
    expect(await Promise.all(all)).toEqual([[1], [2], [1, 2]]);
    expect(came(at)).toEqual(['fstat']);
    await at.ours.close(at.fd);
  });

  it('pages of a file that has another mtime, ctime or size are dropped, and read again', async () => {
    const at = await opened(2);
    await read(at, 0, 2 * PAGE);
    const theirs = await at.other.open('/f');
    const { ia_mtime, ia_mtime_nsec } = await at.other.fstat(theirs);
    await at.other.write(theirs, Buffer.alloc(PAGE, 9), 0);
    // As rsync and cp -p do.
    await at.other.setattr('/f', Object.assign(new Iatt(), { ia_mtime, ia_mtime_nsec }), SetAttr.MTIME);
    at.time.advance(1000);
    came(at);
    expect(await read(at, 0, 2 * PAGE)).toEqual([9, 2]);
    expect(came(at)).toEqual(['fstat', '0+2']);
    await at.other.close(theirs);
    await at.ours.close(at.fd);
  });

  it('a page that is fetched shows that the others are old', async () => {
    const at = await opened(4);
    await read(at, 0, PAGE);
    const theirs = await at.other.open('/f');
    await at.other.write(theirs, Buffer.alloc(PAGE, 9), 0);
    await read(at, PAGE, PAGE);
    came(at);
    expect(await read(at, 0, PAGE)).toEqual([9]);
    expect(came(at)).toEqual(['0+1']);
    await at.other.close(theirs);
    await at.ours.close(at.fd);
  });

  it('lookups and listings that show another mtime drop the pages', async () => {
    const at = await opened(2);
    for (const look of [() => at.ours.lookup('/f'), () => at.ours.list('/')] as (() => Promise<unknown>)[]) {
      const theirs = await at.other.open('/f');
      await at.other.write(theirs, Buffer.alloc(100, 1), 0);
      await at.other.close(theirs);
      await read(at, 0, PAGE);
      expect(shown(at)['cache_used']).toBeGreaterThan(0);
      await look();
      expect(shown(at)['cache_used'], String(look)).toBeGreaterThan(0);
      await at.other.writeFile('/f', content(2));
      await look();
      expect(shown(at)['cache_used'], String(look)).toBe(0);
    }
    await at.ours.close(at.fd);
  });

  it('a write drops what it touches and the end, and keeps the rest; what was on its way is not kept', async () => {
    const at = await opened(4);
    await read(at, 0, 4 * PAGE + 5);
    const held = at.gate.hold('writev');
    const writing = at.ours.write(at.fd, Buffer.alloc(10, 77), PAGE + 5);
    came(at);
    const early = read(at, PAGE, 20);
    held.release();
    await Promise.all([writing, early]);
    came(at);
    expect(await read(at, PAGE, 20)).toEqual([2, 77]);
    expect(await read(at, 3 * PAGE, 20)).toEqual([4]);
    expect(came(at)[0]).toBe('1+1');
    await at.ours.close(at.fd);
  });

  it('all other changes drop all pages', async () => {
    const at = await opened(4);
    const { subvolume, frame } = at.ours;
    const times = Object.assign(new Iatt(), { ia_mtime: 1, ia_size: 300_000 });
    const { loc } = await at.ours.resolve('/f');
    const changes: (() => Promise<unknown>)[] = [
      () => at.ours.truncate('/f', 3 * PAGE),
      () => subvolume.ftruncate(frame, at.fd, 2 * PAGE, undefined),
      () => subvolume.discard(frame, at.fd, 0, 10, undefined),
      () => subvolume.zerofill(frame, at.fd, 0, 10, undefined),
      () => subvolume.fallocate(frame, at.fd, false, 0, 10, undefined),
      () => subvolume.copy_file_range(frame, at.fd, 0, at.fd, 100, 10, 0, undefined),
      () => subvolume.setattr(frame, loc, times, SetAttr.MTIME, undefined),
      () => subvolume.fsetattr(frame, at.fd, times, SetAttr.MTIME, undefined),
      async () => (await at.ours.open('/f', OpenFlag.RDWR | OpenFlag.TRUNC)).unref(),
      async () => at.graph.invalidate(at.fd.inode),
      async () => at.gate.notify(GfEvent.UPCALL, { kind: 'cache-invalidation', client: undefined, gfid: at.fd.inode.gfid, flags: 8 } as Upcall),
    ];
    for (const change of changes) {
      await at.other.writeFile('/f', content(2));
      await read(at, 0, PAGE);
      expect(shown(at)['cache_used']).toBeGreaterThan(0);
      await change();
      expect(shown(at)['cache_used'], String(change)).toBe(0);
    }
    await at.ours.close(at.fd);
  });

  it('after a lock, and after the brick was away, the pages are confirmed before they are served', async () => {
    const at = await opened(2);
    await read(at, 0, 100);
    came(at);
    await at.ours.subvolume.lk(at.ours.frame, at.fd, LkCmd.SETLK, { type: LkType.RDLCK, whence: 0, start: 0n, len: 0n, pid: 1, owner: '' as Bytes }, undefined);
    await read(at, 0, 100);
    expect(came(at)).toEqual(['lk', 'fstat']);
    at.gate.notify(GfEvent.CHILD_DOWN);
    at.gate.notify(GfEvent.CHILD_UP);
    at.time.advance(1);
    await read(at, 0, 100);
    expect(came(at)).toEqual(['fstat']);
    await read(at, 0, 100);
    expect(came(at)).toEqual([]);
    await at.ours.close(at.fd);
  });

  it('with cache-timeout 0 every read asks; a fstat that fails drops the pages', async () => {
    const at = await opened(1, ['cache-timeout 0']);
    await read(at, 0, 100);
    came(at);
    await read(at, 0, 100);
    await read(at, 0, 100);
    expect(came(at)).toEqual(['fstat', 'fstat']);
    at.gate.alter<StatReply>('fstat', () => {
      throw new FopError(Errno.ENOTCONN);
    });
    expect(await read(at, 0, 100)).toEqual([1]);
    expect(came(at)).toEqual(['fstat', '0+1']);
    await at.ours.close(at.fd);
  });

  it('O_DIRECT passes, and so do files outside min-file-size and max-file-size', async () => {
    const at = await opened(2, ['min-file-size 100', 'max-file-size 200KB']);
    await read(at, 0, PAGE);
    await read(at, 0, PAGE);
    expect(came(at)).toEqual(['0+1', '0+1']);
    expect(shown(at)['cache_used']).toBe(0);
    await at.other.writeFile('/f', content(1));
    const fd = await at.ours.open('/f', OpenFlag.RDONLY);
    came(at);
    await at.ours.read(fd, PAGE, 0);
    await at.ours.read(fd, PAGE, 0);
    expect(came(at)).toEqual(['0+1']);
    const direct = await at.ours.open('/f', OpenFlag.RDONLY | OpenFlag.DIRECT);
    came(at);
    await at.ours.read(direct, 4096, 0);
    expect(came(at)).toEqual([`0+${4096 / PAGE}`]);
    for (const one of [at.fd, fd, direct]) await at.ours.close(one);
  });

  it('the memory that is held, iobufs and all, stays within cache-size: files that were not read for long go first', async () => {
    const at = await opened(1, ['cache-size 4MB']);
    const names = Array.from({ length: 60 }, (_, i) => `/f${i}`);
    for (const name of names) await at.other.writeFile(name, content(1));
    const fds: Fd[] = [];
    for (const name of names) {
      const fd = await at.ours.open(name, OpenFlag.RDONLY);
      fds.push(fd);
      await at.ours.read(fd, 2 * PAGE, 0);
      // The first one is read again and again.
      if (fds[0]) await at.ours.read(fds[0], 100, 0);
      let held = 0;
      for (const { size, active } of at.graph.iobufs instanceof Object && 'stats' in at.graph.iobufs ? (at.graph.iobufs.stats as () => { size: number; active: number }[])() : []) held += size * active;
      expect(held).toBeGreaterThan(0);
      expect(held).toBeLessThanOrEqual(4 * 1048576);
      expect(shown(at)['cache_used']).toBe(held);
    }
    came(at);
    const again = async (i: number): Promise<string[]> => {
      const fd = fds[i];
      if (fd) await at.ours.read(fd, 100, 0);
      return came(at);
    };
    expect(await again(0)).toEqual([]);
    expect(await again(59)).toEqual([]);
    expect(await again(1)).toEqual(['0+1']);
    for (const fd of [at.fd, ...fds]) await at.ours.close(fd);
  });

  it('pages of a lower priority go first, and of priority 0 none are kept', async () => {
    const at = await opened(1, ['cache-size 4MB', 'priority *.keep:3,*.never:0']);
    for (const name of ['/a.keep', '/b.never', '/c', '/d']) await at.other.writeFile(name, content(24));
    const open = async (name: string): Promise<Opened> => ({ ...at, fd: await at.ours.open(name, OpenFlag.RDONLY) });
    const [keep, never, c, d] = [await open('/a.keep'), await open('/b.never'), await open('/c'), await open('/d')];
    await read(keep, 0, 12 * PAGE);
    await read(never, 0, PAGE);
    for (const one of [c, d, c, d]) await read(one, 0, 24 * PAGE);
    came(at);
    await read(keep, 0, 12 * PAGE);
    expect(came(at)).toEqual([]);
    await read(never, 0, PAGE);
    expect(came(at)).toEqual(['0+1']);
    const weights: Record<string, unknown> = {};
    for (const { fd } of [keep, never, c]) at.graph.top.dumpInode(fd.inode, { section: (title) => expect(title).toBe('io-cache.inode'), write: (key, value) => void (weights[`${at.graph.inodeTable.path(fd.inode) ?? ''} ${key}`] = value) });
    expect([weights['/a.keep inode.weight'], weights['/b.never inode.weight'], weights['/c inode.weight']]).toEqual([3, 0, 1]);
    expect(weights['/a.keep path']).toBe('/a.keep');
    expect(weights['/a.keep last-cache-validation-time']).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000$/);
    for (const { fd } of [keep, never, c, d, at]) await at.ours.close(fd);
  });

  it('its options can be changed on a live graph, and the end of the graph gives all back', async () => {
    const at = await opened(4);
    const reconfigure = (line: string): Promise<unknown> => at.graph.reconfigure(at.volfile.replace('type performance/io-cache\n', `type performance/io-cache\n    option ${line}\n`));
    await read(at, 0, 4 * PAGE);
    await reconfigure('cache-timeout 5');
    at.time.advance(4999);
    came(at);
    await read(at, 0, 4 * PAGE);
    expect(came(at)).toEqual([]);
    await reconfigure('pass-through on');
    expect(at.graph.iobufs.active).toBe(0);
    await read(at, 0, PAGE);
    await read(at, 0, PAGE);
    expect(came(at)).toEqual(['0+1', '0+1']);
    await reconfigure('cache-size 8MB');
    await read(at, 0, PAGE);
    expect(shown(at)).toMatchObject({ cache_size: 8388608, cache_timeout: 1, inode_count: 1 });
    expect(at.graph.iobufs.active).toBeGreaterThan(0);
    await expect(reconfigure('cache-size 1MB')).rejects.toThrow();
    await expect(reconfigure('priority *.c')).rejects.toThrow();
    at.graph.top.notify(GfEvent.PARENT_DOWN);
    expect(at.graph.iobufs.active).toBe(0);
    await at.ours.close(at.fd);
  });

  it('refuses sizes that cannot be', async () => {
    await expect(twoClients(ioCache, ['min-file-size 2MB', 'max-file-size 1MB'])).rejects.toThrow();
    await expect(twoClients(ioCache, ['cache-size 100TB'])).rejects.toThrow();
  });

  it('what it shows of itself is GlusterFS’s', async () => {
    const at = await opened(1);
    const lines: string[] = [];
    at.graph.top.dump({ section: (title) => void lines.push(`[${title}]`), write: (key, value) => void lines.push(`${key} = ${value}`) });
    expect(lines).toEqual(['[io-cache.priv]', 'page_size = 131072', 'cache_size = 33554432', 'cache_used = 0', 'inode_count = 0', 'cache_timeout = 1', 'min-file-size = 0', 'max-file-size = 0']);
    await at.ours.close(at.fd);
  });
});
