import type { Readable, Writable } from 'node:stream';
import {
  type Bytes, Dict, Errno, Fd, FopError, Frame, type Graph, GfEvent, IaType, Iatt, type Inode, type Loc, OpenFlag, SetAttr, toBuffer,
} from '@glusterts/libglusterfs';
import { type ConnectOptions, type GraphOptions, startGraph, startVolume } from './connect.js';
import { Dir, listEntries } from './directory.js';
import { File, type FileHost } from './file.js';
import { type PathLike, asSyscall, hasErrno } from './gfapi-error.js';
import { type OpenFlags, canWrite, openFlagBits } from './open-flags.js';
import { joinBytes, nameBytes, pathBytes } from './path.js';
import { type Access, type Resolved, gfidRequest, locOf, resolve } from './resolve.js';
import { Scope } from './scope.js';
import { type Dirent, type StatFs, Stats, toStatFs, volumeDevice } from './stats.js';
import { type ReadStreamOptions, type WriteStreamOptions, readStream, writeStream } from './streams.js';
import { type TimeLike, setTimes } from './times.js';
import { inParallel } from './transfer.js';
import type { VolfileServer } from './volfile-fetch.js';

/** Waiting for operations under way at close (spec/client.md, §19.1). */
const CLOSE_WAIT_MS = 10_000;
const LINK_SIZE_MAX = 4096;
/** `force`: names in the table are looked up all the same. `follow`: a symlink at the end is. */
interface PathOptions {
  readonly follow?: boolean;
  readonly dest?: PathLike;
}

/** As glfs_new takes it: a volume, or a snapshot's `/snaps/…` (spec/client.md, §19.1). */
function isVolumeName(name: string): boolean {
  return name.startsWith('/snaps/') || /^[A-Za-z0-9_][A-Za-z0-9_-]*$/.test(name);
}

/** Encoding or flags of readFile and writeFile. */
export interface FileOptions {
  readonly encoding?: BufferEncoding;
  readonly flag?: OpenFlags;
  readonly mode?: number;
}

/**
 * A volume, with the functions of node:fs/promises. Paths begin at the volume's root, with or without a slash; a string is UTF-8, a
 * Buffer is taken byte for byte. Errors are {@link GfapiError}s, as node:fs's.
 *
 * ```ts
 * await using volume = await Volume.connect('server', 'vol');
 * await volume.writeFile('/hello.txt', 'hello');
 * console.log(await volume.readFile('/hello.txt', 'utf8'));
 * ```
 */
export class Volume implements AsyncDisposable {
  readonly name: string;
  readonly #graph: Graph;
  readonly #access: Access;
  readonly #dev: number;
  readonly #files = new Set<File>();
  readonly #host: FileHost;
  #pending = 0;
  #drained: (() => void) | undefined;
  #open = true;

  private constructor(name: string, graph: Graph, options: GraphOptions) {
    this.name = name;
    this.#graph = graph;
    const frame = new Frame({
      uid: options.uid ?? process.geteuid?.() ?? 0,
      gid: options.gid ?? process.getegid?.() ?? 0,
      groups: options.groups ?? process.getgroups?.() ?? [],
      pid: process.pid,
    });
    this.#access = { top: graph.topSubvolume, table: graph.inodeTable, platform: graph.platform, frame };
    this.#dev = volumeDevice(name);
    this.#host = { access: this.#access, dev: this.#dev, track: (run) => this.#track(run), closed: (file) => this.#files.delete(file) };
  }

  /**
   * Connects to a volume: asks glusterd (port 24007) for its volfile, and the bricks for their files. With several servers, the
   * first that answers is asked. Errors: EINVAL for what is no volume's name, ENOENT for a volume that isn't known, ENOTCONN when nothing answers.
   */
  static async connect(server: VolfileServer | readonly VolfileServer[], volume: string, options: ConnectOptions = {}): Promise<Volume> {
    return asSyscall('connect', volume, async () => {
      if (!isVolumeName(volume)) throw new FopError(Errno.EINVAL, undefined, 'a volume has letters, digits, _ and - in its name');
      return Volume.#ready(volume, await startVolume(server, volume, options), options);
    });
  }

  /** Uses a volfile that the caller has; e.g. one with storage/memory, for tests. Throws a VolfileError when it doesn't parse. */
  static async fromVolfile(text: string, options: GraphOptions & { readonly name?: string } = {}): Promise<Volume> {
    const graph = await startGraph(text, options);
    return asSyscall('connect', options.name, () => Volume.#ready(options.name ?? 'gfapi', graph, options));
  }

  static async #ready(name: string, graph: Graph, options: GraphOptions): Promise<Volume> {
    try {
      const event = await graph.whenSettled();
      if (event !== GfEvent.CHILD_UP) throw new FopError(Errno.ENOTCONN, undefined, 'the bricks do not answer');
      const volume = new Volume(name, graph, options);
      await volume.stat('/');
      return volume;
    } catch (error) {
      await graph.fini();
      throw error;
    }
  }

  // ------------------------------------------------------------------------------------------------ whole files

  /** A file's bytes; with an encoding, its text. */
  async readFile(path: PathLike, options?: { encoding?: null; flag?: OpenFlags } | null): Promise<Buffer>;
  async readFile(path: PathLike, options: BufferEncoding | (FileOptions & { encoding: BufferEncoding })): Promise<string>;
  async readFile(path: PathLike, options?: BufferEncoding | { encoding?: BufferEncoding | null; flag?: OpenFlags } | null): Promise<Buffer | string> {
    const encoding = typeof options === 'string' ? options : options?.encoding;
    const file = await this.open(path, (typeof options === 'object' && options?.flag) || 'r');
    try {
      return encoding ? await file.readFile(encoding) : await file.readFile();
    } finally {
      await file.close();
    }
  }

  /** Makes or replaces a file's contents. */
  async writeFile(path: PathLike, data: Uint8Array | string | AsyncIterable<Uint8Array | string>, options: BufferEncoding | FileOptions = {}): Promise<void> {
    const given = typeof options === 'string' ? { encoding: options } : options;
    const file = await this.open(path, given.flag ?? 'w', given.mode);
    try {
      await file.writeFile(typeof data === 'string' ? Buffer.from(data, given.encoding) : data);
    } finally {
      await file.close();
    }
  }

  async appendFile(path: PathLike, data: Uint8Array | string, options: BufferEncoding | FileOptions = {}): Promise<void> {
    await this.writeFile(path, data, typeof options === 'string' ? { encoding: options, flag: 'a' } : { flag: 'a', ...options });
  }

  createReadStream(path: PathLike, options: ReadStreamOptions = {}): Readable {
    return readStream(() => this.open(path, 'r'), options);
  }

  createWriteStream(path: PathLike, options: WriteStreamOptions & { flags?: OpenFlags; mode?: number } = {}): Writable {
    return writeStream(() => this.open(path, options.flags ?? 'w', options.mode), options);
  }

  /** Opens a file, and makes it if the flags say so. `mode` counts for new ones; no umask is applied. */
  async open(path: PathLike, flags: OpenFlags = 'r', mode = 0o666): Promise<File> {
    return this.#path('open', path, { follow: true }, async (at, scope) => {
      const bits = openFlagBits(flags) | OpenFlag.LARGEFILE;
      const fd = at.inode ? await this.#openExisting(at, at.inode, bits) : await this.#create(at, scope, bits, mode);
      const file = new File(this.#host, fd, path, bits);
      this.#files.add(file);
      return file;
    });
  }

  async #openExisting(at: Resolved, inode: Inode, bits: number): Promise<Fd> {
    const { top, frame } = this.#access;
    if (bits & OpenFlag.CREAT && bits & OpenFlag.EXCL) throw new FopError(Errno.EEXIST);
    if (inode.ia_type === IaType.DIR && (canWrite(bits) || bits & OpenFlag.TRUNC)) throw new FopError(Errno.EISDIR);
    if (inode.ia_type !== IaType.DIR && bits & OpenFlag.DIRECTORY) throw new FopError(Errno.ENOTDIR);
    if (inode.ia_type === IaType.LNK) throw new FopError(Errno.ELOOP);
    const open = bits & ~(OpenFlag.CREAT | OpenFlag.EXCL | OpenFlag.TRUNC);
    const fd = new Fd(inode, { flags: open, pid: frame.pid });
    try {
      const loc = locOf(this.#access, at, inode);
      if (inode.ia_type === IaType.DIR) await top.opendir(frame, loc, fd, undefined);
      else await top.open(frame, loc, open, fd, undefined);
      fd.bind();
      // Truncation is a fop of its own, as it is at a mount: every layer sees it.
      if (bits & OpenFlag.TRUNC && canWrite(bits)) await top.ftruncate(frame, fd, 0, undefined);
      return fd;
    } catch (error) {
      fd.unref();
      throw error;
    }
  }

  async #create(at: Resolved, scope: Scope, bits: number, mode: number): Promise<Fd> {
    if (!(bits & OpenFlag.CREAT)) throw new FopError(Errno.ENOENT);
    const { top, frame, table } = this.#access;
    const fresh = scope.hold(table.create());
    const fd = new Fd(fresh, { flags: bits & ~(OpenFlag.CREAT | OpenFlag.EXCL | OpenFlag.TRUNC), pid: frame.pid });
    try {
      const reply = await top.create(frame, locOf(this.#access, at, fresh), bits, mode & 0o7777, 0, fd, gfidRequest(this.#access));
      const linked = table.link(reply.inode, at.parent, at.name, reply.stat);
      if (linked !== fresh) {
        fresh.gfid = linked.gfid;
        fresh.ia_type = linked.ia_type;
      }
      fd.bind();
      return fd;
    } catch (error) {
      fd.unref();
      throw error;
    }
  }

  // ------------------------------------------------------------------------------------------------ directories

  /** Names in a directory, without `.` and `..`: as text, with `encoding: 'buffer'` as bytes, with `withFileTypes` as {@link Dirent}s. */
  async readdir(path: PathLike, options: { withFileTypes: true }): Promise<Dirent[]>;
  async readdir(path: PathLike, options: { encoding: 'buffer' }): Promise<Buffer[]>;
  async readdir(path: PathLike, options?: { withFileTypes?: false; encoding?: BufferEncoding }): Promise<string[]>;
  async readdir(path: PathLike, options: { withFileTypes?: boolean; encoding?: BufferEncoding | 'buffer' } = {}): Promise<Dirent[] | Buffer[] | string[]> {
    const entries = await this.#path('scandir', path, { follow: true }, (at) => listEntries(this.#access, at, path));
    if (options.withFileTypes) return entries;
    if (options.encoding === 'buffer') return entries.map((entry) => entry.nameBuffer);
    return entries.map((entry) => entry.name);
  }

  /** A directory to walk through with `for await`; it closes itself at the end. */
  async opendir(path: PathLike): Promise<Dir> {
    return this.#path('opendir', path, { follow: true }, (at) => Dir.open(this.#host, at, path));
  }

  /** With `recursive`, directories on the way are made too, and one that exists is no error; resolves with the first one made. */
  async mkdir(path: PathLike, options: number | { recursive?: boolean; mode?: number } = {}): Promise<string | undefined> {
    const { recursive = false, mode = 0o777 } = typeof options === 'number' ? { mode: options } : options;
    if (!recursive) {
      await this.#mkdir(path, mode);
      return undefined;
    }
    return asSyscall('mkdir', path, async () => {
      const names = pathBytes(path).split('/').filter(Boolean) as Bytes[];
      let first: string | undefined;
      let at = '/' as Bytes;
      for (const name of names) {
        at = joinBytes(at, name).toString('latin1') as Bytes;
        const made = await this.#mkdirIfMissing(toBuffer(at), mode);
        if (made) first ??= toBuffer(at).toString();
      }
      return first;
    });
  }

  async #mkdirIfMissing(path: Buffer, mode: number): Promise<boolean> {
    try {
      await this.#mkdir(path, mode);
      return true;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    if (!(await this.stat(path)).isDirectory()) throw new FopError(Errno.ENOTDIR);
    return false;
  }

  async #mkdir(path: PathLike, mode: number): Promise<void> {
    await this.#path('mkdir', path, {}, async (at, scope) => {
      const fresh = this.#absent(at, scope);
      const reply = await this.#access.top.mkdir(this.#access.frame, locOf(this.#access, at, fresh), mode & 0o7777, 0, gfidRequest(this.#access));
      this.#access.table.link(reply.inode, at.parent, at.name, reply.stat);
    });
  }

  /** Removes an empty directory. */
  async rmdir(path: PathLike): Promise<void> {
    await this.#path('rmdir', path, {}, async (at) => {
      const inode = this.#present(at);
      if (inode.ia_type !== IaType.DIR) throw new FopError(Errno.ENOTDIR);
      if (at.name === '') throw new FopError(Errno.EBUSY);
      await this.#access.top.rmdir(this.#access.frame, locOf(this.#access, at, inode), 0, undefined);
      this.#access.table.unlink(inode, at.parent, at.name);
    });
  }

  /** Removes a file; with `recursive` a directory and all in it; with `force`, what isn't there is no error. */
  async rm(path: PathLike, options: { recursive?: boolean; force?: boolean } = {}): Promise<void> {
    let stats: Stats;
    try {
      stats = await this.lstat(path);
    } catch (error) {
      if (options.force && error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
      throw error;
    }
    if (!stats.isDirectory()) return this.unlink(path);
    if (!options.recursive) return asSyscall('rm', path, () => Promise.reject(new FopError(Errno.EISDIR)));
    await this.#empty(path);
    await this.rmdir(path);
  }

  async #empty(path: PathLike): Promise<void> {
    const entries = await this.readdir(path, { withFileTypes: true });
    const base = pathBytes(path);
    await inParallel(entries.length, async (index) => {
      const entry = entries[index];
      if (!entry) return;
      const inner = joinBytes(base, entry.nameBuffer.toString('latin1') as Bytes);
      if (!entry.isDirectory()) return this.unlink(inner);
      await this.#empty(inner);
      await this.rmdir(inner);
    });
  }

  // ------------------------------------------------------------------------------------------------ names

  async unlink(path: PathLike): Promise<void> {
    await this.#path('unlink', path, {}, async (at) => {
      const inode = this.#present(at);
      if (inode.ia_type === IaType.DIR) throw new FopError(Errno.EISDIR);
      await this.#access.top.unlink(this.#access.frame, locOf(this.#access, at, inode), 0, undefined);
      this.#access.table.unlink(inode, at.parent, at.name);
    });
  }

  async rename(oldPath: PathLike, newPath: PathLike): Promise<void> {
    await this.#path('rename', oldPath, { dest: newPath }, async (from, scope, force) => {
      const inode = this.#present(from);
      const to = await resolve(this.#access, scope, pathBytes(newPath), { follow: false, force });
      if (from.name === '' || to.name === '') throw new FopError(Errno.EBUSY);
      const target = to.inode ?? scope.hold(this.#access.table.create());
      const reply = await this.#access.top.rename(this.#access.frame, locOf(this.#access, from, inode), locOf(this.#access, to, target), undefined);
      this.#access.table.rename(from.parent, from.name, to.parent, to.name, inode, reply.stat);
    });
  }

  /** A hard link. */
  async link(existingPath: PathLike, newPath: PathLike): Promise<void> {
    await this.#path('link', existingPath, { dest: newPath }, async (from, scope, force) => {
      const inode = this.#present(from);
      if (inode.ia_type === IaType.DIR) throw new FopError(Errno.EPERM);
      const to = await resolve(this.#access, scope, pathBytes(newPath), { follow: false, force });
      if (to.inode) throw new FopError(Errno.EEXIST);
      const reply = await this.#access.top.link(this.#access.frame, locOf(this.#access, from, inode), locOf(this.#access, to, inode), undefined);
      this.#access.table.link(inode, to.parent, to.name, reply.stat);
    });
  }

  async symlink(target: PathLike, path: PathLike): Promise<void> {
    await this.#path('symlink', path, {}, async (at, scope) => {
      const fresh = this.#absent(at, scope);
      const reply = await this.#access.top.symlink(this.#access.frame, nameBytes(target), locOf(this.#access, at, fresh), 0, gfidRequest(this.#access));
      this.#access.table.link(reply.inode, at.parent, at.name, reply.stat);
    });
  }

  /** A symlink's target, as text; with `encoding: 'buffer'` as bytes. */
  async readlink(path: PathLike, options: { encoding: 'buffer' }): Promise<Buffer>;
  async readlink(path: PathLike, options?: { encoding?: BufferEncoding }): Promise<string>;
  async readlink(path: PathLike, options: { encoding?: BufferEncoding | 'buffer' } = {}): Promise<Buffer | string> {
    const target = await this.#path('readlink', path, {}, async (at) => {
      const inode = this.#present(at);
      if (inode.ia_type !== IaType.LNK) throw new FopError(Errno.EINVAL);
      return toBuffer((await this.#access.top.readlink(this.#access.frame, locOf(this.#access, at, inode), LINK_SIZE_MAX, undefined)).path);
    });
    return options.encoding === 'buffer' ? target : target.toString(options.encoding);
  }

  // ------------------------------------------------------------------------------------------------ attributes

  async stat(path: PathLike): Promise<Stats> {
    return this.#path('stat', path, { follow: true }, async (at) => this.#stats(at));
  }

  /** Of a symlink itself. */
  async lstat(path: PathLike): Promise<Stats> {
    return this.#path('lstat', path, {}, async (at) => this.#stats(at));
  }

  /** @param mode R_OK 4, W_OK 2, X_OK 1; 0: does it exist */
  async access(path: PathLike, mode = 0): Promise<void> {
    await this.#inode('access', path, true, async (loc) => {
      if (mode !== 0) await this.#access.top.access(this.#access.frame, loc, mode, undefined);
    });
  }

  async truncate(path: PathLike, length = 0): Promise<void> {
    await this.#inode('truncate', path, true, async (loc) => {
      if (loc.inode.ia_type === IaType.DIR) throw new FopError(Errno.EISDIR);
      await this.#access.top.truncate(this.#access.frame, loc, length, undefined);
    });
  }

  async chmod(path: PathLike, mode: number): Promise<void> {
    const iatt = new Iatt();
    iatt.ia_prot = mode & 0o7777;
    await this.#setattr('chmod', path, true, iatt, SetAttr.MODE);
  }

  /** −1 leaves an id as it is. */
  async chown(path: PathLike, uid: number, gid: number): Promise<void> {
    await this.#chown('chown', path, true, uid, gid);
  }

  async lchown(path: PathLike, uid: number, gid: number): Promise<void> {
    await this.#chown('lchown', path, false, uid, gid);
  }

  async utimes(path: PathLike, atime: TimeLike, mtime: TimeLike): Promise<void> {
    const { iatt, valid } = setTimes(atime, mtime);
    await this.#setattr('utime', path, true, iatt, valid);
  }

  async lutimes(path: PathLike, atime: TimeLike, mtime: TimeLike): Promise<void> {
    const { iatt, valid } = setTimes(atime, mtime);
    await this.#setattr('lutime', path, false, iatt, valid);
  }

  async statfs(path: PathLike = '/'): Promise<StatFs> {
    return this.#inode('statfs', path, true, async (loc) => toStatFs((await this.#access.top.statfs(this.#access.frame, loc, undefined)).statfs));
  }

  async #chown(syscall: string, path: PathLike, follow: boolean, uid: number, gid: number): Promise<void> {
    const iatt = new Iatt();
    iatt.ia_uid = uid;
    iatt.ia_gid = gid;
    const valid = (uid >= 0 ? SetAttr.UID : 0) | (gid >= 0 ? SetAttr.GID : 0);
    await this.#setattr(syscall, path, follow, iatt, valid);
  }

  async #setattr(syscall: string, path: PathLike, follow: boolean, iatt: Iatt, valid: number): Promise<void> {
    await this.#inode(syscall, path, follow, async (loc) => {
      if (valid !== 0) await this.#access.top.setattr(this.#access.frame, loc, iatt, valid, undefined);
    });
  }

  // ------------------------------------------------------------------------------------------------ xattrs

  /** An extended attribute's value. ENODATA when it isn't set. Virtual names work too (spec/client.md, §7.5). */
  async getxattr(path: PathLike, name: string): Promise<Buffer> {
    return this.#inode('getxattr', path, true, async (loc) => {
      const key = nameBytes(name);
      const value = (await this.#access.top.getxattr(this.#access.frame, loc, key, undefined)).dict.getBin(key);
      if (value === undefined) throw new FopError(Errno.ENODATA);
      return Buffer.from(value);
    });
  }

  /** @param options `create`: EEXIST when it is set; `replace`: ENODATA when it isn't */
  async setxattr(path: PathLike, name: string, value: Uint8Array | string, options: { create?: boolean; replace?: boolean } = {}): Promise<void> {
    await this.#inode('setxattr', path, true, async (loc) => {
      const dict = new Dict().setBin(nameBytes(name), typeof value === 'string' ? Buffer.from(value) : value);
      await this.#access.top.setxattr(this.#access.frame, loc, dict, (options.create ? 1 : 0) | (options.replace ? 2 : 0), undefined);
    });
  }

  async listxattr(path: PathLike): Promise<string[]> {
    return this.#inode('listxattr', path, true, async (loc) => {
      const { dict } = await this.#access.top.getxattr(this.#access.frame, loc, undefined, undefined);
      return dict.keys().map((key) => toBuffer(key).toString());
    });
  }

  async removexattr(path: PathLike, name: string): Promise<void> {
    await this.#inode('removexattr', path, true, async (loc) => {
      await this.#access.top.removexattr(this.#access.frame, loc, nameBytes(name), undefined);
    });
  }

  // ------------------------------------------------------------------------------------------------ the end

  /** Closes files that are open, waits for what is under way (10 seconds at most), and leaves the bricks. Idempotent. */
  async close(): Promise<void> {
    if (!this.#open) return;
    for (const file of [...this.#files]) await file.close();
    this.#open = false;
    if (this.#pending > 0) {
      await new Promise<void>((done) => {
        const timer = this.#access.platform.timers.after(CLOSE_WAIT_MS, done);
        this.#drained = () => {
          timer.cancel();
          done();
        };
      });
    }
    await this.#graph.fini();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #track<T>(run: () => Promise<T>): Promise<T> {
    if (!this.#open) throw new FopError(Errno.EBADF, undefined, 'the volume is closed');
    this.#pending++;
    try {
      return await run();
    } finally {
      if (--this.#pending === 0) this.#drained?.();
    }
  }

  /** Resolves a path and runs an operation at its end; when that says ESTALE, once more with all names looked up (spec/client.md, §19.3). */
  #path<T>(syscall: string, path: PathLike, options: PathOptions, run: (at: Resolved, scope: Scope, force: boolean) => Promise<T>): Promise<T> {
    const attempt = async (force: boolean): Promise<T> => {
      const scope = new Scope();
      try {
        return await run(await resolve(this.#access, scope, pathBytes(path), { follow: options.follow ?? false, force }), scope, force);
      } finally {
        scope.end();
      }
    };
    return asSyscall(
      syscall,
      path,
      () =>
        this.#track(async () => {
          try {
            return await attempt(false);
          } catch (error) {
            if (!hasErrno(error, Errno.ESTALE)) throw error;
            return attempt(true);
          }
        }),
      options.dest,
    );
  }

  /** An operation on what is there. */
  #inode<T>(syscall: string, path: PathLike, follow: boolean, run: (loc: Loc) => Promise<T>): Promise<T> {
    return this.#path(syscall, path, { follow }, async (at) => run(locOf(this.#access, at, this.#present(at))));
  }

  #present(at: Resolved): Inode {
    if (!at.inode) throw new FopError(Errno.ENOENT);
    return at.inode;
  }

  /** A fresh inode for a name that must be free. */
  #absent(at: Resolved, scope: Scope): Inode {
    if (at.inode) throw new FopError(Errno.EEXIST);
    return scope.hold(this.#access.table.create());
  }

  #stats(at: Resolved): Stats {
    this.#present(at);
    if (!at.stat) throw new FopError(Errno.EIO);
    return new Stats(at.stat, this.#dev);
  }
}

