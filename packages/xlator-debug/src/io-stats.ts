import {
  type Bytes, type CreateReply, type CtxSlot, Dict, type EntryReply, FOP_LABELS, FOP_NAMES, FOP_NUMBERS, type Fd, type FopName, type Frame, GfEvent, type Inode, type Loc, type LogLevel, type OptionSpec, type OptionValues, type PlainReply, type ReadReply,
  type StatedumpWriter, type Timer, type Upcall, type WriteReply, type Xdata, Xlator, type XlatorContext, fnmatch, fopNumber, logLevelByName,
} from '@glusterts/libglusterfs';
import { Counters, type UpcallLabel } from './counters.js';
import { DumpFiles, type DumpFormat } from './dump-files.js';
import { cumulativeJson, intervalJson, type QueueSizes } from './json-report.js';
import { fixed } from './printf.js';
import { type CountList, FileStat, TopLists } from './top-lists.js';
import { type OpenFiles, cumulativeText, intervalText } from './text-report.js';

/** Options: spec/client.md, §20. Those for samples are taken, and not acted on. */
export const options: readonly OptionSpec[] = [
  { key: 'dump-fd-stats', type: 'bool', default: 'off' },
  { key: 'latency-measurement', type: 'bool', default: 'off' },
  { key: 'count-fop-hits', type: 'bool', default: 'off' },
  { key: 'ios-dump-interval', type: 'int', default: '0', min: 0, max: 3600 },
  { key: 'ios-sample-interval', type: 'int', default: '0', min: 0, max: 65535 },
  { key: 'ios-dump-format', type: 'str', default: 'json', values: ['text', 'json', 'dict', 'samples'] },
  { key: 'ios-sample-buf-size', type: 'int', default: '65535', min: 1024, max: 1048576 },
  { key: 'ios-dnscache-ttl-sec', type: 'int', default: '86400' },
  { key: 'log-level', type: 'str', values: ['DEBUG', 'WARNING', 'ERROR', 'INFO', 'CRITICAL', 'NONE', 'TRACE'] },
  { key: 'sys-log-level', type: 'str', default: 'CRITICAL' },
  { key: 'logger', type: 'str' },
  { key: 'log-format', type: 'str' },
  { key: 'log-buf-size', type: 'size', default: '5', min: 0, max: 20 },
  { key: 'log-flush-timeout', type: 'time', default: '120', min: 30, max: 300 },
  { key: 'unique-id', type: 'str' },
  { key: 'volume-id', type: 'str' },
  { key: 'threads', type: 'int' },
  { key: 'global-threading', type: 'bool', default: 'off' },
];

const INFO_ALL = 1;
const INFO_INCREMENTAL = 2;
const INFO_CUMULATIVE = 3;
const INFO_CLEAR = 4;

const FORGET = fopNumber('FORGET');
const RELEASE = fopNumber('RELEASE');
const RELEASEDIR = fopNumber('RELEASEDIR');
const MS_PER_S = 1000;
const NS_PER_MS = 1e6;

/** Xattrs that, when they are set, make io-stats write its counters to a file. */
const DUMP_PATTERN = '*io*stat*dump';
/** What io-threads answers to; the key of GlusterFS's getxattr for it. */
const QUEUE_SIZES = 'io-thread-queue-size';
/** Flags of cache invalidations (spec/rpc-wire.md, §11), by what they are counted as. */
const INVALIDATIONS: readonly (readonly [UpcallLabel, number])[] = [['CI_XATTR', 0xc00], ['CI_IATT', 0x7f], ['CI_RENAME', 0x80], ['CI_FORGET', 0x100], ['CI_UNLINK', 0x1]];

type AnyFop = (...args: readonly unknown[]) => Promise<unknown>;

/**
 * debug/io-stats: how often each fop came, how long it took, how many bytes. While counting is off it defines no fop, so that
 * parents are bound past it and nothing is paid; `volume profile start` switches it on, and the graph is bound anew.
 */
export class IoStats extends Xlator {
  #cumulative: Counters;
  #interval: Counters;
  #intervalNumber = 0;
  #counting = false;
  #lists = new TopLists();
  readonly #open: OpenFiles = { open: 0, most: 0, mostAt: { sec: 0, nsec: 0 } };
  readonly #files: CtxSlot<FileStat>;
  /** Fds whose opening was counted. */
  readonly #opened: CtxSlot<true>;
  readonly #dumps: DumpFiles;
  #timer: Timer | undefined;
  /** The log's level before the option changed it. */
  #levelBefore: LogLevel | undefined;

  constructor(context: XlatorContext) {
    super(context);
    this.#files = this.newCtxSlot<FileStat>();
    this.#opened = this.newCtxSlot<true>();
    this.#dumps = new DumpFiles(this.graph, this.log, this.options.text('unique-id') ?? this.name);
    const now = this.#nowS;
    this.#cumulative = new Counters(now);
    this.#interval = new Counters(now);
    this.#setCounting(this.options);
  }

  get #nowS(): number {
    return this.graph.platform.clock.realtime().sec;
  }

  override init(): void {
    this.#configureLog(this.options);
    // In GlusterFS's words, blanks included; samples are not taken here.
    if (this.options.number('ios-sample-interval') === 0) this.log.info(0, 'Configure ios_sample_buf  size is 1024 because ios_sample_interval is 0');
    this.#dumpEvery(this.options);
  }

  override fini(): void {
    this.#timer?.cancel();
  }

  override reconfigure(values: OptionValues): void {
    this.options = values;
    this.#configureLog(values);
    this.#dumpEvery(values);
    if (this.#setCounting(values)) this.graph.rebind();
  }

  /** `diagnostics.brick-log-level` and its kin are options of io-stats, and act on the process (spec/client.md, §16.1). */
  #configureLog(values: OptionValues): void {
    const name = values.text('log-level');
    const format = values.text('log-format');
    if (name !== undefined) this.#levelBefore ??= this.log.level;
    this.log.configure?.({
      level: name === undefined ? this.#levelBefore : logLevelByName(name),
      msgIds: format === undefined ? undefined : format !== 'no-msg-id',
      bufSize: values.number('log-buf-size'),
      flushTimeoutS: values.number('log-flush-timeout'),
    });
  }

  /** Defines the counting fops on this object, or takes them away. True when that changed something. */
  #setCounting(values: OptionValues): boolean {
    const wanted = values.bool('count-fop-hits') || values.bool('latency-measurement');
    if (wanted === this.#counting) return false;
    this.#counting = wanted;
    for (const fop of FOP_NAMES) {
      if (wanted) Object.defineProperty(this, fop, { value: this.#counted(fop), configurable: true });
      else Reflect.deleteProperty(this, fop);
    }
    return true;
  }

  #counted(fop: FopName): AnyFop {
    const number = FOP_NUMBERS[fop];
    const { clock } = this.graph.platform;
    return async (...args) => {
      const wind: unknown = this.child[fop];
      if (typeof wind !== 'function') throw new Error(`no ${fop} below`);
      if (fop === 'setxattr') this.#dumpIfAsked(args[2] as Dict);
      const measure = this.options.bool('latency-measurement');
      const begin = measure ? clock.monotonic() : 0;
      let elapsed: number | undefined;
      try {
        const reply: unknown = await wind(...args);
        if (measure) elapsed = Math.round((clock.monotonic() - begin) * NS_PER_MS);
        this.#observe(fop, args, reply, elapsed ?? 0);
        return reply;
      } finally {
        if (measure) elapsed ??= Math.round((clock.monotonic() - begin) * NS_PER_MS);
        this.#hit(number, elapsed);
      }
    };
  }

  #hit(number: number, elapsedNs: number | undefined): void {
    this.#cumulative.hit(number, elapsedNs);
    this.#interval.hit(number, elapsedNs);
  }

  /** Bytes, open files, and the lists of what is used most. */
  #observe(fop: FopName, args: readonly unknown[], reply: unknown, elapsedNs: number): void {
    switch (fop) {
      case 'create': {
        const { fd, inode } = reply as CreateReply;
        this.#files.set(inode, new FileStat((args[1] as Loc).path));
        return this.#fileOpened(fd);
      }
      case 'open': {
        const fd = args[3] as Fd;
        if (!this.#files.get(fd.inode)) this.#files.set(fd.inode, new FileStat((args[1] as Loc).path));
        this.#fileOpened(fd);
        return this.#used(fd.inode, 'open');
      }
      case 'mkdir':
        this.#files.set((reply as EntryReply).inode, new FileStat((args[1] as Loc).path));
        return;
      case 'opendir':
        return this.#used((args[1] as Loc).inode, 'opendir');
      case 'readdirp':
        return this.#used((args[1] as Fd).inode, 'readdirp');
      case 'readv': {
        const { size } = (reply as ReadReply).vector;
        this.#cumulative.read(size);
        this.#interval.read(size);
        return this.#passed((args[1] as Fd).inode, 'read', size, elapsedNs);
      }
      case 'writev': {
        const { written } = reply as WriteReply;
        this.#cumulative.written(written);
        this.#interval.written(written);
        return this.#passed((args[1] as Fd).inode, 'write', written, elapsedNs);
      }
      default:
    }
  }

  #fileOpened(fd: Fd): void {
    this.#opened.set(fd, true);
    if (++this.#open.open <= this.#open.most) return;
    this.#open.most = this.#open.open;
    this.#open.mostAt = this.graph.platform.clock.realtime();
  }

  #used(inode: Inode, list: CountList): void {
    const file = this.#files.get(inode);
    if (file) this.#lists.count(file, list);
  }

  #passed(inode: Inode, list: 'read' | 'write', bytes: number, elapsedNs: number): void {
    const file = this.#files.get(inode);
    if (!file) return;
    this.#lists.count(file, list);
    this.#lists.passed(file, list, bytes, elapsedNs, this.graph.platform.clock.realtime());
  }

  override release(fd: Fd): void {
    if (this.#opened.get(fd)) this.#open.open--;
    if (this.#counting) this.#hit(RELEASE, undefined);
  }

  override releasedir(_fd: Fd): void {
    if (this.#counting) this.#hit(RELEASEDIR, undefined);
  }

  override forget(_inode: Inode): void {
    if (this.#counting) this.#hit(FORGET, undefined);
  }

  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    if (event === GfEvent.UPCALL && this.options.bool('count-fop-hits')) this.#countUpcall(data as Upcall);
    super.notify(event, data, from);
  }

  #countUpcall(upcall: Upcall): void {
    const count = (label: UpcallLabel): void => {
      this.#cumulative.upcall(label);
      this.#interval.upcall(label);
    };
    count('UPCALL');
    if (upcall.kind === 'lease-recall') count('LEASE_RECALL');
    if (upcall.kind === 'cache-invalidation') for (const [label, flags] of INVALIDATIONS) if (upcall.flags & flags) count(label);
  }

  // ------------------------------------------------------------------------------------------------ dumps

  /** Stands while nothing is counted too: the xattr that asks for a dump comes by here. */
  override setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    this.#dumpIfAsked(dict);
    return this.child.setxattr(frame, loc, dict, flags, xdata);
  }

  /** `setfattr -n trusted.io-stats-dump -v NAME` (spec/client.md, §12.5). The xattr itself goes on; bricks drop it. */
  #dumpIfAsked(dict: Dict): void {
    for (const key of dict.keys()) {
      if (!fnmatch(DUMP_PATTERN, key)) continue;
      const format: DumpFormat = fnmatch(`*io*stat*${process.pid}_json_dump`, key) ? 'json' : 'text';
      this.#dumps.onDemand(dict.getStr(key) ?? ('' as Bytes), () => this.#report(format));
    }
  }

  /** diagnostics.stats-dump-interval (spec/client.md, §12.4). */
  #dumpEvery(values: OptionValues): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const seconds = values.number('ios-dump-interval');
    if (seconds <= 0) return;
    this.#timer = this.graph.platform.timers.after(
      seconds * MS_PER_S,
      () => {
        const format = this.options.text('ios-dump-format');
        if (format === 'json' || format === 'text') this.#dumps.interval(() => this.#report(format));
        this.#dumpEvery(this.options);
      },
      { background: true },
    );
  }

  /** All counters; the interval's begin again. */
  #report(format: DumpFormat): string {
    const now = this.#nowS;
    const interval = this.#interval;
    const number = this.#intervalNumber++;
    this.#interval = new Counters(now);
    if (format === 'text') return cumulativeText(this.#cumulative, this.#open, this.#lists, now) + intervalText(interval, number, now);
    const queues = this.#queueSizes();
    const prefix = this.#dumps.keyPrefix;
    return cumulativeJson(this.#cumulative, this.#open, queues, prefix, now) + intervalJson(interval, queues, prefix, now);
  }

  /** Asks the io-threads below; nothing if there is none. */
  #queueSizes(): QueueSizes {
    const question = new Dict().setInt(QUEUE_SIZES, 1);
    for (let at = this.children[0]?.xlator; at; at = at.children[0]?.xlator) {
      const answer = at.translatorInfo(question);
      if (answer) return new Map([...answer.keys()].map((key) => [key, answer.getNumber(key) ?? 0]));
    }
    return new Map();
  }

  /** `volume profile … info` (spec/client.md, §12.2). */
  override translatorInfo(input: Dict): Dict | undefined {
    const operation = input.getNumber('info-op');
    if (operation === undefined) return undefined;
    const now = this.#nowS;
    const answer = new Dict().setInt('info-op', operation);
    if (operation === INFO_CLEAR) {
      this.#cumulative = new Counters(now);
      this.#interval = new Counters(now);
      return answer.setInt('stats-cleared', 1);
    }
    if (operation === INFO_ALL || operation === INFO_CUMULATIVE) {
      answer.setInt('cumulative', -1);
      report(answer, '-1', this.#cumulative, now);
    }
    if (operation === INFO_ALL || operation === INFO_INCREMENTAL) {
      answer.setInt('interval', this.#intervalNumber);
      report(answer, String(this.#intervalNumber), this.#interval, now);
      if (input.getBool('peek') !== true) {
        this.#intervalNumber++;
        this.#interval = new Counters(now);
      }
    }
    return answer;
  }

  /** Without a section of its own; nothing while not everything is counted. */
  override dump(writer: StatedumpWriter): void {
    if (!this.options.bool('count-fop-hits') || !this.options.bool('latency-measurement')) return;
    const sets = [['cumulative', this.#cumulative], ['incremental', this.#interval]] as const;
    for (const [name, counters] of sets) {
      writer.write(`${name}.data_read`, counters.bytesRead);
      writer.write(`${name}.data_written`, counters.bytesWritten);
    }
    FOP_LABELS.forEach((label, i) => {
      for (const [name, { fops }] of sets) {
        const { hits = 0, totalNs = 0, minNs = 0, maxNs = 0, averageNs = 0 } = fops[i] ?? {};
        writer.write(`${this.name}.${name}.${label}`, `${hits},${totalNs},${fixed(minNs, 3)},${fixed(maxNs, 3)},${fixed(averageNs, 3)}`);
      }
    });
  }
}

function report(answer: Dict, prefix: string, counters: Counters, now: number): void {
  answer.setUint(`${prefix}-duration`, now - counters.startedS);
  answer.setUint(`${prefix}-total-read`, counters.bytesRead);
  answer.setUint(`${prefix}-total-write`, counters.bytesWritten);
  for (const [what, blocks] of [['read', counters.readBlocks], ['write', counters.writeBlocks]] as const) {
    blocks.forEach((count, bucket) => {
      if (count > 0) answer.setUint(`${prefix}-${what}-${2 ** bucket}`, count);
    });
  }
  counters.fops.forEach(({ hits, averageNs, minNs, maxNs }, number) => {
    if (hits > 0) answer.setUint(`${prefix}-${number}-hits`, hits);
    if (hits === 0 || averageNs === 0) return;
    answer.setDouble(`${prefix}-${number}-avglatency`, averageNs);
    answer.setDouble(`${prefix}-${number}-minlatency`, minNs);
    answer.setDouble(`${prefix}-${number}-maxlatency`, maxNs);
  });
  counters.upcalls.forEach((hits, i) => {
    if (hits > 0) answer.setUint(`${prefix}-${i}-upcall-hits`, hits);
  });
}
