import { type Bytes, Dict, type Direntp, Errno, type Fd, FopError, type Frame, type Gfid, IaType, Iatt, type ReaddirReply, type Subvolume, type Xdata } from '@glusterts/libglusterfs';
import { CONTENT } from './attribute-fops.js';
import { sameDict, sameIatt, sameTimes } from './answers.js';
import type { Cluster } from './cluster.js';
import { countOf } from './geometry.js';
import { READ_FULL, underLock } from './under-lock.js';
import { DIRTY, SIZE, VERSION } from './version-xattrs.js';

/**
 * Asked for in readdirp's xdata by md-cache, and told in the dict of each entry that it is true of: r + 1 bricks show the same
 * attributes, versions and size of it, as for a lookup. One brick alone may have missed what was written while it was away.
 */
export const AGREED = 'glusterts.agreed' as Bytes;

const WITNESS_BYTES = 131072;
/** Directories with more entries than this aren't compared. */
const WITNESS_ENTRIES_MAX = 16384;

interface Listing {
  readonly main: number;
  /** What each of r other bricks shows, by gfid. */
  readonly witnesses: readonly ReadonlyMap<Gfid, Direntp>[];
}

/** By the fd that a listing is read with: what the witnesses said when it began. */
const listings = new WeakMap<Fd, Listing>();

/** A readdirp whose entries say whether bricks agree on them. Errors: EIO when too few bricks are good to tell; whatever a brick says. */
export async function agreedReaddirp(cluster: Cluster, frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
  const request = (xdata?.clone() ?? new Dict()).setUint(SIZE, 0).setUint(VERSION, 0).setUint(DIRTY, 0);
  request.delete(AGREED);
  request.delete(CONTENT);
  const listing = offset === 0n ? await begin(cluster, frame, fd, request) : listings.get(fd);
  if (!listing) throw new FopError(Errno.EINVAL);
  const reply = await cluster.child(listing.main).readdirp(frame, fd, size, offset, request);
  for (const entry of reply.entries) {
    const agreed = listing.witnesses.every((witness) => {
      const other = witness.get(entry.stat.ia_gfid);
      return other !== undefined && sameTimes(entry.stat, other.stat) && sameIatt(entry.stat, other.stat, true) && sameDict(entry.dict, other.dict);
    });
    if (agreed) entry.dict = (entry.dict ?? new Dict()).setUint(AGREED, 1);
    else {
      entry.inode = undefined;
      entry.stat = new Iatt();
    }
  }
  return reply;
}

async function begin(cluster: Cluster, frame: Frame, fd: Fd, request: Dict): Promise<Listing> {
  const open = cluster.fdCtx(fd)?.open ?? 0;
  const wanted = cluster.geometry.n - cluster.k + 1;
  const { good } = await underLock(cluster, frame, fd.inode, READ_FULL(), (lock) => Promise.resolve({ reply: { good: lock.good, xdata: undefined }, asked: 0, answered: 0 }));
  const mask = good & open & cluster.up;
  if (countOf(mask) < wanted) throw new FopError(Errno.EIO);
  const [main, ...others] = cluster.order(mask, fd.inode).slice(0, wanted);
  if (main === undefined) throw new FopError(Errno.EIO);
  const listing = { main, witnesses: await Promise.all(others.map((brick) => wholeListing(cluster.child(brick), frame, fd, request))) };
  listings.set(fd, listing);
  return listing;
}

async function wholeListing(child: Subvolume, frame: Frame, fd: Fd, request: Dict): Promise<Map<Gfid, Direntp>> {
  const entries = new Map<Gfid, Direntp>();
  for (let offset = 0n, eof = false; !eof && entries.size < WITNESS_ENTRIES_MAX; ) {
    const reply = await child.readdirp(frame, fd, WITNESS_BYTES, offset, request);
    eof = reply.eof || reply.entries.length === 0;
    for (const entry of reply.entries) {
      offset = entry.d_off;
      // Without attributes nothing can be compared.
      if (entry.stat.ia_type !== IaType.INVAL) entries.set(entry.stat.ia_gfid, entry);
    }
  }
  return entries;
}
