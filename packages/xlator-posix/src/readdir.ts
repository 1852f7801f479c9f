import {
  type Bytes, Dict, type Dirent, type Direntp, Errno, type Fd, FopError, Iatt, IaType, type ReaddirReply, ROOT_GFID, type StorageDirent, type Xdata, direntType, typeFromMode,
} from '@glusterts/libglusterfs';
import { volumePath } from './ancestry.js';
import { type Brick, type OpenFile, check } from './brick.js';
import { Key, Xattr } from './keys.js';
import { plainNames, replyXdata } from './xdata-reply.js';

/* readdir, readdirp (spec/brick.md, §8). */

/** What one entry costs of the reply's size, besides its name and a NUL. */
const ENTRY_COST = 208;
const DT_DIR = 4;

/** Walks a directory from a cookie on; entries that the kernel gave and nobody took yet wait in the open file. */
class Walk {
  readonly #brick: Brick;
  readonly #file: OpenFile;
  #after: bigint;
  #entries: StorageDirent[] = [];
  #index = 0;

  constructor(brick: Brick, file: OpenFile, offset: bigint) {
    this.#brick = brick;
    this.#file = file;
    this.#after = offset;
    const ahead = file.ahead;
    if (ahead && offset !== 0n && ahead.after === offset) {
      this.#entries = ahead.entries;
      this.#index = ahead.index;
    } else {
      check(brick.storage.seekdir(file.fd, offset));
    }
    delete file.ahead;
  }

  /** The next entry, left where it is; undefined at the end. */
  peek(): StorageDirent | undefined {
    if (this.#index >= this.#entries.length) {
      const more = this.#brick.storage.getdents(this.#file.fd);
      // A directory that was removed meanwhile has no entries.
      if (more === -Errno.ENOENT) return undefined;
      if (typeof more === 'number') throw new FopError(-more);
      this.#entries = more;
      this.#index = 0;
    }
    return this.#entries[this.#index];
  }

  take(): void {
    this.#after = this.#entries[this.#index]?.off ?? this.#after;
    this.#index++;
  }

  /** Keeps what is left for the next call. */
  keep(): void {
    this.#file.ahead = { after: this.#after, entries: this.#entries, index: this.#index };
  }
}

interface Batch {
  entries: Dirent[];
  eof: boolean;
}

function fill(brick: Brick, fd: Fd, file: OpenFile, size: number, offset: bigint, xdata: Xdata): Batch {
  const walk = new Walk(brick, file, offset);
  const root = fd.inode.gfid === ROOT_GFID;
  const skipDirectories = brick.asked(xdata, Key.READDIR_FILTER_DIRECTORIES);
  const entries: Dirent[] = [];
  let filled = 0;
  let eof = false;
  while (filled <= size) {
    const entry = walk.peek();
    if (!entry) {
      eof = true;
      break;
    }
    const type = entry.type !== 0 ? entry.type : typeOf(brick, file, entry.name);
    if ((root && entry.name === '.glusterfs') || (skipDirectories && type === DT_DIR)) {
      walk.take();
      continue;
    }
    const cost = ENTRY_COST + entry.name.length + 1;
    if (filled + cost > size) break;
    filled += cost;
    walk.take();
    entries.push({ d_ino: entry.ino, d_off: entry.off, d_type: type, name: entry.name });
  }
  if (!eof) walk.keep();
  return { entries, eof };
}

function typeOf(brick: Brick, file: OpenFile, name: Bytes): number {
  if (brick.storage.lstatat(file.fd, name, 3) < 0) return 0;
  return direntType(typeFromMode(brick.storage.cells.mode(3)));
}

/** The open directory; EINVAL-free: a file's fd answers ENOTDIR as getdents does. */
function openDirectory(brick: Brick, fd: Fd): OpenFile {
  const file = brick.openFile(fd);
  if (fd.inode.ia_type !== IaType.DIR && fd.inode.ia_type !== IaType.INVAL) throw new FopError(Errno.ENOTDIR);
  return file;
}

export function readdir(brick: Brick, fd: Fd, size: number, offset: bigint, xdata: Xdata): ReaddirReply {
  const { entries, eof } = fill(brick, fd, openDirectory(brick, fd), size, offset, xdata);
  return { entries, eof, xdata: undefined };
}

export function readdirp(brick: Brick, fd: Fd, size: number, offset: bigint, xdata: Xdata): ReaddirReply<Direntp> {
  if (xdata?.has(Key.ANCESTRY_DENTRY)) return ancestry(brick, fd);
  const file = openDirectory(brick, fd);
  const batch = fill(brick, fd, file, size, offset, xdata);
  const path = fd.inode.gfid === ROOT_GFID ? brick.root : brick.dirPath(fd.inode.gfid);
  const dir = typeof path === 'number' ? (`/proc/self/fd/${file.fd}` as Bytes) : path;
  const names = plainNames(xdata);
  const entries = names ? listed(brick, fd, dir, batch.entries, names, xdata) : batch.entries.map((entry) => withStat(brick, fd, dir, entry, xdata));
  return { entries, eof: batch.eof, xdata: undefined };
}

/** The entries with what one native call tells of many. */
function listed(brick: Brick, fd: Fd, dir: Bytes, dirents: readonly Dirent[], names: readonly Bytes[], xdata: Xdata): Direntp[] {
  const wanted = [Xattr.GFID, Xattr.MDATA, ...names];
  const entries: Direntp[] = [];
  const rootParent = fd.inode.gfid === ROOT_GFID;
  brick.storage.entryStats(dir, dirents.map(({ name }) => name), wanted, 0, (index, result, values) => {
    const { d_ino, d_off, d_type, name } = dirents[index] as Dirent;
    const direntp: Direntp = { d_ino, d_off, d_type, name, stat: new Iatt(), dict: undefined, inode: undefined };
    entries.push(direntp);
    if (name === '..' && rootParent) {
      direntp.d_ino = 0xffffffffffffffffn;
      return;
    }
    const stat = result === 0 ? brick.listedIatt(0, values[0], values[1], fd.inode) : undefined;
    if (!stat) return;
    direntp.stat = stat;
    direntp.d_ino = stat.ia_ino;
    if (!xdata) return;
    direntp.dict = new Dict();
    for (let i = 0; i < names.length; i++) {
      const value = values[i + 2];
      if (value) direntp.dict.setBin(names[i] as Bytes, value);
    }
  });
  // What was too large to be gathered is asked for one by one.
  for (let i = entries.length; i < dirents.length; i++) entries.push(withStat(brick, fd, dir, dirents[i] as Dirent, xdata));
  return entries;
}

function withStat(brick: Brick, fd: Fd, dir: Bytes, entry: Dirent, xdata: Xdata): Direntp {
  const direntp: Direntp = { ...entry, stat: new Iatt(), dict: undefined, inode: undefined };
  if (entry.name === '..' && fd.inode.gfid === ROOT_GFID) {
    direntp.d_ino = 0xffffffffffffffffn;
    return direntp;
  }
  const path = (entry.name === '.' ? dir : `${dir}/${entry.name}`) as Bytes;
  try {
    direntp.stat = brick.statEntry(path, fd.inode);
  } catch {
    return direntp;
  }
  direntp.d_ino = direntp.stat.ia_ino;
  direntp.dict = replyXdata(brick, path, direntp.stat, fd.inode, xdata);
  return direntp;
}

/** `glusterfs.ancestry.dentry`: the names from the root to the directory. */
function ancestry(brick: Brick, fd: Fd): ReaddirReply<Direntp> {
  const path = volumePath(brick, fd.inode.gfid);
  if (path === undefined) throw new FopError(Errno.ENODATA);
  const entries: Direntp[] = [];
  let at = brick.root;
  const names = ['/', ...path.split('/').filter((name) => name !== '')] as Bytes[];
  names.forEach((name, i) => {
    if (i > 0) at = `${at}/${name}` as Bytes;
    const stat = brick.statEntry(at, fd.inode);
    entries.push({ d_ino: stat.ia_ino, d_off: BigInt(i + 1), d_type: DT_DIR, name, stat, dict: undefined, inode: undefined });
  });
  return { entries, eof: true, xdata: undefined };
}

