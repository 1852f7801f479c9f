/** How the value of an option is judged (spec/cli.md, §8). */
export type OptionType =
  | 'any' | 'bool' | 'int' | 'size' | 'time' | 'percent' | 'percent-or-size' | 'string' | 'path' | 'xlator'
  | 'internet-address-list' | 'client-auth-address' | 'priority-list';

/** One record of the option table: a (key, xlator) pair. The same key may stand in several records. */
export interface OptionRecord {
  /** Full name, as in `volume set`. */
  readonly key: string;
  /** Type of the xlators that it reaches. */
  readonly xlator: string;
  /** Name inside the volfile; with a leading `!` it is handled in code. */
  readonly option: string;
  readonly opVersion: number;
  /** Counts for the volume's client-op-version. */
  readonly client?: true;
  /** Adds or removes an xlator. */
  readonly togglesXlator?: true;
  /** Reset only with `force`. */
  readonly force?: true;
  readonly neverReset?: true;
  /** What the volfile gets when the user has set nothing. */
  readonly volfileDefault?: string;
  readonly doc?: 'NO_DOC' | 'GLOBAL_DOC' | 'GLOBAL_NO_DOC';
  readonly type: OptionType;
  /** Both ends inclusive. */
  readonly range?: readonly [number | undefined, number | undefined];
  readonly values?: readonly string[];
  readonly default?: string;
  /** What `volume get` shows on a fresh distribute volume; absent: not listed. */
  readonly shown?: string;
  readonly shownReplica3?: string;
  readonly shownDisperse?: string;
  /** The extra check of glusterd, in words; see `option-check.ts`. */
  readonly check?: string;
}

/** Keys of the whole cluster, only settable with `volume set all` (spec/glusterd.md, §3.9). The table's GLOBAL marks are not it: they only group the help. */
const globalKeys: ReadonlySet<string> = new Set([
  'cluster.server-quorum-ratio', 'cluster.enable-shared-storage', 'cluster.op-version', 'cluster.max-op-version', 'cluster.brick-multiplex', 'cluster.max-bricks-per-process',
  'glusterd.vol_count_per_thread', 'cluster.localtime-logging', 'cluster.daemon-log-level', 'cluster.brick-graceful-cleanup', 'nfs-ganesha',
]);

export function isGlobalKey(key: string): boolean {
  return globalKeys.has(key);
}
