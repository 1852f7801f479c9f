import { type CtxSlot, Errno, type Fd, FopError } from '@glusterts/libglusterfs';
import type { OpenLocalFile } from './local-files.js';

/** The brick opens the gfid for itself (spec/rpc-wire.md, §6). */
export const ANON_FD = -2;
/** Not open there: after a disconnect, until it is opened again. */
export const NO_FD = -1;

/** What is known of an fd on the other side. */
export interface RemoteFd {
  readonly fd: Fd;
  number: number;
  flags: number;
  readonly directory: boolean;
  /** Posix locks that were granted through it: such an fd must not fall back to an anonymous one. */
  locks: number;
  reopening: boolean;
  /** The local fd died while its reopening was under way. */
  released: boolean;
  /** READs that the brick has answered; counted while its file may still be asked for. */
  reads: number;
  /** The file itself, where this process may read it. */
  local: OpenLocalFile | undefined;
}

/** The fds that this client has open on its brick. */
export class RemoteFds {
  readonly #slot: CtxSlot<RemoteFd>;
  readonly saved = new Set<RemoteFd>();

  constructor(slot: CtxSlot<RemoteFd>) {
    this.#slot = slot;
  }

  get(fd: Fd): RemoteFd | undefined {
    return this.#slot.get(fd);
  }

  opened(fd: Fd, number: number, flags: number, directory: boolean): void {
    const remote: RemoteFd = { fd, number, flags, directory, locks: 0, reopening: false, released: false, reads: 0, local: undefined };
    this.#slot.set(fd, remote);
    this.saved.add(remote);
  }

  forget(fd: Fd): RemoteFd | undefined {
    const remote = this.#slot.get(fd);
    if (!remote) return undefined;
    this.#slot.delete(fd);
    this.saved.delete(remote);
    remote.released = true;
    return remote;
  }

  /** The connection broke: no number is good any more. */
  lost(): void {
    for (const remote of this.saved) {
      remote.number = NO_FD;
      remote.locks = 0;
    }
  }

  /**
   * The number to send. `mayFallBack`: READ, WRITE, FSYNC, FINODELK, FXATTROP and COPY_FILE_RANGE go on without an open fd, if it
   * held no lock. Errors: EBADFD.
   */
  number(fd: Fd, mayFallBack: boolean): number {
    const remote = this.#slot.get(fd);
    if (!remote) {
      if (fd.anonymous || mayFallBack) return ANON_FD;
      throw new FopError(Errno.EBADFD);
    }
    if (remote.number !== NO_FD) return remote.number;
    if (mayFallBack && remote.locks === 0) return ANON_FD;
    throw new FopError(Errno.EBADFD);
  }
}
