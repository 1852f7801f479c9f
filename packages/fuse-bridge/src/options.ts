import { IO_SIZE_MAX } from './protocol.js';

/** `auto`: off, since every kernel has BIG_WRITES (spec/client.md, §6.9). */
export type DirectIoMode = 'auto' | 'enable' | 'disable';

/** The command line's options of mount/fuse (spec/client.md, §2.1). Times in seconds, sizes in bytes. */
export interface FuseOptions {
  /** An absolute path, as a byte string: text goes through `utf8()`. */
  readonly mountpoint: string;
  /** What stands first in /proc/mounts: `HOST:VOLUME`. A byte string too, as is `fuse-mountopts`. */
  readonly fsname: string;
  readonly 'attribute-timeout': number;
  readonly 'entry-timeout': number;
  /** 0: absent names are not remembered. */
  readonly 'negative-timeout': number;
  readonly 'gid-timeout': number;
  readonly 'direct-io-mode': DirectIoMode;
  /** undefined: on, and never purged by the kernel by itself (spec/client.md, §6.3). */
  readonly 'fopen-keep-cache': boolean | undefined;
  readonly 'auto-invalidation': boolean;
  readonly 'use-readdirp': boolean;
  readonly 'kernel-writeback-cache': boolean;
  /** Nanoseconds; 0: the kernel's default. */
  readonly 'attr-times-granularity': number;
  readonly 'background-qlen': number;
  /** undefined: three quarters of background-qlen. */
  readonly 'congestion-threshold': number | undefined;
  /** 0: no limit. */
  readonly 'invalidate-limit': number;
  readonly 'enable-ino32': boolean;
  readonly 'read-only': boolean;
  readonly acl: boolean;
  readonly selinux: boolean;
  readonly capability: boolean;
  /** All fops carry this pid. */
  readonly 'client-pid': number | undefined;
  readonly 'no-root-squash': boolean;
  /** Comma-separated mount options. */
  readonly 'fuse-mountopts': string;
  /** A file for all messages of the device (spec/client.md, §6.14); a byte string. */
  readonly 'dump-fuse': string | undefined;
  /** Largest READ and WRITE. 10.3 has 131072; a multiple of 4096 up to 1 MiB. */
  readonly 'max-io-size': number;
}

export type FuseOptionsInit = Partial<FuseOptions> & Pick<FuseOptions, 'mountpoint'>;

/** Fills in GlusterFS's defaults. Throws a RangeError for what is out of range. */
export function fuseOptions(init: FuseOptionsInit): FuseOptions {
  const qlen = init['background-qlen'] ?? 64;
  const options: FuseOptions = {
    mountpoint: init.mountpoint,
    fsname: init.fsname ?? 'glusterfs',
    'attribute-timeout': init['attribute-timeout'] ?? 1,
    'entry-timeout': init['entry-timeout'] ?? 1,
    'negative-timeout': init['negative-timeout'] ?? 0,
    'gid-timeout': init['gid-timeout'] ?? 300,
    'direct-io-mode': init['direct-io-mode'] ?? 'auto',
    'fopen-keep-cache': init['fopen-keep-cache'],
    'auto-invalidation': init['auto-invalidation'] ?? false,
    'use-readdirp': init['use-readdirp'] ?? true,
    'kernel-writeback-cache': init['kernel-writeback-cache'] ?? false,
    'attr-times-granularity': init['attr-times-granularity'] ?? 0,
    'background-qlen': qlen,
    'congestion-threshold': Math.min(init['congestion-threshold'] ?? Math.floor((qlen * 3) / 4), qlen),
    'invalidate-limit': init['invalidate-limit'] ?? 0,
    'enable-ino32': init['enable-ino32'] ?? false,
    'read-only': init['read-only'] ?? false,
    acl: init.acl ?? false,
    selinux: init.selinux ?? false,
    capability: init.capability ?? false,
    'client-pid': init['client-pid'],
    'no-root-squash': init['no-root-squash'] ?? false,
    'fuse-mountopts': init['fuse-mountopts'] ?? '',
    'dump-fuse': init['dump-fuse'],
    'max-io-size': init['max-io-size'] ?? IO_SIZE_MAX,
  };
  if (!options.mountpoint.startsWith('/')) throw new RangeError('a mount point is an absolute path');
  for (const key of ['attribute-timeout', 'entry-timeout', 'negative-timeout'] as const) {
    if (!(options[key] >= 0 && options[key] <= 2 ** 31)) throw new RangeError(`option ${key} is out of range`);
  }
  if (!(qlen >= 16 && qlen <= 65535)) throw new RangeError('option background-qlen is out of range [16 - 65535]');
  const size = options['max-io-size'];
  if (!(size >= 4096 && size <= IO_SIZE_MAX && size % 4096 === 0)) throw new RangeError('option max-io-size is out of range [4096 - 1048576]');
  return options;
}
