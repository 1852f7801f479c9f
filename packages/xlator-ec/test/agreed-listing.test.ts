import { type Bytes, Dict, type Direntp, Errno, Fd, GfEvent, type Graph, IaType, Loc, OpenFlag, type Xlator, createPlatform } from '@glusterts/libglusterfs';
import { GraphDriver, expectErrno, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { volfile } from './memory-volume.js';

const AGREED = 'glusterts.agreed' as Bytes;

describe('a listing on which bricks have to agree', () => {
  let graph: Graph;
  let driver: GraphDriver;
  beforeEach(async () => {
    // All bricks stamp the same time, as features/utime has them do.
    const platform = createPlatform();
    graph = await testGraph(volfile(6, 2), [...memory, ...xlators], { platform: { ...platform, clock: { ...platform.clock, realtime: () => ({ sec: 1_700_000_000, nsec: 0 }) } } });
    driver = new GraphDriver(graph.topSubvolume, graph);
    await driver.mkdir('/d');
    for (let i = 0; i < 20; i++) await driver.writeFile(`/d/f${i}`, new Uint8Array(1000 + i));
  });
  afterEach(() => graph.fini());

  const set = (brick: number, up: boolean): void => {
    const find = (name: string): Xlator | undefined => graph.find(name);
    find('v-disperse-0')?.notify(up ? GfEvent.CHILD_UP : GfEvent.CHILD_DOWN, undefined, find(`brick-${brick}`));
  };

  async function listing(): Promise<Direntp[]> {
    const stat = await driver.lookup('/d');
    const inode = graph.inodeTable.find(stat.ia_gfid);
    if (!inode) throw new Error('no inode');
    const fd = new Fd(inode);
    try {
      await driver.subvolume.opendir(driver.frame, new Loc({ inode, gfid: inode.gfid, path: '/d' as Bytes }), fd, undefined);
      const entries: Direntp[] = [];
      for (let offset = 0n, eof = false; !eof; ) {
        const reply = await driver.subvolume.readdirp(driver.frame, fd, 1500, offset, new Dict().setUint(AGREED, 1));
        entries.push(...reply.entries);
        eof = reply.eof || reply.entries.length === 0;
        offset = reply.entries.at(-1)?.d_off ?? offset;
      }
      return entries.filter(({ name }) => name !== '.' && name !== '..');
    } finally {
      fd.unref();
    }
  }

  it('vouches for what r + 1 bricks show alike, with the users’ sizes', async () => {
    const entries = await listing();
    expect(entries.map(({ name }) => name).toSorted()).toEqual(Array.from({ length: 20 }, (_, i) => `f${i}`).toSorted());
    for (const { name, stat, dict } of entries) {
      expect(dict?.has(AGREED)).toBe(true);
      expect(dict?.keys().some((key) => key.startsWith('trusted.ec.'))).toBe(false);
      expect(stat.ia_size).toBe(1000 + Number(name.slice(1)));
    }
  });

  it('tells nothing of a file that a brick has missed a change of, whichever brick that is', async () => {
    for (let brick = 0; brick < 6; brick++) {
      set(brick, false);
      const fd = await driver.open(`/d/f${brick}`, OpenFlag.RDWR);
      await driver.write(fd, new Uint8Array(5000), 0);
      await driver.close(fd);
      set(brick, true);
    }
    for (let round = 0; round < 6; round++) {
      for (const { name, stat, dict } of await listing()) {
        const i = Number(name.slice(1));
        // Where none of the bricks that were asked is behind, they may be sure, and are right.
        if (dict?.has(AGREED) === true) expect(stat.ia_size).toBe(i < 6 ? 5000 : 1000 + i);
        else expect([i < 6, stat.ia_type]).toEqual([true, IaType.INVAL]);
      }
    }
  });

  it('is refused when too few bricks are good', async () => {
    for (const brick of [0, 1]) set(brick, false);
    expect((await listing()).every(({ dict }) => dict?.has(AGREED) === true)).toBe(true);
    set(2, false);
    await expectErrno(listing(), Errno.ENOTCONN).catch(async () => expectErrno(listing(), Errno.EIO));
  });
});
