import { type Bytes, Dict, Errno, Fd, FopError, type Flock, type Iatt, NULL_GFID, type LkCmd, LkType, type InodelkCmd, type EntrylkCmd, type EntrylkType, type Seek, type XattropOp, type LockMigrationInfo, IoVec, packedEntries, writeTypedDict } from '@glusterts/libglusterfs';
import { AcceptStat, Glusterfs4, type RpcCall, type RpcHandler, decodeGfxReadReq, decodeGfxWriteReq, encodeGfxCommon2iattRsp, encodeGfxReadRsp } from '@glusterts/rpc-xdr';
import { type ServerState, ZERO, clientOf, failureOf, fop, requestOf } from './handlers.js';
import type { Request } from './resolver.js';

const PRE_POST = { prestat: ZERO, poststat: ZERO };
const NO_FLOCK: Flock = { type: 0, whence: 0, start: 0n, len: 0n, pid: 0, owner: '' as Bytes };
const CONNECTION_ID = 'connection-id';

function offsetOf(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new FopError(Errno.EINVAL);
  return value;
}

/** `type` beside the flock wins (spec/rpc-wire.md, §5.4, LK). */
function flockOf(type: number, flock: Flock): Flock {
  if (type !== LkType.RDLCK && type !== LkType.WRLCK && type !== LkType.UNLCK) throw new FopError(Errno.EINVAL);
  return { ...flock, type };
}

/** inodelk and entrylk learn who the client is (spec/brick.md, §12.5). */
function withConnection(request: Request, xdata: Dict | undefined): Dict {
  return (xdata?.clone() ?? new Dict()).setStr(CONNECTION_ID, request.client.uid);
}

/** The largest READ or RCHECKSUM that is served: what a heal with the widest window asks for. GlusterFS's has no limit but its memory. */
const DATA_SIZE_MAX = 128 << 20;
/** A listing is answered in pieces of at most so many bytes, however many were asked for. */
const LISTING_SIZE_MAX = 4 << 20;

/** A size from the wire for which memory will be taken. Throws EINVAL. */
function dataSize(size: number): number {
  if (size < 0 || size > DATA_SIZE_MAX) throw new FopError(Errno.EINVAL, undefined, `${size} bytes in one answer`);
  return size;
}

const listingSize = (size: number): number => Math.min(Math.max(size, 0), LISTING_SIZE_MAX);

/** The size of a getxattr's answer, which the wire calls op_ret. */
function sizeOf(dict: Dict, name: Bytes | undefined): number {
  if (name !== undefined) return dict.getBin(name)?.length ?? 0;
  return dict.keys().reduce((sum, key) => sum + key.length + 1, 0);
}

/** Fops on files and directories by gfid or fd. */
export function inodeFops(state: ServerState): Record<number, RpcHandler> {
  const P = Glusterfs4;
  const handlers: [{ readonly number: number }, RpcHandler][] = [
    [P.STAT, fop(P.STAT, state, { stat: ZERO }, async (req, r) => r.below.stat(r.frame, await r.byGfid(req.gfid), req.xdata))],
    [P.FSTAT, fop(P.FSTAT, state, { stat: ZERO }, async (req, r) => r.below.fstat(r.frame, await r.fd(req.gfid, req.fd), req.xdata))],
    [P.READLINK, fop(P.READLINK, state, { buf: ZERO, path: '' as Bytes }, async (req, r) => {
      const reply = await r.below.readlink(r.frame, await r.byGfid(req.gfid), req.size, req.xdata);
      return { op_ret: reply.path.length, xdata: reply.xdata, buf: reply.stat, path: reply.path };
    })],
    [P.TRUNCATE, fop(P.TRUNCATE, state, PRE_POST, async (req, r) => r.below.truncate(r.frame, await r.byGfid(req.gfid), offsetOf(req.offset), req.xdata))],
    [P.FTRUNCATE, fop(P.FTRUNCATE, state, PRE_POST, async (req, r) => r.below.ftruncate(r.frame, await r.fd(req.gfid, req.fd), offsetOf(req.offset), req.xdata))],
    [P.ACCESS, fop(P.ACCESS, state, {}, async (req, r) => r.below.access(r.frame, await r.byGfid(req.gfid), req.mask, req.xdata))],
    [P.OPEN, fop(P.OPEN, state, { fd: 0 }, async (req, r) => {
      const loc = await r.byGfid(req.gfid);
      const fd = new Fd(loc.inode, { flags: req.flags, pid: r.frame.pid });
      return openOnce(r, fd, () => r.below.open(r.frame, loc, req.flags, fd, req.xdata));
    })],
    [P.OPENDIR, fop(P.OPENDIR, state, { fd: 0 }, async (req, r) => {
      const loc = await r.byGfid(req.gfid);
      const fd = new Fd(loc.inode, { pid: r.frame.pid });
      return openOnce(r, fd, () => r.below.opendir(r.frame, loc, fd, req.xdata));
    })],
    [P.FLUSH, fop(P.FLUSH, state, {}, async (req, r) => r.below.flush(r.frame, await r.fd(req.gfid, req.fd), req.xdata))],
    [P.FSYNC, fop(P.FSYNC, state, PRE_POST, async (req, r) => r.below.fsync(r.frame, await r.fd(req.gfid, req.fd), req.data !== 0, req.xdata))],
    [P.FSYNCDIR, fop(P.FSYNCDIR, state, {}, async (req, r) => r.below.fsyncdir(r.frame, await r.fd(req.gfid, req.fd), req.data !== 0, req.xdata))],
    [P.STATFS, fop(P.STATFS, state, { statfs: { f_bsize: 0, f_frsize: 0, f_blocks: 0, f_bfree: 0, f_bavail: 0, f_files: 0, f_ffree: 0, f_favail: 0, f_fsid: 0n, f_flag: 0, f_namemax: 0 } }, async (req, r) => r.below.statfs(r.frame, await r.byGfid(req.gfid), req.xdata))],
    [P.SETXATTR, fop(P.SETXATTR, state, {}, async (req, r) => r.below.setxattr(r.frame, await r.byGfid(req.gfid), req.dict ?? new Dict(), req.flags, req.xdata))],
    [P.FSETXATTR, fop(P.FSETXATTR, state, {}, async (req, r) => r.below.fsetxattr(r.frame, await r.fd(req.gfid, req.fd), req.dict ?? new Dict(), req.flags, req.xdata))],
    [P.GETXATTR, fop(P.GETXATTR, state, { dict: undefined, ...PRE_POST }, async (req, r) => {
      const name = req.namelen === 0 ? undefined : req.name;
      const reply = await r.below.getxattr(r.frame, await r.byGfid(req.gfid), name, req.xdata);
      return { op_ret: sizeOf(reply.dict, name), xdata: reply.xdata, dict: reply.dict, ...PRE_POST };
    })],
    [P.FGETXATTR, fop(P.FGETXATTR, state, { dict: undefined, ...PRE_POST }, async (req, r) => {
      const name = req.namelen === 0 ? undefined : req.name;
      const reply = await r.below.fgetxattr(r.frame, await r.fd(req.gfid, req.fd), name, req.xdata);
      return { op_ret: sizeOf(reply.dict, name), xdata: reply.xdata, dict: reply.dict, ...PRE_POST };
    })],
    [P.REMOVEXATTR, fop(P.REMOVEXATTR, state, {}, async (req, r) => r.below.removexattr(r.frame, await r.byGfid(req.gfid), req.name, req.xdata))],
    [P.FREMOVEXATTR, fop(P.FREMOVEXATTR, state, {}, async (req, r) => r.below.fremovexattr(r.frame, await r.fd(req.gfid, req.fd), req.name, req.xdata))],
    [P.LK, fop(P.LK, state, { flock: NO_FLOCK }, async (req, r) => r.below.lk(r.frame, await r.fd(req.gfid, req.fd), req.cmd as LkCmd, flockOf(req.type, req.flock), req.xdata), { exempt: true })],
    [P.INODELK, fop(P.INODELK, state, {}, async (req, r) => r.below.inodelk(r.frame, req.volume, await r.byGfid(req.gfid), req.cmd as InodelkCmd, flockOf(req.type, req.flock), withConnection(r, req.xdata)), { exempt: true })],
    [P.FINODELK, fop(P.FINODELK, state, {}, async (req, r) => r.below.finodelk(r.frame, req.volume, await r.fd(req.gfid, req.fd), req.cmd as InodelkCmd, flockOf(req.type, req.flock), withConnection(r, req.xdata)), { exempt: true })],
    [P.ENTRYLK, fop(P.ENTRYLK, state, {}, async (req, r) => r.below.entrylk(r.frame, req.volume, await r.byGfid(req.gfid), req.namelen === 0 ? undefined : req.name, req.cmd as EntrylkCmd, req.type as EntrylkType, withConnection(r, req.xdata)), { exempt: true })],
    [P.FENTRYLK, fop(P.FENTRYLK, state, {}, async (req, r) => r.below.fentrylk(r.frame, req.volume, await r.fd(req.gfid, req.fd), req.namelen === 0 ? undefined : req.name, req.cmd as EntrylkCmd, req.type as EntrylkType, withConnection(r, req.xdata)), { exempt: true })],
    [P.READDIR, fop(P.READDIR, state, { reply: [] }, async (req, r) => {
      const reply = await r.below.readdir(r.frame, await r.fd(req.gfid, req.fd), listingSize(req.size), req.offset, req.xdata);
      return { op_ret: reply.entries.length, op_errno: reply.eof ? Errno.ENOENT : 0, xdata: reply.xdata, reply: reply.entries.map((entry) => ({ ...entry, d_len: entry.name.length })) };
    }, { replySize: bytesAskedFor })],
    [P.READDIRP, readdirpHandler(state)],
    [P.XATTROP, fop(P.XATTROP, state, { dict: undefined, ...PRE_POST }, async (req, r) => {
      const reply = await r.below.xattrop(r.frame, await r.byGfid(req.gfid), req.flags as XattropOp, req.dict ?? new Dict(), req.xdata);
      return { xdata: reply.xdata, dict: reply.dict, ...PRE_POST };
    })],
    [P.FXATTROP, fop(P.FXATTROP, state, { dict: undefined, ...PRE_POST }, async (req, r) => {
      const reply = await r.below.fxattrop(r.frame, await r.fd(req.gfid, req.fd), req.flags as XattropOp, req.dict ?? new Dict(), req.xdata);
      return { xdata: reply.xdata, dict: reply.dict, ...PRE_POST };
    })],
    [P.RCHECKSUM, fop(P.RCHECKSUM, state, { flags: 0, weak_checksum: 0, strong_checksum: new Uint8Array(0) }, async (req, r) => {
      const reply = await r.below.rchecksum(r.frame, await r.fd(req.gfid, req.fd), offsetOf(req.offset), dataSize(req.len), req.xdata);
      return { xdata: reply.xdata, flags: 1, weak_checksum: reply.weak, strong_checksum: reply.strong };
    })],
    [P.SETATTR, fop(P.SETATTR, state, PRE_POST, async (req, r) => r.below.setattr(r.frame, await r.byGfid(req.gfid), req.stbuf, req.valid, req.xdata))],
    [P.FSETATTR, fop(P.FSETATTR, state, PRE_POST, async (req, r) => r.below.fsetattr(r.frame, await r.fd(req.gfid, req.fd), req.stbuf, req.valid, req.xdata))],
    [P.FALLOCATE, fop(P.FALLOCATE, state, PRE_POST, async (req, r) => r.below.fallocate(r.frame, await r.fd(req.gfid, req.fd), req.flags !== 0, offsetOf(req.offset), offsetOf(req.size), req.xdata))],
    [P.DISCARD, fop(P.DISCARD, state, PRE_POST, async (req, r) => r.below.discard(r.frame, await r.fd(req.gfid, req.fd), offsetOf(req.offset), offsetOf(req.size), req.xdata))],
    [P.ZEROFILL, fop(P.ZEROFILL, state, PRE_POST, async (req, r) => r.below.zerofill(r.frame, await r.fd(req.gfid, req.fd), offsetOf(req.offset), offsetOf(req.size), req.xdata))],
    [P.IPC, fop(P.IPC, state, {}, async (req, r) => r.below.ipc(r.frame, req.op, req.xdata))],
    [P.SEEK, fop(P.SEEK, state, { offset: 0 }, async (req, r) => r.below.seek(r.frame, await r.fd(req.gfid, req.fd), offsetOf(req.offset), req.what as Seek, req.xdata))],
    [P.LEASE, fop(P.LEASE, state, { lease: { cmd: 0, lease_type: 0, lease_id: new Uint8Array(16), lease_flags: 0 } }, async (req, r) => r.below.lease(r.frame, await r.byGfid(req.gfid), req.lease, req.xdata))],
    [P.GETACTIVELK, fop(P.GETACTIVELK, state, { reply: [] }, async (req, r) => {
      const reply = await r.below.getactivelk(r.frame, await r.byGfid(req.gfid), req.xdata);
      return { op_ret: reply.locks.length, xdata: reply.xdata, reply: reply.locks };
    })],
    [P.SETACTIVELK, fop(P.SETACTIVELK, state, {}, async (req, r) => r.below.setactivelk(r.frame, await r.byGfid(req.gfid), req.request as LockMigrationInfo[], req.xdata))],
    [P.COPY_FILE_RANGE, fop(P.COPY_FILE_RANGE, state, { stat: ZERO, preparent: ZERO, postparent: ZERO }, async (req, r) => {
      const from = await r.fd(req.gfid1, req.fd_in);
      const to = await r.fd(req.gfid2, req.fd_out);
      const reply = await r.below.copy_file_range(r.frame, from, offsetOf(req.off_in), to, offsetOf(req.off_out), req.size, req.flag, req.xdata);
      return { op_ret: reply.written, xdata: reply.xdata, stat: reply.stat, preparent: reply.prestat, postparent: reply.poststat };
    })],
    [P.RELEASE, releaseHandler(P.RELEASE)],
    [P.RELEASEDIR, releaseHandler(P.RELEASEDIR)],
    [P.READ, readHandler(state)],
    [P.WRITE, writeHandler(state)],
  ];
  return Object.fromEntries(handlers.map(([procedure, handler]) => [procedure.number, handler]));
}

/** Numbers the fd when the open succeeds; lets go of it when not. */
async function openOnce(r: Request, fd: Fd, open: () => Promise<{ xdata: Dict | undefined }>): Promise<{ xdata: Dict | undefined; fd: number }> {
  try {
    const reply = await open();
    fd.bind();
    return { xdata: reply.xdata, fd: r.client.addFd(fd) };
  } catch (error) {
    fd.unref();
    throw error;
  }
}

/** Never reaches the xlators, and succeeds for nonsense too. */
function releaseHandler(procedure: typeof Glusterfs4.RELEASE): RpcHandler {
  return {
    handle(call) {
      const client = clientOf(call);
      // No answer at all before SETVOLUME (spec/rpc-wire.md, §2).
      if (!client) return;
      const req = procedure.decodeRequest(call.reader);
      client.releaseFd(req.fd);
      call.reply((w) => procedure.encodeReply(w, { op_ret: 0, op_errno: 0, xdata: new Dict() }));
    },
  };
}

/** READ, READDIR, READDIRP: gfid, fd and offset, then how much is asked for (spec/rpc-wire.md, §5.4). */
const SIZE_AT = 32;

function bytesAskedFor({ reader }: RpcCall): number {
  return reader.remaining < SIZE_AT + 4 ? 0 : reader.view.getUint32(reader.position + SIZE_AT);
}

/** XDR's end of a list. */
const LIST_END = new Uint8Array(4);

function readdirpHandler(state: ServerState): RpcHandler {
  const procedure = Glusterfs4.READDIRP;
  return {
    replySize: bytesAskedFor,
    async handle(call) {
      const client = clientOf(call);
      if (!client) return call.fail(AcceptStat.GARBAGE_ARGS);
      const req = procedure.decodeRequest(call.reader);
      const r = requestOf(call, client, state, procedure.name);
      try {
        const fd = await r.fd(req.gfid, req.fd);
        const reply = await r.below.readdirp(r.frame, fd, listingSize(req.size), req.offset, req.xdata);
        const op_errno = reply.eof ? Errno.ENOENT : 0;
        const packed = packedEntries(reply);
        if (packed) {
          call.reply((w) => {
            w.i32(packed.count);
            w.i32(op_errno);
            writeTypedDict(w, reply.xdata);
          }, new IoVec([...packed.chunks, LIST_END]));
          return;
        }
        const entries = reply.entries.map(({ d_ino, d_off, d_type, name, stat, dict, inode }) => {
          if (inode && stat.ia_gfid !== NULL_GFID) r.table.link(inode, name === '.' || name === '..' ? undefined : fd.inode, name, stat);
          return { d_ino, d_off, d_type, d_len: name.length, name, stat, dict };
        });
        call.reply((w) => procedure.encodeReply(w, { op_ret: entries.length, op_errno, xdata: reply.xdata, reply: entries }));
      } catch (error) {
        const failure = failureOf(error, state, procedure.name);
        if (!call.answered) call.reply((w) => procedure.encodeReply(w, { ...failure, reply: [] }));
      } finally {
        r.done();
      }
    },
  };
}

function readHandler(state: ServerState): RpcHandler {
  return {
    replySize: bytesAskedFor,
    async handle(call) {
      const client = clientOf(call);
      if (!client) return call.fail(AcceptStat.GARBAGE_ARGS);
      const req = decodeGfxReadReq(call.reader);
      const request = requestOf(call, client, state, 'READ');
      try {
        const reply = await request.below.readv(request.frame, await request.fd(req.gfid, req.fd, req.flag), dataSize(req.size), offsetOf(req.offset), req.flag, req.xdata);
        const { vector } = reply;
        call.reply((w) => encodeGfxReadRsp(w, { op_ret: vector.size, op_errno: reply.eof ? Errno.ENOENT : 0, stat: reply.stat, size: vector.size, xdata: reply.xdata }), vector);
        vector.unref();
      } catch (error) {
        const failure = failureOf(error, state, 'READ');
        if (!call.answered) call.reply((w) => encodeGfxReadRsp(w, { ...failure, stat: ZERO, size: 0 }));
      } finally {
        request.done();
      }
    },
  };
}

function writeHandler(state: ServerState): RpcHandler {
  return {
    async handle(call) {
      const client = clientOf(call);
      if (!client) return call.fail(AcceptStat.GARBAGE_ARGS);
      const req = decodeGfxWriteReq(call.reader);
      const payload = call.payload();
      if (payload.size !== req.size) return call.fail(AcceptStat.GARBAGE_ARGS);
      const request = requestOf(call, client, state, 'WRITE');
      let answer: { op_ret: number; op_errno: number; xdata: Dict | undefined; prestat: Iatt; poststat: Iatt };
      try {
        const reply = await request.below.writev(request.frame, await request.fd(req.gfid, req.fd, req.flag), payload, offsetOf(req.offset), req.flag, req.xdata);
        answer = { op_ret: reply.written, op_errno: 0, xdata: reply.xdata, prestat: reply.prestat, poststat: reply.poststat };
      } catch (error) {
        answer = { ...failureOf(error, state, 'WRITE'), ...PRE_POST };
      } finally {
        request.done();
      }
      call.reply((w) => encodeGfxCommon2iattRsp(w, answer));
    },
  };
}
