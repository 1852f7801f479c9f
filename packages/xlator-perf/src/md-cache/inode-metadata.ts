import { type Dict, type DictValue, type Iatt, type Inode, gfidToIno, holdAnyNumber } from '@glusterts/libglusterfs';

/** st_dev of attributes from the cache. */
const CACHED_DEV = 42n;
/** A time before all others: not known. */
export const NEVER = Number.NEGATIVE_INFINITY;

/** What md-cache knows of the cacheable xattrs of an inode. */
export class InodeXattrs {
  /** All that there are; undefined: none. */
  all: Dict | undefined = undefined;
  allTime = NEVER;
  /** Answers to requests that began before this generation don't count: something was set or removed since. */
  generation = 0;
  /** The answer to the last getxattr that went down; its value is undefined when there is no such xattr. */
  loneName: string | undefined = undefined;
  loneValue: DictValue | undefined = undefined;
  loneTime = NEVER;

  drop(): void {
    this.all = undefined;
    this.allTime = NEVER;
    this.loneTime = NEVER;
  }
}

/**
 * What md-cache knows of an inode. Times are of the monotonic clock, in milliseconds. Attributes are never changed once they
 * are here, only replaced: callers above hold the same objects.
 */
export class InodeMetadata {
  /** Undefined only in a sample. */
  readonly inode: Inode | undefined;
  /** While they are fresh: there may be a million inodes, see {@link ageOut}. */
  stat: Iatt | undefined = undefined;
  /** The attributes that were heard of last have not been called untrue since; they may be old. */
  valid = false;
  statTime = NEVER;
  /** The times of these attributes. */
  mtime = 0;
  mtime_nsec = 0;
  ctime = 0;
  ctime_nsec = 0;
  /** Answers to requests that began before this generation don't count: something has changed since. */
  generation = 0;
  /** The generation since which all this was learnt. */
  since: number;
  /** Writes were answered without attributes: only a fop that waits for all of them (write-behind) tells the truth again. */
  writesPending = false;
  /** An upcall asks for a real lookup. */
  needsLookup = false;
  /** Others have renamed it, or taken a name away: the names that lookups have confirmed since. Undefined: no doubt. */
  confirmed: Set<string> | undefined = undefined;
  /** When it was put into the store's queue of what grows old; NEVER: it isn't there. */
  queuedTime = NEVER;
  /** Where it is there, counted from the first that ever was. */
  queuedAt = 0;
  xattrs: InodeXattrs | undefined = undefined;
  /** `stat` is as GlusterFS serves it, not as it came. */
  #dressed = false;

  constructor(inode: Inode | undefined, since: number) {
    this.inode = inode;
    this.since = since;
  }

  replace(stat: Iatt): void {
    this.stat = stat;
    this.#dressed = false;
    this.valid = true;
    this.mtime = stat.ia_mtime;
    this.mtime_nsec = stat.ia_mtime_nsec;
    this.ctime = stat.ia_ctime;
    this.ctime_nsec = stat.ia_ctime_nsec;
  }

  /** The attributes as GlusterFS serves them from its cache: device 42, kind and gfid of the inode. */
  serve(inode: Inode): Iatt | undefined {
    if (this.#dressed) return this.stat;
    const served = this.stat?.clone();
    if (!served) return undefined;
    served.ia_gfid = inode.gfid;
    served.ia_ino = gfidToIno(inode.gfid);
    served.ia_dev = CACHED_DEV;
    served.ia_type = inode.ia_type;
    this.#dressed = true;
    return (this.stat = served);
  }

  /** Older than what is known. ctime only grows, unlike atime and mtime, which users set. */
  outdates(stat: Iatt): boolean {
    return this.ctime > stat.ia_ctime || (this.ctime === stat.ia_ctime && this.ctime_nsec > stat.ia_ctime_nsec);
  }

  /** mtime and ctime are those that are known. */
  sameTimes(stat: Iatt): boolean {
    return this.mtime === stat.ia_mtime && this.mtime_nsec === stat.ia_mtime_nsec && this.ctime === stat.ia_ctime && this.ctime_nsec === stat.ia_ctime_nsec;
  }

  /** All that was learnt so far may have changed unseen. */
  void(since: number): void {
    this.since = since;
    this.statTime = NEVER;
    this.xattrs?.drop();
  }

  /** When the newest of it was learnt. */
  get newest(): number {
    return this.xattrs ? Math.max(this.statTime, this.xattrs.allTime, this.xattrs.loneTime) : this.statTime;
  }

  /** It is in the store's queue no longer, and nobody may believe its attributes any more: gives back their memory. */
  ageOut(): void {
    this.queuedTime = NEVER;
    this.stat = undefined;
    this.#dressed = false;
  }
}
holdAnyNumber(new InodeMetadata(undefined, 0), ['mtime', 'mtime_nsec', 'ctime', 'ctime_nsec']);
