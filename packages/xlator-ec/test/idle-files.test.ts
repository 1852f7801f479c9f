import { type Bytes, type Graph, type Inode, LkCmd, LkType, OpenFlag } from '@glusterts/libglusterfs';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { afterEach, describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { InodeLock } from '../src/inode-lock.js';
import { type QuietState, QuietStates } from '../src/quiet-state.js';
import { volfile } from './memory-volume.js';
import { StandingClock } from './standing-clock.js';

let graph: Graph | undefined;
afterEach(async () => {
  await graph?.fini();
  graph = undefined;
});

interface Volume { clock: StandingClock; driver: GraphDriver; inodeOf(name: string): Inode; expired(lock: () => InodeLock | undefined): Promise<void> }

async function start(): Promise<Volume> {
  const clock = new StandingClock();
  const made = (graph = await testGraph(volfile(3, 1), [...memory, ...xlators], { platform: clock.platform }));
  const driver = new GraphDriver(made.topSubvolume, made);
  await driver.root();
  return {
    clock, driver,
    inodeOf: (name) => {
      const inode = made.inodeTable.grep(made.inodeTable.root, name as Bytes);
      if (!inode) throw new Error(name);
      return inode;
    },
    // Locks that nobody has wanted for a second go with the next look at them.
    expired: async (lock) => {
      clock.pass(2000);
      while (lock()?.busy === true) await new Promise<void>((resolve) => made.platform.timers.after(1, resolve));
      await new Promise<void>((resolve) => setImmediate(resolve));
    },
  };
}

const cells = (inode: Inode): unknown[] => [inode.ctx0, inode.ctx1, inode.ctx2, inode.ctx3, inode.ctx4, inode.ctx5, inode.ctx6, inode.ctx7];
const ownersOf = (inode: Inode): unknown[] => cells(inode).filter((cell) => typeof cell === 'string');
const lockOf = (inode: Inode): InodeLock | undefined => cells(inode).find((cell) => cell instanceof InodeLock);
const objectsOf = (inode: Inode): unknown[] => cells(inode).filter((cell) => typeof cell === 'object');

describe('disperse: files that are not in use', () => {
  it('have nothing kept of them but the owner of their lock, and get their locks again under the same one', async () => {
    const { driver, inodeOf, expired } = await start();
    for (const name of ['a', 'b']) {
      await driver.writeFile(`/${name}`, Buffer.from(name));
      const fd = await driver.open(`/${name}`, OpenFlag.RDONLY);
      for (let i = 0; i < 20; i++) await driver.read(fd, 1, 0);
      await driver.close(fd);
    }
    const [a, b] = [inodeOf('a'), inodeOf('b')];
    expect(lockOf(a)).toBeInstanceOf(InodeLock);
    await expired(() => lockOf(a));
    await expired(() => lockOf(b));
    expect([...objectsOf(a), ...objectsOf(b)]).toEqual([]);
    const owner = ownersOf(a);
    expect(owner).toEqual([expect.stringMatching(/^.{8}$/s)]);
    expect(ownersOf(b)).not.toEqual(owner);
    const fd = await driver.open('/a');
    await driver.write(fd, Buffer.from('more'), 1);
    expect([lockOf(a)?.owner]).toEqual(owner);
    await driver.close(fd);
    await expired(() => lockOf(a));
    expect(ownersOf(a)).toEqual(owner);
    expect(Buffer.from(await driver.readFile('/a')).toString()).toBe('amore');
  });

  it('are remembered when the layers above have had locks on them: closing must tell the bricks', async () => {
    const { driver, inodeOf, expired } = await start();
    await driver.writeFile('/f', Buffer.from('f'));
    const fd = await driver.open('/f');
    await driver.subvolume.lk(driver.frame, fd, LkCmd.SETLK, { type: LkType.WRLCK, whence: 0, start: 0n, len: 0n, pid: 1, owner: driver.frame.lk_owner }, undefined);
    await driver.write(fd, Buffer.from('g'), 0);
    await expired(() => lockOf(inodeOf('f')));
    expect(lockOf(inodeOf('f'))?.userLocks).toBe(true);
    await driver.close(fd);
  });

  it('have quiet states up to a number; those that were made with a mark keep theirs', () => {
    const states = new QuietStates();
    const state = (size: number, marked?: boolean): QuietState => ({ size, data: 0n, metadata: 0n, generations: [1, 1, 1], ...(marked === undefined ? {} : { marked }) });
    const inodes = Array.from({ length: 70_000 }, () => ({}) as Inode);
    inodes.forEach((inode, i) => states.set(inode, state(i, i === 0 ? true : undefined)));
    // Seen again: young.
    expect(states.get(inodes[10_000] as Inode)?.size).toBe(10_000);
    const held = inodes.flatMap((inode, i) => (states.get(inode) ? [i] : []));
    expect(held).toHaveLength(65_536);
    expect([held[0], held[1]]).toEqual([0, 70_000 - 65_536 + 1]);
    states.set(inodes[held[1] ?? 0] as Inode, state(1));
    states.set({} as Inode, state(2));
    expect([states.get(inodes[held[1] ?? 0] as Inode)?.size, states.get(inodes[held[2] ?? 0] as Inode)]).toEqual([1, undefined]);
    states.delete(inodes[0] as Inode);
    expect(states.get(inodes[0] as Inode)).toBeUndefined();
  });
});
