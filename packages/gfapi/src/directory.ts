import { Errno, Fd, FopError, IaType, OpenFlag, display, fromBuffer, typeFromDirent } from '@glusterts/libglusterfs';
import type { FileHost } from './file.js';
import { type PathLike, asSyscall } from './gfapi-error.js';
import { type Access, type Resolved, locOf } from './resolve.js';
import { Dirent } from './stats.js';

/** Bytes of entries that are asked for at once. */
const READDIR_SIZE = 128 << 10;

async function openFd(access: Access, at: Resolved): Promise<Fd> {
  const { inode } = at;
  if (!inode) throw new FopError(Errno.ENOENT);
  if (inode.ia_type !== IaType.DIR) throw new FopError(Errno.ENOTDIR);
  const fd = new Fd(inode, { flags: OpenFlag.DIRECTORY, pid: access.frame.pid });
  try {
    await access.top.opendir(access.frame, locOf(access, at, inode), fd, undefined);
    return fd.bind();
  } catch (error) {
    fd.unref();
    throw error;
  }
}

/** The next entries after an offset; empty at the end. `.` and `..` are left out. */
async function readSome(access: Access, fd: Fd, offset: bigint, parentPath: string): Promise<{ entries: Dirent[]; offset: bigint; end: boolean }> {
  const reply = await access.top.readdirp(access.frame, fd, READDIR_SIZE, offset, undefined);
  const last = reply.entries.at(-1);
  if (!last) return { entries: [], offset, end: true };
  const entries: Dirent[] = [];
  for (const entry of reply.entries) {
    if (entry.name === '.' || entry.name === '..') continue;
    entries.push(new Dirent(entry.name, entry.stat.ia_type || typeFromDirent(entry.d_type), parentPath));
  }
  // A brick that stands still would have us read for ever.
  return { entries, offset: last.d_off, end: last.d_off === offset };
}

function shownPath(path: PathLike): string {
  return typeof path === 'string' ? path : display(fromBuffer(path));
}

/** All of a directory. */
export async function listEntries(access: Access, at: Resolved, path: PathLike): Promise<Dirent[]> {
  const fd = await openFd(access, at);
  try {
    const all: Dirent[] = [];
    for (let offset = 0n, end = false; !end; ) {
      const some = await readSome(access, fd, offset, shownPath(path));
      for (const entry of some.entries) all.push(entry);
      ({ offset, end } = some);
    }
    return all;
  } finally {
    fd.unref();
  }
}

/** An open directory: `for await (const entry of dir)`, or `read()` by hand. It need not be read to its end, but must be closed then. */
export class Dir implements AsyncDisposable {
  readonly path: string;
  readonly #host: FileHost;
  readonly #fd: Fd;
  #waiting: Dirent[] = [];
  #offset = 0n;
  #end = false;
  #open = true;

  private constructor(host: FileHost, fd: Fd, path: PathLike) {
    this.#host = host;
    this.#fd = fd;
    this.path = shownPath(path);
  }

  /** @internal */
  static async open(host: FileHost, at: Resolved, path: PathLike): Promise<Dir> {
    return new Dir(host, await openFd(host.access, at), path);
  }

  /** The next entry; null at the end. Calls must not overlap. */
  async read(): Promise<Dirent | null> {
    return this.#host.track(() =>
      asSyscall('readdir', this.path, async () => {
        if (!this.#open) throw new FopError(Errno.EBADF);
        while (this.#waiting.length === 0 && !this.#end) {
          const some = await readSome(this.#host.access, this.#fd, this.#offset, this.path);
          this.#offset = some.offset;
          this.#end = some.end;
          this.#waiting = some.entries.reverse();
        }
        return this.#waiting.pop() ?? null;
      }),
    );
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#fd.unref();
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<Dirent> {
    try {
      for (let entry = await this.read(); entry; entry = await this.read()) yield entry;
    } finally {
      await this.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

