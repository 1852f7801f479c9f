import { type Bytes, Dict } from '@glusterts/libglusterfs';

const bytes = (text: string): Bytes => text as Bytes;

/** Lock domains (spec/dht.md, §1). */
export const Domain = { MIGRATE: bytes('dht.file.migrate'), LAYOUT: bytes('dht.layout.heal'), ENTRY: bytes('dht.entry.sync') } as const;

/** Keys of xdata (spec/dht.md, §1). */
export const Key = {
  INTERNAL_FOP: 'glusterfs-internal-fop',
  GFID_REQ: 'gfid-req',
  PREOP_PARENT_KEY: 'glusterfs.preop.parent.key',
  PREOP_FAILED: 'glusterfs.preop.check.failed',
  IATT_IN_XATTR: 'dht-get-iatt-in-xattr',
  MODE_IN_XATTR: 'dht-get-mode-in-xattr',
  OPEN_FD_COUNT: 'glusterfs.open-fd-count',
  UNLINK_IF_LINKTO: 'unlink-only-if-dht-linkto-file',
  DONT_UNLINK_OPEN: 'dont-unlink-for-open-fd',
  FORCE_REPLACE: 'force-replace',
  DONT_ACCOUNT: 'glusters.marker.dont-account',
  RENAME_OP: 'changelog.rename-op',
  FILTER_DIRECTORIES: 'readdir-filter-directories',
  INTERNAL_CTX: 'glusterfs.internal-ctx',
  LIST_XATTR: 'list-xattr',
  SYNC_BACKEND: 'sync_backend_xattrs',
  IGNORE_DEEM: 'ignore-deem-statfs',
  PROTECT_WRITES: 'trusted.glusterfs.protect.writes',
  ANCESTRY_PATH: 'glusterfs.ancestry.path',
  ACL_ACCESS: 'system.posix_acl_access',
  ACL_DEFAULT: 'system.posix_acl_default',
} as const;

/** Names of the xattrs that distribute keeps, from the option `xattr-name`. */
export interface XattrNames {
  readonly layout: Bytes;
  readonly linkto: Bytes;
  readonly mds: Bytes;
  readonly commitHash: Bytes;
}

export function xattrNames(base: string): XattrNames {
  return { layout: bytes(base), linkto: bytes(`${base}.linkto`), mds: bytes(`${base}.mds`), commitHash: bytes(`${base}.commithash`) };
}

const HEALABLE: ReadonlySet<string> = new Set(['system.posix_acl_access', 'system.posix_acl_default', 'trusted.glusterfs.quota.limit-set', 'trusted.glusterfs.quota.limit-objects', 'security.selinux', 'trusted.glusterfs.mdata']);

/** An xattr of directories that is copied from the metadata subvolume to all others (spec/dht.md, §12.4). */
export const isHealable = (name: string): boolean => name.startsWith('user.') || HEALABLE.has(name);
export const isHealableExactly = (name: string): boolean => HEALABLE.has(name);
export const healableNames: readonly string[] = [...HEALABLE];

/** xdata of the fops that distribute makes for itself. */
export const internal = (): Dict => new Dict().setStr(Key.INTERNAL_FOP, 'yes');

/** xdata that lets a brick unlink a stale linkto, and nothing else (spec/dht.md, §8.4). */
export const guardedUnlink = (): Dict => new Dict().setInt(Key.UNLINK_IF_LINKTO, 1).setInt(Key.DONT_UNLINK_OPEN, 1);
