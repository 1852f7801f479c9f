import { Errno, IaType, OpenFlag, gfidToIno } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { expectErrno } from './expect-errno.js';
import type { Bench } from './suite.js';

const text = (words: string): Uint8Array => Buffer.from(words);

/** Making, finding and removing names. */
export function entryTests(bench: Bench): void {
  const { at } = bench;

  describe('entries', () => {
    it('gives the root gfid 1 and inode number 1', async () => {
      const root = await bench.driver.lookup('/');
      expect(root.ia_ino).toBe(1n);
      expect(root.ia_type).toBe(IaType.DIR);
    });

    it('finds what it made, with its mode, owner and inode number', async () => {
      const { driver } = bench;
      driver.frame = driver.frame.derive({ uid: 1001, gid: 1002 });
      const fd = await driver.create(at('f'), OpenFlag.RDWR | OpenFlag.CREAT, 0o640);
      await driver.close(fd);
      const stat = await driver.lookup(at('f'));
      expect(stat).toMatchObject({ ia_type: IaType.REG, ia_prot: 0o640, ia_uid: 1001, ia_gid: 1002, ia_nlink: 1, ia_size: 0 });
      expect(stat.ia_ino).toBe(gfidToIno(stat.ia_gfid));
      const dir = await driver.mkdir(at('d'), 0o750);
      expect(dir).toMatchObject({ ia_type: IaType.DIR, ia_prot: 0o750, ia_uid: 1001, ia_gid: 1002, ia_nlink: 2 });
      expect((await driver.lookup(at('d'))).ia_gfid).toBe(dir.ia_gfid);
    });

    it('answers ENOENT for a name that is not there, and after it is gone', async () => {
      const { driver } = bench;
      await expectErrno(driver.lookup(at('none')), Errno.ENOENT);
      await driver.writeFile(at('f'), text('x'));
      await driver.unlink(at('f'));
      await expectErrno(driver.lookup(at('f')), Errno.ENOENT);
      await expectErrno(driver.unlink(at('f')), Errno.ENOENT);
      await driver.mkdir(at('d'));
      await driver.rmdir(at('d'));
      await expectErrno(driver.lookup(at('d')), Errno.ENOENT);
      await expectErrno(driver.rmdir(at('d')), Errno.ENOENT);
    });

    it('answers EEXIST when the name is taken', async () => {
      const { driver } = bench;
      await driver.mkdir(at('d'));
      await driver.writeFile(at('f'), text('x'));
      for (const name of ['d', 'f']) {
        await expectErrno(driver.mkdir(at(name)), Errno.EEXIST);
        await expectErrno(driver.create(at(name)), Errno.EEXIST);
        await expectErrno(driver.symlink('x', at(name)), Errno.EEXIST);
        await expectErrno(driver.mknod(at(name), 0o100644), Errno.EEXIST);
      }
      expect(Buffer.from(await driver.readFile(at('f'))).toString()).toBe('x');
    });

    it('answers ENOTDIR where a file stands in the way', async () => {
      const { driver } = bench;
      await driver.writeFile(at('f'), text('x'));
      await expectErrno(driver.lookup(at('f/x')), Errno.ENOTDIR);
      await expectErrno(driver.rmdir(at('f')), Errno.ENOTDIR);
    });

    it('answers EISDIR for unlink of a directory, and for writing to one', async () => {
      const { driver } = bench;
      await driver.mkdir(at('d'));
      await expectErrno(driver.unlink(at('d')), Errno.EISDIR, Errno.EPERM);
      const { loc } = await driver.resolve(at('d'));
      await expectErrno(driver.subvolume.truncate(driver.frame, loc, 0, undefined), Errno.EISDIR, Errno.EINVAL);
    });

    it('answers ENOTEMPTY for a directory with something in it, and removes it when that is gone', async () => {
      const { driver } = bench;
      await driver.mkdir(at('d'));
      for (const name of ['a', 'b', 'c']) await driver.writeFile(at(`d/${name}`), text(name));
      await driver.mkdir(at('d/sub'));
      await expectErrno(driver.rmdir(at('d')), Errno.ENOTEMPTY);
      await driver.removeAll(at('d'));
      await driver.rmdir(at('d'));
      expect(await driver.exists(at('d'))).toBe(false);
    });

    it('takes names of 255 bytes, and refuses longer ones with ENAMETOOLONG', async () => {
      const { driver } = bench;
      const long = 'n'.repeat(255);
      await driver.writeFile(at(long), text('long'));
      expect(Buffer.from(await driver.readFile(at(long))).toString()).toBe('long');
      await expectErrno(driver.lookup(at(`${long}n`)), Errno.ENAMETOOLONG);
      await expectErrno(driver.create(at(`${long}n`)), Errno.ENAMETOOLONG);
      await expectErrno(driver.mkdir(at(`${long}n`)), Errno.ENAMETOOLONG);
    });

    it('keeps names that are no UTF-8, byte for byte', async () => {
      const { driver } = bench;
      const names = ['\xff\xfe', 'caf\xe9', '\x01\x7f', ' ', '.hidden', '..a', 'a\nb', 'x@y', '%s'];
      for (const name of names) await driver.writeFile(at(name), Buffer.from(name, 'latin1'));
      expect(await driver.names(at(''))).toEqual([...names].sort());
      for (const name of names) expect(Buffer.from(await driver.readFile(at(name))).toString('latin1')).toBe(name);
      for (const name of names) await driver.unlink(at(name));
      expect(await driver.names(at(''))).toEqual([]);
    });

    it('counts the links of directories', async () => {
      const { driver } = bench;
      await driver.mkdir(at('d'));
      await driver.mkdir(at('d/a'));
      await driver.mkdir(at('d/b'));
      expect((await driver.lookup(at('d'))).ia_nlink).toBe(4);
      await driver.rmdir(at('d/a'));
      expect((await driver.lookup(at('d'))).ia_nlink).toBe(3);
    });

    it('keeps symbolic links, whatever they point to', async () => {
      const { driver } = bench;
      const target = '../no/such\xfftarget';
      await driver.symlink(target, at('l'));
      expect((await driver.lookup(at('l'))).ia_type).toBe(IaType.LNK);
      expect((await driver.lookup(at('l'))).ia_size).toBe(target.length);
      expect(await driver.readlink(at('l'))).toBe(target);
      await driver.writeFile(at('f'), text('x'));
      await expectErrno(driver.readlink(at('f')), Errno.EINVAL);
      await driver.unlink(at('l'));
      expect(await driver.exists(at('l'))).toBe(false);
    });

    it.skipIf(!bench.has('device-nodes'))('makes pipes and devices', async () => {
      const { driver } = bench;
      expect((await driver.mknod(at('p'), 0o010600)).ia_type).toBe(IaType.FIFO);
      await driver.mknod(at('c'), 0o020600, 0x0103n);
      expect(await driver.lookup(at('c'))).toMatchObject({ ia_type: IaType.CHR, ia_rdev: (1n << 32n) | 3n });
      await driver.unlink(at('p'));
      await driver.unlink(at('c'));
    });

    it('gives the same file to two names, and keeps it until the last is gone', async (context) => {
      if (!bench.has('hard-links')) context.skip();
      const { driver } = bench;
      await driver.writeFile(at('a'), text('shared'));
      for (let i = 0; i < 8; i++) {
        const stat = await driver.link(at('a'), at(`link${i}`));
        expect(stat.ia_nlink).toBe(i + 2);
      }
      const gfid = (await driver.lookup(at('a'))).ia_gfid;
      for (let i = 0; i < 8; i++) expect((await driver.lookup(at(`link${i}`))).ia_gfid).toBe(gfid);
      await driver.unlink(at('a'));
      expect(await driver.exists(at('a'))).toBe(false);
      const fd = await driver.open(at('link3'));
      await driver.write(fd, text('SHARED'), 0);
      await driver.close(fd);
      for (let i = 0; i < 8; i++) {
        expect(Buffer.from(await driver.readFile(at(`link${i}`))).toString()).toBe('SHARED');
        expect((await driver.lookup(at(`link${i}`))).ia_nlink).toBe(8 - i);
        await driver.unlink(at(`link${i}`));
      }
      expect(await driver.names(at(''))).toEqual([]);
      await driver.mkdir(at('d'));
      await expectErrno(driver.link(at('d'), at('e')), Errno.EPERM);
      await driver.writeFile(at('f'), text('x'));
      await driver.writeFile(at('g'), text('y'));
      await expectErrno(driver.link(at('f'), at('g')), Errno.EEXIST);
    });

    it('keeps an open file that has no name any more', async () => {
      const { driver } = bench;
      const fd = await driver.create(at('f'));
      await driver.write(fd, text('still here'), 0);
      await driver.unlink(at('f'));
      expect(await driver.exists(at('f'))).toBe(false);
      await driver.write(fd, text('STILL'), 0);
      expect(Buffer.from(await driver.read(fd, 100, 0)).toString()).toBe('STILL here');
      expect((await driver.fstat(fd)).ia_nlink).toBe(0);
      await driver.writeFile(at('f'), text('another'));
      expect(Buffer.from(await driver.read(fd, 100, 0)).toString()).toBe('STILL here');
      await driver.close(fd);
      expect(Buffer.from(await driver.readFile(at('f'))).toString()).toBe('another');
    });

    it('refuses to open a symbolic link', async () => {
      const { driver } = bench;
      await driver.symlink('x', at('l'));
      await expectErrno(driver.open(at('l')), Errno.ELOOP);
    });
  });
}
