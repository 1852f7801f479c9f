import { type Bytes, Iatt, IoVec, gfidParse, ROOT_GFID } from '@glusterts/libglusterfs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FuseProtocolError, decodeRequest } from '../src/decode.js';
import { decodeRdev, encodeAttr, encodeCreate, encodeEntry, encodeInvalEntry, encodeInvalInode, encodeLk, encodeOutHeader, encodeRdev, encodeStatfs, validity, writeDirent } from '../src/encode.js';
import { fuzzRequest } from '../src/fuzz.js';
import { Opcode } from '../src/protocol.js';

/** A request as linux/fuse.h lays it out. */
function message(opcode: number, body: Buffer, init: { unique?: bigint; nodeid?: bigint; len?: number } = {}): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt32LE(init.len ?? 40 + body.length, 0);
  header.writeUInt32LE(opcode, 4);
  header.writeBigUInt64LE(init.unique ?? 6n, 8);
  header.writeBigUInt64LE(init.nodeid ?? 1n, 16);
  header.writeUInt32LE(1000, 24);
  header.writeUInt32LE(100, 28);
  header.writeUInt32LE(4321, 32);
  return Buffer.concat([header, body]);
}

function words(...values: (number | bigint | string)[]): Buffer {
  return Buffer.concat(values.map((value) => {
    if (typeof value === 'string') return Buffer.from(`${value}\0`, 'latin1');
    const out = Buffer.alloc(typeof value === 'bigint' ? 8 : 4);
    if (typeof value === 'bigint') out.writeBigUInt64LE(value);
    else out.writeUInt32LE(value);
    return out;
  }));
}

const body = (opcode: number, ...values: (number | bigint | string)[]): unknown => decodeRequest(message(opcode, words(...values))).body;

describe('decodeRequest', () => {
  it('reads the header', () => {
    expect(decodeRequest(message(Opcode.LOOKUP, words('name\xff'), { unique: 1n << 40n, nodeid: 77n }))).toEqual({
      header: { opcode: 1, unique: 2 ** 40, nodeid: 77, uid: 1000, gid: 100, pid: 4321 }, body: { op: 'lookup', name: 'name\xff' },
    });
  });

  it('reads the arguments of every kind of request', () => {
    expect(body(Opcode.GETATTR, 1, 0, 5n)).toEqual({ op: 'getattr', fh: 5 });
    expect(body(Opcode.GETATTR, 0, 0, 0n)).toEqual({ op: 'getattr', fh: undefined });
    expect(body(Opcode.SYMLINK, 'l', '/target/x')).toEqual({ op: 'symlink', name: 'l', target: '/target/x' });
    expect(body(Opcode.MKNOD, 0o100644, 0, 0o22, 0, 'f')).toEqual({ op: 'mknod', mode: 0o100644, rdev: 0, umask: 0o22, name: 'f' });
    expect(body(Opcode.MKDIR, 0o755, 0o22, 'd')).toEqual({ op: 'mkdir', mode: 0o755, umask: 0o22, name: 'd' });
    expect(body(Opcode.RENAME, 9n, 'a', 'b')).toEqual({ op: 'rename', newdir: 9, name: 'a', newname: 'b' });
    expect(body(Opcode.LINK, 9n, 'a')).toEqual({ op: 'link', oldnodeid: 9, name: 'a' });
    expect(body(Opcode.CREATE, 0o101, 0o644, 0o22, 0, 'n')).toEqual({ op: 'create', flags: 0o101, mode: 0o644, umask: 0o22, name: 'n' });
    expect(body(Opcode.READ, 3n, 4096n, 131072, 0, 0n, 0o100000, 0)).toEqual({ op: 'read', fh: 3, offset: 4096, size: 131072, flags: 0o100000, owner: '' });
    expect(body(Opcode.FLUSH, 3n, 0, 0, 0x0102030405060708n)).toEqual({ op: 'flush', fh: 3, owner: '\x08\x07\x06\x05\x04\x03\x02\x01' });
    expect(body(Opcode.RELEASE, 3n, 2, 0, 0n)).toEqual({ op: 'release', fh: 3, flags: 2, owner: '' });
    expect(body(Opcode.FSYNC, 3n, 1, 0)).toEqual({ op: 'fsync', fh: 3, datasync: true });
    expect(body(Opcode.GETXATTR, 100, 0, 'user.a')).toEqual({ op: 'getxattr', name: 'user.a', size: 100 });
    expect(body(Opcode.READDIRPLUS, 3n, 2n ** 63n - 1n, 4096, 0, 0n, 0, 0)).toEqual({ op: 'readdirplus', fh: 3, offset: 2n ** 63n - 1n, size: 4096 });
    expect(body(Opcode.SETLKW, 3n, 7n, 10n, 2n ** 63n - 1n, 1, 55, 1, 0)).toEqual({ op: 'setlkw', fh: 3, owner: '\x07\0\0\0\0\0\0\0', lock: { start: 10n, end: 2n ** 63n - 1n, type: 1, pid: 55 }, lk_flags: 1 });
    expect(body(Opcode.INTERRUPT, 8n)).toEqual({ op: 'interrupt', target: 8 });
    expect(body(Opcode.BATCH_FORGET, 2, 0, 5n, 1n, 6n, 3n)).toEqual({ op: 'forget', forgets: [{ nodeid: 5, nlookup: 1 }, { nodeid: 6, nlookup: 3 }] });
    expect(body(Opcode.FALLOCATE, 3n, 10n, 20n, 3, 0)).toEqual({ op: 'fallocate', fh: 3, offset: 10, length: 20, mode: 3 });
    expect(body(Opcode.LSEEK, 3n, 10n, 4, 0)).toEqual({ op: 'lseek', fh: 3, offset: 10, whence: 4 });
    expect(body(47, 1n, 2n)).toEqual({ op: 'unsupported' });
    // fuse_setattr_in: valid, -, fh, size, lock_owner, atime, mtime, ctime, three nsecs, mode, -, uid, gid, -
    expect(body(Opcode.SETATTR, 0x1b0, 0, 4n, 2n ** 64n - 1n, 0n, 100n, 2n ** 64n - 5n, 300n, 1, 2, 3, 0o644, 0, 11, 12, 0)).toEqual({
      op: 'setattr', valid: 0x1b0, fh: undefined, size: 0, owner: '', atime: 100, mtime: -5, ctime: 300, atimensec: 1, mtimensec: 2, ctimensec: 3, mode: 0o644, uid: 11, gid: 12,
    });
    const { value, ...set } = body(Opcode.SETXATTR, 3, 1, 'user.a', 'xy') as { value: Uint8Array };
    expect([set, Buffer.from(value).toString('latin1')]).toEqual([{ op: 'setxattr', name: 'user.a', flags: 1 }, 'xy\0']);
  });

  it('takes the data of a WRITE from the message, or from beside it', () => {
    const head = words(3n, 4096n, 5, 0, 9n, 0o1, 0);
    const inside = decodeRequest(message(Opcode.WRITE, Buffer.concat([head, Buffer.from('hello')]))).body;
    expect(inside).toMatchObject({ op: 'write', fh: 3, offset: 4096, size: 5, data: Buffer.from('hello') });
    const payload = IoVec.from(Buffer.from('hello'));
    expect(decodeRequest(message(Opcode.WRITE, head, { len: 85 }), payload).body).toMatchObject({ op: 'write', data: payload });
    expect(() => decodeRequest(message(Opcode.WRITE, head, { len: 84 }), IoVec.from(Buffer.from('hell')))).toThrow(FuseProtocolError);
  });

  it.each([
    ['no header', Buffer.alloc(39)],
    ['another length than it says', message(Opcode.STATFS, words(1), { len: 40 })],
    ['a name without an end', message(Opcode.LOOKUP, Buffer.from('abc'))],
    ['an empty name', message(Opcode.LOOKUP, words(''))],
    ['a slash in a name', message(Opcode.UNLINK, words('a/b'))],
    ['a name of 1025 bytes', message(Opcode.RMDIR, words('x'.repeat(1025)))],
    ['too few arguments', message(Opcode.READ, words(1n))],
    ['more forgets than bytes', message(Opcode.BATCH_FORGET, words(0x10000000, 0, 1n, 1n))],
    ['an xattr shorter than its size', message(Opcode.SETXATTR, words(100, 0, 'user.a', 'x'))],
    ['an offset beyond 2^53', message(Opcode.READ, words(3n, 2n ** 63n, 1, 0, 0n, 0, 0))],
    ['a node id beyond 2^53', message(Opcode.STATFS, Buffer.alloc(0), { nodeid: 2n ** 60n })],
    ['data with another request', message(Opcode.STATFS, Buffer.alloc(0))],
  ])('refuses a message with %s', (_what, bytes) => {
    expect(() => decodeRequest(bytes, _what.startsWith('data') ? IoVec.from(Buffer.alloc(0)) : undefined)).toThrow(FuseProtocolError);
  });

  it('throws nothing but FuseProtocolError, whatever the bytes', () => {
    const opcodes = Object.values(Opcode);
    fc.assert(
      fc.property(fc.constantFrom(...opcodes), fc.uint8Array({ maxLength: 200 }), fc.nat(220), (opcode, bytes, cut) => {
        const whole = message(opcode, Buffer.from(bytes));
        const some = whole.subarray(0, Math.min(whole.length, cut + 20));
        if (some.length >= 4 && cut % 2) some.writeUInt32LE(some.length, 0);
        try {
          decodeRequest(some);
        } catch (error) {
          if (!(error instanceof FuseProtocolError)) throw error;
        }
      }),
      { numRuns: 20_000 },
    );
  });
});

describe('the fuzzer', () => {
  it('finds nothing in 50,000 seeds, and decodes many of them', () => {
    let decoded = 0;
    for (let seed = 0; seed < 50_000; seed++) if (fuzzRequest(seed)) decoded++;
    expect(decoded).toBeGreaterThan(5000);
  });
});

describe('replies', () => {
  const stat = new Iatt().setGfid(gfidParse('01020304-0506-4708-890a-0b0c0d0e0f10') ?? ROOT_GFID);
  stat.mode = 0o100644;
  stat.ia_nlink = 2;
  stat.ia_uid = 3;
  stat.ia_gid = 4;
  stat.ia_size = 5_000_000_000;
  stat.ia_blocks = 6;
  stat.ia_atime = 7;
  stat.ia_mtime = -8;
  stat.ia_ctime_nsec = 9;

  it('lay out attributes as fuse_attr', () => {
    const out = encodeAttr(validity(2.25), stat, false, false);
    expect(out.length).toBe(104);
    expect([out.readBigUInt64LE(0), out.readUInt32LE(8)]).toEqual([2n, 250_000_000]);
    expect(out.readBigUInt64LE(16)).toBe(0x890a0b0c0d0e0f10n);
    expect(out.readBigUInt64LE(24)).toBe(5_000_000_000n);
    expect(out.readBigUInt64LE(32)).toBe(6n);
    expect(out.readBigUInt64LE(40)).toBe(7n);
    expect(out.readBigInt64LE(48)).toBe(-8n);
    expect(out.readUInt32LE(72)).toBe(9);
    expect([76, 80, 84, 88, 92, 96].map((at) => out.readUInt32LE(at))).toEqual([0o100644, 2, 3, 4, 0, 131072]);
    expect(encodeAttr(validity(1), stat, true, false).readBigUInt64LE(16)).toBe(1n);
    expect(encodeAttr(validity(1), stat, false, true).readBigUInt64LE(16)).toBe(0x0d0e0f10n ^ 0x890a0b0cn);
  });

  it('lay out entries and creations', () => {
    const entry = { nodeid: 12, entry: validity(0.5), attr: validity(1), stat };
    const out = encodeEntry(entry, false);
    expect(out.length).toBe(128);
    expect([out.readBigUInt64LE(0), out.readBigUInt64LE(8), out.readBigUInt64LE(16), out.readBigUInt64LE(24), out.readUInt32LE(32), out.readUInt32LE(36)]).toEqual([12n, 0n, 0n, 1n, 500_000_000, 0]);
    const created = encodeCreate(entry, false, 5, 2);
    expect([created.length, created.readBigUInt64LE(128), created.readUInt32LE(136)]).toEqual([144, 5n, 2]);
  });

  it('pad directory entries to 8 bytes', () => {
    const out = Buffer.alloc(64, 0xee);
    expect(writeDirent(out, 0, { d_ino: 3n, d_off: 2n ** 63n - 1n, d_type: 8, name: 'abc\xff' as Bytes }, false)).toBe(32);
    expect([out.readBigUInt64LE(0), out.readBigUInt64LE(8), out.readUInt32LE(16), out.readUInt32LE(20)]).toEqual([3n, 2n ** 63n - 1n, 4, 8]);
    expect(out.subarray(24, 32).toString('latin1')).toBe('abc\xff\0\0\0\0');
  });

  it('have headers, notifications, locks and sizes in their places', () => {
    const header = encodeOutHeader(2 ** 40 + 2, -2, 0);
    expect([header.readUInt32LE(0), header.readInt32LE(4), header.readBigUInt64LE(8)]).toEqual([16, -2, 2n ** 40n + 2n]);
    const inode = encodeInvalInode(7);
    expect([inode.length, inode.readUInt32LE(0), inode.readInt32LE(4), inode.readBigUInt64LE(8), inode.readBigUInt64LE(16), inode.readBigUInt64LE(24), inode.readBigInt64LE(32)]).toEqual([40, 40, 2, 0n, 7n, 0n, -1n]);
    const entry = encodeInvalEntry(7, 'ab' as Bytes);
    expect([entry.length, entry.readUInt32LE(0), entry.readInt32LE(4), entry.readBigUInt64LE(16), entry.readUInt32LE(24), entry.subarray(32).toString('latin1')]).toEqual([35, 35, 3, 7n, 2, 'ab\0']);
    expect(encodeLk({ start: 1n, end: 2n ** 63n - 1n, type: 1, pid: 9 }).toString('hex')).toBe('0100000000000000ffffffffffffff7f0100000009000000');
    const statfs = encodeStatfs({ f_bsize: 1, f_frsize: 2, f_blocks: 3, f_bfree: 4, f_bavail: 5, f_files: 6, f_ffree: 7, f_favail: 8, f_fsid: 9n, f_flag: 0, f_namemax: 255 });
    expect([statfs.length, ...[0, 8, 16, 24, 32].map((at) => statfs.readBigUInt64LE(at)), statfs.readUInt32LE(40), statfs.readUInt32LE(44), statfs.readUInt32LE(48)]).toEqual([80, 3n, 4n, 5n, 6n, 7n, 1, 255, 2]);
  });

  it('turn device numbers both ways', () => {
    for (const [major, minor] of [[1, 3], [259, 70000], [4095, 1048575]] as const) {
      expect(decodeRdev(encodeRdev((BigInt(major) << 32n) | BigInt(minor)))).toEqual({ major, minor });
    }
  });
});
