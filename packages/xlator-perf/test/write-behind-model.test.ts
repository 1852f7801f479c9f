import { type Bytes, Errno, type Fd, Frame, IoVec, OpenFlag, errnoOf } from '@glusterts/libglusterfs';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { describe, expect, it } from 'vitest';
import { writeBehind } from '../src/write-behind/index.js';
import { type SlowChild, slowChild, slowChildOf, slowVolfile, turn } from './slow-child.js';
import { type Change, WriteHistory } from './write-history.js';

const WINDOW = 512 * 1024;
const CELLS = 160;

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

/** The bytes of `cell`, runs of the same one once. */
function distinct(cell: Uint8Array): number[] {
  const found: number[] = [];
  for (let i = 0; i < cell.length; i++) if (cell[i] !== cell[i - 1]) found.push(cell[i] ?? 0);
  return found;
}

interface Plan {
  readonly seed: number;
  readonly operations: number;
  /** Of a hundred fops below, how many fail, and how many writes are short. */
  readonly failing: number;
  readonly short: number;
  readonly options: Readonly<Record<string, string>>;
}

/** Many openers of one file, a child that takes its time, and what may be seen of it. */
class Run {
  readonly #plan: Plan;
  readonly #driver: GraphDriver;
  readonly #child: SlowChild;
  readonly #next: (limit: number) => number;
  readonly #cell: number;
  readonly #history = new WriteHistory();
  readonly #fds: Fd[] = [];
  readonly #underWay = new Set<Promise<void>>();
  /** Flushes and fsyncs that are not answered; whether each succeeds. */
  readonly #barriers = new Set<Promise<boolean>>();
  /** When those asked who look at the file and have no answer. */
  readonly #readers = new Set<number>();
  #value = 0;
  #log: string[] = [];
  /** What went wrong in a fop that runs beside. */
  #broken: unknown;

  constructor(plan: Plan, driver: GraphDriver, child: SlowChild) {
    this.#plan = plan;
    this.#driver = driver;
    this.#child = child;
    this.#next = random(plan.seed);
    this.#cell = [1, 7, 512, 4096, 20_000][this.#next(5)] ?? 1;
  }

  async go(): Promise<void> {
    try {
      await this.#go();
    } catch (error) {
      throw new Error(`seed ${this.#plan.seed}, cells of ${this.#cell} bytes: ${error instanceof Error ? error.message : String(error)}\n${this.#log.slice(Number(process.env['WRITE_BEHIND_LINES'] ?? -40)).join('\n')}`, { cause: error });
    }
  }

  async #go(): Promise<void> {
    this.#child.onArrival = (fop, args) => void this.#log.push(`  ${fop} comes${fop === 'writev' ? ` ${Number(args[3]) / this.#cell}+${(args[2] as IoVec).size / this.#cell}` : ''}`);
    const first = await this.#driver.create('/f');
    this.#fds.push(first);
    for (const fop of ['writev', 'readv', 'fsync', 'flush', 'fstat', 'stat', 'ftruncate', 'truncate'] as const) this.#child.keeps.add(fop);
    let idle = 0;
    for (let done = 0; done < this.#plan.operations; ) {
      if (this.#broken !== undefined) throw this.#broken;
      const most = 1 + this.#next(12);
      if (this.#underWay.size < most && this.#next(3) > 0) {
        this.#ask();
        if (++done % 16 === 0) this.#history.prune(Math.min(this.#history.now(), ...this.#readers));
      } else {
        this.#progress();
        if (this.#child.pending.length === 0) await turn();
        idle = this.#child.pending.length === 0 ? idle + 1 : 0;
        if (idle > 1000) throw new Error(`${this.#underWay.size} fops hang, with nothing under way below`);
      }
      if (this.#next(4) === 0) await turn();
      expect(this.#child.overlaps).toEqual([]);
    }
    await this.#end(first);
  }

  /** The child gets well, and everything must come right. */
  async #end(first: Fd): Promise<void> {
    this.#log.push('the end');
    const rounds = async (): Promise<void> => {
      while (this.#underWay.size > 0 || this.#child.pending.length > 0) {
        if (this.#broken !== undefined) throw this.#broken;
        await turn();
        if (this.#child.pending.length > 0) await this.#child.next().answer();
        else if (this.#underWay.size > 0) {
          await turn();
          await turn();
          if (this.#child.pending.length === 0 && this.#underWay.size > 0) throw new Error(`${this.#underWay.size} fops hang, with nothing under way below`);
        }
      }
    };
    await rounds();
    for (let tries = 0; tries < 2; tries++) {
      this.#fsync(first);
      await rounds();
    }
    for (let start = 0; start < CELLS; start += 40) this.#read(first, start, start + 40);
    this.#stat(first);
    await rounds();
    if (this.#broken !== undefined) throw this.#broken;
    for (const fd of this.#fds) this.#close(fd);
    await rounds();
    if (this.#broken !== undefined) throw this.#broken;
    expect(this.#child.overlaps).toEqual([]);
    expect(this.#fds.map((fd) => fd.refs)).toEqual(this.#fds.map(() => 0));
  }

  #fd(): Fd {
    const fd = this.#fds[this.#next(this.#fds.length)];
    if (!fd) throw new Error('no fd');
    return fd;
  }

  /** The kernel gives only the end of the file as an offset to fds that append. */
  #writer(): Fd {
    const fd = this.#fd();
    return fd.flags & OpenFlag.APPEND ? (this.#fds[0] ?? fd) : fd;
  }

  /** A fop begins; the others go on. `asked`: since when it sees the file, if it looks at it. */
  #beside(name: string, asked: number | undefined, run: () => Promise<string>): void {
    if (asked !== undefined) this.#readers.add(asked);
    this.#log.push(`> ${name}`);
    const done = run().then(
      (answer) => void this.#log.push(`< ${name}: ${answer}`),
      (error: unknown) => {
        this.#log.push(`< ${name}: WRONG`);
        this.#broken ??= error;
      },
    );
    this.#underWay.add(done);
    void done.then(() => {
      this.#underWay.delete(done);
      if (asked !== undefined) this.#readers.delete(asked);
    });
  }

  #ask(): void {
    const dice = this.#next(100);
    const start = this.#next(CELLS - 1);
    const length = 1 + this.#next(this.#next(4) === 0 ? CELLS - start : Math.min(8, CELLS - start));
    if (dice < 45) this.#write(this.#writer(), start, start + length, this.#next(12) === 0 ? OpenFlag.SYNC : 0);
    else if (dice < 55) this.#writeRun(this.#writer(), start);
    else if (dice < 60) this.#append();
    else if (dice < 74) this.#read(this.#fd(), start, start + length);
    else if (dice < 80) this.#stat(this.#fd());
    else if (dice < 87) this.#truncate(this.#fd(), this.#next(3) === 0 ? 0 : start);
    else if (dice < 93) this.#fsync(this.#fd());
    else if (dice < 97 && this.#fds.length < 6) this.#open();
    else this.#flush(this.#fd());
  }

  /** Something below goes on: is done, is answered, fails. */
  #progress(): void {
    const { pending } = this.#child;
    const one = pending[this.#next(pending.length || 1)];
    if (!one) return;
    const dice = this.#next(100);
    if (dice < this.#plan.failing) {
      this.#log.push(`  ${one.fop} fails${one.fop === 'writev' ? ` at ${Number(one.args[3]) / this.#cell}` : ''}`);
      one.fail(Errno.ENOSPC);
    } else if (dice < 40) void one.apply();
    else if (one.fop === 'writev' && this.#next(100) < this.#plan.short) {
      const bytes = 1 + this.#next((one.args[2] as IoVec).size);
      this.#log.push(`  ${one.fop} at ${String(one.args[3])} does ${bytes} bytes`);
      void one.apply(bytes).then(() => one.answer());
    } else {
      this.#log.push(`  ${one.fop} answered${one.fop === 'writev' ? ` at ${Number(one.args[3]) / this.#cell}` : ''}`);
      void one.answer();
    }
  }

  #frame(): Frame {
    return new Frame({ pid: 1000 + this.#next(3), lk_owner: `owner-${this.#next(2)}` as Bytes });
  }

  #write(fd: Fd, start: number, end: number, flags = 0): void {
    const value = (this.#value = (this.#value % 255) + 1);
    const change = this.#history.write(start, end, value);
    const size = (end - start) * this.#cell;
    const buf = this.#driver.graph.iobufs.get(size);
    const bytes = buf.memory.subarray(0, size).fill(value);
    this.#beside(`write ${start}-${end} = ${value}${flags ? ' sync' : ''}`, undefined, async () => {
      try {
        const reply = await this.#driver.subvolume.writev(this.#frame(), fd, new IoVec([bytes], [buf]), start * this.#cell, flags, undefined);
        if (reply.written < size) {
          // Only the child's own answer may be short.
          expect(flags).not.toBe(0);
          this.#history.answered(change, false);
          return `${reply.written} bytes`;
        }
        this.#history.answered(change, true);
        return 'ok';
      } catch (error) {
        return this.#failed(change, error);
      } finally {
        // The kernel's next request lies in it as soon as nobody refers to it.
        buf.unref();
      }
    });
  }

  #failed(change: Change | undefined, error: unknown): string {
    expect(errnoOf(error)).toBe(Errno.ENOSPC);
    if (change) this.#history.answered(change, false);
    return 'ENOSPC';
  }

  /** As `dd` writes: one piece after the other, each when the one before was answered. */
  #writeRun(fd: Fd, start: number): void {
    let at = start;
    const step = (): void => {
      const end = Math.min(CELLS, at + 2);
      if (at >= end || at > start + 20) return;
      const before = this.#underWay.size;
      this.#write(fd, at, end);
      at = end;
      const last = [...this.#underWay].at(-1);
      if (this.#underWay.size > before && last) void last.then(step);
    };
    step();
  }

  /** The kernel says where the end is; so it must be known. */
  #append(): void {
    const size = this.#history.certainSize;
    const fd = this.#fds.find((one) => one.flags & OpenFlag.APPEND);
    if (size === undefined || !fd || size >= CELLS || this.#underWay.size > 0) return;
    this.#write(fd, size, Math.min(CELLS, size + 3));
  }

  #open(): void {
    const flags = this.#next(3) === 0 ? OpenFlag.RDWR | OpenFlag.APPEND : OpenFlag.RDWR;
    const [first] = this.#fds;
    if (!first || (flags & OpenFlag.APPEND && this.#fds.some((fd) => fd.flags & OpenFlag.APPEND))) return;
    this.#beside('open', undefined, async () => {
      try {
        this.#fds.push(await this.#driver.open('/f', flags));
        return 'ok';
      } catch (error) {
        return this.#failed(undefined, error);
      }
    });
  }

  #read(fd: Fd, start: number, end: number): void {
    const asked = this.#history.now();
    this.#beside(`read ${start}-${end}`, asked, async () => {
      let bytes: Uint8Array;
      try {
        const { vector } = await this.#driver.subvolume.readv(this.#frame(), fd, (end - start) * this.#cell, start * this.#cell, 0, undefined);
        bytes = new Uint8Array(vector.toUint8Array());
        vector.unref();
      } catch (error) {
        return this.#failed(undefined, error);
      }
      const cells = bytes.length / this.#cell;
      await this.#unlessLost(() => this.#check(bytes, start, end, asked));
      return `${cells} cells`;
    });
  }

  /** What a read that was asked at that time gave. */
  #check(bytes: Uint8Array, start: number, end: number, asked: number): void {
    const answered = this.#history.now();
    const { low, high } = this.#history.sizes(asked, answered);
    const cells = bytes.length / this.#cell;
    const what = `read ${start}-${end} of ${low}..${high} cells gave ${cells}`;
    if (bytes.length % this.#cell === 0 || this.#plan.short === 0) {
      expect(Number.isInteger(cells), what).toBe(true);
      if (start + cells < end) expect(start + cells, what).toBeGreaterThanOrEqual(Math.min(low, end));
      if (cells > 0) expect(start + cells, what).toBeLessThanOrEqual(high);
    }
    for (let at = 0; at < Math.floor(cells); at++) {
      const cell = distinct(bytes.subarray(at * this.#cell, (at + 1) * this.#cell));
      const values = this.#history.values(start + at, asked, answered);
      const strange = cell.find((byte) => !values.has(byte));
      if (strange !== undefined) throw new Error(`cell ${start + at} holds ${strange}, and may hold ${[...values].join(', ')}`);
      // Writes of whole cells are not torn, unless one was short.
      if (this.#plan.short === 0 && cell.length > 1) throw new Error(`cell ${start + at} holds ${cell.join(', ')}`);
    }
  }

  /** A write that failed is gone before the barrier that waits for it, and will tell of it, has its answer. */
  async #unlessLost(check: () => void | Promise<void>): Promise<void> {
    const barriers = [...this.#barriers];
    try {
      await check();
    } catch (error) {
      if (!(await Promise.all(barriers)).includes(false)) throw error;
    }
  }

  /** The whole file, past write-behind. */
  async #below(): Promise<Uint8Array> {
    const [fd] = this.#fds;
    if (!fd) throw new Error('no fd');
    const { vector } = await this.#child.child.readv(this.#frame(), fd, CELLS * this.#cell, 0, 0, undefined);
    const bytes = new Uint8Array(vector.toUint8Array());
    vector.unref();
    return bytes;
  }

  #stat(fd: Fd): void {
    const asked = this.#history.now();
    this.#beside('stat', asked, async () => {
      let size: number;
      try {
        size = (await this.#driver.subvolume.fstat(this.#frame(), fd, undefined)).stat.ia_size / this.#cell;
      } catch (error) {
        return this.#failed(undefined, error);
      }
      await this.#unlessLost(() => {
        const { low, high } = this.#history.sizes(asked, this.#history.now());
        expect(size).toBeGreaterThanOrEqual(low);
        expect(size).toBeLessThanOrEqual(high);
      });
      return `${size} cells`;
    });
  }

  #truncate(fd: Fd, size: number): void {
    const change = this.#history.truncate(size);
    this.#beside(`truncate ${size}`, undefined, async () => {
      try {
        await this.#driver.subvolume.ftruncate(this.#frame(), fd, size * this.#cell, undefined);
        this.#history.answered(change, true);
        return 'ok';
      } catch (error) {
        return this.#failed(change, error);
      }
    });
  }

  #fsync(fd: Fd): void {
    const asked = this.#history.now();
    this.#beside('fsync', asked, () => this.#barrier(asked, this.#driver.subvolume.fsync(this.#frame(), fd, false, undefined)));
  }

  #flush(fd: Fd): void {
    const asked = this.#history.now();
    this.#beside('flush', asked, () => this.#barrier(asked, this.#driver.subvolume.flush(this.#frame(), fd, undefined)));
  }

  #close(fd: Fd): void {
    const asked = this.#history.now();
    this.#beside('close', asked, () => this.#barrier(asked, this.#driver.close(fd)));
  }

  async #barrier(asked: number, answer: Promise<unknown>): Promise<string> {
    const succeeded = answer.then(() => true, () => false);
    this.#barriers.add(succeeded);
    try {
      await answer;
    } catch (error) {
      this.#history.lost();
      return this.#failed(undefined, error);
    } finally {
      this.#barriers.delete(succeeded);
    }
    // What was answered before it is below now, whoever asks there.
    await this.#unlessLost(async () => this.#check(await this.#below(), 0, CELLS, asked));
    this.#history.synced(asked);
    return 'ok';
  }
}

async function runOf(plan: Plan): Promise<void> {
  const graph = await testGraph(slowVolfile('performance/write-behind', { 'cache-size': String(WINDOW), ...plan.options }), [...memory, slowChild, writeBehind]);
  const child = slowChildOf(graph);
  try {
    const driver = new GraphDriver(graph.topSubvolume, graph);
    await driver.root();
    await new Run(plan, driver, child).go();
    expect(graph.iobufs.active).toBe(0);
  } finally {
    await child.healed();
    await graph.fini();
  }
}

const SEEDS = Number(process.env['WRITE_BEHIND_SEEDS'] ?? 8);
const FIRST = Number(process.env['WRITE_BEHIND_FIRST_SEED'] ?? 1);

describe('performance/write-behind against a model', () => {
  const kinds: readonly [string, Omit<Plan, 'seed'>][] = [
    ['a healthy child', { operations: 150, failing: 0, short: 0, options: {} }],
    ['a child that writes short', { operations: 150, failing: 0, short: 40, options: {} }],
    ['a child that fails now and then', { operations: 150, failing: 8, short: 0, options: {} }],
    ['a failing child, flushes in the foreground, writes held back', { operations: 150, failing: 15, short: 10, options: { 'flush-behind': 'off', 'trickling-writes': 'off' } }],
    ['strict order, small chains', { operations: 150, failing: 3, short: 0, options: { 'strict-write-ordering': 'on', 'aggregate-size': '16KB' } }],
    ['data kept after a failed fsync', { operations: 150, failing: 10, short: 0, options: { 'resync-failed-syncs-after-fsync': 'on' } }],
  ];
  it.each(kinds)('many openers of a file with %s see what was answered, and nothing older', async (_, plan) => {
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) await runOf({ seed, ...plan });
  }, 120_000);
});
