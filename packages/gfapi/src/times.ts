import { Errno, FopError, Iatt, SetAttr } from '@glusterts/libglusterfs';

/** A time as node:fs takes it: a Date, or seconds since 1970 (fractions count). */
export type TimeLike = Date | number | string;

function parts(time: TimeLike): { sec: number; nsec: number } {
  const seconds = time instanceof Date ? time.getTime() / 1000 : Number(time);
  if (!Number.isFinite(seconds)) throw new FopError(Errno.EINVAL);
  const sec = Math.floor(seconds);
  // Seconds as a double are exact to about a quarter of a microsecond.
  return { sec, nsec: Math.round((seconds - sec) * 1e6) * 1000 };
}

export function setTimes(atime: TimeLike, mtime: TimeLike): { iatt: Iatt; valid: number } {
  const iatt = new Iatt();
  ({ sec: iatt.ia_atime, nsec: iatt.ia_atime_nsec } = parts(atime));
  ({ sec: iatt.ia_mtime, nsec: iatt.ia_mtime_nsec } = parts(mtime));
  return { iatt, valid: SetAttr.ATIME | SetAttr.MTIME };
}
