import type { Readable, Writable } from 'node:stream';
import { type Bytes, Dict, Errno, type Fd, type Flock, FopError, Iatt, LkCmd, LkType, OpenFlag, Seek, SetAttr } from '@glusterts/libglusterfs';
import { type PathLike, asSyscall } from './gfapi-error.js';
import { nameBytes } from './path.js';
import type { Access } from './resolve.js';
import { Stats } from './stats.js';
import { type ReadStreamOptions, type WriteStreamOptions, readStream, writeStream } from './streams.js';
import { FOP_SIZE_MAX, readInto, writeFrom } from './transfer.js';
import { type TimeLike, setTimes } from './times.js';

/** What a file needs of its volume. */
export interface FileHost {
  readonly access: Access;
  readonly dev: number;
  /** Counts an operation under way: `close()` of the volume waits for it. */
  track<T>(run: () => Promise<T>): Promise<T>;
  closed(file: File): void;
}

/** A lock on a range of bytes; `length` 0 reaches to the end of the file, however far it grows. */
export interface LockRange {
  readonly type: 'read' | 'write';
  readonly start?: number;
  readonly length?: number;
}

/** Who holds a lock that is in the way. */
export interface LockHolder extends Required<LockRange> {
  readonly pid: number;
}

let nextOwner = 1;

/**
 * An open file. Like node:fs/promises' FileHandle, and with what only Gluster has. Errors are {@link GfapiError}s.
 *
 * A file has a position: reads and writes without one go on where the last ended; they must not overlap each other.
 */
export class File implements AsyncDisposable {
  /** As it was opened. */
  readonly path: PathLike;
  readonly flags: number;
  readonly #host: FileHost;
  readonly #fd: Fd;
  readonly #owner: Bytes;
  #position = 0;
  #open = true;

  /** @internal Made by {@link Volume.open}; takes the fd over. */
  constructor(host: FileHost, fd: Fd, path: PathLike, flags: number) {
    this.#host = host;
    this.#fd = fd;
    this.path = path;
    this.flags = flags;
    const owner = Buffer.alloc(8);
    owner.writeUInt32LE(nextOwner++ >>> 0);
    this.#owner = owner.toString('latin1') as Bytes;
  }

  /**
   * Reads into `buffer`, from `position` (default: the file's own). Large reads are split and go out in parallel. Fewer bytes
   * than asked for: the end of the file.
   */
  async read<B extends Uint8Array>(buffer: B, offset = 0, length = buffer.length - offset, position?: number | null): Promise<{ bytesRead: number; buffer: B }> {
    const target = buffer.subarray(offset, offset + length);
    const at = position ?? this.#position;
    const bytesRead = await this.#run('read', (access) => readInto(access, this.#fd, target, at));
    if (position === undefined || position === null) this.#position = at + bytesRead;
    return { bytesRead, buffer };
  }

  /** Writes bytes, at `position` (default: the file's own; at the end when it was opened to append). Large writes are split. */
  async write(data: Uint8Array | string, position?: number | null): Promise<{ bytesWritten: number }> {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    const append = (this.flags & OpenFlag.APPEND) !== 0;
    const at = position ?? this.#position;
    const bytesWritten = await this.#run('write', async (access) => {
      // The brick appends; the layers between want to know where.
      const from = append ? (await access.top.fstat(access.frame, this.#fd, undefined)).stat.ia_size : at;
      const written = await writeFrom(access, this.#fd, bytes, from, append);
      if (append) this.#position = from + written;
      return written;
    });
    if (!append && (position === undefined || position === null)) this.#position = at + bytesWritten;
    return { bytesWritten };
  }

  /** The rest of the file. With an encoding, as text. */
  async readFile(): Promise<Buffer>;
  async readFile(encoding: BufferEncoding): Promise<string>;
  async readFile(encoding?: BufferEncoding): Promise<Buffer | string> {
    const parts: Buffer[] = [];
    let want = Math.max((await this.stat()).size - this.#position, 0);
    for (;;) {
      // One byte more than the file has tells its end from a file that has grown.
      const buffer = Buffer.allocUnsafe(Math.max(want, 0) + 1);
      const { bytesRead } = await this.read(buffer);
      parts.push(buffer.subarray(0, bytesRead));
      if (bytesRead < buffer.length) break;
      want = FOP_SIZE_MAX;
    }
    const [only] = parts;
    const all = parts.length === 1 && only ? only : Buffer.concat(parts);
    return encoding === undefined ? all : all.toString(encoding);
  }

  /** Writes all of it at the file's position. */
  async writeFile(data: Uint8Array | string | AsyncIterable<Uint8Array | string>): Promise<void> {
    if (typeof data !== 'string' && Symbol.asyncIterator in data) {
      for await (const part of data) await this.#writeAll(typeof part === 'string' ? Buffer.from(part) : part);
      return;
    }
    await this.#writeAll(typeof data === 'string' ? Buffer.from(data) : data);
  }

  async appendFile(data: Uint8Array | string): Promise<void> {
    await this.writeFile(data);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.write(bytes.subarray(done));
      if (bytesWritten === 0) throw new FopError(Errno.EIO, undefined, 'nothing was written');
      done += bytesWritten;
    }
  }

  async stat(): Promise<Stats> {
    return this.#run('fstat', async (access) => new Stats((await access.top.fstat(access.frame, this.#fd, undefined)).stat, this.#host.dev));
  }

  async truncate(length = 0): Promise<void> {
    await this.#run('ftruncate', (access) => access.top.ftruncate(access.frame, this.#fd, length, undefined));
  }

  /** Data and attributes are on the bricks' disks. */
  async sync(): Promise<void> {
    await this.#run('fsync', (access) => access.top.fsync(access.frame, this.#fd, false, undefined));
  }

  /** The data are. */
  async datasync(): Promise<void> {
    await this.#run('fdatasync', (access) => access.top.fsync(access.frame, this.#fd, true, undefined));
  }

  async chmod(mode: number): Promise<void> {
    const iatt = new Iatt();
    iatt.ia_prot = mode & 0o7777;
    await this.#run('fchmod', (access) => access.top.fsetattr(access.frame, this.#fd, iatt, SetAttr.MODE, undefined));
  }

  /** −1 leaves an id as it is. */
  async chown(uid: number, gid: number): Promise<void> {
    const iatt = new Iatt();
    iatt.ia_uid = uid;
    iatt.ia_gid = gid;
    const valid = (uid >= 0 ? SetAttr.UID : 0) | (gid >= 0 ? SetAttr.GID : 0);
    if (valid !== 0) await this.#run('fchown', (access) => access.top.fsetattr(access.frame, this.#fd, iatt, valid, undefined));
  }

  async utimes(atime: TimeLike, mtime: TimeLike): Promise<void> {
    const { iatt, valid } = setTimes(atime, mtime);
    await this.#run('futimes', (access) => access.top.fsetattr(access.frame, this.#fd, iatt, valid, undefined));
  }

  /** Where data (or a hole) begin at or after `offset`. ENXIO beyond the end. */
  async seek(offset: number, what: 'data' | 'hole'): Promise<number> {
    return this.#run('lseek', async (access) => (await access.top.seek(access.frame, this.#fd, offset, what === 'data' ? Seek.DATA : Seek.HOLE, undefined)).offset);
  }

  /** Reserves space; the file grows unless `keepSize`. */
  async allocate(offset: number, length: number, options: { keepSize?: boolean } = {}): Promise<void> {
    await this.#run('fallocate', (access) => access.top.fallocate(access.frame, this.#fd, options.keepSize ?? false, offset, length, undefined));
  }

  /** Makes a hole. */
  async discard(offset: number, length: number): Promise<void> {
    await this.#run('fallocate', (access) => access.top.discard(access.frame, this.#fd, offset, length, undefined));
  }

  async getxattr(name: string): Promise<Buffer> {
    return this.#run('fgetxattr', async (access) => {
      const key = nameBytes(name);
      const value = (await access.top.fgetxattr(access.frame, this.#fd, key, undefined)).dict.getBin(key);
      if (value === undefined) throw new FopError(Errno.ENODATA);
      return Buffer.from(value);
    });
  }

  async setxattr(name: string, value: Uint8Array | string, flags = 0): Promise<void> {
    const dict = (): Dict => new Dict().setBin(nameBytes(name), typeof value === 'string' ? Buffer.from(value) : value);
    await this.#run('fsetxattr', (access) => access.top.fsetxattr(access.frame, this.#fd, dict(), flags, undefined));
  }

  async removexattr(name: string): Promise<void> {
    await this.#run('fremovexattr', (access) => access.top.fremovexattr(access.frame, this.#fd, nameBytes(name), undefined));
  }

  /**
   * Takes a POSIX lock that belongs to this open file. EAGAIN when it is taken by another; with `wait`, waits for it instead.
   */
  async lock(range: LockRange, options: { wait?: boolean } = {}): Promise<void> {
    await this.#lk(options.wait ? LkCmd.SETLKW : LkCmd.SETLK, range.type === 'read' ? LkType.RDLCK : LkType.WRLCK, range);
  }

  async unlock(range: Omit<LockRange, 'type'> = {}): Promise<void> {
    await this.#lk(LkCmd.SETLK, LkType.UNLCK, range);
  }

  /** A lock that would keep {@link lock} from succeeding; undefined when there is none. */
  async testLock(range: LockRange): Promise<LockHolder | undefined> {
    const flock = await this.#lk(LkCmd.GETLK, range.type === 'read' ? LkType.RDLCK : LkType.WRLCK, range);
    if (flock.type === LkType.UNLCK) return undefined;
    return { type: flock.type === LkType.RDLCK ? 'read' : 'write', start: Number(flock.start), length: Number(flock.len), pid: flock.pid };
  }

  async #lk(cmd: LkCmd, type: LkType, range: Omit<LockRange, 'type'>): Promise<Flock> {
    return this.#run('fcntl', async (access) => {
      const frame = access.frame.derive({ lk_owner: this.#owner });
      const flock = { type, whence: 0, start: BigInt(range.start ?? 0), len: BigInt(range.length ?? 0), pid: frame.pid, owner: this.#owner };
      return (await access.top.lk(frame, this.#fd, cmd, flock, undefined)).flock;
    });
  }

  /** A stream of the file's bytes; it closes the file at its end unless `autoClose` is false. */
  createReadStream(options: ReadStreamOptions = {}): Readable {
    return readStream(this, options);
  }

  createWriteStream(options: WriteStreamOptions = {}): Writable {
    return writeStream(this, options);
  }

  /** Sends a FLUSH, whose error is that of writes that were still on their way, and lets the file go. Idempotent. */
  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    try {
      await this.#host.track(() => asSyscall('close', this.path, () => this.#host.access.top.flush(this.#host.access.frame.derive({ lk_owner: this.#owner }), this.#fd, undefined)));
    } finally {
      this.#fd.unref();
      this.#host.closed(this);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #run<T>(syscall: string, run: (access: Access) => Promise<T>): Promise<T> {
    return this.#host.track(() =>
      asSyscall(syscall, this.path, async () => {
        if (!this.#open) throw new FopError(Errno.EBADF);
        this.#fd.ref();
        try {
          return await run(this.#host.access);
        } finally {
          this.#fd.unref();
        }
      }),
    );
  }
}

