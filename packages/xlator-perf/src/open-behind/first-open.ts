import { type Fd, errnoOf } from '@glusterts/libglusterfs';

/** What is known of a file: how many fds are open on it, and its first open while that has not been answered by the child. */
export interface OpenState {
  opens: number;
  first: FirstOpen | undefined;
}

/**
 * The first open of a file, answered to the application and not yet to us. Not sent: it holds no reference on the fd, so that closing
 * cancels it. Sent: it holds one until the answer.
 */
export class FirstOpen {
  readonly fd: Fd;
  readonly #state: OpenState;
  readonly #send: () => Promise<unknown>;
  readonly #failed: (errno: number) => void;
  #answer: Promise<void> | undefined;

  /** @param failed hears the errno that is to stay with the fd */
  constructor(state: OpenState, fd: Fd, send: () => Promise<unknown>, failed: (errno: number) => void) {
    this.#state = state;
    this.fd = fd;
    this.#send = send;
    this.#failed = failed;
  }

  get started(): boolean {
    return this.#answer !== undefined;
  }

  /** Sends it, once. Resolves when it was answered, well or badly; those who wait go on in the order in which they came. */
  start(): Promise<void> {
    return (this.#answer ??= this.#run());
  }

  async #run(): Promise<void> {
    this.fd.ref();
    try {
      await this.#send();
    } catch (error) {
      this.#failed(errnoOf(error));
    }
    this.#state.first = undefined;
    this.fd.unref();
  }
}
