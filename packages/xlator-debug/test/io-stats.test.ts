import { Dict, LogLevel } from '@glusterts/libglusterfs';
import { GraphDriver, pattern, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';

const volfile = (on: string): string => `volume b\n type storage/memory\n option size 0\nend-volume\nvolume s\n type debug/io-stats\n option count-fop-hits ${on}\n option latency-measurement ${on}\n subvolumes b\nend-volume\n`;
const WRITE = 13;
const READ = 12;

describe('debug/io-stats', () => {
  it('is bound past while it counts nothing, counts once it is switched on, and stops again', async () => {
    const graph = await testGraph(volfile('off'), [...memory, ...xlators]);
    const driver = new GraphDriver(graph.topSubvolume, graph);
    await driver.root();
    const seen = new Set<string>();
    graph.setInstrument((xlator) => seen.add(xlator.name));
    await driver.writeFile('/f', pattern(5000, 1));
    expect([...seen]).toEqual(['b']);
    graph.setInstrument(undefined);
    await graph.reconfigure(volfile('on'));
    await driver.writeFile('/g', pattern(5000, 1));
    await driver.readFile('/g');
    const stats = (): Dict => graph.find('s')?.translatorInfo(new Dict().setInt('info-op', 3)) ?? new Dict();
    expect(stats().getNumber('-1-total-write')).toBe(5000);
    expect(stats().getNumber('-1-total-read')).toBe(5000);
    expect(stats().getNumber(`-1-${WRITE}-hits`)).toBe(1);
    expect(stats().getNumber('-1-write-4096')).toBe(1);
    expect(stats().getNumber(`-1-${READ}-hits`)).toBeGreaterThanOrEqual(1);
    expect(stats().getNumber(`-1-${READ}-avglatency`)).toBeGreaterThan(0);
    await graph.reconfigure(volfile('off'));
    await driver.writeFile('/h', pattern(5000, 1));
    expect(stats().getNumber('-1-total-write')).toBe(5000);
    await graph.fini();
  });

  it('clears, and counts intervals', async () => {
    const graph = await testGraph(volfile('on'), [...memory, ...xlators]);
    const driver = new GraphDriver(graph.topSubvolume, graph);
    await driver.root();
    await driver.writeFile('/f', pattern(100, 1));
    const ask = (operation: number): Dict => graph.find('s')?.translatorInfo(new Dict().setInt('info-op', operation)) ?? new Dict();
    expect(ask(2).getNumber('0-total-write')).toBe(100);
    expect(ask(2).getNumber('1-total-write')).toBe(0);
    expect(ask(4).getNumber('stats-cleared')).toBe(1);
    expect(ask(3).getNumber('-1-total-write')).toBe(0);
    expect(graph.find('s')?.translatorInfo(new Dict())).toBeUndefined();
    await graph.fini();
  });

  it('sets the log level of the process at start and on reconfigure, and gives it back when the option goes', async () => {
    const withLevel = (level: string): string => `volume b\n type storage/memory\n option size 0\nend-volume\nvolume s\n type debug/io-stats\n${level} subvolumes b\nend-volume\n`;
    const graph = await testGraph(withLevel(' option log-level DEBUG\n'), [...memory, ...xlators]);
    expect(graph.top.log.level).toBe(LogLevel.DEBUG);
    await graph.reconfigure(withLevel(' option log-level ERROR\n'));
    expect(graph.top.log.level).toBe(LogLevel.ERROR);
    await graph.reconfigure(withLevel(''));
    expect(graph.top.log.level).toBe(LogLevel.INFO);
    await graph.fini();
  });
});
