import { describe, expect, it } from 'vitest';
import { packedEntries, packedReply } from '../src/index.js';

/** `a`, as a brick tells it whose stat has failed. */
function entry(): Buffer {
  const bytes = Buffer.alloc(4 + 24 + 4 + 4 + 148 + 12);
  bytes.writeUInt32BE(1, 0);
  bytes.writeBigUInt64BE(7n, 4);
  bytes.writeBigUInt64BE(9n, 12);
  bytes.writeUInt32BE(1, 20);
  bytes.writeUInt32BE(8, 24);
  bytes.writeUInt32BE(1, 28);
  bytes.write('a', 32, 'latin1');
  bytes.writeInt32BE(-1, bytes.length - 8);
  return bytes;
}

describe('entries that are packed', () => {
  it('stay so until somebody looks at them, and are the asker\'s from then on', () => {
    const reply = packedReply({ chunks: [entry(), entry()], count: 2 }, true, undefined);
    expect(packedEntries(reply)?.count).toBe(2);
    expect(reply.entries).toMatchObject([{ name: 'a', d_ino: 7n, d_off: 9n, d_type: 8, dict: undefined, inode: undefined }, { name: 'a' }]);
    expect(packedEntries(reply)).toBeUndefined();
    reply.entries.pop();
    expect(reply.entries).toHaveLength(1);
  });

  it('are in a copy of the reply, and a reply without them has none', () => {
    const copy = { ...packedReply({ chunks: [entry()], count: 1 }, true, undefined), eof: false };
    expect(copy.entries).toHaveLength(1);
    expect(packedEntries(copy)).toBeUndefined();
  });

  it('are refused when they are cut short', () => {
    for (let size = 1; size < entry().length; size += 7) expect(() => packedReply({ chunks: [entry().subarray(0, size)], count: 1 }, true, undefined).entries).toThrow();
  });
});
