import type { Bytes } from './bytes.js';
import { readTypedDict } from './dict-typed.js';
import type { Direntp, ReaddirReply, Xdata } from './fops.js';
import { readIattx } from './iatt-wire.js';
import { WireFormatError, type WireSource, padded, take, wireSource } from './wire-cursor.js';

/** d_ino, d_off, d_len, d_type. */
const HEAD_SIZE = 24;

/**
 * The entries of a READDIRP as they are sent (gfx_dirplist, each after a 1; spec/rpc-wire.md, §5.4): a brick makes them in one go, and where nobody
 * on their way looks at one, none becomes an object.
 */
export interface PackedEntries {
  readonly chunks: readonly Uint8Array[];
  readonly count: number;
}

/** A reply whose entries are taken apart when somebody asks for them. From then on they are the asker's to change, and no longer packed. */
class PackedReply implements ReaddirReply<Direntp> {
  declare entries: Direntp[];
  readonly eof: boolean;
  readonly xdata: Xdata;
  #packed: PackedEntries | undefined;
  #entries: Direntp[] | undefined;

  constructor(packed: PackedEntries, eof: boolean, xdata: Xdata) {
    this.#packed = packed;
    this.eof = eof;
    this.xdata = xdata;
    // Its own, so that copies of the reply have it.
    Object.defineProperty(this, 'entries', { enumerable: true, get: () => this.#unpack() });
  }

  #unpack(): Direntp[] {
    this.#entries ??= unpackEntries(this.#packed ?? { chunks: [], count: 0 });
    this.#packed = undefined;
    return this.#entries;
  }

  static packedOf(reply: ReaddirReply<Direntp>): PackedEntries | undefined {
    return #packed in reply ? reply.#packed : undefined;
  }
}

/** A reply of readdirp. Its entries have no inodes. */
export function packedReply(packed: PackedEntries, eof: boolean, xdata: Xdata): ReaddirReply<Direntp> {
  return new PackedReply(packed, eof, xdata);
}

/** The entries of a reply that nobody has looked at yet; undefined when it has `entries` only. */
export function packedEntries(reply: ReaddirReply<Direntp>): PackedEntries | undefined {
  return PackedReply.packedOf(reply);
}

function unpackEntries({ chunks }: PackedEntries): Direntp[] {
  const entries: Direntp[] = [];
  for (const chunk of chunks) for (const source = wireSource(chunk); source.position < source.end; ) {
    take(source, 4);
    entries.push(readDirentp(source));
  }
  return entries;
}

/** Reads a gfx_dirplist. It has no inode. Throws WireFormatError. */
export function readDirentp(source: WireSource): Direntp {
  const { view } = source;
  const at = take(source, HEAD_SIZE + 4);
  const size = view.getUint32(at + HEAD_SIZE);
  if (size > source.end - source.position) throw new WireFormatError(`a name of ${size} bytes in ${source.end - source.position}`);
  const start = take(source, padded(size));
  return {
    d_ino: view.getBigUint64(at), d_off: view.getBigUint64(at + 8), d_type: view.getUint32(at + 20),
    name: source.bytes.toString('latin1', start, start + size) as Bytes, stat: readIattx(source), dict: readTypedDict(source), inode: undefined,
  };
}
