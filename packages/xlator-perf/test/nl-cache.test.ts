import { type Bytes, Errno, FopError, GfEvent, Iatt, Loc, type StatedumpWriter, type Upcall, errnoOf } from '@glusterts/libglusterfs';
import { complianceSuite, expectErrno, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { afterEach, describe, expect, it } from 'vitest';
import { mdCache } from '../src/md-cache/index.js';
import { nlCache } from '../src/nl-cache/index.js';
import { type TwoClients, twoClients } from './two-clients.js';

for (const positive of ['off', 'on']) {
  complianceSuite({
    name: `performance/nl-cache with positive entries ${positive}, under md-cache, over storage/memory`,
    makeGraph: () =>
      testGraph(
        `volume brick\n    type storage/memory\n    option size 0\nend-volume\n\nvolume nl\n    type performance/nl-cache\n    option nl-cache-positive-entry ${positive}\n    subvolumes brick\nend-volume\n\nvolume md\n    type performance/md-cache\n    subvolumes nl\nend-volume\n`,
        [...memory, mdCache, nlCache],
      ),
  });
}

let bench: TwoClients | undefined;
async function start(...options: readonly string[]): Promise<TwoClients> {
  return (bench = await twoClients(nlCache, options));
}
afterEach(async () => {
  await bench?.down();
  bench = undefined;
});

/** Fops that a lookup of a path costs below, apart from those for its directory. */
async function lookups(b: TwoClients, path: string): Promise<number> {
  const { parent, name } = await b.ours.parent(path);
  b.gate.take();
  await b.ours.lookupIn(parent, name).catch((error: unknown) => {
    if (errnoOf(error) !== Errno.ENOENT) throw error;
  });
  return b.gate.take().length;
}

function upcall(b: TwoClients, flags: number, of: { gfid: Iatt; parent?: Iatt; oldparent?: Iatt }): void {
  const record: Upcall = { kind: 'cache-invalidation', client: undefined, gfid: of.gfid.ia_gfid, flags, expire_time_attr: 60, stat: new Iatt(), parent_stat: of.parent ?? new Iatt(), oldparent_stat: of.oldparent ?? new Iatt(), dict: undefined };
  b.graph.find('cache')?.notify(GfEvent.UPCALL, record);
}

describe('nl-cache: names that are not there', () => {
  it('are asked for once in nl-cache-timeout seconds', async () => {
    const b = await start();
    expect(await lookups(b, '/none')).toBe(1);
    b.time.advance(59_999);
    expect(await lookups(b, '/none')).toBe(0);
    b.time.advance(1);
    expect(await lookups(b, '/none')).toBe(1);
  });

  it.each(['off', 'on'])('are there as soon as this client makes them (positive entries %s)', async (positive) => {
    const b = await start(`nl-cache-positive-entry ${positive}`);
    const makers: Record<string, (path: string) => Promise<unknown>> = {
      create: async (path) => b.ours.close(await b.ours.create(path)),
      mkdir: (path) => b.ours.mkdir(path),
      mknod: (path) => b.ours.mknod(path, 0o010644),
      symlink: (path) => b.ours.symlink('x', path),
      link: (path) => b.ours.link('/create', path),
      rename: (path) => b.ours.rename('/link', path),
    };
    for (const [name, make] of Object.entries(makers)) {
      await lookups(b, `/${name}`);
      await make(`/${name}`);
      // As after the kernel, and with it the table, has forgotten the name.
      const root = b.graph.inodeTable.root;
      const inode = b.graph.inodeTable.grep(root, name as Bytes);
      if (inode) b.graph.inodeTable.unlink(inode, root, name as Bytes);
      expect(await b.ours.exists(`/${name}`), name).toBe(true);
    }
  });

  it('are not taken for missing when the name was made while the lookup was on its way', async () => {
    const b = await start();
    const held = b.gate.hold('lookup');
    const early = b.ours.exists('/f');
    await held.answered;
    const loc = new Loc({ inode: b.graph.inodeTable.create(), parent: b.graph.inodeTable.root, name: 'f' as Bytes, path: '/f' as Bytes });
    await b.ours.subvolume.mkdir(b.ours.frame, loc, 0o755, 0, b.ours.gfidReq());
    held.release();
    expect(await early).toBe(false);
    expect(await b.ours.exists('/f')).toBe(true);
  });

  it('are asked for again after a creation that failed, for it may have been done', async () => {
    const b = await start();
    await lookups(b, '/d');
    b.gate.alter('mkdir', () => {
      throw new FopError(Errno.ENOTCONN);
    });
    await expectErrno(b.ours.mkdir('/d'), Errno.ENOTCONN);
    expect(await b.ours.exists('/d')).toBe(true);
  });

  it('are forgotten when a brick goes down or comes up, and when the graph goes', async () => {
    const b = await start();
    for (const event of [GfEvent.CHILD_DOWN, GfEvent.SOME_DESCENDENT_DOWN, GfEvent.SOME_DESCENDENT_UP, GfEvent.CHILD_UP]) {
      await lookups(b, '/none');
      expect(await lookups(b, '/none')).toBe(0);
      b.graph.find('cache')?.notify(event);
      expect(await lookups(b, '/none')).toBe(1);
    }
    b.graph.find('cache')?.notify(GfEvent.PARENT_DOWN);
    await lookups(b, '/none');
    expect(await lookups(b, '/none')).toBe(1);
  });

  it('are forgotten when an upcall tells of a change in their directory', async () => {
    const b = await start();
    await b.ours.mkdir('/d');
    await b.ours.writeFile('/f', Buffer.from('1'));
    const [dir, file] = [await b.ours.lookup('/d'), await b.ours.lookup('/f')];
    const root = await b.other.stat('/');
    const cases: [number, Parameters<typeof upcall>[2]][] = [[0x10, { gfid: dir }], [0x211, { gfid: file, parent: dir }], [0x280, { gfid: file, parent: root, oldparent: dir }]];
    for (const [flags, of] of cases) {
      await lookups(b, '/d/none');
      expect(await lookups(b, '/d/none')).toBe(0);
      upcall(b, 0x18, { gfid: file });
      expect(await lookups(b, '/d/none')).toBe(0);
      upcall(b, flags, of);
      expect(await lookups(b, '/d/none')).toBe(1);
    }
  });

  it('take no more memory than nl-cache-limit: the oldest directory goes', async () => {
    const b = await start('nl-cache-limit 1000');
    await b.ours.mkdir('/a');
    await b.ours.mkdir('/b');
    await lookups(b, '/a/none');
    for (let i = 0; i < 25; i++) await lookups(b, `/b/none${i}`);
    expect(await lookups(b, '/b/none24')).toBe(0);
    expect(await lookups(b, '/a/none')).toBe(1);
  });

  it('are always asked for with pass-through', async () => {
    const b = await start('pass-through on');
    await lookups(b, '/none');
    expect(await lookups(b, '/none')).toBe(1);
    await b.graph.reconfigure(b.volfile.replace('pass-through on', 'pass-through off'));
    await lookups(b, '/none');
    expect(await lookups(b, '/none')).toBe(0);
  });
});

describe('nl-cache: positive entries', () => {
  it('in a directory that this client made, all other names are missing', async () => {
    const b = await start('nl-cache-positive-entry on');
    await b.ours.mkdir('/d');
    await b.ours.writeFile('/d/f', Buffer.from('1'));
    expect(await lookups(b, '/d/never')).toBe(0);
    expect(await b.ours.exists('/d/f')).toBe(true);
    await b.ours.unlink('/d/f');
    expect(await lookups(b, '/d/f')).toBe(0);
    await b.ours.rename('/d', '/e');
    expect(await lookups(b, '/e/never')).toBe(0);
  });

  it('not after another client has made something there', async () => {
    const b = await start('nl-cache-positive-entry on');
    const dir = await b.ours.mkdir('/d');
    await b.other.writeFile('/d/f', Buffer.from('1'));
    upcall(b, 0x10, { gfid: dir });
    expect(await b.ours.exists('/d/f')).toBe(true);
    expect(await lookups(b, '/d/never')).toBe(1);
  });

  it('answer glusterfs.get_real_filename, whatever the case of the letters', async () => {
    const b = await start('nl-cache-positive-entry on');
    await b.ours.mkdir('/d');
    await b.ours.writeFile('/d/ReadMe', Buffer.from('1'));
    const { loc } = await b.ours.resolve('/d');
    const ask = async (name: string): Promise<string | undefined> => (await b.ours.subvolume.getxattr(b.ours.frame, loc, `glusterfs.get_real_filename:${name}` as Bytes, undefined)).dict.getStr(`glusterfs.get_real_filename:${name}`);
    b.gate.take();
    expect(await ask('README')).toBe('ReadMe');
    await expectErrno(ask('other'), Errno.ENOENT);
    expect(b.gate.take()).toEqual([]);
  });
});

it('nl-cache says in a statedump what GlusterFS\'s says', async () => {
  const b = await start('nl-cache-limit 10MB');
  await b.ours.mkdir('/d');
  for (let i = 0; i < 4; i++) for (const dir of ['', '/d']) await lookups(b, `${dir}/none${i}`);
  await lookups(b, '/none0');
  const lines: string[] = [];
  const writer: StatedumpWriter = { section: (title) => lines.push(`[${title}]`), write: (key, value) => lines.push(`${key} = ${value}`) };
  b.graph.find('cache')?.dump(writer);
  // As in vectors/client/meta-private-all-perf.txt: two directories, eight names.
  expect(lines).toEqual([
    '[performance/nl-cache.cache]', 'negative_lookup_hit_count = 1', 'negative_lookup_miss_count = 8', 'get_real_filename_hit_count = 0', 'get_real_filename_miss_count = 0', 'nameless_lookup_count = 0',
    'inodes_with_positive_dentry_cache = 0', 'inodes_with_negative_dentry_cache = 0', 'dentry_invalidations_received = 0', 'cache_limit = 10485760', 'consumed_cache_size = 496', 'inode_limit = 104857', 'consumed_inodes = 2',
  ]);
});
