/**
 * Micro-benchmark of rpc-xdr: codecs of the hot fops, and round trips between a client and a server in this process.
 * Bundle and run it: `npx esbuild tools/bench/src/micro/rpc.ts --bundle --platform=node --format=esm --conditions=@glusterts/source
 * --outfile=packages/libglusterfs/dist/rpc.mjs && node packages/libglusterfs/dist/rpc.mjs` (there the addon is found).
 */
import { Dict, Iatt, IoVec, type Logger, type Network, type Platform, ROOT_GFID, type Bytes, Frame, createMemoryNetwork, createPlatform, createPortableNetwork } from '@glusterts/libglusterfs';
import {
  type GfxReadRsp,
  Glusterfs4,
  RpcClient,
  RpcServer,
  XdrReader,
  XdrWriter,
  decodeGfxCommon2iattRsp,
  decodeGfxLookupReq,
  decodeGfxReadRsp,
  decodeGfxWriteReq,
  encodeGfxCommon2iattRsp,
  encodeGfxLookupReq,
  encodeGfxReadRsp,
  encodeGfxWriteReq,
  serve,
} from '@glusterts/rpc-xdr';

const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 1);

function report(name: string, operations: number, ms: number): void {
  console.log(`${name.padEnd(44)} ${Math.round(operations / (ms / 1000)).toLocaleString('en').padStart(12)} /s ${((ms * 1000) / operations).toFixed(2).padStart(9)} µs`);
}

function measure(name: string, run: () => void): void {
  const batch = 1000;
  for (let i = 0; i < 10 * batch; i++) run();
  const start = performance.now();
  let operations = 0;
  while (performance.now() - start < SECONDS * 1000) {
    for (let i = 0; i < batch; i++) run();
    operations += batch;
  }
  report(name, operations, performance.now() - start);
}

const iatt = new Iatt().setGfid(ROOT_GFID);
iatt.mode = 0o100644;
iatt.ia_size = 123456;
iatt.ia_dev = 65024n;
iatt.ia_mtime = iatt.ia_ctime = iatt.ia_atime = 1795229552;
const writeReq = { gfid: ROOT_GFID, fd: 3, offset: 4096, size: 131072, flag: 1, xdata: undefined };
const lookupReq = { gfid: ROOT_GFID, pargfid: ROOT_GFID, flags: 0, bname: 'a-file-name.txt' as Bytes, xdata: new Dict().setUint('trusted.ec.version', 0).setUint('trusted.ec.size', 0).setUint('glusterfs.inodelk-count', 0) };
const pairRsp = { op_ret: 0, op_errno: 0, xdata: undefined, prestat: iatt, poststat: iatt };
const readRsp: GfxReadRsp = { op_ret: 131072, op_errno: 0, stat: iatt, size: 131072, xdata: undefined };

function codecs(): void {
  const w = new XdrWriter();
  const both = <Message>(name: string, message: Message, encode: (w: XdrWriter, m: Message) => void, decode: (r: XdrReader) => Message): void => {
    measure(`${name} encode`, () => {
      encode(w, message);
      w.finish();
    });
    encode(w, message);
    const bytes = w.finish();
    measure(`${name} decode`, () => void decode(new XdrReader(bytes)));
  };
  both('WRITE request', writeReq, encodeGfxWriteReq, decodeGfxWriteReq);
  both('WRITE reply (2 iatts)', pairRsp, encodeGfxCommon2iattRsp, decodeGfxCommon2iattRsp);
  both('READ reply (1 iatt)', readRsp, encodeGfxReadRsp, decodeGfxReadRsp);
  both('LOOKUP request (3 xdata keys)', lookupReq, encodeGfxLookupReq, decodeGfxLookupReq);
}

const silent: Logger = { level: 0, log() {}, error() {}, warning() {}, info() {}, debug() {}, domain: () => silent };

async function roundTrips(name: string, network: Network, inFlight: number): Promise<void> {
  const platform: Pick<Platform, 'network' | 'timers' | 'clock'> = {
    network,
    timers: {
      after(delayMs, fire) {
        const timer = setTimeout(fire, delayMs);
        return { cancel: () => (clearTimeout(timer), true) };
      },
      soon: (task) => void setImmediate(task),
    },
    clock: { wall: Date.now, realtime: () => ({ sec: 0, nsec: 0 }), monotonic: () => performance.now() },
  };
  const server = new RpcServer({ platform, log: silent, name: 'server' });
  const data = IoVec.from(Buffer.alloc(4096));
  server.register({
    ...Glusterfs4.program,
    handlers: {
      [Glusterfs4.LOOKUP.number]: serve(Glusterfs4.LOOKUP, async () => pairRsp),
      [Glusterfs4.WRITE.number]: serve(Glusterfs4.WRITE, async () => pairRsp),
      [Glusterfs4.READ.number]: { handle: (call) => call.reply((w) => encodeGfxReadRsp(w, readRsp), data) },
    },
  });
  const { address } = await server.listen({ host: '127.0.0.1', port: 0 });
  const client = await new Promise<RpcClient>((resolve) => new RpcClient({ platform, log: silent, name: 'client', address, pingTimeoutS: 42, onConnect: resolve }).connect());
  client.auth = 'v3';
  const frame = new Frame({ pid: 4242, uid: 1000, gid: 1000, groups: [1000], lk_owner: '12345678' as Bytes });
  const loop = async (title: string, one: () => Promise<unknown>): Promise<void> => {
    let operations = 0;
    let until = performance.now() + 300;
    const worker = async (): Promise<void> => {
      while (performance.now() < until) {
        await one();
        operations++;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
    operations = 0;
    const start = performance.now();
    const cpu = process.cpuUsage();
    until = start + SECONDS * 1000;
    await Promise.all(Array.from({ length: inFlight }, worker));
    const used = process.cpuUsage(cpu);
    report(`${name} ${title} x${inFlight}`, operations, performance.now() - start);
    console.log(`${''.padEnd(44)} ${((used.user + used.system) / operations).toFixed(2).padStart(27)} µs of CPU`);
  };
  await loop('LOOKUP', () => client.invoke(Glusterfs4.LOOKUP, lookupReq, { frame }));
  await loop('WRITE 4k', () => client.invoke(Glusterfs4.WRITE, writeReq, { frame, payload: data }));
  const large = IoVec.from(Buffer.alloc(131072));
  await loop('WRITE 128k', () => client.invoke(Glusterfs4.WRITE, writeReq, { frame, payload: large }));
  await loop('READ 4k', async () => {
    const reply = await client.call(Glusterfs4.READ, (w) => Glusterfs4.READ.encodeRequest(w, writeReq), { frame });
    decodeGfxReadRsp(reply.reader);
    reply.release();
  });
  client.disconnect();
  await server.close();
}

const real = createPlatform();
codecs();
for (const inFlight of [1, 32]) {
  await roundTrips('memory', createMemoryNetwork({ soon: (task) => void setImmediate(task) }), inFlight);
  await roundTrips('portable', createPortableNetwork(), inFlight);
  if (!real.portable) await roundTrips('native', real.network, inFlight);
}
