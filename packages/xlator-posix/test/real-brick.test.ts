import { type Bytes, Dict, Fd, type Flock, Iatt, IoVec, Loc, localStorage, utf8 } from '@glusterts/libglusterfs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newGfid, run as command, whyNot } from './brick-harness.js';
import { type Side, SideBySide, whyNoRealBrick } from './side-by-side.js';

/*
 * One session of some 280 fops on the real brick and on ours, with the same gfids and times: answers, and then disks, must be the
 * same. Left out: GETLK without a conflict (protocol/client echoes the owner), `unlinked-lookup` (the real one answers mtime 0).
 */

const reason = whyNot() ?? whyNoRealBrick();
if (reason) console.warn(`skipped: ${reason}`);

/** The session. Each line is a fop or a few of one kind. */
async function session(pair: SideBySide): Promise<void> {
  const mk = {
    mkdir: (p: string, mode = 0o755, f = {}, x?: (d: Dict) => void) => pair.both(`mkdir ${p}`, async (s) => { const l = s.loc(p, true); const r = await s.fops.mkdir(pair.frame(f), l, mode, 0, pair.request(p, x)); s.made(p, l, r.stat); return r; }),
    create: (p: string, mode = 0o644, flags = 0o302, f = {}, x?: (d: Dict) => void) => pair.both(`create ${p}`, async (s) => { const l = s.loc(p, true); const fd = new Fd(l.inode, { flags: 2 }); const r = await s.fops.create(pair.frame(f), l, flags, mode, 0, fd, pair.request(p, x)); s.made(p, l, r.stat, fd); return r; }),
    mknod: (p: string, mode: number, dev = 0n, x?: (d: Dict) => void) => pair.both(`mknod ${p}`, async (s) => { const l = s.loc(p, true); const r = await s.fops.mknod(pair.frame(), l, mode, dev, 0, pair.request(p, x)); s.made(p, l, r.stat); return r; }),
    symlink: (p: string, t: string) => pair.both(`symlink ${p}`, async (s) => { const l = s.loc(p, true); const r = await s.fops.symlink(pair.frame(), utf8(t), l, 0, pair.request(p)); s.made(p, l, r.stat); return r; }),
    lookup: (p: string, x?: Dict, f = {}) => pair.both(`lookup ${p}`, (s) => s.fops.lookup(pair.frame(f), s.loc(p), x)),
    fresh: (p: string, x?: Dict) => pair.both(`lookup fresh ${p}`, (s) => s.fops.lookup(pair.frame(), s.loc(p, true), x)),
  };
  await mk.lookup('/');
  await mk.mkdir('/d', 0o777);
  await mk.mkdir('/d/e', 0o2775, { uid: 5, gid: 6 });
  await mk.mkdir('/d');
  await mk.create('/d/f');
  await mk.create('/d/g', 0o6777, 0o302, { uid: 1001, gid: 1002 });
  await mk.create('/d/f');
  await mk.create('/d/e/in', 0o640, 0o302, { uid: 5, gid: 6 }, (d) => d.setBin('user.zz', Buffer.from('1')).setStr('trusted.foo', 'bar').setInt('glusterfs-internal-fop', 1));
  await mk.mknod('/d/fifo', 0o010644);
  await mk.mknod('/d/chr', 0o020600, 0x103n);
  await mk.mknod('/d/reg', 0o104755);
  await mk.mknod('/d/sock', 0o140777);
  await mk.symlink('/d/s', 'target');
  await mk.symlink('/d/long', 'x'.repeat(3000));
  await mk.create('/d/noreq', 0o644, 0o302, {}, (d) => d.delete('gfid-req'));
  await mk.mkdir('/d/noreqd', 0o755, {}, (d) => d.delete('gfid-req'));
  for (const p of ['/d', '/d/f', '/d/g', '/d/fifo', '/d/s', '/d/nope', '/d/e/in']) { await mk.lookup(p);
  await mk.fresh(p);
  await mk.lookup(p, new Dict().setInt('trusted.gfid', 0).setInt('list-xattr', 1).setInt('get-size', 0).setInt('glusterfs.content', 100).setInt('glusterfs.open-fd-count', 0).setInt('glusterfs.inodelk-count', 0).setInt('glusterfs.entrylk-count', 0).setInt('glusterfs.parent-entrylk', 0).setInt('user.*', 0).setInt('gf_request_link_count', 1).setInt('trusted.ec.*', 0).setInt('glusterfs.posix.acl', 0)); }
  const wr = (p: string, text: string, off: number, x?: Dict, f = {}, flag = 0) => pair.both(`writev ${p}`, (s) => s.fops.writev(pair.frame(f), s.fd(p), IoVec.from(Buffer.from(text)), off, flag, x));
  const rd = (p: string, size: number, off: number) => pair.both(`readv ${p} ${size}@${off}`, (s) => s.fops.readv(pair.frame(), s.fd(p), size, off, 0, undefined));
  await wr('/d/f', 'hello world', 0);
  await wr('/d/f', '!', 5, new Dict().setInt('glusterfs.open-fd-count', 0).setInt('glusterfs.write-is-append', 1).setInt('glusterfs.open-active-fd-count', 0).setInt('glusterfs.inodelk-count', 0));
  await wr('/d/f', 'append', 11, new Dict().setInt('glusterfs.write-is-append', 1));
  await wr('/d/f', 'zero', 100, new Dict());
  await wr('/d/f', 'sync', 104, undefined, {}, 0o4010000);
  for (const [s, o] of [[5, 0], [1000, 0], [10, 100], [10, 108], [10, 5000], [0, 0]] as const) await rd('/d/f', s, o);
  const fop = (label: string, run: (s: Side) => Promise<unknown>): Promise<void> => pair.both(label, run);
  await fop('fstat', (s) => s.fops.fstat(pair.frame(), s.fd('/d/f'), new Dict().setInt('glusterfs.inodelk-count', 0).setInt('trusted.gfid', 0)));
  await fop('stat', (s) => s.fops.stat(pair.frame(), s.loc('/d/f'), new Dict().setInt('user.*', 0)));
  await fop('readlink', (s) => s.fops.readlink(pair.frame(), s.loc('/d/s'), 4096, undefined));
  await fop('readlink long', (s) => s.fops.readlink(pair.frame(), s.loc('/d/long'), 100, undefined));
  await fop('readlink file', (s) => s.fops.readlink(pair.frame(), s.loc('/d/f'), 100, undefined));
  await fop('readlink dir', (s) => s.fops.readlink(pair.frame(), s.loc('/d'), 100, undefined));
  await fop('truncate', (s) => s.fops.truncate(pair.frame(), s.loc('/d/f'), 50, undefined));
  await fop('truncate dir', (s) => s.fops.truncate(pair.frame(), s.loc('/d'), 50, undefined));
  await fop('truncate fifo', (s) => s.fops.truncate(pair.frame(), s.loc('/d/fifo'), 50, undefined));
  await fop('truncate chr', (s) => s.fops.truncate(pair.frame(), s.loc('/d/chr'), 50, undefined));
  await fop('ftruncate', (s) => s.fops.ftruncate(pair.frame(), s.fd('/d/f'), 9000, undefined));
  await fop('ftruncate neg', (s) => s.fops.ftruncate(pair.frame(), s.fd('/d/f'), -5, undefined));
  for (const [a, b] of [[0, true], [20000, false], [100000, true]] as const) await fop(`fallocate ${a}`, (s) => s.fops.fallocate(pair.frame(), s.fd('/d/f'), b, a, 5000, undefined));
  await fop('discard', (s) => s.fops.discard(pair.frame(), s.fd('/d/f'), 0, 4096, undefined));
  await fop('zerofill', (s) => s.fops.zerofill(pair.frame(), s.fd('/d/f'), 4096, 70000, undefined));
  await fop('seek data', (s) => s.fops.seek(pair.frame(), s.fd('/d/f'), 0, 0, undefined));
  await fop('seek hole', (s) => s.fops.seek(pair.frame(), s.fd('/d/f'), 0, 1, undefined));
  await fop('seek enxio', (s) => s.fops.seek(pair.frame(), s.fd('/d/f'), 1e9, 0, undefined));
  await fop('seek bad', (s) => s.fops.seek(pair.frame(), s.fd('/d/f'), 0, 7 as never, undefined));
  await fop('rchecksum', (s) => s.fops.rchecksum(pair.frame(), s.fd('/d/f'), 0, 4096, new Dict().setInt('check-zero-filled', 1)));
  await fop('rchecksum eof', (s) => s.fops.rchecksum(pair.frame(), s.fd('/d/f'), 1e7, 4096, undefined));
  await fop('fsync', (s) => s.fops.fsync(pair.frame(), s.fd('/d/f'), true, undefined));
  await fop('fsync batch', (s) => s.fops.fsync(pair.frame(), s.fd('/d/f'), false, new Dict().setInt('batch-fsync', 1)));
  await fop('flush', (s) => s.fops.flush(pair.frame(), s.fd('/d/f'), undefined));
  const ia = (o: Partial<Iatt>) => Object.assign(new Iatt(), o);
  const sa = (p: string, o: Partial<Iatt>, v: number, f = {}, x?: Dict) => fop(`setattr ${p} ${v}`, (s) => s.fops.setattr(pair.frame(f), s.loc(p), ia(o), v, x));
  await sa('/d/f', { ia_type: 1, ia_prot: 0o4711 }, 1);
  await sa('/d/f', { ia_uid: 3, ia_gid: 4 }, 6);
  await sa('/d/f', { ia_mtime: 500, ia_mtime_nsec: 5, ia_atime: 600, ia_atime_nsec: 6 }, 0x30);
  await sa('/d/f', { ia_mtime: 700 }, 0x20);
  await sa('/d/f', {}, 0x130 | 0x80);
  await sa('/d/f', {}, 0);
  await sa('/d/f', { ia_ctime: 1900000000, ia_ctime_nsec: 3 }, 0x40);
  await sa('/d/s', { ia_prot: 0o600 }, 1);
  await sa('/d/s', { ia_uid: 8, ia_gid: 8 }, 6);
  await sa('/d', { ia_prot: 0o1777, ia_type: 2 }, 1, {}, new Dict().setInt('trusted.gfid', 0));
  await sa('/d/g', { ia_mtime: 700 }, 0x20, { flags: 0 });
  await fop('fsetattr', (s) => s.fops.fsetattr(pair.frame(), s.fd('/d/f'), ia({ ia_prot: 0o644 }), 1, undefined));
  const sx = (p: string, d: Dict, fl = 0, x?: Dict, f = {}) => fop(`setxattr ${p} ${d.keys()}`, (s) => s.fops.setxattr(pair.frame(f), s.loc(p), d, fl, x));
  const B1 = (k: string, v = 'v') => new Dict().setBin(k, Buffer.from(v));
  await sx('/d/f', B1('user.a'));
  await sx('/d/f', B1('user.a', 'w'), 1);
  await sx('/d/f', B1('user.q'), 2);
  await sx('/d/f', B1('nons.ense'));
  await sx('/d/f', B1('trusted.gfid2path.00'));
  await sx('/d/f', B1('glusterfs.pathinfo'));
  await sx('/d/f', B1('trusted.gfid'));
  await sx('/d/f', B1('trusted.glusterfs.volume-id'));
  await sx('/d/f', B1('security.b'));
  await sx('/d/f', B1('trusted.ec.version', '12345678abcdefgh'));
  await sx('/d/s', B1('trusted.x'));
  await sx('/d/s', B1('user.x'));
  await sx('/d', new Dict().setStr('trusted.str', 'text').setInt('trusted.int', 42));
  await sx('/d/f', B1('glusterfs.posix.acl', 'u::rw-,u:7:r--,g::r--,m::r--,o::---'));
  await sx('/d/f', B1('user.big', 'x'.repeat(70000)));
  await sx('/d/f', B1('user.' + 'n'.repeat(300)));
  await sx('/d/f', new Dict().setMdata('set-ctime-mdata', { atime: 2000000000, atime_nsec: 1, mtime: 5, mtime_nsec: 0, ctime: 2000000001, ctime_nsec: 0 }));
  await fop('fsetxattr', (s) => s.fops.fsetxattr(pair.frame(), s.fd('/d/f'), B1('user.fd', '1'), 0, undefined));
  const gx = (p: string, nme: string | undefined, f = {}, x?: Dict) => fop(`getxattr ${p} ${nme}`, (s) => s.fops.getxattr(pair.frame(f), s.loc(p), nme as Bytes | undefined, x));
  for (const k of [undefined, 'user.a', 'user.none', 'trusted.gfid', 'trusted.glusterfs.mdata', 'trusted.glusterfs.volume-id', 'glusterfs.gfidtopath', 'glusterfs.gfid2path', 'glusterfs.ancestry.path', 'glusterfs.open-fd-count', 'glusterfs.posix.acl', 'glusterfs.posix.default_acl', 'trusted.glusterfs.node-uuid', 'glusterfs.get_real_filename:F', 'trusted.glusterfs.get-signature', 'trusted.glusterfs.x.xtime', 'glusterfs.gfid.string', 'nonsense', 'system.posix_acl_access', 'trusted.str', 'glusterfs.clrlk.tinode.kall', 'glusterfs.clrlk.tfoo.kall', 'trusted.glusterfs.lockinfo', 'trusted.io-stats-dump']) { await gx('/d/f', k);
  await gx('/d', k); if (['glusterfs.gfidtopath', undefined].includes(k)) await gx('/d/s', k);
  await fop(`fgetxattr ${k}`, async (s) => { const r = await s.fops.fgetxattr(pair.frame(), s.fd('/d/f'), k as Bytes | undefined, undefined); return { ...r, dict: k === undefined ? r.dict.keys().sort().length : r.dict }; }); }
  await gx('/d/f', 'trusted.glusterfs.mdata', { pid: -6 });
  const rx = (p: string, k: string, x?: Dict) => fop(`removexattr ${p} ${k}`, (s) => s.fops.removexattr(pair.frame(), s.loc(p), k as Bytes, x));
  await rx('/d/f', 'user.a');
  await rx('/d/f', 'user.a');
  await rx('/d/f', 'trusted.gfid');
  await rx('/d/f', 'trusted.gfid2path.aa');
  await rx('/d/f', '', new Dict().setStr('user.fd', '').setStr('user.none', ''));
  await rx('/d/f', 'nons');
  const xo = (p: string, op: number, d: Dict, x?: Dict) => fop(`xattrop ${p} ${op} ${d.keys()}`, (s) => s.fops.xattrop(pair.frame(), s.loc(p), op as never, d.clone(), x));
  const H = (k: string, h: string) => new Dict().setBin(k, Buffer.from(h, 'hex'));
  await xo('/d/f', 0, H('trusted.ec.a', '00000001ffffffff00000000'));
  await xo('/d/f', 0, H('trusted.ec.a', '000000010000000200000003'));
  await xo('/d/f', 0, H('trusted.ec.a', '00000001'));
  await xo('/d/f', 0, H('trusted.ec.a', '000000000000000000000000'));
  await xo('/d/f', 1, H('trusted.ec.b', '00000000000000010000000000000005'), new Dict().setInt('dht-get-mode-in-xattr', 1).setInt('trusted.gfid', 0));
  await xo('/d/f', 1, H('trusted.ec.zero', '0000000000000000'));
  await xo('/d/f', 2, H('trusted.ec.o', '0000000000000001'));
  await xo('/d/f', 2, H('trusted.ec.o', '0000000000000000'));
  await xo('/d/f', 4, H('trusted.ec.g', 'abcd'));
  await xo('/d/f', 4, H('trusted.ec.g', '1234'));
  await xo('/d/f', 5, H('trusted.ec.w', '0000000100000005'));
  await xo('/d/f', 5, H('trusted.ec.w', '0000000100000005'));
  await xo('/d/f', 6, H('trusted.ec.w6', '00000000000000010000000000000009'));
  await xo('/d/f', 9, H('trusted.ec.u', '01'));
  await xo('/d/f', 0, H('trusted.ec.t', '0000000107'));
  await xo('/d/f', 1, H('trusted.ec.one', '0000000000000001').setBin('trusted.ec.two', Buffer.from('0000000000000002', 'hex')));
  await fop('link', async (s) => { const l = s.loc('/d/hard', true); const r = await s.fops.link(pair.frame(), s.loc('/d/f'), l, undefined);  return r; });
  await fop('link again', async (s) => s.fops.link(pair.frame(), s.loc('/d/f'), s.loc('/d/hard', true), undefined));
  await fop('link dir', async (s) => s.fops.link(pair.frame(), s.loc('/d/e'), s.loc('/d/hd', true), undefined));
  const dirEntries = (x?: Dict, size = 100000) => async (s: Side) => { const l = s.loc('/d'); const fd = new Fd(l.inode); await s.fops.opendir(pair.frame(), l, fd, undefined); const r = await s.fops.readdirp(pair.frame(), fd, size, 0n, x); const o = r.entries.map((e) => ({ n: e.name, t: e.d_type, s: e.name === '..' ? 0 : e.stat, i: e.name === '..' ? '' : String(e.d_ino), d: x && e.dict })).sort((a, b) => (a.n < b.n ? -1 : 1)); fd.unref(); return { o, eof: r.eof, x: r.xdata }; };
  await fop('readdirp', dirEntries());
  await fop('readdirp xdata', dirEntries(new Dict().setInt('trusted.gfid', 0).setInt('glusterfs.inodelk-count', 0)));
  await fop('readdir count', async (s) => { const l = s.loc('/d'); const fd = new Fd(l.inode); await s.fops.opendir(pair.frame(), l, fd, undefined); const a = await s.fops.readdir(pair.frame(), fd, 1024, 0n, undefined); const b = await s.fops.readdir(pair.frame(), fd, 100, 0n, undefined); const c = await s.fops.readdir(pair.frame(), fd, 100000, 0n, new Dict().setInt('readdir-filter-directories', 1)); const e = await s.fops.readdir(pair.frame(), fd, 1000, c.entries.at(-1)?.d_off ?? 0n, undefined); fd.unref(); return [b.entries.length, c.entries.length, c.eof, a.eof, e.eof]; });
  const un = (p: string, x?: Dict) => fop(`unlink ${p}`, (s) => s.fops.unlink(pair.frame(), s.loc(p), 0, x));
  await un('/d/hard', new Dict().setInt('get-link-count', 1).setInt('gf_request_link_count', 1).setInt('gf_get_file_block_count', 1));
  await fop('link once more', async (s) => s.fops.link(pair.frame(), s.loc('/d/reg'), s.loc('/d/reg2', true), undefined));
  await un('/d/reg2', new Dict().setInt('dht-get-iatt-in-xattr', 1));
  await un('/d/nope');
  await un('/d/e');
  await un('/d/f', new Dict().setInt('dont-unlink-for-open-fd', 1));
  await un('/d/f', new Dict().setInt('unlink-only-if-dht-linkto-file', 1));
  await un('/d/reg', new Dict().setInt('dht-get-iatt-in-xattr', 1));
  await un('/d/fifo');
  const rn = (a: string, b: string, x?: Dict) => fop(`rename ${a} ${b}`, async (s) => { const ol = s.loc(a), nl = s.loc(b); const r = await s.fops.rename(pair.frame(), ol, nl, x); s.renamed(a, b); return r; });
  await mk.mkdir('/d/m1');
  await mk.mkdir('/d/m2');
  await mk.create('/d/m2/x');
  await rn('/d/m1', '/d/m2');
  await mk.fresh('/d/m1');
  await rn('/d/m2', '/d/m1');
  await rn('/d/g', '/d/m1');
  await rn('/d/m1', '/d/g');
  await mk.create('/d/v1');
  await mk.create('/d/v2');
  await rn('/d/v1', '/d/v2', new Dict().setInt('get-link-count', 1).setInt('gf_request_link_count', 1));
  await rn('/d/gone', '/d/v3');
  await rn('/d/m1', '/d/m1/sub');
  await rn('/d/g', '/d/e/g');
  const rmd = (p: string, fl = 0) => fop(`rmdir ${p}`, (s) => s.fops.rmdir(pair.frame(), s.loc(p), fl, undefined));
  await rmd('/d/m1');
  await rmd('/d/e');
  await rmd('/d/nope');
  await rmd('/d/chr');
  await mk.mkdir('/d/emp');
  await rmd('/d/emp');
  await rmd('/d/m1', 1);
  await fop('unlink open', async (s) => s.fops.unlink(pair.frame(), s.loc('/d/f'), 0, new Dict().setInt('get-link-count', 1)));
  await rd('/d/f', 5, 5);
  await fop('fstat unlinked', (s) => s.fops.fstat(pair.frame(), s.fd('/d/f'), undefined));
  await fop('open unlinked', async (s) => { const i = s.inode('/d/f'); return s.fops.open(pair.frame(), new Loc({ inode: i }), 2, new Fd(i, { flags: 2 }), undefined); });
  await fop('stat unlinked', async (s) => s.fops.stat(pair.frame(), new Loc({ inode: s.inode('/d/f') }), undefined));
  await fop('lookup gfid', async (s) => s.fops.lookup(pair.frame(), new Loc({ inode: s.graph.inodeTable.create(), gfid: pair.gfid('/d/v1') }), undefined));
  await fop('lookup bad gfid', async (s) => s.fops.lookup(pair.frame(), new Loc({ inode: s.graph.inodeTable.create(), gfid: newGfid() }), undefined));
  await fop('open symlink', async (s) => { const l = s.loc('/d/s'); return s.fops.open(pair.frame(), l, 0, new Fd(l.inode), undefined); });
  await fop('open chr', async (s) => { const l = s.loc('/d/chr'); return s.fops.open(pair.frame(), l, 0, new Fd(l.inode), undefined); });
  await fop('open dir', async (s) => { const l = s.loc('/d'); return s.fops.open(pair.frame(), l, 0, new Fd(l.inode), undefined); });
  await fop('opendir file', async (s) => { const l = s.loc('/d/v2'); return s.fops.opendir(pair.frame(), l, new Fd(l.inode), undefined); });
  // locks
  const fl = (type: number, start: number, len: number): Flock => ({ type: type as never, whence: 0, start: BigInt(start), len: BigInt(len), pid: 1000, owner: '\0\0\0\0\0\0\0\x01' as Bytes });
  const ow = (k: number) => ({ lk_owner: ('\0'.repeat(7) + String.fromCharCode(k)) as Bytes });
  const lk = (k: number, cmd: number, t: number, a: number, b: number) => fop(`lk ${k} ${cmd} ${t} ${a} ${b}`, (s) => s.fops.lk(pair.frame(ow(k)), s.fd('/d/v2'), cmd as never, fl(t, a, b), undefined));
  await lk(1, 1, 1, 0, 100);
  await lk(2, 0, 1, 10, 10);
  await lk(2, 1, 0, 10, 10);
  await lk(1, 1, 0, 40, 20);
  await lk(2, 0, 1, 45, 0);
  await lk(2, 1, 0, 45, 5);
  await lk(1, 1, 2, 0, 0);
  await lk(2, 1, 2, 0, 0);
  await lk(1, 1, 1, -5, 2);
  await lk(0, 1, 1, 0, 1);
  const il = (k: number, cmd: number, t: number, a: number, b: number, dom = 'dom') => fop(`inodelk ${k} ${cmd} ${t} ${a} ${b}`, (s) => s.fops.inodelk(pair.frame(ow(k)), dom as Bytes, s.loc('/d/v2'), cmd as never, fl(t, a, b), undefined));
  await il(1, 1, 1, 0, 0);
  await il(1, 1, 1, 0, 0);
  await il(2, 1, 1, 0, 0);
  await il(2, 1, 1, 0, 0, 'dom2');
  await il(1, 1, 2, 0, 5);
  await gx('/d/v2', 'glusterfs.clrlk.tinode.kblocked');
  await mk.lookup('/d/v2', new Dict().setInt('glusterfs.inodelk-count', 0).setStr('glusterfs.inodelk-dom-count', 'dom'));
  await il(1, 1, 2, 0, 0);
  await il(1, 1, 2, 0, 0);
  await il(1, 1, 2, 0, 0);
  await il(2, 1, 0, 0, 0);
  await il(3, 1, 0, 0, 0);
  await il(2, 1, 2, 0, 0);
  await il(1, 0, 1, 0, 0);
  await il(0, 1, 1, 0, 0);
  await il(1, 1, 1, -1, 0);
  const el = (k: number, name: string | undefined, cmd: number, t: number) => fop(`entrylk ${k} ${name} ${cmd}`, (s) => s.fops.entrylk(pair.frame(ow(k)), 'dom' as Bytes, s.loc('/d'), name as Bytes | undefined, cmd as never, t as never, undefined));
  await el(1, 'a', 2, 0);
  await el(2, 'a', 2, 0);
  await el(2, 'b', 2, 1);
  await el(3, undefined, 2, 1);
  await mk.lookup('/d/a', new Dict().setInt('glusterfs.parent-entrylk', 0));
  await mk.lookup('/d/v2', new Dict().setInt('glusterfs.parent-entrylk', 0).setInt('glusterfs.entrylk-count', 0));
  await el(1, 'a', 1, 1);
  await el(1, 'a', 1, 0);
  await el(2, 'b', 1, 1);
  await el(2, undefined, 1, 1);
  await fop('statfs', async (s) => { const r = await s.fops.statfs(pair.frame(), s.loc('/'), undefined); return [r.statfs.f_bsize, r.statfs.f_blocks, r.statfs.f_files, r.statfs.f_namemax, r.statfs.f_flag]; });
  await fop('copy_file_range', async (s) => s.fops.copy_file_range(pair.frame(), s.fd('/d/f'), 0, s.fd('/d/v2'), 0, 100, 0, undefined));
  await fop('ipc', (s) => s.fops.ipc(pair.frame(), 1, undefined));
  await fop('getactivelk', (s) => s.fops.getactivelk(pair.frame(), s.loc('/d/v2'), undefined));
}

describe.skipIf(reason ?? (localStorage().available ? undefined : 'no addon'))('the real brick and ours, side by side', () => {
  let pair: SideBySide;
  beforeAll(async () => {
    pair = await new SideBySide().start();
  });
  afterAll(() => pair.stop());

  it('give the same answers', async () => {
    await session(pair);
    expect(pair.fops).toBeGreaterThan(250);
    expect(pair.differences).toEqual([]);
  });

  it('leave the same disks', () => {
    // But for open files that were renamed over: ours keeps them in unlink/, the real brick by their open fds alone.
    const list = (dir: string): string => {
      const script = `cd ${dir}; find . -path './.glusterfs/[0-9a-f][0-9a-f]' -prune -false -o -path './.glusterfs/unlink/*' -prune -o -printf '%P %m %n %l\\n' | grep -v -e '^ ' -e '^.glusterfs 7' | sort; find . -mindepth 1 -not -path './.glusterfs/unlink/*' | sort | xargs getfattr -h -d -m . -e hex 2>/dev/null`;
      return command('bash', '-c', script);
    };
    const [real, ours] = pair.dirs.map(list);
    expect(real?.length).toBeGreaterThan(5000);
    expect(ours).toBe(real);
  });
});
