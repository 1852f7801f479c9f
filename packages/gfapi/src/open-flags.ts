import { Errno, FopError, OpenFlag } from '@glusterts/libglusterfs';

const { RDONLY, WRONLY, RDWR, CREAT, EXCL, TRUNC, APPEND, SYNC } = OpenFlag;

/** As node:fs has them. */
const WORDS: Readonly<Record<string, number>> = {
  r: RDONLY, rs: RDONLY | SYNC, sr: RDONLY | SYNC, 'r+': RDWR, 'rs+': RDWR | SYNC, 'sr+': RDWR | SYNC,
  w: TRUNC | CREAT | WRONLY, wx: TRUNC | CREAT | WRONLY | EXCL, xw: TRUNC | CREAT | WRONLY | EXCL,
  'w+': TRUNC | CREAT | RDWR, 'wx+': TRUNC | CREAT | RDWR | EXCL, 'xw+': TRUNC | CREAT | RDWR | EXCL,
  a: APPEND | CREAT | WRONLY, ax: APPEND | CREAT | WRONLY | EXCL, xa: APPEND | CREAT | WRONLY | EXCL, as: APPEND | CREAT | WRONLY | SYNC,
  'a+': APPEND | CREAT | RDWR, 'ax+': APPEND | CREAT | RDWR | EXCL, 'xa+': APPEND | CREAT | RDWR | EXCL, 'as+': APPEND | CREAT | RDWR | SYNC,
};

/** Flags of open: node:fs's words (`'r'`, `'w+'` …) or Linux's O_* bits. */
export type OpenFlags = string | number;

/** The O_* bits. Throws EINVAL for a word that is none. */
export function openFlagBits(flags: OpenFlags): number {
  const bits = typeof flags === 'number' ? flags : WORDS[flags];
  if (bits === undefined || !Number.isInteger(bits) || bits < 0) throw new FopError(Errno.EINVAL);
  return bits;
}

export function canWrite(flags: number): boolean {
  return (flags & OpenFlag.ACCMODE) !== RDONLY;
}
