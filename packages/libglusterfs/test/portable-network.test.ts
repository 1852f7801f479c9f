import { execFileSync, spawnSync } from 'node:child_process';
import { lstatSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Iobuf, IoVec, type Network, RECORD_SIZE_LIMIT, RecordFramer, RecordMarkError, type SocketOptions, type TlsOptions, type Transport, createPortableNetwork } from '../src/index.js';
import { LocalPortSearch } from '../src/platform/local-port.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

class CountedBuf implements Iobuf {
  readonly memory: Uint8Array;
  refs = 1;
  freed: () => void = () => {};

  constructor(size: number) {
    this.memory = new Uint8Array(size);
  }

  ref(): void {
    this.refs++;
  }

  unref(): void {
    if (--this.refs === 0) this.freed();
  }
}

/** Two ends of a connection, and the records that come to each. */
async function pair(network: Network, options: { server?: SocketOptions; client?: SocketOptions } = {}) {
  const records: { near: Buffer[]; far: Buffer[] } = { near: [], far: [] };
  let wake: () => void = () => {};
  let far: Transport | undefined;
  const closed: { near?: Error | undefined; far?: Error | undefined; count: number } = { count: 0 };
  const side = (name: 'near' | 'far') => ({
    onRecord(record: IoVec) {
      records[name].push(Buffer.from(record.toUint8Array()));
      record.unref();
      wake();
    },
    onClose(error: Error | undefined) {
      closed[name] = error;
      closed.count++;
      wake();
    },
  });
  const listener = await network.listen(
    { host: '127.0.0.1', port: 0 },
    (transport) => {
      far = transport;
      wake();
      return side('far');
    },
    options.server,
  );
  cleanups.push(() => listener.close());
  const near = network.connect(listener.address, { ...side('near'), onConnect: () => wake() }, options.client);
  cleanups.push(() => near.destroy());
  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) await new Promise<void>((resolve) => (wake = resolve));
  };
  await until(() => (far !== undefined && near.connected) || closed.count > 0);
  if (!far) throw closed.near ?? new Error('closed');
  return { near, far, records, closed, until };
}

describe('the portable network', () => {
  it('carries records both ways, in order, sent before and after the connection stands', async () => {
    const { near, far, records, until } = await pair(createPortableNetwork());
    for (let i = 0; i < 1000; i++) near.send(Buffer.from(`record ${i}`));
    far.send(Buffer.from('answer'));
    await until(() => records.far.length === 1000 && records.near.length === 1);
    expect(records.far.map(String)).toEqual(Array.from({ length: 1000 }, (_, i) => `record ${i}`));
    expect(String(records.near[0])).toBe('answer');
    expect(near.queuedBytes).toBe(0);
  });

  it('holds a reference on a payload until it has left, and no longer', async () => {
    const { near, records, until } = await pair(createPortableNetwork());
    const buf = new CountedBuf(300_000);
    buf.memory.fill(7);
    const freed = new Promise<void>((resolve) => (buf.freed = resolve));
    near.send(Buffer.from('head'), new IoVec([buf.memory.subarray(0, 100_000), buf.memory.subarray(100_000)], [buf]));
    expect(buf.refs).toBe(2);
    buf.unref();
    await freed;
    await until(() => records.far.length === 1);
    expect(records.far[0]?.length).toBe(300_004);
    expect(records.far[0]?.subarray(4).every((byte) => byte === 7)).toBe(true);
  });

  it('lets go of payloads when the connection is destroyed before they left', async () => {
    const { near, far, until, closed } = await pair(createPortableNetwork());
    far.pause();
    const bufs = Array.from({ length: 64 }, () => new CountedBuf(1 << 20));
    for (const buf of bufs) {
      near.send(Buffer.from('head'), new IoVec([buf.memory], [buf]));
      buf.unref();
    }
    expect(near.queuedBytes).toBeGreaterThan(60 << 20);
    near.destroy();
    await until(() => closed.count === 2);
    expect(bufs.map((buf) => buf.refs)).toEqual(bufs.map(() => 0));
  });

  it('stops reading when paused, and tells when the queue has drained', async () => {
    const { near, far, records, until } = await pair(createPortableNetwork());
    far.pause();
    let drained = 0;
    near.handlers = { ...near.handlers, onRecord() {}, onClose() {}, onDrain: () => drained++ };
    for (let i = 0; i < 64; i++) near.send(Buffer.alloc(1 << 20));
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(records.far.length).toBeLessThan(64);
    expect(near.queuedBytes).toBeGreaterThan(0);
    far.resume();
    await until(() => records.far.length === 64);
    while (drained === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    expect(near.queuedBytes).toBe(0);
  });

  it('sends what is queued before it ends', async () => {
    const { near, records, until, closed } = await pair(createPortableNetwork());
    near.send(Buffer.alloc(5_000_000, 1));
    near.end();
    await until(() => closed.count === 2);
    expect(records.far[0]?.length).toBe(5_000_000);
    expect(closed).toMatchObject({ near: undefined, far: undefined });
  });

  it('binds local ports downwards as GlusterFS does, each connection another one', async () => {
    const network = createPortableNetwork();
    const ports: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { near } = await pair(network, { client: { bind: { port: -1 } } });
      ports.push(Number(near.local.split(':')[1]));
    }
    expect(ports.every((port) => port <= 49151 && port > 1024)).toBe(true);
  });

  it('refuses a record larger than the limit that it was given', async () => {
    const { near, until, closed } = await pair(createPortableNetwork(), { server: { recordSizeMax: 1000 } });
    near.send(Buffer.alloc(1000));
    await until(() => closed.count === 2);
    expect(closed.far).toBeInstanceOf(RecordMarkError);
  });

  it('listens where a dead process left its socket file', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'net-'));
    cleanups.push(() => rmSync(dir, { recursive: true }));
    const path = join(dir, 's');
    spawnSync(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`]);
    expect(lstatSync(path).isSocket()).toBe(true);
    const listener = await createPortableNetwork().listen({ path }, () => ({ onRecord() {}, onClose() {} }));
    await listener.close();
  });

  it('an address in use rejects with its errno', async () => {
    const network = createPortableNetwork();
    const listener = await network.listen({ host: '127.0.0.1', port: 0 }, () => ({ onRecord() {}, onClose() {} }));
    cleanups.push(() => listener.close());
    await expect(network.listen(listener.address, () => ({ onRecord() {}, onClose() {} }))).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});

const noOpenssl = spawnSync('openssl', ['version']).status === 0 ? undefined : 'no openssl to make certificates with';
if (noOpenssl) console.warn(`TLS: skipped: ${noOpenssl}`);

describe.skipIf(noOpenssl !== undefined)('the portable network over TLS', () => {
  function certificates(): { good: TlsOptions; stranger: TlsOptions } {
    const dir = mkdtempSync(join(tmpdir(), 'tls-'));
    cleanups.push(() => rmSync(dir, { recursive: true }));
    const make = (name: string): TlsOptions => {
      const key = join(dir, `${name}.key`);
      const cert = join(dir, `${name}.pem`);
      execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', `/CN=${name}`], { stdio: 'ignore' });
      return { cert, key, ca: cert };
    };
    return { good: make('storage-node'), stranger: make('stranger') };
  }

  it('carries records, and tells the name in the certificate', async () => {
    const { good } = certificates();
    const { near, far, records, until } = await pair(createPortableNetwork(), { server: { tls: good }, client: { tls: good } });
    near.send(Buffer.from('secret'));
    await until(() => records.far.length === 1);
    expect(String(records.far[0])).toBe('secret');
    expect(far.peerCommonName).toBe('storage-node');
  });

  it('closes on a peer whose certificate the CA did not sign, and on one without TLS', async () => {
    const { good, stranger } = certificates();
    await expect(pair(createPortableNetwork(), { server: { tls: good }, client: { tls: { ...stranger, ca: good.ca } } }).then(async ({ closed, until }) => {
      await until(() => closed.count > 0);
      throw new Error('closed');
    })).rejects.toThrow();
    const network = createPortableNetwork();
    const listener = await network.listen({ host: '127.0.0.1', port: 0 }, () => ({ onRecord() {}, onClose() {} }), { tls: good });
    cleanups.push(() => listener.close());
    await new Promise<void>((resolve) => {
      const plain = network.connect(listener.address, { onRecord() {}, onClose: () => resolve(), onConnect: (transport) => transport.send(Buffer.from('hello')) });
      cleanups.push(() => plain.destroy());
    });
  });
});

describe('the search for a local port', () => {
  const take = (search: LocalPortSearch, count: number): (number | undefined)[] => Array.from({ length: count }, () => search.next());

  it('goes down from 49151 and leaves reserved ports out', () => {
    expect(take(new LocalPortSearch(true, [[49149, 49150]]), 3)).toEqual([49151, 49148, 49147]);
  });

  it('without insecure ports goes down from 1023 first', () => {
    const all = take(new LocalPortSearch(false, []), 1024);
    expect(all.slice(0, 2)).toEqual([1023, 1022]);
    expect(all.slice(1022)).toEqual([1, 49151]);
  });

  it('ends, and the kernel chooses then', () => {
    const all = take(new LocalPortSearch(true, [[1025, 49150]]), 2);
    expect(all).toEqual([49151, undefined]);
  });
});

describe('record marks', () => {
  const frame = (sizeMax: number, pieces: Buffer[]): string[] => {
    const records: string[] = [];
    const framer = new RecordFramer(sizeMax, (record) => records.push(record.toString('hex')));
    for (const piece of pieces) framer.push(piece);
    return records;
  };

  it('records come out the same however the stream is cut', () => {
    const stream = Buffer.from('80000002aabb' + '00000001cc' + '00000000' + '80000002ddee' + '80000000' + '80000001ff', 'hex');
    const whole = frame(RECORD_SIZE_LIMIT, [stream]);
    expect(whole).toEqual(['aabb', 'ccddee', '', 'ff']);
    for (let cut = 1; cut < stream.length; cut++) expect(frame(RECORD_SIZE_LIMIT, [stream.subarray(0, cut), stream.subarray(cut)])).toEqual(whole);
    expect(frame(RECORD_SIZE_LIMIT, [...stream].map((byte) => Buffer.of(byte)))).toEqual(whole);
  });

  it('fragments count together against the limit, and without end they are refused', () => {
    expect(() => frame(8, [Buffer.from('0000000400000000' + '80000004', 'hex')])).toThrow(RecordMarkError);
    expect(() => frame(RECORD_SIZE_LIMIT, [Buffer.alloc(4 * 70_000)])).toThrow(RecordMarkError);
  });
});
