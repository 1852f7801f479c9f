import type { Timer, Timers } from './platform/platform.js';
import type { StatedumpWriter } from './xlator.js';

/** The shared pools: blocks of 2^7 to 2^20 bytes (spec/client.md, §17.5). */
export const POOL_SMALLEST = 7;
export const POOL_LARGEST = 20;
/** GlusterFS's header before each object, which counts when its pool is chosen. */
const OBJECT_HEADER_BYTES = 40;
/** Cold objects are let go, and hot ones become cold, so often. */
const SWEEP_MS = 30_000;
/** Idle objects of one type that are kept. */
const IDLE_MAX = 1024;

export interface MemPoolSpec<T> {
  /** The C type that GlusterFS has in its place, as statedumps name it: `call_stub_t`. */
  readonly name: string;
  readonly xlator: string;
  /** That type's size in bytes, in GlusterFS 10.3 on x86_64. */
  readonly sizeofType: number;
  readonly make: () => T;
}

/** One of the 14: how much went through all types of its size. */
export class SharedPool {
  /** Bytes of a block. */
  readonly size: number;
  /** Objects that are out. */
  active = 0;
  hot = 0;
  cold = 0;
  /** Neither list had one: it was made. */
  misses = 0;

  constructor(power: number) {
    this.size = 2 ** power;
  }
}

/** What a statedump shows of a type; the objects of some are V8's, and only counted. */
export interface PoolUser {
  readonly name: string;
  readonly xlator: string;
  readonly sizeofType: number;
  readonly active: number;
}

/**
 * Objects of one type, used again instead of made anew. What is put back is hot, and taken first; each sweep lets the cold ones
 * go and makes the hot ones cold. Objects come out as they were put in: the user clears them.
 */
export class MemPool<T> implements PoolUser {
  readonly name: string;
  readonly xlator: string;
  readonly sizeofType: number;
  readonly shared: SharedPool;
  active = 0;
  /** Objects handed out since the start. */
  allocated = 0;
  readonly #make: () => T;
  readonly #owner: MemPools;
  #hot: T[] = [];
  #cold: T[] = [];

  constructor(owner: MemPools, shared: SharedPool, spec: MemPoolSpec<T>) {
    this.#owner = owner;
    this.shared = shared;
    this.name = spec.name;
    this.xlator = spec.xlator;
    this.sizeofType = spec.sizeofType;
    this.#make = spec.make;
  }

  /** Objects that wait to be used again. */
  get idle(): number {
    return this.#hot.length + this.#cold.length;
  }

  get(): T {
    this.active++;
    this.allocated++;
    const { shared } = this;
    shared.active++;
    const hot = this.#hot.pop();
    if (hot !== undefined) {
      shared.hot++;
      return hot;
    }
    const cold = this.#cold.pop();
    if (cold !== undefined) {
      shared.cold++;
      return cold;
    }
    shared.misses++;
    return this.#make();
  }

  /** Back again. It must not be used any more. */
  put(object: T): void {
    if (this.active <= 0) throw new Error(`${this.name}: more objects were put back than were taken`);
    this.active--;
    this.shared.active--;
    if (this.idle >= IDLE_MAX) return;
    this.#hot.push(object);
    this.#owner.armSweep();
  }

  /** See {@link MemPools.sweep}. */
  sweep(): void {
    this.#cold = this.#hot;
    this.#hot = [];
  }
}

/** The pools of a process, and whatever else its statedumps count in their section. */
export class MemPools {
  readonly shared: readonly SharedPool[];
  readonly #timers: Timers;
  readonly #pools: MemPool<unknown>[] = [];
  #sweep: Timer | undefined;

  constructor(timers: Timers) {
    this.#timers = timers;
    this.shared = Array.from({ length: POOL_LARGEST - POOL_SMALLEST + 1 }, (_, i) => new SharedPool(POOL_SMALLEST + i));
  }

  /** A pool of a type. Throws a RangeError for types over 1 MiB: they have no pool. */
  newPool<T>(spec: MemPoolSpec<T>): MemPool<T> {
    const pool = new MemPool(this, this.#sharedFor(spec.sizeofType), spec);
    this.#pools.push(pool);
    return pool;
  }

  /** Lets the cold objects go. Runs by itself every 30 s while there are idle ones. */
  sweep(): void {
    for (const pool of this.#pools) pool.sweep();
  }

  armSweep(): void {
    this.#sweep ??= this.#timers.after(
      SWEEP_MS,
      () => {
        this.#sweep = undefined;
        this.sweep();
        if (this.#pools.some((pool) => pool.idle > 0)) this.armSweep();
      },
      { background: true },
    );
  }

  /** `[mempool]` of a statedump (spec/client.md, §15.3). The shared pool is named by its block size: JavaScript has no address for it.
   * @param counted types whose objects V8 allocates */
  dump(writer: StatedumpWriter, counted: readonly PoolUser[] = []): void {
    writer.section('mempool');
    for (const { name, xlator, sizeofType, active } of [...counted, ...this.#pools]) {
      const { size } = this.#sharedFor(sizeofType);
      writer.line?.('-----=-----');
      writer.write('pool-name', name);
      writer.write('xlator-name', xlator);
      writer.write('active-count', active);
      writer.write('sizeof-type', sizeofType);
      writer.write('padded-sizeof', size);
      writer.write('size', active * size);
      writer.write('shared-pool', `0x${size.toString(16)}`);
    }
  }

  #sharedFor(sizeofType: number): SharedPool {
    const shared = this.shared.find(({ size }) => size >= sizeofType + OBJECT_HEADER_BYTES);
    if (!shared) throw new RangeError(`objects of ${sizeofType} bytes have no pool`);
    return shared;
  }
}
