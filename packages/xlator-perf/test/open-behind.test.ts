import { Errno, type Fd, type Graph, Iatt, IoVec, OpenFlag, SetAttr, Dict } from '@glusterts/libglusterfs';
import { GraphDriver, complianceSuite, expectErrno, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { type Recorder, recorder, recorderOf, volfileOf } from './recorder.js';

const definitions = [...memory, recorder, ...xlators];
const DATA = Buffer.from('some data');

interface Bench { graph: Graph; driver: GraphDriver; seen: Recorder }

async function bench(options: Record<string, string> = {}): Promise<Bench> {
  const graph = await testGraph(volfileOf('performance/open-behind', options), definitions);
  const driver = new GraphDriver(graph.topSubvolume, graph);
  const seen = recorderOf(graph);
  await driver.writeFile('/f', DATA);
  await driver.writeFile('/g', DATA);
  seen.taken();
  return { graph, driver, seen };
}

/** Opens without the lookups that a path costs. */
async function opened({ driver, seen }: Bench, path = '/f', flags: number = OpenFlag.RDWR): Promise<Fd> {
  const fd = await driver.open(path, flags);
  seen.calls = seen.calls.filter((fop) => fop !== 'lookup');
  return fd;
}

describe('performance/open-behind', () => {
  it('a file that is only opened, flushed and closed never reaches the child, and nothing of it stays', async () => {
    const at = await bench();
    const fd = await opened(at);
    await at.driver.close(fd);
    expect(at.seen.taken()).toEqual([]);
    expect(fd.refs).toBe(0);
    const again = await opened(at);
    await at.driver.read(again, 4, 0);
    expect(at.seen.taken()).toEqual(['open', 'readv']);
    await at.driver.close(again);
    expect(at.seen.taken()).toEqual(['flush']);
    await at.graph.fini();
  });

  const fdFops: Record<string, (driver: GraphDriver, fd: Fd) => Promise<unknown>> = {
    readv: (d, fd) => d.read(fd, 4, 0),
    writev: (d, fd) => d.write(fd, DATA, 0),
    fstat: (d, fd) => d.fstat(fd),
    seek: (d, fd) => d.subvolume.seek(d.frame, fd, 0, 0, undefined),
    fsync: (d, fd) => d.subvolume.fsync(d.frame, fd, false, undefined),
    ftruncate: (d, fd) => d.subvolume.ftruncate(d.frame, fd, 3, undefined),
    fsetxattr: (d, fd) => d.subvolume.fsetxattr(d.frame, fd, new Dict().setBin('user.a', DATA), 0, undefined),
    fgetxattr: (d, fd) => d.subvolume.fgetxattr(d.frame, fd, undefined, undefined),
    fsetattr: (d, fd) => d.subvolume.fsetattr(d.frame, fd, new Iatt(), SetAttr.MODE, undefined),
    fallocate: (d, fd) => d.subvolume.fallocate(d.frame, fd, true, 0, 10, undefined),
    zerofill: (d, fd) => d.subvolume.zerofill(d.frame, fd, 0, 2, undefined),
    discard: (d, fd) => d.subvolume.discard(d.frame, fd, 0, 2, undefined),
    lk: (d, fd) => d.subvolume.lk(d.frame, fd, 1, { type: 1, whence: 0, start: 0n, len: 0n, pid: 1, owner: d.frame.lk_owner }, undefined),
    fxattrop: (d, fd) => d.subvolume.fxattrop(d.frame, fd, 0, new Dict().setBin('trusted.x', new Uint8Array(4)), undefined),
  };
  it.each(Object.entries(fdFops))('%s on the fd sends the open first', async (fop, run) => {
    const at = await bench();
    const fd = await opened(at);
    expect(at.seen.taken()).toEqual([]);
    await run(at.driver, fd);
    await run(at.driver, fd);
    expect(at.seen.taken()).toEqual(['open', fop, fop]);
    await at.driver.close(fd);
    await at.graph.fini();
  });

  const pathFops: Record<string, (driver: GraphDriver) => Promise<unknown>> = {
    unlink: (d) => d.unlink('/f'),
    rename: (d) => d.rename('/g', '/f'),
    setattr: (d) => d.chmod('/f', 0),
    setxattr: (d) => d.setxattr('/f', 'user.a', DATA),
  };
  it.each(Object.entries(pathFops))('%s of an open file waits for its open, and the fd goes on working', async (fop, run) => {
    const at = await bench();
    const fd = await opened(at);
    await run(at.driver);
    expect(at.seen.taken().filter((call) => call !== 'lookup')).toEqual(['open', fop]);
    expect(Buffer.from(await at.driver.read(fd, 100, 0))).toEqual(DATA);
    await at.driver.close(fd);
    await at.graph.fini();
  });

  it('renaming an open file away needs no open', async () => {
    const at = await bench();
    const fd = await opened(at);
    await at.driver.rename('/f', '/h');
    expect(at.seen.taken()).not.toContain('open');
    expect(Buffer.from(await at.driver.read(fd, 100, 0))).toEqual(DATA);
    await at.driver.close(fd);
    await at.graph.fini();
  });

  it('O_TRUNC is never delayed', async () => {
    const at = await bench();
    const fd = await opened(at, '/f', OpenFlag.RDWR | OpenFlag.TRUNC);
    expect(at.seen.taken()).toEqual(['open']);
    await at.driver.close(fd);
    await at.graph.fini();
  });

  it('a second open sends the first, waits for it, and goes down itself', async () => {
    const at = await bench();
    const one = await opened(at);
    const two = await opened(at, '/f', OpenFlag.RDONLY);
    expect(at.seen.taken()).toEqual(['open', 'open']);
    await at.driver.close(one);
    await at.driver.close(two);
    const three = await opened(at);
    expect(at.seen.taken()).toEqual(['flush', 'flush']);
    await at.driver.close(three);
    await at.graph.fini();
  });

  it('a created file is open: a further open is not delayed, and the first after its close is', async () => {
    const at = await bench();
    const made = await at.driver.create('/new');
    const fd = await opened(at, '/new');
    expect(at.seen.taken()).toEqual(['create', 'open']);
    await at.driver.close(fd);
    await at.driver.close(made);
    at.seen.taken();
    const again = await opened(at, '/new');
    expect(at.seen.taken()).toEqual([]);
    await at.driver.close(again);
    await at.graph.fini();
  });

  it('fops that come while the open is under way wait for it, and go down in their order', async () => {
    const at = await bench();
    const fd = await opened(at);
    const go = at.seen.hold('open');
    const writes = [0, 1, 2].map((i) => at.driver.write(fd, Buffer.from([i]), 0));
    const flush = at.driver.subvolume.flush(at.driver.frame, fd, undefined);
    expect(at.seen.taken()).toEqual(['open']);
    go();
    await Promise.all([...writes, flush]);
    expect(at.seen.taken()).toEqual(['writev', 'writev', 'writev', 'flush']);
    expect(Buffer.from(await at.driver.read(fd, 1, 0))).toEqual(Buffer.from([2]));
    await at.driver.close(fd);
    expect(at.graph.iobufs.active).toBe(0);
    await at.graph.fini();
  });

  it('the fd of an open under way is released when the answer is there, not before', async () => {
    const at = await bench();
    const fd = await opened(at);
    const go = at.seen.hold('open');
    const stat = at.driver.fstat(fd);
    fd.unref();
    expect(fd.refs).toBe(1);
    go();
    await stat;
    expect(fd.refs).toBe(0);
    // Counted out: the next one is the first again.
    const next = await opened(at);
    expect(at.seen.taken()).toEqual(['open', 'fstat']);
    await at.driver.close(next);
    await at.graph.fini();
  });

  it('the errno of a failed delayed open stays with its fd for ever, and with no other', async () => {
    const at = await bench();
    const fd = await opened(at);
    at.seen.fail('open', Errno.ENOTCONN);
    await expectErrno(at.driver.write(fd, DATA, 0), Errno.ENOTCONN);
    at.seen.fail('open', undefined);
    await expectErrno(at.driver.write(fd, DATA, 0), Errno.ENOTCONN);
    await expectErrno(at.driver.read(fd, 1, 0), Errno.ENOTCONN);
    await expectErrno(at.driver.subvolume.flush(at.driver.frame, fd, undefined), Errno.ENOTCONN);
    expect(at.seen.taken()).toEqual(['open']);
    await at.driver.unlink('/f');
    fd.unref();
    const other = await opened(at, '/g');
    await at.driver.write(other, DATA, 0);
    await at.driver.close(other);
    await at.graph.fini();
  });

  it('an open that fails at once counts no longer', async () => {
    const at = await bench();
    at.seen.fail('open', Errno.EACCES);
    await expectErrno(at.driver.open('/f', OpenFlag.RDWR | OpenFlag.TRUNC), Errno.EACCES);
    at.seen.fail('open', undefined);
    at.seen.taken();
    const fd = await opened(at);
    expect(at.seen.taken()).toEqual([]);
    await at.driver.close(fd);
    await at.graph.fini();
  });

  it('lazy-open off: the open is answered at once and sent at once', async () => {
    const at = await bench({ 'lazy-open': 'off' });
    const go = at.seen.hold('open');
    const fd = await opened(at);
    expect(at.seen.taken()).toEqual(['open']);
    go();
    await at.driver.close(fd);
    expect(at.seen.taken()).toEqual(['flush']);
    await at.graph.fini();
  });

  it('use-anonymous-fd: reads, fstat and seek need no open, if reads need not come after it', async () => {
    const at = await bench({ 'use-anonymous-fd': 'yes', 'read-after-open': 'no' });
    const fd = await opened(at);
    await at.driver.fstat(fd);
    expect(at.seen.taken()).toEqual(['fstat']);
    expect((at.seen.args.at(-1)?.[1] as Fd).anonymous).toBe(true);
    expect(Buffer.from(await at.driver.read(fd, 4, 0))).toEqual(DATA.subarray(0, 4));
    expect(at.seen.taken()).toEqual(['readv']);
    await at.driver.write(fd, DATA, 0);
    expect(at.seen.taken()).toEqual(['open', 'writev']);
    await at.driver.close(fd);
    await at.graph.fini();
  });

  it('copy_file_range opens both files', async () => {
    const at = await bench();
    const from = await opened(at, '/f');
    const to = await opened(at, '/g');
    at.seen.fail('copy_file_range', Errno.EOPNOTSUPP);
    await expectErrno(at.driver.subvolume.copy_file_range(at.driver.frame, from, 0, to, 0, 4, 0, undefined), Errno.EOPNOTSUPP);
    expect(at.seen.taken()).toEqual(['open', 'open', 'copy_file_range']);
    await at.driver.close(from);
    await at.driver.close(to);
    await at.graph.fini();
  });

  it('pass-through: opens go down; switched on with an open pending, that one is still served', async () => {
    const off = await bench({ 'pass-through': 'on' });
    const direct = await opened(off);
    expect(off.seen.taken()).toEqual(['open']);
    await off.driver.close(direct);
    await off.graph.reconfigure(volfileOf('performance/open-behind'));
    off.seen.taken();
    await off.driver.close(await opened(off));
    expect(off.seen.taken()).toEqual([]);
    const pending = await opened(off);
    await off.graph.reconfigure(volfileOf('performance/open-behind', { 'pass-through': 'on' }));
    await off.driver.write(pending, DATA, 0);
    expect(off.seen.taken()).toEqual(['open', 'writev']);
    await off.driver.close(pending);
    off.seen.taken();
    await off.driver.close(await opened(off));
    expect(off.seen.taken()).toEqual(['open', 'flush']);
    await off.graph.fini();
  });

  it('dumps what GlusterFS\'s dumps', async () => {
    const { graph } = await bench();
    const lines: string[] = [];
    graph.find('top')?.dump({ section: (title) => lines.push(`[${title}]`), write: (key, value) => lines.push(`${key}=${value}`) });
    expect(lines).toEqual(['[xlator.performance.open-behind.priv]', 'use_anonymous_fd=0', 'lazy_open=1']);
    await graph.fini();
  });

  it('a write that waits for the open keeps its payload until it was written', async () => {
    const at = await bench();
    const fd = await opened(at);
    const go = at.seen.hold('open');
    const buf = at.graph.iobufs.get(16);
    buf.memory.fill(7, 0, 4);
    const write = at.driver.subvolume.writev(at.driver.frame, fd, new IoVec([buf.memory.subarray(0, 4)], [buf]), 0, 0, undefined);
    go();
    await write;
    buf.unref();
    expect(Buffer.from(await at.driver.read(fd, 4, 0))).toEqual(Buffer.alloc(4, 7));
    await at.driver.close(fd);
    await at.graph.fini();
  });
});

complianceSuite({ name: 'performance/open-behind over storage/memory', makeGraph: () => testGraph(volfileOf('performance/open-behind'), definitions) });
