import { createRequire } from 'node:module';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ArenaIobufPool } from '../src/iobuf-pool.js';
import { IoVec, type Listener, type Network, type Transport, type TransportHandlers } from '../src/index.js';
import { localPathName } from '../src/platform/local-path.js';
import { NativeNetwork } from '../src/platform/native-network.js';
import type { NativeEventPoolConstructor } from '../src/platform/native-transport.js';

const addonPath = path.resolve(import.meta.dirname, '../native/build/Release/glusterts_native.node');
const missing = process.env['GLUSTERTS_PORTABLE'] === '1' ? 'GLUSTERTS_PORTABLE=1' : existsSync(addonPath) ? undefined : 'the native addon is not built';
if (missing) console.warn(`tests of the local path skipped: ${missing}`);

const noTls: Network = {
  connect: () => {
    throw new Error('no TLS here');
  },
  listen: () => Promise.reject(new Error('no TLS here')),
};

const echo: TransportHandlers = {
  onRecord: (record, transport) => {
    transport.send(Buffer.concat(record.chunks));
    record.unref();
  },
  onClose: () => undefined,
};

/** Unix connections of this machine that were accepted under a port's name. */
function unixConnections(port: number): number {
  const name = localPathName(port).toString('latin1').replace('\0', '@');
  return readFileSync('/proc/net/unix', 'latin1').split('\n').filter((line) => line.endsWith(` ${name}`) && line.split(/ +/)[5] === '03').length;
}

describe.skipIf(missing !== undefined)('the local path', () => {
  const iobufs = new ArenaIobufPool();
  const network = missing ? noTls : new NativeNetwork((createRequire(import.meta.url)(addonPath) as { EventPool: NativeEventPoolConstructor }).EventPool, iobufs, noTls);
  const listeners: Listener[] = [];
  const accepted: Transport[] = [];
  const connected: Transport[] = [];

  afterEach(async () => {
    for (const transport of [...accepted.splice(0), ...connected.splice(0)]) transport.destroy();
    for (const listener of listeners.splice(0)) await listener.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(iobufs.active).toBe(0);
  });

  async function listen(localPath: boolean, handlers: TransportHandlers = echo): Promise<{ host: string; port: number }> {
    const listener = await network.listen(
      { host: '127.0.0.1', port: 0 },
      (transport) => {
        accepted.push(transport);
        return handlers;
      },
      { localPath },
    );
    listeners.push(listener);
    return listener.address as { host: string; port: number };
  }

  function connect(address: { host: string; port: number }, localPath: boolean, handlers: Partial<TransportHandlers> = {}): Promise<Transport> {
    return new Promise((resolve, reject) => {
      const all: TransportHandlers = { onRecord: (record) => record.unref(), onClose: (error) => reject(error ?? new Error('closed')), ...handlers, onConnect: resolve };
      connected.push(network.connect(address, all, { localPath }));
    });
  }

  function ask(transport: Transport, bytes: Uint8Array): Promise<Buffer> {
    return new Promise((resolve) => {
      transport.handlers = {
        ...transport.handlers,
        onRecord: (record) => {
          resolve(Buffer.concat(record.chunks));
          record.unref();
        },
      };
      transport.send(bytes);
    });
  }

  it('carries records between processes of one machine, and both keep the addresses of TCP', async () => {
    const address = await listen(true);
    const transport = await connect(address, true);
    expect(unixConnections(address.port)).toBe(1);
    expect(transport.peer).toBe(`127.0.0.1:${address.port}`);
    expect(accepted.map(({ peer }) => peer)).toEqual([transport.local]);
    const large = Buffer.alloc(5 << 20, 'abcdefghijk');
    expect((await ask(transport, Buffer.from('small'))).toString()).toBe('small');
    expect((await ask(transport, large)).equals(large)).toBe(true);
    transport.send(Buffer.from('header'), new IoVec([large.subarray(0, 100_000)]));
  });

  it.each([
    [true, false],
    [false, true],
    [false, false],
  ])('is not taken unless both want it: who listens %s, who connects %s', async (server, client) => {
    const address = await listen(server);
    const transport = await connect(address, client);
    expect(unixConnections(address.port)).toBe(0);
    expect((await ask(transport, Buffer.from('by TCP'))).toString()).toBe('by TCP');
  });

  it('is taken by each of many connections for itself', async () => {
    const address = await listen(true);
    const transports = await Promise.all(Array.from({ length: 50 }, () => connect(address, true)));
    expect(unixConnections(address.port)).toBe(50);
    const answers = await Promise.all(transports.map((transport, i) => ask(transport, Buffer.from(`number ${i}`))));
    expect(answers.map(String)).toEqual(transports.map((_, i) => `number ${i}`));
  });

  it.each(['connected', 'listens'])('ends for both when the side that %s closes, after what it had sent', async (who) => {
    let closed = 0;
    const records: string[] = [];
    const noting: TransportHandlers = {
      onRecord: (record) => {
        records.push(Buffer.concat(record.chunks).toString());
        record.unref();
      },
      onClose: () => void closed++,
    };
    const address = await listen(true, noting);
    const transport = await connect(address, true, noting);
    const [server] = accepted;
    const [closing, other] = who === 'connected' ? [transport, server] : [server, transport];
    for (let i = 0; i < 100; i++) closing?.send(Buffer.from(`last words ${i}`));
    closing?.end();
    await expect.poll(() => closed, { timeout: 60_000 }).toBe(2);
    expect(records).toEqual(Array.from({ length: 100 }, (_, i) => `last words ${i}`));
    expect(other?.connected).toBe(false);
    await expect.poll(() => unixConnections(address.port), { timeout: 60_000 }).toBe(0);
  });

  it('is done without when who has the name does not answer', async () => {
    const address = await listen(false);
    listeners.push(await network.listen({ path: localPathName(address.port).toString('latin1') }, () => ({ onRecord: (record) => record.unref(), onClose: () => undefined })));
    const transport = await connect(address, true);
    expect((await ask(transport, Buffer.from('by TCP after all'))).toString()).toBe('by TCP after all');
  });

  it('is given to nobody who does not own the TCP connection', async () => {
    const address = await listen(true);
    const victim = await connect(address, false);
    const nonces: Buffer[] = [];
    const thief = await new Promise<Transport>((resolve) => {
      const path = localPathName(address.port).toString('latin1');
      connected.push(network.connect({ path }, { onConnect: resolve, onRecord: (record) => void nonces.push(Buffer.concat(record.chunks)), onClose: () => undefined }));
    });
    thief.send(Buffer.concat([Buffer.from('glusterts local path 2\0'), Buffer.from(victim.local)]));
    await expect.poll(() => nonces.length).toBe(1);
    // The victim's own records go on by TCP, and the thief is thrown out at the first.
    expect((await ask(victim, Buffer.from('mine'))).toString()).toBe('mine');
    await expect.poll(() => thief.connected).toBe(false);
    expect(nonces).toHaveLength(1);
  });

  it('closes a connection that makes a wrong claim', async () => {
    const address = await listen(true);
    const socket = net.connect(address.port, address.host);
    await new Promise((resolve) => socket.once('connect', resolve));
    const nonces: Buffer[] = [];
    const side = await new Promise<Transport>((resolve) => {
      const path = localPathName(address.port).toString('latin1');
      connected.push(network.connect({ path }, { onConnect: resolve, onRecord: (record) => void nonces.push(Buffer.concat(record.chunks)), onClose: () => undefined }));
    });
    side.send(Buffer.concat([Buffer.from('glusterts local path 2\0'), Buffer.from(`127.0.0.1:${socket.localPort ?? 0}`)]));
    await expect.poll(() => nonces.length).toBe(1);
    const claim = Buffer.concat([Buffer.from('glusterts local claim 2\0'), Buffer.alloc(16)]);
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE((0x80000000 | claim.length) >>> 0);
    const ended = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    socket.resume();
    socket.write(Buffer.concat([mark, claim]));
    await ended;
  });

  it('passes descriptors of files in their place among the records, also while the socket is full', async () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'descriptors-'));
    const address = await listen(true);
    const seen: string[] = [];
    const transport = await connect(address, true, {
      onRecord: (record, from) => {
        const bytes = Buffer.concat(record.chunks);
        record.unref();
        if (bytes.length !== 4) return void seen.push(`${bytes.length} bytes`);
        const descriptor = from.takeDescriptor?.(bytes.readUInt32BE());
        if (descriptor === undefined) return void seen.push('nothing');
        seen.push(readFileSync(descriptor, 'utf8'));
        closeSync(descriptor);
      },
    });
    const [server] = accepted;
    expect(transport.passesDescriptors).toBe(true);
    expect(server?.passesDescriptors).toBe(true);
    const expected: string[] = [];
    const numbers: number[] = [];
    transport.pause();
    for (let i = 0; i < 40; i++) {
      const file = path.join(directory, String(i));
      writeFileSync(file, `file ${i}`);
      const number = server?.passDescriptor?.(openSync(file, 'r')) ?? -1;
      numbers.push(number);
      // 8 MB in all: more than the socket takes at once.
      server?.send(Buffer.alloc(200_000 + i));
      const name = Buffer.alloc(4);
      name.writeUInt32BE(number);
      server?.send(name);
      expected.push(`${200_000 + i} bytes`, `file ${i}`);
    }
    await new Promise((resolve) => setImmediate(resolve));
    transport.resume();
    await expect.poll(() => seen.length, { timeout: 60_000 }).toBe(expected.length);
    expect(seen).toEqual(expected);
    expect(new Set(numbers).size).toBe(40);
    // One that nobody takes is closed with the connection, and one that can't be sent any more as well.
    server?.passDescriptor?.(openSync(path.join(directory, '0'), 'r'));
    await expect.poll(() => openIn(directory)).toBe(1);
    transport.destroy();
    await expect.poll(() => server?.connected).toBe(false);
    server?.passDescriptor?.(openSync(path.join(directory, '0'), 'r'));
    expect(openIn(directory)).toBe(0);
    rmSync(directory, { recursive: true });
  });

  it('passes none by TCP', async () => {
    const transport = await connect(await listen(false), true);
    expect(transport.passesDescriptors).toBe(false);
    expect(transport.takeDescriptor?.(0)).toBeUndefined();
  });
});

/** Descriptors of this process for files in a directory. */
function openIn(directory: string): number {
  return readdirSync('/proc/self/fd').filter((number) => {
    try {
      return readlinkSync(`/proc/self/fd/${number}`).startsWith(directory);
    } catch {
      return false;
    }
  }).length;
}
