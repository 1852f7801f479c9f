import { Iatt, SetAttr } from '@glusterts/libglusterfs';
import { GraphDriver, complianceSuite, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';

const volfile = 'volume brick\n type storage/memory\n option size 0\nend-volume\nvolume v-utime\n type features/utime\n subvolumes brick\nend-volume\n';

describe('features/utime', () => {
  it('stamps fops with the flags that GlusterFS sends', async () => {
    const graph = await testGraph(volfile, [...memory, ...xlators]);
    const seen: [string, number][] = [];
    const brick = graph.find('brick');
    if (!brick) throw new Error('no brick');
    graph.setInstrument(undefined);
    const driver = new GraphDriver(graph.topSubvolume, graph);
    // What the brick is asked with: the first argument of each fop is the frame.
    for (const fop of ['mkdir', 'create', 'writev', 'unlink', 'rename', 'setattr', 'readv', 'setxattr', 'fallocate'] as const) {
      const method = brick[fop] as (...args: unknown[]) => Promise<unknown>;
      Object.assign(brick, { [fop]: (...args: unknown[]) => {
        seen.push([fop, (args[0] as { flags: number }).flags]);
        return method.apply(brick, args);
      } });
    }
    graph.setInstrument(undefined);
    await driver.mkdir('/d');
    const fd = await driver.create('/d/f');
    await driver.write(fd, Buffer.from('x'), 0);
    await driver.read(fd, 1, 0);
    await driver.subvolume.fallocate(driver.frame, fd, false, 0, 10, undefined);
    await driver.close(fd);
    await driver.chmod('/d/f', 0o600);
    const times = new Iatt();
    times.ia_atime = 5;
    await driver.setattr('/d/f', times, SetAttr.ATIME);
    await driver.rename('/d/f', '/d/g');
    await driver.unlink('/d/g');
    const flags = new Map<string, number[]>();
    for (const [fop, value] of seen) flags.set(fop, [...(flags.get(fop) ?? []), value]);
    expect(Object.fromEntries(flags)).toMatchObject({ mkdir: [31], create: [31], writev: [3], readv: [0], fallocate: [6], setattr: [1, 0], rename: [25], unlink: [25] });
    await graph.fini();
  });

  it('gives a file of a volume that had no ctime its record of times at the first lookup', async () => {
    const definitions = [...memory, ...xlators];
    const bare = await testGraph('volume brick\n type storage/memory\n option share utime-test\nend-volume\n', definitions);
    const before = new GraphDriver(bare.topSubvolume, bare);
    await before.writeFile('/f', Buffer.from('x'));
    const graph = await testGraph(volfile.replace('option size 0', 'option share utime-test'), definitions);
    const driver = new GraphDriver(graph.topSubvolume, graph);
    const old = await before.lookup('/f');
    await driver.lookup('/f');
    const after = await driver.lookup('/f');
    expect([after.ia_mtime, after.ia_mtime_nsec]).toEqual([old.ia_mtime, old.ia_mtime_nsec]);
    // From now on only stamped fops move its times.
    const fd = await before.open('/f');
    await before.write(fd, Buffer.from('y'), 0);
    await before.close(fd);
    expect([(await driver.lookup('/f')).ia_mtime, (await driver.lookup('/f')).ia_mtime_nsec]).toEqual([old.ia_mtime, old.ia_mtime_nsec]);
    await graph.fini();
    await bare.fini();
  });
});

complianceSuite({ name: 'features/utime over storage/memory', makeGraph: () => testGraph(volfile, [...memory, ...xlators]) });
