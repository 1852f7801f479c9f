import { type Bytes, type Dict, Errno, Fd, FopError, IoVec, OpenFlag, Seek } from '@glusterts/libglusterfs';
import type { FuseBridge } from './bridge.js';
import type { BodyOf } from './dispatch.js';
import { encodeCreate, encodeOffset, encodeOpen, encodeSize } from './encode.js';
import { migrateIfOld } from './graph-switch.js';
import { creationMode, creationUmask, creationXdata, entryOut } from './ops-entry.js';
import { killAfter, killBeforeWrite } from './privileges.js';
import { Fopen } from './protocol.js';
import type { ReplyBody, Request } from './request.js';
import { entryLoc, inodeLoc, linkNew, resolveInode, staleIfAbsent } from './resolve.js';

/** Set by xlators whose files must not be cached (meta). */
const DIRECT_IO_KEY = 'direct-io-mode';
const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** The open file of an fh in the request's graph; its fd is held. Throws EBADF. */
export function fileOf(bridge: FuseBridge, request: Request, fh: number): Fd | Promise<Fd> {
  const file = bridge.files.get(fh);
  if (file.fd.inode.table !== request.graph.table) return migrateIfOld(bridge, request, file).then(() => request.hold(file.fd));
  return request.hold(file.fd);
}

/** FOPEN_DIRECT_IO or not (spec/client.md, §6.9): all opens of a file alike. */
function directIo(bridge: FuseBridge, fd: Fd, xdata: Dict | undefined): boolean {
  if (bridge.negotiated?.directIo || xdata?.getBool(DIRECT_IO_KEY)) return true;
  if (bridge.files.directIo > 0) for (const file of bridge.files.values()) if (file.directIo && file.fd.inode === fd.inode) return true;
  return false;
}

export async function open(bridge: FuseBridge, request: Request, flags: number): Promise<ReplyBody> {
  const { frame, graph, header } = request;
  let fd: Fd | undefined;
  try {
    const found = resolveInode(bridge, request, header.nodeid);
    const inode = found instanceof Promise ? await found : found;
    fd = new Fd(inode, { flags, pid: header.pid });
    const reply = await graph.top.open(frame, inodeLoc(request, inode), flags, fd, undefined);
    fd.bind();
    const direct = directIo(bridge, fd, reply.xdata);
    const file = bridge.files.add(fd, { nodeid: header.nodeid, directory: false, directIo: direct });
    request.undo = () => bridge.files.remove(file.fh);
    return encodeOpen(file.fh, (direct ? Fopen.DIRECT_IO : 0) | (bridge.keepCache ? Fopen.KEEP_CACHE : 0));
  } catch (error) {
    fd?.unref();
    throw staleIfAbsent(error);
  }
}

export async function create(bridge: FuseBridge, request: Request, body: BodyOf<'create'>): Promise<ReplyBody> {
  const { frame, graph, header } = request;
  const { flags, mode, umask, name } = body;
  let fd: Fd | undefined;
  try {
    const found = resolveInode(bridge, request, header.nodeid);
    const parent = found instanceof Promise ? await found : found;
    const fresh = request.hold(graph.table.create());
    fd = new Fd(fresh, { flags, pid: header.pid });
    const loc = entryLoc(request, parent, name, fresh);
    const reply = await graph.top.create(frame, loc, flags, creationMode(bridge, mode, umask), creationUmask(bridge, umask), fd, creationXdata(bridge, mode, umask));
    const inode = linkNew(request, parent, name, reply);
    if (inode !== fresh) {
      // It existed under another name: the fd's own inode stays outside the table, and says whose it is.
      fresh.gfid = inode.gfid;
      fresh.ia_type = inode.ia_type;
    }
    fd.bind();
    const entry = entryOut(bridge, request, inode, reply.stat);
    const direct = directIo(bridge, fd, reply.xdata);
    const file = bridge.files.add(fd, { nodeid: entry.nodeid, directory: false, directIo: direct });
    const forget = request.undo;
    request.undo = () => {
      bridge.files.remove(file.fh);
      forget?.();
    };
    return encodeCreate(entry, bridge.options['enable-ino32'], file.fh, direct ? Fopen.DIRECT_IO : 0);
  } catch (error) {
    fd?.unref();
    throw staleIfAbsent(error);
  }
}

export async function read(bridge: FuseBridge, request: Request, body: BodyOf<'read'>): Promise<ReplyBody> {
  const file = fileOf(bridge, request, body.fh);
  const fd = file instanceof Promise ? await file : file;
  request.ownedBy(body.owner);
  const reply = await request.graph.top.readv(request.frame, fd, body.size, body.offset, body.flags, undefined);
  return reply.vector;
}

export async function write(bridge: FuseBridge, request: Request, body: BodyOf<'write'>): Promise<ReplyBody> {
  const file = fileOf(bridge, request, body.fh);
  const fd = file instanceof Promise ? await file : file;
  request.ownedBy(body.owner);
  const vector = body.data instanceof IoVec ? body.data : IoVec.from(body.data);
  if (body.kill) await killBeforeWrite(bridge, request, bridge.files.get(body.fh), fd);
  const reply = await request.graph.top.writev(request.frame, fd, vector, body.offset, body.flags, undefined);
  return encodeSize(reply.written);
}

export async function flush(bridge: FuseBridge, request: Request, fh: number, owner: Bytes): Promise<ReplyBody> {
  const file = fileOf(bridge, request, fh);
  const fd = file instanceof Promise ? await file : file;
  request.ownedBy(owner);
  await request.graph.top.flush(request.frame, fd, undefined);
  return undefined;
}

export async function fsync(bridge: FuseBridge, request: Request, fh: number, datasync: boolean): Promise<ReplyBody> {
  await request.graph.top.fsync(request.frame, await fileOf(bridge, request, fh), datasync, undefined);
  return undefined;
}

export async function fallocate(bridge: FuseBridge, request: Request, body: BodyOf<'fallocate'>): Promise<ReplyBody> {
  const fd = await fileOf(bridge, request, body.fh);
  const { top } = request.graph;
  const reply =
    body.mode & FALLOC_PUNCH_HOLE
      ? await top.discard(request.frame, fd, body.offset, body.length, undefined)
      : await top.fallocate(request.frame, fd, (body.mode & FALLOC_KEEP_SIZE) !== 0, body.offset, body.length, undefined);
  // FALLOCATE has no flag for it.
  if (request.header.uid !== 0) await killAfter(bridge, request, fd, reply.poststat);
  return undefined;
}

export async function lseek(bridge: FuseBridge, request: Request, body: BodyOf<'lseek'>): Promise<ReplyBody> {
  if (body.whence !== SEEK_DATA && body.whence !== SEEK_HOLE) throw new FopError(Errno.EINVAL);
  const fd = await fileOf(bridge, request, body.fh);
  const reply = await request.graph.top.seek(request.frame, fd, body.offset, body.whence === SEEK_DATA ? Seek.DATA : Seek.HOLE, undefined);
  return encodeOffset(reply.offset);
}

/** Flags for opening once more what is open already. */
export function reopenFlags(flags: number): number {
  return flags & ~(OpenFlag.CREAT | OpenFlag.EXCL | OpenFlag.TRUNC);
}
