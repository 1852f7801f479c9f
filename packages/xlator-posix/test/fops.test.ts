import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type ArenaIobufPool, type Bytes, Dict, Errno, Fd, FopError, GfEvent, type Iatt, IoVec, Loc, NULL_GFID, ROOT_GFID, Seek, SetAttr, XattropOp, gfidToString, localStorage, utf8 } from '@glusterts/libglusterfs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { aclFromText, aclToText } from '../src/acl-text.js';
import { globMatcher } from '../src/glob.js';
import { handleName } from '../src/handle-path.js';
import { timestamp } from '../src/health-check.js';
import { xattropStep } from '../src/xattrop.js';
import { TestBrick, newGfid, run, whyNot } from './brick-harness.js';

const reason = whyNot();
if (reason) console.warn(`skipped: ${reason}`);
const bytes = (text: string): Uint8Array => Buffer.from(text);
const hex = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString('hex');

/** A probe of the disk that a brick has begun may outlive its graph by a moment. */
const unmounted = (dir: string): Promise<void> => vi.waitFor(() => void run('umount', dir), { timeout: 10_000, interval: 20 });

describe('pure parts', () => {
  it('xattrop adds big-endian arrays, wraps, and reads with zeros', () => {
    const step = (op: XattropOp, value: string, stored?: string): unknown => {
      const { store, reply } = xattropStep(op, Buffer.from(value, 'hex'), stored === undefined ? undefined : Buffer.from(stored, 'hex'));
      return [hex(store), hex(reply)];
    };
    expect(step(XattropOp.ADD_ARRAY, '00000001ffffffff', '0000000200000003')).toEqual(['0000000300000002', '0000000300000002']);
    expect(step(XattropOp.ADD_ARRAY, '0000000100000001', '00000002')).toEqual(['0000000300000001', '0000000300000001']);
    expect(step(XattropOp.ADD_ARRAY, '00000000', undefined)).toEqual([undefined, '00000000']);
    expect(step(XattropOp.ADD_ARRAY64, '0000000000000001ffffffffffffffff', '00000000ffffffff0000000000000000')).toEqual(['0000000100000000ffffffffffffffff', '0000000100000000ffffffffffffffff']);
    expect(step(XattropOp.GET_AND_SET, 'abcd', undefined)).toEqual(['abcd', undefined]);
    expect(step(XattropOp.GET_AND_SET, 'abcd', '0102')).toEqual(['abcd', '0102']);
    expect(step(XattropOp.ADD_ARRAY_WITH_DEFAULT, '0000000100000005', undefined)).toEqual(['00000006', '00000006']);
    expect(step(XattropOp.ADD_ARRAY_WITH_DEFAULT, '0000000100000005', '00000002')).toEqual(['00000003', '00000003']);
    expect(() => step(XattropOp.ADD_ARRAY, '00000001', '0000000200000003')).toThrow(FopError);
    expect(() => step(XattropOp.OR_ARRAY, '00000001')).toThrow(FopError);
    expect(step(XattropOp.OR_ARRAY, '00000000', '00000007')).toEqual([undefined, '00000007']);
  });

  it('ACLs go to short text and back', () => {
    const text = 'u::rwx,u:1001:rwx,g::r-x,m::rwx,o::r-x';
    const acl = aclFromText(text);
    expect(acl && aclToText(acl)).toBe(text);
    expect(acl?.slice(0, 12)).toEqual(new Uint8Array([2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255]));
    expect(aclFromText('u::nonsense')).toBeUndefined();
  });

  it('globs match as fnmatch does', () => {
    expect(globMatcher('trusted.ec.*')('trusted.ec.version')).toBe(true);
    expect(globMatcher('trusted.ec.*')('trusted.afr.x')).toBe(false);
    expect(globMatcher('a?c[!x-z]')('abcd')).toBe(true);
    expect(globMatcher('a\\*')('a*')).toBe(true);
    expect(globMatcher('a\\*')('ab')).toBe(false);
  });

  it('the health check’s time stamp has 25 characters', () => {
    expect(timestamp(1795229231)).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}$/);
    expect(timestamp(1795229231)).toHaveLength(25);
  });
});

describe.skipIf(reason)('storage/posix', () => {
  let brick: TestBrick;
  beforeAll(async () => {
    brick = await new TestBrick().start();
  });
  afterAll(() => brick.stop());
  const read = async (fd: Fd, size = 1000, offset = 0): Promise<string> => {
    const { vector } = await brick.fops.readv(brick.frame(), fd, size, offset, 0, undefined);
    const text = Buffer.from(vector.toUint8Array()).toString();
    vector.unref();
    return text;
  };
  const write = (fd: Fd, text: string, offset = 0, xdata?: Dict, frame = brick.frame()) => brick.fops.writev(frame, fd, IoVec.from(bytes(text)), offset, 0, xdata);

  it('tells its parents CHILD_UP', () => {
    expect(brick.events).toContain(GfEvent.CHILD_UP);
  });

  it('tells ENOENT from ESTALE', async () => {
    const lookup = (loc: Loc) => brick.fops.lookup(brick.frame(), loc, undefined);
    const entry = (name: string, pargfid = ROOT_GFID) => new Loc({ inode: brick.table.create(), name: utf8(name), pargfid });
    await expect(lookup(entry('absent'))).rejects.toMatchObject({ errno: Errno.ENOENT });
    await expect(lookup(entry('x', newGfid()))).rejects.toMatchObject({ errno: Errno.ESTALE });
    await expect(lookup(new Loc({ inode: brick.table.create(), gfid: newGfid() }))).rejects.toMatchObject({ errno: Errno.ENOENT });
    await expect(lookup(entry('.glusterfs'))).rejects.toMatchObject({ errno: Errno.EPERM });
    await expect(brick.mkdir('/.glusterfs')).rejects.toMatchObject({ errno: Errno.EPERM });
    const { loc, fd } = await brick.create('/vanishes');
    fd.unref();
    await brick.unlink('/vanishes');
    await expect(brick.fops.stat(brick.frame(), loc, undefined)).rejects.toMatchObject({ errno: Errno.ENOENT });
  });

  it('removes a stale handle at a failing nameless lookup, and no other', async () => {
    const { loc, fd } = await brick.create('/nameless');
    fd.unref();
    run('rm', brick.backend('/nameless'));
    // The data are still there under the handle: it resolves.
    expect((await brick.fops.lookup(brick.frame(), new Loc({ inode: brick.table.create(), gfid: loc.inode.gfid }), undefined)).stat.ia_nlink).toBe(0);
    const dir = await brick.mkdir('/gone');
    run('rmdir', brick.backend('/gone'));
    await expect(brick.fops.lookup(brick.frame(), new Loc({ inode: brick.table.create(), gfid: dir.inode.gfid }), undefined)).rejects.toMatchObject({ errno: Errno.ENOENT });
    expect(existsSync(brick.backend(`.glusterfs/${handleName(dir.inode.gfid)}`))).toBe(false);
  });

  it('sets owner, group and mode as the frame and the parent say', async () => {
    await brick.mkdir('/setgid', 0o2775);
    localStorage().lchown(utf8(brick.backend('/setgid')), 5, 77);
    chmodSync(brick.backend('/setgid'), 0o2775);
    const frame = brick.frame({ uid: 1001, gid: 1002 });
    const { fd } = await brick.create('/setgid/file', 0o6777, frame);
    fd.unref();
    const stat = lstatSync(brick.backend('/setgid/file'));
    expect([stat.uid, stat.gid, (stat.mode & 0o7777).toString(8)]).toEqual([1001, 77, '777']);
    // Those who own it already lose what a chown takes all the same.
    (await brick.create('/suid', 0o6777)).fd.unref();
    expect((lstatSync(brick.backend('/suid')).mode & 0o7777).toString(8)).toBe('777');
    await brick.mkdir('/setgid/dir', 0o755, frame);
    expect((lstatSync(brick.backend('/setgid/dir')).mode & 0o7777).toString(8)).toBe('2755');
  });

  it('stores a creation’s xdata as xattrs, byte for byte', async () => {
    const { xdata } = brick.request((dict) => dict.setStr('trusted.glusterfs.dht.linkto', 'v-client-0').setInt('glusterfs-internal-fop', 1).setBin('user.x', bytes('y')));
    await brick.fops.mknod(brick.frame(), await brick.loc('/linkto'), 0o101000, 0n, 0, xdata);
    expect(brick.onDisk('/linkto', 'trusted.glusterfs.dht.linkto')).toBe(hex(bytes('v-client-0\0')));
    expect(brick.onDisk('/linkto', 'user.x')).toBe(hex(bytes('y')));
    expect(brick.names('/linkto')).not.toContain('glusterfs-internal-fop');
    await expect(brick.unlink('/linkto', new Dict().setInt('unlink-only-if-dht-linkto-file', 1))).resolves.toBeDefined();
    await brick.create('/nolinkto').then(({ fd }) => fd.unref());
    await expect(brick.unlink('/nolinkto', new Dict().setInt('unlink-only-if-dht-linkto-file', 1))).rejects.toMatchObject({ errno: Errno.EBUSY });
  });

  it('links by gfid when DHT makes a linkto of a file that is here', async () => {
    const { loc, fd } = await brick.create('/here');
    fd.unref();
    const xdata = new Dict().setGfid('gfid-req', loc.inode.gfid).setInt('glusterfs-internal-fop', 1);
    const reply = await brick.fops.mknod(brick.frame(), await brick.loc('/here-too'), 0o101000, 0n, 0, xdata);
    expect(reply.stat.ia_gfid).toBe(loc.inode.gfid);
    expect(lstatSync(brick.backend('/here-too')).ino).toBe(lstatSync(brick.backend('/here')).ino);
  });

  it('gives a new file the xattrs that stay as they are last, since a disk’s inode has room for some only', async () => {
    const set = vi.spyOn(brick.platform.storage, 'fsetxattr');
    const { xdata } = brick.request();
    for (const key of ['trusted.ec.config', 'trusted.ec.version', 'trusted.ec.dirty']) xdata.setBin(key, new Uint8Array(8).fill(1));
    (await brick.create('/lasting', 0o644, brick.frame({ flags: 7, ctime: 1000, ctime_nsec: 1 }), xdata)).fd.unref();
    const names = set.mock.calls.map(([, name]) => name.replace(/(gfid2path).*/, '$1'));
    set.mockRestore();
    expect(names.slice(0, 2).sort()).toEqual(['trusted.ec.dirty', 'trusted.ec.version']);
    expect(names.slice(2)).toEqual(['trusted.gfid', 'trusted.glusterfs.mdata', 'trusted.gfid2path', 'trusted.ec.config']);
    expect(execFileSync('getfattr', ['-d', '-m', 'trusted.ec', '-e', 'hex', brick.backend('/lasting')], { encoding: 'utf8' }).match(/0x0101010101010101/g)).toHaveLength(3);
  });

  it('checks the parent’s xattr before mkdir and create', async () => {
    localStorage().lsetxattr(utf8(brick.dir), utf8('trusted.glusterfs.dht'), bytes('layout'), 0);
    const xdata = (value: string): Dict => brick.request((dict) => dict.setStr('glusterfs.preop.parent.key', 'trusted.glusterfs.dht').setBin('trusted.glusterfs.dht', bytes(value))).xdata;
    const refused = await brick.mkdir('/pre', 0o755, brick.frame(), xdata('other!')).catch((error: unknown) => error);
    expect(refused).toMatchObject({ errno: 0 });
    expect((refused as FopError).xdata?.getNumber('glusterfs.preop.check.failed')).toBe(1);
    await expect(brick.create('/pre', 0o644, brick.frame(), xdata('other!'))).rejects.toMatchObject({ errno: Errno.EIO });
    await brick.mkdir('/pre', 0o755, brick.frame(), xdata('layout'));
    // A name that is taken counts for more.
    (await brick.create('/taken', 0o644, brick.frame(), xdata('layout'))).fd.unref();
    await expect(brick.create('/taken', 0o644, brick.frame(), xdata('other!'))).rejects.toMatchObject({ errno: Errno.EEXIST });
    expect(brick.names('/pre')).not.toContain('trusted.glusterfs.dht');
  });

  it('finds directories by gfid after they were made, moved and removed', async () => {
    const outer = await brick.mkdir('/moving');
    const inner = await brick.mkdir('/moving/inner');
    const touch = (loc: Loc) => brick.fops.setxattr(brick.frame(), new Loc({ inode: loc.inode, gfid: loc.inode.gfid }), new Dict().setBin('user.at', bytes('here')), 0, undefined);
    await touch(inner);
    await brick.rename('/moving', '/moved');
    await touch(inner);
    expect(brick.onDisk('/moved/inner', 'user.at')).toBe(hex(bytes('here')));
    await brick.fops.rmdir(brick.frame(), new Loc({ inode: inner.inode, parent: outer.inode, name: utf8('inner') }), 0, undefined);
    await expect(touch(inner)).rejects.toBeInstanceOf(FopError);
    run('mkdir', brick.backend('/moved/inner'));
    await expect(touch(inner)).rejects.toBeInstanceOf(FopError);
    expect(brick.names('/moved/inner')).toEqual([]);
  });

  it('keeps of a new file in memory the times that are on disk, and writes those that don’t move once', async () => {
    const frame = brick.frame({ flags: 31, ctime: 1700000000, ctime_nsec: 5 });
    const { fd, loc } = await brick.create('/first-times', 0o644, frame);
    const mdata = brick.onDisk('/first-times', 'trusted.glusterfs.mdata');
    expect(mdata).toBe('01' + '0'.repeat(16) + '000000006553f1000000000000000005'.repeat(3));
    // Another brick’s clock may be ahead: nothing goes back.
    const { poststat } = await write(fd, 'x', 0, undefined, brick.frame({ flags: 3, ctime: 1600000000, ctime_nsec: 0 }));
    expect([poststat.ia_mtime, poststat.ia_mtime_nsec]).toEqual([1700000000, 5]);
    expect(brick.onDisk('/first-times', 'trusted.glusterfs.mdata')).toBe(mdata);
    await write(fd, 'y', 0, undefined, brick.frame({ flags: 3, ctime: 1700000001, ctime_nsec: 0 }));
    expect((await brick.fops.stat(brick.frame(), loc, undefined)).stat.ia_mtime).toBe(1700000001);
    expect(brick.onDisk('/first-times', 'trusted.glusterfs.mdata')).toBe('01' + '0'.repeat(16) + '000000006553f1010000000000000000'.repeat(2) + '000000006553f1000000000000000005');
    fd.unref();
  });

  it('answers dont-unlink-for-open-fd with EBUSY, and get-link-count with the count before', async () => {
    const { fd } = await brick.create('/busy');
    await expect(brick.unlink('/busy', new Dict().setInt('dont-unlink-for-open-fd', 1))).rejects.toMatchObject({ errno: Errno.EBUSY });
    fd.unref();
    expect((await brick.unlink('/busy', new Dict().setInt('dont-unlink-for-open-fd', 1)))?.getNumber('get-link-count')).toBe(0);
  });

  it('appends in turn and says so', async () => {
    const { fd } = await brick.create('/append');
    const ask = (): Dict => new Dict().setInt('glusterfs.write-is-append', 1).setInt('glusterfs.open-fd-count', 0).setInt('glusterfs.open-active-fd-count', 0);
    const replies = await Promise.all([write(fd, 'abc', 0, ask()), write(fd, 'def', 3, ask()), write(fd, 'x', 0, ask())]);
    expect(replies.map(({ xdata }) => xdata?.getNumber('glusterfs.write-is-append'))).toEqual([1, 1, 0]);
    expect(replies[0]?.xdata?.getNumber('glusterfs.open-fd-count')).toBe(1);
    expect(await read(fd)).toBe('xbcdef');
    fd.unref();
  });

  it('writes and reads large payloads through the pool', async () => {
    const { fd } = await brick.create('/large');
    const payload = Buffer.alloc(3 << 20, 'glusterts');
    const chunks = Array.from({ length: 1500 }, (_, i) => payload.subarray(i * 2000, (i + 1) * 2000));
    const { written } = await brick.fops.writev(brick.frame(), fd, new IoVec(chunks), 10, 0, undefined);
    expect(written).toBe(3000000);
    const reply = await brick.fops.readv(brick.frame(), fd, 3000000, 10, 0, undefined);
    expect(Buffer.compare(reply.vector.toUint8Array(), payload.subarray(0, 3000000))).toBe(0);
    reply.vector.unref();
    expect(brick.graph.iobufs.active).toBe(0);
    fd.unref();
  });

  it('takes no more memory for a read or a checksum than the file has bytes', async () => {
    const { fd } = await brick.create('/small');
    await brick.fops.writev(brick.frame(), fd, IoVec.from(Buffer.from('some data')), 0, 0, undefined);
    const pool = brick.platform.iobufs as ArenaIobufPool;
    const before = pool.misses;
    const reply = await brick.fops.readv(brick.frame(), fd, 128 << 20, 0, 0, undefined);
    expect([reply.vector.size, reply.eof]).toEqual([9, true]);
    reply.vector.unref();
    expect((await brick.fops.readv(brick.frame(), fd, 128 << 20, 2 ** 40, 0, undefined)).vector.size).toBe(0);
    const sum = await brick.fops.rchecksum(brick.frame(), fd, 0, 128 << 20, undefined);
    expect(sum.weak).toBe((await brick.fops.rchecksum(brick.frame(), fd, 0, 9, undefined)).weak);
    // Only requests over the largest size class miss the pool.
    expect(pool.misses).toBe(before);
  });

  it('refuses ranges that no file can have', async () => {
    const { fd } = await brick.create('/far');
    const far = Number.MAX_SAFE_INTEGER;
    const refusal = (call: Promise<unknown>): Promise<unknown> => call.then(() => undefined, (error: unknown) => error);
    const refused = await refusal(brick.fops.fallocate(brick.frame(), fd, false, far, far, undefined));
    expect(refused).toBeInstanceOf(FopError);
    // A file system that has no end but its size (tmpfs) has nothing against holes there, and would fill up with zeros.
    if ((refused as FopError).errno === Errno.EFBIG) {
      for (const fop of ['discard', 'zerofill'] as const) expect(await refusal(brick.fops[fop](brick.frame(), fd, far, far, undefined))).toBeInstanceOf(FopError);
    }
    expect((await brick.fops.fstat(brick.frame(), fd, undefined)).stat.ia_size).toBe(0);
  });

  it('brings the content of a small file along with a lookup, whether or not it is in memory', async () => {
    const { loc, fd } = await brick.create('/content');
    await brick.fops.writev(brick.frame(), fd, IoVec.from(Buffer.alloc(20000, 'content')), 0, 0, undefined);
    await brick.fops.fsync(brick.frame(), fd, false, undefined);
    const file = path.join(brick.dir, 'content');
    const ask = async (): Promise<number | undefined> => (await brick.fops.lookup(brick.frame(), loc, new Dict().setUint('glusterfs.content', 65536))).xdata?.getBin('glusterfs.content')?.length;
    expect(await ask()).toBe(20000);
    execFileSync('dd', [`of=${file}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'], { stdio: 'ignore' });
    expect(await ask()).toBe(20000);
    expect((await brick.fops.lookup(brick.frame(), loc, new Dict().setUint('glusterfs.content', 19999))).xdata?.has('glusterfs.content')).toBe(false);
  });

  it('reads: EINVAL for 0 bytes, nothing and the end beyond the file, in holes zeros', async () => {
    const { fd } = await brick.create('/holes');
    await write(fd, 'end', 100000);
    await expect(brick.fops.readv(brick.frame(), fd, 0, 0, 0, undefined)).rejects.toMatchObject({ errno: Errno.EINVAL });
    const beyond = await brick.fops.readv(brick.frame(), fd, 10, 200000, 0, undefined);
    expect([beyond.vector.size, beyond.eof]).toEqual([0, true]);
    expect(await read(fd, 3, 50000)).toBe('\0\0\0');
    expect((await brick.fops.seek(brick.frame(), fd, 0, Seek.DATA, undefined)).offset).toBeGreaterThan(0);
    expect((await brick.fops.seek(brick.frame(), fd, 0, Seek.HOLE, undefined)).offset).toBe(0);
    await expect(brick.fops.seek(brick.frame(), fd, 200000, Seek.DATA, undefined)).rejects.toMatchObject({ errno: Errno.ENXIO });
    fd.unref();
  });

  it('opens with O_DIRECT whatever memory the payload lies in', async () => {
    const { fd } = await brick.create('/direct', 0o644, brick.frame(), brick.request().xdata, 0o40302);
    const page = Buffer.alloc(4097, 'd').subarray(1);
    expect((await brick.fops.writev(brick.frame(), fd, IoVec.from(page), 0, 0, undefined)).written).toBe(4096);
    await expect(write(fd, 'short', 0)).rejects.toMatchObject({ errno: Errno.EINVAL });
    expect(await read(fd, 4096)).toBe('d'.repeat(4096));
    fd.unref();
  });

  it('truncates, allocates, punches and zeroes', async () => {
    const { loc, fd } = await brick.create('/space');
    const frame = brick.frame();
    await write(fd, 'x'.repeat(10000));
    expect((await brick.fops.truncate(frame, loc, 5000, undefined)).poststat.ia_size).toBe(5000);
    expect((await brick.fops.ftruncate(frame, fd, 8192, undefined)).poststat.ia_size).toBe(8192);
    expect((await brick.fops.fallocate(frame, fd, true, 0, 65536, undefined)).poststat.ia_size).toBe(8192);
    expect((await brick.fops.fallocate(frame, fd, false, 0, 65536, undefined)).poststat.ia_size).toBe(65536);
    await brick.fops.discard(frame, fd, 0, 4096, undefined);
    expect(await read(fd, 2)).toBe('\0\0');
    expect((await brick.fops.zerofill(frame, fd, 4096, 100000, undefined)).poststat.ia_size).toBe(104096);
    expect(await read(fd, 2, 4500)).toBe('\0\0');
    fd.unref();
  });

  it('copies ranges between files', async () => {
    const [from, to] = [await brick.create('/from'), await brick.create('/to')];
    await write(from.fd, '0123456789');
    const reply = await brick.fops.copy_file_range(brick.frame(), from.fd, 2, to.fd, 0, 5, 0, undefined);
    expect([reply.written, reply.prestat.ia_size, reply.poststat.ia_size]).toEqual([5, 0, 5]);
    expect(await read(to.fd)).toBe('23456');
    from.fd.unref();
    to.fd.unref();
  });

  it('syncs, in batches without iatts', async () => {
    const { fd } = await brick.create('/sync');
    await write(fd, 'data');
    expect((await brick.fops.fsync(brick.frame(), fd, true, undefined)).poststat.ia_size).toBe(4);
    const batch = await Promise.all([1, 2, 3].map(() => brick.fops.fsync(brick.frame(), fd, false, new Dict().setInt('batch-fsync', 1))));
    expect(batch.every(({ poststat }) => poststat.isNull)).toBe(true);
    fd.unref();
  });

  describe('times', () => {
    it('come from mdata once it exists, and never go back but by utimes', async () => {
      const at = (sec: number, flags = 7) => brick.frame({ flags, ctime: sec, ctime_nsec: 1 });
      const { loc, fd } = await brick.create('/times', 0o644, at(1000));
      const times = async (): Promise<number[]> => {
        const { stat } = await brick.fops.stat(brick.frame(), loc, undefined);
        return [stat.ia_atime, stat.ia_mtime, stat.ia_ctime];
      };
      await write(fd, 'x', 0, undefined, at(2000, 3));
      expect(await times()).toEqual([1000, 2000, 2000]);
      await write(fd, 'x', 0, undefined, at(1500, 3));
      await write(fd, 'x', 0, undefined, at(3000, 0));
      expect(await times()).toEqual([1000, 2000, 2000]);
      const wanted = (await brick.fops.stat(brick.frame(), loc, undefined)).stat.clone();
      wanted.ia_mtime = 500;
      await brick.fops.setattr(at(2500, 1), loc, wanted, SetAttr.MTIME, undefined);
      expect(await times()).toEqual([1000, 500, 2500]);
      await brick.fops.setxattr(brick.frame(), loc, new Dict().setMdata('set-ctime-mdata', { atime: 4000, atime_nsec: 0, mtime: 100, mtime_nsec: 0, ctime: 4000, ctime_nsec: 0 }), 0, undefined);
      expect(await times()).toEqual([4000, 500, 4000]);
      fd.unref();
    });
  });

  describe('xattrs', () => {
    let loc: Loc;
    let fd: Fd;
    beforeEach(async () => {
      ({ loc, fd } = await brick.create('/x', 0o644, brick.frame({ flags: 7, ctime: 5 })));
    });
    afterEach(async () => {
      fd.unref();
      await brick.unlink('/x');
    });
    const get = async (name: string | undefined, pid = 0): Promise<Dict> => (await brick.fops.getxattr(brick.frame({ pid }), loc, name as Bytes | undefined, undefined)).dict;
    const set = (key: string, value: string, flags = 0) => brick.fops.setxattr(brick.frame(), loc, new Dict().setBin(key, bytes(value)), flags, undefined);

    it('are hidden as the filters say', async () => {
      await set('user.a', '1');
      expect((await get('trusted.gfid')).size).toBe(0);
      const path = brick.names('/x').find((name) => name.startsWith('trusted.gfid2path')) ?? '';
      await expect(get(path)).rejects.toMatchObject({ errno: Errno.ENODATA });
      await expect(get('trusted.glusterfs.mdata')).rejects.toMatchObject({ errno: Errno.ENODATA });
      expect((await get('trusted.glusterfs.mdata', -6)).size).toBe(1);
      expect((await get(undefined)).keys()).toEqual(['user.a']);
      expect((await brick.fops.fgetxattr(brick.frame(), fd, undefined, undefined)).dict.keys()).toContain(path);
      await expect(get('user.absent')).rejects.toMatchObject({ errno: Errno.ENODATA });
    });

    it('are set and removed by the rules', async () => {
      const reply = await set('user.a', '1');
      expect(reply.xdata?.getIatt('virt-gf-poststat')?.ia_gfid).toBe(loc.inode.gfid);
      await expect(set('user.a', '2', 1)).rejects.toMatchObject({ errno: Errno.EEXIST });
      await expect(set('user.b', '2', 2)).rejects.toMatchObject({ errno: Errno.ENODATA });
      await expect(set('nonsense', '2')).rejects.toMatchObject({ errno: Errno.EOPNOTSUPP });
      await expect(set('trusted.gfid2path.0', '2')).rejects.toMatchObject({ errno: Errno.EOPNOTSUPP });
      await expect(set('glusterfs.pathinfo', '2')).rejects.toMatchObject({ errno: Errno.EACCES });
      await set('trusted.gfid', 'no gfid');
      expect(brick.onDisk('/x', 'trusted.gfid')).toBe(Buffer.from(loc.inode.gfid, 'latin1').toString('hex'));
      const remove = (name: string, xdata?: Dict) => brick.fops.removexattr(brick.frame(), loc, name as Bytes, xdata);
      await expect(remove('trusted.gfid')).rejects.toMatchObject({ errno: Errno.EPERM });
      await expect(remove('user.absent')).rejects.toMatchObject({ errno: Errno.ENODATA });
      await set('user.c', '3');
      await remove('', new Dict().setStr('user.a', '').setStr('user.absent', ''));
      expect((await get(undefined)).keys()).toEqual(['user.c']);
    });

    it('of other names are answered: pathinfo, gfidtopath, ACL text, open-fd-count', async () => {
      expect((await get('glusterfs.pathinfo')).getStr('glusterfs.pathinfo')).toBe(`<POSIX(${brick.dir}):${run('hostname').trim()}:${brick.dir}/x>`);
      expect(hex((await get('glusterfs.gfidtopath')).getBin('glusterfs.gfidtopath'))).toBe(hex(bytes('/x')));
      await set('glusterfs.posix.acl', 'u::rw-,u:1001:r--,g::r--,m::r--,o::---');
      expect((await get('glusterfs.posix.acl')).getStr('glusterfs.posix.acl')).toBe('u::rw-,u:1001:r--,g::r--,m::r--,o::---');
      expect((await get('glusterfs.open-fd-count')).getNumber('glusterfs.open-fd-count')).toBe(1);
      const root = new Loc({ inode: brick.root });
      expect((await brick.fops.getxattr(brick.frame(), root, 'glusterfs.get_real_filename:X' as Bytes, undefined)).dict.getStr('glusterfs.get_real_filename:X')).toBe('x');
    });

    it('are returned by name and by pattern when xdata asks', async () => {
      await set('trusted.ec.version', 'v');
      await set('trusted.ec.size', 's');
      const xdata = new Dict().setInt('trusted.ec.*', 0).setInt('trusted.gfid', 0).setInt('user.absent', 0).setInt('get-size', 1).setInt('gfid-req', 1);
      const reply = await brick.fops.lookup(brick.frame(), loc, xdata);
      expect(reply.xdata?.keys().sort()).toEqual(['get-size', 'trusted.ec.size', 'trusted.ec.version', 'trusted.gfid']);
    });

    it('change atomically by xattrop, and stay after a later key’s failure', async () => {
      const key = 'trusted.ec.dirty' as Bytes;
      const one = Buffer.alloc(16);
      one.writeBigUInt64BE(1n, 0);
      await Promise.all(Array.from({ length: 50 }, () => brick.fops.fxattrop(brick.frame(), fd, XattropOp.ADD_ARRAY64, new Dict().setBin(key, one), undefined)));
      expect(brick.onDisk('/x', key)).toBe('0000000000000032'.padEnd(32, '0'));
      const reply = await brick.fops.xattrop(brick.frame(), loc, XattropOp.ADD_ARRAY64, new Dict().setBin(key, Buffer.alloc(16)), new Dict().setInt('dht-get-mode-in-xattr', 1));
      expect(reply.dict?.getBin(key)?.[7]).toBe(50);
      expect(reply.xdata?.getNumber('dht-get-mode-in-xattr')).toBe(0o100644);
    });
  });

  describe('directories', () => {
    it('are read in steps that the size allows, without .glusterfs, to the end mark', async () => {
      await brick.mkdir('/many');
      const names = Array.from({ length: 300 }, (_, i) => `entry-${i}`);
      for (const name of names) writeFileSync(brick.backend(`/many/${name}`), '');
      const fd = await brick.opendir('/many');
      const found: string[] = [];
      let calls = 0;
      for (let offset = 0n, eof = false; !eof; calls++) {
        const reply = await brick.fops.readdir(brick.frame(), fd, 4096, offset, undefined);
        expect(reply.entries.length).toBeLessThanOrEqual(19);
        for (const entry of reply.entries) {
          offset = entry.d_off;
          if (!entry.name.startsWith('.')) found.push(entry.name);
        }
        eof = reply.eof;
      }
      expect(found.sort()).toEqual(names.sort());
      expect(calls).toBeGreaterThan(15);
      // From the middle, on another fd: the cookies hold.
      const first = await brick.fops.readdir(brick.frame(), fd, 4096, 0n, undefined);
      const rest = await brick.fops.readdir(brick.frame(), await brick.opendir('/many'), 1 << 20, first.entries.at(-1)?.d_off ?? 0n, undefined);
      expect(first.entries.length + rest.entries.length).toBe(302);
      const tiny = await brick.fops.readdir(brick.frame(), fd, 100, 0n, undefined);
      expect([tiny.entries.length, tiny.eof]).toEqual([0, false]);
      fd.unref();
      const root = await brick.opendir('/');
      const all = await brick.fops.readdir(brick.frame(), root, 1 << 20, 0n, undefined);
      expect(all.entries.map(({ name }) => name)).not.toContain('.glusterfs');
      const files = await brick.fops.readdir(brick.frame(), root, 1 << 20, 0n, new Dict().setInt('readdir-filter-directories', 1));
      expect(files.entries.every(({ d_type }) => d_type !== 4)).toBe(true);
      root.unref();
    });

    it('with attributes: gfid-less entries have a null gfid, xdata is answered for each', async () => {
      const dir = await brick.mkdir('/plus');
      await brick.create('/plus/a').then(({ fd }) => fd.unref());
      writeFileSync(brick.backend('/plus/raw'), 'r');
      const fd = new Fd(dir.inode, { anonymous: true });
      const reply = await brick.fops.readdirp(brick.frame(), fd, 1 << 20, 0n, new Dict().setInt('trusted.gfid', 0));
      const byName = new Map(reply.entries.map((entry) => [String(entry.name), entry]));
      expect(byName.get('raw')?.stat.ia_gfid).toBe(NULL_GFID);
      expect(byName.get('a')?.d_ino).toBe(byName.get('a')?.stat.ia_ino);
      expect(byName.get('a')?.dict?.getBin('trusted.gfid')).toHaveLength(16);
      expect(byName.get('..')?.stat.ia_gfid).toBe(ROOT_GFID);
      fd.unref();
    });

    it('with attributes: the same whether gathered in one call or entry by entry, and when the values of some fill the page', async () => {
      const dir = await brick.mkdir('/gathered');
      for (let i = 0; i < 300; i++) (await brick.create(`/gathered/${i}-${'n'.repeat(i % 200)}`)).fd.unref();
      for (let i = 0; i < 60; i++) run('setfattr', '-n', 'trusted.large', '-v', `0x${'ab'.repeat(3000)}`, brick.backend(`/gathered/${i}-${'n'.repeat(i)}`));
      run('setfattr', '-n', 'trusted.small', '-v', 'x', brick.backend('/gathered/0-'));
      const list = async (request: Dict): Promise<Map<string, unknown>> => {
        const fd = new Fd(dir.inode, { anonymous: true });
        const { entries, eof } = await brick.fops.readdirp(brick.frame(), fd, 1 << 20, 0n, request);
        fd.unref();
        expect(eof).toBe(true);
        return new Map(entries.map(({ name, stat, dict, d_ino, d_type }) => [name, { stat, d_ino, d_type, large: dict?.getBin('trusted.large')?.length, small: hex(dict?.getBin('trusted.small')), content: hex(dict?.getBin('glusterfs.content')), keys: dict?.keys() }]));
      };
      writeFileSync(brick.backend('/gathered/2-nn'), 'short');
      writeFileSync(brick.backend('/gathered/3-nnn'), 'l'.repeat(101));
      const request = (): Dict => new Dict().setInt('trusted.small', 0).setUint('glusterfs.content', 100).setInt('trusted.large', 0).setInt('trusted.none', 0);
      // The first reading of a file's content moves its atime.
      await list(request());
      const gathered = await list(request());
      expect(gathered.size).toBe(302);
      expect(gathered.get('0-')).toMatchObject({ large: 3000, small: '78', content: '' });
      expect(gathered.get('2-nn')).toMatchObject({ content: hex(Buffer.from('short')) });
      expect(gathered.get('3-nnn')).toMatchObject({ content: undefined });
      // A pattern among the keys makes posix ask entry by entry.
      expect(gathered).toEqual(await list(request().setInt('trusted.no-such-*', 0)));
    });

    it('with the contents of small files, whether or not they are in memory, and two lists of one fd at once don’t disturb each other', async () => {
      const dir = await brick.mkdir('/cold');
      for (let i = 0; i < 200; i++) {
        const { fd } = await brick.create(`/cold/${i}`);
        await write(fd, `${i}`.repeat(3000), 0);
        fd.unref();
      }
      run('bash', '-c', `sync -f ${brick.backend('/cold')}; for f in ${brick.backend('/cold')}/*; do dd of=$f oflag=nocache conv=notrunc count=0 2>/dev/null; done`);
      // Files that were written are closed in turn.
      await new Promise<void>((resolve) => localStorage().inTurn(resolve));
      const opened = readdirSync('/proc/self/fd').length;
      const fd = new Fd(dir.inode, { anonymous: true });
      const list = async (size: number): Promise<void> => {
        const names = new Set<string>();
        let told = 0;
        for (let offset = 0n, eof = false; !eof; ) {
          const reply = await brick.fops.readdirp(brick.frame(), fd, size, offset, new Dict().setUint('glusterfs.content', 65536));
          for (const { name, dict, d_off } of reply.entries) {
            offset = d_off;
            if (name.startsWith('.')) continue;
            names.add(name);
            const content = dict?.getBin('glusterfs.content');
            if (content) expect(Buffer.from(content).toString()).toBe(name.repeat(3000));
            if (content) told++;
          }
          ({ eof } = reply);
        }
        expect(names.size).toBe(200);
        // A disk that others use may be too late for some.
        expect(told).toBeGreaterThan(0);
      };
      await Promise.all([list(8192), list(20000)]);
      fd.unref();
      expect(readdirSync('/proc/self/fd').length).toBe(opened);
    });

    it('the root and its directories are told alike in one call and entry by entry, in pieces of any size', async () => {
      const list = async (size: number, request: Dict | undefined): Promise<unknown[]> => {
        const fd = new Fd(brick.table.root, { anonymous: true });
        const all: unknown[] = [];
        for (let offset = 0n, eof = false; !eof; ) {
          const reply = await brick.fops.readdirp(brick.frame(), fd, size, offset, request);
          // Rewinding in between must not disturb what comes next.
          if (all.length === 3) await brick.fops.readdirp(brick.frame(), fd, size, 0n, request);
          for (const { name, stat, dict, d_ino, d_off, d_type } of reply.entries) {
            all.push({ name, stat, d_ino, d_off, d_type, size: dict?.size });
            offset = d_off;
          }
          ({ eof } = reply);
        }
        fd.unref();
        return all;
      };
      const atOnce = await list(1 << 20, new Dict());
      expect(atOnce).toContainEqual(expect.objectContaining({ name: '..', d_ino: 0xffffffffffffffffn, size: undefined }));
      expect(atOnce).toContainEqual(expect.objectContaining({ name: 'gathered', d_type: 4, size: 0 }));
      expect(atOnce).not.toContainEqual(expect.objectContaining({ name: '.glusterfs' }));
      expect(await list(1000, new Dict())).toEqual(atOnce);
      expect(await list(1000, new Dict().setInt('trusted.no-such-*', 0))).toEqual(atOnce);
      const files = await list(1 << 20, new Dict().setInt('readdir-filter-directories', 1));
      expect(files).toEqual(atOnce.filter((entry) => !(entry instanceof Object && 'd_type' in entry && entry.d_type === 4)));
    });

    it('deeper than the kernel follows symlinks still resolve by gfid', async () => {
      let at = '';
      for (let i = 0; i < 60; i++) at += `/d${i}`;
      const names = at.slice(1).split('/');
      for (let i = 1; i <= names.length; i++) await brick.mkdir(`/${names.slice(0, i).join('/')}`);
      const deep = await brick.find(at);
      const again = new Loc({ inode: brick.table.create(), gfid: deep.inode.gfid });
      expect((await brick.fops.lookup(brick.frame(), again, undefined)).stat.ia_gfid).toBe(deep.inode.gfid);
      const path = await brick.fops.getxattr(brick.frame(), deep, 'glusterfs.ancestry.path' as Bytes, undefined);
      expect(path.dict.getStr('glusterfs.ancestry.path')).toBe(at);
    });

    it('are refused as rename targets when their gfid is not the resolved one', async () => {
      await brick.mkdir('/r1');
      await brick.mkdir('/r2');
      const old = await brick.find('/r1');
      const target = new Loc({ inode: brick.table.create(), parent: brick.root, name: utf8('r2') });
      await expect(brick.fops.rename(brick.frame(), old, target, undefined)).rejects.toMatchObject({ errno: Errno.EEXIST });
      await brick.rename('/r1', '/r2');
      expect(existsSync(brick.backend('/r1'))).toBe(false);
    });
  });

  it('drops the victim’s handle at a rename over a file', async () => {
    const [a, b] = [await brick.create('/a'), await brick.create('/b')];
    const frame = brick.frame();
    await write(b.fd, 'victim');
    await brick.rename('/a', '/b', frame);
    expect(existsSync(brick.backend(`.glusterfs/${handleName(b.loc.inode.gfid)}`))).toBe(false);
    expect(await read(b.fd)).toBe('victim');
    expect(brick.names('/b').filter((name) => name.startsWith('trusted.gfid2path'))).toEqual([
      `trusted.gfid2path.${localStorage().xxh64(utf8(`${gfidToString(ROOT_GFID)}/b`))}`,
    ]);
    a.fd.unref();
    b.fd.unref();
  });

  it('writes the health check’s file, and tells CHILD_DOWN when it can’t', async () => {
    const sick = await new TestBrick({ 'health-check-interval': '1' }).start();
    const file = sick.backend('.glusterfs/health_check');
    await expect.poll(() => existsSync(file) && lstatSync(file).size).toBe(25);
    run('rm', file);
    run('mkdir', file);
    await expect.poll(() => sick.events).toContain(GfEvent.CHILD_DOWN);
    await sick.stop();
  });

  it('limits hard links', async () => {
    const small = await new TestBrick({ 'max-hardlinks': '2' }).start();
    const { loc, fd } = await small.create('/f');
    fd.unref();
    const link = async (name: string) => small.fops.link(small.frame(), loc, await small.loc(name), undefined);
    await link('/g');
    await expect(link('/h')).rejects.toMatchObject({ errno: Errno.EMLINK });
    await small.stop();
  });

  it('answers statfs with the reserve taken off', async () => {
    const { statfs } = await brick.fops.statfs(brick.frame(), new Loc({ inode: brick.root }), undefined);
    const raw = localStorage().statvfs(utf8(brick.dir));
    expect(statfs.f_blocks).toBe(raw.blocks);
    expect(Math.abs(statfs.f_bfree - (raw.bfree - Math.floor(raw.blocks / 100 + 0.5)))).toBeLessThan(raw.blocks / 1000);
  });

  it('refuses setattr of a symlink’s mode silently, and keeps times that aren’t given', async () => {
    const loc = await brick.loc('/sym');
    const made = await brick.fops.symlink(brick.frame(), '/etc/passwd' as Bytes, loc, 0, brick.request().xdata);
    loc.inode = brick.table.link(loc.inode, brick.root, loc.name, made.stat).ref();
    loc.gfid = loc.inode.gfid;
    const before = lstatSync('/etc/passwd').mode;
    const wanted: Iatt = made.stat.clone();
    wanted.ia_prot = 0o777;
    await brick.fops.setattr(brick.frame(), loc, wanted, SetAttr.MODE, undefined);
    expect(lstatSync('/etc/passwd').mode).toBe(before);
    await expect(brick.fops.open(brick.frame(), loc, 0, new Fd(loc.inode), undefined)).rejects.toMatchObject({ errno: Errno.ELOOP });
    expect((await brick.fops.readlink(brick.frame(), loc, 4096, undefined)).path).toBe('/etc/passwd');
  });
});

describe.skipIf(reason)('a full or read-only disk', () => {
  it('gives ENOSPC and EROFS', async () => {
    const dir = run('mktemp', '-d', '/tmp/posix-small-XXXXXX').trim();
    run('mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', dir);
    try {
      const brick = await new TestBrick({ 'mandate-attribute': 'off', reserve: '0' }, dir).start();
      const { loc, fd } = await brick.create('/f');
      const chunk = IoVec.from(new Uint8Array(1 << 20));
      const fill = async (): Promise<void> => {
        for (let i = 0; i < 8; i++) await brick.fops.writev(brick.frame(), fd, chunk, i << 20, 0, undefined).then(({ written }) => expect(written).toBeGreaterThan(0));
      };
      await expect(fill()).rejects.toMatchObject({ errno: Errno.ENOSPC });
      await brick.fops.ftruncate(brick.frame(), fd, 0, undefined);
      fd.unref();
      run('mount', '-o', 'remount,ro', dir);
      await expect(brick.mkdir('/d')).rejects.toMatchObject({ errno: Errno.EROFS });
      await expect(brick.fops.truncate(brick.frame(), loc, 5, undefined)).rejects.toMatchObject({ errno: Errno.EROFS });
      await brick.graph.fini();
    } finally {
      await unmounted(dir);
      run('rmdir', dir);
    }
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(dir);
  });

  it('at its reserve refuses clients, but not GlusterFS’s own', async () => {
    const dir = run('mktemp', '-d', '/tmp/posix-reserve-XXXXXX').trim();
    run('mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', dir);
    try {
      writeFileSync(path.join(dir, 'a quarter'), Buffer.alloc(1 << 20));
      const brick = await new TestBrick({ reserve: '80' }, dir).start();
      await expect(brick.mkdir('/d')).rejects.toMatchObject({ errno: Errno.ENOSPC });
      await brick.mkdir('/d', 0o755, brick.frame({ pid: -6 }));
      await brick.graph.fini();
    } finally {
      await unmounted(dir);
      run('rmdir', dir);
    }
  });
});
