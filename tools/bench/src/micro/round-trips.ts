import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Address, type Bytes, Frame, Iatt, IoVec, type Logger, type Platform, ROOT_GFID, type SocketOptions, createPlatform, createPortableNetwork } from '@glusterts/libglusterfs';
import { Glusterfs4, RpcClient, RpcServer, decodeGfxReadRsp, encodeGfxReadRsp, serve } from '@glusterts/rpc-xdr';
import { median } from '../statistics.js';
import { type ScriptClock, clockedPlatform } from './clocked-network.js';
import type { MicroRow } from './timing.js';

const silent: Logger = { level: 0, log() {}, error() {}, warning() {}, info() {}, debug() {}, domain: () => silent };
const SIZES = [4096, 1 << 20];
const WARM_MS = 300;
/** Of each, of which the median counts. */
const TURNS = 9;

/** One WRITE or READ at a time between a client and a server in this process: their JavaScript together. */
export async function roundTrips(ms: number): Promise<MicroRow[]> {
  const rows: MicroRow[] = [];
  const real = createPlatform();
  const folder = mkdtempSync(path.join(tmpdir(), 'glusterts-bench-rpc-'));
  const native = clockedPlatform();
  const networks: [string, Platform, ScriptClock | undefined][] = [['portable', { ...real, network: createPortableNetwork() }, undefined]];
  if (native) networks.unshift(['native', native.platform, native.clock]);
  try {
    for (const [name, platform, clock] of networks) {
      const tcp = { host: '127.0.0.1', port: 0 };
      const addresses: [string, Address][] = [['unix', { path: path.join(folder, name) }], ['tcp', tcp]];
      if (clock) addresses.unshift(['local path', tcp]);
      for (const [family, address] of addresses) rows.push(...(await overOne(`${name}, ${family}`, platform, clock, address, { localPath: family === 'local path' }, ms)));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}

async function overOne(name: string, platform: Platform, clock: ScriptClock | undefined, address: Address, socket: SocketOptions, ms: number): Promise<MicroRow[]> {
  const rows: MicroRow[] = [];
  const stat = new Iatt().setGfid(ROOT_GFID);
  const server = new RpcServer({ platform, log: silent, name: 'server' });
  const payloads = new Map(
    SIZES.map((size) => {
      const page = platform.iobufs.get(size);
      page.memory.fill(120);
      return [size, new IoVec([page.memory.subarray(0, size)], [page])];
    }),
  );
  server.register({
    ...Glusterfs4.program,
    handlers: {
      [Glusterfs4.WRITE.number]: serve(Glusterfs4.WRITE, async () => ({ op_ret: 0, op_errno: 0, xdata: undefined, prestat: stat, poststat: stat })),
      [Glusterfs4.READ.number]: {
        handle: (call) => {
          const { size } = Glusterfs4.READ.decodeRequest(call.reader);
          call.reply((w) => encodeGfxReadRsp(w, { op_ret: size, op_errno: 0, stat, size, xdata: undefined }), payloads.get(size));
        },
      },
    },
  });
  const listener = await server.listen(address, socket);
  const client = await new Promise<RpcClient>((resolve) => new RpcClient({ platform, log: silent, name: 'client', address: listener.address, socket, onConnect: resolve }).connect());
  client.auth = 'v3';
  const frame = new Frame({ pid: 4242, uid: 1000, gid: 1000, groups: [1000], lk_owner: '12345678' as Bytes });
  for (const size of SIZES) {
    const payload = payloads.get(size);
    const request = { gfid: ROOT_GFID, fd: 3, offset: 4096, size, flag: 0, xdata: undefined };
    const write = (): Promise<unknown> => client.invoke(Glusterfs4.WRITE, request, { frame, payload });
    const read = async (): Promise<void> => {
      const reply = await client.call(Glusterfs4.READ, (w) => Glusterfs4.READ.encodeRequest(w, request), { frame });
      decodeGfxReadRsp(reply.reader);
      reply.release();
    };
    for (const [title, one] of [['WRITE', write], ['READ', read]] as const) {
      const loop = async (until: number): Promise<{ operations: number; ms: number }> => {
        const begin = performance.now();
        let operations = 0;
        for (; performance.now() - begin < until; operations++) await one();
        return { operations, ms: performance.now() - begin };
      };
      await loop(WARM_MS);
      const turns: { us: number; scriptUs: number; userUs: number }[] = [];
      for (let turn = 0; turn < TURNS; turn++) {
        const [script, user] = [clock?.ms ?? 0, process.cpuUsage().user];
        const { operations, ms: took } = await loop(ms / TURNS);
        turns.push({ us: (took / operations) * 1000, scriptUs: (((clock?.ms ?? 0) - script) / operations) * 1000, userUs: (process.cpuUsage().user - user) / operations });
      }
      const us = median(turns.map((turn) => turn.us));
      rows.push({
        name: `${title} round trip, ${size === 4096 ? '4 KiB' : '1 MiB'}, ${name}`, perSecond: 1e6 / us, us, userUs: median(turns.map((turn) => turn.userUs)),
        ...(clock ? { javaScriptUs: median(turns.map((turn) => turn.scriptUs)) } : {}),
      });
    }
  }
  client.disconnect();
  await server.close();
  for (const payload of payloads.values()) payload.unref();
  return rows;
}
