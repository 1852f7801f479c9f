import { type Bytes, Errno, Frame, type Inode, Iatt, Loc, SetAttr, errnoOf } from '@glusterts/libglusterfs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Client, ServedVolume, whyNot } from './served-volume.js';

const reason = whyNot();
if (reason) console.warn(`volumes on real disks skipped: ${reason}`);

let volume: ServedVolume;

async function directoryOf({ driver }: Client): Promise<Inode> {
  return (await driver.resolve('/d')).inode;
}

/** The errno of a lookup of that name, 0 when it is there. */
function look({ driver }: Client, parent: Inode, name: string): Promise<number> {
  return driver.lookupIn(parent, name as Bytes).then(() => 0, errnoOf);
}

describe.skipIf(reason !== undefined)('names in a directory whose lock is held', () => {
  let client: Client;
  let directory: Inode;

  beforeEach(async () => {
    volume = await ServedVolume.start();
    client = await volume.client();
    await client.driver.mkdir('/d');
    await client.driver.writeFile('/d/old', Buffer.from('old'));
    directory = await directoryOf(client);
  });
  afterEach(async () => {
    await volume.stop();
  });

  /** As a program that makes one file after the other: until bricks are asked for new names no more. */
  async function madeMany(from: Client = client, parent: Inode = directory): Promise<void> {
    for (let i = 0; i < 40; i++) {
      expect(await look(from, parent, `many${i}`)).toBe(Errno.ENOENT);
      await from.driver.create(`/d/many${i}`).then((fd) => from.driver.close(fd));
    }
  }

  const asked = async (run: () => Promise<unknown>): Promise<number> => (await client.counted(run))['lookup'] ?? 0;

  it('are known: no brick is asked for one that does not exist, and three for one that does', async () => {
    await madeMany();
    expect(await asked(async () => expect(await look(client, directory, 'new')).toBe(Errno.ENOENT))).toBe(0);
    await client.driver.create('/d/new').then((fd) => client.driver.close(fd));
    await client.driver.mkdir('/d/sub');
    await client.driver.symlink('old', '/d/link');
    await client.driver.rename('/d/many3', '/d/moved');
    await client.driver.link('/d/many4', '/d/linked');
    for (const name of ['old', 'new', 'sub', 'link', 'moved', 'linked', 'many7']) expect(await look(client, directory, name), name).toBe(0);
    await client.driver.unlink('/d/old');
    expect(await look(client, directory, 'old')).toBe(Errno.ENOENT);
    expect(await look(client, directory, 'many3')).toBe(Errno.ENOENT);
  });

  it('are asked for once another client has made one, and that one is found at once', async () => {
    const other = await volume.client();
    await other.driver.resolve('/d');
    for (let i = 0; i < 3; i++) {
      await madeMany();
      for (const name of [`mine${i}`, `theirs${i}`]) expect(await look(client, directory, name)).toBe(Errno.ENOENT);
      await other.driver.create(`/d/theirs${i}`).then((fd) => other.driver.close(fd));
      expect(await look(client, directory, `theirs${i}`)).toBe(0);
      for (let j = 0; j < 40; j++) await client.driver.unlink(`/d/many${j}`);
    }
  });

  it('are found by each of two clients that make files in turn and at once', async () => {
    const other = await volume.client();
    const there = (await other.driver.resolve('/d')).inode;
    const users = [{ who: client, parent: directory }, { who: other, parent: there }] as const;
    await Promise.all(users.map(async ({ who, parent }, user) => {
      for (let i = 0; i < 60; i++) {
        await look(who, parent, `user${user}-${i}`);
        await who.driver.create(`/d/user${user}-${i}`).then((fd) => who.driver.close(fd));
        const [first, second] = users;
        const rival = user === 0 ? second : first;
        expect(await look(rival.who, rival.parent, `user${user}-${i}`), `user${user}-${i}`).toBe(0);
      }
    }));
  });

  it('are asked for when somebody else wants to know, or the directory\'s permissions have been set', async () => {
    await madeMany();
    expect(await asked(() => look(client, directory, 'none'))).toBe(0);
    const loc = new Loc({ inode: directory, path: '/d' as Bytes });
    const { driver } = client;
    const fresh = new Loc({ inode: directory.table.create(), parent: directory, name: 'none' as Bytes, path: '/d/none' as Bytes });
    expect(await asked(() => driver.subvolume.lookup(new Frame({ uid: 77, gid: 77, groups: [77] }), fresh, undefined).catch(errnoOf))).toBe(3);
    await madeAgain();
    expect(await asked(() => look(client, directory, 'none'))).toBe(0);
    const mode = new Iatt();
    mode.ia_prot = 0o700;
    await driver.subvolume.setattr(driver.frame, loc, mode, SetAttr.MODE, undefined);
    expect(await asked(() => look(client, directory, 'none'))).toBe(3);
  });

  /** The names that are there stay. */
  async function madeAgain(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      await look(client, directory, `again${i}`);
      await client.driver.create(`/d/again${i}`).then((fd) => client.driver.close(fd));
    }
  }

  it('are asked for when the bricks have done nothing under the lock for a second', async () => {
    await madeMany();
    const clock = client.graph.platform.clock.monotonic() + 1000;
    while (client.graph.platform.clock.monotonic() <= clock) {
      // Held by who reads the directory all the time, which changes nothing.
      await client.driver.subvolume.stat(client.driver.frame, new Loc({ inode: directory, path: '/d' as Bytes }), undefined);
    }
    expect(await asked(() => look(client, directory, 'none'))).toBe(3);
  });

  it('are asked for when a brick has gone', async () => {
    await madeMany();
    await volume.stopBrick(2);
    await client.driver.create('/d/without').then((fd) => client.driver.close(fd));
    expect(await asked(() => look(client, directory, 'none'))).toBeGreaterThanOrEqual(3);
  });
});
