import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Fd, GfEvent, type Graph, createPlatform } from '@glusterts/libglusterfs';
import { GraphDriver } from '@glusterts/xlator-compliance';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrickProcess, buildBrickHost } from './brick-process.js';
import { clientGraph } from './pair.js';

const IMAGE_SIZE = '256M';
const FREEZE_S = 8;
const PING_TIMEOUT_S = 2;

function whyNot(): string | undefined {
  if (createPlatform().portable) return 'the native addon is not built (node tools/build-native.mjs)';
  if (process.getuid?.() !== 0) return 'mounting and freezing need root';
  const trial = mkdtempSync(path.join(os.tmpdir(), 'frozen-trial-'));
  const loop = spawnSync('unshare', ['-m', 'sh', '-c', `truncate -s ${IMAGE_SIZE} ${trial}/i && mkfs.ext4 -q ${trial}/i && mkdir ${trial}/m && mount -o loop ${trial}/i ${trial}/m && umount ${trial}/m`]);
  rmSync(trial, { recursive: true, force: true });
  return loop.status === 0 ? undefined : 'no loop device can be mounted';
}
const reason = whyNot();
if (reason) console.warn(`frozen disks: ${reason}`);

const now = (): number => performance.now();

describe.skipIf(reason)('a brick whose disk is frozen', () => {
  let dir = '';
  const bricks: BrickProcess[] = [];
  const graphs: Graph[] = [];
  const drivers: GraphDriver[] = [];
  const fds: Fd[] = [];
  /** Events of the slow brick's client that tell of a lost connection. */
  const lost: GfEvent[] = [];

  beforeAll(async () => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'glusterts-frozen-'));
    const host = path.join(dir, 'host.mjs');
    await buildBrickHost(host);
    for (const name of ['slow', 'quick']) mkdirSync(path.join(dir, name));
    const image = path.join(dir, 'image');
    spawnSync('sh', ['-c', `truncate -s ${IMAGE_SIZE} ${image} && mkfs.ext4 -q ${image}`]);
    bricks.push(await BrickProcess.start(host, path.join(dir, 'slow'), `mount -o loop ${image} ${path.join(dir, 'slow')} &&`));
    bricks.push(await BrickProcess.start(host, path.join(dir, 'quick'), ''));
    for (const { port } of bricks) {
      const graph = await clientGraph('remote-host 127.0.0.1', `remote-port ${port}`, `ping-timeout ${PING_TIMEOUT_S}`);
      graphs.push(graph);
      const driver = new GraphDriver(graph.topSubvolume, graph);
      drivers.push(driver);
      await driver.root();
      fds.push(await driver.create('/f'));
    }
    graphs[0]?.onTopEvent((event) => {
      if (event === GfEvent.CHILD_DOWN) lost.push(event);
    });
  });
  afterAll(async () => {
    for (const graph of graphs) await graph.fini();
    for (const brick of bricks) await brick.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const at = (i: number): { brick: BrickProcess; driver: GraphDriver; fd: Fd } => {
    const [brick, driver, fd] = [bricks[i], drivers[i], fds[i]];
    if (!brick || !driver || !fd) throw new Error('not set up');
    return { brick, driver, fd };
  };

  /** Another client of a brick. */
  const client = async ({ port }: BrickProcess): Promise<GraphDriver> => {
    const graph = await clientGraph('remote-host 127.0.0.1', `remote-port ${port}`, `ping-timeout ${PING_TIMEOUT_S}`);
    graphs.push(graph);
    const driver = new GraphDriver(graph.topSubvolume, graph);
    await driver.root();
    return driver;
  };

  it('holds back what changes something, and answers everything else meanwhile; after the thaw all of it succeeds', async () => {
    const { driver, fd, brick } = at(0);
    await driver.mkdir('/old');
    for (const name of ['a', 'b', 'c']) await driver.writeFile(`/${name}`, Buffer.from(`content of ${name}`));
    await driver.write(fd, Buffer.from('before'), 0);
    const { thawed } = await brick.freeze(path.join(dir, 'slow'), FREEZE_S);
    const begin = now();
    const ended: string[] = [];
    const changes = {
      mkdir: driver.mkdir('/new'),
      create: driver.create('/created').then((created) => driver.close(created)),
      unlink: driver.unlink('/a'),
      rmdir: driver.rmdir('/old'),
      rename: driver.rename('/b', '/renamed'),
      link: driver.link('/c', '/linked'),
      symlink: driver.symlink('c', '/symlink'),
      chmod: driver.chmod('/c', 0o600),
      setxattr: driver.setxattr('/c', 'user.x', Buffer.from('x')),
      truncate: driver.truncate('/c', 3),
      write: driver.write(fd, Buffer.from('frozen'), 0),
      ...Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`write of 1 MiB, ${i}`, driver.write(fd, Buffer.alloc(1 << 20, i), 4096)])),
    };
    const all = Promise.all(Object.entries(changes).map(([name, change]) => change.then(() => ended.push(name))));
    let longest = 0;
    let rounds = 0;
    while (now() - begin < (FREEZE_S - 1.5) * 1000) {
      const from = now();
      expect(Buffer.from(await driver.read(fd, 6, 0)).toString()).toBe('before');
      expect((await driver.fstat(fd)).ia_size).toBe(6);
      expect((await driver.lookup('/c')).ia_size).toBe(12);
      expect(await driver.exists('/nothing')).toBe(false);
      expect(Buffer.from(await driver.readFile('/c')).toString()).toBe('content of c');
      expect(await driver.names('/')).toContain('c');
      await driver.close(await driver.open('/c'));
      await driver.statfs();
      longest = Math.max(longest, now() - from);
      rounds++;
      expect(brick.hangs).toBe(false);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(ended).toEqual([]);
    expect(longest).toBeLessThan(1500);
    expect(rounds).toBeGreaterThan(10);
    await thawed;
    await all;
    expect(lost).toEqual([]);
    expect((await driver.names('/')).map(String).sort()).toEqual(expect.arrayContaining(['c', 'created', 'f', 'linked', 'new', 'renamed', 'symlink']));
    expect(await driver.exists('/a')).toBe(false);
    expect(await driver.exists('/old')).toBe(false);
    expect((await driver.lookup('/c')).ia_size).toBe(3);
    expect(Buffer.from(await driver.read(fd, 6, 0)).toString()).toBe('frozen');
  }, 60_000);

  it('caught in the midst of changes, it keeps its client, and fops on the other brick go on; all changes end well', async () => {
    const [slow, quick] = [at(0), at(1)];
    let stop = false;
    let changed = 0;
    const changing = (async () => {
      for (; !stop; changed++) {
        await slow.driver.chmod('/c', changed % 2 === 0 ? 0o640 : 0o600);
        await slow.driver.write(slow.fd, Buffer.from(`${changed}      `).subarray(0, 6), 0);
      }
    })();
    const { thawed } = await slow.brick.freeze(path.join(dir, 'slow'), FREEZE_S);
    const begin = now();
    const before = changed;
    let longest = 0;
    while (now() - begin < (FREEZE_S - 1) * 1000) {
      const from = now();
      await quick.driver.write(quick.fd, Buffer.alloc(4096, 7), 0);
      await quick.driver.fstat(quick.fd);
      longest = Math.max(longest, now() - from);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(changed - before).toBeLessThan(2);
    expect(lost).toEqual([]);
    expect(longest).toBeLessThan(1500);
    await thawed;
    stop = true;
    await changing;
    expect(lost).toEqual([]);
    expect(Buffer.from(await slow.driver.read(slow.fd, 100, 0)).toString('latin1', 0, 6)).toBe(`${changed - 1}      `.slice(0, 6));
  }, 60_000);

  it.each(['creations', 'small writes', 'renames', 'changes of attributes'])('caught in the midst of a stream of %s, it answers another client about what is in memory, and takes new clients; nothing is lost or out of order', async (kind) => {
    const { driver, brick } = at(0);
    const other = await client(brick);
    const name = `/${kind.replaceAll(' ', '-')}`;
    await driver.mkdir(name);
    await driver.writeFile(`${name}/cached`, Buffer.from('cached'));
    const file = await driver.create(`${name}/changing`);
    const cached = await other.open(`${name}/cached`);
    expect(Buffer.from(await other.read(cached, 6, 0)).toString()).toBe('cached');
    let stop = false;
    let begun = 0;
    let made = 0;
    const step: Record<string, (i: number) => Promise<unknown>> = {
      creations: (i) => driver.create(`${name}/${i}`).then((fd) => driver.close(fd)),
      'small writes': (i) => driver.write(file, Buffer.from(`${i}`.padStart(8)), 8 * (i % 1000)),
      renames: (i) => driver.rename(i === 0 ? `${name}/changing` : `${name}/changing${i - 1}`, `${name}/changing${i}`),
      'changes of attributes': (i) => driver.setxattr(`${name}/changing`, 'user.count', Buffer.from(`${i}`)),
    };
    const make = step[kind];
    if (!make) throw new Error(kind);
    const streaming = (async () => {
      while (!stop) {
        await make(begun++);
        made++;
      }
    })();
    await expect.poll(() => made, { interval: 5 }).toBeGreaterThan(100);
    const { thawed } = await brick.freeze(path.join(dir, 'slow'), FREEZE_S);
    const begin = now();
    const before = made;
    let longest = 0;
    let rounds = 0;
    while (now() - begin < (FREEZE_S - 1) * 1000) {
      const from = now();
      expect((await other.lookup(`${name}/cached`)).ia_size).toBe(6);
      expect((await other.fstat(cached)).ia_size).toBe(6);
      expect(Buffer.from(await other.read(cached, 6, 0)).toString()).toBe('cached');
      expect((await other.lookup(name)).ia_nlink).toBe(2);
      if (rounds % 50 === 20) await (await client(brick)).statfs();
      longest = Math.max(longest, now() - from);
      rounds++;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(made - before).toBeLessThan(2);
    expect(longest).toBeLessThan(1000);
    expect(rounds).toBeGreaterThan(50);
    expect(lost).toEqual([]);
    // Who looks at what is half changed sees it before or after that.
    const looks = [other.names(name), other.exists(`${name}/${begun - 1}`), other.lookup(`${name}/changing`).catch(() => undefined)];
    // Asked for during the hang, made in their order after it.
    const later = Array.from({ length: 20 }, (_, i) => other.setxattr(`${name}/cached`, 'user.last', Buffer.from(`${i}`)));
    await thawed;
    stop = true;
    await Promise.all([streaming, ...looks, ...later]);
    expect(lost).toEqual([]);
    expect(made).toBe(begun);
    expect(Buffer.from(await other.getxattr(`${name}/cached`, 'user.last') ?? []).toString()).toBe('19');
    const names = new Set((await other.names(name)).map(String));
    if (kind === 'creations') for (let i = 0; i < begun; i++) expect(names.has(`${i}`)).toBe(true);
    if (kind === 'renames') expect([...names].filter((entry) => entry.startsWith('changing'))).toEqual([`changing${begun - 1}`]);
    if (kind === 'small writes') expect(Buffer.from(await driver.read(file, 8, 8 * ((begun - 1) % 1000))).toString()).toBe(`${begun - 1}`.padStart(8));
    if (kind === 'changes of attributes') expect(Buffer.from(await driver.getxattr(`${name}/changing`, 'user.count') ?? []).toString()).toBe(`${begun - 1}`);
  }, 60_000);

  it('known to be slow, it goes on answering what changes nothing', async () => {
    const { driver, fd, brick } = at(0);
    const { thawed } = await brick.freeze(path.join(dir, 'slow'), FREEZE_S);
    const begin = now();
    let done = 0;
    const changes = Promise.all([driver.write(fd, Buffer.from('pooled'), 0), driver.mkdir('/again'), driver.setxattr('/c', 'user.y', Buffer.from('y'))]).then(() => (done = now() - begin));
    let longest = 0;
    for (let i = 0; i < 40; i++) {
      const from = now();
      await driver.fstat(fd);
      await driver.lookup('/c');
      expect((await driver.read(fd, 6, 0)).length).toBe(6);
      longest = Math.max(longest, now() - from);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(done).toBe(0);
    expect(longest).toBeLessThan(1500);
    await thawed;
    await changes;
    expect(lost).toEqual([]);
    expect(Buffer.from(await driver.read(fd, 6, 0)).toString()).toBe('pooled');
    expect(await driver.exists('/again')).toBe(true);
  }, 60_000);
});
