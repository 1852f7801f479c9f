import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bytes, Errno, FopError, type LaneJob, LoadResult, OpenFlag, SeekWhence, StorageLane, localStorage, missingStorage, utf8 } from '../src/index.js';

const storage = localStorage();
if (!storage.available) console.warn('skipped: the native addon is not built');

describe('storage on portable TypeScript', () => {
  it('says what to install, as ENOTSUP', () => {
    const missing = missingStorage();
    expect(missing.available).toBe(false);
    expect(() => missing.lstat('/' as Bytes, 0)).toThrow(FopError);
    expect(() => missing.lstat('/' as Bytes, 0)).toThrow(/build:native/);
  });
});

describe.skipIf(!storage.available)('storage', () => {
  let dir: string;
  const at = (name: string): Bytes => utf8(path.join(dir, name));
  beforeAll(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'storage-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  it('answers −errno and throws nothing', () => {
    expect(storage.lstat(at('absent'), 0)).toBe(-Errno.ENOENT);
    expect(storage.open(at('absent'), OpenFlag.RDONLY, 0)).toBe(-Errno.ENOENT);
    expect(storage.readlink(at(''))).toBe(-Errno.EINVAL);
    expect(storage.fstat(-1, 0)).toBe(-Errno.EBADF);
    expect(storage.lstat('/nul\0in/the/middle' as Bytes, 0)).toBe(-Errno.EINVAL);
    expect(storage.lstat(`/${'x'.repeat(5000)}` as Bytes, 0)).toBe(-Errno.ENAMETOOLONG);
    expect(storage.lgetxattr(at(''), `user.${'x'.repeat(300)}` as Bytes)).toBe(-Errno.ERANGE);
    expect(storage.lstat(at(''), 8)).toBe(-Errno.EINVAL);
  });

  it('takes and gives names of any bytes', () => {
    const name = '\xff\x01\xfe' as Bytes;
    const fd = storage.open(`${at('')}/${name}` as Bytes, OpenFlag.CREAT | OpenFlag.RDWR, 0o600);
    expect(fd).toBeGreaterThan(0);
    storage.close(fd);
    const directory = storage.open(at(''), OpenFlag.DIRECTORY, 0);
    const entries = storage.getdents(directory);
    expect(Array.isArray(entries) && entries.map((entry) => entry.name)).toContain(name);
    storage.close(directory);
    expect(storage.unlink(`${at('')}/${name}` as Bytes)).toBe(0);
  });

  it('puts stats into the slot that was asked for', () => {
    writeFileSync(path.join(dir, 'a'), 'four');
    expect(storage.lstat(at('a'), 1)).toBe(0);
    expect(storage.link(at('a'), at('b'))).toBe(0);
    expect(storage.lstat(at('b'), 2)).toBe(0);
    expect(storage.cells.size(1)).toBe(4);
    expect([storage.cells.nlink(1), storage.cells.nlink(2)]).toEqual([1, 2]);
    expect(storage.cells.sameInode(1, 2)).toBe(true);
    expect(storage.lstat(at(''), 2)).toBe(0);
    expect(storage.cells.sameInode(1, 2)).toBe(false);
  });

  it('reads and writes vectors at once and on the pool', async () => {
    const fd = storage.open(at('data'), OpenFlag.CREAT | OpenFlag.RDWR, 0o600);
    const chunks = [Buffer.from('one '), Buffer.from('two '), Buffer.from('three')];
    expect(storage.pwritev(fd, chunks, 0)).toBe(13);
    expect(await storage.pwritevAsync(fd, chunks, 13)).toBe(13);
    expect(await storage.fsync(fd)).toBe(0);
    const [head, tail] = [Buffer.alloc(10), Buffer.alloc(30)];
    expect(storage.preadv(fd, [head, tail], 0, false)).toBe(26);
    expect(head.toString() + tail.toString('latin1', 0, 16)).toBe('one two threeone two three');
    expect(await storage.preadvAsync(fd, [head], 24)).toBe(2);
    // By GlusterFS's name for such threads.
    expect(readdirSync('/proc/self/task').map((task) => readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim())).toContainEqual(expect.stringMatching(/^glfs_iotwr[0-9a-f]{3}$/));
    expect(await storage.ftruncate(fd, 5)).toBe(0);
    expect(readFileSync(path.join(dir, 'data'), 'utf8')).toBe('one t');
    expect(await storage.closeAsync(fd)).toBe(0);
    expect(await storage.fsync(fd)).toBe(-Errno.EBADF);
  });

  it('tells what is in memory, and reads in what isn’t', async () => {
    writeFileSync(path.join(dir, 'known'), 'known');
    expect(storage.lstatCached(at('known'), 0)).toBe(0);
    expect(storage.cells.size(0)).toBe(5);
    // A name that nobody has looked for yet is in no cache; a kernel that can't tell looks for it.
    expect([-Errno.EAGAIN, -Errno.ENOENT]).toContain(storage.lstatCached(at('never looked for'), 0));
    expect((await storage.loadNames(undefined, [at('never looked for')], '' as Bytes)) & LoadResult.MISSING).toBe(LoadResult.MISSING);
    expect(storage.lstatCached(at('never looked for'), 0)).toBe(-Errno.ENOENT);
    const fd = storage.open(at(''), OpenFlag.RDONLY | OpenFlag.DIRECTORY, 0);
    expect((await storage.loadNames(fd, ['absent', 'known'] as Bytes[], at(''))) & LoadResult.MISSING).toBe(0);
    expect(await storage.loadDents(fd)).toBeGreaterThanOrEqual(0);
    // The position of the directory is as before.
    const names = storage.getdents(fd);
    expect(typeof names === 'number' ? [] : names.map(({ name }) => name)).toEqual(expect.arrayContaining(['.', '..', 'known']));
    storage.close(fd);
    expect(await storage.loadDents(-1)).toBe(-Errno.EBADF);
  });

  it('finishes many jobs, each with its own result', async () => {
    const fds = Array.from({ length: 20 }, (_, i) => storage.open(at(`many-${i}`), OpenFlag.CREAT | OpenFlag.RDWR, 0o600));
    const written = await Promise.all(fds.map((fd, i) => storage.pwritevAsync(fd, [Buffer.alloc(i + 1, i)], 0)));
    expect(written).toEqual(fds.map((_, i) => i + 1));
    for (const fd of fds) storage.close(fd);
    expect(readdirSync(dir).filter((name) => name.startsWith('many-'))).toHaveLength(20);
  });

  it('does the jobs of a lane one after the other, each with its xattr, and goes on after one that fails', async () => {
    const fd = storage.open(at('lane'), OpenFlag.CREAT | OpenFlag.RDWR, 0o600);
    const lane = new StorageLane();
    const store = (text: string): LaneJob => ({ lane, store: { name: 'user.last' as Bytes, value: Buffer.from(text) } });
    const results = await Promise.all([
      ...Array.from({ length: 50 }, (_, i) => storage.pwritevAsync(fd, [Buffer.alloc(4096, i)], 0, store(`write ${i}`))),
      storage.ftruncate(fd, 100, { lane, store: undefined }),
      storage.pwritevAsync(-1, [Buffer.alloc(1)], 0, store('never')),
    ]);
    expect(results).toEqual([...Array.from({ length: 50 }, () => 4096), 0, -Errno.EBADF]);
    expect(readFileSync(path.join(dir, 'lane'))).toEqual(Buffer.alloc(100, 49));
    expect(Buffer.from(storage.fgetxattr(fd, 'user.last' as Bytes) as Uint8Array).toString()).toBe('write 49');
    expect(lane.takeError()).toBe(0);
    expect(await storage.pwritevAsync(fd, [Buffer.alloc(1)], 0, { lane, store: { name: 'unknown.namespace' as Bytes, value: Buffer.alloc(1) } })).toBe(1);
    expect([lane.takeError(), lane.takeError()]).toEqual([Errno.EOPNOTSUPP, 0]);
    storage.close(fd);
  });

  it('goes on in a directory after a cookie of 64 bits', () => {
    const fd = storage.open(at(''), OpenFlag.DIRECTORY, 0);
    const all = storage.getdents(fd);
    if (typeof all === 'number') throw new Error(`getdents: ${all}`);
    const middle = all[Math.floor(all.length / 2)];
    expect(storage.seekdir(fd, middle?.off ?? 0n)).toBe(0);
    const rest = storage.getdents(fd);
    expect(Array.isArray(rest) && rest.map((entry) => entry.name)).toEqual(all.slice(Math.floor(all.length / 2) + 1).map((entry) => entry.name));
    storage.close(fd);
  });

  it('seeks data and holes, and tells of a file system', async () => {
    const fd = storage.open(at('sparse'), OpenFlag.CREAT | OpenFlag.RDWR, 0o600);
    await storage.ftruncate(fd, 1 << 20);
    storage.pwritev(fd, [Buffer.from('x')], 1 << 19);
    expect(storage.lseek(fd, 0, SeekWhence.DATA)).toBeLessThanOrEqual(1 << 19);
    expect(storage.lseek(fd, 1 << 20, SeekWhence.DATA)).toBe(-Errno.ENXIO);
    storage.close(fd);
    expect(storage.statvfs(at('')).blocks).toBeGreaterThan(0);
    expect(() => storage.statvfs(at('absent'))).toThrow(FopError);
  });

  it('hashes as XXH64 does', () => {
    expect(storage.xxh64('' as Bytes)).toBe('ef46db3751d8e999');
    expect(storage.xxh64('11111111-2222-3333-4444-000000000001/f' as Bytes)).toBe('dd4f3fdf2848ec77');
  });
});
