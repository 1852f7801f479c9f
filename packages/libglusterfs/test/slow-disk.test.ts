import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bytes, OpenFlag, type Transport, createPlatform } from '../src/index.js';

const platform = createPlatform();
const reason = platform.portable ? 'the native addon is not built' : undefined;
if (reason) console.warn(`slow disks: ${reason}`);

/**
 * A peer that sends a PING each 100 ms, each behind another call in the same segment, and at `MS` opens the fifo, which ends the
 * server's wait. It prints the answers: xid, milliseconds after the ping. With BULK it begins with a part of a WRITE of 1 MiB, whose rest comes with the first PING.
 */
const PEER = `
const net = require('net'), fs = require('fs');
const [port, fifo, ms, bulk] = process.argv.slice(1);
const write = Buffer.alloc(4 + 92 + (1 << 20), 'x'); write.fill(0, 0, 96); [0x80000000 + write.length - 4, 0, 0, 2, 1298437, 400, 13].forEach((w, i) => write.writeUInt32BE(w, 4 * i));
const call = (xid, proc) => { const b = Buffer.alloc(44); b.writeUInt32BE(0x80000028, 0); [xid, 0, 2, 123451501, 1, proc, 0, 0, 0, 0].forEach((w, i) => b.writeUInt32BE(w, 4 + 4 * i)); return b; };
const sent = new Map(), answers = [];
let xid = 0, pending = Buffer.alloc(0);
const socket = net.connect(Number(port), '127.0.0.1', () => {
  if (bulk) socket.write(write.subarray(0, 400000));
  setTimeout(() => {
    const timer = setInterval(() => {
      const other = ++xid, ping = ++xid;
      sent.set(ping, performance.now());
      const bytes = Buffer.concat([xid === 2 && bulk ? write.subarray(400000) : Buffer.alloc(0), call(other, 0), call(ping, 2)]);
      socket.write(bytes);
    }, 100);
    setTimeout(() => fs.openSync(fifo, 'r'), Number(ms));
    setTimeout(() => { clearInterval(timer); setTimeout(() => { console.log(JSON.stringify({ sent: sent.size, others: xid / 2, answers })); process.exit(0); }, 700); }, Number(ms) + 600);
  }, 300);
});
socket.on('data', (data) => {
  pending = Buffer.concat([pending, data]);
  while (pending.length >= 4) {
    const size = pending.readUInt32BE(0) & 0x7fffffff;
    if (pending.length < 4 + size) return;
    const record = pending.subarray(4, 4 + size);
    pending = pending.subarray(4 + size);
    answers.push({ xid: record.readUInt32BE(0), hex: record.subarray(4).toString('hex'), ms: performance.now() - sent.get(record.readUInt32BE(0)) });
  }
});
`;

/** REPLY, accepted, no verifier, success; op_ret 0, op_errno 0, an empty dict. */
const PONG = '00000001' + '00000000'.repeat(7);

describe.skipIf(reason)('a system call that does not come back', () => {
  let dir = '';
  const peers: ChildProcess[] = [];
  beforeAll(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'glusterts-slow-'));
  });
  afterAll(() => {
    for (const peer of peers) peer.kill();
    rmSync(dir, { recursive: true, force: true });
  });

  it.each([['', 1], [', nor one behind a payload that a thread receives', 3]])('leaves no ping unanswered%s, answers each once, and loses no other record', async (_, threads) => {
    const fifo = path.join(dir, `fifo${threads}`) as Bytes;
    const owner = {};
    platform.network.setEventThreads?.(owner, threads);
    execFileSync('mkfifo', [fifo]);
    const others: number[] = [];
    let pings = 0;
    const payloads: Buffer[] = [];
    const accepted = new Promise<Transport>((resolve, reject) => {
      platform.network.listen({ host: '127.0.0.1', port: 0 }, (transport) => {
        resolve(transport);
        return {
          onRecord: (record) => {
            const bytes = Buffer.from(record.toUint8Array());
            if (bytes.readUInt32BE(20) === 13) payloads.push(bytes.subarray(92));
            else if (bytes.readUInt32BE(20) === 2) pings++;
            else others.push(bytes.readUInt32BE(0));
            record.unref();
          },
          onClose: () => undefined,
        };
      }, { answerPings: true }).then((listener) => {
        const { address } = listener;
        peers.unshift(spawn(process.execPath, ['-e', PEER, String('port' in address ? address.port : 0), fifo, '3000', ...(threads > 1 ? ['bulk'] : [])], { stdio: ['ignore', 'pipe', 'inherit'] }));
      }, reject);
    });
    await accepted;
    const output: Buffer[] = [];
    const ended = new Promise<void>((resolve) => peers[0]?.once('exit', () => resolve()));
    peers[0]?.stdout?.on('data', (data: Buffer) => output.push(data));
    if (threads === 1) expect(platform.storage.slow).toBe(false);
    // The thread has what has come of it.
    else await expect.poll(() => platform.iobufs.active).toBe(1);
    const begin = platform.clock.monotonic();
    // Waits in the kernel for somebody to read from the fifo, as a write waits for a disk.
    const fd = platform.storage.open(fifo, OpenFlag.WRONLY, 0);
    const hung = platform.clock.monotonic() - begin;
    expect(hung).toBeGreaterThan(2500);
    expect(platform.storage.slow).toBe(true);
    platform.storage.close(fd);
    await ended;
    const told = JSON.parse(Buffer.concat(output).toString()) as { sent: number; others: number; answers: { xid: number; hex: string; ms: number }[] };
    expect(told.answers.length).toBe(told.sent);
    expect(new Set(told.answers.map(({ xid }) => xid)).size).toBe(told.sent);
    for (const answer of told.answers) {
      expect(answer.hex).toBe(PONG);
      expect(answer.ms).toBeLessThan(1500);
    }
    await expect.poll(() => payloads.length).toBe(threads > 1 ? 1 : 0);
    for (const payload of payloads) expect(payload.equals(Buffer.alloc(1 << 20, 'x'))).toBe(true);
    platform.network.setEventThreads?.(owner, 1);
    expect(pings).toBe(0);
    expect(others).toEqual(Array.from({ length: told.others }, (_, i) => 2 * i + 1));
  });

  it.skipIf(!process.versions.node.startsWith('20.'))('while it is one of a change in turn, JavaScript goes on without what changes; then the rest is made in order', async () => {
    const fifo = path.join(dir, 'turn') as Bytes;
    execFileSync('mkfifo', [fifo]);
    // Who answers pings is watched.
    const listener = await platform.network.listen({ host: '127.0.0.1', port: 0 }, () => ({ onRecord: (record) => record.unref(), onClose: () => undefined }), { answerPings: true });
    peers.push(spawn('sh', ['-c', `sleep 1.5; cat ${fifo}`], { stdio: 'ignore' }));
    const { storage } = platform;
    const made: string[] = [];
    let stoodIn = 0;
    let longest = 0;
    let last = platform.clock.monotonic();
    const begin = last;
    const done = new Promise<void>((resolve) => {
      storage.inTurn(() => {
        made.push('first');
        storage.lstat('/' as Bytes, 3);
        const inode = storage.cells.ino(3);
        const fd = storage.open(fifo, OpenFlag.WRONLY, 0);
        expect(storage.cells.ino(3)).toBe(inode);
        expect(storage.standsIn).toBe(0);
        made.push(fd >= 0 ? 'opened' : 'failed');
        storage.close(fd);
      });
      storage.inTurn(() => made.push('second'));
      const timer = setInterval(() => {
        const now = platform.clock.monotonic();
        longest = Math.max(longest, now - last);
        last = now;
        if (storage.standsIn > 0 && stoodIn++ === 0) {
          expect(made).toEqual(['first']);
          storage.inTurn(() => made.push('third'));
        }
        // As those who stand in do, into what the other will go on with.
        storage.lstat(fifo, 3);
        void Promise.resolve().then(() => Buffer.alloc(65536));
        if (made.length < 4) return;
        clearInterval(timer);
        resolve();
      }, 5);
    });
    await done;
    expect(last - begin).toBeGreaterThan(1200);
    expect(longest).toBeLessThan(700);
    expect(stoodIn).toBeGreaterThan(20);
    expect(storage.standsIn).toBe(0);
    expect(made).toEqual(['first', 'opened', 'second', 'third']);
    await listener.close();
  });

  it.skipIf(!process.versions.node.startsWith('20.')).each([['first'], ['last']])('while several do not, one after the other, JavaScript goes on; let go with the %s of them first, all end well', async (order) => {
    const { storage } = platform;
    const HANGING = 3;
    const fifos = Array.from({ length: HANGING }, (_, i) => path.join(dir, `nested-${order}-${i}`) as Bytes);
    execFileSync('mkfifo', fifos);
    const listener = await platform.network.listen({ host: '127.0.0.1', port: 0 }, () => ({ onRecord: (record) => record.unref(), onClose: () => undefined }), { answerPings: true });
    const [begun, made]: [string[], string[]] = [[], []];
    const readers: number[] = [];
    const hang = (i: number): void => {
      begun.push(`hang ${i}`);
      storage.lstat(fifos[i] ?? ('' as Bytes), 3);
      const inode = storage.cells.ino(3);
      const depth = storage.standsIn;
      const fd = storage.open(fifos[i] ?? ('' as Bytes), OpenFlag.WRONLY, 0);
      expect(storage.cells.ino(3)).toBe(inode);
      expect(storage.standsIn).toBe(depth);
      expect(depth).toBe(i);
      expect(fd).toBeGreaterThan(0);
      storage.close(fd);
      made.push(`hang ${i}`);
    };
    // All of them wait already when the first one hangs, and a look that doesn't hang is behind each. The last is a change.
    for (let i = 0; i < HANGING; i++) {
      if (i < HANGING - 1) storage.lookInTurn(() => hang(i));
      else storage.inTurn(() => hang(i));
      storage.lookInTurn(() => void made.push(`between ${i}`));
    }
    storage.inTurn(() => void made.push('change'));
    await expect.poll(() => storage.standsIn, { interval: 5, timeout: 5000 }).toBe(HANGING);
    expect(begun).toEqual(['hang 0', 'hang 1', 'hang 2']);
    // JavaScript goes on here: timers, the pool, looks that come only now.
    expect(await storage.loadNames(undefined, ['/' as Bytes], '' as Bytes)).toBeGreaterThanOrEqual(0);
    await new Promise<void>((resolve) => storage.lookInTurn(() => resolve()));
    await expect.poll(() => made).toEqual(['between 0', 'between 1', 'between 2']);
    for (const [n, i] of (order === 'first' ? [0, 1, 2] : [2, 1, 0]).entries()) {
      readers.push(storage.open(fifos[i] ?? ('' as Bytes), OpenFlag.RDONLY | OpenFlag.NONBLOCK, 0));
      // Who comes back before those that stand in for it waits for them.
      if (order === 'last') await expect.poll(() => storage.standsIn, { interval: 5 }).toBe(i);
      else if (n < HANGING - 1) expect(storage.standsIn).toBe(HANGING);
    }
    await expect.poll(() => made.length, { interval: 5 }).toBe(7);
    expect(storage.standsIn).toBe(0);
    expect(made.slice(3)).toEqual(['hang 2', 'change', 'hang 1', 'hang 0']);
    for (const fd of readers) storage.close(fd);
    await listener.close();
  });

  it.skipIf(!process.versions.node.startsWith('20.'))('while one does not that was made before the loop waits again, setImmediate goes on', async () => {
    const { storage } = platform;
    const fifo = path.join(dir, 'immediate') as Bytes;
    execFileSync('mkfifo', [fifo]);
    const listener = await platform.network.listen({ host: '127.0.0.1', port: 0 }, () => ({ onRecord: (record) => record.unref(), onClose: () => undefined }), { answerPings: true });
    const seen: string[] = [];
    storage.lookInTurn(() => {
      setImmediate(() => seen.push('asked for by the one that hangs'));
      storage.close(storage.open(fifo, OpenFlag.WRONLY, 0));
      seen.push('end');
    });
    await expect.poll(() => storage.standsIn, { interval: 5, timeout: 5000 }).toBe(1);
    setImmediate(() => seen.push('asked for meanwhile'));
    await expect.poll(() => seen, { interval: 5 }).toEqual(['asked for by the one that hangs', 'asked for meanwhile']);
    expect(storage.standsIn).toBe(1);
    const reader = storage.open(fifo, OpenFlag.RDONLY | OpenFlag.NONBLOCK, 0);
    await expect.poll(() => seen.at(-1), { interval: 5 }).toBe('end');
    await new Promise<void>((resolve) => setImmediate(resolve));
    storage.close(reader);
    await listener.close();
  });

  it.skipIf(!process.versions.node.startsWith('20.'))('while more of them do not than threads stand in, the last thread goes on without looks, which wait', async () => {
    const { storage } = platform;
    const fifos = Array.from({ length: 10 }, (_, i) => path.join(dir, `many-${i}`) as Bytes);
    execFileSync('mkfifo', fifos);
    const listener = await platform.network.listen({ host: '127.0.0.1', port: 0 }, () => ({ onRecord: (record) => record.unref(), onClose: () => undefined }), { answerPings: true });
    const made: number[] = [];
    for (const [i, fifo] of fifos.entries()) {
      storage.lookInTurn(() => {
        storage.close(storage.open(fifo, OpenFlag.WRONLY, 0));
        made.push(i);
      });
    }
    await expect.poll(() => storage.standsIn, { interval: 5, timeout: 10_000 }).toBe(8);
    expect(await storage.loadNames(undefined, ['/' as Bytes], '' as Bytes)).toBeGreaterThanOrEqual(0);
    const used = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { user, system } = process.cpuUsage(used);
    expect(user + system).toBeLessThan(300_000);
    expect(made).toEqual([]);
    const readers = fifos.map((fifo) => storage.open(fifo, OpenFlag.RDONLY | OpenFlag.NONBLOCK, 0));
    await expect.poll(() => made.length, { interval: 5 }).toBe(10);
    expect(storage.standsIn).toBe(0);
    for (const fd of readers) storage.close(fd);
    await listener.close();
  });

  it('a look that may need the pool counts as a job until its turn has come', async () => {
    const { storage } = platform;
    const before = storage.jobs.inFlight;
    const counts: number[] = [];
    const done = new Promise<void>((resolve) => {
      storage.lookInTurn(() => void counts.push(storage.jobs.inFlight - before), true);
      storage.lookInTurn(() => void counts.push(storage.jobs.inFlight - before));
      storage.lookInTurn(() => resolve(), true);
    });
    expect(storage.jobs.inFlight - before).toBe(2);
    await done;
    expect(counts).toEqual([1, 1]);
    expect(storage.jobs.inFlight - before).toBe(0);
  });
});
