import { readFileSync } from 'node:fs';
import { type Bytes, Errno, Loc, type Iatt, errnoName, errnoOf } from '@glusterts/libglusterfs';
import type { GraphDriver } from '@glusterts/xlator-compliance';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { dmHash } from '../src/hash.js';
import { RecordedVolume, whyNoBricks } from './recorded-volume.js';

const reason = whyNoBricks();
if (reason) console.warn(`GlusterFS's recorded volume with a brick down skipped: ${reason}`);

/** A directory on one brick: xattrs in hex or `ERR ENODATA`, and its mode. */
type OnBrick = Record<string, string>;
interface Vector {
  layout: [number, number][];
  dirs: Record<string, OnBrick[]>;
  'dirs down': Record<string, OnBrick[]>;
  'dirs healed': Record<string, OnBrick[]>;
  'down client-1': Record<string, unknown> & { listdir: string[]; 'statvfs blocks': number };
  'listdir after': string[];
}
const vector: Vector = JSON.parse(readFileSync(new URL('vectors/subvol-down.json', import.meta.url), 'utf8'));
const down = vector['down client-1'];

const BRICKS = [0, 1, 2];
const KEYS = ['trusted.glusterfs.dht', 'trusted.glusterfs.dht.mds', 'user.k'];
const hashed = (name: string): number => vector.layout.findIndex(([start, stop]) => start <= dmHash(name) && dmHash(name) <= stop);

/** What the names of the vector were: three files, three directories whose state is told, three empty ones, and what was made meanwhile. */
const all = [...new Set([...down.listdir, ...vector['listdir after']])];
const told = Object.keys(vector.dirs);
const before = all.filter((name) => down.listdir.includes(name) || hashed(name) === 1);
const [fileOn1] = before.filter((name) => !down.listdir.includes(name));
const [fileOn0] = before.filter((name) => !vector['listdir after'].includes(name));
const made = all.filter((name) => !before.includes(name));

/** Begins its ranges, and those of the directories in it, on the bricks that the vector shows; the hash of the path decides that, and the path wasn't recorded. */
function directory(mkdirs: readonly string[]): string {
  const first = (path: string): number => dmHash(path) % 3;
  const start = (dir: string): number => vector.dirs[dir]?.findIndex((each) => each['trusted.glusterfs.dht']?.slice(16, 24) === '00000000') ?? -1;
  for (let i = 0; ; i++) {
    const path = `/p${i}`;
    const parent = vector.layout.findIndex(([from]) => from === 0);
    // Those made meanwhile have their first range on brick 2, the next one that is up from 1 or 2 on.
    if (first(path) === parent && told.every((dir) => first(`${path}/${dir}`) === start(dir)) && mkdirs.every((dir) => first(`${path}/${dir}`) !== 0)) return path;
  }
}

describe.skipIf(reason)('three bricks, of which one goes down and comes back, as GlusterFS recorded it', () => {
  let volume: RecordedVolume;
  let driver: GraphDriver;
  let dir: string;
  const next = new Map([0, 2].map((brick) => [brick, made.filter((name) => hashed(name) === brick)]));
  const mkdirs = new Map([0, 2].map((brick) => [brick, next.get(brick)?.shift() ?? '']));
  const results = new Map<string, unknown>();

  beforeAll(async () => {
    const blocks = down['statvfs blocks'] / 2;
    const disk = { f_bsize: 4096, f_frsize: 4096, f_blocks: blocks, f_bfree: blocks, f_bavail: blocks, f_files: blocks, f_ffree: blocks };
    volume = new RecordedVolume({ name: 'x3', bricks: 3, disks: [disk, disk, disk] });
    driver = await volume.mount();
    dir = directory([...mkdirs.values()]);
    await driver.mkdir(dir);
  });
  afterAll(() => volume.stop());

  const onBricks = (path: string): OnBrick[] => BRICKS.map((brick) => {
    const stat = volume.stat(brick, path);
    const value = (key: string): string => (stat ? (volume.xattr(brick, path, key) ?? 'ERR ENODATA') : 'ERR ENOENT');
    return { ...Object.fromEntries(KEYS.map((key) => [key, value(key)])), mode: stat ? `0o${stat.mode.toString(8)}` : 'ERR ENOENT' };
  });

  /** What came of it: `ok`, a value, or the error by name. */
  async function outcome(run: Promise<unknown>): Promise<unknown> {
    try {
      const value = await run;
      return value === undefined || (typeof value === 'object' && !(value instanceof Uint8Array)) ? 'ok' : value instanceof Uint8Array ? Buffer.from(value).toString() : value;
    } catch (error) {
      return `ERR ${errnoName(errnoOf(error))}`;
    }
  }
  const record = async (what: string, run: Promise<unknown>): Promise<void> => void results.set(what, await outcome(run));

  /** As the kernel does: a new name is looked up before it is made. */
  async function fresh<T>(name: string, make: (path: string) => Promise<T>): Promise<T> {
    const path = `${dir}/${name}`;
    await driver.lookup(path).catch((error: unknown) => {
      if (errnoOf(error) !== Errno.ENOENT) throw error;
    });
    return make(path);
  }
  /** As mount/fuse does: when a known name fails to be looked up again, it is looked up as if it were new. */
  async function lookedUp(path: string): Promise<Iatt> {
    try {
      return await driver.lookup(path);
    } catch {
      const { parent, name } = await driver.parent(path);
      const known = driver.graph.inodeTable.grep(parent, name);
      if (known) driver.graph.inodeTable.unlink(known, parent, name);
      return driver.lookup(path);
    }
  }
  const mode = async (path: string): Promise<string> => `0o${(await lookedUp(path)).mode.toString(8)}`;

  it('begins with the directories, and the layouts, of the vector', async () => {
    const layout = (brick: number): string => vector.layout[brick]?.map((value) => value.toString(16).padStart(8, '0')).join('') ?? '';
    expect(BRICKS.map((brick) => volume.xattr(brick, dir, KEYS[0] ?? ''))).toEqual(BRICKS.map((brick) => `${'0'.repeat(16)}${layout(brick)}`));
    expect(told.map(hashed)).toEqual(BRICKS);
    for (const name of before.filter((each) => told.includes(each))) {
      await driver.mkdir(`${dir}/${name}`);
      await driver.setxattr(`${dir}/${name}`, 'user.k', Buffer.from('v0'));
      await driver.setxattr(`${dir}/${name}`, 'user.gone', Buffer.from('x'));
      expect(onBricks(`${dir}/${name}`)).toEqual(vector.dirs[name]);
    }
    const rest = before.filter((name) => !told.includes(name));
    const files = [fileOn0 ?? '', fileOn1 ?? '', rest.find((name) => hashed(name) === 2) ?? ''];
    for (const name of files) await driver.writeFile(`${dir}/${name}`, Buffer.from(name));
    for (const name of rest) if (!files.includes(name)) await driver.mkdir(`${dir}/${name}`);
    expect(files.map(hashed)).toEqual(BRICKS);
    expect(rest).toHaveLength(6);
  });

  it('answers every operation with brick 1 down as GlusterFS does', async () => {
    volume.wire(1).unplug();
    results.set('listdir', await driver.names(dir));
    const files = BRICKS.map((brick) => before.find((name) => hashed(name) === brick && !told.includes(name) && (brick !== 0 || name === fileOn0) && (brick !== 1 || name === fileOn1)) ?? '');
    const empty = before.filter((name) => !told.includes(name) && !files.includes(name)).sort((a, b) => hashed(a) - hashed(b));
    let spare = 1000;
    const unused = (brick: number): string => {
      for (;;) if (hashed(`n${++spare}`) === brick) return `n${spare}`;
    };
    let moving = fileOn0 ?? '';
    for (const brick of BRICKS) {
      const of = (what: string): string => what.replace('#', String(brick));
      const name = (): string => next.get(brick)?.shift() ?? unused(brick);
      const told1 = `${dir}/${told[brick] ?? ''}`;
      await record(of('stat file on #'), mode(`${dir}/${files[brick] ?? ''}`));
      await record(of('lookup missing hashed to #'), driver.lookup(`${dir}/${unused(brick)}`));
      await record(of('create hashed to #'), fresh(name(), (path) => driver.writeFile(path, Buffer.from('x'))));
      const made1 = mkdirs.get(brick) ?? unused(brick);
      await record(of('mkdir hashed to #'), fresh(made1, (path) => driver.mkdir(path)));
      results.set(of('mkdir hashed to # state'), onBricks(`${dir}/${made1}`));
      await record(of('symlink hashed to #'), fresh(name(), (path) => driver.symlink('t', path)));
      // The file of brick 0 moves on twice; the first name that it gets is not there in the end.
      const to = brick === 0 ? unused(0) : name();
      await record(of('rename file(0) to hashed #'), driver.rename(`${dir}/${moving}`, `${dir}/${to}`));
      if (results.get(of('rename file(0) to hashed #')) === 'ok') moving = to;
      await record(of('link file(0) to hashed #'), fresh(name(), (path) => driver.link(`${dir}/${moving}`, path)));
      await record(of('setxattr user on dir with mds #'), driver.setxattr(told1, 'user.k', Buffer.from('v1')));
      await record(of('chmod dir with mds #'), driver.chmod(told1, 0o701));
      await record(of('getxattr user on dir with mds #'), driver.getxattr(told1, 'user.k'));
      await record(of('removexattr on dir mds #'), driver.removexattr(told1, 'user.gone'));
      await record(of('stat dir mds #'), mode(told1));
      await record(of('rmdir empty dir mds #'), driver.rmdir(`${dir}/${empty[brick] ?? ''}`));
      await record(of('rename dir to hashed #'), driver.rename(`${dir}/${empty[brick] ?? ''}`, `${dir}/${unused(brick)}`));
    }
    await record('unlink file on 1', driver.unlink(`${dir}/${fileOn1 ?? ''}`));
    results.set('statvfs blocks', (await driver.statfs()).f_blocks);
    const { loc } = await driver.resolve(dir);
    const { dict } = await driver.subvolume.getxattr(driver.frame, new Loc({ inode: loc.inode, path: loc.path }), 'dht.subvol.status' as Bytes, undefined);
    results.set('dht.subvol.status', `${dict.getInt('dht.subvol.status')}\0`);

    // A difference that is meant: GlusterFS shows no permissions at all of a directory whose metadata subvolume is down. We show those of the others.
    expect(down['stat dir mds 1']).toBe('0o40000');
    expect(Object.fromEntries(results)).toEqual({ ...down, 'stat dir mds 1': '0o40755' });
    for (const name of told) expect(onBricks(`${dir}/${name}`), name).toEqual(vector['dirs down'][name]);
  });

  it('makes the directories the same again, and shows everything, when the brick is back', async () => {
    volume.wire(1).plug();
    for (const name of all) await driver.lookup(`${dir}/${name}`).catch(() => undefined);
    // xattrs are copied in the background.
    await vi.waitFor(() => {
      for (const name of told) expect(onBricks(`${dir}/${name}`), name).toEqual(vector['dirs healed'][name]);
    }, { timeout: 20_000 });
    expect(await driver.names(dir)).toEqual(vector['listdir after']);
  });
});
