import type { FopName } from '@glusterts/libglusterfs';

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
