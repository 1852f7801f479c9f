import { type Bytes, Errno, type Fd, FopError } from '@glusterts/libglusterfs';
import type { ListAhead } from './list-ahead.js';

/** An open file or directory as the kernel knows it, by its fh. */
export interface OpenFile {
  readonly fh: number;
  readonly nodeid: number;
  readonly directory: boolean;
  /** Its incarnation in the graph that it was last used in. */
  fd: Fd;
  /** It could not be opened in a new graph: EBADF for ever (spec/client.md, §6.12). */
  lost: boolean;
  /** A lock was taken through it, by these owners: they move along with it. */
  readonly lockOwners: Set<Bytes>;
  /** When the file was last seen without set-user-ID and set-group-ID bits, in milliseconds, and how many modes the mount had changed by then. */
  unprivileged?: { readonly modes: number; readonly seen: number };
  /** A directory that is read entry by entry with attributes. */
  listing?: ListAhead;
  /** FOPEN_DIRECT_IO was answered. */
  readonly directIo: boolean;
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
    const file: OpenFile = { fh: this.#next++, fd, lost: false, lockOwners: new Set(), ...init };
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
