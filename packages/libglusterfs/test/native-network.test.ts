import { execFile } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { IoVec, type Listener, type Transport, type TransportHandlers } from '../src/index.js';
import { NativeNetwork } from '../src/platform/native-network.js';
import type { NativeEventPoolConstructor } from '../src/platform/native-transport.js';
import { CountingPool, noTls, pattern, readCall, readReply, u32, writeCall } from './wire-records.js';

const addonPath = path.resolve(import.meta.dirname, '../native/build/Release/glusterts_native.node');
const missing = process.env['GLUSTERTS_PORTABLE'] === '1' ? 'GLUSTERTS_PORTABLE=1' : existsSync(addonPath) ? undefined : 'the native addon is not built';
if (missing) console.warn(`native network tests skipped: ${missing}`);

describe.skipIf(missing !== undefined).each(['watched by the loop', 'that watches the loop'])('the native network, %s', (who) => {
  const { EventPool } = missing ? { EventPool: undefined } : (createRequire(import.meta.url)(addonPath) as { EventPool: NativeEventPoolConstructor });
  const iobufs = new CountingPool();
  const network = missing || !EventPool ? noTls : new NativeNetwork(EventPool, iobufs, noTls);
  beforeAll(() => {
    if (who === 'that watches the loop' && network instanceof NativeNetwork) network.drive();
  });
  const listeners: Listener[] = [];
  const transports: Transport[] = [];

  afterEach(async () => {
    for (const transport of transports.splice(0)) transport.destroy();
    for (const listener of listeners.splice(0)) await listener.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(iobufs.active).toBe(0);
  });

  async function server(handlers: (transport: Transport) => TransportHandlers, address: { host: string; port: number } | { path: string } = { host: '127.0.0.1', port: 0 }): Promise<Listener> {
    const listener = await network.listen(address, (transport) => {
      transports.push(transport);
      return handlers(transport);
    });
    listeners.push(listener);
    return listener;
  }

  function client(address: Listener['address'], handlers: Partial<TransportHandlers> = {}): Promise<Transport> {
    return new Promise((resolve, reject) => {
      const transport = network.connect(address, {
        onConnect: (it) => resolve(it),
        onRecord: (record) => record.unref(),
        onClose: (error) => reject(error ?? new Error('closed')),
        ...handlers,
      });
      transports.push(transport);
    });
  }

  const echo = (transport: Transport): TransportHandlers => ({
    onRecord: (record) => {
      transport.send(Buffer.from(record.chunks[0] ?? []), new IoVec(record.chunks.slice(1), record.bufs));
      record.unref();
    },
    onClose: () => undefined,
  });

  it.each([{ host: '127.0.0.1', port: 0 }, { host: '::1', port: 0 }, { path: path.join(tmpdir(), `glusterts-${process.pid}.sock`) }])('carries records of all sizes both ways over $host$path', async (address) => {
    if ('path' in address) rmSync(address.path, { force: true });
    const listener = await server(echo, address);
    const sizes = [4, 24, 100, 4095, 4096, 65535, 65536, 200_000, 1_500_000];
    const received: Buffer[] = [];
    let done: () => void = () => undefined;
    const all = new Promise<void>((resolve) => (done = resolve));
    const transport = await client(listener.address, {
      onRecord: (record) => {
        received.push(Buffer.from(record.toUint8Array()));
        record.unref();
        if (received.length === sizes.length) done();
      },
    });
    for (const size of sizes) transport.send(pattern(size, size));
    await all;
    expect(received.map((bytes) => bytes.length)).toEqual(sizes);
    received.forEach((bytes, i) => expect(bytes.equals(pattern(sizes[i] ?? 0, sizes[i]))).toBe(true));
    if ('path' in address) rmSync(address.path, { force: true });
  });

  it.each([
    [0, 0, 4096],
    [88, 0, 131072],
    [400, 240, 1 << 20],
    [24, 8000, 10000],
  ])('hands the payload of a WRITE over in a page of its own (credential %i, xdata %i, data %i)', async (cred, xdata, size) => {
    const records: { header: Buffer; payload: Buffer; pages: number }[] = [];
    let done: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => (done = resolve));
    const listener = await server(() => ({
      onRecord: (record) => {
        const [header, ...rest] = record.chunks;
        records.push({ header: Buffer.from(header ?? []), payload: Buffer.concat(rest), pages: record.bufs.length });
        record.unref();
        if (records.length === 3) done();
      },
      onClose: () => undefined,
    }));
    const transport = await client(listener.address);
    for (let xid = 1; xid <= 3; xid++) transport.send(writeCall(xid, cred, xdata), IoVec.from(pattern(size, xid)));
    await arrived;
    records.forEach((record, i) => {
      expect(record.pages).toBe(1);
      expect(record.header.equals(writeCall(i + 1, cred, xdata))).toBe(true);
      expect(record.payload.equals(pattern(size, i + 1))).toBe(true);
    });
  });

  it('finds the payload of READ replies by the calls that were sent, and forgets answered ones', async () => {
    const listener = await server((transport) => ({
      onRecord: (record) => {
        const header = Buffer.from(record.chunks[0] ?? []);
        const xid = header.readUInt32BE(0);
        transport.send(readReply(xid, 0), IoVec.from(pattern(xid % 2 === 0 ? 100 : 131072, xid)));
        record.unref();
      },
      onClose: () => undefined,
    }));
    const calls = 300;
    let count = 0;
    let done: () => void = () => undefined;
    const all = new Promise<void>((resolve) => (done = resolve));
    const transport = await client(listener.address, {
      onRecord: (record) => {
        const bytes = Buffer.from(record.toUint8Array());
        const xid = bytes.readUInt32BE(0);
        const size = xid % 2 === 0 ? 100 : 131072;
        expect(record.bufs.length).toBe(size > 4096 ? 1 : 0);
        expect(record.chunks[0]?.length).toBe(size > 4096 ? 196 : 296);
        expect(bytes.subarray(196).equals(pattern(size, xid))).toBe(true);
        record.unref();
        if (++count === calls) done();
      },
    });
    for (let xid = 1; xid <= calls; xid++) transport.send(readCall(xid));
    await all;
  });

  it('joins fragments, and takes bytes one at a time', async () => {
    let done: (bytes: Buffer) => void = () => undefined;
    const arrived = new Promise<Buffer>((resolve) => (done = resolve));
    const listener = await server(() => ({
      onRecord: (record) => {
        done(Buffer.from(record.toUint8Array()));
        record.unref();
      },
      onClose: () => undefined,
    }));
    const port = 'port' in listener.address ? listener.address.port : 0;
    const socket = net.connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    const record = pattern(50);
    const stream = Buffer.concat([u32(16), record.subarray(0, 16), u32(16), record.subarray(16, 32), u32(0x80000000 | 18), record.subarray(32)]);
    for (const byte of stream) {
      socket.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await arrived).equals(record)).toBe(true);
    socket.destroy();
  });

  it('closes a connection whose record is over the limit, and no other', async () => {
    let closed: (error: Error | undefined) => void = () => undefined;
    const over = new Promise<Error | undefined>((resolve) => (closed = resolve));
    const listener = await server(() => ({ onRecord: (record) => record.unref(), onClose: (error) => closed(error) }));
    const port = 'port' in listener.address ? listener.address.port : 0;
    const good = await client(listener.address);
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(u32(0x80000000 | 0x7fffffff, 1, 2, 3));
    expect(await over).toMatchObject({ code: 'EMSGSIZE' });
    expect(good.connected).toBe(true);
    socket.destroy();
  });

  it('gives a half-received payload’s page back when the connection breaks', async () => {
    let closed: () => void = () => undefined;
    const over = new Promise<void>((resolve) => (closed = resolve));
    const listener = await server(() => ({ onRecord: (record) => record.unref(), onClose: () => closed() }));
    const port = 'port' in listener.address ? listener.address.port : 0;
    const socket = net.connect(port, '127.0.0.1');
    const call = writeCall(1, 0, 0);
    socket.write(Buffer.concat([u32(0x80000000 | (call.length + 131072)), call, pattern(60000)]));
    await expect.poll(() => iobufs.active).toBe(1);
    socket.destroy();
    await over;
  });

  it('queues what the socket does not take, tells when the queue has drained, and lets go of the pages', async () => {
    let total = 0;
    const listener = await server((transport) => {
      transport.pause();
      setTimeout(() => transport.resume(), 50);
      return {
        onRecord: (record) => {
          total += record.size;
          record.unref();
        },
        onClose: () => undefined,
      };
    });
    let drained: () => void = () => undefined;
    const drain = new Promise<void>((resolve) => (drained = resolve));
    const transport = await client(listener.address, { onDrain: () => drained() });
    const records = 64;
    for (let i = 0; i < records; i++) {
      const page = iobufs.get(1 << 20);
      const vector = new IoVec([page.memory], [page]);
      transport.send(u32(i, 9, 9, 9), vector);
      vector.unref();
    }
    expect(transport.queuedBytes).toBe(records * (20 + (1 << 20)));
    await drain;
    await expect.poll(() => total).toBe(records * (16 + (1 << 20)));
    expect(transport.queuedBytes).toBe(0);
  });

  it('tells why a connection could not be made', async () => {
    const listener = await server(echo);
    const address = listener.address;
    await listeners.pop()?.close();
    await expect(client(address)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(client({ path: '/nonexistent/socket' })).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(client({ host: 'no-such-host.invalid', port: 1 })).rejects.toThrow();
    await expect(network.listen({ host: '203.0.113.1', port: 1 }, echo)).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
  });

  it('reports a taken port with EADDRINUSE', async () => {
    const listener = await server(echo);
    await expect(network.listen(listener.address, echo)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('binds a port by searching downwards when asked to', async () => {
    let peer = '';
    const listener = await server((transport) => {
      peer = transport.peer;
      return echo(transport);
    });
    await new Promise<void>((resolve, reject) => {
      const transport = network.connect(listener.address, { onConnect: () => resolve(), onRecord: (r) => r.unref(), onClose: (e) => reject(e ?? new Error('closed')) }, { bind: { port: -1 } });
      transports.push(transport);
    });
    await expect.poll(() => peer).not.toBe('');
    const port = Number(peer.split(':').pop());
    expect(port).toBeGreaterThan(1024);
    expect(port).toBeLessThanOrEqual(49151);
  });

  it.each(['while records come and go', 'while nothing comes'])('leaves timers, immediates, files, threads and processes their turn %s', async (when) => {
    const listener = await server(echo);
    let turns = 0;
    let open = true;
    const transport = await client(listener.address, {
      onRecord: (record, from) => {
        turns++;
        if (open) from.send(pattern(100));
        record.unref();
      },
    });
    if (when === 'while records come and go') transport.send(pattern(100));
    await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setImmediate(resolve));
    expect((await readFile(import.meta.filename)).length).toBeGreaterThan(0);
    expect((await promisify(execFile)('echo', ['here'])).stdout).toBe('here\n');
    const sums = await Promise.all(Array.from({ length: 20 }, (_, i) => promisify(pbkdf2)('secret', `salt ${i}`, 10, 16, 'sha256')));
    expect(sums).toHaveLength(20);
    let fired = 0;
    const timer = setInterval(() => fired++, 1);
    await expect.poll(() => fired, { timeout: 60_000 }).toBeGreaterThan(3);
    clearInterval(timer);
    open = false;
    if (when === 'while records come and go') expect(turns).toBeGreaterThan(10);
  });

  it('may be closed from inside a record’s handler, and opened again, without mixing ids up', async () => {
    const listener = await server(echo);
    for (let round = 0; round < 20; round++) {
      await new Promise<void>((resolve) => {
        const transport = network.connect(listener.address, {
          onConnect: () => {
            for (let i = 0; i < 10; i++) transport.send(pattern(100));
          },
          onRecord: (record) => {
            record.unref();
            transport.destroy();
          },
          onClose: () => resolve(),
        });
      });
    }
  });

  it('takes no processor time when it rests after a lively exchange, and none from timers', async () => {
    const listener = await server(echo);
    let left = 3000;
    let done: () => void = () => undefined;
    const over = new Promise<void>((resolve) => (done = resolve));
    const transport = await client(listener.address, {
      onRecord: (record) => {
        record.unref();
        if (--left > 0) transport.send(pattern(100));
        else done();
      },
    });
    transport.send(pattern(100));
    await over;
    const before = process.cpuUsage();
    const begin = performance.now();
    await promisify(setTimeout)(500);
    expect(performance.now() - begin).toBeGreaterThan(490);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(250);
  });
});
