import type { CallPool } from './call-pool.js';
import type { CtxSlot } from './ctx-slot.js';
import type { Dict } from './dict.js';
import type { GfEvent } from './events.js';
import type { Fd } from './fd.js';
import type { Cbks, FopHandlers, Fops } from './fops.js';
import type { Inode } from './inode.js';
import type { InodeTable } from './inode-table.js';
import type { IobufPool } from './iobuf.js';
import type { LatencyTable } from './latency.js';
import type { LocalFile } from './local-file.js';
import type { Logger } from './logging.js';
import type { MemPools } from './mem-pool.js';
import type { OptionSpec } from './option-spec.js';
import type { OptionValues } from './options.js';
import type { Platform } from './platform/platform.js';

/**
 * A child as its parent sees it: every fop is there, bound past all the layers below that don't define it, so that a
 * pass-through layer costs nothing. Bound at activation; the object stays the same for the life of the graph.
 */
export interface Subvolume extends Fops {
  /** The child that the volfile names, not the one that a fop is bound to. */
  readonly xlator: Xlator;
  readonly name: string;
}

/** What a graph gives to an xlator that it makes. */
export interface XlatorContext {
  readonly name: string;
  readonly type: string;
  /** The volfile's options as text, later ones winning. */
  readonly volfileOptions: ReadonlyMap<string, string>;
  /** Parsed by the xlator's own {@link OptionSpec}s, defaults filled in. */
  readonly options: OptionValues;
  readonly children: readonly Subvolume[];
  readonly graph: GraphView;
  readonly log: Logger;
}

/** What xlators may know of the graph and the process that they are in. */
export interface GraphView {
  readonly id: number;
  readonly platform: Platform;
  readonly iobufs: IobufPool;
  /** `CTX_ID:<uuid>` of the process (spec/client.md, §8.2). */
  readonly processUuid: string;
  /** The volume name that was asked for, e.g. with --volfile-id. */
  readonly volumeName: string;
  /** The process's own words: cmdline options that xlators read (`process-name`, `volfile-server`, `subdir-mount`, `client-pid` …). */
  readonly cmdArgs: ReadonlyMap<string, string>;
  /** The table whose inodes this graph's fops carry. One per graph. Set before activation by the graph's top. */
  readonly inodeTable: InodeTable;
  readonly top: Xlator;
  /** All xlators, in the order of the volfile. */
  readonly xlators: readonly Xlator[];
  find(name: string): Xlator | undefined;
  /** Binds every link anew: for an xlator whose set of fops has changed. */
  rebind(): void;
  /** The file has changed behind our back: the mount and all xlators drop the data that they keep of it (spec/client.md, §6.10). */
  invalidate(inode: Inode): void;
  /** The process's reusable objects. */
  readonly memPools: MemPools;
  /** The requests that the process is serving: the tops of graphs enter and leave. */
  readonly callPool: CallPool;
  /** The process's graphs that served before this one, oldest first: they are still shown under `.meta`. */
  readonly elders: readonly GraphView[];
  /** Above this graph: the mount. */
  readonly root: GraphRootView | undefined;
  /** How long fops take, while that is measured. */
  readonly latency: LatencyTable;
  /** A cell of its own in every inode and fd of this graph. */
  newCtxSlot<T>(): CtxSlot<T>;
}

/** What stands above the graphs of a process, and is shown as an xlator of its own (`.meta/root`, `[fuse]` in statedumps): mount/fuse. */
export interface GraphRootView {
  /** `fuse` */
  readonly name: string;
  /** `mount/fuse` */
  readonly type: string;
  readonly shownOptions: ReadonlyMap<string, string>;
  dump(writer: StatedumpWriter): void;
}

/** A section of a statedump: GlusterFS's `key=value` lines under `[title]`. */
export interface StatedumpWriter {
  section(title: string): void;
  write(key: string, value: string | number | bigint): void;
  /** A line of its own, as `-----=-----` between the pools of `[mempool]`. */
  line?(text: string): void;
}

/** A client as a server knows it. */
export interface ConnectedClient {
  /** Address and port of its connection. */
  readonly hostname: string;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly opVersion: number;
  /** `fuse`, `glustershd` …; what it called itself. */
  readonly processName: string;
}

/**
 * A translator. Define the fops you care about as methods; the others pass to the first child, at no cost. See
 * docs/architecture.md, "Xlator", and the example in the README.
 *
 * Life: constructed → `init` (parents before children) → `notify(PARENT_UP)` → fops → `notify(PARENT_DOWN)` → `fini`.
 */
export abstract class Xlator {
  readonly name: string;
  readonly type: string;
  readonly children: readonly Subvolume[];
  readonly graph: GraphView;
  readonly log: Logger;
  /** Xlators that have this one as a child; filled in by the graph before init. */
  readonly parents: Xlator[] = [];
  options: OptionValues;
  volfileOptions: ReadonlyMap<string, string>;

  constructor(context: XlatorContext) {
    this.name = context.name;
    this.type = context.type;
    this.children = context.children;
    this.graph = context.graph;
    this.log = context.log;
    this.options = context.options;
    this.volfileOptions = context.volfileOptions;
  }

  /** The first child. Throws when there is none: only for xlators that refuse to init without. */
  get child(): Subvolume {
    const first = this.children[0];
    if (first === undefined) throw new Error(`${this.name} (${this.type}) has no subvolume`);
    return first;
  }

  /** The options as `.meta` shows them, in the order in which they were set: the volfile's, and what the xlator itself has added since. */
  get shownOptions(): ReadonlyMap<string, string> {
    return this.volfileOptions;
  }

  /** A cell of its own in every inode and fd. Ask in the constructor. */
  protected newCtxSlot<T>(): CtxSlot<T> {
    return this.graph.newCtxSlot<T>();
  }

  /** Checks the options and gets ready; fops come only after PARENT_UP. Throws to refuse the graph. */
  init(): void | Promise<void> {}

  /** New options on a live graph, parsed and validated already. Throws to refuse; returning `'new-graph'` asks for a graph switch. */
  reconfigure(options: OptionValues): void | 'new-graph' | Promise<void | 'new-graph'> {
    this.options = options;
  }

  /**
   * An event. The default sends PARENT_UP, PARENT_DOWN and CLEANUP to every child, all others to every parent.
   * @param from the child (or parent) that sends it
   */
  notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    defaultNotify(this, event, data, from);
  }

  /** Frees what init took. */
  fini(): void | Promise<void> {}

  /** Its private state, for statedumps and `.meta/…/private`. */
  dump(_writer: StatedumpWriter): void {}

  /** Who is connected, of a server; for `volume status V clients`. */
  connectedClients(): readonly ConnectedClient[] {
    return [];
  }

  /** Its own lines of metrics: name and value (spec/client.md, §15.5). */
  metrics(): Iterable<readonly [string, number]> {
    return [];
  }

  /** What it keeps of an inode, for statedumps: a section of its own, or none. */
  dumpInode(_inode: Inode, _writer: StatedumpWriter): void {}

  /** Who has files open through it, for statedumps. */
  dumpFds(_writer: StatedumpWriter): void {}

  /**
   * The file that READs of `fd` come from, if each of them passes this layer and those below unchanged and unobserved, so that a client on the same
   * machine may read it without asking; undefined if not. A layer that has a say in READs has to say so here, or it stands in the way. It is asked
   * again after each reconfiguration.
   */
  localFile(fd: Fd): LocalFile | undefined {
    return this.readv === undefined ? this.children[0]?.xlator.localFile(fd) : undefined;
  }

  /** Answers TRANSLATOR_INFO, e.g. `profile`; undefined when it isn't meant. */
  translatorInfo(_input: Dict): Dict | undefined {
    return undefined;
  }
}
/** The fops and cbks of an xlator are optional methods; a subclass defines them with `override`. */
export interface Xlator extends FopHandlers, Cbks {}

const DOWNWARD: ReadonlySet<GfEvent> = new Set<GfEvent>([1, 17, 9]);

/** GlusterFS's default_notify. */
export function defaultNotify(xlator: Xlator, event: GfEvent, data?: unknown, _from?: Xlator): void {
  if (DOWNWARD.has(event)) for (const child of xlator.children) child.xlator.notify(event, data, xlator);
  else for (const parent of xlator.parents) parent.notify(event, data, xlator);
}

/** What a module exports for each type that it implements; the module's `xlators` is an array of them. */
export interface XlatorDefinition {
  /** As in a volfile: `cluster/disperse`. */
  readonly type: string;
  readonly options: readonly OptionSpec[];
  create(context: XlatorContext): Xlator;
}
