import { type Bytes, Dict, type Direntp, Fd, Frame, type Graph, Loc, type ReaddirReply, type Xdata, Xlator, type XlatorDefinition } from '@glusterts/libglusterfs';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { afterEach, expect, it } from 'vitest';
import { xlators } from '../src/index.js';

const AGREED = 'glusterts.agreed' as Bytes;

/** Vouches for all entries, as protocol/client does. */
class Vouching extends Xlator {
  override async readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    const reply = await this.child.readdirp(frame, fd, size, offset, xdata);
    if (xdata?.has(AGREED)) for (const entry of reply.entries) entry.dict = (entry.dict ?? new Dict()).setUint(AGREED, 1);
    return reply;
  }
}
const vouching: XlatorDefinition = { type: 'test/vouching', options: [], create: (context) => new Vouching(context) };

const graphs: Graph[] = [];
afterEach(async () => {
  for (const graph of graphs.splice(0)) await graph.fini();
});

async function client(volfile: string): Promise<GraphDriver & { readonly graph: Graph }> {
  const graph = await testGraph(volfile, [...memory, vouching, ...xlators]);
  graphs.push(graph);
  const driver = Object.assign(new GraphDriver(graph.topSubvolume, graph, new Frame()), { graph });
  await driver.root();
  return driver;
}
const brick = (i: number): string => `volume b${i}\n type storage/memory\n option size 0\n option share agreed-b${i}\nend-volume\n`;
const volume = `${[0, 1].map((i) => `${brick(i)}volume v${i}\n type test/vouching\n subvolumes b${i}\nend-volume\n`).join('')}volume v-dht\n type cluster/distribute\n subvolumes v0 v1\nend-volume\n`;

async function vouchedFor({ graph, frame, subvolume }: GraphDriver & { readonly graph: Graph }): Promise<string[]> {
  const { root } = graph.inodeTable;
  const fd = new Fd(root);
  await subvolume.opendir(frame, new Loc({ inode: root }), fd, undefined);
  const vouched: string[] = [];
  for (let offset = 0n, eof = false; !eof; ) {
    const reply = await subvolume.readdirp(frame, fd, 65536, offset, new Dict().setUint(AGREED, 1));
    eof = reply.eof || reply.entries.length === 0;
    for (const { name, d_off, dict } of reply.entries) {
      offset = d_off;
      if (dict?.has(AGREED)) vouched.push(name);
    }
  }
  fd.unref();
  return vouched.sort();
}

it('what a brick vouches for stays so of files, also of those whose name is elsewhere; not of directories, nor of files that have moved since', async () => {
  const one = await client(volume);
  await one.mkdir('/d');
  for (let i = 0; i < 8; i++) await one.writeFile(`/f${i}`, Buffer.from('x'));
  // Renamed files lie where they were, with a linkto where the new name belongs.
  for (let i = 0; i < 8; i++) await one.rename(`/f${i}`, `/g${i}`);
  const files = Array.from({ length: 8 }, (_, i) => `g${i}`);
  expect(await vouchedFor(one)).toEqual(files);

  const bricks = await Promise.all([0, 1].map((i) => client(brick(i))));
  const at = (await Promise.all(bricks.map(async (driver) => (await driver.exists('/g3')) && (await driver.lookup('/g3')).ia_size === 1))).indexOf(true);
  const [from, to] = [bricks[at], bricks[1 - at]];
  if (!from || !to) throw new Error('g3 is nowhere');
  const gfid = (await from.lookup('/g3')).ia_gfid;
  await from.unlink('/g3');
  if (await to.exists('/g3')) await to.unlink('/g3');
  const loc = await to.fresh('/g3');
  await to.subvolume.mknod(to.frame, loc, 0o100644, 0n, 0, new Dict().setGfid('gfid-req', gfid));
  expect(await vouchedFor(one)).toEqual(files.filter((name) => name !== 'g3'));
});
