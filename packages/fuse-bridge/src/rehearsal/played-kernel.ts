import { Errno, FopError, type FuseDevice, IoVec, OpenFlag, type Platform } from '@glusterts/libglusterfs';
import type { FuseBridge } from '../bridge.js';
import { DIRENT_SIZE, ENTRY_OUT_SIZE, FUSE_MAJOR, Fattr, OUT_HEADER_SIZE, Opcode, ROOT_NODEID } from '../protocol.js';
import { Arguments, CAPABILITY, type Caller, NO_ARGUMENTS, encodeRequest, nameSize } from './messages.js';

/** What Linux 6.12 sends in INIT: its minor version, and the flags that it offers. */
const KERNEL_MINOR = 45;
const KERNEL_FLAGS = 0x73fffffb;
const MAX_READAHEAD = 0x20000;
const READDIR_SIZE = 0x20000;
/** A WRITE of more comes with its data apart, see docs/architecture.md. */
const INLINE_MAX = 16384;
const FORGET_BATCH_MAX = 64;
const TWO_32 = 2 ** 32;
const OPEN_LARGEFILE = 0o100000;
const OPEN_DIRECTORY = 0o200000;
const OPEN_NONBLOCK = 0o4000;

/** A reply: errno, and what stands behind its header. */
interface Reply {
  readonly errno: number;
  readonly body: readonly Uint8Array[];
}

/** One name of a READDIRPLUS. */
export interface ListedEntry {
  readonly name: string;
  readonly nodeid: number;
}

/**
 * Linux's side of /dev/fuse, played: sends the requests that system calls become, and takes the answers. A bridge can't tell it from
 * the real one, but for what leaves to it: that goes nowhere.
 */
export class PlayedKernel {
  readonly device: FuseDevice;
  readonly #bridge: FuseBridge;
  readonly #platform: Platform;
  readonly #caller: Caller;
  readonly #owner: bigint;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  /** Nodes that were told of, and how often. */
  readonly #known = new Map<number, number>();
  #unique = 2;

  constructor(bridge: FuseBridge, platform: Platform, caller: Caller) {
    this.#bridge = bridge;
    this.#platform = platform;
    this.#caller = caller;
    this.#owner = Buffer.from(platform.random.bytes(8)).readBigUInt64LE();
    this.device = {
      write: (chunks) => this.#answered(chunks),
      notify: (messages) => Promise.resolve(messages.map(() => 0)),
      pause: () => undefined,
      resume: () => undefined,
      close: () => undefined,
    };
  }

  /** Requests that await their answers. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Requests so far. */
  get sent(): number {
    return this.#unique / 2 - 1;
  }

  /** The connection is cut: whoever still waits is told ENOTCONN. */
  close(): void {
    for (const answer of this.#waiting.values()) answer({ errno: Errno.ENOTCONN, body: [] });
    this.#waiting.clear();
    this.#known.clear();
  }

  async init(): Promise<void> {
    await this.#ask(Opcode.INIT, 0, new Arguments(64).u32(FUSE_MAJOR, KERNEL_MINOR, MAX_READAHEAD, KERNEL_FLAGS).bytes);
  }

  async getattr(nodeid: number): Promise<void> {
    await this.#ask(Opcode.GETATTR, nodeid, new Arguments(16).bytes);
  }

  /** utimensat() with both times now, as touch(1) asks for it. */
  async touch(nodeid: number): Promise<void> {
    const { sec, nsec } = this.#platform.clock.realtime();
    await this.#ask(Opcode.SETATTR, nodeid, new Arguments(88).u32(Fattr.ATIME | Fattr.MTIME | Fattr.ATIME_NOW | Fattr.MTIME_NOW, 0).u64(0, 0, 0, sec, sec, 0).u32(nsec, nsec).bytes);
  }

  /** The node under a name; undefined when there is none. */
  async lookup(parent: number, name: string): Promise<number | undefined> {
    const reply = await this.#send(Opcode.LOOKUP, parent, new Arguments(nameSize(name)).name(name).bytes);
    if (reply.errno === Errno.ENOENT) return undefined;
    return this.#told(this.#good(reply));
  }

  async mkdir(parent: number, name: string): Promise<number> {
    const reply = await this.#ask(Opcode.MKDIR, parent, new Arguments(8 + nameSize(name)).u32(0o777, 0o22).name(name).bytes);
    return this.#told(reply);
  }

  /** open(O_CREAT | flags). Node and file handle. */
  async create(parent: number, name: string, flags: number): Promise<{ node: number; fh: number }> {
    const reply = await this.#ask(Opcode.CREATE, parent, new Arguments(16 + nameSize(name)).u32(OPEN_LARGEFILE | OpenFlag.CREAT | flags, 0o100644, 0o22, 0).name(name).bytes);
    return { node: this.#told(reply), fh: u64(reply, ENTRY_OUT_SIZE) };
  }

  async open(node: number, flags: number): Promise<number> {
    return u64(await this.#ask(Opcode.OPEN, node, new Arguments(8).u32(OPEN_LARGEFILE | flags, 0).bytes), 0);
  }

  /** What Linux asks before the first WRITE to an inode. */
  async mayDropPrivileges(node: number): Promise<void> {
    await this.#send(Opcode.GETXATTR, node, new Arguments(8 + nameSize(CAPABILITY)).u32(0, 0).name(CAPABILITY).bytes);
  }

  async write(node: number, fh: number, offset: number, data: Uint8Array, flags: number): Promise<void> {
    const apart = data.length > INLINE_MAX;
    const body = new Arguments(40 + (apart ? 0 : data.length)).u64(fh, offset).u32(data.length, 0).u64(0).u32(OPEN_LARGEFILE | flags, 0);
    if (!apart) {
      await this.#ask(Opcode.WRITE, node, body.data(data).bytes);
      return;
    }
    const page = this.#platform.iobufs.get(data.length);
    page.memory.set(data);
    await this.#ask(Opcode.WRITE, node, body.bytes, new IoVec([page.memory.subarray(0, data.length)], [page]));
  }

  /** Bytes that were read. */
  async read(node: number, fh: number, offset: number, size: number, flags: number): Promise<number> {
    const reply = await this.#ask(Opcode.READ, node, new Arguments(40).u64(fh, offset).u32(size, 0).u64(0).u32(OPEN_LARGEFILE | flags, 0).bytes);
    return reply.body.reduce((sum, { length }) => sum + length, 0);
  }

  async fsync(node: number, fh: number): Promise<void> {
    await this.#ask(Opcode.FSYNC, node, new Arguments(16).u64(fh).bytes);
  }

  /** close(2): FLUSH, and RELEASE by nobody. */
  async closeFile(node: number, fh: number, flags: number): Promise<void> {
    await this.#ask(Opcode.FLUSH, node, new Arguments(24).u64(fh, 0).big(this.#owner).bytes);
    await this.#ask(Opcode.RELEASE, node, new Arguments(24).u64(fh).u32(OPEN_LARGEFILE | flags).bytes);
  }

  async rename(parent: number, name: string, newname: string): Promise<void> {
    await this.#ask(Opcode.RENAME, parent, new Arguments(8 + nameSize(name) + nameSize(newname)).u64(parent).name(name).name(newname).bytes);
  }

  async unlink(parent: number, name: string): Promise<void> {
    await this.#ask(Opcode.UNLINK, parent, new Arguments(nameSize(name)).name(name).bytes);
  }

  async rmdir(parent: number, name: string): Promise<void> {
    await this.#ask(Opcode.RMDIR, parent, new Arguments(nameSize(name)).name(name).bytes);
  }

  /** opendir, fstat, readdir to the end, closedir. */
  async list(node: number): Promise<ListedEntry[]> {
    const flags = OPEN_LARGEFILE | OPEN_DIRECTORY | OPEN_NONBLOCK;
    const fh = u64(await this.#ask(Opcode.OPENDIR, node, new Arguments(8).u32(flags, 0).bytes), 0);
    await this.getattr(node);
    const seen: ListedEntry[] = [];
    for (let offset = 0n; ; ) {
      const reply = await this.#ask(Opcode.READDIRPLUS, node, new Arguments(40).u64(fh).big(offset).u32(READDIR_SIZE, 0).u64(0).u32(flags, 0).bytes);
      const entries = Buffer.concat(reply.body);
      if (entries.length === 0) break;
      offset = this.#listed(entries, seen);
    }
    await this.#ask(Opcode.RELEASEDIR, node, new Arguments(24).u64(fh).u32(flags).bytes);
    return seen;
  }

  async statfs(): Promise<void> {
    await this.#ask(Opcode.STATFS, ROOT_NODEID, NO_ARGUMENTS);
  }

  /** What the kernel does with a node whose file is gone. */
  forget(node: number): void {
    const count = this.#known.get(node);
    if (count === undefined) return;
    this.#known.delete(node);
    this.#tell(Opcode.FORGET, node, new Arguments(8).u64(count).bytes);
  }

  /** echo 2 >/proc/sys/vm/drop_caches. @param kept nodes that are in use */
  forgetAll(...kept: readonly number[]): void {
    const nodes = [...this.#known].filter(([node]) => !kept.includes(node));
    for (let from = 0; from < nodes.length; from += FORGET_BATCH_MAX) {
      const batch = nodes.slice(from, from + FORGET_BATCH_MAX);
      const body = new Arguments(8 + 16 * batch.length).u32(batch.length, 0);
      for (const [node, count] of batch) {
        this.#known.delete(node);
        body.u64(node, count);
      }
      this.#tell(Opcode.BATCH_FORGET, 0, body.bytes);
    }
  }

  #listed(entries: Buffer, seen: ListedEntry[]): bigint {
    let offset = 0n;
    for (let at = 0; at < entries.length; ) {
      const dirent = at + ENTRY_OUT_SIZE;
      const length = entries.readUInt32LE(dirent + 16);
      offset = entries.readBigUInt64LE(dirent + 8);
      const name = entries.toString('latin1', dirent + DIRENT_SIZE, dirent + DIRENT_SIZE + length);
      const nodeid = entries.readUInt32LE(at + 4) * TWO_32 + entries.readUInt32LE(at);
      if (nodeid !== 0 && name !== '.' && name !== '..') {
        this.#known.set(nodeid, (this.#known.get(nodeid) ?? 0) + 1);
        seen.push({ name, nodeid });
      }
      at = dirent + ((DIRENT_SIZE + length + 7) & ~7);
    }
    return offset;
  }

  /** An entry_out counts a lookup. */
  #told(reply: Reply): number {
    const nodeid = u64(reply, 0);
    this.#known.set(nodeid, (this.#known.get(nodeid) ?? 0) + 1);
    return nodeid;
  }

  #good(reply: Reply): Reply {
    if (reply.errno !== 0) throw new FopError(reply.errno);
    return reply;
  }

  async #ask(opcode: (typeof Opcode)[keyof typeof Opcode], nodeid: number, body: Buffer, data?: IoVec): Promise<Reply> {
    return this.#good(await this.#send(opcode, nodeid, body, data));
  }

  #send(opcode: (typeof Opcode)[keyof typeof Opcode], nodeid: number, body: Buffer, data?: IoVec): Promise<Reply> {
    const unique = this.#nextUnique();
    return new Promise((resolve) => {
      this.#waiting.set(unique, resolve);
      // RELEASE and FORGET come from the kernel's own workers.
      const caller = opcode === Opcode.RELEASE || opcode === Opcode.RELEASEDIR ? NOBODY : this.#caller;
      this.#bridge.receive(encodeRequest(opcode, unique, nodeid, caller, body, data?.size), data);
    });
  }

  /** A request without an answer. */
  #tell(opcode: (typeof Opcode)[keyof typeof Opcode], nodeid: number, body: Buffer): void {
    this.#bridge.receive(encodeRequest(opcode, this.#nextUnique(), nodeid, NOBODY, body), undefined);
  }

  #nextUnique(): number {
    const unique = this.#unique;
    this.#unique += 2;
    return unique;
  }

  #answered(chunks: readonly Uint8Array[]): number {
    const [head, ...body] = chunks;
    if (!head) return -Errno.EINVAL;
    const view = Buffer.from(head.buffer, head.byteOffset, OUT_HEADER_SIZE);
    const unique = view.readUInt32LE(12) * TWO_32 + view.readUInt32LE(8);
    const answer = this.#waiting.get(unique);
    if (!answer) return -Errno.ENOENT;
    this.#waiting.delete(unique);
    answer({ errno: -view.readInt32LE(4), body });
    return 0;
  }
}

const NOBODY: Caller = { uid: 0, gid: 0, pid: 0 };

function u64(reply: Reply, at: number): number {
  const [body] = reply.body;
  if (!body || body.length < at + 8) throw new FopError(Errno.EIO, undefined, 'an answer is too short');
  const view = Buffer.from(body.buffer, body.byteOffset, body.length);
  return view.readUInt32LE(at + 4) * TWO_32 + view.readUInt32LE(at);
}
