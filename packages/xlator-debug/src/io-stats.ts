import { Dict, FOP_NAMES, type FopName, type LogLevel, type OptionSpec, type OptionValues, type ReadReply, type StatedumpWriter, type WriteReply, Xlator, logLevelByName, type XlatorContext } from '@glusterts/libglusterfs';
import { Counters } from './counters.js';
import { FOP_NUMBERS } from './fop-numbers.js';

/** Options: spec/client.md, §20. The ones for interval dumps and samples are taken, and not acted on. */
export const options: readonly OptionSpec[] = [
  { key: 'dump-fd-stats', type: 'bool', default: 'off' },
  { key: 'latency-measurement', type: 'bool', default: 'off' },
  { key: 'count-fop-hits', type: 'bool', default: 'off' },
  { key: 'ios-dump-interval', type: 'int', default: '0', min: 0, max: 3600 },
  { key: 'ios-sample-interval', type: 'int', default: '0', min: 0, max: 65535 },
  { key: 'ios-dump-format', type: 'str', default: 'json' },
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
  /** The log's level before the option changed it. */
  #levelBefore: LogLevel | undefined;

  constructor(context: XlatorContext) {
    super(context);
    const now = this.graph.platform.clock.monotonic();
    this.#cumulative = new Counters(now);
    this.#interval = new Counters(now);
    this.#setCounting(this.options);
  }

  override init(): void {
    this.#configureLog(this.options);
  }

  override reconfigure(values: OptionValues): void {
    this.options = values;
    this.#configureLog(values);
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
    return async (...args) => {
      const wind: unknown = this.child[fop];
      if (typeof wind !== 'function') throw new Error(`no ${fop} below`);
      const measure = this.options.bool('latency-measurement');
      const begin = measure ? this.graph.platform.clock.monotonic() : 0;
      try {
        const reply: unknown = await wind(...args);
        this.#countBytes(fop, reply);
        return reply;
      } finally {
        const latency = measure ? (this.graph.platform.clock.monotonic() - begin) * 1e6 : undefined;
        this.#cumulative.hit(fop, latency);
        this.#interval.hit(fop, latency);
      }
    };
  }

  #countBytes(fop: FopName, reply: unknown): void {
    if (fop === 'readv') {
      const { size } = (reply as ReadReply).vector;
      this.#cumulative.read(size);
      this.#interval.read(size);
    } else if (fop === 'writev') {
      const { written } = reply as WriteReply;
      this.#cumulative.written(written);
      this.#interval.written(written);
    }
  }

  /** `volume profile … info` (spec/client.md, §12.2). */
  override translatorInfo(input: Dict): Dict | undefined {
    const operation = input.getNumber('info-op');
    if (operation === undefined) return undefined;
    const now = this.graph.platform.clock.monotonic();
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

  override dump(writer: StatedumpWriter): void {
    writer.section(`xlator.debug.io-stats.${this.name}.priv`);
    writer.write('bytes_read', this.#cumulative.bytesRead);
    writer.write('bytes_written', this.#cumulative.bytesWritten);
    for (const [fop, { hits }] of this.#cumulative.fops) writer.write(`${fop}.hits`, hits);
  }
}

function report(answer: Dict, prefix: string, counters: Counters, now: number): void {
  answer.setUint(`${prefix}-duration`, Math.floor((now - counters.startedMs) / 1000));
  answer.setUint(`${prefix}-total-read`, counters.bytesRead);
  answer.setUint(`${prefix}-total-write`, counters.bytesWritten);
  for (const [what, blocks] of [['read', counters.readBlocks], ['write', counters.writeBlocks]] as const) {
    blocks.forEach((count, bucket) => {
      if (count > 0) answer.setUint(`${prefix}-${what}-${2 ** bucket}`, count);
    });
  }
  for (const [fop, { hits, averageNs, minNs, maxNs }] of counters.fops) {
    const number = FOP_NUMBERS[fop];
    answer.setUint(`${prefix}-${number}-hits`, hits);
    if (averageNs === 0) continue;
    answer.setDouble(`${prefix}-${number}-avglatency`, averageNs);
    answer.setDouble(`${prefix}-${number}-minlatency`, minNs);
    answer.setDouble(`${prefix}-${number}-maxlatency`, maxNs);
  }
}
