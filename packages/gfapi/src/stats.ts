import { type Bytes, IaType, type Iatt, type Statvfs, display, dmHash, gfidToString, toBuffer, utf8 } from '@glusterts/libglusterfs';

/** st_blksize, always (spec/client.md, §19.3). */
const BLKSIZE = 4096;

/** What a thing is; the methods of node:fs's Stats and Dirent. */
class Kind {
  readonly #type: IaType;

  constructor(type: IaType) {
    this.#type = type;
  }

  isFile(): boolean {
    return this.#type === IaType.REG;
  }
  isDirectory(): boolean {
    return this.#type === IaType.DIR;
  }
  isSymbolicLink(): boolean {
    return this.#type === IaType.LNK;
  }
  isBlockDevice(): boolean {
    return this.#type === IaType.BLK;
  }
  isCharacterDevice(): boolean {
    return this.#type === IaType.CHR;
  }
  isFIFO(): boolean {
    return this.#type === IaType.FIFO;
  }
  isSocket(): boolean {
    return this.#type === IaType.SOCK;
  }
}

/** A file's attributes, as node:fs's Stats, and its gfid. Times in milliseconds; `birthtime` is the ctime: bricks keep none. */
export class Stats extends Kind {
  /** A hash of the volume's name. */
  readonly dev: number;
  /** As a number: not exact over 2^53; `inode` is. */
  readonly ino: number;
  readonly inode: bigint;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blksize = BLKSIZE;
  /** Of 512 bytes. */
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly birthtimeMs: number;
  /** Nanoseconds since 1970. */
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** The file's identity on the volume, as text. */
  readonly gfid: string;

  constructor(stat: Iatt, dev: number) {
    super(stat.ia_type);
    this.dev = dev;
    this.inode = stat.ia_ino;
    this.ino = Number(stat.ia_ino);
    this.mode = stat.mode;
    this.nlink = stat.ia_nlink;
    this.uid = stat.ia_uid;
    this.gid = stat.ia_gid;
    this.rdev = Number(stat.ia_rdev);
    this.size = stat.ia_size;
    this.blocks = stat.ia_blocks;
    this.atimeMs = stat.ia_atime * 1000 + stat.ia_atime_nsec / 1e6;
    this.mtimeMs = stat.ia_mtime * 1000 + stat.ia_mtime_nsec / 1e6;
    this.ctimeMs = stat.ia_ctime * 1000 + stat.ia_ctime_nsec / 1e6;
    this.birthtimeMs = this.ctimeMs;
    this.atimeNs = BigInt(stat.ia_atime) * 1_000_000_000n + BigInt(stat.ia_atime_nsec);
    this.mtimeNs = BigInt(stat.ia_mtime) * 1_000_000_000n + BigInt(stat.ia_mtime_nsec);
    this.ctimeNs = BigInt(stat.ia_ctime) * 1_000_000_000n + BigInt(stat.ia_ctime_nsec);
    this.gfid = gfidToString(stat.ia_gfid);
  }

  get atime(): Date {
    return new Date(this.atimeMs);
  }
  get mtime(): Date {
    return new Date(this.mtimeMs);
  }
  get ctime(): Date {
    return new Date(this.ctimeMs);
  }
  get birthtime(): Date {
    return new Date(this.birthtimeMs);
  }
}

/** An entry of a directory, as node:fs's Dirent. */
export class Dirent extends Kind {
  /** As UTF-8 text. */
  readonly name: string;
  /** The name's bytes, for names that are not UTF-8. */
  readonly nameBuffer: Buffer;
  /** The directory, as it was given. */
  readonly parentPath: string;

  constructor(name: Bytes, type: IaType, parentPath: string) {
    super(type);
    this.name = display(name);
    this.nameBuffer = toBuffer(name);
    this.parentPath = parentPath;
  }
}

/** The volume's size, as node:fs's StatFs: blocks of `bsize` bytes, files. */
export interface StatFs {
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

/** FUSE's magic number: what statfs says at a mount. */
const TYPE = 0x65735546;

export function toStatFs(statfs: Statvfs): StatFs {
  // Blocks are counted in fragments.
  return { type: TYPE, bsize: statfs.f_frsize || statfs.f_bsize, blocks: statfs.f_blocks, bfree: statfs.f_bfree, bavail: statfs.f_bavail, files: statfs.f_files, ffree: statfs.f_ffree };
}

/** st_dev: the hash of the volume's name (vectors/client/gfapi-behaviour.txt). */
export function volumeDevice(name: string): number {
  return dmHash(utf8(name));
}
