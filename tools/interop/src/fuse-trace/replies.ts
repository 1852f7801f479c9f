import { type Names, Words } from './trace-file.ts';

/** What of a request its answer's text depends on. */
export interface Asked {
  readonly op: string;
  /** `size=` of the request. */
  readonly size: number;
}

const OUT_HEADER_SIZE = 16;
const ENTRY_OUT_SIZE = 128;
const DIRENT_SIZE = 24;
const S_IFMT = 0o170000;
const S_IFLNK = 0o120000;
const S_IFDIR = 0o040000;

/**
 * The text of an answer, as the traces have it. Names for numbers that come the first time are taken from `expected`, the
 * trace's own text. Offsets and the order of names in a directory, and how large a directory is, are the brick's file system's:
 * {@link comparable} takes them out of both.
 */
export function replyText(asked: Asked, reply: Buffer, names: Names, expected: string): string {
  const error = reply.readInt32LE(4);
  if (error !== 0) return `error=${error}`;
  const body = reply.subarray(OUT_HEADER_SIZE);
  const words = new Words(expected);
  switch (asked.op) {
    case 'INIT':
      return `major=${body.readUInt32LE(0)} minor=${body.readUInt32LE(4)} max_readahead=${body.readUInt32LE(8)} flags=0x${body.readUInt32LE(12).toString(16)} max_background=${body.readUInt16LE(16)} `
        + `congestion_threshold=${body.readUInt16LE(18)} max_write=${body.readUInt32LE(20)} len=${body.length} time_gran=${body.readUInt32LE(24)}`;
    case 'LOOKUP': case 'MKDIR': case 'MKNOD': case 'SYMLINK': case 'LINK':
      return entry(body, names, words.text('nodeid'));
    case 'CREATE':
      return `${entry(body, names, words.text('nodeid'))} ${opened(body.subarray(ENTRY_OUT_SIZE), names, words)}`;
    case 'GETATTR': case 'SETATTR':
      return `attr_valid=${seconds(body, 0, 8)} ${attributes(body.subarray(16), false)}`;
    case 'OPEN': case 'OPENDIR':
      return opened(body, names, words);
    case 'WRITE':
      return `size=${body.readUInt32LE(0)}`;
    case 'READ':
      return `bytes=${body.length}`;
    case 'READLINK':
      return bytesText(body);
    case 'GETXATTR': case 'LISTXATTR':
      return asked.size === 0 ? `size=${body.readUInt32LE(0)}` : `value=${bytesText(body)}`;
    case 'STATFS':
      return `bsize=${body.readUInt32LE(40)} namelen=${body.readUInt32LE(44)} frsize=${body.readUInt32LE(48)}`;
    case 'LSEEK':
      return `offset=${body.readBigUInt64LE(0)}`;
    case 'READDIRPLUS':
      return directory(body, names, expected);
    default:
      return body.length === 0 ? 'ok' : `${body.length} bytes of ${asked.op}`;
  }
}

/** `off` of the last entry of a READDIRPLUS; undefined: there is none. */
export function lastOffset(reply: Buffer): bigint | undefined {
  return [...direntsOf(reply.subarray(OUT_HEADER_SIZE))].at(-1)?.offset;
}

function seconds(body: Buffer, at: number, nsecAt: number): string {
  return `${body.readBigUInt64LE(at)}.${String(body.readUInt32LE(nsecAt)).padStart(9, '0')}`;
}

/** struct fuse_entry_out. */
function entry(body: Buffer, names: Names, expected: string | undefined): string {
  const node = names.nodeName(body.readBigUInt64LE(0), expected);
  return `nodeid=${node} gen=${body.readBigUInt64LE(8)} entry_valid=${seconds(body, 16, 32)} attr_valid=${seconds(body, 24, 36)} ${attributes(body.subarray(40), true)}`;
}

/** struct fuse_attr. */
function attributes(attr: Buffer, blocks: boolean): string {
  const mode = attr.readUInt32LE(60);
  return `mode=${mode.toString(8)} nlink=${attr.readUInt32LE(64)} size=${attr.readBigUInt64LE(8)} ${blocks ? `blocks=${attr.readBigUInt64LE(16)} ` : ''}blksize=${attr.readUInt32LE(80)}`;
}

function opened(body: Buffer, names: Names, expected: Words): string {
  return `fh=${names.openedName(body.readBigUInt64LE(0), expected.text('fh'))} open_flags=${body.readUInt32LE(8)}`;
}

interface Dirent {
  readonly name: string;
  readonly node: bigint;
  readonly type: number;
  readonly offset: bigint;
  readonly entryValid: bigint;
  readonly attrValid: bigint;
}

function* direntsOf(body: Buffer): Generator<Dirent> {
  for (let at = 0; at < body.length; ) {
    const dirent = body.subarray(at + ENTRY_OUT_SIZE);
    const length = dirent.readUInt32LE(16);
    yield {
      name: dirent.toString('latin1', DIRENT_SIZE, DIRENT_SIZE + length), node: body.readBigUInt64LE(at), type: dirent.readUInt32LE(20), offset: dirent.readBigUInt64LE(8),
      entryValid: body.readBigUInt64LE(at + 16), attrValid: body.readBigUInt64LE(at + 24),
    };
    at += ENTRY_OUT_SIZE + ((DIRENT_SIZE + length + 7) & ~7);
  }
}

function directory(body: Buffer, names: Names, expected: string): string {
  const nodes = new Map([...expected.matchAll(/([^\s[,]+)\(nodeid=(\w+),/g)].map(([, name, node]) => [name ?? '', node ?? '']));
  const entries = [...direntsOf(body)].map(({ name, node, type, offset, entryValid, attrValid }) =>
    `${name}(nodeid=${names.nodeName(node, nodes.get(name))},type=${type},off=${offset},entry_valid=${entryValid},attr_valid=${attrValid})`);
  return `bytes=${body.length} [${entries.join(', ')}]`;
}

/** As Python writes bytes. */
function bytesText(bytes: Buffer): string {
  let text = '';
  for (const byte of bytes) text += byte === 0x5c ? '\\\\' : byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  return `b'${text}'`;
}

/** A line without what is another on every disk and in every run. */
export function comparable(op: string, text: string): string {
  let line = text.replace(/ \(or 8 bytes of value b'.*'\)$/, '');
  // How large a directory is, and whether the xattrs of a link lie in a block of their own, is the file system's affair.
  const type = Number.parseInt(/\bmode=(\d+)/.exec(line)?.[1] ?? '0', 8) & S_IFMT;
  if (type === S_IFDIR) line = line.replace(/ size=\d+/, '');
  if (type === S_IFDIR || type === S_IFLNK) line = line.replace(/ blocks=\d+/, '');
  // The order of names is that of their hashes in the brick's directory, and so are the offsets.
  const entries = /^(bytes=\d+) \[(.*)\]$/.exec(line);
  if (op === 'READDIRPLUS' && entries) line = `${String(entries[1])} ${(entries[2] ?? '').replace(/off=\d+,/g, '').split(', ').sort().join(', ')}`;
  return line.replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/, 'UUID');
}
