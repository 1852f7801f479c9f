import { readFileSync, readdirSync } from 'node:fs';
import { type Bytes, Dict, type Iatt, IoVec, SetAttr, type Loc, utf8 } from '@glusterts/libglusterfs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestBrick, whyNot } from './brick-harness.js';
import { LIST, type Seen, inRealMount, parseList, whyNoRealMount } from './real-mount.js';

const reason = whyNot() ?? whyNoRealMount();
if (reason) console.warn(`skipped: ${reason}`);
const ops = readFileSync(new URL('./vectors/ops.sh', import.meta.url), 'utf8');

/** An iatt in find's words. */
function seenOf(stat: Iatt, target: string): Seen {
  const time = (sec: number, nsec: number): string => `${sec}.${String(nsec).padStart(9, '0')}0`;
  const kind = ['?', 'f', 'd', 'l', 'b', 'c', 'p', 's'][stat.ia_type] ?? '?';
  return {
    ino: String(stat.ia_ino), mode: `${stat.ia_prot.toString(8)} ${kind}`, nlink: stat.ia_nlink, uid: stat.ia_uid, gid: stat.ia_gid, size: stat.ia_size, blocks: stat.ia_blocks,
    atime: time(stat.ia_atime, stat.ia_atime_nsec), mtime: time(stat.ia_mtime, stat.ia_mtime_nsec), ctime: time(stat.ia_ctime, stat.ia_ctime_nsec), target,
  };
}

/** All that our brick shows, by readdirp and readlink. */
async function listOurs(brick: TestBrick): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>();
  const walk = async (volumePath: string, at: Loc): Promise<void> => {
    const frame = brick.frame();
    const { stat } = await brick.fops.stat(frame, at, undefined);
    const target = stat.ia_type === 3 ? (await brick.fops.readlink(frame, at, 4096, undefined)).path : '';
    seen.set(volumePath, seenOf(stat, target));
    if (stat.ia_type !== 2) return;
    const fd = await brick.opendir(volumePath);
    for (let offset = 0n; ; ) {
      const { entries, eof } = await brick.fops.readdirp(frame, fd, 1000, offset, new Dict());
      for (const entry of entries) {
        offset = entry.d_off;
        if (entry.name === '.' || entry.name === '..') continue;
        const text = Buffer.from(entry.name, 'latin1').toString('utf8');
        const below = `${volumePath === '/' ? '' : volumePath}/${text}`;
        const loc = await brick.find(below);
        expect(loc.inode.gfid).toBe(entry.stat.ia_gfid);
        await walk(below, loc);
      }
      if (eof) break;
    }
    fd.unref();
  };
  await walk('/', await brick.find('/'));
  return seen;
}

describe.skipIf(reason)('a brick that the real GlusterFS wrote', () => {
  let brick: TestBrick;
  let theirs: Map<string, Seen>;
  beforeAll(async () => {
    brick = new TestBrick();
    theirs = parseList(inRealMount(brick.dir, `${ops.replace('cd /mnt/gv', '')}\nexec 9>&-\n${LIST}`));
    await brick.start();
  });
  afterAll(() => brick.stop());

  it('shows the same attributes, names and targets', async () => {
    const ours = await listOurs(brick);
    expect(theirs.size).toBeGreaterThan(18);
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
    for (const [name, seen] of theirs) {
      // Reading a directory is what moves its atime.
      const { atime: _theirs, ...wanted } = seen;
      const { atime: _ours, ...found } = ours.get(name) ?? ({} as Seen);
      expect(found, name).toEqual(wanted);
    }
  });

  it('holds what was written, and its xattrs', async () => {
    const fd = await brick.open('/dir1/hard1', 0);
    const read = await brick.fops.readv(brick.frame(), fd, 100, 0, 0, undefined);
    expect(Buffer.from(read.vector.toUint8Array()).toString()).toBe('hello world');
    expect(read.eof).toBe(true);
    read.vector.unref();
    fd.unref();
    const { dict } = await brick.fops.getxattr(brick.frame(), await brick.find('/dir1/file1'), undefined, undefined);
    expect(dict.keys().sort()).toEqual(['security.bar', 'trusted.foo', 'user.color', 'user.empty']);
  });
});

describe.skipIf(reason)('a brick that we wrote', () => {
  let brick: TestBrick;
  beforeAll(async () => {
    brick = await new TestBrick().start();
    const frame = brick.frame({ flags: 0x3f, ctime: 1700000000, ctime_nsec: 5 });
    await brick.mkdir('/dir', 0o2775, frame);
    const { loc, fd } = await brick.create('/dir/file', 0o640, brick.frame({ ...frame, uid: 1001, gid: 1002 }));
    await brick.fops.writev(frame, fd, IoVec.from(Buffer.from('written by glusterts')), 0, 0, undefined);
    await brick.fops.link(frame, loc, await brick.loc('/dir/hard'), undefined);
    await brick.fops.symlink(frame, 'file' as Bytes, await brick.loc('/dir/sym'), 0, brick.request().xdata);
    await brick.fops.mknod(frame, await brick.loc('/dir/chr'), 0o020600, 0x103n, 0, brick.request().xdata);
    await brick.fops.mknod(frame, await brick.loc('/dir/fifo'), 0o010600, 0n, 0, brick.request().xdata);
    await brick.fops.setxattr(frame, loc, new Dict().setBin('user.color', Buffer.from('blue')), 0, undefined);
    await brick.mkdir('/dir/sub', 0o755, frame);
    await brick.mkdir('/dir/sub/deep', 0o755, frame);
    await brick.rename('/dir/sub', '/moved', frame);
    await brick.create('/moved/deep/ünïcode', 0o644, frame).then((made) => made.fd.unref());
    const sparse = await brick.create('/sparse', 0o644, frame);
    await brick.fops.ftruncate(frame, sparse.fd, 1000000, undefined);
    await brick.fops.writev(frame, sparse.fd, IoVec.from(new Uint8Array(4096)), 409600, 0, undefined);
    await brick.fops.fallocate(frame, sparse.fd, true, 2000000, 100000, undefined);
    const wanted = (await brick.fops.fstat(frame, sparse.fd, undefined)).stat.clone();
    wanted.ia_mtime = 981173106;
    wanted.ia_mtime_nsec = 789000000;
    await brick.fops.fsetattr(frame, sparse.fd, wanted, SetAttr.MTIME, undefined);
    sparse.fd.unref();
    fd.unref();
  });
  afterAll(() => brick.stop());

  it('shows the real GlusterFS the same attributes, names and targets, and takes its writes', async () => {
    const ours = await listOurs(brick);
    await brick.graph.fini();
    const output = inRealMount(brick.dir, `${LIST}; cat dir/hard; getfattr --only-values -n user.color dir/file; mv dir/hard moved/deep/; echo more >moved/deep/new; rm dir/sym`);
    const theirs = parseList(output);
    expect(theirs.size).toBeGreaterThan(8);
    expect([...theirs.keys()].sort()).toEqual([...ours.keys()].sort());
    for (const [name, seen] of ours) {
      const { atime: _ours, ...found } = seen;
      const { atime: _theirs, ...wanted } = theirs.get(name) ?? ({} as Seen);
      expect(found, name).toEqual(wanted);
    }
    expect(output).toContain('written by glusterts');
    expect(output).toMatch(/blue$/);
    const again = await new TestBrick({}, brick.dir).start();
    const loc = await again.find('/moved/deep/hard');
    expect((await again.fops.stat(again.frame(), loc, undefined)).stat.ia_nlink).toBe(2);
    expect(readFileSync(again.backend('/moved/deep/new'), 'utf8')).toBe('more\n');
    expect(readdirSync(again.backend('/dir')).sort()).toEqual(['chr', 'fifo', 'file']);
    await expect(again.find('/dir/sym')).rejects.toMatchObject({ code: 'ENOENT' });
    const paths = await again.fops.getxattr(again.frame(), loc, utf8('glusterfs.gfidtopath'), undefined);
    expect(paths.dict.getStr('glusterfs.gfidtopath')?.split(':').sort()).toEqual(['/dir/file', '/moved/deep/hard']);
    await again.graph.fini();
  });
});
