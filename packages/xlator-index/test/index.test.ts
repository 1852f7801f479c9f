import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Bytes, Dict, Errno, Fd, type Graph, Loc, XattropOp, createPlatform, gfidToString } from '@glusterts/libglusterfs';
import { GraphDriver, pattern, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';

function whyNot(): string | undefined {
  if (!createPlatform().storage.available) return 'the native addon is not there';
  if (process.getuid?.() !== 0) return 'its folders have mode 0600, as GlusterFS makes them: only root can enter';
  return undefined;
}
const reason = whyNot();
if (reason) console.warn(`features/index skipped: ${reason}`);

describe.skipIf(reason !== undefined)('features/index', () => {
  let folder = '';
  let graph: Graph;
  let driver: GraphDriver;

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'glusterts-index-'));
    const text = `volume b\n type storage/memory\n option size 0\nend-volume\nvolume i\n type features/index\n option index-base ${folder}/indices\n option xattrop64-watchlist trusted.ec.dirty\n subvolumes b\nend-volume\n`;
    graph = await testGraph(text, [...memory, ...xlators]);
    driver = new GraphDriver(graph.topSubvolume, graph);
    await driver.root();
    await driver.writeFile('/f', pattern(10, 1));
  });

  afterEach(async () => {
    await graph.fini();
    rmSync(folder, { recursive: true });
  });

  const dirty = (data: bigint): Dict => {
    const bytes = Buffer.alloc(16);
    bytes.writeBigInt64BE(data);
    return new Dict().setBin('trusted.ec.dirty', bytes);
  };
  const entries = (): string[] => readdirSync(`${folder}/indices/xattrop`).filter((name) => !name.startsWith('xattrop-'));

  it('links the gfid before a dirty mark, and takes it away when the mark is gone', async () => {
    const { loc, stat } = await driver.resolve('/f');
    expect(entries()).toEqual([]);
    await graph.topSubvolume.xattrop(driver.frame, loc, XattropOp.ADD_ARRAY64, dirty(1n), undefined);
    expect(entries()).toEqual([gfidToString(stat.ia_gfid)]);
    const file = statSync(`${folder}/indices/xattrop/${gfidToString(stat.ia_gfid)}`);
    expect(file.mode & 0o777).toBe(0);
    expect(file.nlink).toBe(2);
    await graph.topSubvolume.xattrop(driver.frame, loc, XattropOp.ADD_ARRAY64, dirty(1n), undefined);
    await graph.topSubvolume.xattrop(driver.frame, loc, XattropOp.ADD_ARRAY64, dirty(-1n), undefined);
    expect(entries()).toHaveLength(1);
    await graph.topSubvolume.xattrop(driver.frame, loc, XattropOp.ADD_ARRAY64, dirty(-1n), undefined);
    expect(entries()).toEqual([]);
  });

  it('has a file that is made with its mark from the beginning, and no name for one that could not be made', async () => {
    const xdata = driver.gfidReq().merge(dirty(1n));
    await driver.subvolume.create(driver.frame, await driver.fresh('/marked'), 0o102, 0o644, 0, new Fd(graph.inodeTable.create()), xdata);
    const gfid = xdata.getGfid('gfid-req');
    expect(entries()).toEqual([gfid && gfidToString(gfid)]);
    const again = driver.gfidReq().merge(dirty(1n));
    await expect(driver.subvolume.create(driver.frame, await driver.fresh('/f'), 0o302, 0o644, 0, new Fd(graph.inodeTable.create()), again)).rejects.toMatchObject({ errno: Errno.EEXIST });
    expect(entries()).toHaveLength(1);
    const { loc } = await driver.resolve('/marked');
    await graph.topSubvolume.xattrop(driver.frame, loc, XattropOp.ADD_ARRAY64, dirty(-1n), undefined);
    expect(entries()).toEqual([]);
  });

  it('shows the folder to healers under a gfid of its own', async () => {
    const { loc, stat } = await driver.resolve('/f');
    await graph.topSubvolume.xattrop(driver.frame, loc, XattropOp.ADD_ARRAY64, dirty(3n), undefined);
    const root = new Loc({ inode: graph.inodeTable.root });
    const { dict } = await graph.topSubvolume.getxattr(driver.frame, root, 'glusterfs.xattrop_index_gfid' as Bytes, undefined);
    const gfid = dict.getGfid('glusterfs.xattrop_index_gfid');
    expect(gfid).toBeDefined();
    if (gfid === undefined) return;
    const count = await graph.topSubvolume.getxattr(driver.frame, root, 'glusterfs.xattrop_index_count' as Bytes, undefined);
    expect(count.dict.getNumber('glusterfs.xattrop_index_count')).toBe(1);
    const inode = graph.inodeTable.create();
    const found = await graph.topSubvolume.lookup(driver.frame, new Loc({ inode, gfid }), undefined);
    const linked = graph.inodeTable.link(inode, undefined, '' as Bytes, found.stat);
    const { Fd } = await import('@glusterts/libglusterfs');
    const fd = new Fd(linked);
    await graph.topSubvolume.opendir(driver.frame, new Loc({ inode: linked, gfid }), fd, undefined);
    const listing = await graph.topSubvolume.readdir(driver.frame, fd, 4096, 0n, undefined);
    expect(listing.entries.map(({ name }) => name)).toEqual([gfidToString(stat.ia_gfid)]);
    expect(listing.eof).toBe(true);
    await graph.topSubvolume.unlink(driver.frame, new Loc({ inode: graph.inodeTable.create(), parent: linked, name: gfidToString(stat.ia_gfid) as Bytes }), 0, undefined);
    expect(entries()).toEqual([]);
    fd.unref();
  });
});
