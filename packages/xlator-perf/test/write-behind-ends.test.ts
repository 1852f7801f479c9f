import { readFileSync } from 'node:fs';
import { Errno, Fd, Frame, GfEvent, type Graph, IoVec, Loc, OpenFlag } from '@glusterts/libglusterfs';
import { GraphDriver, expectErrno, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it } from 'vitest';
import { writeBehind } from '../src/write-behind/index.js';
import { type SlowChild, slowChild, slowChildOf, slowVolfile, turn } from './slow-child.js';

const KIB = 1024;
const TYPE = 'performance/write-behind';

interface Bench { readonly graph: Graph; readonly driver: GraphDriver; readonly child: SlowChild; readonly fd: Fd; readonly lines: string[] }

async function bench(options: Readonly<Record<string, string>> = {}, flags: number = OpenFlag.RDWR | OpenFlag.CREAT | OpenFlag.EXCL): Promise<Bench> {
  const lines: string[] = [];
  const graph = await testGraph(slowVolfile(TYPE, options), [...memory, slowChild, writeBehind], { lines });
  const driver = new GraphDriver(graph.topSubvolume, graph);
  const fd = await driver.create('/f', flags);
  const child = slowChildOf(graph);
  child.taken();
  return { graph, driver, child, fd, lines };
}

const bytes = (size: number, fill: number): Uint8Array => new Uint8Array(size).fill(fill);

/** Whether it has its answer after everything that is ready has run. */
async function stateOf(promise: Promise<unknown>): Promise<'answered' | 'failed' | 'waits'> {
  let state: 'answered' | 'failed' | 'waits' = 'waits';
  promise.then(
    () => (state = 'answered'),
    () => (state = 'failed'),
  );
  await turn();
  await turn();
  return state;
}

describe('performance/write-behind: what is kept', () => {
  it('the caller may use his memory again when he has his answer, though no pool owns it', async () => {
    const { graph, driver, child, fd } = await bench();
    child.keeps.add('writev');
    const mine = bytes(4 * KIB, 7);
    await driver.subvolume.writev(driver.frame, fd, IoVec.from(mine), 0, 0, undefined);
    mine.fill(8);
    await child.healed();
    expect(await driver.read(fd, 4 * KIB, 0)).toEqual(bytes(4 * KIB, 7));
    await driver.close(fd);
    expect(graph.iobufs.active).toBe(0);
    await graph.fini();
  });

  it('a large write is not copied: the child gets the very memory', async () => {
    const { graph, driver, child, fd } = await bench();
    child.keeps.add('writev');
    const page = graph.iobufs.get(128 * KIB);
    await driver.subvolume.writev(driver.frame, fd, new IoVec([page.memory], [page]), 0, 0, undefined);
    expect((child.next().args[2] as IoVec).chunks[0]).toBe(page.memory);
    page.unref();
    await child.healed();
    await driver.close(fd);
    expect(graph.iobufs.active).toBe(0);
    await graph.fini();
  });

  it('an fd is released only when its writes are done', async () => {
    const { graph, driver, child, fd } = await bench();
    child.keeps.add('writev');
    await driver.write(fd, bytes(10, 1), 0);
    fd.unref();
    expect(fd.refs).toBe(1);
    await child.healed();
    await turn();
    expect(fd.refs).toBe(0);
    expect((await driver.lookup('/f')).ia_size).toBe(10);
    await graph.fini();
  });
});

describe('performance/write-behind: order', () => {
  it('a file is emptied by O_TRUNC after the writes that were answered before', async () => {
    const { graph, driver, child, fd } = await bench();
    child.keeps.add('writev');
    await driver.write(fd, bytes(4 * KIB, 1), 0);
    const loc = new Loc({ inode: fd.inode, gfid: fd.inode.gfid });
    const flags = OpenFlag.RDWR | OpenFlag.TRUNC;
    const opened = driver.subvolume.open(driver.frame, loc, flags, fd, undefined);
    expect(await stateOf(opened)).toBe('waits');
    await child.healed();
    await opened;
    expect((await driver.fstat(fd)).ia_size).toBe(0);
    await driver.close(fd);
    await graph.fini();
  });

  it('a write behind the end of a file that was cut meanwhile is waited for by a read in the hole', async () => {
    const { graph, driver, child, fd } = await bench();
    const { subvolume, frame } = driver;
    await driver.write(fd, bytes(100, 1), 0);
    child.keeps.add('ftruncate').add('writev');
    const cut = subvolume.ftruncate(frame, fd, 0, undefined);
    await turn();
    // Both are asked before the cut is answered; what it does to the first is its own affair.
    await driver.write(fd, bytes(100, 2), 0);
    await child.next('writev').answer();
    await child.next('ftruncate').answer();
    await cut;
    await driver.write(fd, bytes(10, 3), 100);
    const read = driver.read(fd, 50, 0);
    expect(await stateOf(read)).toBe('waits');
    await child.healed();
    expect(await read).toEqual(bytes(50, 0));
    await driver.close(fd);
    await graph.fini();
  });

  it('nothing is under way while an append is, before it or after it', async () => {
    const { graph, driver, child, fd } = await bench();
    const appender = await driver.open('/f', OpenFlag.RDWR | OpenFlag.APPEND);
    child.keeps.add('writev');
    await driver.write(fd, bytes(100, 1), 0);
    await driver.write(appender, bytes(10, 2), 100);
    await driver.write(fd, bytes(10, 3), 110);
    child.taken();
    expect(child.writesUnderWay).toBe(1);
    await child.next().answer();
    expect(child.taken()).toEqual(['write 100-110']);
    expect(child.writesUnderWay).toBe(1);
    await child.next().answer();
    expect(child.taken()).toEqual(['write 110-120']);
    await child.healed();
    expect(await driver.read(fd, 200, 0)).toEqual(new Uint8Array([...bytes(100, 1), ...bytes(10, 2), ...bytes(10, 3)]));
    await driver.close(fd);
    await driver.close(appender);
    await graph.fini();
  });

  it('a file created over one that is open is the same file: a write by one is seen by stat of the other', async () => {
    const { graph, driver, child, fd } = await bench();
    const loc = await driver.fresh('/f');
    const second = (await driver.subvolume.create(driver.frame, loc, OpenFlag.RDWR | OpenFlag.CREAT, 0o644, 0, new Fd(loc.inode, { flags: OpenFlag.RDWR, pid: 1 }), driver.gfidReq())).fd;
    second.inode.gfid = fd.inode.gfid;
    child.keeps.add('writev');
    await driver.write(second, bytes(10, 1), 0);
    const stat = driver.fstat(fd);
    expect(await stateOf(stat)).toBe('waits');
    await child.healed();
    expect((await stat).ia_size).toBe(10);
    await driver.close(second);
    await driver.close(fd);
    await graph.fini();
  });
});

describe('performance/write-behind: a child that is away', () => {
  it('keeps what was answered while the child is down, and writes it when it is asked again', async () => {
    const { graph, driver, child, fd } = await bench();
    child.failWrites = Errno.ENOTCONN;
    await driver.write(fd, bytes(4 * KIB, 1), 0);
    await turn();
    child.notify(GfEvent.CHILD_DOWN);
    await expectErrno(driver.fstat(fd), Errno.ENOTCONN);
    child.failWrites = undefined;
    child.notify(GfEvent.CHILD_UP);
    expect((await driver.fstat(fd)).ia_size).toBe(4 * KIB);
    expect(await driver.read(fd, 4 * KIB, 0)).toEqual(bytes(4 * KIB, 1));
    await driver.subvolume.fsync(driver.frame, fd, false, undefined);
    await driver.close(fd);
    expect(graph.iobufs.active).toBe(0);
    await graph.fini();
  });

  it('a fop that waits for a write that waits for a failed one is told of the failure, and does not hang', async () => {
    const { graph, driver, child, fd } = await bench();
    child.keeps.add('writev');
    await driver.write(fd, bytes(10, 1), 0);
    await driver.write(fd, bytes(15, 2), 5);
    const read = driver.read(fd, 5, 15);
    expect(await stateOf(read)).toBe('waits');
    child.next().fail(Errno.ENOSPC);
    expect(await stateOf(read)).toBe('failed');
    await expectErrno(read, Errno.ENOSPC);
    const again = driver.read(fd, 20, 0);
    await turn();
    await child.healed();
    expect(await again).toEqual(new Uint8Array([...bytes(5, 1), ...bytes(15, 2)]));
    await driver.close(fd);
    await graph.fini();
  });

  it('at the end of the graph the children hear of it after the writes, which are tried again', async () => {
    const { graph, driver, child, fd } = await bench();
    child.failWrites = Errno.ENOTCONN;
    await driver.write(fd, bytes(4 * KIB, 1), 0);
    await turn();
    child.failWrites = undefined;
    child.keeps.add('writev');
    const heard: GfEvent[] = [];
    const { notify } = child;
    child.notify = (event, data, from) => {
      heard.push(event);
      notify.call(child, event, data, from);
    };
    fd.unref();
    const ended = graph.fini();
    expect(await stateOf(ended)).toBe('waits');
    expect(heard).toEqual([]);
    await child.healed();
    await ended;
    expect(heard).toEqual([GfEvent.PARENT_DOWN]);
    expect(graph.iobufs.active).toBe(0);
  });

  it('at the end of the graph what fails again is given up with an error in the log, and no page stays', async () => {
    const { graph, driver, child, fd, lines } = await bench();
    child.failWrites = Errno.ENOTCONN;
    await driver.write(fd, bytes(4 * KIB, 1), 0);
    await driver.write(fd, bytes(1 * KIB, 1), 8 * KIB);
    await turn();
    fd.unref();
    await graph.fini();
    expect(graph.iobufs.active).toBe(0);
    expect(fd.refs).toBe(0);
    expect(lines.some((line) => line.includes('5120 bytes that were answered could not be written'))).toBe(true);
  });
});

describe('performance/write-behind: new options on a live graph', () => {
  it('a smaller window holds at once, and what was answered is written as before', async () => {
    const { graph, driver, child, fd } = await bench();
    child.keeps.add('writev');
    for (let i = 0; i < 6; i++) await driver.write(fd, bytes(128 * KIB, i + 1), i * 128 * KIB);
    expect(await graph.reconfigure(slowVolfile(TYPE, { 'cache-size': '512KB', 'flush-behind': 'off' }))).toBe('reconfigured');
    const next = driver.write(fd, bytes(128 * KIB, 7), 6 * 128 * KIB);
    expect(await stateOf(next)).toBe('waits');
    await child.next().answer();
    await child.next().answer();
    expect(await stateOf(next)).toBe('answered');
    await child.healed();
    expect(await driver.read(fd, 1, 6 * 128 * KIB)).toEqual(bytes(1, 7));
    await driver.close(fd);
    await graph.fini();
  });

  it('with pass-through the next write is the child\'s own, and still goes after those that were answered', async () => {
    const { graph, driver, child, fd } = await bench();
    child.keeps.add('writev');
    await driver.write(fd, bytes(4 * KIB, 1), 0);
    expect(await graph.reconfigure(slowVolfile(TYPE, { 'pass-through': 'on' }))).toBe('reconfigured');
    const second = driver.write(fd, bytes(4 * KIB, 2), 0);
    expect(await stateOf(second)).toBe('waits');
    expect(child.writesUnderWay).toBe(1);
    await child.next().answer();
    expect(child.writesUnderWay).toBe(1);
    await child.next().answer();
    await second;
    expect(child.overlaps).toEqual([]);
    await child.healed();
    expect(await driver.read(fd, 1, 0)).toEqual(bytes(1, 2));
    await driver.close(fd);
    await graph.fini();
  });
});

describe('performance/write-behind: what it tells of itself', () => {
  it('its private file in .meta is GlusterFS\'s, line by line', async () => {
    const { graph, driver, fd } = await bench();
    const lines: string[] = [];
    graph.top.dump({ section: (title) => lines.push(`[${title}]`), write: (key, value) => lines.push(`${key} = ${value}`) });
    const vector = readFileSync(new URL('vectors/meta-private-write-behind.txt', import.meta.url), 'latin1').trimEnd().split('\n');
    expect(lines).toEqual(vector);
    await driver.close(fd);
    await graph.fini();
  });

  it('writes to the child are root\'s, with the writer\'s pid and lock owner', async () => {
    const { graph, driver, child, fd } = await bench();
    child.keeps.add('writev');
    const frame = new Frame({ uid: 1000, gid: 1000, groups: [5], pid: 4711, lk_owner: driver.frame.lk_owner });
    await driver.subvolume.writev(frame, fd, IoVec.from(bytes(10, 1)), 0, 0, undefined);
    expect(child.next().args[0]).toMatchObject({ uid: 0, gid: 0, groups: [], pid: 4711, lk_owner: driver.frame.lk_owner });
    await child.healed();
    await driver.close(fd);
    await graph.fini();
  });

  it('a file with writes on their way is listed without attributes', async () => {
    const { graph, driver, child, fd } = await bench();
    child.keeps.add('writev');
    await driver.write(fd, bytes(10, 1), 0);
    const [entry] = await driver.list('/');
    expect(entry?.inode).toBeUndefined();
    expect(entry?.stat.isNull).toBe(true);
    await child.healed();
    expect((await driver.list('/'))[0]?.stat.ia_size).toBe(10);
    await driver.close(fd);
    await graph.fini();
  });
});
