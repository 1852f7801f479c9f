import { type CreateReply, Dict, type Direntp, type Errno, FOP_NAMES, FopError, type FopName, type Graph, type LookupReply, type Platform, type ReaddirReply, type Xdata, Xlator, type XlatorContext, type XlatorDefinition, createPlatform } from '@glusterts/libglusterfs';

/** Stands between the xlator under test and storage/memory: writes down which fops reach it, and holds or fails them on demand. */
export class Recorder extends Xlator {
  calls: FopName[] = [];
  /** As of a volume whose bricks have parts of files: lookups bring none. */
  withoutContents = false;
  /** Adds to what a listing tells of an entry. */
  entry: ((entry: Direntp, request: Xdata) => void) | undefined;
  /** As cluster/disperse of files made to be written to. */
  wantsFirstWriteWithClose = false;
  args: (readonly unknown[])[] = [];
  readonly #failing = new Map<FopName, Errno>();
  readonly #held = new Map<FopName, Promise<void>>();
  readonly #answers = new Map<FopName, Promise<void>>();

  constructor(context: XlatorContext) {
    super(context);
    for (const fop of FOP_NAMES) Object.defineProperty(this, fop, { configurable: true, value: (...args: readonly unknown[]) => this.#pass(fop, args) });
  }

  /** Fails a fop until `undefined` is given. */
  fail(fop: FopName, errno: Errno | undefined): void {
    if (errno === undefined) this.#failing.delete(fop);
    else this.#failing.set(fop, errno);
  }

  /** Lets a fop wait before the child sees it (`before`), or its answer after the child gave it; returns what lets it go. */
  hold(fop: FopName, where: 'before' | 'after' = 'before'): () => void {
    const held = where === 'before' ? this.#held : this.#answers;
    let go = (): void => undefined;
    held.set(fop, new Promise<void>((resolve) => (go = resolve)));
    return () => {
      held.delete(fop);
      go();
    };
  }

  /** What came since the last time. */
  taken(): FopName[] {
    return this.calls.splice(0);
  }

  async #pass(fop: FopName, args: readonly unknown[]): Promise<unknown> {
    this.calls.push(fop);
    this.args.push(args);
    await this.#held.get(fop);
    const errno = this.#failing.get(fop);
    if (errno !== undefined) throw new FopError(errno);
    const answer = this.#answers.get(fop);
    const wind = this.child[fop] as (...args: readonly unknown[]) => Promise<unknown>;
    const reply = await wind(...args);
    await answer;
    if (fop === 'create' && this.wantsFirstWriteWithClose) return { ...(reply as CreateReply), xdata: new Dict().setUint('glusterts.hold-first-write', 1) };
    if (fop === 'lookup' && this.withoutContents) (reply as LookupReply).xdata?.delete('glusterfs.content');
    if (fop === 'readdirp') this.#link(reply as ReaddirReply<Direntp>, args[4] as Xdata);
    return reply;
  }

  /** As protocol/client does. */
  #link({ entries }: ReaddirReply<Direntp>, request: Xdata): void {
    for (const entry of entries) {
      entry.inode = this.graph.inodeTable.find(entry.stat.ia_gfid) ?? this.graph.inodeTable.create();
      this.entry?.(entry, request);
    }
  }
}

export const recorder: XlatorDefinition = { type: 'test/recorder', options: [], create: (context) => new Recorder(context) };

export function recorderOf(graph: Graph): Recorder {
  const found = graph.xlators.find((xlator) => xlator instanceof Recorder);
  if (!(found instanceof Recorder)) throw new Error('the graph has no recorder');
  return found;
}

/** A volfile of storage/memory, the recorder, and one xlator on top. */
export function volfileOf(type: string, options: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries(options).map(([key, value]) => ` option ${key} ${value}\n`);
  return `volume brick\n type storage/memory\n option size 0\nend-volume\nvolume recorder\n type test/recorder\n subvolumes brick\nend-volume\nvolume top\n type ${type}\n${lines.join('')} subvolumes recorder\nend-volume\n`;
}

/** The real platform with a clock that moves only when told. */
export function clockedPlatform(): Platform & { advance(ms: number): void } {
  const real = createPlatform();
  let now = 1000;
  return { ...real, clock: { ...real.clock, monotonic: () => now }, advance: (ms) => void (now += ms) };
}
