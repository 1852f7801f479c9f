import * as values from './argument-values.js';

/** How an option takes its argument: not at all, always, or only after `=`. */
export type Takes = 'none' | 'required' | 'optional';

export interface ArgumentSpec {
  readonly name: string;
  /** Taken, but not listed. */
  readonly hidden?: boolean;
  readonly short?: string;
  readonly takes: Takes;
  /** What stands for the value in the help. */
  readonly placeholder?: string;
  readonly read?: values.ReadValue;
  readonly repeats?: boolean;
}

type More = Omit<ArgumentSpec, 'name' | 'takes' | 'placeholder'>;
const flag = (name: string, more: More = {}): ArgumentSpec => ({ name, takes: 'none', ...more });
const value = (name: string, placeholder: string, more: More = {}): ArgumentSpec => ({ name, takes: 'required', placeholder, ...more });
const optional = (name: string, placeholder: string, more: More = {}): ArgumentSpec => ({ name, takes: 'optional', placeholder, ...more });

const INT32_MAX = 2 ** 31 - 1;
const INT32 = { min: -INT32_MAX - 1, max: INT32_MAX };
const NANOSECONDS_MAX = 1_000_000_000;
const quoted = (words: string) => (text: string): string => `${words} "${text}"`;
const globalThreading = values.boolean('on', quoted('Invalid value for global threading'));
const range = (words: string, min: number, max: number, limits: string): { min: number; max: number; refusal: (text: string) => string } => ({ min, max, refusal: (text) => `Invalid ${words} ${text}. Valid range: [${limits}]` });

const basic: readonly ArgumentSpec[] = [
  value('volfile-server', 'SERVER', { short: 's', repeats: true }),
  value('volfile', 'VOLFILE', { short: 'f' }),
  value('log-level', 'LOGLEVEL', { short: 'L', read: values.logLevel }),
  value('log-file', 'LOGFILE', { short: 'l' }),
  value('logger', 'LOGGER', { read: values.oneOf('logger', ['gluster-log', 'syslog']) }),
  value('log-format', 'LOG-FORMAT', { read: values.oneOf('log format', ['no-msg-id', 'with-msg-id']) }),
  value('log-buf-size', 'LOG-BUF-SIZE', { read: values.integer('unknown log buf size option', range('log buf size', 0, 20, '0,20')) }),
  value('log-flush-timeout', 'LOG-FLUSH-TIMEOUT', { read: values.integer('unknown log flush timeout option', range('log flush timeout', 30, 300, '30,300')) }),
];

const advanced: readonly ArgumentSpec[] = [
  value('volfile-server-port', 'PORT', { read: values.decimal('unknown volfile server port') }),
  value('volfile-server-transport', 'TRANSPORT'),
  value('volfile-id', 'KEY'),
  value('pid-file', 'PIDFILE', { short: 'p' }),
  value('socket-file', 'SOCKFILE', { short: 'S' }),
  flag('no-daemon', { short: 'N' }),
  value('run-id', 'RUN-ID', { short: 'r', hidden: true }),
  flag('debug'),
  value('volume-name', 'XLATOR-NAME'),
  value('xlator-option', 'XLATOR-NAME.OPTION=VALUE', { repeats: true, read: values.xlatorOption }),
  flag('read-only'),
  flag('acl'),
  flag('selinux'),
  flag('capability'),
  value('subdir-mount', 'SUBDIR-PATH', { read: values.subdirectory }),
  value('print-netgroups', 'NETGROUP-FILE', { short: 'n' }),
  value('print-exports', 'EXPORTS-FILE', { short: 'e' }),
  flag('print-xlatordir'),
  flag('print-statedumpdir'),
  flag('print-logdir'),
  flag('print-libexecdir'),
  value('volfile-max-fetch-attempts', 'MAX-ATTEMPTS', { hidden: true }),
  flag('aux-gfid-mount'),
  optional('enable-ino32', 'BOOL', { read: values.switchedOn }),
  flag('worm'),
  optional('mac-compat', 'BOOL', { read: values.boolean('on', (text) => `invalid value "${text}" for mac-compat`) }),
  value('brick-name', 'BRICK-NAME', { hidden: true }),
  value('brick-port', 'BRICK-PORT', { hidden: true, read: values.brickPorts }),
  optional('fopen-keep-cache', 'BOOL', { read: values.boolean('on', quoted('unknown cache setting')) }),
  optional('global-timer-wheel', 'BOOL', { read: values.switchedOn }),
  flag('thin-client'),
  optional('global-threading', 'BOOL', { read: (text) => globalThreading(text === '' ? undefined : text) }),
];

const fuse: readonly ArgumentSpec[] = [
  optional('direct-io-mode', 'BOOL|auto', { read: values.boolean('on', quoted('unknown direct I/O mode setting'), ['auto']) }),
  value('entry-timeout', 'SECONDS', { read: values.seconds('entry timeout', true) }),
  value('negative-timeout', 'SECONDS', { read: values.seconds('negative timeout', false) }),
  value('attribute-timeout', 'SECONDS', { read: values.seconds('attribute timeout', true) }),
  value('gid-timeout', 'SECONDS', { read: values.integer('unknown group list timeout', INT32) }),
  flag('resolve-gids'),
  value('lru-limit', 'N', { read: values.integer('unknown LRU limit option', INT32) }),
  value('invalidate-limit', 'N', { read: values.integer('unknown invalidate limit option', INT32) }),
  value('background-qlen', 'N', { read: values.integer('unknown background qlen option', INT32) }),
  value('congestion-threshold', 'N', { read: values.integer('unknown congestion threshold option', INT32) }),
  value('oom-score-adj', 'INTEGER', { read: values.integer('unknown oom_score_adj value', { min: -1000, max: 1000 }) }),
  value('client-pid', 'PID', { hidden: true, read: values.integer('unknown client pid', INT32) }),
  optional('no-root-squash', 'BOOL', { read: values.switchedOn }),
  value('user-map-root', 'USER', { hidden: true }),
  value('dump-fuse', 'PATH'),
  flag('volfile-check'),
  flag('no-mem-accounting', { hidden: true }),
  value('fuse-mountopts', 'OPTIONS', { hidden: true }),
  optional('use-readdirp', 'BOOL', { read: values.boolean('on', quoted('unknown use-readdirp setting')) }),
  optional('secure-mgmt', 'BOOL', { read: values.boolean('on', quoted('unknown secure-mgmt setting')) }),
  flag('localtime-logging'),
  value('process-name', 'PROCESS-NAME', { hidden: true }),
  optional('event-history', 'BOOL', { read: values.boolean('off', quoted('unknown event-history setting')) }),
  optional('reader-thread-count', 'INTEGER', { read: values.integer('unknown reader thread count option', range('reader thread count', 1, 64, '"1, 64"')) }),
  optional('kernel-writeback-cache', 'BOOL', { read: values.boolean('on', quoted('unknown kernel writeback cache setting')) }),
  optional('attr-times-granularity', 'NS', { read: values.integer('unknown attribute times granularity option', range('attribute times granularity value', 0, NANOSECONDS_MAX, '"0, 1000000000"')) }),
  optional('fuse-flush-handle-interrupt', 'BOOL', { hidden: true, read: values.boolean('on', quoted('unknown fuse flush handle interrupt setting')) }),
  optional('auto-invalidation', 'BOOL', { read: values.lenientBoolean }),
  value('fuse-dev-eperm-ratelimit-ns', 'NS', {
    hidden: true,
    read: values.integer("Non-numerical value for 'fuse-dev-eperm-ratelimit-ns' option", { min: 0, max: NANOSECONDS_MAX, refusal: (text) => `Invalid 'fuse-dev-eperm-ratelimit-ns' value ${text}. Valid range: ["0, 1000000000"]` }),
  }),
  value('fs-display-name', 'NAME', { hidden: true }),
  flag('brick-mux'),
  optional('io-engine', 'ENGINE', { read: values.ioEngine }),
  // Ours: directories of packages or modules that hold xlators.
  value('xlator-path', 'DIRECTORY', { hidden: true, repeats: true }),
];

const miscellaneous: readonly ArgumentSpec[] = [flag('help', { short: '?' }), flag('usage'), flag('version', { short: 'V' })];

/** The options that glusterfs, glusterfsd and glusterd share: one program under three names (spec/cli.md, §9); in the order in which an ambiguous abbreviation names them. */
export const ARGUMENTS: readonly ArgumentSpec[] = [basic, advanced, fuse, miscellaneous].flat();

/** The headings under which `--help` and `--usage` sort the options. */
export const GROUPS: readonly { readonly title: string; readonly specs: readonly ArgumentSpec[] }[] = [
  { title: 'Basic options', specs: basic },
  { title: 'Advanced Options', specs: advanced },
  { title: 'Fuse options', specs: fuse },
  { title: 'Miscellaneous Options', specs: miscellaneous },
].map(({ title, specs }) => ({ title, specs: specs.filter((spec) => spec.hidden !== true) }));
