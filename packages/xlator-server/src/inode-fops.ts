import { type Bytes, Dict, Errno, Fd, FopError, type Flock, type Iatt, NULL_GFID, type LkCmd, LkType, type InodelkCmd, type EntrylkCmd, type EntrylkType, type Seek, type XattropOp, type PlainReply, type XattropReply, type LockMigrationInfo, IoVec, packedEntries, writeTypedDict } from '@glusterts/libglusterfs';
import { AcceptStat, Glusterfs4, type RpcCall, type RpcHandler, decodeGfxReadReq, decodeGfxWriteReq, encodeGfxCommon2iattRsp, encodeGfxReadRsp } from '@glusterts/rpc-xdr';
import { addBehind, alongOf, othersToUnlock, unlockOthers } from './along.js';
import { CONNECTION_ID, type ServedReply, type ServerState, ZERO, asItIs, clientOf, failureOf, fop, plainReply, prePostReply, requestOf, statReply } from './handlers.js';
import type { Request } from './resolver.js';

const PRE_POST = { prestat: ZERO, poststat: ZERO };
const NO_FLOCK: Flock = { type: 0, whence: 0, start: 0n, len: 0n, pid: 0, owner: '' as Bytes };

function offsetOf(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new FopError(Errno.EINVAL);
  return value;
}

/** `type` beside the flock wins (spec/rpc-wire.md, §5.4, LK). */
function flockOf(type: number, flock: Flock): Flock {
  if (type !== LkType.RDLCK && type !== LkType.WRLCK && type !== LkType.UNLCK) throw new FopError(Errno.EINVAL);
  return flock.type === type ? flock : { ...flock, type };
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
    [P.STAT, fop(P.STAT, state, { stat: ZERO }, (req, r) => r.onGfid(req.gfid, (loc) => r.below.stat(r.frame, loc, req.xdata)), statReply)],
    [P.FSTAT, fop(P.FSTAT, state, { stat: ZERO }, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.fstat(r.frame, fd, req.xdata)), statReply)],
    [P.READLINK, fop(P.READLINK, state, { buf: ZERO, path: '' as Bytes }, (req, r) => r.onGfid(req.gfid, (loc) => r.below.readlink(r.frame, loc, req.size, req.xdata)), ({ path, stat, xdata }) => ({ op_ret: path.length, op_errno: 0, xdata, buf: stat, path }))],
    [P.TRUNCATE, fop(P.TRUNCATE, state, PRE_POST, (req, r) => r.onGfid(req.gfid, (loc) => r.below.truncate(r.frame, loc, offsetOf(req.offset), req.xdata)), prePostReply)],
    [P.FTRUNCATE, fop(P.FTRUNCATE, state, PRE_POST, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.ftruncate(r.frame, fd, offsetOf(req.offset), req.xdata)), prePostReply)],
    [P.ACCESS, fop(P.ACCESS, state, {}, (req, r) => r.onGfid(req.gfid, (loc) => r.below.access(r.frame, loc, req.mask, req.xdata)), plainReply)],
    [P.OPEN, fop(P.OPEN, state, { fd: 0 }, (req, r) => r.onGfid(req.gfid, (loc) => {
      const fd = new Fd(loc.inode, { flags: req.flags, pid: r.frame.pid });
      return openOnce(r, fd, () => r.below.open(r.frame, loc, req.flags, fd, req.xdata));
    }), asItIs)],
    [P.OPENDIR, fop(P.OPENDIR, state, { fd: 0 }, (req, r) => r.onGfid(req.gfid, (loc) => {
      const fd = new Fd(loc.inode, { pid: r.frame.pid });
      return openOnce(r, fd, () => r.below.opendir(r.frame, loc, fd, req.xdata));
    }), asItIs)],
    [P.FLUSH, fop(P.FLUSH, state, {}, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.flush(r.frame, fd, req.xdata)), plainReply)],
    [P.FSYNC, fop(P.FSYNC, state, PRE_POST, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.fsync(r.frame, fd, req.data !== 0, req.xdata)), prePostReply)],
    [P.FSYNCDIR, fop(P.FSYNCDIR, state, {}, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.fsyncdir(r.frame, fd, req.data !== 0, req.xdata)), plainReply)],
    [P.STATFS, fop(P.STATFS, state, { statfs: { f_bsize: 0, f_frsize: 0, f_blocks: 0, f_bfree: 0, f_bavail: 0, f_files: 0, f_ffree: 0, f_favail: 0, f_fsid: 0n, f_flag: 0, f_namemax: 0 } }, (req, r) => r.onGfid(req.gfid, (loc) => r.below.statfs(r.frame, loc, req.xdata)), ({ statfs, xdata }) => ({ op_ret: 0, op_errno: 0, xdata, statfs }))],
    [P.SETXATTR, fop(P.SETXATTR, state, {}, (req, r) => r.onGfid(req.gfid, (loc) => r.below.setxattr(r.frame, loc, req.dict ?? new Dict(), req.flags, req.xdata)), plainReply)],
    [P.FSETXATTR, fop(P.FSETXATTR, state, {}, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.fsetxattr(r.frame, fd, req.dict ?? new Dict(), req.flags, req.xdata)), plainReply)],
    [P.GETXATTR, fop(P.GETXATTR, state, { dict: undefined, ...PRE_POST }, async (req, r) => {
      const name = req.namelen === 0 ? undefined : req.name;
      const reply = await r.onGfid(req.gfid, (loc) => r.below.getxattr(r.frame, loc, name, req.xdata));
      return { op_ret: sizeOf(reply.dict, name), op_errno: 0, xdata: reply.xdata, dict: reply.dict, prestat: ZERO, poststat: ZERO };
    }, asItIs)],
    [P.FGETXATTR, fop(P.FGETXATTR, state, { dict: undefined, ...PRE_POST }, async (req, r) => {
      const name = req.namelen === 0 ? undefined : req.name;
      const reply = await r.onFd(req.gfid, req.fd, (fd) => r.below.fgetxattr(r.frame, fd, name, req.xdata));
      return { op_ret: sizeOf(reply.dict, name), op_errno: 0, xdata: reply.xdata, dict: reply.dict, prestat: ZERO, poststat: ZERO };
    }, asItIs)],
    [P.REMOVEXATTR, fop(P.REMOVEXATTR, state, {}, (req, r) => r.onGfid(req.gfid, (loc) => r.below.removexattr(r.frame, loc, req.name, req.xdata)), plainReply)],
    [P.FREMOVEXATTR, fop(P.FREMOVEXATTR, state, {}, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.fremovexattr(r.frame, fd, req.name, req.xdata)), plainReply)],
    [P.LK, fop(P.LK, state, { flock: NO_FLOCK }, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.lk(r.frame, fd, req.cmd as LkCmd, flockOf(req.type, req.flock), req.xdata)), ({ flock, xdata }) => ({ op_ret: 0, op_errno: 0, xdata, flock }), { exempt: true })],
    [P.INODELK, fop(P.INODELK, state, {}, (req, r) => {
      const also = othersToUnlock(req.type, req.xdata);
      const wind = (): Promise<PlainReply> => r.onGfid(req.gfid, (loc) => r.below.inodelk(r.frame, req.volume, loc, req.cmd as InodelkCmd, flockOf(req.type, req.flock), withConnection(r, req.xdata)));
      return also ? unlockOthers(r, req.volume, also).then(wind) : wind();
    }, plainReply, { exempt: true })],
    [P.FINODELK, fop(P.FINODELK, state, {}, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.finodelk(r.frame, req.volume, fd, req.cmd as InodelkCmd, flockOf(req.type, req.flock), withConnection(r, req.xdata))), plainReply, { exempt: true })],
    [P.ENTRYLK, fop(P.ENTRYLK, state, {}, (req, r) => r.onGfid(req.gfid, (loc) => r.below.entrylk(r.frame, req.volume, loc, req.namelen === 0 ? undefined : req.name, req.cmd as EntrylkCmd, req.type as EntrylkType, withConnection(r, req.xdata))), plainReply, { exempt: true })],
    [P.FENTRYLK, fop(P.FENTRYLK, state, {}, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.fentrylk(r.frame, req.volume, fd, req.namelen === 0 ? undefined : req.name, req.cmd as EntrylkCmd, req.type as EntrylkType, withConnection(r, req.xdata))), plainReply, { exempt: true })],
    [P.READDIR, fop(P.READDIR, state, { reply: [] }, async (req, r) => {
      const reply = await r.below.readdir(r.frame, await r.fd(req.gfid, req.fd), listingSize(req.size), req.offset, req.xdata);
      return { op_ret: reply.entries.length, op_errno: reply.eof ? Errno.ENOENT : 0, xdata: reply.xdata, reply: reply.entries.map((entry) => ({ ...entry, d_len: entry.name.length })) };
    }, asItIs, { replySize: bytesAskedFor })],
    [P.READDIRP, readdirpHandler(state)],
    [P.XATTROP, fop(P.XATTROP, state, { dict: undefined, ...PRE_POST }, (req, r) => r.onGfid(req.gfid, (loc) => r.below.xattrop(r.frame, loc, req.flags as XattropOp, req.dict ?? new Dict(), req.xdata)), xattropReply)],
    [P.FXATTROP, fop(P.FXATTROP, state, { dict: undefined, ...PRE_POST }, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.fxattrop(r.frame, fd, req.flags as XattropOp, req.dict ?? new Dict(), req.xdata)), xattropReply)],
    [P.RCHECKSUM, fop(P.RCHECKSUM, state, { flags: 0, weak_checksum: 0, strong_checksum: new Uint8Array(0) }, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.rchecksum(r.frame, fd, offsetOf(req.offset), dataSize(req.len), req.xdata)), ({ weak, strong, xdata }) => ({ op_ret: 0, op_errno: 0, xdata, flags: 1, weak_checksum: weak, strong_checksum: strong }))],
    [P.SETATTR, fop(P.SETATTR, state, PRE_POST, (req, r) => r.onGfid(req.gfid, (loc) => r.below.setattr(r.frame, loc, req.stbuf, req.valid, req.xdata)), prePostReply)],
    [P.FSETATTR, fop(P.FSETATTR, state, PRE_POST, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.fsetattr(r.frame, fd, req.stbuf, req.valid, req.xdata)), prePostReply)],
    [P.FALLOCATE, fop(P.FALLOCATE, state, PRE_POST, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.fallocate(r.frame, fd, req.flags !== 0, offsetOf(req.offset), offsetOf(req.size), req.xdata)), prePostReply)],
    [P.DISCARD, fop(P.DISCARD, state, PRE_POST, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.discard(r.frame, fd, offsetOf(req.offset), offsetOf(req.size), req.xdata)), prePostReply)],
    [P.ZEROFILL, fop(P.ZEROFILL, state, PRE_POST, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.zerofill(r.frame, fd, offsetOf(req.offset), offsetOf(req.size), req.xdata)), prePostReply)],
    [P.IPC, fop(P.IPC, state, {}, (req, r) => r.below.ipc(r.frame, req.op, req.xdata), plainReply)],
    [P.SEEK, fop(P.SEEK, state, { offset: 0 }, (req, r) => r.onFd(req.gfid, req.fd, (fd) => r.below.seek(r.frame, fd, offsetOf(req.offset), req.what as Seek, req.xdata)), ({ offset, xdata }) => ({ op_ret: 0, op_errno: 0, xdata, offset }))],
    [P.LEASE, fop(P.LEASE, state, { lease: { cmd: 0, lease_type: 0, lease_id: new Uint8Array(16), lease_flags: 0 } }, (req, r) => r.onGfid(req.gfid, (loc) => r.below.lease(r.frame, loc, req.lease, req.xdata)), ({ lease, xdata }) => ({ op_ret: 0, op_errno: 0, xdata, lease }))],
    [P.GETACTIVELK, fop(P.GETACTIVELK, state, { reply: [] }, (req, r) => r.onGfid(req.gfid, (loc) => r.below.getactivelk(r.frame, loc, req.xdata)), ({ locks, xdata }) => ({ op_ret: locks.length, op_errno: 0, xdata, reply: locks }))],
    [P.SETACTIVELK, fop(P.SETACTIVELK, state, {}, (req, r) => r.onGfid(req.gfid, (loc) => r.below.setactivelk(r.frame, loc, req.request as LockMigrationInfo[], req.xdata)), plainReply)],
    [P.COPY_FILE_RANGE, fop(P.COPY_FILE_RANGE, state, { stat: ZERO, preparent: ZERO, postparent: ZERO }, async (req, r) => {
      const from = await r.fd(req.gfid1, req.fd_in);
      const to = await r.fd(req.gfid2, req.fd_out);
      const reply = await r.below.copy_file_range(r.frame, from, offsetOf(req.off_in), to, offsetOf(req.off_out), req.size, req.flag, req.xdata);
      return { op_ret: reply.written, op_errno: 0, xdata: reply.xdata, stat: reply.stat, preparent: reply.prestat, postparent: reply.poststat };
    }, asItIs)],
    [P.RELEASE, releaseHandler(P.RELEASE)],
    [P.RELEASEDIR, releaseHandler(P.RELEASEDIR)],
    [P.READ, readHandler(state)],
    [P.WRITE, writeHandler(state)],
  ];
  return Object.fromEntries(handlers.map(([procedure, handler]) => [procedure.number, handler]));
}

const xattropReply = ({ dict, xdata }: XattropReply): ServedReply & typeof PRE_POST & { dict: Dict | undefined } => ({ op_ret: 0, op_errno: 0, xdata, dict, prestat: ZERO, poststat: ZERO });

/** Numbers the fd when the open succeeds; lets go of it when not. */
async function openOnce(r: Request, fd: Fd, open: () => Promise<{ xdata: Dict | undefined }>): Promise<ServedReply & { fd: number }> {
  try {
    const reply = await open();
    fd.bind();
    return { op_ret: 0, op_errno: 0, xdata: reply.xdata, fd: r.client.addFd(fd) };
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
        const reply = await request.onFd(req.gfid, req.fd, (fd) => request.below.readv(request.frame, fd, dataSize(req.size), offsetOf(req.offset), req.flag, req.xdata), req.flag);
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
        const along = alongOf(req.xdata);
        const reply = await request.onFd(req.gfid, req.fd, (fd) => {
          const writing = request.below.writev(request.frame, fd, payload, offsetOf(req.offset), req.flag, req.xdata);
          return along ? writing.then((written) => addBehind(state, request, along, written, fd, req.size)) : writing;
        }, req.flag);
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
