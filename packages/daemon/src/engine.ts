import { setFlagsFromString } from 'node:v8';

/** Three weeks. */
const NEVER_MS = 2_000_000_000;

/**
 * Has V8 compile functions at their first call, without its interpreter, and watch their types from then on: the first 256 MiB
 * through a mount cost a third less processor time; small files neither gain nor lose (docs/performance.md).
 */
export function tuneEngine(): void {
  setFlagsFromString('--always-sparkplug');
  setFlagsFromString('--no-lazy-feedback-allocation');
  // What survives is little. One thread in place of several took 2 µs less of the 25 for an entry of a listing; creates took as much as before, within the noise.
  setFlagsFromString('--no-parallel-scavenge');
  // V8's own collections of idle processes throw optimised code away, see IdleMemory.
  setFlagsFromString(`--gc-memory-reducer-start-delay-ms=${NEVER_MS}`);
}
