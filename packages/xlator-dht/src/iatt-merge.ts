import { IaType, Iatt, type Statvfs, type StatfsReply, type Dict, holdAnyNumber } from '@glusterts/libglusterfs';

/** Merging what subvolumes say of one directory or volume (spec/dht.md, §16). */

const DIRECTORY_SIZE = 4096;
const DIRECTORY_BLOCKS = 8;
const PHASE1_BITS = 0o3000;
const LINKTO_BITS = 0o1000;

/** The attributes of a directory, over the replies in order. Changes and returns `into`, or a copy of the first reply. */
export function mergeDirectory(into: Iatt | undefined, next: Iatt): Iatt {
  if (!into) return asDirectory(next.clone());
  into.ia_gfid = next.ia_gfid;
  into.ia_ino = next.ia_ino;
  into.ia_type = next.ia_type;
  into.ia_dev = next.ia_dev;
  into.ia_nlink = next.ia_nlink;
  into.ia_rdev = next.ia_rdev;
  into.ia_blksize = next.ia_blksize;
  into.ia_prot = next.ia_prot;
  into.ia_uid = Math.max(into.ia_uid, next.ia_uid);
  into.ia_gid = Math.max(into.ia_gid, next.ia_gid);
  keepLatestTimes(into, next);
  return asDirectory(into);
}

/** Each time becomes the later one of both. */
export function keepLatestTimes(into: Iatt, other: Times): void {
  if (isLater(other.ia_atime, other.ia_atime_nsec, into.ia_atime, into.ia_atime_nsec)) [into.ia_atime, into.ia_atime_nsec] = [other.ia_atime, other.ia_atime_nsec];
  if (isLater(other.ia_mtime, other.ia_mtime_nsec, into.ia_mtime, into.ia_mtime_nsec)) [into.ia_mtime, into.ia_mtime_nsec] = [other.ia_mtime, other.ia_mtime_nsec];
  if (isLater(other.ia_ctime, other.ia_ctime_nsec, into.ia_ctime, into.ia_ctime_nsec)) [into.ia_ctime, into.ia_ctime_nsec] = [other.ia_ctime, other.ia_ctime_nsec];
}

export type Times = Pick<Iatt, 'ia_atime' | 'ia_atime_nsec' | 'ia_mtime' | 'ia_mtime_nsec' | 'ia_ctime' | 'ia_ctime_nsec'>;

export function timesOf(iatt: Times): Times {
  return { ia_atime: iatt.ia_atime, ia_atime_nsec: iatt.ia_atime_nsec, ia_mtime: iatt.ia_mtime, ia_mtime_nsec: iatt.ia_mtime_nsec, ia_ctime: iatt.ia_ctime, ia_ctime_nsec: iatt.ia_ctime_nsec };
}
holdAnyNumber(timesOf(new Iatt()));

const isLater = (sec: number, nsec: number, thanSec: number, thanNsec: number): boolean => sec > thanSec || (sec === thanSec && nsec > thanNsec);

/** ctime, for choosing the newest. */
export const isNewer = (a: Iatt, b: Iatt): boolean => isLater(a.ia_ctime, a.ia_ctime_nsec, b.ia_ctime, b.ia_ctime_nsec);

/** Size and blocks that every directory shows. */
export function asDirectory(iatt: Iatt): Iatt {
  if (iatt.ia_type === IaType.DIR) {
    iatt.ia_size = DIRECTORY_SIZE;
    iatt.ia_blocks = DIRECTORY_BLOCKS;
  }
  return iatt;
}

/** A file that is being migrated away: phase 1 (spec/dht.md, §19). */
export const isPhase1 = (iatt: Iatt): boolean => iatt.ia_type === IaType.REG && (iatt.ia_prot & PHASE1_BITS) === PHASE1_BITS;
/** A file whose data has gone: phase 2, and the mode of every linkto file. */
export const hasLinktoMode = (iatt: Iatt): boolean => iatt.ia_type === IaType.REG && iatt.ia_prot === LINKTO_BITS;

/** Hides phase 1 from users. */
export function stripPhase1(iatt: Iatt): Iatt {
  if (isPhase1(iatt)) iatt.ia_prot &= ~PHASE1_BITS;
  return iatt;
}

const deems = (xdata: Dict | undefined): boolean => xdata?.getBool('quota-deem-statfs') === true;

/** The volume's numbers from its subvolumes'. */
export function mergeStatfs(replies: readonly StatfsReply[]): StatfsReply | undefined {
  const [first] = replies;
  if (!first) return undefined;
  const quota = replies.filter((reply) => deems(reply.xdata));
  if (quota.length > 0) {
    const used = (reply: StatfsReply): number => reply.statfs.f_blocks - reply.statfs.f_bfree;
    return quota.reduce((best, reply) => (used(reply) > used(best) ? reply : best));
  }
  let sum: Statvfs | undefined;
  for (const { statfs } of replies) {
    if (!sum) {
      sum = { ...statfs };
      continue;
    }
    const bsize = Math.max(sum.f_bsize, statfs.f_bsize);
    const frsize = Math.max(sum.f_frsize, statfs.f_frsize);
    const scale = (blocks: number, from: number): number => (from === frsize ? blocks : Math.trunc((blocks * from) / frsize));
    sum = {
      f_bsize: bsize,
      f_frsize: frsize,
      f_blocks: scale(sum.f_blocks, sum.f_frsize) + scale(statfs.f_blocks, statfs.f_frsize),
      f_bfree: scale(sum.f_bfree, sum.f_frsize) + scale(statfs.f_bfree, statfs.f_frsize),
      f_bavail: scale(sum.f_bavail, sum.f_frsize) + scale(statfs.f_bavail, statfs.f_frsize),
      f_files: sum.f_files + statfs.f_files,
      f_ffree: sum.f_ffree + statfs.f_ffree,
      f_favail: sum.f_favail + statfs.f_favail,
      f_fsid: statfs.f_fsid,
      f_flag: statfs.f_flag,
      f_namemax: statfs.f_namemax,
    };
  }
  return sum && { statfs: sum, xdata: replies.at(-1)?.xdata };
}
