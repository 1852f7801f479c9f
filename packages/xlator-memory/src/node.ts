import { type Bytes, type Gfid, type IaType, IATT_FLAGS_DEFAULT, Iatt, IaType as Type } from '@glusterts/libglusterfs';
import { LockTable } from './lock-table.js';
import type { SparseFile } from './sparse-file.js';

export const BLOCK_BYTES = 4096;
const S_IFDIR_LINKS = 2;
/** Of a directory's entries: large, as disks' are. */
const FIRST_COOKIE = 2 ** 32;

/** A point in time, seconds and nanoseconds since 1970. */
export interface Time {
  sec: number;
  nsec: number;
}

export const isLater = (a: Time, b: Time): boolean => a.sec > b.sec || (a.sec === b.sec && a.nsec > b.nsec);

/** A name in a directory. */
export interface Entry {
  readonly name: Bytes;
  readonly node: MemoryNode;
  /** Its place in listings: grows with every entry that the directory ever got. */
  readonly cookie: number;
}

/** A file, directory or whatever else has a gfid. */
export class MemoryNode {
  readonly gfid: Gfid;
  readonly type: IaType;
  prot: number;
  uid: number;
  gid: number;
  rdev = 0n;
  nlink = 0;
  atime: Time;
  mtime: Time;
  ctime: Time;
  /** True once a client's features/utime governs the times (spec/brick.md, §3.4). */
  stamped = false;
  readonly xattrs = new Map<string, Uint8Array>();
  /** Regular files. */
  file: SparseFile | undefined;
  /** Symbolic links. */
  target = '' as Bytes;
  /** Directories. */
  readonly entries = new Map<Bytes, Entry>();
  nextCookie = FIRST_COOKIE;
  /** A directory's only parent; any parent of other nodes that still exist. */
  parent: MemoryNode | undefined;
  /** Open fds. */
  opens = 0;
  readonly locks = new LockTable();

  constructor(gfid: Gfid, type: IaType, prot: number, now: Time) {
    this.gfid = gfid;
    this.type = type;
    this.prot = prot;
    this.uid = 0;
    this.gid = 0;
    this.atime = now;
    this.mtime = now;
    this.ctime = now;
    if (type === Type.DIR) this.nlink = S_IFDIR_LINKS;
  }

  get isDirectory(): boolean {
    return this.type === Type.DIR;
  }

  get size(): number {
    if (this.file) return this.file.size;
    return this.isDirectory ? BLOCK_BYTES : this.target.length;
  }

  iatt(dev: bigint): Iatt {
    const iatt = new Iatt();
    iatt.setGfid(this.gfid);
    iatt.ia_flags = IATT_FLAGS_DEFAULT;
    iatt.ia_type = this.type;
    iatt.ia_prot = this.prot;
    iatt.ia_nlink = this.nlink;
    iatt.ia_uid = this.uid;
    iatt.ia_gid = this.gid;
    iatt.ia_blksize = BLOCK_BYTES;
    iatt.ia_size = this.size;
    const wanted = Math.ceil(iatt.ia_size / 512);
    iatt.ia_blocks = this.file ? Math.min(this.file.allocated / 512, wanted) : wanted;
    iatt.ia_dev = dev;
    iatt.ia_rdev = this.rdev;
    iatt.ia_atime = this.atime.sec;
    iatt.ia_atime_nsec = this.atime.nsec;
    iatt.ia_mtime = this.mtime.sec;
    iatt.ia_mtime_nsec = this.mtime.nsec;
    iatt.ia_ctime = this.ctime.sec;
    iatt.ia_ctime_nsec = this.ctime.nsec;
    return iatt;
  }

  addEntry(name: Bytes, node: MemoryNode): void {
    this.entries.set(name, { name, node, cookie: this.nextCookie++ });
    node.parent = this;
    if (node.isDirectory) this.nlink++;
    else node.nlink++;
  }

  removeEntry(name: Bytes): void {
    const entry = this.entries.get(name);
    if (!entry) return;
    this.entries.delete(name);
    if (entry.node.isDirectory) this.nlink--;
    else entry.node.nlink--;
  }

  /** True when this is `other`, or lies somewhere below it. */
  isWithin(other: MemoryNode): boolean {
    for (let at: MemoryNode | undefined = this; at; at = at.parent) if (at === other) return true;
    return false;
  }
}
