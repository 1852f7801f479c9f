import { readFileSync } from 'node:fs';
import { type Bytes, DictType, Errno, Loc, errnoOf } from '@glusterts/libglusterfs';
import { type GraphDriver, pattern } from '@glusterts/xlator-compliance';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { RecordedVolume, whyNoBricks } from './recorded-volume.js';

const reason = whyNoBricks();
if (reason) console.warn(`GlusterFS's recorded renames skipped: ${reason}`);

/** One file on one brick. */
interface OnBrick { subvol: string; name: string; mode: string; size: number; nlink: number; uid: number; gid: number; xattr: Record<string, string>; gfid: string }
interface Rename { src: string; dst: string; src_hashed: number; dst_hashed: number; before: OnBrick[]; after: OnBrick[] }
interface Vector {
  layout: [number, number][];
  link: { src: string; dst: string; after: OnBrick[] };
  symlink: { name: string; after: OnBrick[] };
  virtual: Record<string, Record<'file' | 'linked' | 'dir' | 'root', string>>;
  linked_listxattr: string[];
  dir_listxattr: string[];
  stat_linked: string;
  stat_dir: { size: number; blocks: number; nlink: number; mode: string };
  stat_dir_with_subdirs: { nlink: number };
  statvfs: Record<string, number>;
  statvfs_brickfs: Record<string, number>;
  [other: string]: unknown;
}

const vector: Vector = JSON.parse(readFileSync(new URL('vectors/rename-linkto-xattr.json', import.meta.url), 'utf8'));
const renames = Object.entries(vector).filter(([title]) => / src_h=/.test(title)) as [string, Rename][];
const LINKTO = 'trusted.glusterfs.dht.linkto';
const octal = (mode: number): string => `0o${mode.toString(8)}`;
const isLinkto = ({ mode }: OnBrick): boolean => mode === '0o101000';

/** A brick of the recorded volume: three on one file system of these numbers, of which each shows its third, 1 % kept back. */
const fs = vector.statvfs_brickfs;
const third = (value: number | undefined): number => Math.floor((value ?? 0) / 3);
const kept = Math.floor((fs['f_blocks'] ?? 0) / 100);
const DISK = { f_bsize: fs['f_bsize'] ?? 0, f_frsize: fs['f_frsize'] ?? 0, f_blocks: third(fs['f_blocks']), f_bfree: third((fs['f_bfree'] ?? 0) - kept), f_bavail: third((fs['f_bavail'] ?? 0) - kept), f_files: third(fs['f_files']), f_ffree: third(fs['f_ffree']) };

describe.skipIf(reason)('three bricks of GlusterFS’s vector', () => {
  let volume: RecordedVolume;
  let driver: GraphDriver;

  beforeAll(async () => {
    volume = new RecordedVolume({ name: 'v3', bricks: 3, disks: [DISK, DISK, DISK], brickOptions: ['hostname dhta', `glusterd-uuid ${vector.virtual['trusted.glusterfs.node-uuid']?.file.slice(0, 36) ?? ''}`] });
    driver = await volume.mount();
    await driver.mkdir('/ren');
  });
  afterAll(() => volume.stop());

  /** Every brick's file of these names in /ren, as the vector has them. */
  function onBricks(names: readonly string[]): OnBrick[] {
    return [0, 1, 2].flatMap((brick) => [...names].sort().flatMap((name): OnBrick[] => {
      const stat = volume.stat(brick, `ren/${name}`);
      if (!stat) return [];
      const linkto = volume.xattr(brick, `ren/${name}`, LINKTO);
      return [{
        subvol: volume.subvol(brick), name, mode: octal(stat.mode), size: stat.size, nlink: stat.nlink, uid: stat.uid, gid: stat.gid,
        xattr: linkto === undefined ? {} : { [LINKTO]: linkto }, gfid: volume.xattr(brick, `ren/${name}`, 'trusted.gfid')?.slice(0, 8) ?? '',
      }];
    }));
  }

  /**
   * gfids are told by the order in which they turn up in `first`, and those of links without an owner of their own left out: a
   * linkto gets its owner some time after it was made, or never (spec/dht.md, §9); the vector has it both ways.
   */
  function comparable(files: readonly OnBrick[], first: readonly OnBrick[]): unknown[] {
    const gfids = [...new Set(first.map(({ gfid }) => gfid))];
    const at = (file: OnBrick): string => `${file.subvol} ${file.name}`;
    return [...files].sort((a, b) => (at(a) < at(b) ? -1 : 1)).map((file) => {
      const { uid, gid, gfid, ...rest } = file;
      const owner = isLinkto(file) && uid === 0 && gid === 0 ? '1001:1002' : `${uid}:${gid}`;
      return { ...rest, owner, gfid: gfids.indexOf(gfid) };
    });
  }

  /** Makes a file so that its data is on that brick: under a name that hashes there, renamed if it must hash elsewhere. */
  async function make(name: string, data: OnBrick): Promise<void> {
    const brick = Number(data.subvol.at(-1));
    const hashed = await hashedOf(name);
    const first = hashed === brick ? name : await nameOn(brick);
    await driver.writeFile(`/ren/${first}`, pattern(data.size, 1));
    await driver.chown(`/ren/${first}`, data.uid, data.gid);
    await driver.chmod(`/ren/${first}`, Number(data.mode) & 0o7777);
    if (first !== name) await driver.rename(`/ren/${first}`, `/ren/${name}`);
  }

  async function hashedOf(name: string): Promise<number> {
    const answer = await driver.getxattr('/ren', `dht.file.hashed-subvol.${name}`);
    return Number(/client-(\d)/.exec(Buffer.from(answer).toString())?.[1]);
  }

  let spare = 0;
  async function nameOn(brick: number): Promise<string> {
    for (;;) {
      const name = `spare${spare++}`;
      if ((await hashedOf(name)) === brick) return name;
    }
  }

  it('give /ren the layout of the vector, and its names the same hashed subvolumes', async () => {
    for (const [brick, [start, stop]] of vector.layout.entries()) {
      const hex = (value: number): string => value.toString(16).padStart(8, '0');
      expect(volume.xattr(brick, 'ren', 'trusted.glusterfs.dht')).toBe(`${'0'.repeat(16)}${hex(start)}${hex(stop)}`);
    }
    for (const [, { src, dst, src_hashed, dst_hashed }] of renames) {
      expect(await hashedOf(src)).toBe(src_hashed);
      expect(await hashedOf(dst)).toBe(dst_hashed);
    }
    expect(renames).toHaveLength(11);
  });

  it.each(renames)('rename as GlusterFS does: %s', async (_title, { src, dst, before, after }) => {
    for (const name of [src, dst]) {
      const data = before.find((file) => file.name === name && !isLinkto(file));
      if (data) await make(name, data);
    }
    const made = onBricks([src, dst]);
    expect(comparable(made, made)).toEqual(comparable(before, before));
    await driver.rename(`/ren/${src}`, `/ren/${dst}`);
    // The owner of a linkto follows in the background.
    await vi.waitFor(() => expect(comparable(onBricks([src, dst]), made)).toEqual(comparable(after, before)), { timeout: 20_000 });
  });

  it('have a rename to another brick answer with the attributes that the brick told along with the unlink of the old name, in no message of its own', async () => {
    const [from, to, second] = [await nameOn(0), await nameOn(1), await nameOn(0)];
    await driver.writeFile(`/ren/${from}`, pattern(5000, 1));
    await driver.link(`/ren/${from}`, `/ren/${second}`);
    for (const [name, onto] of [[from, to], [second, await nameOn(2)]] as const) {
      volume.sent.length = 0;
      const told = await driver.rename(`/ren/${name}`, `/ren/${onto}`);
      expect(volume.sent.filter(({ fop }) => fop === 'stat')).toEqual([]);
      expect(volume.sent.filter(({ fop }) => fop === 'unlink')).toHaveLength(1);
      const now = await driver.stat(`/ren/${onto}`);
      expect(told).toEqual(now);
      expect(now.ia_nlink).toBe(2);
    }
  });

  it('link and make symlinks as GlusterFS does', async () => {
    const { src, dst, after } = vector.link;
    const data = after.find(({ name }) => name === src);
    if (!data) throw new Error('the vector has the file');
    await make(src, data);
    await driver.link(`/ren/${src}`, `/ren/${dst}`);
    await vi.waitFor(() => expect(comparable(onBricks([src, dst]), onBricks([src]))).toEqual(comparable(after, after)), { timeout: 20_000 });
    const { name, after: [symlink] } = vector.symlink;
    if (!symlink) throw new Error('the vector has the symlink');
    await driver.symlink('x'.repeat(symlink.size), `/ren/${name}`);
    expect(comparable(onBricks([name]), onBricks([name]))).toEqual(comparable([symlink], [symlink]));
  });

  /** As the kernel asks: by the inode alone. An error as `ERR n`, a number as text. */
  async function virtual(path: string, key: string): Promise<string> {
    const { loc } = await driver.resolve(path);
    const only = new Loc({ inode: loc.inode, gfid: loc.inode.gfid, path: loc.path });
    try {
      const { dict } = await driver.subvolume.getxattr(driver.frame, only, key as Bytes, undefined);
      const value = dict.get(key);
      if (!value) return `ERR ${Errno.ENODATA}`;
      return value.type === DictType.INT ? `${value.value}\0` : `${dict.getStr(key) ?? ''}\0`;
    } catch (error) {
      return `ERR ${errnoOf(error)}`;
    }
  }

  /** Directories of this machine for those of the vector; bricks answer in any order, so they are sorted. */
  const places = (text: string): string => text.replaceAll(volume.directory, '/d/v3').replace(/<POSIX\S*>(?: <POSIX\S*>)+/, (list) => list.split(' ').sort().join(' '));

  it.each(Object.entries(vector.virtual))('answer %s as GlusterFS does', async (key, recorded) => {
    const { dst } = vector.link;
    const ours = { file: `/ren/${dst}`, linked: `/ren/${dst}`, dir: '/ren', root: '/' };
    for (const [what, path] of Object.entries(ours) as ['file' | 'linked' | 'dir' | 'root', string][]) expect(places(await virtual(path, key)), `${key} of ${what}`).toBe(places(recorded[what]));
  });

  it('show no xattrs of theirs, and the modes, sizes and link counts that GlusterFS shows', async () => {
    const { dst } = vector.link;
    // What a mount leaves out besides is the brick's own (`trusted.gfid2path`).
    const shown = async (path: string): Promise<string[]> => (await driver.listxattr(path)).filter((key) => !key.startsWith('trusted.gfid2path.'));
    expect(await shown(`/ren/${dst}`)).toEqual(vector.linked_listxattr);
    expect(await shown('/ren')).toEqual(vector.dir_listxattr);
    const file = await driver.stat(`/ren/${dst}`);
    expect(octal(file.mode)).toBe(vector.stat_linked);
    const dir = await driver.stat('/ren');
    expect({ size: dir.ia_size, blocks: dir.ia_blocks, nlink: dir.ia_nlink, mode: octal(dir.mode) }).toEqual(vector.stat_dir);
    await driver.mkdir('/ren/sub1');
    await driver.mkdir('/ren/sub2');
    expect((await driver.stat('/ren')).ia_nlink).toBe(vector.stat_dir_with_subdirs.nlink);
    const { f_bsize, f_frsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree, f_namemax } = await driver.statfs();
    expect({ f_bsize, f_frsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree, f_namemax }).toEqual(vector.statvfs);
  });

  it.each(Object.entries(vector).filter(([title]) => /^(set|rm) /.test(title)) as [string, string][])('refuse it as GlusterFS does: %s', async (title, recorded) => {
    const [, what, key] = /^(\w+) (.*)$/.exec(title) ?? [];
    const attempt = what === 'set' ? driver.setxattr('/ren', key ?? '', Buffer.from('x')) : driver.removexattr('/ren', key ?? '');
    expect(`ERR ${await attempt.then(() => 0, errnoOf)}`).toBe(recorded);
  });
});
