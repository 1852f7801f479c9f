import { type Bytes, Dict, type Direntp, Fd, Frame, Loc, type ReaddirReply, type Xdata, Xlator, type XlatorDefinition } from '@glusterts/libglusterfs';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { expect, it } from 'vitest';
import { xlators as server } from '../src/index.js';
import { clientGraph, freePort } from './pair.js';

const AGREED = 'glusterts.agreed' as Bytes;

/** Keeps what listings were asked for. */
class Recorder extends Xlator {
  readonly asked: (readonly string[])[] = [];

  override readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    this.asked.push(xdata?.keys() ?? []);
    return this.child.readdirp(frame, fd, size, offset, xdata);
  }
}
const recording: XlatorDefinition = { type: 'test/recorder', options: [], create: (context) => new Recorder(context) };

it('protocol/client vouches for the entries of its brick when asked, and never asks the brick', async () => {
  const port = await freePort();
  const brick = await testGraph(
    `volume brick\n type storage/memory\n option size 0\nend-volume\nvolume recorder\n type test/recorder\n subvolumes brick\nend-volume\n` +
      `volume server\n type protocol/server\n option transport.socket.listen-port ${port}\n option auth.addr.recorder.allow *\n subvolumes recorder\nend-volume\n`,
    [...memory, recording, ...server],
  );
  const graph = await clientGraph('remote-host 127.0.0.1', `remote-port ${port}`, 'remote-subvolume recorder');
  const driver = new GraphDriver(graph.topSubvolume, graph, new Frame());
  await driver.root();
  await driver.writeFile('/f', new Uint8Array(4));
  const { root } = graph.inodeTable;
  const fd = new Fd(root);
  await graph.topSubvolume.opendir(driver.frame, new Loc({ inode: root }), fd, undefined);
  const list = async (request: Xdata): Promise<boolean | undefined> =>
    (await graph.topSubvolume.readdirp(driver.frame, fd, 4096, 0n, request)).entries.find(({ name }) => name === 'f')?.dict?.has(AGREED);
  const request = new Dict().setUint(AGREED, 1).setUint('trusted.small', 0);
  expect(await list(request)).toBe(true);
  expect(await list(new Dict().setUint('trusted.small', 0))).not.toBe(true);
  expect(await list(undefined)).not.toBe(true);
  expect((brick.find('recorder') as Recorder).asked).toEqual([['trusted.small'], ['trusted.small'], []]);
  expect(request.has(AGREED)).toBe(true);
  fd.unref();
  await graph.fini();
  await brick.fini();
});
