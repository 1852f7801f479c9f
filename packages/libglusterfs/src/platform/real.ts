import { totalmem } from 'node:os';
import { Errno } from '../errno.js';
import { FopError } from '../fop-error.js';
import { ArenaIobufPool } from '../iobuf-pool.js';
import { Entropy, randomOf } from './entropy.js';
import { NO_ADDON, joinFuseDevice } from './fuse-device.js';
import { localStorage } from './local-storage.js';
import { NativeNetwork } from './native-network.js';
import type { NativeEventPoolConstructor } from './native-transport.js';
import { loadNative } from './native.js';
import type { Network } from './network.js';
import type { Clock, Platform, Timer, Timers } from './platform.js';
import { createPortableNetwork } from './portable-network.js';
import { shareArena, sharedArenaOf } from './shared-arena.js';

const MS_PER_SEC = 1000;
const NS_PER_MS = 1_000_000;
const NS_PER_SEC = 1_000_000_000;
/** The longest delay that Node's timers take; longer ones are set in pieces. */
const DELAY_MAX_MS = 2 ** 31 - 1;
/** Pages of this size and larger lie in memory that can be shared, once somebody wants that. */
const SHARED_PAGE_MIN = 32 << 10;

/** This machine's clock. `ahead`: by how many milliseconds its monotonic time is ahead of the machine's, now and whenever it is asked. */
export function machineClock(ahead: { readonly ms: number } = { ms: 0 }): Clock {
  return {
    wall: () => performance.timeOrigin + performance.now(),
    realtime: () => realtime(),
    monotonic: () => performance.now() + ahead.ms,
  };
}

// Date.now() has milliseconds only. It is asked again now and then, since the wall clock may be set; between, the monotonic clock counts on.
let taken = { monotonicMs: -Infinity, wallMs: 0 };
const TAKEN_LIFE_MS = 1000;

function realtime(): { sec: number; nsec: number } {
  const now = performance.now();
  if (now - taken.monotonicMs > TAKEN_LIFE_MS) taken = { monotonicMs: now, wallMs: Date.now() };
  const wholeSec = Math.floor(taken.wallMs / MS_PER_SEC);
  // Less than two seconds: exact to the nanosecond.
  const nsec = Math.round((taken.wallMs - wholeSec * MS_PER_SEC + (now - taken.monotonicMs)) * NS_PER_MS);
  const carry = Math.floor(nsec / NS_PER_SEC);
  return { sec: wholeSec + carry, nsec: nsec - carry * NS_PER_SEC };
}

const timers: Timers = {
  after: (delayMs, fire, options) => {
    let fired = false;
    let timer: NodeJS.Timeout;
    const arm = (left: number): void => {
      timer = setTimeout(() => {
        if (left > DELAY_MAX_MS) return arm(left - DELAY_MAX_MS);
        fired = true;
        fire();
      }, Math.min(Math.max(left, 0), DELAY_MAX_MS));
      if (options?.background === true) timer.unref();
    };
    arm(delayMs);
    const handle: Timer = {
      cancel: () => {
        if (fired) return false;
        clearTimeout(timer);
        return true;
      },
    };
    return handle;
  },
  soon: (task) => void setImmediate(task),
};

const random = randomOf(new Entropy());

/**
 * The real world: this machine's clock, timers, entropy, network and disk; with the native addon when it is there.
 * @param options.daemon the process lives for its connections: waking up for them comes first (docs/rpc.md)
 */
export function createPlatform(options: { readonly daemon?: boolean } = {}): Platform {
  const arenas = loadNative<{ mapArena(size: number): ArrayBuffer }>('mapArena');
  const pages = arenas && loadNative<{ dropPages(memory: ArrayBuffer): void }>('dropPages');
  let lending = false;
  const iobufs = new ArenaIobufPool(
    arenas && ((bytes, pageSize) => (lending && pageSize >= SHARED_PAGE_MIN ? shareArena(bytes) : undefined) ?? arenas.mapArena(bytes)),
    pages && ((memory) => pages.dropPages(memory)),
    (memory) => sharedArenaOf(memory)?.release(),
  );
  const portable: Network = createPortableNetwork();
  const pool = loadNative<{ EventPool: NativeEventPoolConstructor }>('EventPool');
  const native = pool && new NativeNetwork(pool.EventPool, iobufs, portable, () => {
    if (lending) return;
    lending = true;
    iobufs.renew(SHARED_PAGE_MIN);
  });
  if (options.daemon) native?.drive();
  return assemble({
    clock: machineClock(),
    timers,
    random,
    network: native ?? portable,
    openFuseDevice: (fd, payloadMax, handlers) => {
      if (!native) throw new FopError(Errno.EOPNOTSUPP, undefined, NO_ADDON);
      return joinFuseDevice(native, fd, payloadMax, iobufs, handlers);
    },
    iobufs,
    storage: localStorage(),
    portable: pool === undefined,
    memorySize: totalmem(),
  });
}

/** The same world with some parts replaced, as an object of the same shape: code that was optimised for one is right for the other. */
export function withParts(platform: Platform, parts: Partial<Pick<Platform, 'clock' | 'timers' | 'network' | 'random'>>): Platform {
  const { openFuseDevice } = platform;
  return openFuseDevice ? assemble({ ...platform, openFuseDevice, ...parts }) : { ...platform, ...parts };
}

/** V8 gives all objects that this makes one hidden class. */
function assemble({ clock, timers, random, network, openFuseDevice, iobufs, storage, portable, memorySize }: Required<Platform>): Required<Platform> {
  return { clock, timers, random, network, openFuseDevice, iobufs, storage, portable, memorySize };
}
