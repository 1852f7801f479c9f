import { CallPool, Entropy, GlusterLogger, Graph, type GraphOptions, type InodeTableOptions, type Logger, MemPools, type Network, type Platform, type Timer, type Timers, type XlatorLoader, gfidToString, machineClock, randomOf, withParts } from '@glusterts/libglusterfs';

/** Timers that end with their owner: what is still to come when the rehearsal is over never comes. */
class EndingTimers implements Timers {
  readonly #timers: Timers;
  readonly #pending = new Set<Timer>();
  #over = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  get pending(): number {
    return this.#pending.size;
  }

  after(delayMs: number, fire: () => void, options?: { background?: boolean }): Timer {
    if (this.#over) return { cancel: () => false };
    const timer = this.#timers.after(
      delayMs,
      () => {
        this.#pending.delete(handle);
        fire();
      },
      options,
    );
    const handle: Timer = {
      cancel: () => {
        this.#pending.delete(handle);
        return timer.cancel();
      },
    };
    this.#pending.add(handle);
    return handle;
  }

  soon(task: () => void): void {
    this.#timers.soon(task);
  }

  end(): void {
    this.#over = true;
    for (const timer of [...this.#pending]) timer.cancel();
  }
}

/** What a round of a play may draw, and how many can be told apart. */
const ROUND_ENTROPY_BYTES = 16384;
const ENTROPY_BYTES = 4 * ROUND_ENTROPY_BYTES;

/** What graphs need of a process, apart from the process's own: nothing that happens in it is counted, logged or shown. */
export class PrivateWorld {
  readonly platform: Platform;
  readonly log: Logger;
  readonly #timers: EndingTimers;
  readonly #entropy = new Entropy(ENTROPY_BYTES);
  readonly #loader: XlatorLoader;
  readonly #memPools: MemPools;
  readonly #callPool: CallPool;
  readonly #graphs: Graph[] = [];
  readonly #ahead = { ms: 0 };

  constructor(platform: Platform, loader: XlatorLoader) {
    this.#timers = new EndingTimers(platform.timers);
    this.platform = withParts(platform, { clock: machineClock(this.#ahead), timers: this.#timers, random: randomOf(this.#entropy) });
    this.#loader = loader;
    this.log = GlusterLogger.create('rehearsal', { sink: () => undefined, clock: platform.clock });
    this.#memPools = new MemPools(this.#timers);
    this.#callPool = new CallPool(this.#memPools, platform.clock);
  }

  /** Requests that are under way in it. */
  get calls(): number {
    return this.#callPool.cnt;
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#timers.pending;
  }

  /** Gfids and whatever else is drawn from now on are those that were drawn the last time that this variant began. */
  begin(variant: number): void {
    this.#entropy.restart((variant * ROUND_ENTROPY_BYTES) % ENTROPY_BYTES);
  }

  /** So many milliseconds go by in it, in no time: what its caches know grows old. Its timers don't notice. */
  pass(ms: number): void {
    this.#ahead.ms += ms;
  }

  /** A graph of this world, active. `network`: in place of the world's. */
  async start(text: string, { network, ...more }: { readonly network?: Network; readonly inodeTable?: InodeTableOptions; readonly xlatorOptions?: readonly string[]; readonly autoload?: readonly string[]; readonly cmdArgs?: ReadonlyMap<string, string> } = {}): Promise<Graph> {
    const options: GraphOptions = {
      platform: network ? withParts(this.platform, { network }) : this.platform,
      loader: this.#loader,
      log: this.log,
      processUuid: `CTX_ID:${gfidToString(this.platform.random.uuid())}`,
      memPools: this.#memPools,
      callPool: this.#callPool,
      id: 0,
      ...more,
    };
    const graph = await Graph.load(text, options);
    // Known before it is active: a graph whose init fails half-way is taken down by itself, and may be twice.
    this.#graphs.push(graph);
    await graph.activate();
    return graph;
  }

  /** Takes everything down: graphs, those that were started last first, and timers. */
  async end(): Promise<void> {
    for (const graph of this.#graphs.splice(0).reverse()) await graph.fini();
    this.#timers.end();
  }
}
