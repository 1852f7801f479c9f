import { type Bytes, type Client, Errno, type Fd, FopError, Frame, type Gfid, IaType, type Subvolume } from '@glusterts/libglusterfs';
import { GlusterCallback, type RpcConnection } from '@glusterts/rpc-xdr';

/** Open fds of one client, at most. */
const FDS_MAX = 1 << 20;

/** client_t: one identity (process-uuid) with its connections, its fds, and what xlators keep for it (spec/brick.md, §11.4, §11.5). */
export class BrickClient implements Client {
  readonly uid: string;
  readonly ctx = new Map<object, unknown>();
  readonly connections = new Set<RpcConnection>();
  /** The graph that SETVOLUME bound it to: the brick's io-stats. */
  readonly bound: Subvolume;
  /** Right user name and password were given. */
  readonly trusted: boolean;
  readonly opVersion: number;
  /** Of a sub-directory mount: the directory that it sees as root. */
  readonly subdir: { readonly path: string; readonly gfid: Gfid } | undefined;
  readonly processName: string;
  readonly #fds: (Fd | undefined)[] = [];
  readonly #free: number[] = [];

  constructor(init: { uid: string; bound: Subvolume; trusted: boolean; opVersion: number; subdir: BrickClient['subdir']; processName: string }) {
    this.uid = init.uid;
    this.bound = init.bound;
    this.trusted = init.trusted;
    this.opVersion = init.opVersion;
    this.subdir = init.subdir;
    this.processName = init.processName;
  }

  callback(procedure: number, body: Uint8Array): void {
    for (const connection of this.connections) {
      connection.callbackRaw(GlusterCallback.program, procedure, body);
      return;
    }
  }

  /** Numbers an fd: the last freed number first. The table takes the opener's reference over. */
  addFd(fd: Fd): number {
    const number = this.#free.pop() ?? this.#fds.length;
    if (number >= FDS_MAX) throw new FopError(Errno.EMFILE);
    this.#fds[number] = fd;
    return number;
  }

  fd(number: number): Fd {
    const fd = this.#fds[number];
    if (!fd) throw new FopError(Errno.EBADF);
    return fd;
  }

  /** A wrong number is no error (spec/rpc-wire.md, §5.4, RELEASE). */
  releaseFd(number: number): void {
    const fd = this.#fds[number];
    if (!fd) return;
    this.#fds[number] = undefined;
    this.#free.push(number);
    fd.unref();
  }

  get fdCount(): number {
    return this.#fds.length - this.#free.length;
  }

  /** The last connection is gone: flush every fd without an owner, which drops its posix locks, then let go (spec/brick.md, §12.4). */
  async cleanUp(): Promise<void> {
    const fds = this.#fds.splice(0).filter((fd) => fd !== undefined);
    this.#free.length = 0;
    const frame = new Frame({ client: this, lk_owner: '' as Bytes });
    await Promise.all(
      fds.map(async (fd) => {
        if (fd.inode.ia_type !== IaType.DIR) await this.bound.flush(frame, fd, undefined).catch(() => undefined);
        fd.unref();
      }),
    );
    this.ctx.clear();
  }
}
