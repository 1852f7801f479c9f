import { describe, expect, it } from 'vitest';
import { CallPool, Frame, MemPools, type StatedumpWriter } from '../src/index.js';
import { ManualTime } from './manual-time.js';

function dumped(dump: (writer: StatedumpWriter) => void): string[] {
  const lines: string[] = [];
  dump({ section: (title) => lines.push(`[${title}]`), write: (key, value) => lines.push(`${key}=${value}`), line: (text) => lines.push(text) });
  return lines;
}

describe('memory pools', () => {
  it('are fourteen, of 2^7 to 2^20 bytes, and a type goes to the smallest that holds it and its header', () => {
    const pools = new MemPools(new ManualTime().timers);
    expect(pools.shared.map(({ size }) => size)).toEqual(Array.from({ length: 14 }, (_, i) => 2 ** (i + 7)));
    // sizeof-type and padded-sizeof as 10.3 shows them (vectors/client/statedump-client-all-perf.txt).
    const real = [[120, 256], [56, 128], [168, 256], [88, 128], [544, 1024], [1288, 2048], [1128, 2048], [4136, 8192], [160, 256], [40, 128], [240, 512], [6360, 8192], [1864, 2048], [176, 256]] as const;
    for (const [sizeofType, padded] of real) expect(pools.newPool({ name: 't', xlator: 'x', sizeofType, make: () => ({}) }).shared.size).toBe(padded);
    expect(() => pools.newPool({ name: 't', xlator: 'x', sizeofType: 2 ** 20, make: () => ({}) })).toThrow(RangeError);
  });

  it('hand out what was put back: hot first, then cold, and make new ones only then', async () => {
    const time = new ManualTime();
    const pools = new MemPools(time.timers);
    let made = 0;
    const pool = pools.newPool({ name: 'thing_t', xlator: 'x', sizeofType: 64, make: () => ({ number: ++made }) });
    const first = pool.get();
    const second = pool.get();
    pool.put(first);
    expect(pool.get()).toBe(first);
    pool.put(second);
    await time.pass(30_000);
    pool.put(first);
    expect([pool.get(), pool.get()]).toEqual([first, second]);
    expect(pool.get()).toEqual({ number: 3 });
    expect(pool.shared).toMatchObject({ active: 3, hot: 2, cold: 1, misses: 3 });
    expect(pool).toMatchObject({ active: 3, allocated: 6 });
  });

  it('let idle objects go after two sweeps, and sweep only while there are any', async () => {
    const time = new ManualTime();
    const pools = new MemPools(time.timers);
    const pool = pools.newPool({ name: 'thing_t', xlator: 'x', sizeofType: 64, make: () => ({}) });
    expect(time.armed).toBe(0);
    pool.put(pool.get());
    await time.pass(30_000);
    expect(pool.idle).toBe(1);
    await time.pass(30_000);
    expect(pool.idle).toBe(0);
    expect(time.armed).toBe(0);
  });

  it('find out who puts back more than was taken', () => {
    const pool = new MemPools(new ManualTime().timers).newPool({ name: 'thing_t', xlator: 'x', sizeofType: 64, make: () => ({}) });
    expect(() => pool.put({})).toThrow(/more objects/);
  });

  it('stand in a statedump as 10.3 lays them out', () => {
    const pools = new MemPools(new ManualTime().timers);
    pools.newPool({ name: 'log_buf_t', xlator: 'glusterfs', sizeofType: 112, make: () => ({}) }).get();
    expect(dumped((writer) => pools.dump(writer, [{ name: 'dentry_t', xlator: 'fuse', active: 226, sizeofType: 56 }]))).toEqual([
      '[mempool]',
      '-----=-----', 'pool-name=dentry_t', 'xlator-name=fuse', 'active-count=226', 'sizeof-type=56', 'padded-sizeof=128', 'size=28928', 'shared-pool=0x80',
      '-----=-----', 'pool-name=log_buf_t', 'xlator-name=glusterfs', 'active-count=1', 'sizeof-type=112', 'padded-sizeof=256', 'size=256', 'shared-pool=0x100',
    ]);
  });
});

describe('the call pool', () => {
  it('knows the requests in flight, oldest first, and uses their stacks again', async () => {
    const time = new ManualTime();
    const calls = new CallPool(new MemPools(time.timers), time.clock);
    await time.pass(1500);
    const a = calls.enter('lookup', new Frame({ uid: 1, gid: 2, pid: 3, lk_owner: '\x01\x02' as Frame['lk_owner'], ctime: 5, ctime_nsec: 6 }), 10);
    const b = calls.enter('readv', new Frame(), 11);
    const c = calls.enter('writev', new Frame(), 12);
    expect([...calls.stacks()]).toEqual([a, b, c]);
    calls.leave(b);
    expect([...calls.stacks()]).toEqual([a, c]);
    expect(calls.enter('stat', new Frame(), 13)).toBe(b);
    expect([calls.cnt, calls.total]).toEqual([3, 4]);
    expect(dumped((writer) => calls.dump(writer, { root: 'fuse', prefix: 'fuse', top: 'v' })).slice(0, 31)).toEqual([
      '[global.callpool]', 'callpool_address=0x0', 'callpool.cnt=3',
      '[global.callpool.stack.1]', 'callstack-creation-time=1970-01-01 00:00:01 +0000.500000000', 'stack=0xa',
      'uid=1', 'gid=2', 'pid=3', 'unique=10', 'lk-owner=0102', 'ctime=5.000000006', 'op=LOOKUP', 'type=1', 'cnt=2',
      '[global.callpool.stack.1.frame.1]', 'frame-creation-time=1970-01-01 00:00:01 +0000.500000000', 'timings=1.500000000 -> 0.000000000', 'frame=0xa',
      'translator=v', 'complete=0', 'parent=fuse', 'wind_from=fuse_lookup_resume', 'wind_to=xl->fops->lookup', 'unwind_to=fuse_lookup_cbk',
      '[global.callpool.stack.1.frame.2]', 'frame-creation-time=1970-01-01 00:00:01 +0000.500000000', 'timings=1.500000000 -> 0.000000000', 'frame=0xa', 'translator=fuse', 'complete=0',
    ]);
    for (const stack of [a, b, c]) calls.leave(stack);
    expect(calls.cnt).toBe(0);
  });
});
