import { readFileSync } from 'node:fs';
import { type Dict, Fd, type Frame, type Iatt, Iatt as IattClass, IaType, IoVec, Loc, type XattropOp, gfidParse, type Gfid, utf8 } from '@glusterts/libglusterfs';
import {
  XdrReader, decodeGfxCommon2iattRsp, decodeGfxCommon3iattRsp, decodeGfxCommonDictRsp, decodeGfxCreateRsp, decodeGfxLookupReq, decodeGfxMkdirReq, decodeGfxRchecksumRsp, decodeGfxReadRsp,
  decodeGfxReaddirRsp, decodeGfxWriteReq, decodeGfxXattropReq,
} from '@glusterts/rpc-xdr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestBrick, whyNot } from './brick-harness.js';

/* The real brick's session in wire.json: the same fops on our brick answer the same. */

interface Step { step: string; dir: 'C>B' | 'B>C'; hex: string }
const steps: Step[] = JSON.parse(readFileSync(new URL('./vectors/wire.json', import.meta.url), 'utf8'));
const reason = whyNot();
if (reason) console.warn(`skipped: ${reason}`);

function record(name: string, dir: Step['dir']): Buffer {
  const found = steps.find((step) => step.step.startsWith(name) && step.dir === dir);
  if (!found) throw new Error(`no step ${name}`);
  return Buffer.from(found.hex, 'hex');
}

/** At the arguments of a call: behind the mark, the header, the credential and the verifier. */
function args(name: string): XdrReader {
  const bytes = record(name, 'C>B');
  return new XdrReader(bytes, 4 + 24 + 8 + bytes.readUInt32BE(32) + 8);
}

/** At the result of a reply. */
function result(name: string): XdrReader {
  return new XdrReader(record(name, 'B>C'), 4 + 24);
}

/** What must agree: all but the backend's device, and what a directory's file system makes of its size. */
function comparable(stat: Iatt): Partial<Iatt> {
  const { ia_dev: _dev, ia_size, ia_blocks, ia_blksize: _blksize, ...rest } = stat;
  return stat.ia_type === IaType.DIR ? rest : { ...rest, ia_size, ia_blocks };
}

function dictOf(dict: Dict | undefined): unknown {
  return dict?.entries().map(([key, entry]) => [key, entry.type, entry.value instanceof Uint8Array ? Buffer.from(entry.value).toString('hex') : entry.value]);
}

describe.skipIf(reason)('storage/posix answers as the real brick did', () => {
  let brick: TestBrick;
  let wd: Loc;
  let f: Loc;
  let fd: Fd;
  let frame: Frame;
  beforeAll(async () => {
    brick = await new TestBrick({ 'fips-mode-rchecksum': 'on' }).start();
    frame = brick.frame({ flags: 0x1f, ctime: 1600000000, ctime_nsec: 123456789 });
  });
  afterAll(async () => {
    fd.unref();
    await brick.stop();
  });

  it('MKDIR', async () => {
    const req = decodeGfxMkdirReq(args('MKDIR wd'));
    const rsp = decodeGfxCommon3iattRsp(result('MKDIR wd'));
    wd = new Loc({ inode: brick.table.create(), parent: brick.root, name: req.bname });
    const reply = await brick.fops.mkdir(frame, wd, req.mode, req.umask, req.xdata);
    expect(comparable(reply.stat)).toEqual(comparable(rsp.stat));
    expect(reply.xdata).toBeUndefined();
    expect(reply.postparent.ia_gfid).toBe(rsp.postparent.ia_gfid);
    wd.inode = brick.table.link(wd.inode, brick.root, wd.name, reply.stat).ref();
  });

  it('CREATE: the request’s xdata comes back', async () => {
    const rsp = decodeGfxCreateRsp(result('CREATE wd/f'));
    const gfid = gfidParse('aaaaaaaa-bbbb-cccc-dddd-000000000002') as Gfid;
    f = new Loc({ inode: brick.table.create(), parent: wd.inode, name: utf8('f') });
    fd = new Fd(f.inode, { flags: 2 });
    const request = brick.request().xdata.setGfid('gfid-req', gfid);
    const reply = await brick.fops.create(frame, f, 0o102, 0o644, 0, fd, request);
    expect(comparable(reply.stat)).toEqual(comparable(rsp.stat));
    expect(comparable(reply.preparent)).toEqual(comparable(rsp.preparent));
    expect(comparable(reply.postparent)).toEqual(comparable(rsp.postparent));
    expect(dictOf(reply.xdata)).toEqual(dictOf(rsp.xdata));
    f.inode = brick.table.link(f.inode, wd.inode, f.name, reply.stat).ref();
  });

  it('WRITE with open-fd-count and write-is-append', async () => {
    const reader = args('WRITE');
    const req = decodeGfxWriteReq(reader);
    const rsp = decodeGfxCommon2iattRsp(result('WRITE'));
    const payload = reader.bytes.subarray(reader.position, reader.position + req.size);
    const reply = await brick.fops.writev(brick.frame({ flags: 3, ctime: rsp.poststat.ia_mtime, ctime_nsec: rsp.poststat.ia_mtime_nsec }), fd, IoVec.from(payload), req.offset, req.flag, req.xdata);
    expect(reply.written).toBe(rsp.op_ret);
    expect(comparable(reply.prestat)).toEqual(comparable(rsp.prestat));
    expect(comparable(reply.poststat)).toEqual(comparable(rsp.poststat));
    expect(dictOf(reply.xdata)).toEqual(dictOf(rsp.xdata));
  });

  it('READ: the end is marked', async () => {
    const rsp = decodeGfxReadRsp(result('READ 100'));
    const reply = await brick.fops.readv(brick.frame(), fd, 100, 0, 0, undefined);
    expect(reply.vector.size).toBe(rsp.op_ret);
    expect(reply.eof).toBe(rsp.op_errno === 2);
    expect(comparable(reply.stat)).toEqual(comparable(rsp.stat));
    reply.vector.unref();
  });

  it('LOOKUP with glusterfs.content, get-size and list-xattr', async () => {
    const req = decodeGfxLookupReq(args('LOOKUP wd/f'));
    const rsp = decodeGfxCommon2iattRsp(result('LOOKUP wd/f'));
    const asked = req.xdata?.clone();
    // features/locks takes and answers this one.
    asked?.delete('glusterfs.inodelk-count');
    const reply = await brick.fops.lookup(brick.frame(), f, asked);
    expect(comparable(reply.stat)).toEqual(comparable(rsp.prestat));
    expect(comparable(reply.postparent)).toEqual(comparable(rsp.poststat));
    rsp.xdata?.delete('glusterfs.inodelk-count');
    expect(dictOf(reply.xdata)).toEqual(dictOf(rsp.xdata));
  });

  it('LOOKUP of the root by gfid has no postparent', async () => {
    const reply = await brick.fops.lookup(brick.frame(), new Loc({ inode: brick.root }), undefined);
    expect(reply.postparent).toEqual(new IattClass());
    expect(reply.xdata).toBeUndefined();
  });

  it.each(['XATTROP add_array', 'XATTROP add_array zeros on absent key', 'XATTROP get_and_set absent'])('%s', async (name) => {
    const exact = steps.filter((step) => step.step === name);
    const request = Buffer.from(exact.find((step) => step.dir === 'C>B')?.hex ?? '', 'hex');
    const req = decodeGfxXattropReq(new XdrReader(request, 4 + 24 + 8 + request.readUInt32BE(32) + 8));
    const rsp = decodeGfxCommonDictRsp(new XdrReader(Buffer.from(exact.find((step) => step.dir === 'B>C')?.hex ?? '', 'hex'), 28));
    const reply = await brick.fops.xattrop(brick.frame(), f, req.flags as XattropOp, req.dict as Dict, req.xdata);
    expect(dictOf(reply.dict) ?? []).toEqual(dictOf(rsp.dict) ?? []);
  });

  it('RCHECKSUM', async () => {
    const rsp = decodeGfxRchecksumRsp(result('RCHECKSUM'));
    const reply = await brick.fops.rchecksum(brick.frame(), fd, 0, 4096, undefined);
    expect(reply.weak >>> 0).toBe(rsp.weak_checksum >>> 0);
    expect(Buffer.from(reply.strong).toString('hex')).toBe(Buffer.from(rsp.strong_checksum).toString('hex'));
    expect(dictOf(reply.xdata)).toEqual(dictOf(rsp.xdata));
  });

  it('READDIR', async () => {
    const rsp = decodeGfxReaddirRsp(result('READDIR 4096'));
    const directory = await brick.opendir('/wd');
    const reply = await brick.fops.readdir(brick.frame(), directory, 4096, 0n, undefined);
    const plain = (entries: readonly { name: string; d_type: number }[]): string[] => entries.map(({ name, d_type }) => `${name} ${d_type}`).sort();
    expect(plain(reply.entries)).toEqual(plain(rsp.reply.map(({ name, d_type }) => ({ name, d_type }))));
    expect(reply.eof).toBe(rsp.op_errno === 2);
    directory.unref();
  });
});
