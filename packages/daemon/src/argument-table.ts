/** How an option takes its argument: not at all, always, or only after `=`. */
export type Takes = 'none' | 'required' | 'optional';

export interface ArgumentSpec {
  readonly name: string;
  readonly short?: string;
  readonly takes: Takes;
  readonly repeats?: boolean;
}

const flag = (name: string, short?: string): ArgumentSpec => (short === undefined ? { name, takes: 'none' } : { name, short, takes: 'none' });
const value = (name: string, short?: string): ArgumentSpec => (short === undefined ? { name, takes: 'required' } : { name, short, takes: 'required' });
const optional = (name: string): ArgumentSpec => ({ name, takes: 'optional' });

/** The options that glusterfs, glusterfsd and glusterd share: one program under three names (spec/cli.md, §9). */
export const ARGUMENTS: readonly ArgumentSpec[] = [
  { ...value('volfile-server', 's'), repeats: true },
  value('volfile-server-port'), value('volfile-server-transport'), value('volfile-id'), value('volfile-max-fetch-attempts'),
  value('volfile', 'f'), value('log-file', 'l'), value('log-level', 'L'), value('logger'), value('log-format'), value('log-buf-size'), value('log-flush-timeout'),
  flag('localtime-logging'), value('pid-file', 'p'), value('socket-file', 'S'), flag('no-daemon', 'N'), flag('debug'), value('run-id', 'r'),
  value('volume-name'), { ...value('xlator-option'), repeats: true }, value('brick-name'), value('brick-port'), flag('brick-mux'), value('process-name'), value('client-pid'),
  flag('secure-mgmt'), flag('print-xlatordir'), flag('print-statedumpdir'), flag('print-logdir'), flag('print-libexecdir'), value('print-exports', 'e'), value('print-netgroups', 'n'),
  flag('thin-client'), optional('global-timer-wheel'), optional('global-threading'), value('io-engine'), flag('no-mem-accounting'), flag('mem-accounting'), value('oom-score-adj'),
  flag('read-only'), flag('acl'), flag('selinux'), flag('capability'), flag('worm'), flag('aux-gfid-mount'), optional('enable-ino32'), optional('mac-compat'), value('subdir-mount'),
  value('attribute-timeout'), value('entry-timeout'), value('negative-timeout'), value('gid-timeout'), flag('resolve-gids'), optional('direct-io-mode'), optional('fopen-keep-cache'),
  optional('kernel-writeback-cache'), optional('auto-invalidation'), optional('event-history'), optional('use-readdirp'), optional('no-root-squash'), optional('fuse-flush-handle-interrupt'),
  value('lru-limit'), value('invalidate-limit'), value('background-qlen'), value('congestion-threshold'), value('reader-thread-count'), value('attr-times-granularity'), value('fuse-dev-eperm-ratelimit-ns'),
  value('dump-fuse'), flag('volfile-check'), value('fuse-mountopts'), value('fs-display-name'), value('user-map-root'),
  flag('version', 'V'), flag('help', '?'), flag('usage'),
  // Ours: directories of packages or modules that hold xlators.
  { ...value('xlator-path'), repeats: true },
];
