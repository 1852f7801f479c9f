import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { IoVec, type Listener, type Transport, type TransportHandlers, nativeAddonPath, portableForced } from '../src/index.js';
import { NativeNetwork } from '../src/platform/native-network.js';
import type { NativeEventPoolConstructor } from '../src/platform/native-transport.js';
import { CountingPool, noTls, pattern, u32, writeCall } from './wire-records.js';

const addonPath = nativeAddonPath();
const missing = portableForced() ? 'GLUSTERTS_PORTABLE=1' : addonPath === undefined ? 'the native addon is not built' : undefined;
if (missing) console.warn(`tests of event threads skipped: ${missing}`);

const MIB = 1 << 20;
/** Names of this process's threads that move payloads, as the kernel has them. */
const threadNames = (): string[] => readdirSync('/proc/self/task').flatMap((task) => {
  try {
    return [readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim()];
  } catch {
    return []; // gone since
  }
}).filter((name) => name.startsWith('glfs_epoll')).sort();

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe.skipIf(missing !== undefined)('event threads', () => {
  const { EventPool } = createRequire(import.meta.url)(addonPath ?? '') as { EventPool: NativeEventPoolConstructor };
  const iobufs = new CountingPool();
  const network = new NativeNetwork(EventPool, iobufs, noTls);
  const owner = {};
  const listeners: Listener[] = [];
  const transports: Transport[] = [];
  const sockets: net.Socket[] = [];

  afterEach(async () => {
    for (const transport of transports.splice(0)) transport.destroy();
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const listener of listeners.splice(0)) await listener.close();
    network.setEventThreads(owner, 1);
    await until(() => iobufs.active === 0 && threadNames().length === 0);
  });

  async function server(handlers: (transport: Transport) => TransportHandlers, address: { host: string; port: number } | { path: string } = { host: '127.0.0.1', port: 0 }, options = {}): Promise<Listener> {
    const listener = await network.listen(address, (transport) => {
      transports.push(transport);
      return handlers(transport);
    }, options);
    listeners.push(listener);
    return listener;
  }

  function client(address: Listener['address'], handlers: Partial<TransportHandlers> = {}): Promise<Transport> {
    return new Promise((resolve, reject) => {
      transports.push(network.connect(address, {
        onConnect: (it) => resolve(it),
        onRecord: (record) => record.unref(),
        onClose: (error) => reject(error ?? new Error('closed')),
        ...handlers,
      }));
    });
  }

  /** A peer of its own: plain bytes, in and out. */
  async function rawPeer(address: Listener['address']): Promise<net.Socket> {
    const socket = 'path' in address ? net.connect(address.path) : net.connect(address.port);
    socket.on('error', () => undefined);
    sockets.push(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
    return socket;
  }

  const echo = (transport: Transport): TransportHandlers => ({
    onRecord: (record) => {
      transport.send(Buffer.from(record.chunks[0] ?? []), new IoVec(record.chunks.slice(1), record.bufs));
      record.unref();
    },
    onClose: () => undefined,
  });

  const page = (bytes: Buffer): IoVec => {
    const iobuf = iobufs.get(bytes.length);
    iobuf.memory.set(bytes);
    return new IoVec([iobuf.memory], [iobuf]);
  };

  it('are as many as the owner that wants most wants, less the loop\'s own, and none when nobody does', async () => {
    const other = {};
    expect(threadNames()).toEqual([]);
    expect(network.setEventThreads(owner, 3)).toBe(3);
    await until(() => threadNames().length === 2);
    expect(threadNames()).toEqual(['glfs_epoll001', 'glfs_epoll002']);
    expect(network.setEventThreads(other, 5)).toBe(5);
    await until(() => threadNames().length === 4);
    expect(network.setEventThreads(owner, 1)).toBe(5);
    expect(network.setEventThreads(other, 2)).toBe(2);
    await until(() => threadNames().length === 1);
    expect(network.setEventThreads(other, 1)).toBe(1);
    await until(() => threadNames().length === 0);
    for (let round = 0; round < 20; round++) network.setEventThreads(other, 1 + (round % 5));
    await until(() => threadNames().length === 4);
    network.setEventThreads(other, 1);
  });

  it('block every signal', async () => {
    network.setEventThreads(owner, 2);
    await until(() => threadNames().length === 1);
    const blocked = readdirSync('/proc/self/task').map((task) => readFileSync(`/proc/self/task/${task}/status`, 'latin1')).filter((status) => status.includes('glfs_epoll')).map((status) => /SigBlk:\t([0-9a-f]+)/.exec(status)?.[1]);
    // All but SIGKILL, SIGSTOP and the two that the C library keeps.
    expect(blocked).toEqual(['fffffffe7ffbfeff']);
  });

  it.each([1, 2, 4].flatMap((threads) => [
    { threads, over: 'TCP', address: { host: '127.0.0.1', port: 0 } },
    { threads, over: 'a unix socket', address: { path: path.join(tmpdir(), `glusterts-threads-${process.pid}.sock`) } },
  ]))('$threads: carry records of 1 MiB both ways, byte for byte, over $over', async ({ threads, address }) => {
    if ('path' in address) rmSync(address.path, { force: true });
    network.setEventThreads(owner, threads);
    const listener = await server(echo, address);
    const received: Buffer[] = [];
    const transport = await client(listener.address, {
      onRecord: (record) => {
        expect(record.bufs.length).toBe(1);
        received.push(Buffer.concat(record.chunks));
        record.unref();
      },
    });
    const sizes = [MIB, MIB, 65536, 70_000, MIB, 4096, 3 * MIB, 200_000, MIB];
    sizes.forEach((size, xid) => {
      const payload = page(pattern(size, xid));
      transport.send(writeCall(xid, 88, 0), payload);
      payload.unref();
    });
    await until(() => received.length === sizes.length);
    received.forEach((bytes, xid) => expect(bytes.equals(Buffer.concat([writeCall(xid, 88, 0), pattern(sizes[xid] ?? 0, xid)]))).toBe(true));
    expect(transport.queuedBytes).toBe(0);
    if ('path' in address) rmSync(address.path, { force: true });
  });

  it('serve 64 connections at once while their number changes', async () => {
    const listener = await server(echo);
    const counts = new Array<number>(64).fill(0);
    const peers = await Promise.all(counts.map((_, i) => client(listener.address, {
      onRecord: (record) => {
        const payload = Buffer.concat(record.chunks.slice(1));
        expect(payload.equals(pattern(payload.length, i))).toBe(true);
        record.unref();
        counts[i] = (counts[i] ?? 0) + 1;
      },
    })));
    for (let round = 0; round < 4; round++) {
      network.setEventThreads(owner, [4, 1, 2, 8][round] ?? 1);
      peers.forEach((transport, i) => transport.send(writeCall(round, 0, 0), IoVec.from(pattern(150_000 + 1000 * i, i))));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => counts.every((count) => count === 4));
  });

  it('take bytes however they are split', async () => {
    network.setEventThreads(owner, 3);
    const sizes = [MIB, 300_000, 65_540, 66_000, 5000, 2 * MIB, 100_000];
    const stream = Buffer.concat(sizes.flatMap((size, xid) => {
      const call = writeCall(xid, 40, 0);
      return [u32(0x80000000 + call.length + size), call, pattern(size, xid)];
    }));
    let seed = 7;
    const random = (limit: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % limit;
    for (let round = 0; round < 12; round++) {
      const received: Buffer[] = [];
      const listener = await server(() => ({
        onRecord: (record) => {
          received.push(Buffer.concat(record.chunks.slice(1)));
          record.unref();
        },
        onClose: () => undefined,
      }));
      const socket = await rawPeer(listener.address);
      for (let at = 0; at < stream.length; ) {
        const size = random(4) === 0 ? random(100) + 1 : random(400_000) + 1;
        await new Promise((resolve) => socket.write(stream.subarray(at, at + size), resolve));
        at += size;
      }
      await until(() => received.length === sizes.length);
      received.forEach((payload, xid) => expect(payload.equals(pattern(sizes[xid] ?? 0, xid))).toBe(true));
      socket.destroy();
    }
  });

  it('give back the page of a payload whose sender closes in the middle of it', async () => {
    network.setEventThreads(owner, 2);
    let ends = 0;
    const listener = await server(() => ({ onRecord: (record) => record.unref(), onClose: () => void ends++ }));
    for (let round = 0; round < 8; round++) {
      const socket = await rawPeer(listener.address);
      const call = writeCall(1, 0, 0);
      await new Promise((resolve) => socket.write(Buffer.concat([u32(0x80000000 + call.length + MIB), call, Buffer.alloc(400_000)]), resolve));
      await until(() => iobufs.active === 1);
      if (round % 2 === 0) socket.end();
      else socket.resetAndDestroy();
      await until(() => ends === round + 1);
      expect(iobufs.active).toBe(0);
    }
  });

  it('hold what is sent to a peer that reads nothing, and let go of it when the connection is destroyed', async () => {
    network.setEventThreads(owner, 2);
    let served: Transport | undefined;
    const listener = await server((transport) => {
      served = transport;
      return { onRecord: (record) => record.unref(), onClose: () => undefined };
    });
    const socket = await rawPeer(listener.address);
    socket.pause();
    await until(() => served !== undefined);
    for (let i = 0; i < 40; i++) {
      const payload = page(pattern(MIB, i));
      served?.send(writeCall(i, 0, 0), payload);
      payload.unref();
    }
    // No thread waits in it: another connection is served.
    const busy = await server(echo);
    let echoed = 0;
    const transport = await client(busy.address, {
      onRecord: (record) => {
        record.unref();
        echoed++;
      },
    });
    for (let i = 0; i < 10; i++) transport.send(writeCall(i, 0, 0), IoVec.from(pattern(MIB)));
    await until(() => echoed === 10);
    expect(iobufs.active).toBeGreaterThan(20);
    served?.destroy();
    await until(() => iobufs.active === 0);
  });

  it('are safe from connections that either side destroys during a transfer', async () => {
    network.setEventThreads(owner, 4);
    for (let round = 0; round < 60; round++) {
      let got = 0;
      let over = 0;
      const served: Transport[] = [];
      const listener = await server((it) => {
        served.push(it);
        return {
          onRecord: (record) => {
            got++;
            echo(it).onRecord(record, it);
          },
          onClose: () => void over++,
        };
      });
      const transport = await client(listener.address, { onClose: () => void over++ });
      for (let i = 0; i < 6; i++) {
        const payload = page(pattern(MIB, i));
        transport.send(writeCall(i, 0, 0), payload);
        payload.unref();
      }
      const turns = round % 7;
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (round % 3 === 0) await until(() => got > 0);
      if (round % 2 === 0) transport.destroy();
      else served[0]?.destroy();
      if (served.length > 0) await until(() => over === 2);
      await until(() => iobufs.active === 0);
    }
  });

  it('go on with the record that had begun when its connection pauses, and no further', async () => {
    network.setEventThreads(owner, 2);
    let got = 0;
    let served: Transport | undefined;
    const listener = await server((transport) => {
      served = transport;
      return {
        onRecord: (record) => {
          record.unref();
          got++;
          transport.pause();
        },
        onClose: () => undefined,
      };
    });
    const transport = await client(listener.address);
    for (let i = 0; i < 8; i++) transport.send(writeCall(i, 0, 0), IoVec.from(pattern(4 * MIB)));
    for (let before = 0; got < 8; before = got) {
      served?.resume();
      await until(() => got > before);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(got).toBeLessThanOrEqual(before + 2);
    }
  });

  it.each([1, 3])('%i: pings are answered between records, never within one', async (threads) => {
    network.setEventThreads(owner, threads);
    const chunk = pattern(900_000);
    const listener = await server((transport) => ({
      onRecord: (record) => {
        const xid = Buffer.from(record.chunks[0] ?? []).readUInt32BE(0);
        record.unref();
        // A ping that the transport leaves to its owner has a reply like its own.
        if (xid >= 1000) transport.send(u32(xid, 1, 0, 0, 0, 0, 0, 0, 0));
        else for (let i = 0; i < 4; i++) transport.send(writeCall(xid * 4 + i, 0, 0), new IoVec([chunk, chunk, chunk]));
      },
      onClose: () => undefined,
    }), { host: '127.0.0.1', port: 0 }, { answerPings: true });
    let pongs = 0;
    let records = 0;
    const transport = await client(listener.address, {
      onRecord: (record) => {
        const header = Buffer.from(record.chunks[0] ?? []);
        if (header.readUInt32BE(4) === 1) pongs++;
        else {
          records++;
          expect(Buffer.concat(record.chunks.slice(1)).equals(Buffer.concat([chunk, chunk, chunk]))).toBe(true);
        }
        record.unref();
      },
      onClose: (error) => expect.unreachable(String(error)),
    });
    const ping = (xid: number): Buffer => u32(xid, 0, 2, 123451501, 1, 2, 0, 0, 0, 0);
    const rounds = 12;
    for (let round = 0; round < rounds; round++) {
      transport.send(u32(round, 0, 2, 1, 1, 1, 0, 0, 0, 0));
      for (let i = 0; i < 20; i++) {
        transport.send(ping(1000 + round * 20 + i));
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    await until(() => pongs === rounds * 20 && records === rounds * 4);
    transport.handlers = { onRecord: (record) => record.unref(), onClose: () => undefined };
  });

  it('sends a record of more pieces than a gather takes, after others', async () => {
    const listener = await server(echo);
    const received: Buffer[] = [];
    const transport = await client(listener.address, {
      onRecord: (record) => {
        received.push(Buffer.concat(record.chunks));
        record.unref();
      },
    });
    const pieces = Array.from({ length: 3000 }, (_, i) => pattern(50, i));
    transport.send(pattern(1000));
    transport.send(pattern(20), new IoVec(pieces));
    transport.send(pattern(2000));
    await until(() => received.length === 3);
    expect(received.map((bytes) => bytes.length)).toEqual([1000, 150_020, 2000]);
    expect(received[1]?.equals(Buffer.concat([pattern(20), ...pieces]))).toBe(true);
    await until(() => transport.queuedBytes === 0);
  });
});

describe('event threads in a C program of random traffic', () => {
  const sources = path.resolve(import.meta.dirname, '../native/src');
  const folder = mkdtempSync(path.join(tmpdir(), 'event-threads-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const files = ['event_pool.c', 'event_pool_framing.c', 'event_pool_threads.c', 'stream_socket.c', 'bulk_threads.c', 'brief_wait.c', 'processor_idling.c', 'rpc_payload.c', 'ping_answer.c'].map((file) => path.join(sources, file));

  /** The program under a sanitizer; undefined where there is none. */
  function build(sanitizer: string): string | undefined {
    const empty = path.join(folder, 'empty.c');
    const binary = path.join(folder, sanitizer);
    if (spawnSync('sh', ['-c', `echo 'int main(void) { return 0; }' > ${empty} && cc -fsanitize=${sanitizer} -o ${binary} ${empty} -lpthread && ${binary}`]).status !== 0) return undefined;
    execFileSync('cc', ['-g', '-O1', '-std=gnu11', '-D_GNU_SOURCE', `-fsanitize=${sanitizer}`, `-I${sources}`, '-o', binary, path.join(import.meta.dirname, 'event-threads.c'), ...files, '-lpthread'], { timeout: 300_000 });
    return binary;
  }

  it.skipIf(process.platform !== 'linux').each([['address,undefined', 4], ['thread', 2]])('touch no memory that is not theirs, and wait for their turn (-fsanitize=%s)', (sanitizer, rounds) => {
    const binary = build(sanitizer);
    if (binary === undefined) {
      console.warn(`no cc that has -fsanitize=${sanitizer}: skipped`);
      return;
    }
    const seed = Number(process.env['FUZZ_SEED'] ?? 1);
    expect(execFileSync(binary, [String(seed), String(rounds)], { encoding: 'utf8', timeout: 300_000 })).toMatch(/^echoed \d+/);
  }, 600_000);
});
