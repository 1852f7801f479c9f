import { Errno, Iatt, SetAttr } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { expectErrno } from './expect-errno.js';
import type { Bench } from './suite.js';

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;
const text = (words: string): Uint8Array => Buffer.from(words);

/** setattr, statfs and xattrs. */
export function attributeTests(bench: Bench): void {
  const { at } = bench;

  describe('attributes', () => {
    for (const kind of ['file', 'directory'] as const) {
      const make = (name: string): Promise<unknown> => (kind === 'file' ? bench.driver.writeFile(at(name), text('content')) : bench.driver.mkdir(at(name)));

      it(`changes mode, owner and times of a ${kind}`, async () => {
        const { driver } = bench;
        await make('x');
        expect((await driver.chmod(at('x'), 0o4711)).ia_prot).toBe(0o4711);
        expect((await driver.chown(at('x'), 7, 8)).ia_uid).toBe(7);
        await driver.chmod(at('x'), 0o600);
        const wanted = new Iatt();
        wanted.ia_atime = 1000;
        wanted.ia_atime_nsec = 5;
        wanted.ia_mtime = 2000;
        wanted.ia_mtime_nsec = 6;
        await driver.setattr(at('x'), wanted, SetAttr.ATIME | SetAttr.MTIME);
        const after = await driver.lookup(at('x'));
        expect(after).toMatchObject({ ia_prot: 0o600, ia_uid: 7, ia_gid: 8, ia_atime: 1000, ia_atime_nsec: 5, ia_mtime: 2000, ia_mtime_nsec: 6 });
        expect(await driver.stat(at('x'))).toMatchObject({ ia_prot: 0o600, ia_uid: 7, ia_gid: 8, ia_mtime: 2000 });
      });

      it.skipIf(!bench.has('xattrs'))(`keeps xattrs of a ${kind}`, async () => {
        const { driver } = bench;
        await make('x');
        await expectErrno(driver.getxattr(at('x'), 'user.none'), Errno.ENODATA);
        await driver.setxattr(at('x'), 'user.a', text('one'), XATTR_CREATE);
        await expectErrno(driver.setxattr(at('x'), 'user.a', text('two'), XATTR_CREATE), Errno.EEXIST);
        await driver.setxattr(at('x'), 'user.a', text('three'), XATTR_REPLACE);
        await expectErrno(driver.setxattr(at('x'), 'user.b', text('x'), XATTR_REPLACE), Errno.ENODATA);
        await driver.setxattr(at('x'), 'user.empty', new Uint8Array(0));
        await driver.setxattr(at('x'), 'trusted.bin', Uint8Array.of(0, 255, 0));
        await driver.setxattr(at('x'), 'user.\xff', text('odd name'));
        expect(Buffer.from(await driver.getxattr(at('x'), 'user.a')).toString()).toBe('three');
        expect([...(await driver.getxattr(at('x'), 'trusted.bin'))]).toEqual([0, 255, 0]);
        expect((await driver.getxattr(at('x'), 'user.empty')).length).toBe(0);
        const names = await driver.listxattr(at('x'));
        for (const name of ['user.a', 'user.empty', 'trusted.bin', 'user.\xff']) expect(names).toContain(name);
        await driver.removexattr(at('x'), 'user.a');
        await expectErrno(driver.getxattr(at('x'), 'user.a'), Errno.ENODATA);
        await expectErrno(driver.removexattr(at('x'), 'user.a'), Errno.ENODATA);
        expect(await driver.listxattr(at('x'))).not.toContain('user.a');
      });
    }

    it('moves the times of what changes', async () => {
      const { driver } = bench;
      const stamp = async (flags: number): Promise<void> => {
        const { sec, nsec } = bench.graph.platform.clock.realtime();
        driver.frame = driver.frame.derive({ flags, ctime: sec, ctime_nsec: nsec });
      };
      await stamp(31);
      await driver.mkdir(at('d'));
      const before = await driver.lookup(at('d'));
      await stamp(31);
      await driver.writeFile(at('d/f'), text('x'));
      const after = await driver.lookup(at('d'));
      const nanos = (stat: Iatt): bigint => BigInt(stat.ia_mtime) * 1_000_000_000n + BigInt(stat.ia_mtime_nsec);
      expect(nanos(after)).toBeGreaterThan(nanos(before));
    });

    it('tells the space there is', async () => {
      const statfs = await bench.driver.statfs();
      expect(statfs.f_blocks).toBeGreaterThan(0);
      expect(statfs.f_bfree).toBeLessThanOrEqual(statfs.f_blocks);
      expect(statfs.f_namemax).toBe(255);
    });
  });
}
