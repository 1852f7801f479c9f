import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Graph, Seek, createPlatform } from '@glusterts/libglusterfs';
import { GraphDriver } from '@glusterts/xlator-compliance';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrickProcess, buildBrickHost } from './brick-process.js';
import { clientGraph } from './pair.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const IMAGE_SIZE = '256M';
const FILES = 96;
const DELAY_MS = 25;
const HANG_MS = 4000;
/** A file of so many pieces has more than one block to tell where they are. */
const PIECES = 2000;
const BLOCK = 4096;

const sh = (command: string): { status: number | null; stdout: string } => spawnSync('sh', ['-c', command], { encoding: 'utf8' });
const now = (): number => performance.now();
const later = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

/** A loop device whose reads take as long as it is told (slow-disk.mjs). */
class SlowDisk {
  readonly #server: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #mountpoint: string;
  readonly device: string;

  private constructor(server: ChildProcess, answers: AsyncIterator<string>, mountpoint: string, device: string) {
    this.#server = server;
    this.#answers = answers;
    this.#mountpoint = mountpoint;
    this.device = device;
  }

  /** Undefined when this machine can't. */
  static async start(dir: string): Promise<SlowDisk | undefined> {
    const [image, mountpoint] = [path.join(dir, 'image'), path.join(dir, 'fuse')];
    mkdirSync(mountpoint);
    if (sh(`truncate -s ${IMAGE_SIZE} ${image} && mkfs.ext4 -q ${image}`).status !== 0) return undefined;
    const server = spawn(process.execPath, [path.join(here, 'slow-disk.mjs'), image, mountpoint], { stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env, UV_THREADPOOL_SIZE: '8' } });
    if (!server.stdout) return undefined;
    const answers = readline.createInterface({ input: server.stdout })[Symbol.asyncIterator]();
    const ready = await answers.next();
    const device = ready.done ? '' : sh(`losetup --show -f --direct-io=on ${mountpoint}/image`).stdout.trim();
    const disk = new SlowDisk(server, answers, mountpoint, device);
    if (device !== '') return disk;
    await disk.stop();
    return undefined;
  }

  async tell(line: string): Promise<string> {
    this.#server.stdin?.write(`${line}\n`);
    const answer = await this.#answers.next();
    return answer.done ? '' : answer.value;
  }

  async stop(): Promise<void> {
    if (this.device !== '') sh(`losetup -d ${this.device}`);
    sh(`umount ${this.#mountpoint}`);
    if (this.#server.exitCode !== null) return;
    const exit = once(this.#server, 'exit');
    this.#server.kill('SIGKILL');
    await exit;
  }
}

async function whyNot(): Promise<string | undefined> {
  if (createPlatform().portable) return 'the native addon is not built (node tools/build-native.mjs)';
  if (process.getuid?.() !== 0) return 'mounting needs root';
  const dir = mkdtempSync(path.join(os.tmpdir(), 'slow-trial-'));
  const disk = await SlowDisk.start(dir);
  const mounted = disk ? sh(`unshare -m sh -c 'mkdir ${dir}/m && mount ${disk.device} ${dir}/m && umount ${dir}/m'`) : undefined;
  await disk?.stop();
  rmSync(dir, { recursive: true, force: true });
  return mounted?.status === 0 ? undefined : 'no loop device on a FUSE file system can be mounted';
}
const reason = await whyNot();
if (reason) console.warn(`slow disks: ${reason}`);

describe.skipIf(reason)('a brick whose disk reads slowly', () => {
  let dir = '';
  let mountpoint = '';
  let disk: SlowDisk;
  let brick: BrickProcess | undefined;
  let graph: Graph | undefined;
  let driver: GraphDriver;

  /** A brick and a client of it; nothing of the disk is in memory but what the start has needed. */
  async function start(options = 'defaults'): Promise<void> {
    await stop();
    brick = await BrickProcess.start(path.join(dir, 'host.mjs'), mountpoint, `mount -o ${options} ${disk.device} ${mountpoint} &&`);
    graph = await clientGraph('remote-host 127.0.0.1', `remote-port ${brick.port}`);
    driver = new GraphDriver(graph.topSubvolume, graph);
    await driver.root();
  }

  async function stop(): Promise<void> {
    await graph?.fini();
    await brick?.stop();
    graph = brick = undefined;
    // The kernel gives up the file system some time after the last process in its namespace has ended: then the device can be had for oneself.
    while (disk && sh(`e2fsck -n ${disk.device}`).stdout.includes('mounted')) await later(20);
  }

  beforeAll(async () => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'glusterts-slow-'));
    mountpoint = path.join(dir, 'brick');
    mkdirSync(mountpoint);
    await buildBrickHost(path.join(dir, 'host.mjs'));
    const started = await SlowDisk.start(dir);
    if (!started) throw new Error('no disk');
    disk = started;
    await start();
    for (const name of ['cold', 'other', 'warm', 'listed']) await driver.mkdir(`/${name}`);
    for (let i = 0; i < FILES; i++) for (const name of ['cold', 'other', 'listed']) await driver.writeFile(`/${name}/${i}`, Buffer.from(`${i}`));
    await driver.writeFile('/warm/f', Buffer.from('content'));
    const holes = await driver.create('/holes');
    for (let i = 0; i < PIECES; i++) await driver.write(holes, Buffer.from('x'), 2 * i * BLOCK);
    await driver.subvolume.fsync(driver.frame, holes, false, undefined);
    await driver.close(holes);
  }, 60_000);
  afterAll(async () => {
    if (disk) await disk.tell('go');
    await stop();
    await disk?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('asks it for many things at once', async () => {
    await start();
    await driver.lookup('/cold');
    await disk.tell(`delay ${DELAY_MS}`);
    const before = Number(await disk.tell('reads'));
    const begin = now();
    await Promise.all(Array.from({ length: FILES }, (_, i) => driver.lookup(`/cold/${i}`)));
    const lasted = now() - begin;
    const reads = Number(await disk.tell('reads')) - before;
    expect(reads).toBeGreaterThan(FILES / 2);
    expect(lasted).toBeLessThan((reads * DELAY_MS) / 3);
  }, 60_000);

  it('lists a directory with attributes in a fraction of the time that its entries would take one by one', async () => {
    await driver.lookup('/listed');
    const before = Number(await disk.tell('reads'));
    const begin = now();
    expect((await driver.names('/listed')).length).toBeGreaterThanOrEqual(FILES);
    const lasted = now() - begin;
    const reads = Number(await disk.tell('reads')) - before;
    expect(reads).toBeGreaterThan(FILES / 2);
    expect(lasted).toBeLessThan((reads * DELAY_MS) / 2);
    await disk.tell('delay 0');
  }, 60_000);

  it('answers what is in memory, and makes changes elsewhere, while it hangs on lookups; these are answered in the end', async () => {
    await start();
    for (const name of ['/warm', '/warm/f', '/cold']) await driver.lookup(name);
    const fd = await driver.open('/warm/f');
    await driver.write(fd, Buffer.from('written'), 0);
    await driver.close(await driver.create('/warm/first'));
    await driver.names('/warm');
    await disk.tell('hang');
    let answered = 0;
    const hung = Promise.all(Array.from({ length: 40 }, (_, i) => driver.lookup(`/cold/${i}`).then(() => answered++)));
    const begin = now();
    let longest = 0;
    let rounds = 0;
    while (now() - begin < HANG_MS) {
      const from = now();
      expect((await driver.lookup('/warm/f')).ia_size).toBe(7);
      expect((await driver.fstat(fd)).ia_size).toBe(7);
      expect(Buffer.from(await driver.read(fd, 7, 0)).toString()).toBe('written');
      await driver.write(fd, Buffer.from('written'), 0);
      await driver.chmod('/warm/f', rounds % 2 === 0 ? 0o600 : 0o640);
      await driver.statfs();
      longest = Math.max(longest, now() - from);
      rounds++;
      expect(brick?.hangs).toBe(false);
      await later(20);
    }
    expect(answered).toBe(0);
    expect(rounds).toBeGreaterThan(20);
    expect(longest).toBeLessThan(1000);
    // In the directory that is looked through it waits for that.
    let made = false;
    const change = driver.mkdir('/cold/new').then(() => (made = true));
    expect((await driver.lookup('/warm/f')).ia_size).toBe(7);
    expect(made).toBe(false);
    await disk.tell('go');
    await hung;
    await change;
    expect(answered).toBe(40);
    await driver.close(fd);
  }, 60_000);

  it.skipIf(!process.versions.node.startsWith('20.'))('answers, and makes changes elsewhere, while looks hang at what has left memory although it was there: inodes, xattrs, maps of files', async () => {
    // Nothing is read in because it lies beside what is.
    await start('inode_readahead_blks=0');
    const client = await clientGraph('remote-host 127.0.0.1', `remote-port ${brick?.port}`);
    const other = new GraphDriver(client.topSubvolume, client);
    await other.root();
    const holes = await driver.open('/holes');
    const cold = [10, 50, 90];
    for (const i of cold) await driver.lookup(`/cold/${i}`);
    for (const path of ['/other', '/warm/f']) await driver.lookup(path);
    const fd = await driver.open('/warm/f');
    // What the device's blocks hold is forgotten, what the kernel has made of it isn't.
    await brick?.run(`blockdev --flushbufs ${disk.device}`);
    await driver.lookup('/warm/f');
    await driver.chmod('/warm/f', 0o644);
    await driver.write(fd, Buffer.from('written'), 0);
    await driver.names('/warm');
    await disk.tell('hang');
    const ended: string[] = [];
    const looks: Record<string, Promise<unknown>> = Object.fromEntries(cold.map((i) => [`lookup ${i}`, driver.lookup(`/cold/${i}`)]));
    looks.seek = driver.subvolume.seek(driver.frame, holes, 1500 * 2 * BLOCK, Seek.HOLE, undefined);
    looks.read = driver.read(holes, BLOCK, 1000 * 2 * BLOCK);
    // More than the pool's threads that load.
    const loads = Array.from({ length: 20 }, (_, i) => driver.lookup(`/other/${i}`));
    const all = Promise.all(Object.entries(looks).map(([name, look]) => look.then(() => ended.push(name))));
    const changed = driver.setxattr('/cold/10', 'user.hangs', Buffer.from('x')).then(() => ended.push('setxattr'));
    const begin = now();
    let longest = 0;
    let rounds = 0;
    while (now() - begin < HANG_MS) {
      const from = now();
      expect((await other.lookup('/warm/f')).ia_size).toBe(7);
      expect((await driver.fstat(fd)).ia_size).toBe(7);
      expect(Buffer.from(await driver.read(fd, 7, 0)).toString()).toBe('written');
      await driver.write(fd, Buffer.from('written'), 0);
      await driver.chmod('/warm/f', rounds % 2 === 0 ? 0o600 : 0o640);
      await driver.statfs();
      longest = Math.max(longest, now() - from);
      rounds++;
      await later(20);
    }
    expect(brick?.hangs).toBe(true);
    expect(ended).toEqual([]);
    expect(rounds).toBeGreaterThan(20);
    expect(longest).toBeLessThan(1500);
    await disk.tell('go');
    await all;
    await Promise.all(loads);
    await changed;
    expect(ended.sort()).toEqual(['lookup 10', 'lookup 50', 'lookup 90', 'read', 'seek', 'setxattr']);
    await driver.close(fd);
    await driver.close(holes);
    await client.fini();
  }, 60_000);
});
