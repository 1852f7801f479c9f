import { type Bytes, Dict, Errno, FopError, GfEvent, Iatt, Loc, type Upcall } from '@glusterts/libglusterfs';
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

describe('md-cache: xattrs', () => {
  it('a missing security.capability is asked for once a second at most, whatever is written', async () => {
    const b = await start();
    likeWriteBehind(b);
    const fd = await b.ours.create('/f');
    const probe = (): Promise<unknown> => b.ours.subvolume.fgetxattr(b.ours.frame, fd, CAPABILITY as Bytes, undefined);
    b.gate.take();
    for (let i = 0; i < 20; i++) {
      await expectErrno(probe(), Errno.ENODATA);
      await b.ours.write(fd, bytes('x'), i);
      b.time.advance(100);
    }
    expect(b.gate.take().filter((fop) => fop === 'fgetxattr')).toHaveLength(2);
    await b.ours.close(fd);
  });

  it('lookups ask for what may be cached once somebody reads such xattrs, and answer them from then on', async () => {
    const b = await start();
    await b.ours.writeFile('/f', bytes('1'));
    b.time.advance(2000);
    b.gate.take();
    await lookupOf(b, 'f');
    expect((b.gate.args[0]?.[2] as Dict | undefined)?.has(CAPABILITY) ?? false).toBe(false);
    await expectErrno(b.ours.getxattr('/f', CAPABILITY), Errno.ENODATA);
    b.time.advance(2000);
    b.gate.take();
    await lookupOf(b, 'f');
    expect((b.gate.args[0]?.[2] as Dict).keys().sort()).toEqual([CAPABILITY, 'security.ima']);
    b.gate.take();
    await expectErrno(b.ours.getxattr('/f', CAPABILITY), Errno.ENODATA);
    await expectErrno(b.ours.getxattr('/f', 'security.ima'), Errno.ENODATA);
    await lookupOf(b, 'f', new Dict().setInt(CAPABILITY, 0));
    expect(b.gate.take()).toEqual([]);
  });

  it('own changes show at once, others\' within the timeout', async () => {
    const b = await start();
    await b.ours.writeFile('/f', bytes('1'));
    await expectErrno(b.ours.getxattr('/f', CAPABILITY), Errno.ENODATA);
    await b.ours.setxattr('/f', CAPABILITY, bytes('cap'));
    expect(Buffer.from(await b.ours.getxattr('/f', CAPABILITY)).toString()).toBe('cap');
    b.time.advance(2000);
    await b.ours.lookup('/f');
    b.gate.take();
    expect(Buffer.from(await b.ours.getxattr('/f', CAPABILITY)).toString()).toBe('cap');
    expect(b.gate.take()).toEqual([]);
    await b.other.setxattr('/f', CAPABILITY, bytes('other'));
    b.time.advance(1000);
    expect(Buffer.from(await b.ours.getxattr('/f', CAPABILITY)).toString()).toBe('other');
    await b.ours.removexattr('/f', CAPABILITY);
    await b.ours.lookup('/f');
    b.gate.take();
    await expectErrno(b.ours.getxattr('/f', CAPABILITY), Errno.ENODATA);
    b.gate.take();
    await expectErrno(b.ours.removexattr('/f', CAPABILITY), Errno.ENODATA);
    expect(b.gate.take()).toEqual([]);
  });

  it('others than the cacheable ones always go down', async () => {
    const b = await start();
    await b.ours.writeFile('/f', bytes('1'));
    await b.ours.setxattr('/f', 'user.a', bytes('1'));
    b.gate.take();
    await b.ours.getxattr('/f', 'user.a');
    await b.ours.getxattr('/f', 'user.a');
    expect(b.gate.take().filter((fop) => fop === 'getxattr')).toHaveLength(2);
  });

  it('xattr-cache-list names more, with patterns', async () => {
    const b = await start('xattr-cache-list user.a,trusted.x*');
    await b.ours.writeFile('/f', bytes('1'));
    await b.ours.setxattr('/f', 'user.a', bytes('1'));
    await b.ours.setxattr('/f', 'trusted.x1', bytes('2'));
    b.time.advance(2000);
    await b.ours.lookup('/f');
    b.gate.take();
    expect(Buffer.from(await b.ours.getxattr('/f', 'user.a')).toString()).toBe('1');
    expect(Buffer.from(await b.ours.getxattr('/f', 'trusted.x1')).toString()).toBe('2');
    await expectErrno(b.ours.getxattr('/f', 'trusted.x2'), Errno.ENODATA);
    expect(b.gate.take()).toEqual([]);
  });

  it('an ACL that was set, or that chmod changed, is read from the brick again', async () => {
    const b = await start('cache-posix-acl on');
    const ACL = 'system.posix_acl_access';
    await b.ours.writeFile('/f', bytes('1'));
    await b.ours.setxattr('/f', ACL, bytes('acl'));
    const read = (): Promise<unknown> => b.ours.subvolume.getxattr(b.ours.frame, new Loc({ inode: inodeOf(b, 'f') }), ACL as Bytes, undefined);
    b.gate.take();
    await read();
    expect(b.gate.take()).toEqual(['getxattr']);
    await read();
    expect(b.gate.take()).toEqual([]);
    await b.ours.chmod('/f', 0o600);
    b.gate.take();
    await read();
    expect(b.gate.take()).toEqual(['getxattr']);
  });

  it('times that come with the answer to setxattr keep the attributes', async () => {
    const b = await start();
    await b.ours.writeFile('/f', bytes('1'));
    const pre = await b.ours.stat('/f');
    const post = pre.clone();
    post.ia_ctime += 1;
    b.gate.alter('setxattr', () => ({ xdata: new Dict().setIatt('virt-gf-prestat', pre).setIatt('virt-gf-poststat', post) }));
    await b.ours.setxattr('/f', 'user.a', bytes('1'));
    b.gate.take();
    expect((await statOf(b, 'f')).ia_ctime).toBe(post.ia_ctime);
    expect(b.gate.take()).toEqual([]);
  });
});

describe('md-cache: upcalls', () => {
  const told = (): Promise<TwoClients> => start('cache-invalidation on', 'md-cache-timeout 600');
  const upcall = (b: TwoClients, name: string, flags: number, more: { stat?: Iatt; parent?: Iatt; dict?: Dict } = {}): void => {
    const record: Upcall = { kind: 'cache-invalidation', client: undefined, gfid: inodeOf(b, name).gfid, flags, expire_time_attr: 60, stat: more.stat ?? new Iatt(), parent_stat: more.parent ?? new Iatt(), oldparent_stat: new Iatt(), dict: more.dict };
    b.graph.find('cache')?.notify(GfEvent.UPCALL, record);
  };

  it('attributes in it are served from then on', async () => {
    const b = await told();
    await b.ours.writeFile('/f', bytes('1'));
    await b.ours.stat('/f');
    await b.other.writeFile('/f', bytes('123'));
    upcall(b, 'f', 0x18, { stat: await b.other.stat('/f') });
    b.gate.take();
    expect((await statOf(b, 'f')).ia_size).toBe(3);
    expect(b.gate.take()).toEqual([]);
  });

  it('one that is older than what we know is ignored', async () => {
    const b = await told();
    await b.ours.writeFile('/f', bytes('1'));
    const old = await b.ours.stat('/f');
    await b.ours.chmod('/f', 0o600);
    upcall(b, 'f', 0x5e, { stat: old });
    expect((await statOf(b, 'f')).ia_prot).toBe(0o600);
  });

  it.each([['a changed count of links', 0x211], ['a rename', 0x280], ['a forget', 0x100], ['an explicit word', 0x2000]])('%s drops what is known', async (_, flags) => {
    const b = await told();
    await b.ours.writeFile('/f', bytes('1'));
    await b.ours.stat('/f');
    upcall(b, 'f', flags, { parent: await b.other.stat('/') });
    b.gate.take();
    await statOf(b, 'f');
    expect(b.gate.take()).toEqual(['stat']);
  });

  it('after a rename by others the old name is not believed because the new one was found', async () => {
    const b = await told();
    await b.ours.writeFile('/f', bytes('1'));
    await b.other.rename('/f', '/g');
    upcall(b, 'f', 0x280, { stat: await b.other.stat('/g'), parent: await b.other.stat('/') });
    expect(await b.ours.exists('/g')).toBe(true);
    expect(await b.ours.exists('/f')).toBe(false);
    await b.ours.lookup('/g');
    b.gate.take();
    await b.ours.lookup('/g');
    expect(b.gate.take()).toEqual([]);
  });

  it('attributes of the parent renew the parent', async () => {
    const b = await told();
    await b.ours.writeFile('/f', bytes('1'));
    await b.ours.root();
    await b.other.mkdir('/d');
    upcall(b, 'f', 0x211, { parent: await b.other.stat('/') });
    b.gate.take();
    expect((await b.ours.stat('/')).ia_nlink).toBe((await b.other.stat('/')).ia_nlink);
    expect(b.gate.take()).toEqual([]);
  });

  it('after EXPLICIT_LOOKUP one lookup goes down', async () => {
    const b = await told();
    await b.ours.mkdir('/d');
    upcall(b, 'd', 0x1000);
    b.gate.take();
    await lookupOf(b, 'd');
    await lookupOf(b, 'd');
    expect(b.gate.take()).toEqual(['lookup']);
  });

  it('xattrs in it are merged, names of removed ones leave', async () => {
    const b = await told();
    await b.ours.writeFile('/f', bytes('1'));
    await b.ours.getxattr('/f', CAPABILITY).catch(() => undefined);
    b.time.advance(700_000);
    await b.ours.lookup('/f');
    upcall(b, 'f', 0x400, { dict: new Dict().setBin(CAPABILITY, bytes('told')) });
    b.gate.take();
    expect(Buffer.from(await b.ours.getxattr('/f', CAPABILITY)).toString()).toBe('told');
    upcall(b, 'f', 0x800, { dict: new Dict().setBin(CAPABILITY, bytes('')) });
    await expectErrno(b.ours.getxattr('/f', CAPABILITY), Errno.ENODATA);
    expect(b.gate.take()).toEqual([]);
  });

  it('none is listened to with cache-invalidation off', async () => {
    const b = await start();
    await b.ours.mkdir('/d');
    upcall(b, 'd', 0x2000);
    b.gate.take();
    await statOf(b, 'd');
    expect(b.gate.take()).toEqual([]);
  });

  it('the bricks are told which xattrs are cached when a child comes up; if they refuse, none is', async () => {
    const b = await told();
    b.gate.take();
    b.graph.find('cache')?.notify(GfEvent.CHILD_UP);
    expect(b.gate.seen).toEqual(['ipc']);
    expect(b.gate.args[0]?.[1]).toBe(2);
    expect((b.gate.args[0]?.[2] as Dict).keys().sort()).toEqual([CAPABILITY, 'security.ima']);
    b.gate.alter('ipc', () => {
      throw new FopError(Errno.EOPNOTSUPP);
    });
    b.graph.find('cache')?.notify(GfEvent.CHILD_UP);
    await new Promise((resolve) => setImmediate(resolve));
    await b.ours.writeFile('/f', bytes('1'));
    b.gate.take();
    for (let i = 0; i < 2; i++) await expectErrno(b.ours.getxattr('/f', CAPABILITY), Errno.ENODATA);
    expect(b.gate.take().filter((fop) => fop === 'getxattr')).toHaveLength(2);
  });
});
