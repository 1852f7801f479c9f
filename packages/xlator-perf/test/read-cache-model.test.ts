import { type Bytes, Errno, type Fd, Frame, GfEvent, type Graph, IoVec, LkCmd, LkType, OpenFlag, type Platform, type Upcall, createPlatform, errnoOf } from '@glusterts/libglusterfs';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { type SlowChild, slowChild, slowChildOf, turn } from './slow-child.js';
import { type Change, WriteHistory } from './write-history.js';

/*
 * Two clients of one file. Ours has read caches above a brick that answers late and in any order; the other writes to the brick at
 * once. Ours must see its own changes as soon as they are answered, and the other's after a second, after an upcall or md-cache's
 * `invalidate`, after a lock, and after the brick was away.
 */

const CELLS = 96;
const TIMEOUT_MS = 1000;

/** xorshift32: the same run for the same seed. */
function random(seed: number): (limit: number) => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return (limit) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % limit;
  };
}

/** A clock that goes on only when told; no two changes have the same times. */
function slowTime(): Platform & { advance(ms: number): void } {
  const real = createPlatform();
  let ms = 1_700_000_000_000;
  let looks = 0;
  const realtime = (): { sec: number; nsec: number } => ({ sec: Math.floor(ms / 1000), nsec: (ms % 1000) * 1_000_000 + (looks++ % 1_000_000) });
  return { ...real, clock: { ...real.clock, wall: () => ms, monotonic: () => ms, realtime }, advance: (more) => void (ms += more) };
}

interface Plan {
  readonly seed: number;
  readonly operations: number;
  /** From the bottom up. */
  readonly layers: readonly string[];
  readonly options: Readonly<Record<string, string>>;
  /** The other client writes, too. */
  readonly others: boolean;
  /** Of a hundred reads and stats below, how many fail. */
  readonly failing: number;
}

let shares = 0;

class Run {
  readonly #plan: Plan;
  readonly #ours: GraphDriver;
  readonly #other: GraphDriver;
  readonly #child: SlowChild;
  readonly #platform: ReturnType<typeof slowTime>;
  readonly #next: (limit: number) => number;
  readonly #cell: number;
  readonly #history = new WriteHistory();
  readonly #fds: { readonly fd: Fd; at: number }[] = [];
  #theirs: Fd | undefined;
  readonly #underWay = new Set<Promise<void>>();
  /** Changes of the other client that ours may not know of, and when they were done. */
  #unknown: { readonly change: Change; readonly doneMs: number }[] = [];
  #value = 0;
  readonly #log: string[] = [];
  #broken: unknown;

  constructor(plan: Plan, ours: GraphDriver, other: GraphDriver, child: SlowChild, platform: ReturnType<typeof slowTime>) {
    this.#plan = plan;
    this.#ours = ours;
    this.#other = other;
    this.#child = child;
    this.#platform = platform;
    this.#next = random(plan.seed);
    this.#cell = [512, 4096, 16_384, 65_536][this.#next(4)] ?? 512;
  }

  async go(): Promise<void> {
    try {
      await this.#go();
    } catch (error) {
      throw new Error(`seed ${this.#plan.seed}, cells of ${this.#cell} bytes: ${error instanceof Error ? error.message : String(error)}\n${this.#log.slice(-40).join('\n')}`, { cause: error });
    }
  }

  async #go(): Promise<void> {
    this.#fds.push({ fd: await this.#ours.create('/f'), at: 0 });
    for (let i = 0; i < 3; i++) this.#fds.push({ fd: await this.#ours.open('/f', i === 0 ? OpenFlag.RDWR : OpenFlag.RDONLY), at: 0 });
    this.#theirs = await this.#other.open('/f');
    for (const fop of ['writev', 'readv', 'fstat', 'ftruncate', 'lk'] as const) this.#child.keeps.add(fop);
    let idle = 0;
    for (let done = 0; done < this.#plan.operations; ) {
      if (this.#broken !== undefined) throw this.#broken;
      const most = 1 + this.#next(8);
      if (this.#underWay.size < most && this.#next(3) > 0) {
        await this.#ask();
        done++;
      } else {
        this.#progress();
        if (this.#child.pending.length === 0) await turn();
        idle = this.#child.pending.length === 0 ? idle + 1 : 0;
        if (idle > 1000) throw new Error(`${this.#underWay.size} fops hang, with nothing under way below`);
      }
      if (this.#next(4) === 0) await turn();
    }
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#log.push('the end');
    while (this.#underWay.size > 0 || this.#child.pending.length > 0) {
      if (this.#child.pending.length > 0) await this.#child.next().answer();
      await turn();
      if (this.#broken !== undefined) throw this.#broken;
    }
    this.#child.keeps.clear();
    this.#advance(TIMEOUT_MS + 1);
    for (let start = 0; start < CELLS; start += 40) {
      this.#read(0, start, Math.min(CELLS, start + 40));
      await Promise.all(this.#underWay);
    }
    if (this.#broken !== undefined) throw this.#broken;
    for (const { fd } of this.#fds) await this.#ours.close(fd);
    if (this.#theirs) await this.#other.close(this.#theirs);
    for (let rounds = 0; rounds < 100 && this.#fds.some(({ fd }) => fd.refs > 0); rounds++) await turn();
    expect(this.#fds.map(({ fd }) => fd.refs)).toEqual(this.#fds.map(() => 0));
  }

  #beside(name: string, run: () => Promise<string>): void {
    this.#log.push(`> ${name}`);
    const done = run().then(
      (answer) => void this.#log.push(`< ${name}: ${answer}`),
      (error: unknown) => {
        this.#log.push(`< ${name}: WRONG`);
        this.#broken ??= error;
      },
    );
    this.#underWay.add(done);
    void done.then(() => this.#underWay.delete(done));
  }

  async #ask(): Promise<void> {
    const dice = this.#next(100);
    const start = this.#next(CELLS - 1);
    const length = 1 + this.#next(this.#next(4) === 0 ? CELLS - start : Math.min(12, CELLS - start));
    if (dice < 15) this.#write(start, start + length);
    else if (dice < 19) this.#truncate(this.#next(4) === 0 ? 0 : start);
    else if (dice < 35) this.#read(this.#next(this.#fds.length), start, start + length);
    else if (dice < 70) this.#readOn(this.#next(this.#fds.length), length);
    else if (dice < 80) this.#advance(this.#next(3) === 0 ? 700 : this.#next(50));
    else if (!this.#plan.others) this.#read(this.#next(this.#fds.length), start, start + length);
    else if (dice < 88) await this.#theyWrite(start, start + length);
    else if (dice < 91) await this.#theyTruncate(this.#next(4) === 0 ? 0 : start);
    else if (dice < 93) this.#upcall();
    else if (dice < 95) this.#invalidate();
    else if (dice < 97) this.#lock();
    else if (dice < 98) this.#brickAway();
    else await this.#lookup();
  }

  #progress(): void {
    const { pending } = this.#child;
    const one = pending[this.#next(pending.length || 1)];
    if (!one) return;
    const dice = this.#next(100);
    if (dice < this.#plan.failing && (one.fop === 'readv' || one.fop === 'fstat')) {
      this.#log.push(`  ${one.fop} fails`);
      one.fail(Errno.EIO);
    } else if (dice < 40) {
      this.#log.push(`  ${one.fop} done`);
      void one.apply();
    } else {
      this.#log.push(`  ${one.fop} answered${one.fop === 'readv' ? ` ${Number(one.args[3]) / this.#cell}+${Number(one.args[2]) / this.#cell}` : ''}`);
      void one.answer();
    }
  }

  #frame(): Frame {
    return new Frame({ pid: 1000, lk_owner: 'owner' as Bytes });
  }

  // ---- ours

  #read(which: number, start: number, end: number): void {
    const open = this.#fds[which];
    if (!open) throw new Error('no fd');
    open.at = end;
    const asked = this.#history.now();
    this.#beside(`read ${which}: ${start}-${end}`, async () => {
      let bytes: Uint8Array;
      try {
        const { vector } = await this.#ours.subvolume.readv(this.#frame(), open.fd, (end - start) * this.#cell, start * this.#cell, 0, undefined);
        bytes = new Uint8Array(vector.toUint8Array());
        vector.unref();
      } catch (error) {
        expect(this.#plan.failing).toBeGreaterThan(0);
        expect(errnoOf(error)).toBe(Errno.EIO);
        return 'EIO';
      }
      this.#check(bytes, start, end, asked);
      return `${bytes.length / this.#cell} cells`;
    });
  }

  #readOn(which: number, length: number): void {
    const at = this.#fds[which]?.at ?? 0;
    if (at >= CELLS) this.#read(which, 0, length);
    else this.#read(which, at, Math.min(CELLS, at + length));
  }

  #check(bytes: Uint8Array, start: number, end: number, asked: number): void {
    const answered = this.#history.now();
    const { low, high } = this.#history.sizes(asked, answered);
    const cells = bytes.length / this.#cell;
    const what = `read ${start}-${end} of ${low}..${high} cells gave ${cells}`;
    expect(Number.isInteger(cells), what).toBe(true);
    if (start + cells < end) expect(start + cells, what).toBeGreaterThanOrEqual(Math.min(low, end));
    if (cells > 0) expect(start + cells, what).toBeLessThanOrEqual(high);
    for (let at = 0; at < cells; at++) {
      const cell = bytes.subarray(at * this.#cell, (at + 1) * this.#cell);
      const [value = 0] = cell;
      if (cell.some((byte) => byte !== value)) throw new Error(`cell ${start + at} is torn`);
      const values = this.#history.values(start + at, asked, answered);
      if (!values.has(value)) throw new Error(`cell ${start + at} holds ${value}, and may hold ${[...values].join(', ')}`);
    }
  }

  #bytes(of: GraphDriver, cells: number): { value: number; vector: IoVec } {
    const value = (this.#value = (this.#value % 255) + 1);
    const size = cells * this.#cell;
    const buf = of.graph.iobufs.get(size);
    return { value, vector: new IoVec([buf.memory.subarray(0, size).fill(value)], [buf]) };
  }

  #write(start: number, end: number): void {
    const { value, vector } = this.#bytes(this.#ours, end - start);
    const change = this.#history.write(start, end, value);
    const fd = this.#fds[this.#next(2)]?.fd;
    if (!fd) throw new Error('no fd');
    this.#beside(`write ${start}-${end} = ${value}`, async () => {
      await this.#ours.subvolume.writev(this.#frame(), fd, vector, start * this.#cell, 0, undefined);
      vector.unref();
      this.#history.answered(change, true);
      return 'ok';
    });
  }

  #truncate(size: number): void {
    const change = this.#history.truncate(size);
    const fd = this.#fds[0]?.fd;
    if (!fd) throw new Error('no fd');
    this.#beside(`truncate ${size}`, async () => {
      await this.#ours.subvolume.ftruncate(this.#frame(), fd, size * this.#cell, undefined);
      this.#history.answered(change, true);
      return 'ok';
    });
  }

  async #lookup(): Promise<void> {
    const { inode } = this.#fds[0]?.fd ?? {};
    if (inode) await this.#ours.lookup('/f');
  }

  /** With the lock comes all that was done before it was granted. */
  #lock(): void {
    const fd = this.#fds[0]?.fd;
    if (!fd) throw new Error('no fd');
    const known = [...this.#unknown];
    this.#beside('lock', async () => {
      await this.#ours.subvolume.lk(this.#frame(), fd, LkCmd.SETLK, { type: LkType.WRLCK, whence: 0, start: 0n, len: 0n, pid: 1000, owner: 'owner' as Bytes }, undefined);
      this.#learned(known);
      return 'ok';
    });
  }

  // ---- the other client, and how ours hears of it

  async #theyWrite(start: number, end: number): Promise<void> {
    const { value, vector } = this.#bytes(this.#other, end - start);
    const change = this.#history.write(start, end, value);
    this.#log.push(`they write ${start}-${end} = ${value}`);
    if (this.#theirs) await this.#other.subvolume.writev(this.#frame(), this.#theirs, vector, start * this.#cell, 0, undefined);
    vector.unref();
    this.#theyDid(change);
  }

  async #theyTruncate(size: number): Promise<void> {
    const change = this.#history.truncate(size);
    this.#log.push(`they truncate ${size}`);
    if (this.#theirs) await this.#other.subvolume.ftruncate(this.#frame(), this.#theirs, size * this.#cell, undefined);
    this.#theyDid(change);
  }

  #theyDid(change: Change): void {
    this.#history.answered(change, true, false);
    this.#unknown.push({ change, doneMs: this.#platform.clock.monotonic() });
  }

  #learned(which: readonly { readonly change: Change }[]): void {
    for (const { change } of which) this.#history.seen(change);
    this.#unknown = this.#unknown.filter((one) => !which.includes(one));
  }

  #advance(ms: number): void {
    this.#platform.advance(ms);
    const oldest = this.#platform.clock.monotonic() - TIMEOUT_MS;
    this.#learned(this.#unknown.filter(({ doneMs }) => doneMs <= oldest));
  }

  #upcall(): void {
    this.#log.push('upcall');
    const { inode } = this.#fds[0]?.fd ?? {};
    if (!inode) throw new Error('no fd');
    this.#child.notify(GfEvent.UPCALL, { kind: 'cache-invalidation', client: undefined, gfid: inode.gfid, flags: 0x18 } as Upcall);
    this.#learned(this.#unknown);
  }

  #invalidate(): void {
    this.#log.push('invalidate');
    const { inode } = this.#fds[0]?.fd ?? {};
    if (inode) this.#ours.graph.invalidate(inode);
    this.#learned(this.#unknown);
  }

  #brickAway(): void {
    this.#log.push('the brick goes and comes');
    this.#child.notify(GfEvent.CHILD_DOWN);
    this.#child.notify(GfEvent.CHILD_UP);
    this.#learned(this.#unknown);
  }
}

async function graphs({ layers, options }: Plan, platform: Platform): Promise<{ ours: Graph; other: Graph }> {
  const brick = `volume brick\n type storage/memory\n option size 0\n option share read-cache-${++shares}\nend-volume\n`;
  let volfile = `${brick}volume slow\n type test/slow-child\n subvolumes brick\nend-volume\n`;
  layers.forEach((type, i) => {
    const lines = i === layers.length - 1 ? Object.entries(options).map(([key, value]) => ` option ${key} ${value}\n`).join('') : '';
    volfile += `volume ${type}\n type performance/${type}\n${lines} subvolumes ${layers[i - 1] ?? 'slow'}\nend-volume\n`;
  });
  return { ours: await testGraph(volfile, [...memory, slowChild, ...xlators], { platform }), other: await testGraph(brick, memory, { platform }) };
}

async function runOf(plan: Plan): Promise<void> {
  const platform = slowTime();
  const { ours, other } = await graphs(plan, platform);
  const child = slowChildOf(ours);
  try {
    const driver = new GraphDriver(ours.topSubvolume, ours);
    const otherDriver = new GraphDriver(other.topSubvolume, other);
    await driver.root();
    await otherDriver.root();
    await new Run(plan, driver, otherDriver, child, platform).go();
  } finally {
    await child.healed();
    await ours.fini();
    await other.fini();
  }
  expect(ours.iobufs.active).toBe(0);
}

const SEEDS = Number(process.env['READ_CACHE_SEEDS'] ?? 8);
const FIRST = Number(process.env['READ_CACHE_FIRST_SEED'] ?? 1);

describe('read caches against a model', () => {
  const kinds: readonly [string, Omit<Plan, 'seed'>][] = [
    ['read-ahead', { operations: 200, layers: ['read-ahead'], options: {}, others: true, failing: 0 }],
    ['read-ahead with a failing brick', { operations: 200, layers: ['read-ahead'], options: { 'page-size': '4096', 'page-count': '16', 'force-atime-update': 'on' }, others: true, failing: 10 }],
    ['io-cache', { operations: 200, layers: ['io-cache'], options: { 'cache-size': '4MB' }, others: true, failing: 0 }],
    ['io-cache with a failing brick', { operations: 200, layers: ['io-cache'], options: { 'cache-size': '4MB' }, others: true, failing: 10 }],
    ['io-cache that asks every time', { operations: 200, layers: ['io-cache'], options: { 'cache-timeout': '0' }, others: true, failing: 5 }],
    ['io-cache over read-ahead over write-behind, one client', { operations: 200, layers: ['write-behind', 'read-ahead', 'io-cache'], options: { 'cache-size': '4MB' }, others: false, failing: 0 }],
  ];
  it.each(kinds)('%s: readers see their own changes at once, and those of others when they must', async (_, plan) => {
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) await runOf({ seed, ...plan });
  }, 120_000);
});
