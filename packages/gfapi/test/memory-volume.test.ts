import { randomBytes } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { createPlatform } from '@glusterts/libglusterfs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Volume } from '../src/index.js';

const VOLFILE = `
volume brick-0
    type storage/memory
    option size 1GB
end-volume
`;

const platform = createPlatform();
let volume: Volume;

beforeEach(async () => {
  volume = await Volume.fromVolfile(VOLFILE, { name: 'vol', platform, uid: 0, gid: 0 });
});

afterEach(async () => {
  await volume.close();
  expect(platform.iobufs.active).toBe(0);
});

const failure = (promise: Promise<unknown>): Promise<NodeJS.ErrnoException & { dest?: string }> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error) => error,
  );

describe('files', () => {
  it('reads back what was written, as bytes and as text', async () => {
    await volume.writeFile('/a', 'größe');
    expect(await volume.readFile('/a', 'utf8')).toBe('größe');
    expect(await volume.readFile('a')).toEqual(Buffer.from('größe'));
    expect(await volume.readFile('/a', { encoding: 'hex' })).toBe(Buffer.from('größe').toString('hex'));
  });

  it.each([0, 1, 4095, 1 << 20, (1 << 20) + 1, 5_000_003])('carries %i bytes in fops of at most 1 MiB', async (size) => {
    const data = randomBytes(size);
    await volume.writeFile('/big', data);
    const back = await volume.readFile('/big');
    expect(back.equals(data)).toBe(true);
    expect((await volume.stat('/big')).size).toBe(size);
  });

  it('leaves the event loop its turns while a program only reads and writes', async () => {
    await volume.writeFile('/a', 'bytes');
    const file = await volume.open('/a', 'r+');
    let turns = 0;
    const turn = (): void => {
      turns++;
      next = setImmediate(turn);
    };
    let next = setImmediate(turn);
    for (let i = 0; i < 1000; i++) await file.read(Buffer.alloc(5), 0, 5, 0);
    expect(turns).toBeGreaterThan(10);
    for (let i = 0; i < 1000; i++) await file.write(Buffer.from('bytes'), 0);
    expect(turns).toBeGreaterThan(20);
    clearImmediate(next);
    await file.close();
  });

  it('appends in order, also what takes several fops', async () => {
    const first = randomBytes(100);
    const second = randomBytes(3_000_000);
    await volume.writeFile('/log', first);
    await volume.appendFile('/log', second);
    await volume.appendFile('/log', 'end');
    expect((await volume.readFile('/log')).equals(Buffer.concat([first, second, Buffer.from('end')]))).toBe(true);
  });

  it('keeps a position for each open file, and leaves it when one is given', async () => {
    await volume.writeFile('/p', '0123456789');
    const file = await volume.open('/p', 'r+');
    const two = Buffer.alloc(2);
    expect((await file.read(two)).bytesRead).toBe(2);
    expect(two.toString()).toBe('01');
    await file.read(two, 0, 2, 8);
    expect(two.toString()).toBe('89');
    await file.write('ab');
    await file.read(two);
    expect(two.toString()).toBe('45');
    expect((await file.read(Buffer.alloc(100), 0, 100, 6)).bytesRead).toBe(4);
    await file.close();
    expect(await volume.readFile('/p', 'utf8')).toBe('01ab456789');
    await file.close();
    expect((await failure(file.read(two))).code).toBe('EBADF');
  });

  it('opens as node:fs does: w truncates, wx refuses what exists, r refuses what does not', async () => {
    await volume.writeFile('/f', 'long text');
    await volume.writeFile('/f', 'x');
    expect(await volume.readFile('/f', 'utf8')).toBe('x');
    expect((await failure(volume.open('/f', 'wx'))).code).toBe('EEXIST');
    const absent = await failure(volume.open('/nope', 'r'));
    expect(absent).toMatchObject({ code: 'ENOENT', errno: -2, syscall: 'open', path: '/nope', message: "ENOENT: no such file or directory, open '/nope'" });
    await volume.mkdir('/d');
    expect((await failure(volume.open('/d', 'r+'))).code).toBe('EISDIR');
    expect((await failure(volume.open('/f', 'bogus'))).code).toBe('EINVAL');
  });

  it('truncates, finds holes, changes modes, owners and times', async () => {
    const file = await volume.open('/t', 'w+', 0o640);
    await file.write('hello');
    await file.truncate(1 << 20);
    expect((await file.stat()).size).toBe(1 << 20);
    await file.chmod(0o600);
    await file.chown(5, -1);
    await file.utimes(1000.5, new Date(2_000_000));
    await file.sync();
    await file.datasync();
    expect(await file.seek(0, 'data')).toBe(0);
    expect(await file.seek(0, 'hole')).toBeGreaterThan(0);
    const stats = await volume.stat('/t');
    expect(stats).toMatchObject({ mode: 0o100600, uid: 5, atimeMs: 1_000_500, mtimeMs: 2_000_000, blksize: 4096 });
    expect(stats.isFile()).toBe(true);
    expect(stats.gfid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    await file.close();
    await volume.truncate('/t', 3);
    expect(await volume.readFile('/t', 'utf8')).toBe('hel');
  });

  it('locks ranges: another open file must wait, or is told who is in the way', async () => {
    await volume.writeFile('/l', 'x');
    const one = await volume.open('/l', 'r+');
    const two = await volume.open('/l', 'r+');
    await one.lock({ type: 'write', start: 10, length: 5 });
    expect((await failure(two.lock({ type: 'read', start: 12 }))).code).toBe('EAGAIN');
    expect(await two.testLock({ type: 'read' })).toMatchObject({ type: 'write', start: 10, length: 5 });
    await two.lock({ type: 'write', start: 0, length: 10 });
    const waiting = two.lock({ type: 'write' }, { wait: true });
    await one.unlock();
    await waiting;
    await two.close();
    await one.close();
  });

  it('streams both ways', async () => {
    const data = randomBytes(3_456_789);
    await pipeline(Readable.from([data.subarray(0, 1_000_000), data.subarray(1_000_000)]), volume.createWriteStream('/s'));
    const parts: Buffer[] = [];
    for await (const part of volume.createReadStream('/s')) parts.push(part as Buffer);
    expect(Buffer.concat(parts).equals(data)).toBe(true);
    const some: Buffer[] = [];
    for await (const part of volume.createReadStream('/s', { start: 10, end: 19 })) some.push(part as Buffer);
    expect(Buffer.concat(some).equals(data.subarray(10, 20))).toBe(true);
    const failed = new Promise((resolve) => volume.createReadStream('/none').on('error', resolve));
    expect(await failed).toMatchObject({ code: 'ENOENT' });
  });

  it('replaces contents with what an async iterable yields', async () => {
    await volume.writeFile('/i', (async function* () {
      yield 'one ';
      yield Buffer.from('two');
    })());
    expect(await volume.readFile('/i', 'utf8')).toBe('one two');
  });
});

describe('names', () => {
  it('lists a directory of 5,000 names once each, and walks through it', async () => {
    await volume.mkdir('/many');
    for (let i = 0; i < 5000; i += 50) await Promise.all(Array.from({ length: 50 }, (_, j) => volume.writeFile(`/many/file-${i + j}`, '')));
    const names = await volume.readdir('/many');
    expect(new Set(names).size).toBe(5000);
    expect(names.length).toBe(5000);
    let count = 0;
    for await (const entry of await volume.opendir('/many')) {
      expect(entry.isFile()).toBe(true);
      count++;
    }
    expect(count).toBe(5000);
    for await (const entry of await volume.opendir('/many')) {
      expect(entry.parentPath).toBe('/many');
      break;
    }
  });

  it('takes names as bytes', async () => {
    const name = Buffer.from([0x2f, 0xff, 0xfe, 0x41]);
    await volume.writeFile(name, 'bytes');
    expect(await volume.readdir('/', { encoding: 'buffer' })).toEqual([name.subarray(1)]);
    expect(await volume.readFile(name, 'utf8')).toBe('bytes');
    const [entry] = await volume.readdir('/', { withFileTypes: true });
    expect(entry?.nameBuffer).toEqual(name.subarray(1));
  });

  it('makes directories on the way, says which was the first, and removes trees', async () => {
    expect(await volume.mkdir('/a/b/c', { recursive: true })).toBe('/a');
    expect(await volume.mkdir('/a/b/c', { recursive: true })).toBeUndefined();
    expect((await failure(volume.mkdir('/a'))).code).toBe('EEXIST');
    await volume.writeFile('/a/b/f', 'x');
    await volume.symlink('/a', '/a/b/c/loop');
    expect((await failure(volume.rmdir('/a'))).code).toBe('ENOTEMPTY');
    expect((await failure(volume.mkdir('/a/b/f/g', { recursive: true }))).code).toBe('ENOTDIR');
    expect((await failure(volume.rm('/a'))).code).toBe('EISDIR');
    await volume.rm('/a', { recursive: true });
    expect(await volume.readdir('/')).toEqual([]);
    await volume.rm('/a', { force: true });
    expect((await failure(volume.rm('/a'))).code).toBe('ENOENT');
  });

  it('renames, links, unlinks', async () => {
    await volume.writeFile('/x', '1');
    await volume.writeFile('/y', '2');
    await volume.rename('/x', '/y');
    expect(await volume.readFile('/y', 'utf8')).toBe('1');
    await volume.link('/y', '/z');
    expect((await volume.stat('/z')).nlink).toBe(2);
    await volume.unlink('/y');
    expect((await volume.stat('/z')).nlink).toBe(1);
    const error = await failure(volume.rename('/gone', '/new'));
    expect(error).toMatchObject({ code: 'ENOENT', syscall: 'rename', path: '/gone', dest: '/new' });
    expect((await failure(volume.link('/z', '/z'))).code).toBe('EEXIST');
  });

  it('follows symlinks on the way and at the end, upwards too, and finds loops', async () => {
    await volume.mkdir('/d/e', { recursive: true });
    await volume.writeFile('/d/target', 'T');
    await volume.symlink('../target', '/d/e/up');
    await volume.symlink('/d/e', '/abs');
    await volume.symlink('loop2', '/loop1');
    await volume.symlink('loop1', '/loop2');
    expect(await volume.readFile('/abs/up', 'utf8')).toBe('T');
    expect(await volume.readFile('/d/e/../e/./up', 'utf8')).toBe('T');
    expect(await volume.readlink('/abs')).toBe('/d/e');
    expect((await volume.lstat('/abs')).isSymbolicLink()).toBe(true);
    expect((await volume.stat('/abs')).isDirectory()).toBe(true);
    expect(await volume.readdir('/d/..')).toContain('abs');
    expect((await failure(volume.readFile('/loop1'))).code).toBe('ELOOP');
    expect((await failure(volume.stat('/d/target/x'))).code).toBe('ENOTDIR');
    expect((await failure(volume.stat('/d/target/'))).code).toBe('ENOTDIR');
    expect((await failure(volume.readlink('/d/target'))).code).toBe('EINVAL');
    await volume.symlink('born', '/dangling');
    await volume.writeFile('/dangling', 'now');
    expect(await volume.readFile('/born', 'utf8')).toBe('now');
  });

  it('refuses paths that cannot be', async () => {
    expect((await failure(volume.stat(''))).code).toBe('ENOENT');
    expect((await failure(volume.stat('/a\0b'))).code).toBe('EINVAL');
    expect((await failure(volume.stat(`/${'x'.repeat(5000)}`))).code).toBe('ENAMETOOLONG');
    expect((await failure(volume.writeFile(`/${'x'.repeat(256)}`, ''))).code).toBe('ENAMETOOLONG');
    expect((await failure(volume.rmdir('/'))).code).toBe('EBUSY');
  });
});

describe('attributes', () => {
  it('has extended attributes', async () => {
    await volume.writeFile('/x', '');
    await volume.setxattr('/x', 'user.a', 'one');
    await volume.setxattr('/x', 'user.b', Buffer.from([0, 1]));
    expect((await volume.listxattr('/x')).sort()).toEqual(['user.a', 'user.b']);
    expect((await volume.getxattr('/x', 'user.a')).toString()).toBe('one');
    expect((await failure(volume.setxattr('/x', 'user.a', 'two', { create: true }))).code).toBe('EEXIST');
    expect((await failure(volume.setxattr('/x', 'user.c', 'two', { replace: true }))).code).toBe('ENODATA');
    await volume.removexattr('/x', 'user.a');
    expect((await failure(volume.getxattr('/x', 'user.a'))).code).toBe('ENODATA');
    const file = await volume.open('/x', 'r+');
    await file.setxattr('user.f', 'file');
    expect((await file.getxattr('user.f')).toString()).toBe('file');
    await file.removexattr('user.f');
    await file.close();
  });

  it('sets modes, owners and times by path, of links too', async () => {
    await volume.writeFile('/f', '');
    await volume.symlink('f', '/l');
    await volume.chmod('/l', 0o4711);
    await volume.chown('/f', 7, 8);
    await volume.utimes('/f', 1, 2);
    await volume.lutimes('/l', 3, 4);
    expect(await volume.stat('/l')).toMatchObject({ mode: 0o104711, uid: 7, gid: 8, atimeMs: 1000, mtimeMs: 2000 });
    expect(await volume.lstat('/l')).toMatchObject({ mtimeMs: 4000 });
    await volume.access('/f');
    expect((await failure(volume.access('/none'))).code).toBe('ENOENT');
    const fs = await volume.statfs();
    expect(fs.bsize).toBeGreaterThan(0);
    expect(fs.blocks).toBeGreaterThan(0);
  });
});

describe('the volume', () => {
  it('closes files that were left open, and answers EBADF after that', async () => {
    const other = await Volume.fromVolfile(VOLFILE, { platform });
    const file = await other.open('/f', 'w');
    await file.write('x');
    await other.close();
    await other.close();
    expect((await failure(file.write('y'))).code).toBe('EBADF');
    expect((await failure(other.stat('/'))).code).toBe('EBADF');
  });

  it('says ENOTCONN when no glusterd answers', async () => {
    expect(await failure(Volume.connect({ host: '127.0.0.1', port: 1 }, 'vol', { platform }))).toMatchObject({ code: 'ENOTCONN', syscall: 'connect', path: 'vol' });
  });
});
