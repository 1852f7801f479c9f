import { readFileSync } from 'node:fs';
import { type Bytes, Dict, DictType, Errno, Fd, type Inode, IoVec, Loc, OpenFlag, errnoOf } from '@glusterts/libglusterfs';
import type { GraphDriver } from '@glusterts/xlator-compliance';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { RecordedVolume, whyNoBricks } from './recorded-volume.js';
import type { Sent } from './wire.js';

const reason = whyNoBricks();
if (reason) console.warn(`the order of GlusterFS's calls skipped: ${reason}`);

/** A call as the vector tells it: where, what, and the readable words in it (names of three letters at least, keys, texts). */
interface Call { readonly subvol: string; readonly fop: string; readonly words: readonly string[] }

const recorded = readFileSync(new URL('vectors/wire-order.txt', import.meta.url), 'utf8').trimEnd().split('\n').map((line) => {
  const [, frame, subvol = '', fop = '', words = ''] = /^(\d+) (client-\d) (\S+) ?(.*)$/.exec(line) ?? [];
  return { frame: Number(frame), call: { subvol, fop, words: sorted(words.replaceAll('v3-', '').split(' ')) } };
});

function sorted(words: readonly string[]): string[] {
  return [...new Set(words.filter((word) => word !== ''))].sort();
}

/** What the recorded calls of a stretch of frames were. */
const between = (first: number, last: number): Call[] => recorded.filter(({ frame }) => frame >= first && frame <= last).map(({ call }) => call);

/** RELEASE has no name in the vector (it is procedure 41), and RELEASEDIR is called RELEASE. */
const NAMES: Readonly<Record<string, string>> = { writev: 'WRITE', release: 'proc-41', releasedir: 'RELEASE' };
/** Fops whose call has the name of an entry. */
const NAMED: ReadonlySet<string> = new Set(['lookup', 'create', 'mkdir', 'mknod', 'link', 'rename', 'unlink', 'rmdir', 'entrylk', 'symlink']);

function told({ subvol, fop, args }: Sent): Call {
  const words: string[] = [];
  // Of LINK, the old name stays at home: its file goes by gfid.
  for (const arg of fop === 'link' ? args.slice(2) : args) {
    if (arg instanceof Loc) {
      if (NAMED.has(fop) && arg.name.length >= 3) words.push(arg.name);
    } else if (arg instanceof Dict) {
      for (const [key, value] of arg.entries()) {
        words.push(key);
        if (value.type === DictType.STR && value.value.length >= 3) words.push(value.value.replace('v3-', ''));
      }
    } else if (typeof arg === 'string' && arg.length >= 3) {
      words.push(arg);
    }
  }
  return { subvol: subvol.replace('v3-', ''), fop: NAMES[fop] ?? fop.toUpperCase(), words: sorted(words) };
}

/** Calls that are sent together leave in any order: runs of the same fop are sorted by subvolume. RELEASE leaves whenever the last reference goes. */
function together(calls: readonly Call[]): Call[] {
  const runs: Call[][] = [];
  const release = ({ fop }: Call): boolean => fop === 'RELEASE';
  for (const call of [...calls.filter((each) => !release(each)), ...calls.filter(release)]) {
    const last = runs.at(-1);
    if (last?.[0]?.fop === call.fop) last.push(call);
    else runs.push([call]);
  }
  return runs.flatMap((run) => run.sort((a, b) => (a.subvol < b.subvol ? -1 : a.subvol > b.subvol ? 1 : 0)));
}

const asText = (calls: readonly Call[]): string[] => calls.map(({ subvol, fop, words }) => [subvol, fop, ...words].join(' '));

describe.skipIf(reason)('the calls on three bricks, their keys and their order, are those that GlusterFS sent', () => {
  let volume: RecordedVolume;
  let driver: GraphDriver;
  beforeAll(async () => {
    volume = new RecordedVolume({ name: 'v3', bricks: 3 });
    driver = await volume.mount();
  });
  afterAll(() => volume.stop());

  async function sends(run: () => Promise<unknown>, expected: readonly Call[], compare: (calls: Call[]) => readonly Call[] = together): Promise<void> {
    volume.sent.length = 0;
    await run();
    // Disk numbers are asked for again when a second has passed, so that on a slow machine any creation may be the one.
    const statfs = expected.some(({ fop }) => fop === 'STATFS');
    const sent = (): Sent[] => volume.sent.filter(({ fop }) => statfs || fop !== 'statfs');
    // Unlocks, and what is done for its own sake, are not waited for by the operation.
    await vi.waitFor(() => expect(sent().length).toBeGreaterThanOrEqual(expected.length), { timeout: 10_000 }).catch(() => undefined);
    expect(asText(compare(sent().map(told)))).toEqual(asText(compare([...expected])));
  }

  /** Keys that layers above distribute had put in: md-cache, quick-read, utime, and, of new names, mount/fuse. */
  const keys = (...names: string[]): Dict => names.reduce((dict, name) => dict.setUint(name, 0), new Dict());
  const SECURITY = ['security.ima', 'security.capability'];
  const lookupKeys = (): Dict => keys('trusted.glusterfs.mdata', 'glusterfs.content', ...SECURITY);

  const dir = (): Inode => driver.graph.inodeTable.grep(driver.graph.inodeTable.root, 'capd' as Bytes) ?? expect.unreachable();
  const inDir = (name: string): Loc => new Loc({ inode: driver.graph.inodeTable.grep(dir(), name as Bytes) ?? driver.graph.inodeTable.create(), parent: dir(), name: name as Bytes, path: `/capd/${name}` as Bytes });
  const absent = async (name: string): Promise<void> => {
    expect(await driver.subvolume.lookup(driver.frame, inDir(name), lookupKeys().setGfid('gfid-req', driver.graph.platform.random.uuid())).then(() => 0, errnoOf)).toBe(Errno.ENOENT);
  };

  it('for mkdir', () => sends(() => driver.mkdir('/capd'), between(46, 85)));

  it('for a look at the root', () => {
    const root = new Loc({ inode: driver.graph.inodeTable.root, path: '/' as Bytes });
    return sends(() => driver.subvolume.lookup(driver.frame, root, lookupKeys().setGfid('gfid-req', driver.graph.platform.random.uuid())), between(87, 90));
  });

  it('for making and writing a file', () => sends(async () => {
    await absent('f1');
    const loc = inDir('f1');
    const fd = new Fd(loc.inode, { flags: OpenFlag.WRONLY });
    const reply = await driver.subvolume.create(driver.frame, loc, OpenFlag.WRONLY | OpenFlag.CREAT, 0o644, 0o022, fd, driver.gfidReq());
    driver.graph.inodeTable.link(reply.inode, dir(), 'f1' as Bytes, reply.stat);
    fd.bind();
    await driver.subvolume.flush(driver.frame, fd, undefined);
    await driver.subvolume.writev(driver.frame, fd, new IoVec([Buffer.from('x')]), 0, 0, undefined);
    await driver.subvolume.flush(driver.frame, fd, undefined);
    fd.unref();
  }, between(93, 103)));

  /*
   * Differences that are meant (docs/performance.md): the locks of a rename are tried at once, without waiting, so that the layout lock
   * of a directory that has both names is taken once, not twice; and they are given back in the order opposite to theirs.
   */
  it('for rename, but for the second lock of the same layout', () => {
    const once = (calls: Call[]): Call[] => {
      const layout = calls.filter(({ words }) => words.includes('dht.layout.heal'));
      // Twice taken, twice given back.
      const [, second, , fourth] = layout;
      const left = layout.length === 4 ? calls.filter((call) => call !== second && call !== fourth) : calls;
      const renamed = left.findIndex(({ fop }) => fop === 'RENAME');
      return [...together(left.slice(0, renamed + 1)), ...left.slice(renamed + 1).sort((a, b) => (asText([a]).join() < asText([b]).join() ? -1 : 1))];
    };
    const expected = between(105, 137);
    return sends(async () => {
      // The kernel, and mount/fuse.
      for (let i = 0; i < 3; i++) await absent('zz9');
      await driver.subvolume.rename(driver.frame, inDir('f1'), inDir('zz9'), undefined);
      const { inodeTable } = driver.graph;
      const inode = inodeTable.grep(dir(), 'f1' as Bytes);
      if (inode) inodeTable.rename(dir(), 'f1' as Bytes, dir(), 'zz9' as Bytes, inode, (await driver.subvolume.lookup(driver.frame, new Loc({ inode, parent: dir(), name: 'zz9' as Bytes }), undefined)).stat);
      volume.sent.pop();
    }, once(expected), once);
  });

  it('for stat of a directory', () => sends(() => driver.subvolume.stat(driver.frame, new Loc({ inode: dir() }), keys(...SECURITY)), between(141, 143)));

  // A difference that is meant: a linkto is root's, so that one of root's files needs no SETATTR to be given its owner.
  it('for a link that hashes to another brick, but for the owner that its linkto has already', () => sends(async () => {
    await absent('l1');
    const loc = inDir('l1');
    loc.inode = inDir('zz9').inode;
    const { stat } = await driver.subvolume.link(driver.frame, inDir('zz9'), loc, undefined);
    driver.graph.inodeTable.link(loc.inode, dir(), 'l1' as Bytes, stat);
  }, between(147, 153).filter(({ fop }) => fop !== 'SETATTR')));

  it('for a user’s xattr of a directory', () => sends(() => driver.subvolume.setxattr(driver.frame, new Loc({ inode: dir() }), new Dict().setStr('user.k', 'v'), 0, undefined), between(155, 163)));

  const list = async (asked: readonly string[]): Promise<void> => {
    const fd = new Fd(dir());
    await driver.subvolume.opendir(driver.frame, new Loc({ inode: dir() }), fd, asked.length === 0 ? undefined : keys(...asked));
    fd.bind();
    for (let offset = 0n; ; ) {
      const { entries } = await driver.subvolume.readdirp(driver.frame, fd, 131_072, offset, asked.length === 0 ? undefined : keys(...asked));
      const last = entries.at(-1);
      if (last === undefined) break;
      offset = last.d_off;
    }
    fd.unref();
  };

  it.each([[165, 181], [185, 201]] as const)('for a listing', (first, last) => sends(() => list(SECURITY), between(first, last)));

  it('for unlinking both names', () => sends(async () => {
    await driver.subvolume.unlink(driver.frame, inDir('l1'), 0, undefined);
    driver.graph.inodeTable.unlink(inDir('l1').inode, dir(), 'l1' as Bytes);
    await driver.subvolume.stat(driver.frame, new Loc({ inode: inDir('zz9').inode }), keys(...SECURITY));
    await driver.subvolume.unlink(driver.frame, inDir('zz9'), 0, undefined);
  }, between(205, 211)));

  it('for rmdir', () => sends(() => driver.subvolume.rmdir(driver.frame, new Loc({ inode: dir(), parent: driver.graph.inodeTable.root, name: 'capd' as Bytes, path: '/capd' as Bytes }), 0, undefined), between(213, 244)));
});
