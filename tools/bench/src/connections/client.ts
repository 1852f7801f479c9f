/**
 * The clients' process of `npm run bench -- connections`: takes one command a line, answers each with one line of JSON.
 *
 * `open PORT BRICK COUNT`: that many connections, which stay; each has looked the root up once. `busy PORT BRICK SECONDS`: lookups of the root on one connection, first one at a
 * time, then 32 at once.
 */
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { type Bytes, Frame, NULL_GFID, ROOT_GFID, createPlatform } from '@glusterts/libglusterfs';
import { Glusterfs4, type RpcClient } from '@glusterts/rpc-xdr';
import { median } from '../statistics.js';
import { connectToBrick } from './brick-connection.js';

const platform = createPlatform();
const idle: RpcClient[] = [];
const AT_ONCE = 64;
/** Connections from one loopback address. */
const ADDRESS_MAX = 20_000;
const IN_FLIGHT = 32;

const frame = new Frame({ pid: 4242, lk_owner: '12345678' as Bytes });
const root = { gfid: ROOT_GFID, pargfid: NULL_GFID, flags: 0, bname: '' as Bytes, xdata: undefined };

async function lookUpRoot(client: RpcClient): Promise<void> {
  const reply = await client.invoke(Glusterfs4.LOOKUP, root, { frame });
  if (reply.op_ret < 0) throw new Error(`lookup of the root: errno ${reply.op_errno}`);
}

async function open(port: number, brick: string, count: number): Promise<object> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      next++;
      const client = await connectToBrick(platform, { port, brick, from: `127.0.0.${2 + Math.floor((idle.length + 1) / ADDRESS_MAX)}` }, randomUUID());
      idle.push(client);
      await lookUpRoot(client);
    }
  };
  const begin = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { open: idle.length, seconds: (performance.now() - begin) / 1000 };
}

async function busy(port: number, brick: string, seconds: number): Promise<object> {
  const client = await connectToBrick(platform, { port, brick, from: '127.0.0.1' }, randomUUID());
  const times: number[] = [];
  const run = async (inFlight: number, ms: number): Promise<number> => {
    times.length = 0;
    const begin = performance.now();
    const worker = async (): Promise<void> => {
      for (let now = performance.now(); now < begin + ms; ) {
        await lookUpRoot(client);
        const after = performance.now();
        times.push(after - now);
        now = after;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
    return times.length / ((performance.now() - begin) / 1000);
  };
  await run(1, 300);
  await run(1, seconds * 1000);
  const sorted = times.toSorted((a, b) => a - b);
  const latency = { medianUs: median(sorted) * 1000, p99Us: (sorted[Math.floor(sorted.length * 0.99)] ?? NaN) * 1000 };
  const perSecond = await run(IN_FLIGHT, seconds * 1000);
  client.disconnect();
  return { ...latency, perSecond };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [command, port, brick = '', count] = line.split(' ');
  const answer = command === 'open' ? open(Number(port), brick, Number(count)) : busy(Number(port), brick, Number(count));
  console.log(JSON.stringify(await answer.catch((error: unknown) => ({ error: String(error) }))));
}
process.exit(0);
