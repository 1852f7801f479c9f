import { type Bytes, type Platform, createMemoryNetwork } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { GlusterDump, GlusterHandshake, NO_REPLY, RpcClient, RpcServer, serve } from '../src/index.js';
import { ListLogger } from './test-platform.js';

/** Time that passes only when told to. */
class ManualTime {
  now = 0;
  #timers: { at: number; fire: () => void }[] = [];
  #tasks: (() => void)[] = [];

  platform(): Pick<Platform, 'network' | 'timers' | 'clock'> {
    const timers: Platform['timers'] = {
      after: (delayMs, fire) => {
        const timer = { at: this.now + delayMs, fire };
        this.#timers.push(timer);
        return {
          cancel: () => {
            const before = this.#timers.length;
            this.#timers = this.#timers.filter((other) => other !== timer);
            return this.#timers.length < before;
          },
        };
      },
      soon: (task) => void this.#tasks.push(task),
    };
    return { timers, network: createMemoryNetwork(timers), clock: { wall: () => this.now, realtime: () => ({ sec: 0, nsec: 0 }), monotonic: () => this.now } };
  }

  async settle(): Promise<void> {
    for (let idle = 0; idle < 3; ) {
      await new Promise(setImmediate);
      const tasks = this.#tasks.splice(0);
      idle = tasks.length === 0 ? idle + 1 : 0;
      for (const task of tasks) task();
    }
  }

  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.now = next.at;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      next.fire();
      await this.settle();
    }
    this.now = end;
  }
}

async function start(ping: 'answered' | 'ignored') {
  const time = new ManualTime();
  const platform = time.platform();
  const log = new ListLogger();
  const server = new RpcServer({ platform, log, name: 's' });
  const pings: number[] = [];
  const release: (() => void)[] = [];
  server.register({
    ...GlusterDump.program,
    handlers: {
      [GlusterDump.PING.number]: serve(GlusterDump.PING, () => {
        pings.push(time.now);
        return ping === 'answered' ? { op_ret: 0, op_errno: 0, xdata: undefined } : NO_REPLY;
      }),
    },
  });
  server.register({
    ...GlusterHandshake.program,
    handlers: {
      [GlusterHandshake.SET_LK_VER.number]: serve(GlusterHandshake.SET_LK_VER, (request) => new Promise((resolve) => release.push(() => resolve({ op_ret: 0, op_errno: 0, lk_ver: request.lk_ver })))),
    },
  });
  await server.listen({ host: 'h', port: 1 });
  const ends: number[] = [];
  const client = new RpcClient({ platform, log, name: 'c', address: { host: 'h', port: 1 }, pingTimeoutS: 42, reconnectDelayMs: false, onDisconnect: () => ends.push(time.now) });
  client.connect();
  await time.settle();
  const call = (): Promise<unknown> => client.invoke(GlusterHandshake.SET_LK_VER, { uid: '' as Bytes, lk_ver: 1 }).catch((error: unknown) => error);
  return { time, client, pings, release, ends, log, call };
}

describe('the ping cycle', () => {
  it('begins with the first call, goes on while calls wait, and ends when none does', async () => {
    const { time, pings, release, call } = await start('answered');
    const answer = call();
    await time.settle();
    expect(pings).toEqual([0]);
    await time.pass(100_000);
    expect(pings).toEqual([0, 42_000, 84_000]);
    release[0]?.();
    await time.settle();
    await answer;
    await time.pass(200_000);
    expect(pings).toEqual([0, 42_000, 84_000]);
    void call();
    await time.settle();
    expect(pings.at(-1)).toBe(300_000);
  });

  it('disconnects a server that is silent for the timeout, and fails what waits on it', async () => {
    const { time, client, call, ends, log } = await start('ignored');
    const answer = call();
    await time.settle();
    await time.pass(41_999);
    expect(client.connected).toBe(true);
    await time.pass(1);
    expect(ends).toEqual([42_000]);
    expect(await answer).toMatchObject({ code: 'ENOTCONN' });
    expect(log.lines.some((line) => line.includes('has not responded in the last 42 seconds'))).toBe(true);
  });

  it('takes a new timeout on the connection that stands', async () => {
    const { time, client, pings, call, ends } = await start('answered');
    void call();
    await time.settle();
    client.setTimeouts({ frameTimeoutS: 1800, pingTimeoutS: 4 });
    await time.pass(9000);
    expect(pings).toEqual([0, 4000, 8000]);
    client.setTimeouts({ frameTimeoutS: 1800, pingTimeoutS: 0 });
    await time.pass(100_000);
    expect(pings).toEqual([0, 4000, 8000]);
    client.setTimeouts({ frameTimeoutS: 5, pingTimeoutS: 10 });
    const answer = call();
    await time.settle();
    expect(pings).toEqual([0, 4000, 8000, 109_000]);
    await time.pass(10_000);
    // Calls are looked through every ten seconds.
    await time.pass(10_000);
    expect(await answer).toMatchObject({ code: 'ENOTCONN' });
    expect(ends).toEqual([]);
  });

  it('disconnects after the new timeout where no ping waits for its answer', async () => {
    const { time, client, call, ends } = await start('ignored');
    client.setTimeouts({ frameTimeoutS: 1800, pingTimeoutS: 4 });
    void call();
    await time.settle();
    await time.pass(4000);
    expect(ends).toEqual([4000]);
  });

  it('takes bytes in either direction for life', async () => {
    const { time, call, ends } = await start('ignored');
    void call();
    await time.settle();
    await time.pass(30_000);
    void call();
    await time.settle();
    await time.pass(30_000);
    expect(ends).toEqual([]);
    await time.pass(30_000);
    expect(ends).toEqual([84_000]);
  });

  it('frames are bailed out at the frame timeout, and the late reply is forgiven', async () => {
    const { time, client, release, call } = await start('answered');
    const answer = call();
    await time.settle();
    await time.pass(1_799_000);
    expect(client.outstanding).toBe(1);
    await time.pass(11_000);
    expect(await answer).toMatchObject({ code: 'ENOTCONN' });
    release[0]?.();
    await time.settle();
    expect(client.connected).toBe(true);
  });
});
