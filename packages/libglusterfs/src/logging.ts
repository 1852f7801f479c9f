/** Levels, from grave to chatty, with GlusterFS's letters. */
export const LogLevel = { NONE: 0, EMERG: 1, ALERT: 2, CRITICAL: 3, ERROR: 4, WARNING: 5, NOTICE: 6, INFO: 7, DEBUG: 8, TRACE: 9 } as const;
export type LogLevel = (typeof LogLevel)[keyof typeof LogLevel];

const BY_NAME: Readonly<Partial<Record<string, LogLevel>>> = {
  TRACE: LogLevel.TRACE, DEBUG: LogLevel.DEBUG, INFO: LogLevel.INFO, WARNING: LogLevel.WARNING, ERROR: LogLevel.ERROR, CRITICAL: LogLevel.CRITICAL, NONE: LogLevel.NONE,
};

/** The level that an option or the command line names, in any case. */
export function logLevelByName(name: string): LogLevel | undefined {
  return BY_NAME[name.toUpperCase()];
}

/** What can be changed while a process runs; what isn't given stays. */
export interface LogSettings {
  readonly level?: LogLevel | undefined;
  readonly msgIds?: boolean | undefined;
  /** Different messages that are remembered, lest they be repeated; 0: none (option log-buf-size). */
  readonly bufSize?: number | undefined;
  /** Seconds until the counts of repeated messages are written (option log-flush-timeout). */
  readonly flushTimeoutS?: number | undefined;
}

/** Writes messages of one domain (an xlator's name, or a part of libglusterfs) in GlusterFS's format (spec/client.md, §16). */
export interface Logger {
  readonly level: LogLevel;
  /** For all loggers of the process, where they can be set. */
  configure?(settings: LogSettings): void;
  /** @param msgid GlusterFS's message id, 0 for none. @param fields appended as `[{key=value}, …]` */
  log(level: LogLevel, msgid: number, text: string, fields?: Readonly<Record<string, string | number | bigint>>): void;
  error(msgid: number, text: string, fields?: Readonly<Record<string, string | number | bigint>>): void;
  warning(msgid: number, text: string, fields?: Readonly<Record<string, string | number | bigint>>): void;
  info(msgid: number, text: string, fields?: Readonly<Record<string, string | number | bigint>>): void;
  debug(msgid: number, text: string, fields?: Readonly<Record<string, string | number | bigint>>): void;
  /** A logger for another domain, to the same place. */
  domain(name: string): Logger;
}
