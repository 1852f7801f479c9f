import { type Names, type TraceLine, Words } from './trace-file.ts';

/** linux/fuse.h; by the names of the traces. */
export const OPCODES: Readonly<Record<string, number>> = {
  LOOKUP: 1, FORGET: 2, GETATTR: 3, SETATTR: 4, READLINK: 5, SYMLINK: 6, MKNOD: 8, MKDIR: 9, UNLINK: 10, RMDIR: 11, RENAME: 12, LINK: 13, OPEN: 14, READ: 15, WRITE: 16, STATFS: 17,
  RELEASE: 18, FSYNC: 20, SETXATTR: 21, GETXATTR: 22, LISTXATTR: 23, REMOVEXATTR: 24, FLUSH: 25, INIT: 26, OPENDIR: 27, READDIR: 28, RELEASEDIR: 29, FSYNCDIR: 30, SETLKW: 33,
  CREATE: 35, INTERRUPT: 36, IOCTL: 39, FALLOCATE: 43, READDIRPLUS: 44, RENAME2: 45, LSEEK: 46,
};
/** STATX: one of those of which a dump has only the answer, which is named 0. */
export const UNKNOWN_OPCODE = 52;

const IN_HEADER_SIZE = 40;
const FSYNC_BODY_SIZE = 16;

/** What requests carry and a trace doesn't say. */
export interface Unsaid {
  /** Value of a SETXATTR of this name and size. */
  xattr(name: string, size: number): Buffer;
  /** The number of the request that an INTERRUPT is for. */
  interrupted(): number;
  /** `off=` of a READDIRPLUS, which is the brick's: that of our last answer, when the trace's isn't 0. */
  directoryOffset(traced: bigint): bigint;
}

class Body {
  readonly #parts: Buffer[] = [];

  u32(...values: number[]): this {
    for (const value of values) {
      const part = Buffer.alloc(4);
      part.writeUInt32LE(value >>> 0);
      this.#parts.push(part);
    }
    return this;
  }

  u64(...values: bigint[]): this {
    for (const value of values) {
      const part = Buffer.alloc(8);
      part.writeBigUInt64LE(BigInt.asUintN(64, value));
      this.#parts.push(part);
    }
    return this;
  }

  name(text: string): this {
    this.#parts.push(Buffer.from(`${text}\0`, 'latin1'));
    return this;
  }

  bytes(bytes: Buffer): this {
    this.#parts.push(bytes);
    return this;
  }

  get buffer(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** The kernel's message for a request of a trace. */
export function encodeRequest(line: TraceLine, unique: number, names: Names, unsaid: Unsaid): Buffer {
  const words = new Words(line.rest);
  const opcode = OPCODES[line.op];
  if (opcode === undefined) throw new Error(`no opcode of ${line.op}`);
  return message(opcode, unique, names.nodeNumber(words.text('node') ?? '0'), bodyOf(line.op, words, names, unsaid));
}

export function message(opcode: number, unique: number, node: bigint, body: Buffer): Buffer {
  const header = new Body().u32(IN_HEADER_SIZE + body.length, opcode).u64(BigInt(unique), node).u32(0, 0, process.pid, 0);
  return Buffer.concat([header.buffer, body]);
}

function bodyOf(op: string, words: Words, names: Names, unsaid: Unsaid): Buffer {
  const [first = '', second = ''] = words.strings;
  const fh = names.fileNumber(words.text('fh') ?? '0');
  // One for each open file: who opens twice in these traces is two processes.
  const owner = words.text('lock_owner') === 'set' || op === 'SETLKW' ? 0xa511d9618c90ae00n + fh : 0n;
  const body = new Body();
  switch (op) {
    case 'INIT':
      return body.u32(words.number('major'), words.number('minor'), words.number('max_readahead'), words.number('flags'), words.number('flags2')).bytes(Buffer.alloc(44)).buffer;
    case 'LOOKUP': case 'UNLINK': case 'RMDIR': case 'REMOVEXATTR':
      return body.name(first).buffer;
    case 'FORGET':
      return body.u64(words.big('nlookup')).buffer;
    case 'GETATTR':
      return body.u32(words.number('flags'), 0).u64(fh).buffer;
    case 'SETATTR':
      return body.u32(words.number('valid'), 0).u64(fh, words.big('size'), owner, 1_700_000_000n, 1_700_000_000n, 0n).u32(0, 0, 0, words.octal('mode'), 0, words.number('uid'), words.number('gid'), 0).buffer;
    case 'READLINK': case 'STATFS':
      return body.buffer;
    case 'SYMLINK':
      return body.name(words.text('name') ?? '').name(words.text('target') ?? '').buffer;
    case 'MKNOD':
      return body.u32(words.octal('mode'), words.number('rdev'), words.octal('umask'), 0).name(first).buffer;
    case 'MKDIR':
      return body.u32(words.octal('mode'), words.octal('umask')).name(first).buffer;
    case 'RENAME':
      return body.u64(names.nodeNumber(words.text('newdir') ?? '')).name(first).name(second).buffer;
    case 'RENAME2':
      return body.u64(names.nodeNumber(words.text('newdir') ?? '')).u32(words.number('flags'), 0).name(first).name(second).buffer;
    case 'LINK':
      return body.u64(names.nodeNumber(words.text('oldnode') ?? '')).name(words.text('newname') ?? '').buffer;
    case 'OPEN': case 'OPENDIR':
      return body.u32(words.number('flags'), 0).buffer;
    case 'CREATE':
      return body.u32(words.number('flags'), words.octal('mode'), words.octal('umask'), 0).name(first).buffer;
    case 'READ':
      return body.u64(fh, words.big('off')).u32(words.number('size'), words.number('read_flags')).u64(0n).u32(words.number('flags'), 0).buffer;
    case 'READDIRPLUS':
      return body.u64(fh, unsaid.directoryOffset(words.big('off'))).u32(words.number('size'), words.number('read_flags')).u64(0n).u32(words.number('flags'), 0).buffer;
    case 'WRITE':
      return body.u64(fh, words.big('off')).u32(words.number('size'), words.number('write_flags')).u64(0n).u32(words.number('flags'), 0).bytes(Buffer.alloc(words.number('size'), 'w')).buffer;
    case 'RELEASE': case 'RELEASEDIR':
      return body.u64(fh).u32(words.number('flags'), words.number('release_flags')).u64(0n).buffer;
    case 'FLUSH':
      return body.u64(fh).u32(0, 0).u64(owner).buffer;
    case 'FSYNC':
      return body.u64(fh).u32(words.number('fsync_flags'), 0).buffer.subarray(0, FSYNC_BODY_SIZE);
    case 'SETXATTR':
      return body.u32(words.number('size'), words.number('flags')).name(first).bytes(unsaid.xattr(first, words.number('size'))).buffer;
    case 'GETXATTR':
      return body.u32(words.number('size'), 0).name(first).buffer;
    case 'LISTXATTR':
      return body.u32(words.number('size'), 0).buffer;
    case 'SETLKW':
      return body.u64(fh, owner, words.big('start'), words.big('end')).u32(words.number('type'), process.pid, words.number('lk_flags'), 0).buffer;
    case 'INTERRUPT':
      return body.u64(BigInt(unsaid.interrupted())).buffer;
    case 'IOCTL':
      return body.u64(fh).u32(0, words.number('cmd')).u64(0n).u32(0, 0).buffer;
    case 'FALLOCATE':
      return body.u64(fh, words.big('off'), words.big('len')).u32(words.number('mode'), 0).buffer;
    case 'LSEEK':
      return body.u64(fh, words.big('off')).u32(words.number('whence'), 0).buffer;
    default:
      throw new Error(`no body of ${op}`);
  }
}
