import { createHash } from 'node:crypto';
import {
  type Bytes, type CopyFileRangeReply, Dict, Errno, FallocateMode, type Fd, FopError, type Frame, type Iatt, IaType, IoVec, type LocalFile, type Loc, type OpenReply, OpenFlag, type PrePostReply, type RchecksumReply,
  type ReadReply, Seek, SeekWhence, type SeekReply, type WriteReply, type Xdata,
} from '@glusterts/libglusterfs';
import { type Brick, type OpenFile, check } from './brick.js';
import { backendFlags } from './entry-fops.js';
import { Key, Xattr } from './keys.js';
import { changeOnPool } from './pool-writes.js';
import { updateFull } from './space.js';

/* open, reading, writing, space in files (spec/brick.md, §4.11, §4.12, §4.14). */

/** Up to this many bytes a write into the page cache is made at once; a larger one goes to the pool (docs/architecture.md, "Brick I/O"). */
const WRITE_AT_ONCE_MAX = 256 * 1024;
const CHUNKS_MAX = 1024;
/** Up to this many bytes a read's size is believed. */
const SIZE_UNCHECKED_MAX = 1 << 20;
const ZEROES = new Uint8Array(64 * 1024);
const DIRECT_ALIGNMENT = 512;
/** Of a frame: the fop moves its object's times. */
const TIME_BITS = 7;

export function open(brick: Brick, frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): OpenReply {
  const type = loc.inode.ia_type;
  if (type === IaType.LNK) throw new FopError(Errno.ELOOP);
  if (type === IaType.CHR || type === IaType.BLK) throw new FopError(Errno.EINVAL);
  if (flags & OpenFlag.CREAT) brick.checkSpace(frame, xdata);
  const gfid = loc.targetGfid;
  const path = brick.inodePath(loc);
  // A fifo would wait here for its other end.
  const wait = type === IaType.REG ? 0 : OpenFlag.NONBLOCK;
  // By gfid nothing can be made: the name would be a handle.
  const wanted = (backendFlags(brick, flags) & ~(OpenFlag.CREAT | OpenFlag.EXCL)) | wait;
  brick.cache.demand(path, gfid);
  if (wanted & OpenFlag.ACCMODE) brick.warm(path);
  const opened = check(brick.storage.open(path, wanted, 0));
  brick.opened(fd, { fd: opened, gfid, flags: wanted });
  brick.touch(frame, opened, undefined, gfid, fd.inode);
  return { fd, xdata: undefined };
}

export function opendir(brick: Brick, frame: Frame, loc: Loc, fd: Fd): OpenReply {
  const path = brick.inodePath(loc);
  const flags = OpenFlag.RDONLY | OpenFlag.DIRECTORY | OpenFlag.NOFOLLOW;
  brick.cache.demand(path, loc.targetGfid);
  const opened = check(brick.storage.open(path, flags, 0));
  brick.opened(fd, { fd: opened, gfid: loc.targetGfid, flags });
  brick.touch(frame, opened, undefined, loc.targetGfid, fd.inode);
  return { fd, xdata: undefined };
}

function refuseDevices(fd: Fd): void {
  const type = fd.inode.ia_type;
  if (type === IaType.BLK || type === IaType.CHR) throw new FopError(Errno.EINVAL);
}

/** Reads into `view` what is in memory; undefined when the pool must. */
function readAtOnce(brick: Brick, file: OpenFile, view: Uint8Array, offset: number): number | undefined {
  if (file.flags & OpenFlag.DIRECT) return undefined;
  const count = brick.storage.preadv(file.fd, [view], offset, !brick.inMemory);
  return count === -Errno.EAGAIN || count === -Errno.EOPNOTSUPP ? undefined : check(count);
}

async function readOnPool(brick: Brick, file: OpenFile, view: Uint8Array, offset: number): Promise<number> {
  const direct = (file.flags & OpenFlag.DIRECT) !== 0;
  if (direct && (offset % DIRECT_ALIGNMENT !== 0 || view.length % DIRECT_ALIGNMENT !== 0)) throw new FopError(Errno.EINVAL);
  const count = await brick.storage.preadvAsync(file.fd, [view], offset);
  // O_DIRECT into memory that isn't aligned.
  if (direct && count === -Errno.EINVAL) return check(await brick.storage.preadvAsync(buffered(brick, file), [view], offset));
  return check(count);
}

/** The same file without O_DIRECT. */
function buffered(brick: Brick, file: OpenFile): number {
  file.buffered ??= check(brick.storage.open(`/proc/self/fd/${file.fd}` as Bytes, file.flags & ~(OpenFlag.DIRECT | OpenFlag.NOFOLLOW | OpenFlag.CREAT | OpenFlag.EXCL | OpenFlag.TRUNC), 0));
  return file.buffered;
}

/** The file of an fd, for who reads it without asking; undefined for what READ does more with than to read. */
export function localFile(brick: Brick, fd: Fd): LocalFile | undefined {
  const file = brick.fdSlot.get(fd);
  if (!file || fd.inode.ia_type !== IaType.REG || file.flags & OpenFlag.DIRECT || (file.flags & OpenFlag.ACCMODE) === OpenFlag.WRONLY) return undefined;
  // Opened once more: for reading only, whatever the fd may do.
  const descriptor = brick.storage.open(`/proc/self/fd/${file.fd}` as Bytes, OpenFlag.RDONLY, 0);
  return descriptor < 0 ? undefined : { descriptor, inMemory: brick.inMemory, hasMdata: brick.settings.ctime };
}

/** Of a large request only what the file has now: nobody gets memory by asking for bytes that aren't there. At least 1. */
function sizeInFile(brick: Brick, fd: Fd, file: OpenFile, offset: number, size: number): number {
  if (size <= SIZE_UNCHECKED_MAX || file.flags & OpenFlag.DIRECT) return size;
  return Math.max(1, Math.min(size, brick.statFd(file, fd.inode).ia_size - offset));
}

export async function readv(brick: Brick, frame: Frame, fd: Fd, size: number, offset: number): Promise<ReadReply> {
  refuseDevices(fd);
  if (size === 0) throw new FopError(Errno.EINVAL);
  const file = brick.openFile(fd);
  size = sizeInFile(brick, fd, file, offset, size);
  const page = brick.platform.iobufs.get(size);
  try {
    const view = page.memory.subarray(0, size);
    const count = readAtOnce(brick, file, view, offset) ?? (await readOnPool(brick, file, view, offset));
    brick.bytesRead += count;
    const stat = brick.statFd(file, fd.inode);
    if (frame.flags & TIME_BITS) await brick.turns.run(() => brick.touch(frame, file.fd, stat, file.gfid, fd.inode), fd);
    if (count === 0) page.unref();
    const vector = count === 0 ? IoVec.empty : new IoVec([count === size ? view : view.subarray(0, count)], [page]);
    return { vector, stat, eof: count === 0 || offset + count >= stat.ia_size, xdata: undefined };
  } catch (error) {
    page.unref();
    throw error;
  }
}

const chunksOf = (vector: IoVec): readonly Uint8Array[] => (vector.chunks.length > CHUNKS_MAX ? [vector.toUint8Array()] : vector.chunks);

/** Whether a write may go into the page cache at once: it does so in its turn. Others go to the pool on the spot, where performance/io-threads counts them. */
export function mayBeAtOnce(brick: Brick, fd: Fd, vector: IoVec): boolean {
  return (vector.size <= WRITE_AT_ONCE_MAX && !brick.storage.slow && !brick.changesOnPool(fd.inode.gfid)) || brick.turns.concern(fd);
}

/** Whether a write goes into the page cache at once: it is small, the disk is lively, and nobody holds its inode's lock. */
function isAtOnce(brick: Brick, file: OpenFile, vector: IoVec): boolean {
  return vector.size <= WRITE_AT_ONCE_MAX && !brick.storage.slow && !brick.changesOnPool(file.gfid) && brick.gate.open && !brick.mayWaitForXattrs(file);
}

/** In no lane: writes past the page cache may share their inode's lock. */
async function writeDirect(brick: Brick, file: OpenFile, vector: IoVec, offset: number): Promise<number> {
  const chunks = chunksOf(vector);
  if (offset % DIRECT_ALIGNMENT !== 0 || vector.size % DIRECT_ALIGNMENT !== 0) throw new FopError(Errno.EINVAL);
  const wait = brick.gate.passToPool(brick.poolWrites);
  if (wait) await wait;
  const count = await brick.storage.pwritevAsync(file.fd, chunks, offset);
  if (count !== -Errno.EINVAL) return check(count);
  // The memory isn't aligned: through the page cache, and down to the disk.
  const plain = buffered(brick, file);
  const written = check(await brick.storage.pwritevAsync(plain, chunks, offset));
  check(await brick.storage.fdatasync(plain));
  return written;
}

export function writev(brick: Brick, frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
  const wait = xdata?.has(Xattr.PROTECT_WRITES) ? brick.gate.pass() : undefined;
  if (wait) return wait.then(() => brick.turns.run(() => writev(brick, frame, fd, vector, offset, flags, xdata), fd));
  let file: OpenFile;
  try {
    refuseDevices(fd);
    file = brick.openFile(fd);
    if (brick.full) checkSpaceInside(brick, frame, brick.statFd(file, fd.inode), offset + vector.size, xdata);
    if (xdata !== undefined) protectWrites(brick, file, xdata);
  } catch (error) {
    return Promise.reject(error);
  }
  const alone = xdata !== undefined && (xdata.has(Key.WRITE_IS_APPEND) || xdata.has(Key.WRITE_UPDATE_ATOMIC));
  if (!alone) return writeNow(brick, frame, fd, file, vector, offset, flags, xdata);
  const state = brick.fileState(file.gfid);
  const turn = (state.writes ?? Promise.resolve()).then(() => brick.turns.run(() => writeNow(brick, frame, fd, file, vector, offset, flags, xdata), fd));
  // Who comes next waits for this one, whether it succeeds or not.
  const done = turn.catch(() => undefined);
  state.writes = done;
  void done.then(() => {
    if (state.writes === done) state.writes = undefined;
  });
  return turn;
}

/** A full brick still takes writes into space that a file has already (spec/brick.md, §9). */
function checkSpaceInside(brick: Brick, frame: Frame, stat: Iatt, end: number, xdata: Xdata): void {
  if (end <= stat.ia_size && stat.ia_blocks * stat.ia_blksize >= stat.ia_size) return;
  brick.checkSpace(frame, xdata);
}

function protectWrites(brick: Brick, file: OpenFile, xdata: Dict): void {
  const protection = xdata.getBin(Xattr.PROTECT_WRITES);
  if (protection) brick.storage.fsetxattr(file.fd, Xattr.PROTECT_WRITES, protection, 0);
  if (xdata.has(Key.AVOID_OVERWRITE) && typeof brick.storage.fgetxattr(file.fd, Xattr.PROTECT_WRITES) !== 'number') throw new FopError(Errno.EBUSY);
}

async function writeNow(brick: Brick, frame: Frame, fd: Fd, file: OpenFile, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
  const prestat = brick.statFd(file, fd.inode);
  const direct = (file.flags & OpenFlag.DIRECT) !== 0;
  const onPool = !direct && !isAtOnce(brick, file, vector);
  const written = direct
    ? await writeDirect(brick, file, vector, offset)
    : onPool
      ? await changeOnPool(brick, frame, fd, file, async (lane) => check(await brick.storage.pwritevAsync(file.fd, chunksOf(vector), offset, lane)))
      : check(brick.storage.pwritev(file.fd, chunksOf(vector), offset));
  brick.bytesWritten += written;
  const poststat = brick.statFd(file, fd.inode);
  if (direct) await brick.turns.run(() => brick.touch(frame, file.fd, poststat, file.gfid, fd.inode), fd);
  else if (!onPool) brick.touch(frame, file.fd, poststat, file.gfid, fd.inode);
  if (flags & OpenFlag.SYNC) check(await brick.storage.fsync(file.fd));
  return { prestat, poststat, written, xdata: xdata && writeReplies(brick, file, xdata, prestat, offset) };
}

function writeReplies(brick: Brick, file: OpenFile, xdata: Dict, prestat: Iatt, offset: number): Dict {
  const reply = new Dict();
  for (const key of [Key.OPEN_FD_COUNT, Key.OPEN_ACTIVE_FD_COUNT]) if (xdata.has(key)) reply.setUint(key, brick.openCount(file.gfid));
  if (xdata.has(Key.WRITE_IS_APPEND)) reply.setUint(Key.WRITE_IS_APPEND, offset === prestat.ia_size || file.flags & OpenFlag.APPEND ? 1 : 0);
  return reply;
}

export async function truncate(brick: Brick, frame: Frame, loc: Loc, offset: number): Promise<PrePostReply> {
  const path = brick.inodePath(loc);
  const gfid = loc.targetGfid;
  const prestat = brick.stat(path, gfid, loc.inode);
  if (prestat.ia_type === IaType.DIR) throw new FopError(Errno.EISDIR);
  if (prestat.ia_type !== IaType.REG) throw new FopError(Errno.EINVAL);
  const wait = brick.gate.passToPool(brick.poolWrites);
  if (wait) await wait;
  const opened = check(brick.storage.open(path, OpenFlag.WRONLY | OpenFlag.NOFOLLOW, 0));
  try {
    check(await brick.storage.ftruncate(opened, offset));
    const poststat = brick.stat(opened, gfid, loc.inode);
    await brick.turns.run(() => brick.touch(frame, opened, poststat, gfid, loc.inode), loc);
    return { prestat, poststat, xdata: undefined };
  } finally {
    brick.storage.close(opened);
  }
}

export async function ftruncate(brick: Brick, frame: Frame, fd: Fd, offset: number): Promise<PrePostReply> {
  const file = brick.openFile(fd);
  const prestat = brick.statFd(file, fd.inode);
  await changeOnPool(brick, frame, fd, file, async (lane) => check(await brick.storage.ftruncate(file.fd, offset, lane)));
  return { prestat, poststat: brick.statFd(file, fd.inode), xdata: undefined };
}

/** fallocate and discard: fallocate(2) with a mode. */
export async function fallocate(brick: Brick, frame: Frame, fd: Fd, mode: number, offset: number, length: number, xdata: Xdata): Promise<PrePostReply> {
  const file = brick.openFile(fd);
  updateFull(brick);
  if (brick.full && !(mode === FallocateMode.KEEP_SIZE)) checkSpaceInside(brick, frame, brick.statFd(file, fd.inode), offset + length, xdata);
  const prestat = brick.statFd(file, fd.inode);
  await changeOnPool(brick, frame, fd, file, async (lane) => check(await brick.storage.fallocate(file.fd, mode, offset, length, lane)));
  return { prestat, poststat: brick.statFd(file, fd.inode), xdata: undefined };
}

export async function zerofill(brick: Brick, frame: Frame, fd: Fd, offset: number, length: number, xdata: Xdata): Promise<PrePostReply> {
  const file = brick.openFile(fd);
  updateFull(brick);
  if (brick.full) checkSpaceInside(brick, frame, brick.statFd(file, fd.inode), offset + length, xdata);
  const wait = brick.gate.passToPool(brick.poolWrites);
  if (wait) await wait;
  const prestat = brick.statFd(file, fd.inode);
  const result = await brick.storage.fallocate(file.fd, FallocateMode.ZERO_RANGE, offset, length);
  if (result === -Errno.EOPNOTSUPP || result === -Errno.ENOSYS) await writeZeroes(brick, file, offset, length);
  else check(result);
  if (file.flags & OpenFlag.SYNC) check(await brick.storage.fsync(file.fd));
  const poststat = brick.statFd(file, fd.inode);
  await brick.turns.run(() => brick.touch(frame, file.fd, poststat, file.gfid, fd.inode), fd);
  return { prestat, poststat, xdata: undefined };
}

async function writeZeroes(brick: Brick, file: OpenFile, offset: number, length: number): Promise<void> {
  for (let done = 0; done < length; ) {
    const chunks: Uint8Array[] = [];
    for (let rest = length - done; rest > 0 && chunks.length < 64; rest -= ZEROES.length) chunks.push(rest < ZEROES.length ? ZEROES.subarray(0, rest) : ZEROES);
    const written = check(await brick.storage.pwritevAsync(file.fd, chunks, offset + done));
    if (written === 0) throw new FopError(Errno.ENOSPC);
    done += written;
  }
}

export function seek(brick: Brick, fd: Fd, offset: number, what: Seek): SeekReply {
  const whence = what === Seek.DATA ? SeekWhence.DATA : what === Seek.HOLE ? SeekWhence.HOLE : undefined;
  if (whence === undefined) throw new FopError(Errno.ENOTSUP);
  return { offset: check(brick.storage.lseek(brick.openFile(fd).fd, offset, whence)), xdata: undefined };
}

export async function copyFileRange(brick: Brick, frame: Frame, fdIn: Fd, offIn: number, fdOut: Fd, offOut: number, length: number, xdata: Xdata): Promise<CopyFileRangeReply> {
  const from = brick.openFile(fdIn);
  const to = brick.openFile(fdOut);
  brick.checkSpace(frame, xdata);
  const wait = brick.gate.passToPool(brick.poolWrites);
  if (wait) await wait;
  const prestat = brick.statFd(to, fdOut.inode);
  const written = check(await brick.storage.copyFileRange(from.fd, offIn, to.fd, offOut, length));
  const poststat = brick.statFd(to, fdOut.inode);
  await brick.turns.run(() => brick.touch(frame, to.fd, poststat, to.gfid, fdOut.inode), fdOut);
  return { stat: brick.statFd(from, fdIn.inode), prestat, poststat, written, xdata: undefined };
}

/** Adler-32 begun with 0 in place of 1. */
export function weakChecksum(bytes: Uint8Array): number {
  let a = 0;
  let b = 0;
  for (let i = 0; i < bytes.length; ) {
    // 3800 steps can't overflow 2^32 before the modulo.
    for (const end = Math.min(i + 3800, bytes.length); i < end; i++) {
      a += bytes[i] ?? 0;
      b += a;
    }
    a %= 65521;
    b %= 65521;
  }
  return ((b << 16) | a) >>> 0;
}

export async function rchecksum(brick: Brick, frame: Frame, fd: Fd, offset: number, length: number, xdata: Xdata): Promise<RchecksumReply> {
  const file = brick.openFile(fd);
  length = sizeInFile(brick, fd, file, offset, length);
  const page = brick.platform.iobufs.get(Math.max(length, 1));
  try {
    const view = page.memory.subarray(0, length);
    const count = length === 0 ? 0 : (readAtOnce(brick, file, view, offset) ?? (await readOnPool(brick, file, view, offset)));
    const bytes = view.subarray(0, count);
    const reply = new Dict();
    if (xdata?.has(Key.CHECK_ZERO_FILLED)) reply.setUint(Key.BUF_HAS_ZEROES, bytes.every((byte) => byte === 0) ? 1 : 0);
    if (brick.settings.fips) reply.setInt(Key.FIPS_RCHECKSUM, 1);
    const strong = createHash(brick.settings.fips ? 'sha256' : 'md5').update(bytes).digest();
    await brick.turns.run(() => brick.touch(frame, file.fd, undefined, file.gfid, fd.inode), fd);
    return { weak: weakChecksum(bytes), strong, xdata: reply };
  } finally {
    page.unref();
  }
}
