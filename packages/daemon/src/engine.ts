import { setFlagsFromString } from 'node:v8';

/**
 * Has V8 compile functions at their first call, without its interpreter, and watch their types from then on: a mount or a brick
 * serves its first thousand files in less processor time by a tenth (docs/performance.md), for a few MiB of code.
 */
export function tuneEngine(): void {
  setFlagsFromString('--always-sparkplug');
  setFlagsFromString('--no-lazy-feedback-allocation');
}
