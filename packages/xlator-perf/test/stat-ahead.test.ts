import { type Bytes, Dict, type Direntp, type Fd, type Frame, Loc, type LookupReply, type ReaddirReply, type Xdata, Xlator, type XlatorDefinition } from '@glusterts/libglusterfs';
import { afterEach, describe, expect, it } from 'vitest';
import { mdCache } from '../src/md-cache/index.js';
import { quickRead } from '../src/quick-read/index.js';
import { type TwoClients, inodeOf, twoClients } from './two-clients.js';

const AGREED = 'glusterts.agreed';

/** A volume that says of all entries but f13 that a lookup would tell the same of them. */
class Wide extends Xlator {
  override async readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    const reply = await this.child.readdirp(frame, fd, size, offset, xdata);
    if (xdata?.has(AGREED)) for (const entry of reply.entries) if (entry.name !== 'f13') entry.dict = (entry.dict ?? new Dict()).setUint(AGREED, 1);
    return reply;
  }
}
const wide: XlatorDefinition = { type: 'cluster/disperse', options: [], create: (context) => new Wide(context) };
const FILES = 100;

let bench: TwoClients | undefined;
async function start(...layers: readonly XlatorDefinition[]): Promise<TwoClients> {
  const b = (bench = await twoClients([...layers, mdCache]));
  for (let i = 0; i < FILES; i++) await b.ours.writeFile(`/f${i}`, Buffer.from('x'));
  b.time.advance(2000);
  b.gate.take();
  return b;
}
afterEach(async () => {
  await bench?.down();
  bench = undefined;
});

const lookup = (b: TwoClients, name: string): Promise<LookupReply> => b.ours.subvolume.lookup(b.ours.frame, new Loc({ inode: inodeOf(b, name), parent: b.graph.inodeTable.root, name: name as Bytes }), undefined);
/** After all that follows from what has happened: storage/memory answers within the turn. */
const idle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const lookups = (b: TwoClients): number => b.gate.take().filter((fop) => fop === 'lookup').length;

describe('md-cache on a volume that says of which entries a lookup would tell the same', () => {
  it('lists a directory once eight of its files were looked up one after the other, and answers the rest from that', async () => {
    const b = await start(wide);
    for (let i = 0; i < 8; i++) await lookup(b, `f${i}`);
    await idle();
    expect(b.gate.take().sort()).toEqual([...Array<string>(8).fill('lookup'), 'opendir', 'readdirp']);
    for (let i = 8; i < FILES; i++) expect((await lookup(b, `f${i}`)).stat.ia_size).toBe(1);
    // The one that the bricks don't agree on is looked up.
    expect(b.gate.take()).toEqual(['lookup']);
  });

  it('believes the listing no longer than anything else', async () => {
    const b = await start(wide);
    for (let i = 0; i < 8; i++) await lookup(b, `f${i}`);
    await idle();
    await b.other.writeFile('/f50', Buffer.from('longer'));
    b.time.advance(1000);
    b.gate.take();
    expect((await lookup(b, 'f50')).stat.ia_size).toBe(6);
    expect(lookups(b)).toBe(1);
  });

  it('learns nothing of a file that was changed while the listing was under way', async () => {
    const b = await start(wide);
    const held = b.gate.hold('readdirp');
    for (let i = 0; i < 8; i++) await lookup(b, `f${i}`);
    await held.answered;
    const fd = await b.ours.open('/f60', 2);
    await b.ours.write(fd, Buffer.from('longer'), 0);
    await b.ours.close(fd);
    held.release();
    await idle();
    expect((await lookup(b, 'f60')).stat.ia_size).toBe(6);
  });

  it('leaves a directory alone where listings are of no use', async () => {
    const b = await start(wide);
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 8; i++) await lookup(b, `f${i}`);
      await idle();
      b.time.advance(1000);
    }
    // The first listing, and one after the first pause of two seconds.
    expect(b.gate.take().filter((fop) => fop === 'readdirp').length).toBeLessThanOrEqual(3);
  });

  it('learns nothing from a volume that vouches for no entry', async () => {
    const b = await start();
    for (let i = 0; i < FILES; i++) await lookup(b, `f${i}`);
    await idle();
    const fops = b.gate.take();
    expect(fops.filter((fop) => fop === 'lookup')).toHaveLength(FILES);
    expect(fops.filter((fop) => fop === 'readdirp').length).toBeLessThanOrEqual(1);
  });

  it('does not list where the lookups bring the contents of files that are then opened', async () => {
    const { type, options } = quickRead;
    const contents: XlatorDefinition = { type, options, create: (context) => new Wide(context) };
    const below: XlatorDefinition = { ...contents, type: 'cluster/other', create: (context) => new Wide(context) };
    for (const [layers, listings] of [[[below, contents], 0], [[wide, contents], 1]] as const) {
      const b = await start(...layers);
      for (let i = 0; i < 8; i++) {
        await lookup(b, `f${i}`);
        await b.ours.close(await b.ours.open(`/f${i}`, 0));
      }
      await idle();
      expect(b.gate.take().filter((fop) => fop === 'readdirp')).toHaveLength(listings);
      await b.down();
    }
    bench = undefined;
  });

  it('asks for no contents where the files that are looked up are then renamed or removed', async () => {
    const asked: boolean[] = [];
    const volume = (type: string): XlatorDefinition => ({ type, options: [], create: (context) => new (class extends Wide {
      override readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
        asked.push(xdata?.has('glusterfs.content') === true);
        return super.readdirp(frame, fd, size, offset, xdata);
      }
    })(context) });
    for (const [walk, contents] of [['look', true], ['rename', false], ['unlink', false]] as const) {
      asked.length = 0;
      const b = await start(volume('cluster/other'), quickRead);
      for (let i = 0; i < 8; i++) {
        await lookup(b, `f${i}`);
        if (walk === 'rename') await b.ours.rename(`/f${i}`, `/g${i}`);
        if (walk === 'unlink') await b.ours.unlink(`/f${i}`);
      }
      await idle();
      expect(asked).toEqual([contents]);
      b.gate.take();
      for (let i = 8; i < 13; i++) expect((await lookup(b, `f${i}`)).stat.ia_size).toBe(1);
      expect(lookups(b)).toBe(0);
      await b.down();
    }
    bench = undefined;
  });
});
