import { CallPool } from './call-pool.js';
import { CtxCells, CtxSlot } from './ctx-slot.js';
import { Errno } from './errno.js';
import { GfEvent } from './events.js';
import type { Fd } from './fd.js';
import { fnmatch } from './fnmatch.js';
import { fopLabel } from './fop-numbers.js';
import { FopError } from './fop-error.js';
import { DefinerTable, type Instrument, Link } from './graph-binding.js';
import type { Inode } from './inode.js';
import { InodeTable, type InodeTableOptions } from './inode-table.js';
import type { IobufPool } from './iobuf.js';
import { LatencyTable } from './latency.js';
import type { XlatorLoader } from './loader.js';
import type { Logger } from './logging.js';
import { MemPools } from './mem-pool.js';
import { parseOptions } from './option-parser.js';
import type { Platform } from './platform/platform.js';
import { type Volfile, type VolfileVolume, VolfileError, parseVolfile } from './volfile.js';
import { type GraphRootView, type GraphView, type Subvolume, Xlator, type XlatorDefinition } from './xlator.js';
import { OptionValues } from './options.js';

export interface GraphOptions {
  readonly platform: Platform;
  readonly loader: XlatorLoader;
  readonly log: Logger;
  /** The volfile's name, for messages. */
  readonly file?: string;
  /** The top xlator; default: the last volume of the file. */
  readonly volumeName?: string;
  readonly processUuid?: string;
  readonly cmdArgs?: ReadonlyMap<string, string>;
  /** `pattern.key=value`, as --xlator-option takes them. */
  readonly xlatorOptions?: readonly string[];
  /** Types put on top, each over the one before: `meta`, `features/read-only` … */
  readonly autoload?: readonly string[];
  readonly inodeTable?: InodeTableOptions;
  readonly id?: number;
  /** The process's; default: the graph's own. */
  readonly memPools?: MemPools;
  readonly callPool?: CallPool;
  /** The process's, kept by whoever switches its graphs; see {@link GraphView.elders}. */
  readonly elders?: readonly GraphView[];
  readonly root?: GraphRootView | undefined;
}

/** An event that reached the top. */
export type TopEventHandler = (event: GfEvent, data: unknown) => void;

/**
 * Layers of a graph, from the top to the bottom, at most: fops and events go through them on one stack. GlusterFS's own graphs have
 * some twenty.
 */
export const GRAPH_DEPTH_MAX = 1000;

let nextGraphId = 0;

interface Planned {
  readonly volume: VolfileVolume;
  readonly definition: XlatorDefinition;
  readonly options: Map<string, string>;
  readonly children: string[];
}

/**
 * A graph of xlators: built from a volfile, activated, reconfigured, taken down (spec/client.md, §4).
 *
 * `load` parses, finds the types, validates the options and constructs; `activate` runs init, parents before children, binds the
 * fops and sends PARENT_UP.
 */
export class Graph implements GraphView {
  readonly id: number;
  readonly platform: Platform;
  readonly iobufs: IobufPool;
  readonly processUuid: string;
  readonly volumeName: string;
  readonly cmdArgs: ReadonlyMap<string, string>;
  readonly inodeTable: InodeTable;
  readonly log: Logger;
  readonly memPools: MemPools;
  readonly callPool: CallPool;
  readonly elders: readonly GraphView[];
  readonly root: GraphRootView | undefined;
  readonly latency = new LatencyTable(() => this.rebind());
  readonly #options: GraphOptions;
  readonly #xlators: Xlator[] = [];
  readonly #byName = new Map<string, Xlator>();
  /** Layers from an xlator down to the bottom, itself included. */
  readonly #depths = new Map<Xlator, number>();
  readonly #links: Link[] = [];
  readonly #unknown: { xlator: string; key: string }[] = [];
  #top: Link | undefined;
  #instrument: Instrument | undefined;
  readonly #ctxCells = new CtxCells();
  #handlers = new Set<TopEventHandler>();
  readonly #invalidateHandlers = new Set<(inode: Inode) => void>();
  #settled: GfEvent | undefined;
  #initialised: Xlator[] = [];
  /** Those that hear PARENT_UP from the graph itself: the top, and whatever nobody has as a subvolume. */
  #parentless: Xlator[] = [];
  #up = false;

  private constructor(options: GraphOptions) {
    this.#options = options;
    this.id = options.id ?? nextGraphId++;
    this.platform = options.platform;
    this.iobufs = options.platform.iobufs;
    this.processUuid = options.processUuid ?? `CTX_ID:${uuidText(options.platform)}`;
    this.volumeName = options.volumeName ?? '';
    this.cmdArgs = options.cmdArgs ?? new Map();
    this.log = options.log;
    this.memPools = options.memPools ?? new MemPools(options.platform.timers);
    this.elders = options.elders ?? [];
    this.root = options.root;
    this.callPool = options.callPool ?? new CallPool(this.memPools, options.platform.clock);
    this.inodeTable = new InodeTable(
      options.volumeName ?? 'graph',
      {
        forget: (inode: Inode) => {
          for (const xlator of this.#xlators) xlator.forget?.(inode);
        },
        release: (fd: Fd, directory: boolean) => {
          for (let i = this.#xlators.length - 1; i >= 0; i--) {
            const xlator = this.#xlators[i];
            if (directory) xlator?.releasedir?.(fd);
            else xlator?.release?.(fd);
          }
        },
      },
      options.inodeTable ?? { lruLimit: 65536 },
    );
  }

  /** @param text the volfile as latin-1. Throws VolfileError, OptionError, or what a module's import throws. */
  static async load(text: string, options: GraphOptions): Promise<Graph> {
    const graph = new Graph(options);
    await graph.#construct(parseVolfile(text, options.file));
    return graph;
  }

  get top(): Xlator {
    return this.#topLink.xlator;
  }

  /** The top as a parent would see it. */
  get topSubvolume(): Subvolume {
    return this.#topLink.subvolume;
  }

  get xlators(): readonly Xlator[] {
    return this.#xlators;
  }

  get #topLink(): Link {
    if (!this.#top) throw new Error('the graph has no top yet');
    return this.#top;
  }

  find(name: string): Xlator | undefined {
    return this.#byName.get(name);
  }

  newCtxSlot<T>(): CtxSlot<T> {
    return new CtxSlot<T>(this.#ctxCells);
  }

  /** Events that the top sends up. Returns what removes the handler. */
  onTopEvent(handler: TopEventHandler): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  /** Init, binding, PARENT_UP. Throws what an xlator's init throws; what had been initialised is taken down again. */
  async activate(): Promise<void> {
    for (const { xlator, key } of this.#unknown) this.log.domain(xlator).warning(101174, `option '${key}' is not recognized`);
    this.rebind();
    for (const xlator of [...this.#xlators].reverse()) {
      try {
        await xlator.init();
      } catch (error) {
        this.log.error(101019, `Initializing translator failed`, { name: xlator.name, reason: error instanceof Error ? error.message : String(error) });
        await this.#finiAll();
        throw error;
      }
      this.#initialised.push(xlator);
    }
    this.#up = true;
    for (const xlator of this.#parentless) xlator.notify(GfEvent.PARENT_UP);
  }

  /** Hears of inodes whose data has changed behind our back, before the xlators do: for mounts. Returns what removes the handler. */
  onInvalidate(handler: (inode: Inode) => void): () => void {
    this.#invalidateHandlers.add(handler);
    return () => this.#invalidateHandlers.delete(handler);
  }

  invalidate(inode: Inode): void {
    for (const handler of this.#invalidateHandlers) handler(inode);
    for (const xlator of this.#xlators) xlator.invalidate?.(inode);
  }

  /** Resolves with CHILD_UP or CHILD_DOWN once the top has heard either. */
  whenSettled(): Promise<GfEvent> {
    if (this.#settled !== undefined) return Promise.resolve(this.#settled);
    return new Promise((resolve) => {
      const remove = this.onTopEvent((event) => {
        if (event !== GfEvent.CHILD_UP && event !== GfEvent.CHILD_DOWN) return;
        remove();
        resolve(event);
      });
    });
  }

  /** Puts an instrument into every link, or takes it out: nothing is paid while there is none. */
  setInstrument(instrument: Instrument | undefined): void {
    this.#instrument = instrument;
    this.rebind();
  }

  /** Binds every link anew: for an xlator whose set of fops has changed. Fops that are under way end as they began. */
  rebind(): void {
    const instrument = this.latency.enabled ? this.#measuring() : this.#instrument;
    const definers = new DefinerTable();
    for (const link of this.#links) link.bind(definers, instrument, this.platform.clock);
  }

  /** The instrument that is in place, and the latency table. */
  #measuring(): Instrument {
    const { clock } = this.platform;
    const other = this.#instrument;
    return (xlator, fop, reply, sinceMs) => {
      other?.(xlator, fop, reply, sinceMs);
      const label = fopLabel(fop);
      reply.then(
        () => this.latency.add(xlator, label, clock.monotonic() - sinceMs),
        () => this.latency.add(xlator, label, clock.monotonic() - sinceMs, true),
      );
    };
  }

  /**
   * A new volfile for the same graph (spec/client.md, §4.3): the options are handed to the xlators, children first, if the
   * shape is the same; `'new-graph'` when it isn't, or when an xlator asks for it. Nothing has changed then.
   */
  async reconfigure(text: string): Promise<'reconfigured' | 'new-graph'> {
    const next = await Graph.load(text, { ...this.#options, id: this.id });
    if (!sameShape(this.top, next.top)) return 'new-graph';
    let answer: 'reconfigured' | 'new-graph' = 'reconfigured';
    for (const xlator of this.#xlators) {
      const twin = next.find(xlator.name);
      if (!twin) continue;
      const result = await xlator.reconfigure(twin.options);
      xlator.options = twin.options;
      xlator.volfileOptions = twin.volfileOptions;
      if (result === 'new-graph') answer = 'new-graph';
    }
    return answer;
  }

  /** PARENT_DOWN, then fini of every xlator, parents before children. */
  async fini(): Promise<void> {
    if (this.#up) for (const xlator of this.#parentless) xlator.notify(GfEvent.PARENT_DOWN);
    this.#up = false;
    await this.#finiAll();
    this.inodeTable.clear();
  }

  async #finiAll(): Promise<void> {
    for (const xlator of this.#initialised.splice(0)) await xlator.fini();
  }

  async #construct(volfile: Volfile): Promise<void> {
    for (const warning of volfile.warnings) this.log.domain('parser').warning(101020, warning);
    const { planned, aliases } = await this.#plan(volfile);
    for (const plan of planned) this.#make(plan);
    let top = this.#chooseTop(planned, aliases);
    for (const type of this.#options.autoload ?? []) {
      const definition = await this.#options.loader.find(type);
      if (!definition) throw new FopError(Errno.ENOENT, undefined, `type '${type}' is not valid or not found on this machine`);
      const name = `${type.replace(/^.*\//, '')}-autoload`;
      top = this.#make({ volume: { name, type, line: 0, typeLine: 0, options: new Map(), subvolumes: [] }, definition, options: new Map(), children: [top.name] });
    }
    this.#top = new Link(top);
    this.#links.push(this.#top);
    this.#parentless = this.#xlators.filter((xlator) => xlator.parents.length === 0);
    top.parents.push(new GraphRoot(this, this.#top.subvolume, (event, data) => this.#topEvent(event, data)));
  }

  #topEvent(event: GfEvent, data: unknown): void {
    if (event === GfEvent.CHILD_UP || event === GfEvent.CHILD_DOWN) this.#settled = event;
    for (const handler of [...this.#handlers]) handler(event, data);
  }

  /** Finds each type; performance xlators that nobody has are left out, their parents linked to their children. */
  async #plan(volfile: Volfile): Promise<{ planned: Planned[]; aliases: ReadonlyMap<string, string> }> {
    const planned: Planned[] = [];
    const aliases = new Map<string, string>();
    const missing: string[] = [];
    const names = new Set<string>();
    const log = this.log.domain('parser');
    const file = this.#options.file ?? 'volfile';
    for (const volume of volfile.volumes) {
      const children: string[] = [];
      for (const { name, line } of volume.subvolumes) {
        if (name === volume.name) log.error(101002, `Volume '${volume.name}', line ${line}: has '${name}' itself as subvolume`);
        else if (!names.has(name)) log.error(101020, `Volume '${volume.name}', line ${line}: subvolume '${name}' is not defined prior to usage`);
        else children.push(aliases.get(name) ?? name);
      }
      names.add(volume.name);
      const definition = await this.#options.loader.find(volume.type);
      if (!definition) {
        const [only] = children;
        if (volume.type.startsWith('performance/') && children.length === 1 && only !== undefined) {
          aliases.set(volume.name, only);
          missing.push(volume.type);
          continue;
        }
        const message = `Volume '${volume.name}', line ${volume.typeLine}: type '${volume.type}' is not valid or not found on this machine`;
        log.error(101002, message);
        log.error(101019, `"type" not specified for volume ${volume.name}`);
        throw new VolfileError(file, { line: volume.typeLine, column: 1 }, 101002, message, 'a type that an installed package declares');
      }
      planned.push({ volume, definition, options: new Map(volume.options), children });
    }
    if (missing.length > 0) this.log.warning(0, `bound past, for they are not built yet: ${[...new Set(missing)].join(', ')}`);
    this.#applyXlatorOptions(planned);
    return { planned, aliases };
  }

  #applyXlatorOptions(planned: readonly Planned[]): void {
    for (const text of this.#options.xlatorOptions ?? []) {
      const equals = text.indexOf('=');
      // The first dot: keys have dots of their own (`V-server.transport.socket.listen-port`). v10.3 does so; spec/cli.md, §9 says the last.
      const dot = text.indexOf('.');
      if (dot <= 0 || equals < dot || equals === text.length - 1) throw new FopError(Errno.EINVAL, undefined, `--xlator-option takes VOLUME.KEY=VALUE, not ${text}`);
      const pattern = text.slice(0, dot);
      const key = text.slice(dot + 1, equals);
      for (const plan of planned) if (fnmatch(pattern, plan.volume.name)) plan.options.set(key, text.slice(equals + 1));
    }
  }

  #make(plan: Planned): Xlator {
    const { volume, definition } = plan;
    const log = this.log.domain(volume.name);
    const parsed = parseOptions(definition.options, plan.options);
    for (const key of parsed.unknown) this.#unknown.push({ xlator: volume.name, key });
    const children: Subvolume[] = [];
    const made: Xlator[] = [];
    for (const name of plan.children) {
      const child = this.#byName.get(name);
      if (!child) continue;
      const link = new Link(child);
      this.#links.push(link);
      children.push(link.subvolume);
      made.push(child);
    }
    const depth = 1 + made.reduce((most, child) => Math.max(most, this.#depths.get(child) ?? 0), 0);
    if (depth > GRAPH_DEPTH_MAX) throw new FopError(Errno.EINVAL, undefined, `volume '${volume.name}' has ${depth - 1} layers below it: a graph has ${GRAPH_DEPTH_MAX} layers at most`);
    const xlator = definition.create({ name: volume.name, type: volume.type, volfileOptions: plan.options, options: parsed.values, children, graph: this, log });
    for (const child of made) child.parents.push(xlator);
    this.#depths.set(xlator, depth);
    this.#xlators.push(xlator);
    this.#byName.set(volume.name, xlator);
    return xlator;
  }

  #chooseTop(planned: readonly Planned[], aliases: ReadonlyMap<string, string>): Xlator {
    const wanted = this.#options.volumeName;
    const last = planned.at(-1)?.volume.name;
    const name = wanted === undefined ? undefined : (aliases.get(wanted) ?? wanted);
    const top = this.#byName.get(name ?? last ?? '') ?? (last === undefined ? undefined : this.#byName.get(last));
    if (!top) throw new FopError(Errno.EINVAL, undefined, 'failed to construct the graph: it has no xlator');
    return top;
  }
}

/** Above the top: hears what the top tells its parents. It is in no volfile and answers no fop. */
class GraphRoot extends Xlator {
  readonly #hear: TopEventHandler;

  constructor(graph: Graph, top: Subvolume, hear: TopEventHandler) {
    super({ name: 'graph', type: 'graph', volfileOptions: new Map(), options: new OptionValues(new Map()), children: [top], graph, log: graph.log });
    this.#hear = hear;
  }

  override notify(event: GfEvent, data?: unknown): void {
    this.#hear(event, data);
  }
}

function uuidText(platform: Platform): string {
  const hex = Buffer.from(platform.random.uuid(), 'latin1').toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Same name, type and number of children at every node: then a reconfigure is enough. */
function sameShape(a: Xlator, b: Xlator): boolean {
  if (a.name !== b.name || a.type !== b.type || a.children.length !== b.children.length) return false;
  return a.children.every((child, i) => {
    const other = b.children[i];
    return other !== undefined && sameShape(child.xlator, other.xlator);
  });
}
