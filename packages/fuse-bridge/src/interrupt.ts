import { Errno } from '@glusterts/libglusterfs';
import type { FuseBridge } from './bridge.js';

/** The kernel asks again after this, while the request hangs (spec/client.md, §6.11). */
const UNKNOWN_DELAY_MS = 10;

/** Requests that can be interrupted, by their number, with what to do then; it runs once. */
export class Interrupts {
  readonly #bridge: FuseBridge;
  readonly #handlers = new Map<number, () => void>();

  constructor(bridge: FuseBridge) {
    this.#bridge = bridge;
  }

  register(unique: number, handler: () => void): void {
    this.#handlers.set(unique, handler);
  }

  unregister(unique: number): void {
    this.#handlers.delete(unique);
  }

  /** INTERRUPT `unique` for the request `target`. One that isn't known is answered with EAGAIN: the kernel asks again. */
  interrupt(unique: number, target: number): void {
    const handler = this.#handlers.get(target);
    if (!handler) {
      this.#bridge.platform.timers.after(UNKNOWN_DELAY_MS, () => this.#bridge.fail(unique, Errno.EAGAIN), { background: true });
      return;
    }
    this.#handlers.delete(target);
    handler();
  }
}
