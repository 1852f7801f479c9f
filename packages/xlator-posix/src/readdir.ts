import {
  type Bytes, type Dirent, type Direntp, DirplistFlag, Errno, type Fd, FopError, Iatt, IaType, type ReaddirReply, ROOT_GFID, type StorageDirent, type Xdata, direntType, packedReply, typeFromMode,
} from '@glusterts/libglusterfs';
import { volumePath } from './ancestry.js';
import { type Brick, type OpenFile, check } from './brick.js';
import { NotInMemory } from './kernel-cache.js';
import { Key } from './keys.js';
import { listedNames, replyXdata } from './xdata-reply.js';

/* readdir, readdirp (spec/brick.md, §8). */

/** What one entry costs of the reply's size, besides its name and a NUL. */
const ENTRY_COST = 208;
const DT_DIR = 4;
/** In linux_dirent64. */
const RECORD_LENGTH_AT = 16;
const RECORD_NAME_AT = 19;
/** So many entries at most are loaded before a listing goes on. */
const LOAD_MAX = 512;
const NONE = new Uint8Array(0);
/** Bytes of one reply after which no more contents are added to it: lookups bring the others. */
const CONTENTS_MAX = 8 * 1024 * 1024;
/** For so long a listing waits for contents that come from the disk, and for no more files at once. */
const SETTLE_MS = 30;
const COLD_MAX = 1024;

/** Walks a directory from a cookie on; entries that the kernel gave and nobody took yet wait in the open file. */
class Walk {
  readonly #brick: Brick;
  readonly #file: OpenFile;
  readonly #directory: Bytes;
  #after: bigint;
  #entries: StorageDirent[] = [];
  #index = 0;

  constructor(brick: Brick, file: OpenFile, directory: Bytes, offset: bigint) {
    this.#brick = brick;
    this.#directory = directory;
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
    delete file.records;
  }

  /** The next entry, left where it is; undefined at the end. */
  peek(): StorageDirent | undefined {
    if (this.#index >= this.#entries.length) {
      demandDents(this.#brick, this.#file, this.#directory, this.#after);
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

function fill(brick: Brick, fd: Fd, file: OpenFile, directory: Bytes, size: number, offset: bigint, xdata: Xdata): Batch {
  const walk = new Walk(brick, file, directory, offset);
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

/** In a look: what the kernel will tell of a directory from here on must be in memory; its fd is there already. */
function demandDents(brick: Brick, file: OpenFile, directory: Bytes, after: bigint): void {
  if (brick.inMemory) return;
  const key = `dents ${after} ${directory}`;
  if (!brick.cache.knowsListing(key)) throw brick.cache.listingMissing(key, file.fd, directory);
}

/** The names of the next of these records. */
function namesIn(records: Uint8Array, most: number): Bytes[] {
  const text = Buffer.from(records.buffer, records.byteOffset, records.byteLength);
  const names: Bytes[] = [];
  for (let at = 0; at < text.length && names.length < most; at += text.readUInt16LE(at + RECORD_LENGTH_AT)) {
    const name = text.toString('latin1', at + RECORD_NAME_AT, text.indexOf(0, at + RECORD_NAME_AT)) as Bytes;
    if (name !== '.' && name !== '..') names.push(name);
  }
  return names;
}

export function readdir(brick: Brick, fd: Fd, size: number, offset: bigint, xdata: Xdata): ReaddirReply {
  const file = openDirectory(brick, fd);
  const { entries, eof } = fill(brick, fd, file, pathOf(brick, fd, file), size, offset, xdata);
  return { entries, eof, xdata: undefined };
}

export function readdirp(brick: Brick, fd: Fd, size: number, offset: bigint, xdata: Xdata): ReaddirReply<Direntp> | Promise<ReaddirReply<Direntp>> {
  if (xdata?.has(Key.ANCESTRY_DENTRY)) return ancestry(brick, fd);
  const file = openDirectory(brick, fd);
  const dir = pathOf(brick, fd, file);
  const names = listedNames(xdata);
  if (names) return listed(brick, fd, dir, size, offset, names, xdata);
  const batch = fill(brick, fd, file, dir, size, offset, xdata);
  const key = `entries ${offset} ${dir}`;
  const stats = (): Direntp[] => batch.entries.map((entry) => withStat(brick, fd, dir, entry, xdata));
  if (brick.inMemory || !brick.cache.knowsListing(key)) {
    try {
      return { entries: stats(), eof: batch.eof, xdata: undefined };
    } catch (error) {
      throw error instanceof NotInMemory ? brick.cache.entriesMissing(key, file.fd, dir, batch.entries.map(({ name }) => name)) : error;
    }
  }
  return { entries: brick.cache.known(stats), eof: batch.eof, xdata: undefined };
}

/** The path of an open directory, or a way to it. */
function pathOf(brick: Brick, fd: Fd, file: OpenFile): Bytes {
  const path = fd.inode.gfid === ROOT_GFID ? brick.root : brick.dirPath(fd.inode.gfid);
  return typeof path === 'number' ? (`/proc/self/fd/${file.fd}` as Bytes) : path;
}

/**
 * The entries as native calls tell of many: packed, as they will be sent. Contents that aren't in memory are on their way there when the list ends:
 * it waits for them, as a lookup would for each, if not as long, and begins anew.
 */
function listed(brick: Brick, fd: Fd, directory: Bytes, size: number, offset: bigint, names: readonly Bytes[], xdata: Xdata): ReaddirReply<Direntp> | Promise<ReaddirReply<Direntp>> {
  const cold: number[] = [];
  let reply: ReaddirReply<Direntp>;
  try {
    reply = list(brick, fd, directory, size, offset, names, xdata, cold);
  } catch (error) {
    for (const file of cold) brick.storage.close(file);
    throw error;
  }
  if (cold.length === 0) return reply;
  return brick.storage.settle(Int32Array.from(cold), SETTLE_MS).then(() => brick.turns.look(() => list(brick, fd, directory, size, offset, names, xdata, undefined), fd, true));
}

/** @param cold where files go whose content isn't in memory; undefined: such contents are left out */
function list(brick: Brick, fd: Fd, directory: Bytes, size: number, offset: bigint, names: readonly Bytes[], xdata: Xdata, cold: number[] | undefined): ReaddirReply<Direntp> {
  const { storage } = brick;
  const file = openDirectory(brick, fd);
  let { after, bytes, at } = file.records ?? { after: 0n, bytes: NONE, at: 0 };
  delete file.ahead;
  delete file.records;
  if (offset === 0n || after !== offset) {
    check(storage.seekdir(file.fd, offset));
    at = bytes.length;
    after = offset;
  }
  let flags = fd.inode.gfid === ROOT_GFID ? DirplistFlag.ROOT : 0;
  if (brick.asked(xdata, Key.READDIR_FILTER_DIRECTORIES)) flags |= DirplistFlag.SKIP_DIRECTORIES;
  if (brick.settings.ctime) flags |= DirplistFlag.MDATA;
  if (xdata) flags |= DirplistFlag.DICT;
  const wanted = names.map((name) => `${name}\0`).join('');
  const contents = xdata?.getNumber(Key.CONTENT) ?? 0;
  const whole = `listed ${offset} ${directory}`;
  // The second time it has all been looked at just now.
  const trusted = brick.inMemory || !cold || brick.cache.knowsListing(whole);
  const chunks: Uint8Array[] = [];
  let [count, cost, sent] = [0, 0, 0];
  for (;;) {
    if (at >= bytes.length) {
      if (!trusted) demandDents(brick, file, directory, after);
      const more = storage.rawDents(file.fd);
      // A directory that was removed meanwhile has no entries.
      if (typeof more === 'number' && more !== -Errno.ENOENT) throw new FopError(-more);
      if (typeof more === 'number' || more.length === 0) {
        brick.cache.listingKnown(whole);
        return packedReply({ chunks, count }, true, undefined);
      }
      bytes = more;
      at = 0;
    }
    const contentMax = sent < CONTENTS_MAX ? contents : -1;
    const coldMax = cold && cold.length < COLD_MAX ? COLD_MAX : 0;
    const key = trusted ? '' : `entries ${after} ${directory}`;
    const loaded = trusted || brick.cache.knowsListing(key);
    if (!loaded && brick.cache.wary) throw missing(brick, file, directory, key, bytes.subarray(at));
    const part = storage.dirplist(
      { fd: file.fd, directory, wanted, contentMax, flags: loaded ? flags : flags | DirplistFlag.CACHED, hidden: brick.hiddenSlot, budget: size - cost, coldMax },
      at === 0 ? bytes : bytes.subarray(at),
    );
    if (typeof part === 'number') throw new FopError(-part);
    cold?.push(...part.cold);
    if (part.consumed > 0) after = part.after;
    at += part.consumed;
    if (part.missing) throw missing(brick, file, directory, `entries ${after} ${directory}`, bytes.subarray(at));
    count += part.count;
    cost += part.cost;
    if (part.count > 0) chunks.push(part.bytes);
    sent += part.bytes.length + part.coldBytes;
    if (part.full) {
      brick.cache.listingKnown(whole);
      file.records = { after, bytes, at };
      return packedReply({ chunks, count }, false, undefined);
    }
  }
}

function missing(brick: Brick, file: OpenFile, directory: Bytes, key: string, records: Uint8Array): NotInMemory {
  return brick.cache.entriesMissing(key, file.fd, directory, namesIn(records, LOAD_MAX));
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
  } catch (error) {
    if (!(error instanceof FopError)) throw error;
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

