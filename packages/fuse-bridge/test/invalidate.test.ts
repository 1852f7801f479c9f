import { Errno, type Gfid, GlusterLogger, IaType, Iatt, type Inode, InodeTable, createPlatform, utf8 } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { FuseBridge } from '../src/bridge.js';
import { Invalidator } from '../src/invalidate.js';
import { fuseOptions } from '../src/options.js';
import { Notify } from '../src/protocol.js';

const LARGE = 65536;

interface Sent {
  readonly code: number;
  /** Of INVAL_ENTRY. */
  readonly name: string;
  /** Of PRUNE. */
  readonly ids: readonly number[];
}

function decoded(message: Uint8Array): Sent {
  const bytes = Buffer.from(message);
  expect(bytes.readUInt32LE(0)).toBe(bytes.length);
  const code = bytes.readInt32LE(4);
  const ids = code === Notify.PRUNE ? Array.from({ length: bytes.readUInt32LE(16) }, (_, i) => Number(bytes.readBigUInt64LE(32 + 8 * i))) : [];
  return { code, name: code === Notify.INVAL_ENTRY ? bytes.toString('latin1', 32, 32 + bytes.readUInt32LE(24)) : '', ids };
}

/** An invalidator of a kernel that answers when it is told to. */
function setup(options: { 'invalidate-limit'?: number } = {}): { invalidator: Invalidator; calls: Sent[][]; answer(result?: number): Promise<void>; file(name: string): Inode; idOf(inode: Inode): number | undefined } {
  const platform = createPlatform();
  const log = GlusterLogger.create('fuse', { sink: () => undefined, clock: platform.clock });
  const bridge = new FuseBridge(platform, fuseOptions({ mountpoint: '/mnt/i', ...options }), log, () => undefined);
  const calls: Sent[][] = [];
  let give: ((results: readonly number[]) => void) | undefined;
  const invalidator = new Invalidator(bridge, (messages) => {
    calls.push(messages.map(decoded));
    return new Promise((resolve) => (give = resolve));
  });
  const table = new InodeTable('test', { forget: () => undefined, release: () => undefined }, { lruLimit: 0 });
  bridge.nodes.lookup(table.root);
  let made = 0;
  return {
    invalidator,
    calls,
    answer: async (result = 0) => {
      give?.(calls.at(-1)?.map(() => result) ?? []);
      await new Promise((resolve) => setImmediate(resolve));
    },
    file: (name) => {
      const iatt = new Iatt().setGfid(String(++made).padStart(16, 'g') as Gfid);
      iatt.ia_type = IaType.REG;
      const inode = table.link(table.create(), table.root, utf8(name), iatt);
      bridge.nodes.lookup(inode);
      return inode;
    },
    idOf: (inode) => bridge.nodes.find(inode.gfid),
  };
}

describe('what the kernel is told to drop', () => {
  it('names leave together while the kernel has the ones before, up to 64 at a time', async () => {
    const { invalidator, calls, answer, file } = setup();
    for (let i = 0; i < 100; i++) expect(invalidator.entries(file(`f${i}`))).toBe(true);
    expect(calls.map((sent) => sent.length)).toEqual([1]);
    await answer();
    expect(calls.map((sent) => sent.length)).toEqual([1, 64]);
    await answer(-Errno.ENOENT);
    await answer();
    expect(calls.map((sent) => sent.length)).toEqual([1, 64, 35]);
    expect(calls.flat().map(({ name }) => name)).toEqual(Array.from({ length: 100 }, (_, i) => `f${i}`));
    expect(invalidator.queued).toBe(0);
  });

  it('files beyond a large limit go by their numbers, 64 and more in one notification', async () => {
    const { invalidator, calls, answer, file, idOf } = setup();
    const files = Array.from({ length: 163 }, (_, i) => file(`f${i}`));
    for (const inode of files.slice(0, 63)) expect(invalidator.prune(inode, LARGE)).toBe(true);
    expect(calls).toEqual([]);
    for (const inode of files.slice(63)) invalidator.prune(inode, LARGE);
    await answer();
    await answer();
    expect(calls.map((sent) => sent.map(({ code, ids }) => [code, ids.length]))).toEqual([[[Notify.PRUNE, 64]], [[Notify.PRUNE, 99]]]);
    expect(calls.flat().flatMap(({ ids }) => ids)).toEqual(files.map(idOf));
  });

  it('those beyond a small one, which the kernel may not have looked at yet, by their names', () => {
    const { invalidator, calls, file } = setup();
    invalidator.prune(file('f'), 1000);
    expect(calls).toEqual([[{ code: Notify.INVAL_ENTRY, name: 'f', ids: [] }]]);
  });

  it('all of them by their names once a kernel has not known the other way', async () => {
    const { invalidator, calls, answer, file } = setup();
    for (let i = 0; i < 70; i++) invalidator.prune(file(`f${i}`), LARGE);
    await answer(-Errno.EINVAL);
    await answer();
    await answer();
    expect(calls.slice(1).flat().map(({ code, name }) => [code, name])).toEqual(Array.from({ length: 70 }, (_, i) => [Notify.INVAL_ENTRY, `f${i}`]));
    invalidator.prune(file('later'), LARGE);
    expect(calls.at(-1)).toEqual([{ code: Notify.INVAL_ENTRY, name: 'later', ids: [] }]);
  });

  it('no more at once than invalidate-limit', async () => {
    const { invalidator, calls, answer, file } = setup({ 'invalidate-limit': 3 });
    const told = Array.from({ length: 6 }, (_, i) => invalidator.prune(file(`f${i}`), LARGE));
    expect(told).toEqual([true, true, true, true, true, true]);
    expect(invalidator.prune(file('more'), LARGE)).toBe(false);
    expect(calls.map(([sent]) => sent?.ids.length)).toEqual([3]);
    await answer();
    expect(calls.map(([sent]) => sent?.ids.length)).toEqual([3, 3]);
    expect(invalidator.prune(file('again'), LARGE)).toBe(true);
  });
});
