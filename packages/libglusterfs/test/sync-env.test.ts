import { describe, expect, it } from 'vitest';
import { Errno, type FopError, Frame, SyncBarrier, SyncCondition, SyncEnv, SyncLock, type SyncTask } from '../src/index.js';
import { ManualTime, settled } from './manual-time.js';

const failing = (errno: Errno): Partial<FopError> => expect.objectContaining({ errno });

/** Tasks that run until they are let go, in the order in which they began. */
function gates(): { begun: string[]; hold(name: string): (task: SyncTask) => Promise<string>; release(name: string): void } {
  const begun: string[] = [];
  const open = new Map<string, () => void>();
  return {
    begun,
    hold: (name) => () => new Promise((resolve) => {
      begun.push(name);
      open.set(name, () => resolve(name));
    }),
    release: (name) => open.get(name)?.(),
  };
}

describe('a sync environment', () => {
  it('runs as many tasks at once as it has procs, and the others in turn', async () => {
    const env = new SyncEnv(new ManualTime(), { procs: 2 });
    const { begun, hold, release } = gates();
    const all = ['a', 'b', 'c', 'd'].map((name) => env.run(name, hold(name)));
    await settled();
    expect(begun).toEqual(['a', 'b']);
    expect(env.stats).toMatchObject({ running: 2, waiting: 2 });
    release('b');
    await settled();
    expect(begun).toEqual(['a', 'b', 'c']);
    release('a');
    await settled();
    release('c');
    release('d');
    expect(await Promise.all(all)).toEqual(['a', 'b', 'c', 'd']);
    expect(env.stats).toMatchObject({ running: 0, waiting: 0, done: 4, runningMax: 2, waitingMax: 2 });
  });

  it('refuses a number of procs that GlusterFS has not, and tasks beyond its queue', async () => {
    expect(() => new SyncEnv(new ManualTime(), { procs: 1 })).toThrow(RangeError);
    expect(() => new SyncEnv(new ManualTime(), { procs: 17 })).toThrow(RangeError);
    const env = new SyncEnv(new ManualTime(), { procs: 2, queueMax: 1 });
    const { hold, release } = gates();
    const kept = ['a', 'b', 'c'].map((name) => env.run(name, hold(name)));
    await expect(env.run('d', () => 1)).rejects.toEqual(failing(Errno.EAGAIN));
    expect(env.stats.refused).toBe(1);
    for (const name of ['a', 'b']) release(name);
    await settled();
    release('c');
    await Promise.all(kept);
  });

  it('acts as root unless a frame is given', async () => {
    const env = new SyncEnv(new ManualTime());
    const ids = (task: SyncTask): number[] => [task.frame.uid, task.frame.gid];
    expect(await env.run('root', ids)).toEqual([0, 0]);
    expect(await env.run('user', ids, { frame: new Frame({ uid: 7, gid: 8 }) })).toEqual([7, 8]);
  });

  it('gives a waiting task\'s place to another, so that a task may wait for one that is queued', async () => {
    const env = new SyncEnv(new ManualTime(), { procs: 2 });
    const outer = (): Promise<string> => env.run('outer', (task) => task.yieldTo(env.run('inner', () => 'done')));
    expect(await Promise.all([outer(), outer(), outer()])).toEqual(['done', 'done', 'done']);
    expect(env.stats).toMatchObject({ running: 0, suspended: 0 });
  });

  it('aborts a task that takes too long, and says ETIMEDOUT', async () => {
    const time = new ManualTime();
    const env = new SyncEnv(time);
    const late = env.run('late', (task) => task.sleep(5000), { timeoutMs: 1000 });
    const seen = expect(late).rejects.toEqual(failing(Errno.ETIMEDOUT));
    await time.pass(1000);
    await seen;
    const inTime = env.run('in time', async (task) => task.sleep(500).then(() => 'yes'), { timeoutMs: 1000 });
    await time.pass(500);
    expect(await inTime).toBe('yes');
    expect(time.armed).toBe(0);
  });

  it('forgets a queued task that is aborted, and tells a running one', async () => {
    const env = new SyncEnv(new ManualTime(), { procs: 2 });
    const { begun, hold, release } = gates();
    const running = ['a', 'b'].map((name) => env.run(name, hold(name)));
    const abort = new AbortController();
    const queued = env.run('c', hold('c'), { signal: abort.signal });
    const seen = expect(queued).rejects.toEqual(failing(Errno.ECANCELED));
    abort.abort();
    await seen;
    for (const name of ['a', 'b']) release(name);
    await Promise.all(running);
    expect(begun).toEqual(['a', 'b']);
    const other = new AbortController();
    const told = env.run('told', (task) => new Promise<string>((resolve) => task.signal.addEventListener('abort', () => resolve('told'))), { signal: other.signal });
    await settled();
    other.abort();
    expect(await told).toBe('told');
  });

  it('ends when its last task has ended, and takes no more', async () => {
    const env = new SyncEnv(new ManualTime());
    const task = env.run('sleeper', (self) => self.sleep(1e6));
    const seen = expect(task).rejects.toEqual(failing(Errno.ECANCELED));
    await settled();
    await env.destroy();
    await seen;
    await expect(env.run('late', () => 1)).rejects.toEqual(failing(Errno.ECANCELED));
  });

  it('shows its numbers in a statedump', () => {
    const lines: string[] = [];
    new SyncEnv(new ManualTime(), { procs: 4 }).dump({ section: (title) => lines.push(`[${title}]`), write: (key, value) => lines.push(`${key}=${value}`), line: (text) => lines.push(text) });
    expect(lines.slice(0, 3)).toEqual(['[syncenv]', 'procs=4', 'running=0']);
  });
});

describe('a sync lock', () => {
  it('is handed to the one that has waited longest, and nobody slips in between', async () => {
    const lock = new SyncLock(new ManualTime().timers);
    const [a, b, c] = [{}, {}, {}];
    await lock.lock(a);
    const order: string[] = [];
    const waits = [lock.lock(b).then(() => order.push('b')), lock.lock(c).then(() => order.push('c'))];
    lock.unlock(a);
    expect(lock.tryLock(a)).toBe(false);
    await settled();
    expect(order).toEqual(['b']);
    lock.unlock(b);
    await Promise.all(waits);
    expect(order).toEqual(['b', 'c']);
    lock.unlock(c);
    expect(lock.held).toBe(false);
  });

  it('answers its owner EDEADLK, others that release it EPERM', async () => {
    const lock = new SyncLock(new ManualTime().timers);
    const owner = {};
    await lock.lock(owner);
    await expect(lock.lock(owner)).rejects.toEqual(failing(Errno.EDEADLK));
    expect(() => lock.unlock({})).toThrow(/EPERM/);
  });

  it('may be taken again by its owner when it is recursive, and is free when released as often', async () => {
    const lock = new SyncLock(new ManualTime().timers, { recursive: true });
    const owner = {};
    await lock.lock(owner);
    await lock.lock(owner);
    lock.unlock(owner);
    expect(lock.tryLock({})).toBe(false);
    lock.unlock(owner);
    expect(lock.tryLock({})).toBe(true);
  });

  it('is given up for at a timeout, and does not go to the one that gave up', async () => {
    const time = new ManualTime();
    const lock = new SyncLock(time.timers);
    const [a, b, c] = [{}, {}, {}];
    await lock.lock(a);
    const tooLate = expect(lock.lock(b, { timeoutMs: 10 })).rejects.toEqual(failing(Errno.ETIMEDOUT));
    const next = lock.lock(c);
    await time.pass(10);
    await tooLate;
    lock.unlock(a);
    await next;
    expect(lock.depthOf(c)).toBe(1);
  });

  it('is released after `with`, also when that fails', async () => {
    const lock = new SyncLock(new ManualTime().timers);
    await expect(lock.with({}, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(lock.held).toBe(false);
  });
});

describe('a condition', () => {
  it('lets go of the lock while it waits, and has it again afterwards, also after a timeout', async () => {
    const time = new ManualTime();
    const lock = new SyncLock(time.timers);
    const condition = new SyncCondition(time.timers);
    const [waiter, other] = [{}, {}];
    await lock.lock(waiter);
    const woken = condition.wait(lock, waiter);
    await lock.lock(other);
    condition.signal();
    await settled();
    expect(lock.depthOf(waiter)).toBe(0);
    lock.unlock(other);
    await woken;
    expect(lock.depthOf(waiter)).toBe(1);
    const late = expect(condition.wait(lock, waiter, { timeoutMs: 5 })).rejects.toEqual(failing(Errno.ETIMEDOUT));
    await time.pass(5);
    await late;
    expect(lock.depthOf(waiter)).toBe(1);
  });

  it('wakes all at a broadcast', async () => {
    const { timers } = new ManualTime();
    const lock = new SyncLock(timers);
    const condition = new SyncCondition(timers);
    let passed = 0;
    const all = [{}, {}, {}].map(async (owner) => {
      await lock.lock(owner);
      await condition.wait(lock, owner);
      passed++;
      lock.unlock(owner);
    });
    await settled();
    expect(condition.waiters).toBe(3);
    condition.broadcast();
    await Promise.all(all);
    expect(passed).toBe(3);
  });
});

describe('a barrier', () => {
  it('lets pass when so many have arrived, and begins anew', async () => {
    const time = new ManualTime();
    const barrier = new SyncBarrier(time.timers);
    barrier.wake();
    let passed = false;
    const wait = barrier.wait(3).then(() => (passed = true));
    barrier.wake();
    await settled();
    expect(passed).toBe(false);
    barrier.wake();
    await wait;
    expect(barrier.arrived).toBe(0);
    const late = expect(barrier.wait(1, { timeoutMs: 7 })).rejects.toEqual(failing(Errno.ETIMEDOUT));
    await time.pass(7);
    await late;
    barrier.wake();
    await barrier.wait(1);
  });
});
