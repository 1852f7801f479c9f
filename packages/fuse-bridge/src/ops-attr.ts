import { type Bytes, Dict, type Fd, Iatt, type Inode, ROOT_GFID, type Loc, SetAttr, toBuffer } from '@glusterts/libglusterfs';
import type { FuseBridge } from './bridge.js';
import type { SetattrBody } from './decode.js';
import { encodeAttr, encodeStatfs } from './encode.js';
import { Fattr, PATH_SIZE_MAX, ROOT_NODEID } from './protocol.js';
import { asksToKill, killPrivileges } from './privileges.js';
import type { ReplyBody, Request } from './request.js';
import { inodeLoc, resolveInode, staleIfAbsent } from './resolve.js';

function attrReply(bridge: FuseBridge, request: Request, stat: Iatt): Buffer {
  return encodeAttr(bridge.attrValid, stat, request.header.nodeid === ROOT_NODEID, bridge.options['enable-ino32']);
}

export async function getattr(bridge: FuseBridge, request: Request, fh: number | undefined): Promise<ReplyBody> {
  const { header, frame, graph } = request;
  try {
    if (header.nodeid === ROOT_NODEID) {
      const root = await resolveInode(bridge, request, ROOT_NODEID);
      const reply = await graph.top.lookup(frame, inodeLoc(request, root), new Dict().setGfid('gfid-req', ROOT_GFID));
      return attrReply(bridge, request, reply.stat);
    }
    if (fh !== undefined) return attrReply(bridge, request, (await graph.top.fstat(frame, request.file(bridge.files, fh).fd, undefined)).stat);
    const found = resolveInode(bridge, request, header.nodeid);
    const inode = found instanceof Promise ? await found : found;
    const fd = openFdOf(inode, header.pid);
    if (fd) return attrReply(bridge, request, (await graph.top.fstat(frame, request.hold(fd), undefined)).stat);
    return attrReply(bridge, request, (await graph.top.stat(frame, inodeLoc(request, inode), undefined)).stat);
  } catch (error) {
    throw staleIfAbsent(error);
  }
}

/** An open fd of a file: the caller's own rather than any. This is what makes fstat of an unlinked file work. */
function openFdOf(inode: Inode, pid: number): Fd | undefined {
  let any: Fd | undefined;
  for (const fd of inode.fds) {
    if (fd.anonymous) continue;
    if (fd.pid === pid) return fd;
    any ??= fd;
  }
  return inode.ia_type === 2 ? undefined : any;
}

const SIMPLE = SetAttr.MODE | SetAttr.UID | SetAttr.GID | SetAttr.ATIME | SetAttr.MTIME | SetAttr.ATIME_NOW | SetAttr.MTIME_NOW;
const TIMES = SetAttr.ATIME | SetAttr.MTIME | SetAttr.CTIME;

export async function setattr(bridge: FuseBridge, request: Request, body: SetattrBody): Promise<ReplyBody> {
  const { frame, graph, header } = request;
  try {
    request.ownedBy(body.owner);
    const fd = body.fh === undefined ? undefined : request.file(bridge.files, body.fh).fd;
    // FUSE's bits are SetAttr's but for ctime.
    const valid = (body.valid & SIMPLE) | (body.valid & Fattr.CTIME ? SetAttr.CTIME : 0);
    let loc: Loc | undefined;
    const byName = async (): Promise<Loc> => (loc ??= inodeLoc(request, await resolveInode(bridge, request, header.nodeid)));
    let stat: Iatt | undefined;
    if (valid !== 0 || !(body.valid & Fattr.SIZE)) {
      const iatt = attributes(body);
      const reply = fd && !(valid & TIMES) ? await graph.top.fsetattr(frame, fd, iatt, valid, undefined) : await graph.top.setattr(frame, await byName(), iatt, valid, undefined);
      stat = reply.poststat;
    }
    if (body.valid & Fattr.SIZE) {
      const reply = fd ? await graph.top.ftruncate(frame, fd, body.size, undefined) : await graph.top.truncate(frame, await byName(), body.size, undefined);
      stat = reply.poststat;
    }
    if (body.valid & Fattr.MODE) bridge.modeChanges++;
    if (stat && asksToKill(body.valid)) stat = await killPrivileges(bridge, request, fd ?? (await byName()), stat);
    return attrReply(bridge, request, stat ?? new Iatt());
  } catch (error) {
    throw staleIfAbsent(error);
  }
}

function attributes(body: SetattrBody): Iatt {
  const iatt = new Iatt();
  iatt.mode = body.mode;
  iatt.ia_uid = body.uid;
  iatt.ia_gid = body.gid;
  iatt.ia_atime = body.atime;
  iatt.ia_mtime = body.mtime;
  iatt.ia_ctime = body.ctime;
  iatt.ia_atime_nsec = body.atimensec;
  iatt.ia_mtime_nsec = body.mtimensec;
  iatt.ia_ctime_nsec = body.ctimensec;
  return iatt;
}

export async function readlink(bridge: FuseBridge, request: Request): Promise<ReplyBody> {
  try {
    const inode = await resolveInode(bridge, request, request.header.nodeid);
    const reply = await request.graph.top.readlink(request.frame, inodeLoc(request, inode), PATH_SIZE_MAX, undefined);
    return toBuffer(reply.path.slice(0, PATH_SIZE_MAX) as Bytes);
  } catch (error) {
    throw staleIfAbsent(error);
  }
}

export async function access(bridge: FuseBridge, request: Request, mask: number): Promise<ReplyBody> {
  try {
    const inode = await resolveInode(bridge, request, request.header.nodeid);
    await request.graph.top.access(request.frame, inodeLoc(request, inode), mask, undefined);
    return undefined;
  } catch (error) {
    throw staleIfAbsent(error);
  }
}

export async function statfs(bridge: FuseBridge, request: Request): Promise<ReplyBody> {
  try {
    const inode = await resolveInode(bridge, request, request.header.nodeid);
    return encodeStatfs((await request.graph.top.statfs(request.frame, inodeLoc(request, inode), undefined)).statfs);
  } catch (error) {
    throw staleIfAbsent(error);
  }
}
