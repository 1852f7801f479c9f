import { type Bytes, Dict, EntrylkCmd, EntrylkType, Errno, Fd, InodelkCmd, LkCmd, LkType } from '@glusterts/libglusterfs';
import { beforeEach, describe, expect, it } from 'vitest';
import { FdNumbers, lockinfoKey, lockinfoOf, moveLocks } from '../src/lock-info.js';
import { PosixLocks } from '../src/posix-locks.js';
import { LockBrick, flock, owner, settled, testClient } from './lock-harness.js';

const { RDLCK: RD, WRLCK: WR, UNLCK: UN } = LkType;
const dom1 = 'dom1' as Bytes;
let brick: LockBrick;
let [c1, c2] = [testClient('c1'), testClient('c2')];
beforeEach(async () => {
  brick = await LockBrick.start();
  [c1, c2] = [testClient('c1'), testClient('c2')];
});

describe('posix locks', () => {
  const lk = (client: typeof c1, who: number, cmd: LkCmd, type: LkType, start = 0, len = 0, init = {}) => brick.fops.lk(brick.frame(client, who, init), brick.fd, cmd, flock(type, start, len), undefined);
  const held = (): string[] => (brick.locks.table.find(brick.file.inode.gfid)?.posix.granted ?? []).map((lock) => `${lock.type === WR ? 'WR' : 'RD'} ${lock.start}-${lock.end}`).sort();

  it('conflict with another owner’s, and GETLK tells which', async () => {
    await lk(c1, 1, LkCmd.SETLK, WR, 0, 100);
    await expect(lk(c2, 2, LkCmd.SETLK, WR, 50, 10)).rejects.toMatchObject({ errno: Errno.EAGAIN });
    await expect(lk(c2, 1, LkCmd.SETLK, WR, 50, 10)).rejects.toMatchObject({ errno: Errno.EAGAIN });
    expect((await lk(c2, 2, LkCmd.GETLK, WR)).flock).toMatchObject({ type: WR, start: 0n, len: 100n, pid: 1000, owner: owner(1) });
    expect((await lk(c2, 2, LkCmd.GETLK, WR, 100, 10)).flock.type).toBe(UN);
  });

  it('of one owner split and merge where they overlap, not where they touch', async () => {
    await lk(c1, 1, LkCmd.SETLK, WR, 0, 100);
    await lk(c1, 1, LkCmd.SETLK, RD, 40, 20);
    expect(held()).toEqual(['RD 40-59', 'WR 0-39', 'WR 60-99']);
    await lk(c1, 1, LkCmd.SETLK, UN);
    await lk(c1, 1, LkCmd.SETLK, RD, 0, 10);
    await lk(c1, 1, LkCmd.SETLK, RD, 10, 10);
    expect(held()).toEqual(['RD 0-9', 'RD 10-19']);
    await lk(c1, 1, LkCmd.SETLK, RD, 5, 10);
    expect(held()).toEqual(['RD 0-19']);
    expect((await lk(c1, 1, LkCmd.SETLK, UN, 0, 10)).flock.type).toBe(RD);
    expect((await lk(c1, 1, LkCmd.SETLK, UN)).flock.type).toBe(UN);
  });

  it('refuse ranges before 0', async () => {
    await expect(lk(c1, 1, LkCmd.SETLK, WR, -1, 10)).rejects.toMatchObject({ errno: Errno.EINVAL });
    await expect(lk(c1, 1, LkCmd.SETLK, WR, 5, -6)).rejects.toMatchObject({ errno: Errno.EINVAL });
    await lk(c1, 1, LkCmd.SETLK, WR, 5, -5);
    expect(held()).toEqual(['WR 0-4']);
  });

  it('wait for the holder, and are granted when it unlocks', async () => {
    await lk(c1, 1, LkCmd.SETLK, WR);
    const waiting = lk(c2, 2, LkCmd.SETLKW, WR);
    expect(await settled(waiting)).toBe(false);
    await lk(c1, 1, LkCmd.SETLK, UN);
    expect((await waiting).flock.type).toBe(WR);
  });

  it('let two owners upgrade one after the other without deadlock', async () => {
    await lk(c1, 1, LkCmd.SETLK, RD);
    await lk(c2, 2, LkCmd.SETLK, RD);
    const first = lk(c1, 1, LkCmd.SETLKW, WR);
    expect(await settled(first)).toBe(false);
    // The first gave its own lock up when it began to wait, so nothing is in the second's way.
    await lk(c2, 2, LkCmd.SETLKW, WR);
    expect(await settled(first)).toBe(false);
    await lk(c2, 2, LkCmd.SETLK, UN);
    await first;
  });

  it('stop waiting when the caller gives up', async () => {
    await lk(c1, 1, LkCmd.SETLK, WR);
    const abort = new AbortController();
    const waiting = lk(c2, 2, LkCmd.SETLKW, WR, 0, 0, { signal: abort.signal });
    const outcome = expect(waiting).rejects.toMatchObject({ errno: Errno.EINTR });
    abort.abort();
    await outcome;
    await lk(c1, 1, LkCmd.SETLK, UN);
    expect(brick.locks.table.size).toBe(0);
  });

  it('stop waiting with EINTR when glusterfs.intrlk asks for it', async () => {
    await lk(c1, 1, LkCmd.SETLK, WR);
    const waiting = lk(c2, 2, LkCmd.SETLKW, WR);
    const outcome = expect(waiting).rejects.toMatchObject({ errno: Errno.EINTR });
    await brick.fops.fgetxattr(brick.frame(c2, 2), brick.fd, 'glusterfs.intrlk.tposix.kblocked' as Bytes, undefined);
    await outcome;
  });

  it('go with a flush of their owner, with their fd, and with their client', async () => {
    await lk(c1, 1, LkCmd.SETLK, WR, 0, 10);
    await brick.fops.flush(brick.frame(c1, 1), brick.fd, undefined);
    expect(brick.locks.table.size).toBe(0);
    await lk(c1, 1, LkCmd.SETLK, WR, 0, 10);
    await brick.fops.flush(brick.frame(c1, 0, { lk_owner: '' as Bytes }), brick.fd, undefined);
    expect(brick.locks.table.size).toBe(0);
    await lk(c1, 1, LkCmd.SETLK, WR, 0, 10);
    brick.locks.client_disconnect(c1);
    expect(brick.locks.table.size).toBe(0);
  });

  it('need an owner', async () => {
    await expect(lk(c1, 0, LkCmd.SETLK, WR)).rejects.toMatchObject({ errno: Errno.EINVAL });
  });

  it('can be read and installed elsewhere', async () => {
    await lk(c1, 1, LkCmd.SETLK, WR, 0, 10);
    const { locks } = await brick.fops.getactivelk(brick.frame(c1, 1), brick.file, undefined);
    expect(locks).toMatchObject([{ client_uid: 'c1', flock: { type: WR, start: 0n, len: 10n } }]);
    await expect(brick.fops.setactivelk(brick.frame(c1, 1), brick.file, locks, undefined)).rejects.toThrow();
    await brick.fops.setactivelk(brick.frame(c1, 1), brick.directory, locks, undefined);
    expect(brick.locks.table.find(brick.directory.inode.gfid)?.posix.count).toBe(1);
  });
});

describe('inodelks', () => {
  const inodelk = (client: typeof c1, who: number, cmd: InodelkCmd, type: LkType, range: [number | bigint, number] = [0, 0], domain = dom1, init = {}) =>
    brick.fops.inodelk(brick.frame(client, who, init), domain, brick.file, cmd, flock(type, range[0], range[1]), undefined);
  const { SETLK, SETLKW } = InodelkCmd;

  it('of one owner stack, and need as many unlocks with the exact range', async () => {
    await inodelk(c1, 1, SETLK, WR);
    await inodelk(c1, 1, SETLK, WR);
    await expect(inodelk(c1, 1, SETLK, UN, [0, 10])).rejects.toMatchObject({ errno: Errno.EINVAL });
    await inodelk(c1, 1, SETLK, UN);
    await expect(inodelk(c2, 2, SETLK, WR)).rejects.toMatchObject({ errno: Errno.EAGAIN });
    await inodelk(c1, 1, SETLK, UN);
    await inodelk(c2, 2, SETLK, WR);
    await expect(inodelk(c1, 1, SETLK, UN)).rejects.toMatchObject({ errno: Errno.EINVAL });
  });

  it('of different domains don’t meet; 2^63−2 is the metadata domain', async () => {
    await inodelk(c1, 1, SETLK, WR);
    await inodelk(c2, 2, SETLK, WR, [0, 0], 'dom2' as Bytes);
    await inodelk(c2, 2, SETLK, WR, [2n ** 63n - 2n, 0]);
    expect([...(brick.locks.table.find(brick.file.inode.gfid)?.inodelks.keys() ?? [])]).toEqual(['dom1', 'dom2', 'dom1:metadata']);
  });

  it('tell the holder, at most once in the delay, that another waits', async () => {
    await inodelk(c1, 1, SETLK, WR, [0, 0]);
    const waiting = inodelk(c2, 2, SETLKW, WR);
    await expect(inodelk(c2, 3, SETLK, WR)).rejects.toMatchObject({ errno: Errno.EAGAIN });
    expect(brick.upcalls).toMatchObject([{ kind: 'inodelk-contention', client: c1, gfid: brick.file.inode.gfid, domain: 'dom1', pid: 1000, flock: flock(WR) }]);
    await inodelk(c1, 1, SETLK, UN);
    await waiting;
  });

  it('queue behind waiters, unless their owner holds something already', async () => {
    await inodelk(c1, 1, SETLK, RD, [0, 10]);
    const writer = inodelk(c2, 2, SETLKW, WR, [0, 10]);
    await expect(inodelk(c2, 3, SETLK, RD, [0, 10])).rejects.toMatchObject({ errno: Errno.EAGAIN });
    await inodelk(c1, 1, SETLK, RD, [0, 10]);
    await inodelk(c1, 1, SETLK, UN, [0, 10]);
    expect(await settled(writer)).toBe(false);
    await inodelk(c1, 1, SETLK, UN, [0, 10]);
    await writer;
  });

  it('are refused an unknown type of query and negative ranges', async () => {
    await expect(inodelk(c1, 1, InodelkCmd.GET, WR)).rejects.toMatchObject({ errno: Errno.ENOTSUP });
    await expect(inodelk(c1, 1, SETLK, WR, [-1, 0])).rejects.toMatchObject({ errno: Errno.EINVAL });
    await expect(inodelk(c1, 0, SETLK, WR)).rejects.toMatchObject({ errno: Errno.EINVAL });
    expect(brick.locks.table.size).toBe(0);
  });

  it('of a client that goes are released, and its waiting ones dropped', async () => {
    await inodelk(c1, 1, SETLK, WR);
    const other = inodelk(c2, 2, SETLKW, WR);
    const own = expect(inodelk(c1, 9, SETLKW, WR)).rejects.toMatchObject({ errno: Errno.EAGAIN });
    brick.locks.client_disconnect(c1);
    await other;
    await own;
  });

  it('hold back another client’s unlink until they are released, but not one’s own', async () => {
    await inodelk(c1, 1, SETLK, WR);
    const removal = brick.fops.unlink(brick.frame(c2, 2), brick.file, 0, undefined);
    expect(await settled(removal)).toBe(false);
    expect(brick.upcalls).toHaveLength(1);
    // A stranger's lock waits meanwhile; the holder's own goes on.
    await inodelk(c1, 1, SETLK, WR);
    const stranger = inodelk(testClient('c3'), 3, SETLKW, WR);
    await inodelk(c1, 1, SETLK, UN);
    await inodelk(c1, 1, SETLK, UN);
    await removal;
    await stranger;
  });

  it('let a removal go that its caller gives up', async () => {
    await inodelk(c1, 1, SETLK, WR);
    const abort = new AbortController();
    const removal = expect(brick.fops.unlink(brick.frame(c2, 2, { signal: abort.signal }), brick.file, 0, undefined)).rejects.toMatchObject({ errno: Errno.EINTR });
    abort.abort();
    await removal;
    await inodelk(c1, 1, SETLK, UN);
    expect(brick.locks.table.size).toBe(0);
  });

  it('of self-heal don’t hold a removal back', async () => {
    await inodelk(c1, 1, SETLK, WR, [0, 0], dom1, { pid: -6 });
    await brick.fops.unlink(brick.frame(c2, 2), brick.file, 0, undefined);
  });
});

describe('entrylks', () => {
  const entrylk = (client: typeof c1, who: number, cmd: EntrylkCmd, name: string | undefined, type: EntrylkType = EntrylkType.WRLCK) =>
    brick.fops.entrylk(brick.frame(client, who), dom1, brick.directory, name as Bytes | undefined, cmd, type, undefined);
  const { LOCK, UNLOCK, LOCK_NB } = EntrylkCmd;

  it('exclude each other on one name and on the whole directory, readers too', async () => {
    await entrylk(c1, 1, LOCK_NB, 'a', EntrylkType.RDLCK);
    await entrylk(c2, 2, LOCK_NB, 'b');
    await expect(entrylk(c2, 2, LOCK_NB, 'a', EntrylkType.RDLCK)).rejects.toMatchObject({ errno: Errno.EAGAIN });
    const whole = entrylk(testClient('c3'), 3, LOCK, undefined);
    expect(await settled(whole)).toBe(false);
    await entrylk(c1, 1, UNLOCK, 'a', EntrylkType.RDLCK);
    await entrylk(c2, 2, UNLOCK, 'b');
    await whole;
    expect(brick.upcalls.map((upcall) => upcall.kind)).toContain('entrylk-contention');
  });

  it('are unlocked by name, owner and type', async () => {
    await entrylk(c1, 1, LOCK_NB, 'a');
    await expect(entrylk(c1, 1, UNLOCK, 'a', EntrylkType.RDLCK)).rejects.toMatchObject({ errno: Errno.EINVAL });
    await expect(entrylk(c2, 1, UNLOCK, 'a')).rejects.toMatchObject({ errno: Errno.EINVAL });
    await entrylk(c1, 1, UNLOCK, 'a');
    expect(brick.locks.table.size).toBe(0);
  });
});

describe('lock counts', () => {
  it('are those of the file for lookup and fd fops, of the parent for the others', async () => {
    const frame = brick.frame(c1, 1);
    await brick.fops.inodelk(frame, dom1, brick.file, InodelkCmd.SETLK, flock(WR), undefined);
    await brick.fops.inodelk(frame, 'dom2' as Bytes, brick.file, InodelkCmd.SETLK, flock(WR), undefined);
    await brick.fops.entrylk(frame, dom1, brick.directory, 'f' as Bytes, EntrylkCmd.LOCK_NB, EntrylkType.WRLCK, undefined);
    const ask = new Dict().setInt('glusterfs.inodelk-count', 0).setInt('glusterfs.parent-entrylk', 0).setInt('glusterfs.entrylk-count', 0);
    const lookup = await brick.fops.lookup(frame, brick.file, ask);
    expect(lookup.xdata?.getNumber('glusterfs.inodelk-count')).toBe(2);
    expect(lookup.xdata?.getNumber('glusterfs.parent-entrylk')).toBe(1);
    const stat = await brick.fops.stat(frame, brick.file, ask);
    expect(stat.xdata?.getNumber('glusterfs.inodelk-count')).toBe(0);
    expect(stat.xdata?.getNumber('glusterfs.entrylk-count')).toBe(1);
    const inDomain = await brick.fops.fstat(frame, brick.fd, new Dict().setStr('glusterfs.inodelk-dom-count', 'dom1'));
    expect(inDomain.xdata?.getNumber('glusterfs.inodelk-count')).toBe(1);
    const several = await brick.fops.fstat(frame, brick.fd, new Dict().setInt('glusterfs.multi-dom-lk-cnt-req', 1).setInt('glusterfs.inodelk-dom-prefix:dom2', 0));
    expect(several.xdata?.getNumber('glusterfs.inodelk-dom-prefix:dom2')).toBe(1);
    expect(ask.size).toBe(3);
  });
});

describe('commands and dumps', () => {
  it('clear-locks clears by kind and range, and says how many', async () => {
    await brick.fops.inodelk(brick.frame(c1, 1), dom1, brick.file, InodelkCmd.SETLK, flock(WR, 0, 10), undefined);
    const waiting = expect(brick.fops.inodelk(brick.frame(c2, 2), dom1, brick.file, InodelkCmd.SETLKW, flock(WR, 0, 10), undefined)).rejects.toMatchObject({ errno: Errno.EAGAIN });
    const clear = async (name: string): Promise<string | undefined> => (await brick.fops.getxattr(brick.frame(c1, 1), brick.file, name as Bytes, undefined)).dict.getStr(name);
    expect(await clear('glusterfs.clrlk.tinode.kall.0,5-5')).toBe('No locks cleared.');
    expect(await clear('glusterfs.clrlk.tinode.kall.0,0-10')).toMatch(/: inode blocked locks=1 granted locks=1$/);
    await waiting;
    await expect(clear('glusterfs.clrlk.tother.kall')).rejects.toMatchObject({ errno: Errno.EINVAL });
  });

  it('a statedump shows every lock', async () => {
    await brick.fops.inodelk(brick.frame(c1, 1), dom1, brick.file, InodelkCmd.SETLK, flock(WR), undefined);
    await brick.fops.lk(brick.frame(c1, 1), brick.fd, LkCmd.SETLK, flock(RD, 5, 5), undefined);
    const lines: string[] = [];
    brick.locks.dumpInode(brick.fd.inode, { section: (title) => void lines.push(`[${title}]`), write: (key, value) => void lines.push(`${key}=${value}`) });
    expect(lines.slice(1, 3)).toEqual(['path=/wd/f', 'mandatory=0']);
    expect(lines.at(-1)).toBe('removes_pending=0');
    expect(lines).toContain('lock-dump.domain.domain=dom1');
    expect(lines.find((line) => line.startsWith('inodelk.inodelk[0](ACTIVE)=type=WRITE, whence=0, start=0, len=0, pid = 1000, owner=0000000000000001'))).toBeDefined();
    expect(lines.find((line) => line.startsWith('posixlk.posixlk[0](ACTIVE)=type=READ, whence=0, start=5, len=5'))).toBeDefined();
  });
});

describe('lock numbers, which our disperse clients ask for', () => {
  const GENERATION = 'glusterts.inodelk-generation';
  const ask = (): Dict => new Dict().setUint(GENERATION, 0);
  const lock = (client: typeof c1, who: number, type: LkType, xdata?: Dict) => brick.fops.inodelk(brick.frame(client, who), dom1, brick.file, InodelkCmd.SETLK, flock(type), xdata);
  const number = async (): Promise<number | undefined> => (await brick.fops.lookup(brick.frame(c1, 1), brick.file, ask())).xdata?.getNumber(GENERATION);

  it('stay the same as long as nobody is granted an inodelk, are 0 while one is held, and another one afterwards', async () => {
    const before = await number();
    expect(before).toBeGreaterThan(0);
    expect(await number()).toBe(before);
    await lock(c1, 1, WR);
    expect(await number()).toBe(0);
    await lock(c1, 1, UN);
    const after = await number();
    expect(after).toBeGreaterThan(before ?? 0);
    expect(await number()).toBe(after);
  });

  it('come with a read, and with a grant as that of the one before it', async () => {
    const before = await number();
    const read = await brick.fops.readv(brick.frame(c1, 1), brick.fd, 10, 0, 0, ask());
    read.vector.unref();
    expect(read.xdata?.getNumber(GENERATION)).toBe(before);
    expect((await lock(c2, 2, WR, ask())).xdata?.getNumber(GENERATION)).toBe(before);
    await lock(c2, 2, UN);
    const granted = await number();
    expect((await lock(c1, 1, WR, ask())).xdata?.getNumber(GENERATION)).toBe(granted);
  });

  it('are not answered to who does not ask', async () => {
    expect((await brick.fops.lookup(brick.frame(c1, 1), brick.file, undefined)).xdata?.has(GENERATION) ?? false).toBe(false);
    expect((await lock(c1, 1, WR)).xdata).toBeUndefined();
  });

  it('never come again, even when more inodes have been locked than are remembered', () => {
    const { table } = brick.locks;
    const { gfid } = brick.file.inode;
    table.inodelkGranted(gfid);
    const seen = table.generationOf(gfid);
    for (let i = 0; i < 70_000; i++) table.inodelkGranted(`${i}`.padStart(16, 'x') as typeof gfid);
    const later = table.generationOf(gfid);
    expect(later).toBeGreaterThan(seen);
    table.inodelkGranted(gfid);
    expect(table.generationOf(gfid)).toBeGreaterThan(later);
  });
});

describe('lockinfo', () => {
  it('moves locks to another fd and its client', () => {
    const numbers = new FdNumbers();
    const locks = new PosixLocks();
    const other = new Fd(brick.file.inode);
    const key = lockinfoKey('<POSIX(/d/b1):host:/d/b1/wd/f>' as Bytes);
    expect(key).toBe('<POSIX(/d/b1):host');
    void locks.set(brick.frame(c1, 1), { client: c1, owner: owner(1), pid: 1, start: 0n, end: 9n, type: WR, mode: 0, fd: brick.fd, clientUid: 'c1', grantedAt: 0 }, false);
    expect(lockinfoOf(locks, other, numbers, key).size).toBe(0);
    const value = lockinfoOf(locks, brick.fd, numbers, key).getBin('trusted.glusterfs.lockinfo');
    expect(value && moveLocks(locks, value, key, other, { client: c2, owner: owner(1), pid: 1 }, numbers)).toBe(true);
    expect(locks.granted).toMatchObject([{ fd: other, client: c2, clientUid: 'c2' }]);
    other.unref();
  });
});

describe('mandatory locking', () => {
  it('forced: writes of others wait or get EAGAIN', async () => {
    const forced = await LockBrick.start({ 'mandatory-locking': 'forced' });
    const { IoVec } = await import('@glusterts/libglusterfs');
    await forced.fops.lk(forced.frame(c1, 1), forced.fd, LkCmd.SETLK, flock(RD, 0, 10), undefined);
    const write = (who: number): Promise<unknown> => forced.fops.writev(forced.frame(c2, who), forced.fd, IoVec.from(Buffer.from('x')), 5, 0, undefined);
    const waiting = write(2);
    expect(await settled(waiting)).toBe(false);
    await expect(forced.fops.truncate(forced.frame(c2, 2), forced.file, 0, undefined)).rejects.toMatchObject({ errno: Errno.EAGAIN });
    forced.fd.flags |= 0o4000;
    await expect(write(3)).rejects.toMatchObject({ errno: Errno.EAGAIN });
    await forced.fops.lk(forced.frame(c1, 1), forced.fd, LkCmd.SETLK, flock(UN), undefined);
    await waiting;
  });
});
