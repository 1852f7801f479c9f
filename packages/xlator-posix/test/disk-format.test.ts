import { lstatSync, readFileSync, readdirSync, readlinkSync, existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Dict, Fd, IoVec, type Bytes, decodeMdataXattr, gfidToString, localStorage, utf8, type Gfid, gfidParse, Errno } from '@glusterts/libglusterfs';
import { encodeMdata } from '../src/mdata.js';
import { directoryHandleTarget, handleName, parseDirectoryHandle } from '../src/handle-path.js';
import { TestBrick, whyNot } from './brick-harness.js';

interface BackendEntry { path: string; mode: string; nlink: number; size: number; blocks: number; target?: string; xattrs: Record<string, string> }
const vectors = new URL('./vectors/', import.meta.url);
const backend: { entries: BackendEntry[] } = JSON.parse(readFileSync(new URL('backend.json', vectors), 'utf8'));
const gfid2path: { value: string; key: string }[] = JSON.parse(readFileSync(new URL('gfid2path.json', vectors), 'utf8'));

const reason = whyNot();
if (reason) console.warn(`skipped: ${reason}`);

describe('the real brick’s disk', () => {
  it.skipIf(!localStorage().available)('has gfid2path keys that are the XXH64 of their values', () => {
    expect(gfid2path.length).toBeGreaterThan(10);
    for (const { value, key } of gfid2path) expect(`trusted.gfid2path.${localStorage().xxh64(utf8(value))}`).toBe(key);
  });

  it('has mdata that decode and encode to the same bytes', () => {
    const values = backend.entries.flatMap(({ xattrs }) => xattrs['trusted.glusterfs.mdata'] ?? []);
    expect(values.length).toBeGreaterThan(10);
    for (const hex of values) {
      const times = decodeMdataXattr(Buffer.from(hex, 'hex'));
      expect(times && Buffer.from(encodeMdata(times)).toString('hex')).toBe(hex);
    }
  });

  it('has handles where handleName says, with the targets that directoryHandleTarget makes', () => {
    const byPath = new Map(backend.entries.map((entry) => [entry.path, entry]));
    let directories = 0;
    for (const entry of backend.entries) {
      const hex = entry.xattrs['trusted.gfid'];
      if (hex === undefined || entry.path.startsWith('/.glusterfs') || entry.path === '/') continue;
      const gfid = Buffer.from(hex, 'hex').toString('latin1') as Gfid;
      const handle = byPath.get(`/.glusterfs/${handleName(gfid)}`);
      expect(handle, entry.path).toBeDefined();
      if (Number(entry.mode) >> 12 !== 4) continue;
      directories++;
      const where = parseDirectoryHandle(handle?.target as Bytes);
      const name = entry.path.slice(entry.path.lastIndexOf('/') + 1);
      expect(where?.name).toBe(utf8(name));
      expect(where && directoryHandleTarget(where.parent, where.name)).toBe(handle?.target);
    }
    expect(directories).toBeGreaterThan(3);
  });
});

describe.skipIf(reason)('storage/posix on disk', () => {
  let brick: TestBrick;
  beforeAll(async () => {
    brick = await new TestBrick().start();
  });
  afterAll(() => brick.stop());
  const frame = { flags: 0x3f, ctime: 1600000000, ctime_nsec: 123456789 };

  it('prepares a root as GlusterFS does', () => {
    expect(brick.onDisk('/', 'trusted.gfid')).toBe('00000000000000000000000000000001');
    expect(readlinkSync(brick.backend('.glusterfs/00/00/00000000-0000-0000-0000-000000000001'))).toBe('../../..');
    expect(readdirSync(brick.backend('.glusterfs')).filter((name) => name.length === 2)).toHaveLength(256);
    expect((lstatSync(brick.backend('.glusterfs/ab')).mode & 0o7777).toString(8)).toBe('700');
    expect((lstatSync(brick.backend('.glusterfs/unlink')).mode & 0o7777).toString(8)).toBe('600');
    expect((lstatSync(brick.backend('.glusterfs/landfill')).mode & 0o7777).toString(8)).toBe('755');
  });

  it('gives directories a symlink handle, gfid and mdata, and no gfid2path', async () => {
    const dir = await brick.mkdir('/dir1', 0o755, brick.frame(frame));
    const text = gfidToString(dir.inode.gfid);
    expect(readlinkSync(brick.backend(`.glusterfs/${text.slice(0, 2)}/${text.slice(2, 4)}/${text}`))).toBe('../../00/00/00000000-0000-0000-0000-000000000001/dir1');
    expect(brick.names('/dir1')).toEqual(['trusted.gfid', 'trusted.glusterfs.mdata']);
    expect(brick.onDisk('/dir1', 'trusted.glusterfs.mdata')).toBe(
      `010000000000000000${'000000005f5e1000'.repeat(1)}00000000075bcd15000000005f5e100000000000075bcd15000000005f5e100000000000075bcd15`,
    );
    expect(brick.names('/')).toContain('trusted.glusterfs.mdata');
  });

  it('writes no mdata for a client that sends no flags', async () => {
    await brick.mkdir('/plain');
    expect(brick.names('/plain')).toEqual(['trusted.gfid']);
  });

  it('gives files a hard link as handle and a gfid2path for each name', async () => {
    const { loc, fd } = await brick.create('/dir1/file1');
    const handle = brick.backend(`.glusterfs/${handleName(loc.inode.gfid)}`);
    expect(lstatSync(handle).ino).toBe(lstatSync(brick.backend('/dir1/file1')).ino);
    const hard = await brick.loc('/dir1/hard1');
    const reply = await brick.fops.link(brick.frame(), loc, hard, undefined);
    expect(reply.stat.ia_nlink).toBe(2);
    expect(lstatSync(handle).nlink).toBe(3);
    const parent = gfidToString(loc.parentGfid);
    const keys = ['file1', 'hard1'].map((name) => `trusted.gfid2path.${localStorage().xxh64(utf8(`${parent}/${name}`))}`);
    expect(brick.names('/dir1/file1')).toEqual(['trusted.gfid', ...keys.sort()]);
    fd.unref();
  });

  it('renames directories by replacing their own handle only', async () => {
    await brick.mkdir('/dir1/sub');
    const deep = await brick.mkdir('/dir1/sub/deep');
    await brick.create('/dir1/sub/deep/f').then(({ fd }) => fd.unref());
    await brick.rename('/dir1/sub', '/moved');
    expect(existsSync(brick.backend('/moved/deep/f'))).toBe(true);
    const sub = await brick.find('/moved');
    expect(readlinkSync(brick.backend(`.glusterfs/${handleName(sub.inode.gfid)}`))).toBe('../../00/00/00000000-0000-0000-0000-000000000001/moved');
    expect(parseDirectoryHandle(readlinkSync(brick.backend(`.glusterfs/${handleName(deep.inode.gfid)}`)) as Bytes)?.parent).toBe(sub.inode.gfid);
    const again = await brick.find('/moved/deep/f');
    expect((await brick.fops.stat(brick.frame(), again, undefined)).stat.ia_gfid).toBe(again.inode.gfid);
  });

  it('keeps the handle of a directory whose rename fails', async () => {
    await brick.mkdir('/from');
    await brick.mkdir('/full');
    await brick.mkdir('/full/entry');
    await expect(brick.rename('/from', '/full')).rejects.toMatchObject({ errno: Errno.ENOTEMPTY });
    const from = await brick.find('/from');
    expect(existsSync(brick.backend(`.glusterfs/${handleName(from.inode.gfid)}`))).toBe(true);
  });

  it('moves the last link of an open file to unlink/, and deletes it at the release', async () => {
    const { loc, fd } = await brick.create('/dir1/held');
    await brick.fops.writev(brick.frame(), fd, IoVec.from(Buffer.from('data\n')), 0, 0, undefined);
    const reply = await brick.unlink('/dir1/held', new Dict().setInt('get-link-count', 1));
    expect(reply?.getNumber('get-link-count')).toBe(1);
    const resting = brick.backend(`.glusterfs/unlink/${gfidToString(loc.inode.gfid)}`);
    expect(readFileSync(resting, 'utf8')).toBe('data\n');
    expect(existsSync(brick.backend(`.glusterfs/${handleName(loc.inode.gfid)}`))).toBe(false);
    const read = await brick.fops.readv(brick.frame(), fd, 100, 0, 0, undefined);
    expect(Buffer.from(read.vector.toUint8Array()).toString()).toBe('data\n');
    read.vector.unref();
    expect((await brick.fops.fstat(brick.frame(), fd, undefined)).stat.ia_nlink).toBe(0);
    // An anonymous fd still finds the data.
    const anonymous = new Fd(loc.inode, { anonymous: true, flags: 2 });
    expect((await brick.fops.fstat(brick.frame(), anonymous, undefined)).stat.ia_size).toBe(5);
    anonymous.unref();
    fd.unref();
    await expect.poll(() => existsSync(resting)).toBe(false);
  });

  it('moves an open file that another is renamed over to unlink/ too', async () => {
    const { loc, fd } = await brick.create('/dir1/over');
    await brick.fops.writev(brick.frame(), fd, IoVec.from(Buffer.from('old\n')), 0, 0, undefined);
    const other = await brick.create('/dir1/other');
    other.fd.unref();
    await brick.rename('/dir1/other', '/dir1/over');
    const resting = brick.backend(`.glusterfs/unlink/${gfidToString(loc.inode.gfid)}`);
    expect(readFileSync(resting, 'utf8')).toBe('old\n');
    expect(existsSync(brick.backend(`.glusterfs/${handleName(loc.inode.gfid)}`))).toBe(false);
    const anonymous = new Fd(loc.inode, { anonymous: true, flags: 2 });
    expect((await brick.fops.fstat(brick.frame(), anonymous, undefined)).stat.ia_size).toBe(4);
    anonymous.unref();
    fd.unref();
    await expect.poll(() => existsSync(resting)).toBe(false);
  });

  it('moves a removed tree to the landfill', async () => {
    await brick.mkdir('/tree');
    await brick.mkdir('/tree/below');
    const tree = await brick.find('/tree');
    await brick.fops.rmdir(brick.frame(), tree, 1, undefined);
    expect(existsSync(brick.backend('/tree'))).toBe(false);
    expect(readdirSync(brick.backend('.glusterfs/landfill'))).toContain(gfidToString(tree.inode.gfid));
    expect(existsSync(brick.backend(`.glusterfs/${handleName(tree.inode.gfid)}`))).toBe(false);
  });

  it('refuses a creation whose gfid another file has, and leaves nothing behind', async () => {
    const { loc, fd } = await brick.create('/owner');
    fd.unref();
    const xdata = new Dict().setGfid('gfid-req', loc.inode.gfid);
    await expect(brick.create('/thief', 0o644, brick.frame(), xdata)).rejects.toMatchObject({ errno: Errno.EEXIST });
    expect(existsSync(brick.backend('/thief'))).toBe(false);
    await expect(brick.create('/nobody', 0o644, brick.frame(), new Dict())).rejects.toMatchObject({ errno: Errno.EINVAL });
  });

  it('heals the gfid and the handle of a raw file at its first named lookup', async () => {
    localStorage().mknod(utf8(brick.backend('/raw')), 0o100644, 0, 0);
    const { gfid, xdata } = brick.request();
    await expect(brick.fops.lookup(brick.frame(), await brick.loc('/raw'), undefined)).rejects.toMatchObject({ errno: Errno.ENODATA });
    const reply = await brick.fops.lookup(brick.frame(), await brick.loc('/raw'), xdata);
    expect(reply.stat.ia_gfid).toBe(gfid);
    expect(existsSync(brick.backend(`.glusterfs/${handleName(gfid)}`))).toBe(true);
  });

  it('opens names that are no UTF-8', async () => {
    const name = '\xff\xfe\x01' as Bytes;
    const loc = await brick.loc('/');
    const { Loc } = await import('@glusterts/libglusterfs');
    const entry = new Loc({ inode: brick.table.create(), parent: loc.inode, name });
    const fd = new Fd(entry.inode, { flags: 2 });
    await brick.fops.create(brick.frame(), entry, 0o302, 0o600, 0, fd, brick.request().xdata);
    expect(readdirSync(Buffer.from(brick.dir), { encoding: 'buffer' }).some((each) => each.equals(Buffer.from([0xff, 0xfe, 1])))).toBe(true);
    fd.unref();
  });

  it('refuses a brick of another volume, a root with a foreign gfid and a copied root', async () => {
    const other = new TestBrick({ 'volume-id': '3b0e1a43-2b8d-4f7e-803d-9dc230c78866' });
    await expect(other.start()).rejects.toThrow('volume-id is absent');
    localStorage().lsetxattr(utf8(other.dir), utf8('trusted.glusterfs.volume-id'), Buffer.from('3b0e1a432b8d4f7e803d9dc230c78867', 'hex'), 0);
    await expect(other.start()).rejects.toThrow('mismatching volume-id');
    localStorage().lsetxattr(utf8(other.dir), utf8('trusted.glusterfs.volume-id'), Buffer.from('3b0e1a432b8d4f7e803d9dc230c78866', 'hex'), 0);
    localStorage().lsetxattr(utf8(other.dir), utf8('trusted.gfid'), Buffer.alloc(16, 7), 0);
    await expect(other.start()).rejects.toThrow('is not that of glusterfs');
    await other.stop();
    expect(gfidParse('3b0e1a43-2b8d-4f7e-803d-9dc230c78866')).toBeDefined();
  });
});
