import { Errno } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { expectErrno } from './expect-errno.js';
import type { Bench } from './suite.js';

const text = (words: string): Uint8Array => Buffer.from(words);

/** rename, in all its cases. */
export function renameTests(bench: Bench): void {
  const { at } = bench;
  const content = async (name: string): Promise<string> => Buffer.from(await bench.driver.readFile(at(name))).toString();

  describe('rename', () => {
    it('moves a file from name to name, twenty times', async () => {
      const { driver } = bench;
      await driver.writeFile(at('n0'), text('traveller'));
      const { ia_gfid } = await driver.lookup(at('n0'));
      for (let i = 0; i < 20; i++) {
        await driver.rename(at(`n${i}`), at(`n${i + 1}`));
        expect(await driver.names(at(''))).toEqual([`n${i + 1}`]);
        expect((await driver.lookup(at(`n${i + 1}`))).ia_gfid).toBe(ia_gfid);
        expect(await content(`n${i + 1}`)).toBe('traveller');
      }
      await expectErrno(driver.lookup(at('n0')), Errno.ENOENT);
    });

    it('replaces an existing file, whose open fds go on', async () => {
      const { driver } = bench;
      for (let i = 0; i < 12; i++) {
        await driver.writeFile(at(`new${i}`), text(`new ${i}`));
        await driver.writeFile(at(`old${i}`), text(`old ${i}`));
        const fd = await driver.open(at(`old${i}`));
        await driver.rename(at(`new${i}`), at(`old${i}`));
        expect(await content(`old${i}`)).toBe(`new ${i}`);
        expect(await driver.exists(at(`new${i}`))).toBe(false);
        expect(Buffer.from(await driver.read(fd, 100, 0)).toString()).toBe(`old ${i}`);
        await driver.close(fd);
      }
      expect(await driver.names(at(''))).toHaveLength(12);
    });

    it('moves a file between directories', async () => {
      const { driver } = bench;
      await driver.mkdir(at('a'));
      await driver.mkdir(at('b'));
      for (let i = 0; i < 10; i++) {
        await driver.writeFile(at(`a/f${i}`), text(`f${i}`));
        await driver.rename(at(`a/f${i}`), at(`b/g${i}`));
      }
      expect(await driver.names(at('a'))).toEqual([]);
      expect(await driver.names(at('b'))).toHaveLength(10);
      for (let i = 0; i < 10; i++) expect(await content(`b/g${i}`)).toBe(`f${i}`);
      await driver.rmdir(at('a'));
    });

    it('moves a directory with what is in it', async () => {
      const { driver } = bench;
      await driver.mkdir(at('a'));
      await driver.mkdir(at('b'));
      await driver.mkdir(at('a/sub'));
      await driver.writeFile(at('a/sub/f'), text('deep'));
      await driver.rename(at('a/sub'), at('b/moved'));
      expect(await driver.names(at('a'))).toEqual([]);
      expect(await content('b/moved/f')).toBe('deep');
      expect((await driver.lookup(at('b'))).ia_nlink).toBe(3);
      expect((await driver.lookup(at('a'))).ia_nlink).toBe(2);
      await driver.writeFile(at('b/moved/g'), text('new'));
      expect(await driver.names(at('b/moved'))).toEqual(['f', 'g']);
    });

    it('replaces an empty directory, and no other one', async () => {
      const { driver } = bench;
      await driver.mkdir(at('a'));
      await driver.writeFile(at('a/f'), text('x'));
      await driver.mkdir(at('empty'));
      await driver.rename(at('a'), at('empty'));
      expect(await driver.names(at('empty'))).toEqual(['f']);
      expect(await driver.names(at(''))).toEqual(['empty']);
      await driver.mkdir(at('c'));
      await expectErrno(driver.rename(at('c'), at('empty')), Errno.ENOTEMPTY, Errno.EEXIST);
      expect(await driver.names(at(''))).toEqual(['c', 'empty']);
    });

    it('refuses a file over a directory, and a directory over a file', async () => {
      const { driver } = bench;
      await driver.mkdir(at('d'));
      await driver.writeFile(at('f'), text('x'));
      await expectErrno(driver.rename(at('f'), at('d')), Errno.EISDIR, Errno.EEXIST);
      await expectErrno(driver.rename(at('d'), at('f')), Errno.ENOTDIR);
      expect(await driver.names(at(''))).toEqual(['d', 'f']);
    });

    it('refuses to move a directory below itself', async () => {
      const { driver } = bench;
      await driver.mkdir(at('d'));
      await driver.mkdir(at('d/sub'));
      await expectErrno(driver.rename(at('d'), at('d/sub/d')), Errno.EINVAL);
      expect(await driver.names(at('d'))).toEqual(['sub']);
    });

    it('answers ENOENT when the source is gone', async () => {
      await expectErrno(bench.driver.rename(at('none'), at('other')), Errno.ENOENT);
    });

    it.skipIf(!bench.has('hard-links'))('leaves both names when they are the same file', async () => {
      const { driver } = bench;
      await driver.writeFile(at('a'), text('x'));
      await driver.link(at('a'), at('b'));
      await driver.rename(at('a'), at('b'));
      expect(await content('b')).toBe('x');
      // The kernel answers this one itself; what a graph answers when asked may keep either or both.
      expect(await driver.names(at(''))).toContain('b');
    });

    it('renames symbolic links themselves', async () => {
      const { driver } = bench;
      await driver.symlink('nowhere', at('l'));
      await driver.rename(at('l'), at('m'));
      expect(await driver.readlink(at('m'))).toBe('nowhere');
      expect(await driver.names(at(''))).toEqual(['m']);
    });
  });
}
