import { IaType, OpenFlag } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import type { Bench } from './suite.js';

const MANY = 1200;

/** Listings. */
export function directoryTests(bench: Bench): void {
  const { at } = bench;

  describe('listings', () => {
    it('shows every entry once, in a directory of more than a thousand, at any reply size', async () => {
      const { driver } = bench;
      const many = bench.options.manyEntries ?? MANY;
      const names = Array.from({ length: many }, (_, i) => `entry-${i}`);
      for (let i = 0; i < many; i += 50) {
        await Promise.all(names.slice(i, i + 50).map((name, j) => ((i + j) % 10 === 0 ? driver.mkdir(at(name)) : driver.mknod(at(name), 0o100644))));
      }
      names.sort();
      for (const size of [4096, 65536, 1 << 20]) expect(await driver.names(at(''), size)).toEqual(names);
      await driver.removeAll(at(''));
      expect(await driver.names(at(''))).toEqual([]);
    }, 60_000);

    it('goes on after entries that were removed meanwhile', async () => {
      const { driver } = bench;
      const names = Array.from({ length: 100 }, (_, i) => `e${i}`);
      for (const name of names) await driver.mknod(at(name), 0o100644);
      const fd = await driver.open(at(''), OpenFlag.RDONLY);
      const seen: string[] = [];
      for (let offset = 0n; ; ) {
        const { entries, eof } = await driver.subvolume.readdirp(driver.frame, fd, 2500, offset, undefined);
        for (const entry of entries) {
          if (entry.name === '.' || entry.name === '..') continue;
          seen.push(entry.name);
          await driver.unlink(at(entry.name));
        }
        const last = entries.at(-1);
        if (eof || !last) break;
        offset = last.d_off;
      }
      await driver.close(fd);
      expect(seen.sort()).toEqual([...names].sort());
      expect(await driver.names(at(''))).toEqual([]);
    });

    it('tells kinds, sizes and gfids', async () => {
      const { driver } = bench;
      await driver.writeFile(at('f'), new Uint8Array(1234));
      await driver.mkdir(at('d'));
      await driver.symlink('x', at('l'));
      const list = new Map((await driver.list(at(''))).map((entry) => [entry.name as string, entry]));
      expect([...list.keys()].sort()).toEqual(['d', 'f', 'l']);
      expect(list.get('f')).toMatchObject({ d_type: 8 });
      expect(list.get('d')).toMatchObject({ d_type: 4 });
      expect(list.get('l')).toMatchObject({ d_type: 10 });
      const stat = list.get('f')?.stat;
      if (stat && stat.ia_type !== IaType.INVAL) expect(stat).toMatchObject({ ia_size: 1234, ia_gfid: (await driver.lookup(at('f'))).ia_gfid });
    });

    it('lists with readdir as with readdirp', async () => {
      const { driver } = bench;
      for (let i = 0; i < 30; i++) await driver.mknod(at(`e${i}`), 0o100644);
      const fd = await driver.open(at(''), OpenFlag.RDONLY);
      const names: string[] = [];
      for (let offset = 0n; ; ) {
        const { entries, eof } = await driver.subvolume.readdir(driver.frame, fd, 4096, offset, undefined);
        for (const entry of entries) names.push(entry.name);
        const last = entries.at(-1);
        if (eof || !last) break;
        offset = last.d_off;
      }
      await driver.close(fd);
      expect(names.filter((name) => name !== '.' && name !== '..').sort()).toEqual(await driver.names(at('')));
    });
  });
}
