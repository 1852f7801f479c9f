import { LogRepeats } from './log-repeats.js';
import { LogLevel, type Logger, type LogSettings } from './logging.js';
import type { Clock, Timers } from './platform/platform.js';

/** Where lines go: a file, the terminal, or a test's array. A line comes with its newline. */
export type LogSink = (line: string, level: LogLevel) => void;

type Fields = Readonly<Record<string, string | number | bigint>>;

const LETTERS = ' MACEWNIDT';

export interface GlusterLoggerOptions {
  readonly sink: LogSink;
  readonly clock: Clock;
  readonly level?: LogLevel;
  readonly graphId?: number;
  /** with-msg-id (default) or no-msg-id. */
  readonly msgIds?: boolean;
  /** Given: repeated messages are counted instead of written, see LogRepeats. */
  readonly timers?: Timers;
}

interface Shared {
  sink: LogSink;
  readonly clock: Clock;
  level: LogLevel;
  msgIds: boolean;
  readonly repeats: LogRepeats | undefined;
}

/** Two digits. */
const two = (value: number): string => (value < 10 ? `0${value}` : String(value));

/** `2026-11-21 02:28:11.369271 +0000` */
export function formatLogTime(clock: Clock): string {
  const { sec, nsec } = clock.realtime();
  const date = new Date(sec * 1000);
  const micros = String(Math.floor(nsec / 1000)).padStart(6, '0');
  return `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}.${micros} +0000`;
}

/**
 * GlusterFS's log lines (spec/client.md, §16.1). Where the original names its C file, line and function, the domain stands:
 * `[time] I [MSGID: 100030] [glusterts:0:v-client-0] 0-v-client-0: text [{key=value}]`.
 */
export class GlusterLogger implements Logger {
  readonly #shared: Shared;
  readonly #domain: string;
  readonly #graphId: number;

  private constructor(shared: Shared, domain: string, graphId: number) {
    this.#shared = shared;
    this.#domain = domain;
    this.#graphId = graphId;
  }

  static create(domain: string, options: GlusterLoggerOptions): GlusterLogger {
    const { sink, clock, timers } = options;
    const repeats = timers && new LogRepeats(timers, (line) => sink(line, LogLevel.INFO));
    return new GlusterLogger({ sink, clock, level: options.level ?? LogLevel.INFO, msgIds: options.msgIds ?? true, repeats }, domain, options.graphId ?? 0);
  }

  get level(): LogLevel {
    return this.#shared.level;
  }

  /** For all loggers of the same family. */
  set level(level: LogLevel) {
    this.#shared.level = level;
  }

  configure({ level, msgIds, bufSize, flushTimeoutS }: LogSettings): void {
    if (level !== undefined) this.#shared.level = level;
    if (msgIds !== undefined) this.#shared.msgIds = msgIds;
    this.#shared.repeats?.configure({ size: bufSize, flushTimeoutS });
  }

  /** Writes what was counted: before the process ends. */
  flush(): void {
    this.#shared.repeats?.flush();
  }

  log(level: LogLevel, msgid: number, text: string, fields?: Fields): void {
    if (level > this.#shared.level || level === LogLevel.NONE) return;
    const id = msgid !== 0 && this.#shared.msgIds ? ` [MSGID: ${msgid}]` : '';
    const pairs = fields ? ` [${Object.entries(fields).map(([key, value]) => `{${key}=${value}}`).join(', ')}]` : '';
    const { sink, clock, repeats } = this.#shared;
    // Only messages with an id have the blank at the end: gf_log's lines have neither.
    const words = `${LETTERS.charAt(level)}${id} [glusterts:0:${this.#domain}] ${this.#graphId}-${this.#domain}: ${text}${pairs}${msgid === 0 ? '' : ' '}`;
    // gf_log's lines, which have no message id, are never held back.
    if (msgid !== 0 && repeats && !repeats.isNew(`${msgid} ${words}`, words, () => formatLogTime(clock))) return;
    sink(`[${formatLogTime(clock)}] ${words}\n`, level);
  }

  error(msgid: number, text: string, fields?: Fields): void {
    this.log(LogLevel.ERROR, msgid, text, fields);
  }

  warning(msgid: number, text: string, fields?: Fields): void {
    this.log(LogLevel.WARNING, msgid, text, fields);
  }

  info(msgid: number, text: string, fields?: Fields): void {
    this.log(LogLevel.INFO, msgid, text, fields);
  }

  debug(msgid: number, text: string, fields?: Fields): void {
    this.log(LogLevel.DEBUG, msgid, text, fields);
  }

  domain(name: string): GlusterLogger {
    return new GlusterLogger(this.#shared, name, this.#graphId);
  }

  /** The same, for the messages of one graph. */
  forGraph(graphId: number): GlusterLogger {
    return new GlusterLogger(this.#shared, this.#domain, graphId);
  }
}
