import { Words } from './trace-file.ts';

/** One message of a file of --dump-fuse (spec/client.md, §6.14). */
export interface DumpRecord {
  readonly direction: 'R' | 'W';
  readonly message: Buffer;
}

const SIGNATURE = Buffer.from('GLUSTER\xf5', 'latin1');

/** Throws when it is no such file; a record that is not whole yet is left out. */
export function parseDump(dump: Buffer): DumpRecord[] {
  const records: DumpRecord[] = [];
  for (let at = 0; at + 37 <= dump.length; ) {
    const direction = dump.toString('latin1', at, at + 1);
    if ((direction !== 'R' && direction !== 'W') || dump.readUInt32LE(at + 1) !== 3 || dump.readUInt32LE(at + 5) !== 16 || dump.readUInt32LE(at + 21) !== 12) throw new Error(`no record at ${at}`);
    if (!dump.subarray(at + 25, at + 33).equals(SIGNATURE)) throw new Error(`no signature at ${at + 25}`);
    const length = dump.readUInt32LE(at + 33);
    if (at + 33 + length > dump.length) break;
    records.push({ direction, message: dump.subarray(at + 33, at + 33 + length) });
    at += 33 + length;
  }
  return records;
}

const FORGET = 2;
const CREATE = 35;
const MKDIR = 9;
const BATCH_FORGET = 42;
const NOTIFY_INVAL_ENTRY = 3;

/** The trace's text of what is forgotten: FORGETs, one line for each node, and INVAL_ENTRYs; nodes are named in the order in which they were made. */
export function forgettingText(records: readonly DumpRecord[]): string[] {
  const making = new Set<bigint>();
  const names = new Map<bigint, string>();
  const lines: string[] = [];
  const forget = (node: bigint, count: bigint): void => void lines.push(`-> FORGET       node=${names.get(node) ?? String(node)} nlookup=${count}`);
  for (const { direction, message } of records) {
    const code = message.readInt32LE(4);
    const unique = message.readBigUInt64LE(8);
    if (direction === 'R') {
      if (code === MKDIR || code === CREATE) making.add(unique);
      else if (code === FORGET) forget(message.readBigUInt64LE(16), message.readBigUInt64LE(40));
      else if (code === BATCH_FORGET) for (let at = 48; at < message.length; at += 16) forget(message.readBigUInt64LE(at), message.readBigUInt64LE(at + 8));
    } else if (unique === 0n && code === NOTIFY_INVAL_ENTRY) {
      const parent = message.readBigUInt64LE(16);
      lines.push(`!! INVAL_ENTRY parent=${names.get(parent) ?? String(parent)} name='${message.toString('latin1', 32, 32 + message.readUInt32LE(24))}'`);
    } else if (making.delete(unique) && code === 0) names.set(message.readBigUInt64LE(16), `N${names.size + 1}`);
  }
  return lines;
}

/** Sorts FORGETs behind the notifications, each by its number: when the kernel gets to them is its own affair. */
export function inAnyOrder(lines: readonly string[]): string[] {
  const node = (line: string): number => Number((new Words(line).text('node') ?? '').slice(1));
  return [...lines.filter((line) => line.startsWith('!!')), ...lines.filter((line) => line.startsWith('->')).sort((a, b) => node(a) - node(b))];
}
