import { type Bytes, Dict, Errno, Frame, type Graph, OpenFlag } from '@glusterts/libglusterfs';
import { GraphDriver, pattern, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';

const over = (type: string, options: string): string => `volume b\n type storage/memory\n option size 0\nend-volume\nvolume top\n type ${type}\n ${options}\n subvolumes b\nend-volume\n`;

async function start(type: string, options: string): Promise<{ graph: Graph; driver: GraphDriver }> {
  const graph = await testGraph(over(type, options), [...memory, ...xlators]);
  const driver = new GraphDriver(graph.topSubvolume, graph);
  await driver.root();
  return { graph, driver };
}

describe('features/read-only', () => {
  it('refuses every change with EROFS, but to GlusterFS’s own clients, and reads on', async () => {
    const { graph, driver } = await start('features/read-only', 'option read-only off');
    await driver.writeFile('/f', pattern(10, 1));
    await driver.mkdir('/d');
    expect(await graph.reconfigure(over('features/read-only', 'option read-only on'))).toBe('reconfigured');
    const refused = [
      driver.mkdir('/x'), driver.unlink('/f'), driver.rmdir('/d'), driver.rename('/f', '/g'), driver.link('/f', '/g'), driver.symlink('a', '/s'), driver.create('/n'), driver.truncate('/f', 0), driver.chmod('/f', 0o600),
      driver.setxattr('/f', 'user.a', pattern(1, 1)), driver.removexattr('/f', 'user.a'), driver.open('/f', OpenFlag.RDWR), driver.open('/f', OpenFlag.WRONLY), driver.mknod('/p', 0o010644),
    ];
    for (const outcome of await Promise.allSettled(refused)) expect(outcome).toMatchObject({ status: 'rejected', reason: { errno: Errno.EROFS } });
    expect(Buffer.compare(await driver.readFile('/f'), pattern(10, 1))).toBe(0);
    const healer = new GraphDriver(graph.topSubvolume, graph, new Frame({ pid: -6 }));
    await healer.mkdir('/healed');
    expect(await driver.exists('/healed')).toBe(true);
  });
});

describe('features/selinux', () => {
  it('keeps labels under a name that the brick’s kernel does not interpret', async () => {
    const { graph, driver } = await start('features/selinux', 'option selinux on');
    await driver.writeFile('/f', pattern(1, 1));
    const loc = (await driver.resolve('/f')).loc;
    await graph.topSubvolume.setxattr(driver.frame, loc, new Dict().setBin('security.selinux', Buffer.from('label')), 0, undefined);
    const below = graph.find('b');
    const stored = await below?.getxattr?.(driver.frame, loc, 'trusted.glusterfs.selinux' as Bytes, undefined);
    expect(stored?.dict.getStr('trusted.glusterfs.selinux')).toBe('label');
    const reply = await graph.topSubvolume.getxattr(driver.frame, loc, 'security.selinux' as Bytes, undefined);
    expect(reply.dict.getStr('security.selinux')).toBe('label');
  });
});

describe('features that are not built', () => {
  it.each([
    ['features/trash', 'trash'], ['features/changelog', 'changelog'], ['features/bitrot-stub', 'bitrot'], ['features/worm', 'worm'], ['features/leases', 'leases'], ['features/marker', 'quota'],
    ['features/barrier', 'barrier'], ['features/quota', 'server-quota'],
  ])('%s costs nothing while off, and refuses to be switched on', async (type, key) => {
    const { graph, driver } = await start(type, `option ${key} off`);
    await driver.writeFile('/f', pattern(100, 1));
    const seen: string[] = [];
    graph.setInstrument((xlator) => seen.push(xlator.name));
    await driver.readFile('/f');
    expect(new Set(seen)).toEqual(new Set(['b']));
    await expect(graph.reconfigure(over(type, `option ${key} on`))).rejects.toMatchObject({ errno: Errno.EOPNOTSUPP });
    await expect(start(type, `option ${key} on`)).rejects.toMatchObject({ errno: Errno.EOPNOTSUPP });
  });
});
