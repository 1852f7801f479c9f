const CLIENT_PORT_CEILING = 49151;
const PRIVILEGED_CEILING = 1023;
const PRIVILEGED = 1024;

/** GlusterFS's search for a local port, downwards (spec/rpc-wire.md, §13.5). */
export class LocalPortSearch {
  readonly #reserved: readonly (readonly [number, number])[];
  #port: number;
  #floor: number;
  #privileged: boolean;

  /** @param insecure whether a port of 1024 and above will do */
  constructor(insecure: boolean, reserved: readonly (readonly [number, number])[]) {
    this.#reserved = reserved;
    this.#privileged = !insecure;
    this.#port = insecure ? CLIENT_PORT_CEILING : PRIVILEGED_CEILING;
    this.#floor = insecure ? PRIVILEGED + 1 : 1;
  }

  /** The next port to try; undefined when all are taken: the kernel chooses then. */
  next(): number | undefined {
    for (;;) {
      if (this.#port < this.#floor) {
        if (!this.#privileged) return undefined;
        this.#privileged = false;
        this.#port = CLIENT_PORT_CEILING;
        this.#floor = PRIVILEGED + 1;
      }
      const port = this.#port--;
      if (!this.#reserved.some(([first, last]) => port >= first && port <= last)) return port;
    }
  }
}
