import type { OptionSpec } from '@glusterts/libglusterfs';

const settable = ['settable', 'client', 'doc'] as const;

/** Options of md-cache (spec/client.md, §20). */
export const options: readonly OptionSpec[] = [
  { key: 'md-cache-timeout', type: 'time', default: '1', min: 0, max: 600, flags: settable, description: 'seconds for which attributes are believed; more than 60 only with cache-invalidation' },
  { key: 'cache-invalidation', type: 'bool', default: 'false', flags: settable, description: 'take the upcalls of the bricks (features.cache-invalidation)' },
  { key: 'global-cache-invalidation', type: 'bool', default: 'true', flags: settable, description: 'a file that has changed behind our back loses its data in all caches, the kernel\'s included' },
  { key: 'force-readdirp', type: 'bool', default: 'true', flags: settable, description: 'readdir becomes readdirp' },
  { key: 'cache-selinux', type: 'bool', default: 'false', flags: settable, description: 'cache security.selinux' },
  { key: 'cache-capability-xattrs', type: 'bool', default: 'true', flags: settable, description: 'cache security.capability' },
  { key: 'cache-ima-xattrs', type: 'bool', default: 'true', flags: settable, description: 'cache security.ima' },
  { key: 'cache-swift-metadata', type: 'bool', default: 'false', flags: settable, description: 'cache user.swift.metadata' },
  { key: 'cache-samba-metadata', type: 'bool', default: 'false', flags: settable, description: 'cache what Samba keeps in xattrs' },
  { key: 'cache-posix-acl', type: 'bool', default: 'false', flags: settable, description: 'cache system.posix_acl_access and _default' },
  { key: 'cache-glusterfs-acl', type: 'bool', default: 'false', flags: settable, description: 'cache glusterfs.posix.acl and .default_acl' },
  { key: 'md-cache-statfs', type: 'bool', default: 'off', flags: settable, description: 'cache statfs' },
  { key: 'xattr-cache-list', type: 'str', default: '', flags: settable, description: 'more xattrs to cache: names and patterns, with commas between' },
  { key: 'pass-through', type: 'bool', default: 'false', flags: settable, description: 'do nothing' },
];
