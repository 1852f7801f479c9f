import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Frame, type Gfid, type Graph, GlusterLogger, Graph as Graphs, IaType, Iatt, type StatedumpWriter, Xlator, XlatorLoader, createPlatform, utf8 } from '@glusterts/libglusterfs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IdleMemory, LogFile, writeStatedump } from '../src/index.js';

class Leaf extends Xlator {
  override dump(writer: Parameters<Xlator['dump']>[0]): void {
    writer.section(`test/leaf.${this.name}`);
    writer.write('long', 'x'.repeat(5000));
  }
}

let dir: string;
let graph: Graph;

beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'glusterts-dump-'));
  const platform = createPlatform();
  graph = await Graphs.load('volume leaf\n type test/leaf\n option word x\nend-volume\nvolume top\n type test/leaf\n subvolumes leaf\nend-volume\n', {
    platform, loader: new XlatorLoader().add({ type: 'test/leaf', options: [{ key: 'word', type: 'str' }], create: (context) => new Leaf(context) }), log: GlusterLogger.create('t', { sink: () => undefined, clock: platform.clock }),
  });
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function dump(): string {
  return readFileSync(writeStatedump({ graph, name: 'glusterdump', directory: dir }), 'latin1');
}

const sections = (text: string): string[] => [...text.matchAll(/^\[(.+)\]$/gm)].map(([, title]) => title ?? '');

describe('a statedump', () => {
  it('has GlusterFS’s sections in its order, between its two times', () => {
    const text = dump();
    expect(text).toMatch(/^DUMP-START-TIME: \d{4}-\d\d-\d\d .* \+0000\n\n\[mallinfo\]\n/);
    expect(text).toMatch(/\n\nDUMP-END-TIME: \d{4}-\d\d-\d\d .* \+0000$/);
    expect(sections(text).filter((title) => !/^arena/.test(title))).toEqual([
      'mallinfo', 'global.glusterfs - Memory usage', 'mempool', 'iobuf.global', 'global.callpool', 'dict', `active graph - ${graph.id + 1}`,
      'top.latency', 'test/leaf.top - Memory usage', 'test/leaf.top', 'conn.1.bound_xl.top.active.1', 'leaf.latency', 'test/leaf.leaf - Memory usage', 'test/leaf.leaf',
    ]);
  });

  it('is named after the process, with its pid and the time, and cuts long lines', () => {
    const file = writeStatedump({ graph, name: 'd-b1', directory: dir });
    expect(path.basename(file)).toMatch(new RegExp(`^d-b1\\.${process.pid}\\.dump\\.\\d{10}$`));
    for (const line of readFileSync(file, 'latin1').split('\n')) expect(line.length).toBeLessThanOrEqual(4096);
  });

  it('tells of inodes that the kernel was asked to forget apart', async () => {
    const { platform, log } = graph;
    const loader = new XlatorLoader().add({ type: 'test/leaf', options: [{ key: 'word', type: 'str' }], create: (context) => new Leaf(context) });
    const limited = await Graphs.load('volume top\n type test/leaf\n option word x\nend-volume\n', { platform, loader, log, inodeTable: { lruLimit: 1, invalidate: () => true } });
    const table = limited.inodeTable;
    for (let i = 1; i <= 3; i++) {
      const iatt = new Iatt().setGfid(String(i).padStart(16, '0') as Gfid);
      iatt.ia_type = IaType.REG;
      const inode = table.link(table.create().ref(), table.root, utf8(`f${i}`), iatt);
      table.lookup(inode);
      inode.unref();
    }
    const root = { name: 'fuse', type: 'mount/fuse', shownOptions: new Map<string, string>(), dump: () => undefined };
    const text = readFileSync(writeStatedump({ graph: limited, root, name: 'glusterdump', directory: dir }), 'latin1');
    expect(text).toMatch(/\.lru_size=1\n.*purge_size=0\n.*\.invalidate_size=2\n/);
    expect(sections(text).filter((title) => title.includes('itable.'))).toEqual(['active.1', 'lru.1', 'invalidate.1', 'invalidate.2'].map((end) => `xlator.mount.fuse.itable.${end}`));
  });

  it('is written in pieces, and leaves nothing behind when its telling fails', () => {
    let told = 0;
    let written = 0;
    const root = {
      name: 'fuse', type: 'mount/fuse', shownOptions: new Map<string, string>(),
      dump: (writer: StatedumpWriter) => {
        for (; told < 3000; told++) writer.write(`line${told}`, 'y'.repeat(1000));
        const scratch = readdirSync(dir).find((name) => name.startsWith('dump')) ?? '';
        written = statSync(path.join(dir, scratch, 'dump')).size;
      },
    };
    const text = readFileSync(writeStatedump({ graph, root, name: 'glusterdump', directory: dir }), 'latin1');
    expect(written).toBeGreaterThan(2 << 20);
    expect([...text.matchAll(/^line(\d+)=y{1000}$/gm)].map(([, number]) => Number(number))).toEqual(Array.from({ length: 3000 }, (_, i) => i));
    rmSync(dir, { recursive: true });
    const failing = { ...root, dump: () => { throw new Error('no more'); } };
    expect(() => writeStatedump({ graph, root: failing, name: 'glusterdump', directory: dir })).toThrow('no more');
    expect(readdirSync(dir)).toEqual([]);
  });

  it('has what the options file asks for, and warns of what it does not know', () => {
    writeFileSync(path.join(dir, 'glusterdump.options'), 'mem=no priv=yes callpool=yes nonsense=yes\n');
    const text = dump();
    expect(sections(text)).toEqual(['global.callpool', 'dict', `active graph - ${graph.id + 1}`, 'top.latency', 'test/leaf.top - Memory usage', 'test/leaf.top', 'leaf.latency', 'test/leaf.leaf - Memory usage', 'test/leaf.leaf']);
    expect(text).toContain('[Warning]:None of the options matched key : nonsense\n');
  });

  it('has memory and calls when the options file leaves nothing on', () => {
    writeFileSync(path.join(dir, `glusterdump.${process.pid}.options`), 'priv=no');
    expect(sections(dump()).slice(0, 4)).toEqual(['mallinfo', 'global.glusterfs - Memory usage', 'mempool', 'global.callpool']);
  });

  it('goes where path= says', () => {
    const other = mkdtempSync(path.join(dir, 'other-'));
    writeFileSync(path.join(dir, 'glusterdump.options'), `path=${other} all=yes`);
    expect(path.dirname(writeStatedump({ graph, name: 'x', directory: dir }))).toBe(other);
  });
});

describe('a log file', () => {
  it('is made with its directories, appended to, and made anew after a rotation', () => {
    const file = path.join(dir, 'a/b.log');
    const log = new LogFile(file);
    log.sink('one\n', 7);
    rmSync(file);
    log.sink('lost\n', 7);
    log.reopen();
    log.sink('two\n', 7);
    expect(readFileSync(file, 'utf8')).toBe('two\n');
    new LogFile(file).sink('three\n', 7);
    expect(readFileSync(file, 'utf8')).toBe('two\nthree\n');
  });
});

describe('idle memory', () => {
  it('is given back in four steps after a quiet period, and never while requests come or hang', () => {
    const fired: (() => void)[] = [];
    const timers = { after: (_ms: number, fire: () => void) => (fired.push(fire), { cancel: () => true }), soon: () => undefined };
    const tick = (): void => fired.shift()?.();
    let collected = 0;
    let trimmed = 0;
    const iobufs = { get: () => { throw new Error('none is needed'); }, active: 0, trim: () => void trimmed++ };
    let given = 0;
    const idle = new IdleMemory({ timers, iobufs }, graph.callPool, { collect: () => collected++, trim: () => given++ });
    const calls = (count: number): void => {
      for (let i = 0; i < count; i++) graph.callPool.leave(graph.callPool.enter('readv', new Frame(), 1));
    };
    idle.start();
    tick();
    expect(collected).toBe(0);
    calls(1000);
    const call = graph.callPool.enter('readv', new Frame(), 1);
    tick();
    tick();
    expect(collected).toBe(0);
    graph.callPool.leave(call);
    tick();
    expect(collected).toBe(1);
    tick();
    expect([collected, trimmed, given]).toEqual([2, 2, 2]);
    for (let i = 0; i < 4; i++) tick();
    expect([collected, trimmed, given]).toEqual([3, 3, 4]);
    calls(1);
    for (let i = 0; i < 3; i++) tick();
    expect(given).toBe(4);
    idle.due();
    tick();
    calls(1);
    tick();
    expect(given).toBe(5);
    for (let i = 0; i < 4; i++) tick();
    expect([collected, trimmed, given]).toEqual([6, 6, 8]);
    idle.stop();
  });
});
