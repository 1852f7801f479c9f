import { type Errno, FOP_NAMES, FopError, type FopName, type Graph, type ReadReply, Xlator, type XlatorContext, type XlatorDefinition } from '@glusterts/libglusterfs';

type AnyFop = (...args: readonly unknown[]) => Promise<unknown>;
type WritevArgs = Parameters<Required<Xlator>['writev']>;

/** A fop that has come down and has not been answered. */
export interface Pending {
  readonly fop: FopName;
  readonly args: readonly unknown[];
  /** Lets the child do it; the answer stays here. For a writev only the first `bytes`, if given. */
  apply(bytes?: number): Promise<void>;
  /** Lets the answer go up, after {@link apply} if that was not called. */
  answer(): Promise<void>;
  /** Fails it; the child never sees it, if it hasn't yet. */
  fail(errno: Errno): void;
}

interface Interval { readonly start: number; readonly end: number }

/**
 * Below the xlator under test, above storage/memory: keeps the fops that it is told to until the test lets them be done, and be
 * answered, in any order. Counts what must never be: writes under way together that overlap.
 */
export class SlowChild extends Xlator {
  /** What is kept, in the order in which it came. */
  readonly pending: Pending[] = [];
  /** Fops that are kept instead of passed on. */
  readonly keeps = new Set<FopName>();
  /** What came, in order; `write start-end` for a writev. */
  calls: string[] = [];
  /** Pairs of writes that overlap and were under way together. */
  readonly overlaps: string[] = [];
  /** Errno that every writev is answered with at once. */
  failWrites: Errno | undefined;
  /** Called when a fop comes, before anything is done about it. */
  onArrival: (fop: FopName, args: readonly unknown[]) => void = () => undefined;
  readonly #writes = new Set<Interval>();

  constructor(context: XlatorContext) {
    super(context);
    for (const fop of FOP_NAMES) Object.defineProperty(this, fop, { configurable: true, value: (...args: readonly unknown[]) => this.#came(fop, args) });
  }

  get writesUnderWay(): number {
    return this.#writes.size;
  }

  /** What came since the last time. */
  taken(): string[] {
    return this.calls.splice(0);
  }

  /** The oldest that is kept, of that fop if given. */
  next(fop?: FopName): Pending {
    const found = this.pending.find((one) => fop === undefined || one.fop === fop);
    if (!found) throw new Error(`nothing is kept${fop === undefined ? '' : ` of ${fop}`}: ${this.pending.map((one) => one.fop).join(', ')}`);
    return found;
  }

  /** Keeps nothing any more, and answers what was kept. */
  async healed(): Promise<void> {
    this.keeps.clear();
    while (this.pending.length > 0) await this.next().answer();
  }

  async #came(fop: FopName, args: readonly unknown[]): Promise<unknown> {
    this.onArrival(fop, args);
    if (fop !== 'writev') {
      this.calls.push(fop);
      return this.#pass(fop, args);
    }
    const [, , vector, offset] = args as WritevArgs;
    const interval = { start: offset, end: offset + vector.size };
    this.calls.push(`write ${interval.start}-${interval.end}`);
    for (const other of this.#writes) if (other.start < interval.end && interval.start < other.end) this.overlaps.push(`${other.start}-${other.end} and ${interval.start}-${interval.end}`);
    this.#writes.add(interval);
    try {
      if (this.failWrites !== undefined) throw new FopError(this.failWrites);
      return await this.#pass(fop, args);
    } finally {
      this.#writes.delete(interval);
    }
  }

  async #pass(fop: FopName, args: readonly unknown[]): Promise<unknown> {
    const wind = (bytes?: number): Promise<unknown> => {
      if (bytes === undefined) return (this.child[fop] as AnyFop)(...args);
      const [frame, fd, vector, offset, flags, xdata] = args as WritevArgs;
      return this.child.writev(frame, fd, vector.slice(0, bytes), offset, flags, xdata);
    };
    if (!this.keeps.has(fop)) return wind();
    return new Promise((resolve, reject) => {
      let done: Promise<unknown> | undefined;
      const leave = (): void => {
        const at = this.pending.indexOf(pending);
        if (at >= 0) this.pending.splice(at, 1);
      };
      const pending: Pending = {
        fop, args,
        apply: async (bytes) => {
          await (done ??= wind(bytes)).catch(() => undefined);
        },
        answer: async () => {
          leave();
          const reply = (done ??= wind());
          reply.then(resolve, reject);
          await reply.catch(() => undefined);
          await turn();
        },
        fail: (errno) => {
          leave();
          // What was read goes nowhere.
          if (fop === 'readv') void done?.then((reply) => (reply as ReadReply).vector.unref()).catch(() => undefined);
          reject(new FopError(errno));
        },
      };
      this.pending.push(pending);
    });
  }
}

/** All that can go on without the test's help has gone on. */
export async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

export const slowChild: XlatorDefinition = { type: 'test/slow-child', options: [], create: (context) => new SlowChild(context) };

export function slowChildOf(graph: Graph): SlowChild {
  const found = graph.find('slow');
  if (!(found instanceof SlowChild)) throw new Error('the graph has no slow child');
  return found;
}

/** A volfile of storage/memory, the slow child, and one xlator on top. */
export function slowVolfile(type: string, options: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries(options).map(([key, value]) => ` option ${key} ${value}\n`);
  return `volume brick\n type storage/memory\n option size 0\nend-volume\nvolume slow\n type test/slow-child\n subvolumes brick\nend-volume\nvolume top\n type ${type}\n${lines.join('')} subvolumes slow\nend-volume\n`;
}
