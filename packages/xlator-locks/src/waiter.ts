import { Errno, FopError, type Frame } from '@glusterts/libglusterfs';

/** A request that waits: settled once, by a grant, a refusal, or its caller who no longer wants it. */
export class Waiter<T> {
  readonly promise: Promise<T>;
  #resolve: (value: T) => void = () => undefined;
  #reject: (error: FopError) => void = () => undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;

  /** @param abandoned takes the request out of its queue when the frame's signal aborts; it then fails with EINTR */
  constructor(frame: Frame, abandoned: () => void) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#signal = frame.signal;
    this.#onAbort = () => {
      abandoned();
      this.refuse(Errno.EINTR);
    };
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (this.#signal?.aborted) queueMicrotask(this.#onAbort);
  }

  grant(value: T): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#resolve(value);
  }

  refuse(errno: Errno): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#reject(new FopError(errno));
  }
}
