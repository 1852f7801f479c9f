import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Bytes, Dict, Errno, FopError, GfEvent, Iatt, type Inode, Loc, OpenFlag, type PrePostReply, type ReadReply, SetAttr, type StatedumpWriter } from '@glusterts/libglusterfs';
import { expectErrno } from '@glusterts/xlator-compliance';
import { afterEach, describe, expect, it } from 'vitest';
import { mdCache } from '../src/md-cache/index.js';
import { type TwoClients, inodeOf, likeWriteBehind, lookupOf, statOf, twoClients } from './two-clients.js';

const CAPABILITY = 'security.capability';
const bytes = (text: string): Uint8Array => Buffer.from(text);

let bench: TwoClients | undefined;
async function start(...options: readonly string[]): Promise<TwoClients> {
  return (bench = await twoClients(mdCache, options));
}
afterEach(async () => {
  await bench?.down();
  bench = undefined;
});

describe('md-cache: attributes', () => {
  it('answers stat, fstat and lookup from what a creation told, with device 42', async () => {
    const b = await start();
    const fd = await b.ours.create('/f');
    b.gate.take();
    const stat = await statOf(b, 'f');
    const [again, looked] = [await b.ours.fstat(fd), await lookupOf(b, 'f')];
    expect(b.gate.take()).toEqual([]);
    expect(stat).toMatchObject({ ia_dev: 42n, ia_gfid: inodeOf(b, 'f').gfid, ia_type: 1, ia_size: 0, ia_nlink: 1 });
    expect(again).toBe(stat);
    expect(looked.stat).toBe(stat);
    expect(looked.inode).toBe(inodeOf(b, 'f'));
    expect(looked.postparent.isNull).toBe(true);
    await b.ours.close(fd);
  });

  it('believes them for md-cache-timeout seconds and not a moment longer', async () => {
    const b = await start('md-cache-timeout 3');
    await b.ours.writeFile('/f', bytes('one'));
    await statOf(b, 'f');
    await b.other.writeFile('/f', bytes('longer'));
    b.time.advance(2999);
    expect((await statOf(b, 'f')).ia_size).toBe(3);
    b.time.advance(1);
    expect((await statOf(b, 'f')).ia_size).toBe(6);
  });

  it('cuts a timeout of more than a minute when nobody tells of changes, and keeps it when upcalls do', async () => {
    const b = await start('md-cache-timeout 600');
    await b.ours.mkdir('/d');
    b.time.advance(60_000);
    b.gate.take();
    await statOf(b, 'd');
    expect(b.gate.take()).toEqual(['stat']);
    await b.down();
    const told = await start('md-cache-timeout 600', 'cache-invalidation on');
    await told.ours.mkdir('/d');
    told.gate.take();
    told.time.advance(599_000);
    await statOf(told, 'd');
    expect(told.gate.take()).toEqual([]);
  });

  it('forgets all of them when a brick goes down, and what was asked before it went', async () => {
    const b = await start();
    await b.ours.mkdir('/d');
    await b.ours.mkdir('/e');
    b.graph.find('gate')?.parents[0]?.notify(GfEvent.SOME_DESCENDENT_DOWN);
    b.gate.take();
    const held = b.gate.hold('stat');
    const before = statOf(b, 'd');
    await held.answered;
    b.graph.find('gate')?.parents[0]?.notify(GfEvent.CHILD_DOWN);
    held.release();
    await before;
    await statOf(b, 'd');
    expect(b.gate.take()).toEqual(['stat', 'stat']);
    await statOf(b, 'd');
    expect(b.gate.take()).toEqual([]);
  });

  it('keeps a directory\'s attributes fresh by the answers to what is made, renamed and removed in it', async () => {
    const b = await start();
    await b.ours.mkdir('/d');
    await b.ours.mkdir('/d/x');
    b.gate.take();
    expect((await statOf(b, 'd')).ia_nlink).toBe(3);
    await b.ours.rename('/d/x', '/y');
    b.gate.take();
    expect((await statOf(b, 'd')).ia_nlink).toBe(2);
    await b.ours.symlink('x', '/d/s');
    await b.ours.unlink('/d/s');
    b.gate.take();
    expect((await statOf(b, 'd')).ia_mtime_nsec).toBe((await b.other.stat('/d')).ia_mtime_nsec);
    expect(b.gate.take()).toEqual([]);
  });

  it('knows an inode by its gfid when a lookup came with a fresh one', async () => {
    const b = await start();
    await b.ours.writeFile('/f', bytes('x'));
    await b.ours.link('/f', '/g');
    b.time.advance(5000);
    // As a top that has forgotten the name: the reply's inode is new, and the table knows another of the same gfid.
    const fresh = b.graph.inodeTable.create();
    await b.ours.subvolume.lookup(b.ours.frame, new Loc({ inode: fresh, parent: b.graph.inodeTable.root, name: 'g' as Bytes }), b.ours.gfidReq());
    b.gate.take();
    expect((await statOf(b, 'f')).ia_nlink).toBe(2);
    expect(b.gate.take()).toEqual([]);
  });

  it('answers a lookup that only gives a gfid to a file that has one', async () => {
    const b = await start();
    await b.ours.mkdir('/d');
    b.gate.take();
    await lookupOf(b, 'd', b.ours.gfidReq());
    expect(b.gate.take()).toEqual([]);
    await lookupOf(b, 'd', b.ours.gfidReq().setInt('glusterfs.content', 1));
    expect(b.gate.take()).toEqual(['lookup']);
  });

  it('takes over the attributes that readdirp tells, and makes readdirp of readdir', async () => {
    const b = await start();
    await b.other.writeFile('/f', bytes('four'));
    const fd = await b.ours.open('/', OpenFlag.RDONLY);
    const { entries } = await b.ours.subvolume.readdir(b.ours.frame, fd, 65536, 0n, undefined);
    const entry = (await b.ours.subvolume.readdirp(b.ours.frame, fd, 65536, 0n, undefined)).entries.find(({ name }) => name === 'f');
    expect(entries.map(({ name }) => name)).toContain('f');
    expect(b.gate.take().filter((fop) => fop.startsWith('readdir'))).toEqual(['readdirp', 'readdirp']);
    const inode = entry?.inode;
    if (!inode) return;
    const linked = b.graph.inodeTable.link(inode, b.graph.inodeTable.root, 'f' as Bytes, entry.stat);
    expect((await b.ours.subvolume.stat(b.ours.frame, new Loc({ inode: linked }), undefined)).stat.ia_size).toBe(4);
    expect(b.gate.take()).toEqual([]);
    await b.ours.close(fd);
  });

  it('leaves readdir alone without force-readdirp', async () => {
    const b = await start('force-readdirp off');
    const fd = await b.ours.open('/', OpenFlag.RDONLY);
    await b.ours.subvolume.readdir(b.ours.frame, fd, 65536, 0n, undefined);
    expect(b.gate.take()).toContain('readdir');
    await b.ours.close(fd);
  });

  it('caches statfs only when told to', async () => {
    const b = await start();
    const statfs = (of: TwoClients): Promise<unknown> => of.ours.subvolume.statfs(of.ours.frame, new Loc({ inode: of.graph.inodeTable.root }), undefined);
    await statfs(b);
    await statfs(b);
    expect(b.gate.take()).toEqual(['statfs', 'statfs']);
    await b.down();
    const told = await start('md-cache-statfs on');
    await statfs(told);
    await statfs(told);
    told.time.advance(1001);
    expect(told.gate.take()).toEqual(['statfs']);
    await statfs(told);
    expect(told.gate.take()).toEqual(['statfs']);
  });
});

describe('md-cache: what changes while an answer is on its way', () => {
  it('does not keep an answer that was asked for before a write that tells no attributes', async () => {
    const b = await start();
    likeWriteBehind(b);
    const fd = await b.ours.create('/f');
    b.time.advance(5000);
    const held = b.gate.hold('fstat');
    const early = b.ours.fstat(fd);
    await held.answered;
    await b.ours.write(fd, bytes('12345'), 0);
    held.release();
    expect((await early).ia_size).toBe(0);
    expect((await b.ours.fstat(fd)).ia_size).toBe(5);
    await b.ours.close(fd);
  });

  it('believes no answer to a read or a truncate while written data may be waiting below', async () => {
    const b = await start();
    likeWriteBehind(b);
    const fd = await b.ours.create('/f');
    await b.ours.write(fd, bytes('12345'), 0);
    await b.ours.read(fd, 5, 0);
    await b.ours.subvolume.ftruncate(b.ours.frame, fd, 9, undefined);
    await b.ours.subvolume.fsetxattr(b.ours.frame, fd, new Dict().setBin('user.a', bytes('1')), 0, undefined);
    b.gate.take();
    await b.ours.fstat(fd);
    expect(b.gate.take()).toEqual(['fstat']);
    await b.ours.read(fd, 5, 0);
    await b.ours.fstat(fd);
    expect(b.gate.take()).toEqual(['readv']);
    await b.ours.close(fd);
  });

  it('does not take the attributes of data from a cache below for fresh ones', async () => {
    const b = await start();
    await b.ours.writeFile('/f', bytes('1'));
    const fd = await b.ours.open('/f');
    const old = await b.ours.fstat(fd);
    b.gate.alter<ReadReply>('readv', (reply) => ({ ...reply, stat: old }));
    await b.ours.unlink('/f');
    await b.ours.read(fd, 1, 0);
    expect((await b.ours.fstat(fd)).ia_nlink).toBe(0);
    b.time.advance(900);
    await b.ours.read(fd, 1, 0);
    b.time.advance(100);
    b.gate.take();
    await b.ours.fstat(fd);
    expect(b.gate.take()).toEqual(['fstat']);
    await b.ours.close(fd);
  });

  it('does not keep the older of two answers that come in the wrong order', async () => {
    const b = await start();
    await b.ours.writeFile('/f', bytes('1'));
    b.time.advance(5000);
    const held = b.gate.hold('stat');
    const old = statOf(b, 'f');
    await held.answered;
    await b.ours.chmod('/f', 0o600);
    held.release();
    expect((await old).ia_prot).toBe(0o644);
    b.gate.take();
    expect((await statOf(b, 'f')).ia_prot).toBe(0o600);
    expect(b.gate.take()).toEqual([]);
  });

  it('does not keep what a lookup saw before the file lost a name', async () => {
    const b = await start();
    await b.ours.writeFile('/f', bytes('1'));
    await b.ours.link('/f', '/g');
    b.time.advance(5000);
    const held = b.gate.hold('stat');
    const early = statOf(b, 'f');
    await held.answered;
    await b.ours.unlink('/g');
    held.release();
    expect((await early).ia_nlink).toBe(2);
    expect((await statOf(b, 'f')).ia_nlink).toBe(1);
  });

  it('does not keep xattrs that were read before they were set', async () => {
    const b = await start();
    await b.ours.writeFile('/f', bytes('1'));
    await expectErrno(b.ours.getxattr('/f', CAPABILITY), Errno.ENODATA);
    b.time.advance(5000);
    const held = b.gate.hold('lookup');
    const early = lookupOf(b, 'f');
    await held.answered;
    await b.ours.subvolume.setxattr(b.ours.frame, new Loc({ inode: inodeOf(b, 'f') }), new Dict().setBin(CAPABILITY, bytes('cap')), 0, undefined);
    held.release();
    await early;
    expect(Buffer.from(await b.ours.getxattr('/f', CAPABILITY)).toString()).toBe('cap');
  });
});

describe('md-cache: own changes', () => {
  it('a link, an unlink and a rename over a file show in the counts of links at once', async () => {
    const b = await start();
    await b.ours.writeFile('/a', bytes('a'));
    await b.ours.writeFile('/b', bytes('b'));
    const fd = await b.ours.open('/b');
    await b.ours.fstat(fd);
    await b.ours.link('/b', '/c');
    expect((await b.ours.fstat(fd)).ia_nlink).toBe(2);
    await b.ours.rename('/a', '/b');
    expect((await b.ours.fstat(fd)).ia_nlink).toBe(1);
    expect((await b.ours.stat('/b')).ia_size).toBe(1);
    await b.ours.unlink('/c');
    expect((await b.ours.fstat(fd)).ia_nlink).toBe(0);
    await b.ours.close(fd);
  });

  it('writes, truncates and opens with O_TRUNC show in the size at once', async () => {
    const b = await start();
    const fd = await b.ours.create('/f');
    await b.ours.write(fd, bytes('123456'), 0);
    b.gate.take();
    expect((await b.ours.fstat(fd)).ia_size).toBe(6);
    await b.ours.truncate('/f', 3);
    expect((await b.ours.fstat(fd)).ia_size).toBe(3);
    await b.ours.close(fd);
    await b.ours.close(await b.ours.open('/f', OpenFlag.RDWR | OpenFlag.TRUNC));
    expect((await b.ours.stat('/f')).ia_size).toBe(0);
  });

  it('a change that failed is not believed to have done nothing', async () => {
    const b = await start();
    await b.ours.writeFile('/f', bytes('1'));
    b.gate.alter('setattr', () => {
      throw new FopError(Errno.ENOTCONN);
    });
    await expectErrno(b.ours.chmod('/f', 0o600), Errno.ENOTCONN);
    expect((await statOf(b, 'f')).ia_prot).toBe(0o600);
  });

  it('a file that is gone is asked for again, as is the directory of a name that was not there', async () => {
    const b = await start();
    await b.ours.mkdir('/d');
    await b.ours.writeFile('/d/f', bytes('1'));
    await b.other.unlink('/d/f');
    await b.other.rmdir('/d');
    // Both are believed to be there still, as the real md-cache does for a second.
    await expectErrno(b.ours.unlink('/d/f'), Errno.ESTALE);
    b.gate.take();
    await expectErrno(statOf(b, 'd'), Errno.ESTALE);
    expect(b.gate.take()).toEqual(['stat']);
  });
});

describe('md-cache: files changed by others', () => {
  const invalidated = (b: TwoClients): Inode[] => {
    const heard: Inode[] = [];
    b.graph.onInvalidate((inode) => heard.push(inode));
    return heard;
  };

  it('a file whose times are not what we left them at loses its data in all caches', async () => {
    const b = await start();
    await b.ours.writeFile('/f', bytes('1'));
    await b.ours.stat('/f');
    const heard = invalidated(b);
    await b.other.writeFile('/f', bytes('2'));
    b.time.advance(1000);
    await b.ours.stat('/f');
    expect(heard).toEqual([inodeOf(b, 'f')]);
  });

  it('our own changes don\'t count as such, nor do directories', async () => {
    const b = await start();
    await b.ours.mkdir('/d');
    const fd = await b.ours.create('/d/f');
    const heard = invalidated(b);
    await b.ours.write(fd, bytes('123'), 0);
    await b.ours.chmod('/d/f', 0o600);
    await b.ours.truncate('/d/f', 1);
    await b.other.mkdir('/d/e');
    b.time.advance(1000);
    await b.ours.stat('/d');
    expect(heard).toEqual([]);
    await b.ours.close(fd);
  });

  it('not with global-cache-invalidation off', async () => {
    const b = await start('global-cache-invalidation off');
    await b.ours.writeFile('/f', bytes('1'));
    const heard = invalidated(b);
    await b.other.writeFile('/f', bytes('2'));
    b.time.advance(1000);
    await b.ours.stat('/f');
    expect(heard).toEqual([]);
  });
});

describe('md-cache: options and figures', () => {
  it('pass-through takes it out of the way, and nothing is stale when it is back', async () => {
    const b = await start('pass-through on');
    await b.ours.mkdir('/d');
    b.gate.take();
    await statOf(b, 'd');
    expect(b.gate.take()).toEqual(['stat']);
    await b.graph.reconfigure(b.volfile.replace('pass-through on', 'pass-through off'));
    await statOf(b, 'd');
    await statOf(b, 'd');
    expect(b.gate.take()).toEqual(['stat']);
    await b.graph.reconfigure(b.volfile);
    await b.ours.chmod('/d', 0o700);
    await b.graph.reconfigure(b.volfile.replace('pass-through on', 'pass-through off'));
    expect((await statOf(b, 'd')).ia_prot).toBe(0o700);
  });

  it('takes a new timeout while it runs', async () => {
    const b = await start();
    await b.graph.reconfigure(b.volfile.replace('subvolumes gate', 'option md-cache-timeout 10\n    subvolumes gate'));
    await b.ours.mkdir('/d');
    b.time.advance(9999);
    b.gate.take();
    await statOf(b, 'd');
    expect(b.gate.take()).toEqual([]);
  });

  it('says in a statedump what GlusterFS\'s says', async () => {
    const b = await start();
    await b.ours.mkdir('/d');
    await statOf(b, 'd');
    expect(await b.ours.exists('/nothing')).toBe(false);
    const lines: string[] = [];
    const writer: StatedumpWriter = { section: (title) => lines.push(`[${title}]`), write: (key, value) => lines.push(`${key} = ${value}`) };
    b.graph.find('cache')?.dump(writer);
    expect(lines).toEqual([
      '[performance/md-cache.cache]', 'stat_hit_count = 1', 'stat_miss_count = 2', 'xattr_hit_count = 0', 'xattr_miss_count = 0', 'nameless_lookup_count = 0', 'negative_lookup_count = 1', 'stat_invalidations_received = 0',
      'xattr_invalidations_received = 0',
    ]);
  });
});

describe('md-cache: two clients at random', () => {
  it('never shows what is older than the timeout, nor what was so before a change of our own', async () => {
    const b = await start();
    likeWriteBehind(b);
    let seed = 20261121;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    const names = ['/a', '/b', '/c'];
    for (const name of names) await b.ours.writeFile(name, bytes('x'));
    const look = async (name: string): Promise<string> => {
      const stat = await b.other.stat(name);
      return [stat.ia_gfid, stat.ia_size, stat.ia_prot, stat.ia_nlink, stat.ia_ctime, stat.ia_ctime_nsec].join();
    };
    let now = 0;
    const history = new Map<string, { from: number; state: string }[]>();
    const ownChange = new Map<string, number>();
    const record = async (): Promise<void> => {
      for (const name of names) {
        const states = history.get(name) ?? [];
        const state = await look(name);
        if (states.at(-1)?.state !== state) states.push({ from: now, state });
        history.set(name, states);
      }
    };
    const change = async (driver: TwoClients['ours'], name: string): Promise<void> => {
      switch (random(6)) {
        case 0: return void (await driver.chmod(name, 0o600 + random(64)));
        case 1: return void (await driver.truncate(name, random(100)));
        case 2: {
          const fd = await driver.open(name);
          await driver.write(fd, bytes('y'.repeat(1 + random(50))), random(100));
          return driver.close(fd);
        }
        case 3:
          await driver.link(name, '/extra');
          return driver.unlink('/extra');
        case 4: return driver.setxattr(name, 'user.x', bytes(String(random(9))));
        default: {
          const wanted = new Iatt();
          wanted.ia_mtime = random(1000);
          await driver.setattr(name, wanted, SetAttr.MTIME);
        }
      }
    };
    await record();
    for (let step = 0; step < 3000; step++) {
      const pass = random(300);
      now += pass;
      b.time.advance(pass);
      const name = names[random(names.length)] ?? '/a';
      const what = random(4);
      if (what === 0) await change(b.other, name);
      else if (what === 1) {
        await change(b.ours, name);
        ownChange.set(name, now);
      } else {
        const stat = what === 2 ? await b.ours.stat(name) : await b.ours.lookup(name);
        const shown = [stat.ia_gfid, stat.ia_size, stat.ia_prot, stat.ia_nlink, stat.ia_ctime, stat.ia_ctime_nsec].join();
        const states = history.get(name) ?? [];
        const oldest = Math.max(now - 1000, ownChange.get(name) ?? 0);
        // Those that held at some time since: the last one that began before, and all later ones.
        const allowed = states.filter((_, i) => (states[i + 1]?.from ?? Infinity) >= oldest).map(({ state }) => state);
        expect(allowed, `step ${step}, ${name} at ${now}`).toContain(shown);
      }
      await record();
    }
    expect(b.gate.take().filter((fop) => fop === 'stat').length).toBeLessThan(1000);
  });

  it('setattr and fsync answer with attributes that are served after them', async () => {
    const b = await start();
    const fd = await b.ours.create('/f');
    likeWriteBehind(b);
    await b.ours.write(fd, bytes('12'), 0);
    const reply: PrePostReply = await b.ours.subvolume.fsync(b.ours.frame, fd, false, undefined);
    b.gate.take();
    expect((await b.ours.fstat(fd)).ia_size).toBe(reply.poststat.ia_size);
    expect(b.gate.take()).toEqual([]);
    await b.ours.close(fd);
  });
});

async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  if (typeof gc !== 'function') throw new Error('no gc');
  await new Promise((resolve) => setImmediate(resolve));
  gc();
}

describe('md-cache: memory', () => {
  it('keeps nothing of files that are forgotten, however long attributes live', async () => {
    const b = await start('cache-invalidation on', 'md-cache-timeout 600');
    const refs: WeakRef<Iatt>[] = [];
    // A call of its own, so that no local variable holds the last one.
    const make = async (name: string): Promise<void> => {
      await b.ours.mkdir(`/${name}`);
      await statOf(b, name);
      // What the cache itself holds: it serves the same object each time.
      refs.push(new WeakRef(await statOf(b, name)));
    };
    const held = (wanted: (i: number) => boolean): number => refs.filter((ref, i) => wanted(i) && ref.deref() !== undefined).length;
    for (let i = 0; i < 50; i++) await make(`d${i}`);
    await collectGarbage();
    expect(held((i) => i < 50)).toBe(50);
    for (let i = 0; i < 50; i += 2) b.graph.inodeTable.unlink(inodeOf(b, `d${i}`), b.graph.inodeTable.root, `d${i}` as Bytes);
    await collectGarbage();
    expect(held((i) => i % 2 === 0)).toBe(0);
    expect(held((i) => i % 2 === 1)).toBe(25);
    // The holes are passed when the others' time has come.
    b.time.advance(600_000);
    for (let i = 0; i < 30; i++) await make(`later${i}`);
    await collectGarbage();
    expect(held((i) => i < 50)).toBe(0);
  });

  it('gives back the attributes of files that nobody may believe any more, while one stays fresh', async () => {
    const b = await start();
    const refs: WeakRef<Iatt>[] = [];
    b.gate.alter<{ stat: Iatt }>('mkdir', (reply) => {
      refs.push(new WeakRef(reply.stat));
      return reply;
    });
    for (let i = 0; i < 50; i++) await b.ours.mkdir(`/d${i}`);
    for (let i = 0; i < 50; i++) {
      b.time.advance(100);
      await b.ours.mkdir(`/e${i}`);
    }
    await collectGarbage();
    expect(refs.slice(0, 40).filter((ref) => ref.deref() !== undefined)).toHaveLength(0);
  });
});
