import { Iatt, RECORD_SIZE_LIMIT } from '@glusterts/libglusterfs';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { AcceptStat, GlusterDump, GlusterHandshake, GlusterPortmap, Glusterfs4, RpcClient, RpcServer, serve } from '../src/index.js';
import { ListLogger, portablePlatform } from './test-platform.js';
import { type CapturedCall, vectors } from './vectors.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function server() {
  const log = new ListLogger();
  const rpc = new RpcServer({ platform: portablePlatform(), log, name: 'brick' });
  const listener = await rpc.listen({ host: '127.0.0.1', port: 0 });
  cleanups.push(() => rpc.close());
  if (!('port' in listener.address)) throw new Error('no port');
  return { rpc, log, port: listener.address.port };
}

/** A raw connection: what comes back until it is `size` bytes or the end. */
function raw(port: number): { send(bytes: Uint8Array): void; receive(size: number): Promise<Buffer>; closed: Promise<void> } {
  const socket = net.connect(port, '127.0.0.1');
  cleanups.push(() => socket.destroy());
  let got = Buffer.alloc(0);
  let wake = (): void => {};
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    got = Buffer.concat([got, chunk]);
    wake();
  });
  return {
    send: (bytes) => void socket.write(bytes),
    async receive(size) {
      while (got.length < size) await new Promise<void>((resolve) => (wake = resolve));
      const head = got.subarray(0, size);
      got = got.subarray(size);
      return head;
    },
    closed,
  };
}

function marked(record: Uint8Array, fragment = record.length): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < record.length; at += fragment) {
    const piece = record.subarray(at, at + fragment);
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE((at + fragment >= record.length ? 0x80000000 : 0) + piece.length);
    pieces.push(mark, Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

const stat = serve(Glusterfs4.STAT, async () => ({ op_ret: 0, op_errno: 0, xdata: undefined, stat: new Iatt() }));

describe('a server', () => {
  it('answers errors of the RPC with the bytes of a real brick and a real glusterd', async () => {
    const brick = await server();
    brick.rpc.register({ ...Glusterfs4.program, handlers: { 1: stat, 49: { handle: (call) => call.fail(AcceptStat.GARBAGE_ARGS) } } });
    brick.rpc.register({ ...GlusterHandshake.program, handlers: {} });
    const glusterd = await server();
    glusterd.rpc.register({ ...GlusterHandshake.program, handlers: {} });
    glusterd.rpc.register({ ...GlusterPortmap.program, handlers: {} });
    for (const { request, reply, prognum } of vectors<CapturedCall[]>('rpc-errors.json')) {
      const expected = reply?.hex ?? '';
      const isGlusterd = prognum === 34123456 || (prognum === 14398633 && expected.startsWith('00000006')) || expected === '000000070000000100000000000000000000000000000001';
      const connection = raw(isGlusterd ? glusterd.port : brick.port);
      connection.send(marked(Buffer.from(request.hex, 'hex')));
      const answer = await connection.receive(4 + expected.length / 2);
      expect(answer.subarray(4).toString('hex')).toBe(expected);
    }
  });

  it('joins fragments of any size, also when bytes come one by one', async () => {
    const { rpc, port } = await server();
    rpc.register(rpc.dumpProgram);
    const [dump] = vectors<CapturedCall[]>('dump.json');
    const record = Buffer.from(dump?.request.hex ?? '', 'hex');
    for (const fragment of [16, 1, 7, record.length]) {
      const connection = raw(port);
      for (const byte of marked(record, fragment)) connection.send(Buffer.of(byte));
      const answer = await connection.receive(28);
      expect(answer.readUInt32BE(4)).toBe(record.readUInt32BE(0));
    }
  });

  const hostile: [string, Buffer][] = [
    ['an empty record', Buffer.from('80000000', 'hex')],
    ['a record of two bytes', marked(Buffer.from('0000', 'hex'))],
    ['a message type that is none', marked(Buffer.from('0000000100000007', 'hex'))],
    ['a reply to a call that it never made', marked(Buffer.from('000000010000000100000000000000000000000000000000', 'hex'))],
    ['a header cut short', marked(Buffer.from('0000000100000000000000020013d005', 'hex'))],
    ['a credential that reaches past the end', marked(Buffer.from('00000001000000000000000200000063000000010000000100000000ffffffff', 'hex'))],
    ['a mark of 1 GiB', Buffer.from(RECORD_SIZE_LIMIT.toString(16).padStart(8, '0'), 'hex')],
    ['a mark of 2 GiB', Buffer.from('ffffffff', 'hex')],
  ];
  it.each(hostile)('closes the connection that sends %s, says so in its log, and serves the others', async (_title, bytes) => {
    const { rpc, port, log } = await server();
    rpc.register(rpc.dumpProgram);
    let closes = 0;
    const other = await new Promise<RpcClient>((resolve) => {
      const client = new RpcClient({ platform: portablePlatform(), log: new ListLogger(), name: 'c', address: { host: '127.0.0.1', port }, onConnect: resolve, onDisconnect: () => closes++ });
      client.connect();
      cleanups.push(() => client.disconnect());
    });
    const connection = raw(port);
    connection.send(bytes);
    await connection.closed;
    await other.invoke(GlusterDump.PING, undefined);
    expect(closes).toBe(0);
    expect(log.lines.filter((line) => line.includes('disconnecting')).length).toBe(1);
  });

  it('takes no memory for bytes that a mark only announces', async () => {
    const { rpc, port } = await server();
    rpc.register(rpc.dumpProgram);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 50; i++) raw(port).send(Buffer.from('bffffff0', 'hex'));
    const [ping] = vectors<CapturedCall[]>('dump.json');
    const last = raw(port);
    last.send(marked(Buffer.from(ping?.request.hex ?? '', 'hex')));
    await last.receive(28);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  });

  it('denies a flavor that it does not know, and goes on', async () => {
    const { rpc, port } = await server();
    rpc.register(rpc.dumpProgram);
    const connection = raw(port);
    connection.send(marked(Buffer.from('000000090000000000000002075bb86d0000000100000002000003e7000000000000000000000000', 'hex')));
    expect((await connection.receive(24)).subarray(4).toString('hex')).toBe('0000000900000001000000010000000100000000');
    connection.send(marked(Buffer.from('0000000a0000000000000002075bb86d000000010000000200000000000000000000000000000000', 'hex')));
    expect((await connection.receive(40)).readUInt32BE(4)).toBe(10);
  });
});

describe('a client', () => {
  it.each([
    ['a reply to a call that it never made', '000000630000000100000000000000000000000000000000'],
    ['a record that is nothing', '00000063'],
  ])('drops a server that sends %s', async (_title, hex) => {
    const evil = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.write(marked(Buffer.from(hex, 'hex')));
    });
    await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => evil.close());
    const address = evil.address();
    if (typeof address !== 'object' || !address) throw new Error('no address');
    const reason = await new Promise<{ wasConnected: boolean }>((resolve) => {
      const client = new RpcClient({ platform: portablePlatform(), log: new ListLogger(), name: 'c', address: { host: '127.0.0.1', port: address.port }, reconnectDelayMs: false, onDisconnect: (_client, why) => resolve(why) });
      client.connect();
    });
    expect(reason.wasConnected).toBe(true);
  });

  it('says so when nobody listens', async () => {
    const { port, rpc } = await server();
    await rpc.close();
    const reason = await new Promise<{ wasConnected: boolean; error: Error | undefined }>((resolve) => {
      const client = new RpcClient({ platform: portablePlatform(), log: new ListLogger(), name: 'c', address: { host: '127.0.0.1', port }, reconnectDelayMs: false, onDisconnect: (_client, why) => resolve(why) });
      client.connect();
    });
    expect(reason.wasConnected).toBe(false);
    expect(reason.error).toMatchObject({ code: 'ECONNREFUSED' });
  });
});
