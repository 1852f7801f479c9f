/** Kinds of option values and their syntax (spec/client.md, §18). */
export type OptionType =
  | 'bool' | 'int' | 'size' | 'time' | 'percent' | 'percent-or-size' | 'double' | 'path' | 'str'
  | 'internet-address' | 'internet-address-list' | 'client-auth-addr' | 'priority-list' | 'xlator' | 'any';

/** One option of an xlator: what a volfile may say, and what it means when it says nothing. */
export interface OptionSpec {
  /** Names; the first is canonical, the others are aliases. May be fnmatch patterns, e.g. `auth.addr.*.allow`. */
  readonly key: string | readonly string[];
  readonly type: OptionType;
  /** In volfile syntax. Absent: the option is unset unless given. */
  readonly default?: string;
  readonly min?: number;
  readonly max?: number;
  /** For `str`: the values that are allowed. */
  readonly values?: readonly string[];
  readonly description?: string;
  /** `settable`: by `gluster volume set`; `client`/`doc`/`global` … as GlusterFS flags them. */
  readonly flags?: readonly string[];
  readonly tags?: readonly string[];
  readonly opVersion?: number;
}
