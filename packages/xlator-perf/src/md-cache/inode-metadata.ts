import { type Dict, type DictValue, type Iatt, type Inode, gfidToIno } from '@glusterts/libglusterfs';

/** st_dev of attributes from the cache. */
const CACHED_DEV = 42n;
/** A time before all others: not known. */
export const NEVER = Number.NEGATIVE_INFINITY;

/**
 * What md-cache knows of an inode. Times are of the monotonic clock, in milliseconds. Attributes are never changed once they
 * are here, only replaced: callers above hold the same objects.
 */
export class InodeMetadata {
  /** The last attributes heard of; kept when they are no longer valid, for their times to be compared with. */
  stat: Iatt | undefined = undefined;
  /** `stat` may be believed, for as long as it is fresh. */
  valid = false;
  statTime = NEVER;
  /** Answers to requests that began before this generation don't count: something has changed since. */
  generation = 0;
  /** Writes were answered without attributes: only a fop that waits for all of them (write-behind) tells the truth again. */
  writesPending = false;
  /** An upcall asks for a real lookup. */
  needsLookup = false;
  /** All cacheable xattrs there are; undefined: none. */
  xattrs: Dict | undefined = undefined;
  xattrTime = NEVER;
  xattrGeneration = 0;
  /** The answer to the last getxattr that went down; its value is undefined when there is no such xattr. */
  loneName: string | undefined = undefined;
  loneValue: DictValue | undefined = undefined;
  loneTime = NEVER;
  /** The generation since which all this was learnt. */
  since: number;
  #served: Iatt | undefined = undefined;

  constructor(since: number) {
    this.since = since;
  }

  replace(stat: Iatt): void {
    this.stat = stat;
    this.#served = undefined;
    this.valid = true;
  }

  /** The attributes as GlusterFS serves them from its cache: device 42, kind and gfid of the inode. */
  serve(inode: Inode): Iatt | undefined {
    if (this.#served) return this.#served;
    const served = this.stat?.clone();
    if (!served) return undefined;
    served.ia_gfid = inode.gfid;
    served.ia_ino = gfidToIno(inode.gfid);
    served.ia_dev = CACHED_DEV;
    served.ia_type = inode.ia_type;
    return (this.#served = served);
  }

  /** Older than what is known. ctime only grows, unlike atime and mtime, which users set. */
  outdates(stat: Iatt): boolean {
    const known = this.stat;
    return known !== undefined && (known.ia_ctime > stat.ia_ctime || (known.ia_ctime === stat.ia_ctime && known.ia_ctime_nsec > stat.ia_ctime_nsec));
  }

  /** mtime and ctime are those that are known. */
  sameTimes(stat: Iatt): boolean {
    const known = this.stat;
    return known !== undefined && known.ia_mtime === stat.ia_mtime && known.ia_mtime_nsec === stat.ia_mtime_nsec && known.ia_ctime === stat.ia_ctime && known.ia_ctime_nsec === stat.ia_ctime_nsec;
  }

  /** All that was learnt so far may have changed unseen. */
  void(since: number): void {
    this.since = since;
    this.statTime = NEVER;
    this.dropXattrs();
  }

  dropXattrs(): void {
    this.xattrTime = NEVER;
    this.loneTime = NEVER;
  }
}
