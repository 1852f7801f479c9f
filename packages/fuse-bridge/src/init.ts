import { encodeInit } from './encode.js';
import type { FuseOptions } from './options.js';
import { FUSE_MINOR, InitFlag } from './protocol.js';

const PAGE_SIZE = 4096;
/** Before MAX_PAGES the kernel sends no more than 32 pages at once. */
const OLD_IO_SIZE_MAX = 32 * PAGE_SIZE;
/** Kernels before this one take no max_pages. */
const MAX_PAGES_MINOR = 28;

/** What INIT agreed on. */
export interface Negotiated {
  /** The lesser of the kernel's minor version and ours. */
  readonly minor: number;
  readonly flags: number;
  /** Largest READ and WRITE, bytes. */
  readonly ioSize: number;
  readonly keepCache: boolean;
  readonly directIo: boolean;
  readonly reply: Buffer;
}

/**
 * Answers INIT (spec/client.md, §6.2). Beyond what 10.3 asks for: MAX_PAGES, with which READs and WRITEs grow from 128 KiB to
 * 1 MiB, PARALLEL_DIROPS, since fops of one directory are independent here, and HANDLE_KILLPRIV_V2, without which every WRITE is preceded
 * by a GETXATTR of security.capability.
 */
export function negotiate(options: FuseOptions, init: { minor: number; max_readahead: number; flags: number }): Negotiated {
  const offered = (flag: number): number => init.flags & flag;
  let flags = InitFlag.ASYNC_READ | InitFlag.POSIX_LOCKS | offered(InitFlag.BIG_WRITES) | offered(InitFlag.ASYNC_DIO) | offered(InitFlag.PARALLEL_DIROPS) | offered(InitFlag.HANDLE_KILLPRIV_V2);
  if (init.minor >= 12) flags |= InitFlag.DONT_MASK;
  if (init.minor >= 17) flags |= InitFlag.FLOCK_LOCKS;
  if (options['use-readdirp']) flags |= offered(InitFlag.DO_READDIRPLUS);
  if (options['kernel-writeback-cache']) flags |= offered(InitFlag.WRITEBACK_CACHE);
  const canInvalidate = init.minor >= 12 && offered(InitFlag.AUTO_INVAL_DATA) !== 0;
  if (options['auto-invalidation'] && options['fopen-keep-cache'] !== false && canInvalidate) flags |= InitFlag.AUTO_INVAL_DATA;
  const bigPages = init.minor >= MAX_PAGES_MINOR && offered(InitFlag.MAX_PAGES) !== 0;
  if (bigPages) flags |= InitFlag.MAX_PAGES;
  const ioSize = Math.min(options['max-io-size'], bigPages ? options['max-io-size'] : OLD_IO_SIZE_MAX);
  const keepCache = options['fopen-keep-cache'] ?? !(options['auto-invalidation'] && !canInvalidate);
  // "auto" is for kernels whose writes are small without direct I/O.
  const directIo = options['direct-io-mode'] === 'enable' || (options['direct-io-mode'] === 'auto' && offered(InitFlag.BIG_WRITES) === 0);
  const minor = Math.min(init.minor, FUSE_MINOR);
  const reply = encodeInit({
    minor,
    max_readahead: options['max-io-size'],
    flags: flags >>> 0,
    max_background: options['background-qlen'],
    congestion_threshold: options['congestion-threshold'] ?? 0,
    max_write: ioSize,
    time_gran: options['attr-times-granularity'],
    max_pages: bigPages ? ioSize / PAGE_SIZE : 0,
  });
  return { minor, flags: flags >>> 0, ioSize, keepCache, directIo, reply };
}
