import { type Frame, MDATA_XATTR_SIZE, MDATA_XATTR_VERSION, type Mdata } from '@glusterts/libglusterfs';

const encoded = new Uint8Array(MDATA_XATTR_SIZE);
const encodedView = new DataView(encoded.buffer);
encoded[0] = MDATA_XATTR_VERSION;

function put(offset: number, number: number): void {
  encodedView.setInt32(offset, Math.floor(number / 2 ** 32));
  encodedView.setUint32(offset + 4, number >>> 0);
}

/** The xattr's 57 bytes, in memory that the next call writes over. */
export function encodeMdata(times: Mdata): Uint8Array {
  put(9, times.ctime);
  put(17, times.ctime_nsec);
  put(25, times.mtime);
  put(33, times.mtime_nsec);
  put(41, times.atime);
  put(49, times.atime_nsec);
  return encoded;
}

/** A copy, always of the same shape. */
export function copyMdata({ ctime, ctime_nsec, mtime, mtime_nsec, atime, atime_nsec }: Mdata): Mdata {
  return { ctime, ctime_nsec, mtime, mtime_nsec, atime, atime_nsec };
}

export function sameMdata(a: Mdata, b: Mdata): boolean {
  return a.ctime === b.ctime && a.ctime_nsec === b.ctime_nsec && a.mtime === b.mtime && a.mtime_nsec === b.mtime_nsec && a.atime === b.atime && a.atime_nsec === b.atime_nsec;
}

/** The later of two times comes first in a comparison. */
function newer(sec: number, nsec: number, thanSec: number, thanNsec: number): boolean {
  return sec > thanSec || (sec === thanSec && nsec > thanNsec);
}

/** All three times at the frame's. */
export function mdataOfFrame(frame: Frame): Mdata {
  const { ctime, ctime_nsec } = frame;
  return { ctime, ctime_nsec, mtime: ctime, mtime_nsec: ctime_nsec, atime: ctime, atime_nsec: ctime_nsec };
}

/** Moves the flagged times (1 ctime, 2 mtime, 4 atime) to the frame's time; never back. The same object when none moves, else a copy. */
export function advancedMdata(known: Mdata, bits: number, frame: Frame): Mdata {
  const { ctime: sec, ctime_nsec: nsec } = frame;
  const ctime = (bits & 1) !== 0 && newer(sec, nsec, known.ctime, known.ctime_nsec);
  const mtime = (bits & 2) !== 0 && newer(sec, nsec, known.mtime, known.mtime_nsec);
  const atime = (bits & 4) !== 0 && newer(sec, nsec, known.atime, known.atime_nsec);
  if (!ctime && !mtime && !atime) return known;
  return {
    ctime: ctime ? sec : known.ctime,
    ctime_nsec: ctime ? nsec : known.ctime_nsec,
    mtime: mtime ? sec : known.mtime,
    mtime_nsec: mtime ? nsec : known.mtime_nsec,
    atime: atime ? sec : known.atime,
    atime_nsec: atime ? nsec : known.atime_nsec,
  };
}

/** Each time the later of the two. */
export function mergeMdata(times: Mdata, other: Mdata): void {
  if (newer(other.ctime, other.ctime_nsec, times.ctime, times.ctime_nsec)) [times.ctime, times.ctime_nsec] = [other.ctime, other.ctime_nsec];
  if (newer(other.mtime, other.mtime_nsec, times.mtime, times.mtime_nsec)) [times.mtime, times.mtime_nsec] = [other.mtime, other.mtime_nsec];
  if (newer(other.atime, other.atime_nsec, times.atime, times.atime_nsec)) [times.atime, times.atime_nsec] = [other.atime, other.atime_nsec];
}
