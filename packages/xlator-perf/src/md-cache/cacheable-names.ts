import { Dict, type OptionValues, type Xdata, fnmatch } from '@glusterts/libglusterfs';

/** Names that each switch adds, in the order in which GlusterFS lists them (spec/client.md, §9.6). */
const GROUPS: readonly (readonly [option: string, names: readonly string[]])[] = [
  ['cache-capability-xattrs', ['security.capability']],
  ['cache-selinux', ['security.selinux']],
  ['cache-ima-xattrs', ['security.ima']],
  ['cache-posix-acl', ['system.posix_acl_access', 'system.posix_acl_default']],
  ['cache-glusterfs-acl', ['glusterfs.posix.acl', 'glusterfs.posix.default_acl']],
  ['cache-swift-metadata', ['user.swift.metadata']],
  ['cache-samba-metadata', ['user.DOSATTRIB', 'user.DosStream.*', 'user.org.netatalk.Metadata', 'user.org.netatalk.ResourceFork', 'security.NTACL']],
];

/** Setting one of these may store something else than was given, or nothing: what the brick made of it is asked anew. */
const REWRITTEN: ReadonlySet<string> = new Set(['system.posix_acl_access', 'system.posix_acl_default', 'glusterfs.posix.acl', 'glusterfs.posix.default_acl']);

/** The xattrs that md-cache may keep. */
export class CacheableNames {
  /** As asked for: names and fnmatch patterns. */
  readonly all: readonly string[];
  /** The user chose more than GlusterFS's defaults. */
  readonly chosen: boolean;
  /** A change of mode may change them. */
  readonly acls: boolean;
  readonly #exact: ReadonlySet<string>;
  readonly #patterns: readonly string[];
  readonly #request = new Dict();

  constructor(names: readonly string[]) {
    this.all = names;
    this.#patterns = names.filter((name) => /[*?[]/.test(name));
    this.#exact = new Set(names);
    this.chosen = names.some((name) => name !== 'security.capability' && name !== 'security.ima');
    this.acls = names.some((name) => REWRITTEN.has(name));
    for (const name of names) this.#request.setInt(name, 0);
  }

  static fromOptions(options: OptionValues): CacheableNames {
    const names = GROUPS.flatMap(([option, group]) => (options.bool(option) ? group : []));
    const list = (options.text('xattr-cache-list') ?? '').split(',').map((name) => name.trim());
    return new CacheableNames([...new Set([...names, ...list.filter((name) => name !== '')])]);
  }

  has(name: string): boolean {
    return this.#exact.has(name) || this.#patterns.some((pattern) => fnmatch(pattern, name));
  }

  /** Whether what was set under this name is what a later getxattr gives. */
  keeps(name: string): boolean {
    return !REWRITTEN.has(name);
  }

  /** The caller's request, with all these names asked for as well. */
  request(xdata: Xdata): Dict {
    return xdata === undefined ? this.#request.clone() : xdata.clone().merge(this.#request);
  }

  /** The xattrs of an answer that may be kept; undefined: none. */
  pick(answer: Dict): Dict | undefined {
    let picked: Dict | undefined;
    for (const [name, value] of answer.entries().reverse()) if (this.has(name)) (picked ??= new Dict()).set(name, value);
    return picked;
  }
}
