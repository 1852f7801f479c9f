import type { IobufPool } from '../iobuf.js';
import type { OpenFuseDevice } from './fuse-device.js';
import type { Network } from './network.js';
import type { Storage } from './storage.js';

/**
 * The world outside: time, randomness, network, memory for payload and, for bricks, storage. Nothing else in `packages/`
 * calls Date.now, setTimeout, Math.random, net or fs; lint sees to it. The simulator has a Platform of its own.
 */
export interface Platform {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly network: Network;
  readonly iobufs: IobufPool;
  /** The local disk, for bricks, mounts and pid files; `localStorage()` in a real process. */
  readonly storage: Storage;
  /** True on portable TypeScript: no native addon. */
  readonly portable: boolean;
  /** Takes an open /dev/fuse over; `payloadMax` is the largest WRITE in bytes. Absent or EOPNOTSUPP: it can't mount. */
  readonly openFuseDevice?: OpenFuseDevice;
  /** Bytes of memory that the machine has: the most that a cache may be set to. */
  readonly memorySize: number;
}

export interface Clock {
  /** Milliseconds since 1970, with fractions. */
  wall(): number;
  /** Seconds and nanoseconds since 1970. */
  realtime(): { sec: number; nsec: number };
  /** Milliseconds that only grow, from an unknown start, with fractions. */
  monotonic(): number;
}

export interface Timer {
  /** Idempotent; false when it had fired already. */
  cancel(): boolean;
}

export interface Timers {
  /** Runs `fire` once, after `delayMs` milliseconds. Does not keep the process alive if `background`. */
  after(delayMs: number, fire: () => void, options?: { background?: boolean }): Timer;
  /** Runs `task` after what is running now, and after promise reactions: for work that a batch gathers. */
  soon(task: () => void): void;
}

export interface Random {
  bytes(count: number): Uint8Array;
  /** A random integer, 0 ≤ n < limit. */
  below(limit: number): number;
  /** 16 bytes of a UUID version 4. */
  uuid(): import('../gfid.js').Gfid;
}
