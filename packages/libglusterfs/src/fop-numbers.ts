import type { FopName } from './fops.js';

/** GlusterFS's fop numbers, as profile keys have them (spec/rpc-wire.md, §9.2). */
export const FOP_NUMBERS: Readonly<Record<FopName, number>> = {
  stat: 1, readlink: 2, mknod: 3, mkdir: 4, unlink: 5, rmdir: 6, symlink: 7, rename: 8,
  link: 9, truncate: 10, open: 11, readv: 12, writev: 13, statfs: 14, flush: 15, fsync: 16,
  setxattr: 17, getxattr: 18, removexattr: 19, opendir: 20, fsyncdir: 21, access: 22, create: 23, ftruncate: 24,
  fstat: 25, lk: 26, lookup: 27, readdir: 28, inodelk: 29, finodelk: 30, entrylk: 31, fentrylk: 32,
  xattrop: 33, fxattrop: 34, fgetxattr: 35, fsetxattr: 36, rchecksum: 37, setattr: 38, fsetattr: 39, readdirp: 40,
  fremovexattr: 45, fallocate: 46, discard: 47, zerofill: 48, ipc: 49, seek: 50, lease: 51, getactivelk: 53,
  setactivelk: 54, copy_file_range: 58,
};

/** The names by number, with those that are no fops of ours (GlusterFS's gf_fop_list). */
export const FOP_LABELS: readonly string[] = [
  'NULL', 'STAT', 'READLINK', 'MKNOD', 'MKDIR', 'UNLINK', 'RMDIR', 'SYMLINK', 'RENAME',
  'LINK', 'TRUNCATE', 'OPEN', 'READ', 'WRITE', 'STATFS', 'FLUSH', 'FSYNC',
  'SETXATTR', 'GETXATTR', 'REMOVEXATTR', 'OPENDIR', 'FSYNCDIR', 'ACCESS', 'CREATE', 'FTRUNCATE',
  'FSTAT', 'LK', 'LOOKUP', 'READDIR', 'INODELK', 'FINODELK', 'ENTRYLK', 'FENTRYLK',
  'XATTROP', 'FXATTROP', 'FGETXATTR', 'FSETXATTR', 'RCHECKSUM', 'SETATTR', 'FSETATTR', 'READDIRP',
  'FORGET', 'RELEASE', 'RELEASEDIR', 'GETSPEC', 'FREMOVEXATTR', 'FALLOCATE', 'DISCARD', 'ZEROFILL', 'IPC', 'SEEK', 'LEASE', 'COMPOUND', 'GETACTIVELK',
  'SETACTIVELK', 'PUT', 'ICREATE', 'NAMELINK', 'COPY_FILE_RANGE',
];

/** GlusterFS's list of fop names, where it isn't the method's. */
const LABELS: Readonly<Partial<Record<string, string>>> = { readv: 'READ', writev: 'WRITE' };

/** The name of a fop in statedumps: `READ` for readv. */
export function fopLabel(op: string): string {
  return LABELS[op] ?? op.toUpperCase();
}

/** The label's fop number; 0, NULL, for an unknown one. */
export function fopNumber(label: string): number {
  return Math.max(0, FOP_LABELS.indexOf(label));
}
