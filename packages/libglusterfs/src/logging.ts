/** Levels, from grave to chatty, with GlusterFS's letters. */
export const LogLevel = { NONE: 0, EMERG: 1, ALERT: 2, CRITICAL: 3, ERROR: 4, WARNING: 5, NOTICE: 6, INFO: 7, DEBUG: 8, TRACE: 9 } as const;
export type LogLevel = (typeof LogLevel)[keyof typeof LogLevel];

/** Writes messages of one domain (an xlator's name, or a part of libglusterfs) in GlusterFS's format (spec/client.md, §16). */
export interface Logger {
  readonly level: LogLevel;
  /** For all loggers of the process, where that can be set. */
  setLevel?(level: LogLevel): void;
  /** @param msgid GlusterFS's message id, 0 for none. @param fields appended as `[{key=value}, …]` */
  log(level: LogLevel, msgid: number, text: string, fields?: Readonly<Record<string, string | number | bigint>>): void;
  error(msgid: number, text: string, fields?: Readonly<Record<string, string | number | bigint>>): void;
  warning(msgid: number, text: string, fields?: Readonly<Record<string, string | number | bigint>>): void;
  info(msgid: number, text: string, fields?: Readonly<Record<string, string | number | bigint>>): void;
  debug(msgid: number, text: string, fields?: Readonly<Record<string, string | number | bigint>>): void;
  /** A logger for another domain, to the same place. */
  domain(name: string): Logger;
}
