import { type Address, Dict, Errno, FopError, Frame, Iatt, IoVec, ROOT_GFID, type Bytes, createMemoryNetwork, createPlatform } from '@glusterts/libglusterfs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  AcceptStat,
  GlusterCallback,
  GlusterDump,
  GlusterHandshake,
  Glusterfs4,
  NO_REPLY,
  RpcClient,
  type RpcClientOptions,
  type RpcConnection,
  type RpcDisconnect,
  RpcRejected,
  RpcServer,
  type RpcServerOptions,
  encodeGfxReadReq,
  encodeGfxReadRsp,
  encodeGfxWriteReq,
  serve,
} from '../src/index.js';
import { ListLogger, portablePlatform, testPlatform } from './test-platform.js';

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const dir = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'rpc-'));
  cleanups.push(() => rmSync(path, { recursive: true }));
  return path;
};

// Arenas are for life: one platform for all tests.
const real = createPlatform();
if (real.portable) console.warn('the native network: skipped: no addon is built');

type Place = [string, () => ReturnType<typeof testPlatform>, () => Address];
const places: Place[] = [
  ['in memory', () => testPlatform(createMemoryNetwork({ soon: (task) => void setImmediate(task) })), () => ({ host: 'h', port: 24007 })],
  ['over TCP', portablePlatform, () => ({ host: '127.0.0.1', port: 0 })],
  ['over a unix socket', portablePlatform, () => ({ path: join(dir(), 's') })],
  ...(real.portable ? [] : ([['over the native network', () => real, () => ({ host: '127.0.0.1', port: 0 })]] satisfies Place[])),
];

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise(setImmediate);
}

describe.each(places)('client and server %s', (_title, makePlatform, makeAddress) => {
  /** One that isn't taken yet. */
  const otherAddress = (): Address => {
    const address = makeAddress();
    return 'port' in address && address.port !== 0 ? { ...address, port: address.port + 1 } : address;
  };

  async function start(serverOptions: Partial<RpcServerOptions> = {}, clientOptions: Partial<RpcClientOptions> = {}) {
    const platform = makePlatform();
    const log = new ListLogger();
    const server = new RpcServer({ platform, log, name: 'server', ...serverOptions });
    server.register(server.dumpProgram);
    const { address } = await server.listen(makeAddress());
    const client = await new Promise<RpcClient>((resolve) => {
      const made = new RpcClient({
        platform, log, name: 'client', address, reconnectDelayMs: 20,
        ...clientOptions,
        onConnect: (connected) => {
          clientOptions.onConnect?.(connected);
          resolve(connected);
        },
      });
      made.connect();
    });
    cleanups.push(async () => {
      client.disconnect();
      await server.close();
    });
    return { server, client, log, platform, address };
  }

  it('DUMP lists the programs in the order of registration', async () => {
    const { server, client } = await start();
    server.register({ ...GlusterHandshake.program, handlers: {} });
    const reply = await client.invoke(GlusterDump.DUMP, { gfs_id: 0xcaed });
    expect(reply).toEqual({
      gfs_id: 0, op_ret: 0, op_errno: 0,
      prog: [
        { progname: 'GF-DUMP', prognum: 123451501, progver: 1 },
        { progname: 'GlusterFS Handshake', prognum: 14398633, progver: 2 },
      ],
    });
  });

  it('who calls arrives as it was sent, and the reply as it was given', async () => {
    const { server, client } = await start();
    let auth: unknown;
    const iatt = new Iatt().setGfid(ROOT_GFID);
    server.register({
      ...Glusterfs4.program,
      handlers: {
        [Glusterfs4.STAT.number]: serve(Glusterfs4.STAT, async (request, call) => {
          auth = call.auth;
          expect(request).toEqual({ gfid: ROOT_GFID, xdata: undefined });
          return { op_ret: 0, op_errno: 0, xdata: new Dict().setInt('n', 5), stat: iatt };
        }),
      },
    });
    client.auth = 'v3';
    const frame = new Frame({ pid: 4242, uid: 7, gid: 8, groups: [8, 9], lk_owner: '\x01\x02\x03' as Bytes, flags: 3, ctime: 1795229552, ctime_nsec: 123 });
    const reply = await client.invoke(Glusterfs4.STAT, { gfid: ROOT_GFID, xdata: undefined }, { frame });
    expect(auth).toEqual({ flavor: 390040, pid: 4242, uid: 7, gid: 8, groups: [8, 9], lk_owner: '\x01\x02\x03', flags: 3, ctime: 1795229552, ctime_nsec: 123 });
    expect(reply.stat).toEqual(iatt);
    expect(reply.xdata?.getNumber('n')).toBe(5);
  });

  it('payload goes both ways unpadded, of any size', async () => {
    const { server, client } = await start();
    let stored: Uint8Array = new Uint8Array(0);
    const stat = new Iatt();
    server.register({
      ...Glusterfs4.program,
      handlers: {
        [Glusterfs4.WRITE.number]: serve(Glusterfs4.WRITE, async (request, call) => {
          const data = call.payload();
          expect(data.size).toBe(request.size);
          stored = Uint8Array.from(data.toUint8Array());
          return { op_ret: data.size, op_errno: 0, xdata: undefined, prestat: stat, poststat: stat };
        }),
        [Glusterfs4.READ.number]: {
          handle(call) {
            const request = Glusterfs4.READ.decodeRequest(call.reader);
            const data = IoVec.from(stored.subarray(request.offset, request.offset + request.size));
            call.reply((w) => encodeGfxReadRsp(w, { op_ret: data.size, op_errno: 2, stat, size: data.size, xdata: undefined }), data);
          },
        },
      },
    });
    for (const size of [0, 1, 19, 4096, 131072, 3_000_001]) {
      const data = Buffer.alloc(size, `${size} bytes `);
      const wrote = await client.call(Glusterfs4.WRITE, (w) => encodeGfxWriteReq(w, { gfid: ROOT_GFID, fd: -2, offset: 0, size, flag: 0, xdata: undefined }), { payload: IoVec.from(data) });
      expect(Glusterfs4.WRITE.decodeReply(wrote.reader).op_ret).toBe(size);
      wrote.release();
      const read = await client.call(Glusterfs4.READ, (w) => encodeGfxReadReq(w, { gfid: ROOT_GFID, fd: -2, offset: 0, size, flag: 0, xdata: undefined }));
      const reply = Glusterfs4.READ.decodeReply(read.reader);
      expect(reply).toMatchObject({ op_ret: size, size, op_errno: 2 });
      expect(Buffer.from(read.payload().toUint8Array()).equals(data)).toBe(true);
      read.release();
    }
  });

  it('errors of the RPC itself reject with ENOTCONN and say which', async () => {
    const { server, client } = await start();
    server.register({ ...Glusterfs4.program, handlers: { [Glusterfs4.STAT.number]: serve(Glusterfs4.STAT, () => Promise.reject(new Error('broken'))) } });
    const rejected = async (call: Promise<unknown>): Promise<unknown> =>
      call.then(
        () => 'answered',
        (error: unknown) => error instanceof RpcRejected && error.errno === Errno.ENOTCONN && error.acceptStat,
      );
    expect(await rejected(client.invoke(GlusterHandshake.PING, undefined))).toBe(AcceptStat.PROG_UNAVAIL);
    expect(await rejected(client.invoke({ ...Glusterfs4.NULL, program: { ...Glusterfs4.program, version: 330 } }, undefined))).toBe(AcceptStat.PROG_MISMATCH);
    expect(await rejected(client.invoke(Glusterfs4.FSTAT, { gfid: ROOT_GFID, fd: 0, xdata: undefined }))).toBe(AcceptStat.PROC_UNAVAIL);
    expect(await rejected(client.call(Glusterfs4.STAT, (w) => w.u32(1)))).toBe(AcceptStat.GARBAGE_ARGS);
    expect(await rejected(client.invoke(Glusterfs4.STAT, { gfid: ROOT_GFID, xdata: undefined }))).toBe(AcceptStat.SYSTEM_ERR);
    expect(client.outstanding).toBe(0);
  });

  it('replies come in any order, each to its call; NO_REPLY is none', async () => {
    const { server, client } = await start({}, { frameTimeoutS: 0.05 });
    const waiting: (() => void)[] = [];
    server.register({
      ...GlusterHandshake.program,
      handlers: {
        [GlusterHandshake.SET_LK_VER.number]: serve(GlusterHandshake.SET_LK_VER, (request) => new Promise((resolve) => waiting.push(() => resolve({ op_ret: 0, op_errno: 0, lk_ver: request.lk_ver })))),
        [GlusterHandshake.EVENT_NOTIFY.number]: serve(GlusterHandshake.EVENT_NOTIFY, () => NO_REPLY),
      },
    });
    const calls = [1, 2, 3].map((lk_ver) => client.invoke(GlusterHandshake.SET_LK_VER, { uid: 'x' as Bytes, lk_ver }, { timeoutMs: 10_000 }));
    await client.invoke(GlusterDump.PING, undefined);
    for (const answer of waiting.reverse()) answer();
    expect((await Promise.all(calls)).map((reply) => reply.lk_ver)).toEqual([1, 2, 3]);
    await expect(client.invoke(GlusterHandshake.EVENT_NOTIFY, { op: 0, dict: new Dict() })).rejects.toMatchObject({ errno: Errno.ENOTCONN });
    expect(client.connected).toBe(true);
  });

  it('a broken connection fails what is outstanding with ENOTCONN, and comes back by itself', async () => {
    const reasons: unknown[] = [];
    let connects = 0;
    let reconnected: () => void = () => {};
    const again = new Promise<void>((resolve) => (reconnected = resolve));
    const { server, client } = await start({}, {
      onConnect: () => {
        if (++connects === 2) reconnected();
      },
      onDisconnect: (_client, reason) => reasons.push(reason),
    });
    server.register({ ...Glusterfs4.program, handlers: { [Glusterfs4.STAT.number]: { handle: (call) => call.connection.disconnect() } } });
    await expect(client.invoke(Glusterfs4.STAT, { gfid: ROOT_GFID, xdata: undefined })).rejects.toMatchObject({ errno: Errno.ENOTCONN });
    await expect(client.invoke(Glusterfs4.STAT, { gfid: ROOT_GFID, xdata: undefined })).rejects.toMatchObject({ errno: Errno.ENOTCONN });
    await again;
    expect(reasons).toMatchObject([{ wasConnected: true, planned: false }]);
    await client.invoke(GlusterDump.PING, undefined);
  });

  it('callbacks reach the registered program and are not answered', async () => {
    let received: (pid: number) => void = () => {};
    const pid = new Promise<number>((resolve) => (received = resolve));
    let connection: RpcConnection | undefined;
    await start(
      { onConnect: (made) => (connection = made) },
      {
        callbacks: [
          {
            program: GlusterCallback.program,
            handle(procedure, reader) {
              if (procedure === GlusterCallback.STATEDUMP.number) received(GlusterCallback.STATEDUMP.decodeRequest(reader).pid);
            },
          },
        ],
      },
    );
    connection?.callback(GlusterCallback.FETCHSPEC, undefined);
    connection?.callback(GlusterCallback.STATEDUMP, { pid: 77 });
    expect(await pid).toBe(77);
  });

  it('many calls at once are all answered while reading stops and goes on', async () => {
    const { server, client } = await start({ limits: { outstandingMax: 8, queuedBytesMax: 8 << 20 } });
    let most = 0;
    let running = 0;
    server.register({
      ...Glusterfs4.program,
      handlers: {
        [Glusterfs4.STAT.number]: serve(Glusterfs4.STAT, async () => {
          most = Math.max(most, ++running);
          await new Promise(setImmediate);
          running--;
          return { op_ret: 0, op_errno: 0, xdata: undefined, stat: new Iatt() };
        }),
      },
    });
    const replies = await Promise.all(Array.from({ length: 2000 }, () => client.invoke(Glusterfs4.STAT, { gfid: ROOT_GFID, xdata: undefined })));
    expect(replies.every((reply) => reply.op_ret === 0)).toBe(true);
    expect(most).toBeGreaterThan(1);
  });

  it('calls marked exempt get through when all others wait for them', async () => {
    const { server, client } = await start({ limits: { outstandingMax: 2 } });
    let unlock: () => void = () => {};
    const unlocked = new Promise<void>((resolve) => (unlock = resolve));
    const done = { op_ret: 0, op_errno: 0, xdata: undefined };
    const flock = { type: 1, whence: 0, start: 0n, len: 0n, pid: 1, owner: '' as Bytes } as const;
    server.register({
      ...Glusterfs4.program,
      handlers: {
        [Glusterfs4.INODELK.number]: serve(Glusterfs4.INODELK, async (request) => {
          if (request.cmd === 2) await unlocked;
          else unlock();
          return done;
        }, { exempt: true }),
      },
    });
    const lock = (cmd: number): Promise<unknown> => client.invoke(Glusterfs4.INODELK, { gfid: ROOT_GFID, cmd, type: 1, flock, volume: 'd' as Bytes, xdata: undefined });
    const waiting = Array.from({ length: 100 }, () => lock(2));
    await client.invoke(GlusterDump.PING, undefined);
    await lock(1);
    await Promise.all(waiting);
  });

  it('reconnect goes at once to the address that it is given, for one attempt', async () => {
    let reasons: RpcDisconnect[] = [];
    const { server, client, platform } = await start({}, { onDisconnect: (_client, reason) => reasons.push(reason) });
    const other = new RpcServer({ platform, log: new ListLogger(), name: 'other' });
    other.register({ ...other.dumpProgram, name: 'other' });
    const { address } = await other.listen(otherAddress());
    cleanups.push(() => other.close());
    client.reconnect(address);
    await until(() => client.connected && reasons.length === 1);
    expect((await client.invoke(GlusterDump.DUMP, { gfs_id: 0 })).prog[0]?.progname).toBe('other');
    expect(reasons).toMatchObject([{ wasConnected: true, planned: true }]);
    reasons = [];
    for (const connection of other.connections) connection.disconnect();
    await until(() => client.connected && reasons.length === 1);
    expect((await client.invoke(GlusterDump.DUMP, { gfs_id: 0 })).prog[0]?.progname).toBe('GF-DUMP');
    expect(server.connections.size).toBe(1);
  });

  it('a lk_owner that no credential can hold is refused before it is sent', async () => {
    const { client } = await start();
    const frame = new Frame({ lk_owner: 'x'.repeat(96) as Bytes });
    await expect(client.invoke(GlusterDump.PING, undefined, { frame })).rejects.toBeInstanceOf(FopError);
    await client.invoke(GlusterDump.PING, undefined, { frame: new Frame({ groups: Array.from({ length: 500 }, (_, i) => i) }) });
  });
});
