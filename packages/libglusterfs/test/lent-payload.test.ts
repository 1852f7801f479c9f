import { createRequire } from 'node:module';
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ArenaIobufPool } from '../src/iobuf-pool.js';
import { IoVec, type Listener, type Network, type Transport, type TransportHandlers } from '../src/index.js';
import { LocalRecord, localRecord } from '../src/platform/lent-payload.js';
import { NativeNetwork } from '../src/platform/native-network.js';
import type { NativeEventPoolConstructor } from '../src/platform/native-transport.js';
import { shareArena, sharedArenaOf } from '../src/platform/shared-arena.js';

const addonPath = path.resolve(import.meta.dirname, '../native/build/Release/glusterts_native.node');
const missing = process.env['GLUSTERTS_PORTABLE'] === '1' ? 'GLUSTERTS_PORTABLE=1' : existsSync(addonPath) ? undefined : 'the native addon is not built';
if (missing) console.warn(`tests of payloads in shared memory skipped: ${missing}`);

const noTls: Network = {
  connect: () => {
    throw new Error('no TLS here');
  },
  listen: () => Promise.reject(new Error('no TLS here')),
};

const MIB = 1 << 20;

describe.skipIf(missing !== undefined)('payloads in memory that both ends have mapped', () => {
  const iobufs = new ArenaIobufPool(
    (bytes) => shareArena(bytes) ?? new ArrayBuffer(bytes),
    undefined,
    (memory) => sharedArenaOf(memory)?.release(),
  );
  let lending = 0;
  const network = missing ? noTls : new NativeNetwork((createRequire(import.meta.url)(addonPath) as { EventPool: NativeEventPoolConstructor }).EventPool, iobufs, noTls, () => lending++);
  const open: Transport[] = [];
  let listener: Listener | undefined;
  /** What came at the side that listens. */
  const came: IoVec[] = [];
  let closed = 0;

  async function pair(): Promise<{ mount: Transport; brick: Transport }> {
    const accepted: Transport[] = [];
    listener = await network.listen(
      { host: '127.0.0.1', port: 0 },
      (transport) => {
        accepted.push(transport);
        return { onRecord: (record) => void came.push(record), onClose: () => void closed++ };
      },
      { localPath: true },
    );
    const { address } = listener;
    const mount = await new Promise<Transport>((resolve) => {
      const handlers: TransportHandlers = { onConnect: resolve, onRecord: (record) => record.unref(), onClose: () => undefined };
      open.push(network.connect(address, handlers, { localPath: true }));
    });
    const [brick] = accepted;
    if (!brick) throw new Error('nobody came');
    open.push(brick);
    return { mount, brick };
  }

  afterEach(async () => {
    for (const record of came.splice(0)) record.unref();
    for (const transport of open.splice(0)) transport.destroy();
    await listener?.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(iobufs.active).toBe(0);
    closed = 0;
  });

  function payload(size: number, fill: number): IoVec {
    const page = iobufs.get(size);
    page.memory.fill(fill, 0, size);
    return new IoVec([page.memory.subarray(0, size)], [page]);
  }

  const arrived = (count: number): Promise<void> => expect.poll(() => came.length, { timeout: 30_000 }).toBe(count);

  it('arrive whole, by loan, and come back when the reader is done', async () => {
    const { mount } = await pair();
    expect(lending).toBeGreaterThan(0);
    const sent = payload(MIB, 7);
    mount.send(Buffer.from('RPC header'), sent);
    sent.unref();
    // What stays here is the loan: nothing of it waits in a queue.
    expect(mount.queuedBytes).toBeLessThan(200);
    await arrived(1);
    const [record] = came;
    expect(record?.chunks.map(({ length }) => length)).toEqual([10, MIB]);
    expect(Buffer.from(record?.chunks[0] ?? []).toString()).toBe('RPC header');
    expect(Buffer.from(record?.chunks[1] ?? []).equals(Buffer.alloc(MIB, 7))).toBe(true);
    expect(iobufs.active).toBe(1);
    record?.unref();
    came.length = 0;
    await expect.poll(() => iobufs.active).toBe(0);
  });

  it('arrive in order with records that go through the socket, from several pieces, arenas and slices', async () => {
    const { mount } = await pair();
    const expected: Buffer[] = [];
    for (let i = 0; i < 40; i++) {
      const [a, b] = [payload(200_000, i), payload(70_000, i + 100)];
      const both = new IoVec([...a.chunks, ...b.chunks], [...a.bufs, ...b.bufs]).slice(i, 260_000);
      mount.send(Buffer.from(`loan ${i}`), both);
      both.unref();
      const small = payload(5000, 200);
      mount.send(Buffer.from(`copy ${i}`), small);
      small.unref();
      mount.send(Buffer.from(`foreign ${i}`), IoVec.from(Buffer.alloc(100_000, i)));
      expected.push(
        Buffer.concat([Buffer.from(`loan ${i}`), Buffer.alloc(200_000 - i, i), Buffer.alloc(60_000, i + 100)]),
        Buffer.concat([Buffer.from(`copy ${i}`), Buffer.alloc(5000, 200)]),
        Buffer.concat([Buffer.from(`foreign ${i}`), Buffer.alloc(100_000, i)]),
      );
    }
    await arrived(expected.length);
    expect(came.map((record, i) => Buffer.concat(record.chunks).equals(expected[i] ?? Buffer.alloc(0)))).toEqual(expected.map(() => true));
  });

  it('are copied when more is on loan than the limit', async () => {
    const { mount } = await pair();
    for (let i = 0; i < 70; i++) {
      const sent = payload(MIB, i);
      mount.send(Buffer.from('header'), sent);
      sent.unref();
    }
    await arrived(70);
    came.forEach((record, i) => expect(Buffer.concat(record.chunks).subarray(6).equals(Buffer.alloc(MIB, i))).toBe(true));
    expect(iobufs.active).toBe(64);
  });

  it('stay as they are for a reader that still has them when the connection breaks', async () => {
    const { mount } = await pair();
    const sent = payload(MIB, 1);
    mount.send(Buffer.from('header'), sent);
    sent.unref();
    await arrived(1);
    mount.destroy();
    await expect.poll(() => closed).toBe(1);
    expect(iobufs.active).toBe(0);
    // Whoever takes memory now doesn't get that.
    const others = Array.from({ length: 32 }, () => payload(MIB, 2));
    expect(Buffer.from(came[0]?.chunks[1] ?? []).equals(Buffer.alloc(MIB, 1))).toBe(true);
    for (const other of others) other.unref();
  });

  it('can be written to by the reader without the sender seeing it', async () => {
    const { mount } = await pair();
    const sent = payload(MIB, 1);
    mount.send(Buffer.from('header'), sent);
    await arrived(1);
    came[0]?.chunks[1]?.fill(9);
    expect(sent.chunks[0]?.every((byte) => byte === 1)).toBe(true);
    sent.unref();
  });

  const piece = (arena: number, offset: number, length: number): Buffer => {
    const bytes = Buffer.alloc(12);
    bytes.writeUInt32BE(arena, 0);
    bytes.writeUInt32BE(offset, 4);
    bytes.writeUInt32BE(length, 8);
    return bytes;
  };
  const hostile: readonly (readonly [string, readonly Buffer[]])[] = [
    ['a loan of an arena that is not known', [localRecord(0, LocalRecord.LOAN, 1), piece(77, 0, 10)]],
    ['a loan that ends behind its arena', [localRecord(0, LocalRecord.LOAN, 1), piece(0, 2 * MIB - 5, 10)]],
    ['a loan whose numbers overflow', [localRecord(0, LocalRecord.LOAN, 1), piece(0, 0xffffffff, 0xffffffff)]],
    ['a loan of nothing', [localRecord(0, LocalRecord.LOAN, 0)]],
    ['a loan that announces more pieces than it has', [localRecord(0, LocalRecord.LOAN, 1000), piece(0, 0, 1)]],
    ['a loan that is cut off', [localRecord(0, LocalRecord.LOAN)]],
    ['an arena without its descriptor', [localRecord(5, LocalRecord.ARENA, MIB)]],
    ['a descriptor that does not come', [localRecord(5, LocalRecord.DESCRIPTOR)]],
    ['a loan given back that is none', [localRecord(5, LocalRecord.DONE)]],
    ['an unknown kind', [localRecord(5, 0x47000000)]],
  ];
  it.each(hostile)('close the connection on %s', async (_what, pieces) => {
    const { mount } = await pair();
    // So that arena 0 is known there.
    const sent = payload(MIB, 1);
    mount.send(Buffer.from('header'), sent);
    sent.unref();
    await arrived(1);
    mount.send(Buffer.concat(pieces));
    await expect.poll(() => closed).toBe(1);
    expect(came).toHaveLength(1);
  });

  it('are not read from a file that could shrink under the reader', async () => {
    const { mount } = await pair();
    const directory = mkdtempSync(path.join(os.tmpdir(), 'unsealed-'));
    const file = openSync(path.join(directory, 'f'), 'w+');
    ftruncateSync(file, MIB);
    mount.passDescriptor?.(openSync(path.join(directory, 'f'), 'r+'));
    closeSync(file);
    // The descriptor that came is taken for the number that it was announced by; the arena's own is missing.
    mount.send(localRecord(0, LocalRecord.ARENA, MIB));
    await expect.poll(() => closed).toBe(1);
    rmSync(directory, { recursive: true });
  });

  it('leave no page in the pool that a reader may still look at', async () => {
    const pool = new ArenaIobufPool();
    const [one, two] = [pool.get(MIB), pool.get(MIB)];
    one.retire?.();
    one.unref();
    const three = pool.get(MIB);
    expect([one.memory.buffer, two.memory.buffer]).not.toContain(three.memory.buffer);
    two.unref();
    three.unref();
    expect(pool.active).toBe(0);
    const four = pool.get(MIB);
    expect(four.memory.buffer).toBe(three.memory.buffer);
    four.unref();
    pool.renew(MIB);
    const five = pool.get(MIB);
    expect(five.memory.buffer).not.toBe(three.memory.buffer);
    five.unref();
  });
});
