import { type Bytes, MDATA_XATTR } from '@glusterts/libglusterfs';

const key = (text: string): Bytes => text as Bytes;

/** Xattr names on disk (spec/brick.md, §2.4). */
export const Xattr = {
  GFID: key('trusted.gfid'),
  VOLUME_ID: key('trusted.glusterfs.volume-id'),
  MDATA: MDATA_XATTR,
  GFID2PATH: key('trusted.gfid2path.'),
  PGFID: key('trusted.pgfid.'),
  ACL_ACCESS: key('system.posix_acl_access'),
  ACL_DEFAULT: key('system.posix_acl_default'),
  LINKTO: key('trusted.glusterfs.dht.linkto'),
  PROTECT_WRITES: key('trusted.glusterfs.protect.writes'),
  BITROT_VERSION: key('trusted.bit-rot.version'),
  BITROT_SIGNATURE: key('trusted.bit-rot.signature'),
} as const;

/** Keys of xdata (spec/brick.md, §4 and §5). */
export const Key = {
  GFID_REQ: key('gfid-req'),
  INTERNAL_FOP: key('glusterfs-internal-fop'),
  FORCE_REPLACE: key('force-replace'),
  GFIDLESS_LOOKUP: key('gfidless-lookup'),
  UNLINKED_LOOKUP: key('unlinked-lookup'),
  CLEAN_WRITE_PROTECTION: key('glusterfs.clean.writexattr'),
  PREOP_PARENT_KEY: key('glusterfs.preop.parent.key'),
  PREOP_FAILED: key('glusterfs.preop.check.failed'),
  DONT_UNLINK_OPEN: key('dont-unlink-for-open-fd'),
  UNLINK_IF_LINKTO: key('unlink-only-if-dht-linkto-file'),
  GET_LINK_COUNT: key('get-link-count'),
  REQUEST_LINK_COUNT: key('gf_request_link_count'),
  RESPONSE_LINK_COUNT: key('gf_response_link_count'),
  GET_BLOCK_COUNT: key('gf_get_file_block_count'),
  IATT_IN_XATTR: key('dht-get-iatt-in-xattr'),
  MODE_IN_XATTR: key('dht-get-mode-in-xattr'),
  VIRT_PRESTAT: key('virt-gf-prestat'),
  VIRT_POSTSTAT: key('virt-gf-poststat'),
  CONTENT: key('glusterfs.content'),
  OPEN_FD_COUNT: key('glusterfs.open-fd-count'),
  OPEN_ACTIVE_FD_COUNT: key('glusterfs.open-active-fd-count'),
  ANCESTRY_PATH: key('glusterfs.ancestry.path'),
  ANCESTRY_DENTRY: key('glusterfs.ancestry.dentry'),
  GET_SIZE: key('get-size'),
  /** Our own disperse clients' question in RENAME: the name of an xattr that is to come with the answer. */
  WITH_XATTR: key('glusterts.with-xattr'),
  LIST_XATTR: key('list-xattr'),
  ACL_TEXT: key('glusterfs.posix.acl'),
  ACL_DEFAULT_TEXT: key('glusterfs.posix.default_acl'),
  AVOID_OVERWRITE: key('glusterfs.avoid.overwrite'),
  WRITE_IS_APPEND: key('glusterfs.write-is-append'),
  WRITE_UPDATE_ATOMIC: key('glusterfs.write-update-atomic'),
  BATCH_FSYNC: key('batch-fsync'),
  DURABLE_OP: key('trusted.glusterfs.durable-op'),
  SYNC_BACKEND_XATTRS: key('sync_backend_xattrs'),
  SET_CTIME_MDATA: key('set-ctime-mdata'),
  FIPS_RCHECKSUM: key('fips-mode-rchecksum'),
  CHECK_ZERO_FILLED: key('check-zero-filled'),
  BUF_HAS_ZEROES: key('buf-has-zeroes'),
  READDIR_FILTER_DIRECTORIES: key('readdir-filter-directories'),
  IO_STATS_DUMP: key('trusted.io-stats-dump'),
} as const;

/** Keys of a creation's xdata that are no xattrs (spec/brick.md, §4.15). */
export const NOT_XATTRS: ReadonlySet<string> = new Set<string>([
  'glusterfs-internal-fop', 'glusterfs.entrylk-count', 'glusterfs.inodelk-count', 'glusterfs.posixlk-count', 'glusterfs.parent-entrylk', 'gfidless-lookup', 'glusterfs.inodelk-dom-count',
]);
