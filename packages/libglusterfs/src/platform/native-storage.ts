import type { Bytes } from '../bytes.js';
import { Errno } from '../errno.js';
import { FopError } from '../fop-error.js';
import type { LaneJob, StatCells, StatSlot, Storage, StorageDirent, StorageDirplist, StorageDirplisted, StorageStatvfs, SysResult } from './storage.js';

/** The addon's `syscalls` object (native/src/syscalls_binding.cc). */
export interface SyscallsAddon
  extends Pick<
    Storage,
    | 'open' | 'openat' | 'close' | 'stat' | 'lstat' | 'lstatat' | 'fstat' | 'mkdir' | 'mknod' | 'link' | 'symlink' | 'rename' | 'unlink' | 'rmdir' | 'truncate' | 'chmod' | 'fchmod'
    | 'lchown' | 'fchown' | 'utimens' | 'futimens' | 'lsetxattr' | 'fsetxattr' | 'lremovexattr' | 'fremovexattr' | 'seekdir' | 'lseek' | 'flock' | 'setrlimit' | 'umask' | 'mount' | 'umount2'
    | 'inMemory' | 'pwritev' | 'xxh64' | 'lstatCached' | 'blocksRead'
  > {
  statvfs(path: Bytes, slot: StatSlot): SysResult;
  readlink(path: Bytes): SysResult;
  lgetxattr(path: Bytes, name: Bytes): SysResult;
  fgetxattr(fd: number, name: Bytes): SysResult;
  llistxattr(path: Bytes): SysResult;
  flistxattr(fd: number): SysResult;
  getdents(fd: number): SysResult;
  dirplist(fd: number, directory: Bytes, records: Uint8Array, wanted: string, cells: Uint8Array): SysResult;
  preadv(fd: number, chunks: readonly Uint8Array[], offset: number, nowait: number): SysResult;
  submit(op: number, id: number, fd: number, chunks: readonly Uint8Array[], offset: number, length: number, mode: number, offset2: number, lane?: Uint8Array, xattr?: Bytes, value?: Uint8Array): SysResult;
  onDone(callback: (finished: number[]) => void): void;
  onTurn(callback: () => void): void;
  wantTurn(): void;
  readonly cells: ArrayBuffer;
  readonly scratch: ArrayBuffer;
  /** What {@link dirplist} has written. */
  readonly listing: ArrayBuffer;
  /** The cold files of the last {@link dirplist}: ints. */
  readonly cold: ArrayBuffer;
  /** Two u32: whether calls take long, and how many threads stand in (native/src/stall_guard.h). */
  readonly slow: ArrayBuffer;
}

/** Numbered as enum gts_job_op in native/src/syscalls_pool.h. */
const Job = { PREADV: 0, PWRITEV: 1, FSYNC: 2, FDATASYNC: 3, SYNCFS: 4, FALLOCATE: 5, FTRUNCATE: 6, COPY_FILE_RANGE: 7, CLOSE: 8, PROBE: 9, SETTLE: 10, LOAD_NAMES: 11, LOAD_DENTS: 12 } as const;

/** Cells of a slot: GTS_STAT_CELLS in native/src/syscalls.h. */
const CELLS = 20;
/** No call takes long. */
const ENTRIES_PER_CALL = 128;
/** enum gts_dirplist_end and GTS_DIRPLIST_BARE in native/src/dirplist.h. */
const DirplistEnd = { BUDGET: 1, ROOM: 3, MISSING: 4 } as const;
const DIRPLIST_BARE = 16;
/** Turns that were made, before a queue that never gets empty lets them go. */
const KEPT_MAX = 4096;
const AT_FDCWD = -100;
const NONE: readonly Uint8Array[] = [];
const NO_FILES = new Int32Array(0);
/** Jobs that may wait for a thread of the pool. A close is always taken: refused, it would leave the fd open for ever. */
const JOBS_MAX = 16384;

class Cells implements StatCells {
  readonly f64: Float64Array;
  readonly u64: BigUint64Array;
  readonly bytes: Uint8Array;
  readonly #u32: Uint32Array;

  constructor(buffer: ArrayBuffer) {
    this.f64 = new Float64Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.#u32 = new Uint32Array(buffer);
  }

  #at(slot: StatSlot, cell: number): number {
    return this.f64[slot * CELLS + cell] ?? 0;
  }

  dev = (slot: StatSlot): bigint => this.u64[slot * CELLS] ?? 0n;
  ino = (slot: StatSlot): bigint => this.u64[slot * CELLS + 1] ?? 0n;
  sameInode(a: StatSlot, b: StatSlot): boolean {
    for (let i = 0; i < 4; i++) if (this.#u32[a * CELLS * 2 + i] !== this.#u32[b * CELLS * 2 + i]) return false;
    return true;
  }
  mode = (slot: StatSlot): number => this.#at(slot, 2);
  nlink = (slot: StatSlot): number => this.#at(slot, 3);
  uid = (slot: StatSlot): number => this.#at(slot, 4);
  gid = (slot: StatSlot): number => this.#at(slot, 5);
  rdevMajor = (slot: StatSlot): number => this.#at(slot, 6);
  rdevMinor = (slot: StatSlot): number => this.#at(slot, 7);
  size = (slot: StatSlot): number => this.#at(slot, 8);
  blksize = (slot: StatSlot): number => this.#at(slot, 9);
  blocks = (slot: StatSlot): number => this.#at(slot, 10);
  atime = (slot: StatSlot): number => this.#at(slot, 11);
  atimeNsec = (slot: StatSlot): number => this.#at(slot, 12);
  mtime = (slot: StatSlot): number => this.#at(slot, 13);
  mtimeNsec = (slot: StatSlot): number => this.#at(slot, 14);
  ctime = (slot: StatSlot): number => this.#at(slot, 15);
  ctimeNsec = (slot: StatSlot): number => this.#at(slot, 16);
}

/** A job on the pool; chunks and lane are held here so that their memory lives until the job is done. */
interface Pending {
  resolve(result: SysResult): void;
  readonly chunks: readonly Uint8Array[];
  readonly lane: LaneJob | undefined;
}

/** What waits for its turn. Several threads, one after the other, may take from it while one of its turns hangs. */
class Turns {
  #waiting: (() => void)[] = [];
  #first = 0;

  add(turn: () => void): void {
    this.#waiting.push(turn);
  }

  take(): (() => void) | undefined {
    const turn = this.#waiting[this.#first];
    if (!turn) return undefined;
    if (++this.#first === this.#waiting.length) {
      this.#waiting = [];
      this.#first = 0;
    } else if (this.#first >= KEPT_MAX) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
    return turn;
  }
}

/** The {@link Storage} of a process that has the native addon. */
export function nativeStorage(sys: SyscallsAddon): Storage {
  const cells = new Cells(sys.cells);
  const scratch = Buffer.from(sys.scratch);
  const listing = Buffer.from(sys.listing);
  const coldFiles = new Int32Array(sys.cold);
  const plan = new Float64Array(8);
  const planWords = new BigUint64Array(plan.buffer);
  const planBytes = new Uint8Array(plan.buffer);
  const slow = new Uint32Array(sys.slow);
  const pending = new Map<number, Pending>();
  let lastId = 0;
  const listeners: (() => void)[] = [];

  sys.onDone((finished) => {
    for (let i = 0; i < finished.length; i += 2) {
      const id = finished[i] ?? 0;
      const job = pending.get(id);
      pending.delete(id);
      job?.resolve(finished[i + 1] ?? 0);
    }
    for (const listener of listeners) listener();
  });

  /** Jobs of looks whose turn hasn't come. */
  let promised = 0;
  const changes = new Turns();
  const looks = new Turns();
  /** At which depth of standing in turns are being made now; -1: they aren't. */
  let making = -1;
  /** A change is half made, here or below. */
  let changing = false;
  function make(turn: () => void): void {
    try {
      turn();
    } catch (error) {
      // The others' turns come all the same.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
  sys.onTurn(() => {
    const below = making;
    making = slow[1] ?? 0;
    // One that hangs comes back here, to what others have left.
    for (;;) {
      const look = looks.take();
      if (look) {
        make(look);
        continue;
      }
      const change = changing ? undefined : changes.take();
      if (!change) break;
      changing = true;
      make(change);
      changing = false;
    }
    making = below;
  });
  function inTurn(turns: Turns, turn: () => void): void {
    turns.add(turn);
    if (making !== slow[1]) sys.wantTurn();
  }

  function submitted(op: number, id: number, fd: number, chunks: readonly Uint8Array[], offset: number, length: number, mode: number, offset2: number, lane: LaneJob | undefined): SysResult {
    if (!lane) return sys.submit(op, id, fd, chunks, offset, length, mode, offset2);
    const { store } = lane;
    if (!store) return sys.submit(op, id, fd, chunks, offset, length, mode, offset2, lane.lane.memory);
    return sys.submit(op, id, fd, chunks, offset, length, mode, offset2, lane.lane.memory, store.name, store.value);
  }

  function submit(op: number, fd: number, chunks: readonly Uint8Array[], offset: number, length: number, mode = 0, offset2 = 0, lane?: LaneJob): Promise<SysResult> {
    if (pending.size >= JOBS_MAX && op !== Job.CLOSE) return Promise.resolve(-Errno.EAGAIN);
    return new Promise((resolve) => {
      lastId = (lastId + 1) >>> 0;
      while (pending.has(lastId)) lastId = (lastId + 1) >>> 0;
      pending.set(lastId, { resolve, chunks, lane });
      const refused = submitted(op, lastId, fd, chunks, offset, length, mode, offset2, lane);
      if (refused < 0) {
        pending.delete(lastId);
        resolve(refused);
      }
    });
  }

  const value = (length: SysResult): Uint8Array | SysResult => (length < 0 ? length : Uint8Array.prototype.slice.call(scratch, 0, length));

  function names(length: SysResult): Bytes[] | SysResult {
    if (length < 0) return length;
    const list = scratch.toString('latin1', 0, length).split('\0') as Bytes[];
    // Each name ends in a NUL, so the last piece is empty.
    list.pop();
    return list;
  }

  function dirents(length: SysResult): StorageDirent[] | SysResult {
    if (length < 0) return length;
    const entries: StorageDirent[] = [];
    for (let at = 0; at < length; ) {
      const recordLength = scratch.readUInt16LE(at + 16);
      const nameEnd = scratch.indexOf(0, at + 19);
      entries.push({
        ino: scratch.readBigUInt64LE(at),
        off: scratch.readBigUInt64LE(at + 8),
        type: scratch.readUInt8(at + 18),
        name: scratch.toString('latin1', at + 19, nameEnd) as Bytes,
      });
      at += recordLength;
    }
    return entries;
  }

  function dirplist({ fd, directory, wanted, contentMax, flags, hidden, budget, coldMax }: StorageDirplist, records: Uint8Array): StorageDirplisted | SysResult {
    let bare = false;
    let cold = NO_FILES;
    for (;;) {
      plan[0] = bare ? flags | DIRPLIST_BARE : flags;
      plan[1] = contentMax;
      plan[2] = hidden;
      plan[3] = budget;
      plan[4] = bare ? 1 : ENTRIES_PER_CALL;
      plan[5] = bare ? 0 : coldMax;
      const result = sys.dirplist(fd, directory, records, wanted, planBytes);
      if (result < 0) return result;
      const [end = 0, consumed = 0, count = 0, cost = 0, written = 0] = plan;
      if (plan[6]) cold = coldFiles.slice(0, plan[6]);
      // One whose xattrs find no room at all is told without them: it will be looked up.
      if (end === DirplistEnd.ROOM && count === 0 && !bare) bare = true;
      else return { bytes: Buffer.from(listing.subarray(0, written)), count, cost, consumed, after: planWords[5] ?? 0n, full: end === DirplistEnd.BUDGET, cold, coldBytes: plan[7] ?? 0, missing: end === DirplistEnd.MISSING };
    }
  }

  function statvfs(path: Bytes): StorageStatvfs {
    const result = sys.statvfs(path, 7);
    if (result < 0) throw new FopError(-result);
    const cell = (i: number): number => cells.f64[7 * CELLS + i] ?? 0;
    return {
      bsize: cell(0), frsize: cell(1), blocks: cell(2), bfree: cell(3), bavail: cell(4), files: cell(5), ffree: cell(6), favail: cell(7),
      fsid: cells.u64[7 * CELLS + 8] ?? 0n, flag: cell(9), namemax: cell(10),
    };
  }

  return {
    available: true,
    cells,
    jobs: {
      get inFlight() {
        return pending.size + promised;
      },
      onDone: (listener) => void listeners.push(listener),
    },
    get slow() {
      return slow[0] !== 0;
    },
    get standsIn() {
      return slow[1] ?? 0;
    },
    inTurn: (change) => inTurn(changes, change),
    lookInTurn: (look, job) => {
      if (!job) return inTurn(looks, look);
      promised++;
      inTurn(looks, () => {
        promised--;
        look();
      });
    },
    open: sys.open,
    openat: sys.openat,
    close: sys.close,
    stat: sys.stat,
    lstat: sys.lstat,
    lstatCached: sys.lstatCached,
    blocksRead: sys.blocksRead,
    lstatat: sys.lstatat,
    fstat: sys.fstat,
    statvfs,
    inMemory: sys.inMemory,
    mkdir: sys.mkdir,
    mknod: sys.mknod,
    link: sys.link,
    symlink: sys.symlink,
    readlink: (path) => {
      const length = sys.readlink(path);
      return length < 0 ? length : (scratch.toString('latin1', 0, length) as Bytes);
    },
    rename: sys.rename,
    unlink: sys.unlink,
    rmdir: sys.rmdir,
    truncate: sys.truncate,
    chmod: sys.chmod,
    fchmod: sys.fchmod,
    lchown: sys.lchown,
    fchown: sys.fchown,
    utimens: sys.utimens,
    futimens: sys.futimens,
    lgetxattr: (path, name) => value(sys.lgetxattr(path, name)),
    fgetxattr: (fd, name) => value(sys.fgetxattr(fd, name)),
    llistxattr: (path) => names(sys.llistxattr(path)),
    flistxattr: (fd) => names(sys.flistxattr(fd)),
    lsetxattr: sys.lsetxattr,
    fsetxattr: sys.fsetxattr,
    lremovexattr: sys.lremovexattr,
    fremovexattr: sys.fremovexattr,
    getdents: (fd) => dirents(sys.getdents(fd)),
    rawDents: (fd) => {
      const length = sys.getdents(fd);
      return length < 0 ? length : Buffer.from(scratch.subarray(0, length));
    },
    dirplist,
    seekdir: sys.seekdir,
    lseek: sys.lseek,
    flock: sys.flock,
    setrlimit: sys.setrlimit,
    umask: sys.umask,
    mount: sys.mount,
    umount2: sys.umount2,
    preadv: (fd, chunks, offset, nowait) => sys.preadv(fd, chunks, offset, nowait ? 1 : 0),
    pwritev: sys.pwritev,
    xxh64: sys.xxh64,
    settle: async (files, mostMs) => {
      const bytes = new Uint8Array(files.buffer, files.byteOffset, files.byteLength);
      const result = await submit(Job.SETTLE, -1, [bytes], 0, mostMs * 1000);
      if (result < 0) for (const fd of files) sys.close(fd);
      return result;
    },
    probe: (fd) => submit(Job.PROBE, fd, NONE, 0, 0),
    loadNames: (dirfd, names, hidden) => submit(Job.LOAD_NAMES, dirfd ?? AT_FDCWD, [Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1'), Buffer.from(`${hidden}\0`, 'latin1')], 0, 0),
    loadDents: (fd) => submit(Job.LOAD_DENTS, fd, NONE, 0, 0),
    closeAsync: (fd) => submit(Job.CLOSE, fd, NONE, 0, 0),
    preadvAsync: (fd, chunks, offset) => submit(Job.PREADV, fd, chunks, offset, 0),
    pwritevAsync: (fd, chunks, offset, lane) => submit(Job.PWRITEV, fd, chunks, offset, 0, 0, 0, lane),
    fsync: (fd) => submit(Job.FSYNC, fd, NONE, 0, 0),
    fdatasync: (fd) => submit(Job.FDATASYNC, fd, NONE, 0, 0),
    syncfs: (fd) => submit(Job.SYNCFS, fd, NONE, 0, 0),
    fallocate: (fd, mode, offset, length, lane) => submit(Job.FALLOCATE, fd, NONE, offset, length, mode, 0, lane),
    ftruncate: (fd, length, lane) => submit(Job.FTRUNCATE, fd, NONE, 0, length, 0, 0, lane),
    copyFileRange: (fdIn, offsetIn, fdOut, offsetOut, length) => submit(Job.COPY_FILE_RANGE, fdIn, NONE, offsetIn, length, fdOut, offsetOut),
  };
}
