import { type Bytes, type Fd, type Flock, Frame, type Graph, LkCmd, LkType, OpenFlag, type PlainReply, type Xdata, Xlator, type XlatorDefinition } from '@glusterts/libglusterfs';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as locks } from '@glusterts/xlator-locks';
import { xlators as memory } from '@glusterts/xlator-memory';
import { expect, it } from 'vitest';
import { xlators as server } from '../src/index.js';
import { clientGraph, freePort } from './pair.js';

/** Counts the flushes that reach the brick. */
class Counter extends Xlator {
  flushes = 0;

  override flush(frame: Frame, fd: Fd, xdata: Xdata): Promise<PlainReply> {
    this.flushes++;
    return this.child.flush(frame, fd, xdata);
  }
}
const counting: XlatorDefinition = { type: 'test/counter', options: [], create: (context) => new Counter(context) };

const whole = (type: LkType): Flock => ({ type, whence: 0, start: 0n, len: 0n, pid: 7, owner: 'someone' as Bytes });

it('protocol/client tells the brick of a close only where it has asked for posix locks, and the close gives them back', async () => {
  const port = await freePort();
  const brick = await testGraph(
    `volume brick\n type storage/memory\n option size 0\nend-volume\nvolume locks\n type features/locks\n subvolumes brick\nend-volume\nvolume counter\n type test/counter\n subvolumes locks\nend-volume\n` +
      `volume server\n type protocol/server\n option transport.socket.listen-port ${port}\n option auth.addr.counter.allow *\n subvolumes counter\nend-volume\n`,
    [...memory, ...locks, counting, ...server],
  );
  const counter = brick.find('counter');
  if (!(counter instanceof Counter)) throw new Error('no counter');
  const graphs: Graph[] = [];
  const [one, two] = await Promise.all(
    ['someone', 'another'].map(async (owner) => {
      const graph = await clientGraph('remote-host 127.0.0.1', `remote-port ${port}`, 'remote-subvolume counter');
      const driver = new GraphDriver(graph.topSubvolume, graph, new Frame({ lk_owner: owner as Bytes }));
      await driver.root();
      graphs.push(graph);
      return driver;
    }),
  );
  if (!one || !two) throw new Error('no clients');
  await one.writeFile('/f', new Uint8Array(4));
  expect(counter.flushes).toBe(0);
  const [mine, theirs] = [await one.open('/f', OpenFlag.RDWR), await two.open('/f', OpenFlag.RDWR)];
  await one.subvolume.lk(one.frame, mine, LkCmd.SETLK, whole(LkType.WRLCK), undefined);
  const waiting = two.subvolume.lk(two.frame, theirs, LkCmd.SETLKW, { ...whole(LkType.WRLCK), owner: 'another' as Bytes }, undefined);
  // A close of another fd on the file drops the locks as well, as POSIX wants it.
  await one.close(await one.open('/f', OpenFlag.RDONLY));
  await waiting;
  expect(counter.flushes).toBe(1);
  mine.unref();
  theirs.unref();
  for (const graph of graphs) await graph.fini();
  await brick.fini();
});
