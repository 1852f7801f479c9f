import { type Fd, type GraphView, type Iobuf, IoVec, LocalFileFlag, MDATA_XATTR, type ReadReply, type Storage, applyMdata, backendIatt, decodeMdataXattr } from '@glusterts/libglusterfs';
import { GlustertsLocal, GlustertsLocalCallback, type RpcCallbacks, type RpcClient } from '@glusterts/rpc-xdr';
import type { RemoteFd } from './fd-context.js';

/** READs of an fd that the brick answers before its file is asked for: a file that is read once isn't worth it. */
const READS_BEFORE = 1;
/** Files of one brick that are open here at once. */
const FILES_MAX = 1024;
/** A larger READ is the brick's: it knows how much of it there is before it takes memory. */
const SIZE_MAX = 1 << 20;
/** After so many READs, or bytes, that needed nothing of the event loop, it gets its turn: a caller who only ever reads would keep it from everybody else. */
const TURN_READS = 64;
const TURN_BYTES = 8 << 20;
/** The storage pool's threads: a read never waits for one, but is the brick's. So what hangs in the disk of one brick holds nobody who reads from another. */
const DISK_READS_MAX = 16;
const SLOT = 0;

/** A file of the brick, open in this process. */
export interface OpenLocalFile {
  readonly descriptor: number;
  readonly inMemory: boolean;
  readonly hasMdata: boolean;
  /** Who waits for a thread that reads from it: each is told when the file is given up. The descriptor stays open for the threads. */
  readonly waiting: Set<() => void>;
  threads: number;
}

/**
 * Files of a brick on this machine, which this process reads itself: no message, no wake-up, and no copy on the way. The brick gives them where its layers
 * let READs pass untouched, and takes them back when that changes; with the connection they are gone (docs/rpc.md, "The local path").
 */
export class LocalFiles {
  readonly #storage: Storage;
  readonly #graph: GraphView;
  readonly #rpc: () => RpcClient | undefined;
  readonly #open: () => Iterable<RemoteFd>;
  readonly #holders = new Set<RemoteFd>();
  /** Counts the times that all were taken back. */
  #generation = 0;
  #turnReads = 0;
  #turnBytes = 0;

  /** @param open all fds that are open on the brick */
  constructor(graph: GraphView, rpc: () => RpcClient | undefined, open: () => Iterable<RemoteFd>) {
    this.#graph = graph;
    this.#storage = graph.platform.storage;
    this.#rpc = rpc;
    this.#open = open;
  }

  /** The brick takes them back. */
  get callbacks(): RpcCallbacks {
    return {
      program: GlustertsLocalCallback.program,
      handle: (procedure) => {
        if (procedure === GlustertsLocalCallback.REVOKE.number) this.drop();
      },
    };
  }

  /** A READ goes to the brick: perhaps the next ones needn't. */
  readElsewhere(remote: RemoteFd): void {
    if (remote.reads++ !== READS_BEFORE || this.#holders.size >= FILES_MAX) return;
    const rpc = this.#rpc();
    if (rpc?.passesDescriptors === true) void this.#ask(rpc, remote);
  }

  async #ask(rpc: RpcClient, remote: RemoteFd): Promise<void> {
    const { number } = remote;
    const generation = this.#generation;
    try {
      const reply = await rpc.invoke(GlustertsLocal.FILE, { fd: number });
      if (reply.op_ret < 0) return;
      const descriptor = rpc.takeDescriptor(reply.descriptor);
      if (descriptor === undefined) return;
      // Closed, lost or taken back while it was on its way.
      if (remote.released || remote.number !== number || generation !== this.#generation) {
        this.#storage.close(descriptor);
        return;
      }
      this.forget(remote);
      remote.local = { descriptor, inMemory: (reply.flags & LocalFileFlag.IN_MEMORY) !== 0, hasMdata: (reply.flags & LocalFileFlag.HAS_MDATA) !== 0, waiting: new Set(), threads: 0 };
      this.#holders.add(remote);
    } catch {
      // The brick goes on answering.
    }
  }

  /** The reply of a READ, if it is in memory, or undefined: {@link readFromDisk} may have it. */
  read(file: OpenLocalFile, fd: Fd, size: number, offset: number): Promise<ReadReply> | undefined {
    if (size === 0 || size > SIZE_MAX) return undefined;
    const page = this.#graph.iobufs.get(size);
    const reply = this.#readInto(page, file, fd, size, offset);
    if (reply === undefined || reply.vector.size === 0) page.unref();
    if (reply === undefined) return undefined;
    this.#turnBytes += size;
    if (++this.#turnReads < TURN_READS && this.#turnBytes < TURN_BYTES) return Promise.resolve(reply);
    this.#turnReads = this.#turnBytes = 0;
    return new Promise((resolve) => this.#graph.platform.timers.soon(() => resolve(reply)));
  }

  /**
   * The reply of a READ of what isn't in memory (the disk has been asked for it by the attempt to {@link read} it): a thread waits for it. Undefined when no
   * thread is to spare, or there is no file any more, now or when the read is done: then the brick has to be asked.
   */
  readFromDisk(file: OpenLocalFile, fd: Fd, size: number, offset: number): Promise<ReadReply | undefined> | undefined {
    if (size === 0 || size > SIZE_MAX || file.inMemory || this.#storage.jobs.inFlight >= DISK_READS_MAX) return undefined;
    return new Promise((resolve) => {
      const abandoned = (): void => resolve(undefined);
      file.waiting.add(abandoned);
      void this.#waitFor(file, fd, size, offset, abandoned).then(resolve);
    });
  }

  async #waitFor(file: OpenLocalFile, fd: Fd, size: number, offset: number, abandoned: () => void): Promise<ReadReply | undefined> {
    const page = this.#graph.iobufs.get(size);
    file.threads++;
    const count = await this.#storage.preadvAsync(file.descriptor, [page.memory.subarray(0, size)], offset);
    file.threads--;
    const wanted = file.waiting.delete(abandoned);
    const reply = wanted ? this.#reply(page, file, fd, size, offset, count) : undefined;
    if (reply === undefined || reply.vector.size === 0) page.unref();
    if (!wanted) this.#close(file);
    return reply;
  }

  #readInto(page: Iobuf, file: OpenLocalFile, fd: Fd, size: number, offset: number): ReadReply | undefined {
    return this.#reply(page, file, fd, size, offset, this.#storage.preadv(file.descriptor, [page.memory.subarray(0, size)], offset, !file.inMemory));
  }

  /** @param count what reading into the page has answered */
  #reply(page: Iobuf, { descriptor, hasMdata }: OpenLocalFile, fd: Fd, size: number, offset: number, count: number): ReadReply | undefined {
    const storage = this.#storage;
    if (count < 0 || storage.fstat(descriptor, SLOT) < 0) return undefined;
    const stat = backendIatt(storage.cells, SLOT, fd.inode.gfid);
    if (hasMdata) {
      const value = storage.fgetxattr(descriptor, MDATA_XATTR);
      const times = typeof value === 'number' ? undefined : decodeMdataXattr(value);
      if (times) applyMdata(stat, times);
    }
    const vector = count === 0 ? IoVec.empty : new IoVec([page.memory.subarray(0, count)], [page]);
    return { vector, stat, eof: count === 0 || offset + count >= stat.ia_size, xdata: undefined };
  }

  /** Closes the file of an fd. */
  forget(remote: RemoteFd): void {
    const file = remote.local;
    if (!this.#holders.delete(remote) || !file) return;
    remote.local = undefined;
    for (const abandoned of file.waiting) abandoned();
    file.waiting.clear();
    this.#close(file);
  }

  /** Closes a file that has been given up, unless a thread still reads from it: its number would become another file's. */
  #close({ threads, descriptor }: OpenLocalFile): void {
    if (threads === 0) this.#storage.close(descriptor);
  }

  /** Closes all: the next READs are the brick's, and it is asked again. */
  drop(): void {
    this.#generation++;
    for (const remote of this.#holders) this.forget(remote);
    for (const remote of this.#open()) remote.reads = 0;
  }
}
