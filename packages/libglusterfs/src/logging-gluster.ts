import type { Clock } from './platform/platform.js';
import { LogLevel, type Logger } from './logging.js';

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
}

interface Shared {
  sink: LogSink;
  readonly clock: Clock;
  level: LogLevel;
  readonly msgIds: boolean;
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
    return new GlusterLogger({ sink: options.sink, clock: options.clock, level: options.level ?? LogLevel.INFO, msgIds: options.msgIds ?? true }, domain, options.graphId ?? 0);
  }

  get level(): LogLevel {
    return this.#shared.level;
  }

  /** For all loggers of the same family. */
  set level(level: LogLevel) {
    this.#shared.level = level;
  }

  setLevel(level: LogLevel): void {
    this.#shared.level = level;
  }

  log(level: LogLevel, msgid: number, text: string, fields?: Fields): void {
    if (level > this.#shared.level || level === LogLevel.NONE) return;
    const id = msgid !== 0 && this.#shared.msgIds ? ` [MSGID: ${msgid}]` : '';
    const pairs = fields ? ` [${Object.entries(fields).map(([key, value]) => `{${key}=${value}}`).join(', ')}]` : '';
    this.#shared.sink(`[${formatLogTime(this.#shared.clock)}] ${LETTERS.charAt(level)}${id} [glusterts:0:${this.#domain}] ${this.#graphId}-${this.#domain}: ${text}${pairs} \n`, level);
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
