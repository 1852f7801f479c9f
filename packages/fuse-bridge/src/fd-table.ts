import { type Bytes, Errno, type Fd, FopError } from '@glusterts/libglusterfs';
import type { ListAhead } from './list-ahead.js';

const NO_OWNERS: ReadonlySet<Bytes> = new Set();

/** An open file or directory as the kernel knows it, by its fh. */
export class OpenFile {
  readonly fh: number;
  readonly nodeid: number;
  readonly directory: boolean;
  /** Its incarnation in the graph that it was last used in. */
  fd: Fd;
  /** It could not be opened in a new graph: EBADF for ever (spec/client.md, §6.12). */
  lost = false;
  /** When the file was last seen without set-user-ID and set-group-ID bits, in milliseconds, and how many modes the mount had changed by then. */
  unprivileged: { readonly modes: number; readonly seen: number } | undefined = undefined;
  /** A directory that is read entry by entry with attributes. */
  listing: ListAhead | undefined = undefined;
  /** FOPEN_DIRECT_IO was answered. */
  readonly directIo: boolean;
  #lockOwners: Set<Bytes> | undefined = undefined;

  constructor(fh: number, fd: Fd, init: { nodeid: number; directory: boolean; directIo: boolean }) {
    this.fh = fh;
    this.fd = fd;
    this.nodeid = init.nodeid;
    this.directory = init.directory;
    this.directIo = init.directIo;
  }

  /** A lock was taken through it, by these owners: they move along with it. */
  get lockOwners(): ReadonlySet<Bytes> {
    return this.#lockOwners ?? NO_OWNERS;
  }

  lockedBy(owner: Bytes): void {
    (this.#lockOwners ??= new Set()).add(owner);
  }
}

/** Open files by fh. Each entry holds one reference of its fd. */
export class FdTable {
  readonly #files = new Map<number, OpenFile>();
  #next = 1;
  #directIo = 0;

  get size(): number {
    return this.#files.size;
  }

  /** Files for which FOPEN_DIRECT_IO was answered. */
  get directIo(): number {
    return this.#directIo;
  }

  values(): Iterable<OpenFile> {
    return this.#files.values();
  }

  /** Takes over the caller's reference. */
  add(fd: Fd, init: { nodeid: number; directory: boolean; directIo: boolean }): OpenFile {
    const file = new OpenFile(this.#next++, fd, init);
    this.#files.set(file.fh, file);
    if (file.directIo) this.#directIo++;
    return file;
  }

  /** Throws EBADF. */
  get(fh: number): OpenFile {
    const file = this.#files.get(fh);
    if (!file || file.lost) throw new FopError(Errno.EBADF);
    return file;
  }

  find(fh: number): OpenFile | undefined {
    return this.#files.get(fh);
  }

  remove(fh: number): void {
    const file = this.#files.get(fh);
    if (!file) return;
    this.#files.delete(fh);
    if (file.directIo) this.#directIo--;
    file.fd.unref();
  }

  clear(): void {
    for (const fh of [...this.#files.keys()]) this.remove(fh);
  }
}
