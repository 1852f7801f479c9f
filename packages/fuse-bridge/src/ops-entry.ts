import { type Bytes, type Dict, type EntryReply, Errno, FopError, type Iatt, type Inode, type Loc, NULL_GFID } from '@glusterts/libglusterfs';
import type { FuseBridge } from './bridge.js';
import type { BodyOf } from './dispatch.js';
import { type EntryOut, encodeEntry, encodeNegativeEntry, validity } from './encode.js';
import type { ReplyBody, Request } from './request.js';
import { entryLoc, gfidRequest, inodeLoc, linkNew, lookupEntry, resolveEntry, resolveExisting, resolveInode, staleIfAbsent } from './resolve.js';

/** What the kernel is told of an inode that it shall know; taken back by `request.undo`. */
export function entryOut(bridge: FuseBridge, request: Request, inode: Inode, stat: Iatt): EntryOut {
  const nodeid = bridge.nodes.lookup(inode);
  request.undo = () => bridge.nodes.forget(nodeid, 1);
  return { nodeid, entry: bridge.entryValid, attr: bridge.attrValid, stat };
}

export function lookup(bridge: FuseBridge, request: Request, name: Bytes): Promise<ReplyBody> {
  const found = resolveEntry(bridge, request, request.header.nodeid, name);
  const looked = found instanceof Promise ? found.then((entry) => lookupEntry(bridge, request, entry)) : lookupEntry(bridge, request, found);
  const reply = looked.then(({ inode, stat }) => encodeEntry(entryOut(bridge, request, inode, stat), bridge.options['enable-ino32']));
  const remember = bridge.options['negative-timeout'];
  return remember > 0 ? reply.catch((error: unknown) => negative(error, remember)) : reply;
}

function negative(error: unknown, remember: number): ReplyBody {
  if (error instanceof FopError && error.errno === Errno.ENOENT) return encodeNegativeEntry(validity(remember));
  throw error;
}

/** xdata of fops that make a name: with ACLs the brick applies the umask (spec/client.md, §6.5). */
export function creationXdata(bridge: FuseBridge, mode: number, umask: number): Dict {
  const xdata = gfidRequest(bridge);
  if (bridge.options.acl) xdata.setInt('umask', umask).setInt('mode', mode);
  return xdata;
}

/** The mode without what the umask takes away; with ACLs the default ACL counts, and the brick decides. */
export function creationMode(bridge: FuseBridge, mode: number, umask: number): number {
  return bridge.options.acl ? mode : mode & ~umask;
}

/** The umask argument of fops: only with ACLs. */
export function creationUmask(bridge: FuseBridge, umask: number): number {
  return bridge.options.acl ? umask : 0;
}

async function make(bridge: FuseBridge, request: Request, name: Bytes, fop: (loc: Loc) => Promise<EntryReply>): Promise<ReplyBody> {
  try {
    const parent = await resolveInode(bridge, request, request.header.nodeid);
    const fresh = request.hold(request.graph.table.create());
    const reply = await fop(entryLoc(request, parent, name, fresh));
    const inode = linkNew(request, parent, name, reply);
    return encodeEntry(entryOut(bridge, request, inode, reply.stat), bridge.options['enable-ino32']);
  } catch (error) {
    throw staleIfAbsent(error);
  }
}

export function mknod(bridge: FuseBridge, request: Request, body: BodyOf<'mknod'>): Promise<ReplyBody> {
  const { mode, umask, rdev, name } = body;
  const { top } = request.graph;
  // The kernel's 32-bit device number is laid out as the lower half of a dev_t is.
  return make(bridge, request, name, (loc) =>
    top.mknod(request.frame, loc, creationMode(bridge, mode, umask), BigInt(rdev), creationUmask(bridge, umask), creationXdata(bridge, mode, umask)));
}

export function mkdir(bridge: FuseBridge, request: Request, body: BodyOf<'mkdir'>): Promise<ReplyBody> {
  const { mode, umask, name } = body;
  const { top } = request.graph;
  return make(bridge, request, name, (loc) =>
    top.mkdir(request.frame, loc, creationMode(bridge, mode, umask), creationUmask(bridge, umask), creationXdata(bridge, mode, umask)));
}

export function symlink(bridge: FuseBridge, request: Request, name: Bytes, target: Bytes): Promise<ReplyBody> {
  const { top } = request.graph;
  return make(bridge, request, name, (loc) => top.symlink(request.frame, target, loc, 0, gfidRequest(bridge)));
}

/** The attributes of a file that was known before: a layer that left the gfid out has said nothing wrong. */
function identified(stat: Iatt, inode: Inode): Iatt {
  return stat.ia_gfid === NULL_GFID ? stat.clone().setGfid(inode.gfid) : stat;
}

export async function link(bridge: FuseBridge, request: Request, oldnodeid: number, name: Bytes): Promise<ReplyBody> {
  try {
    const inode = await resolveInode(bridge, request, oldnodeid);
    const parent = await resolveInode(bridge, request, request.header.nodeid);
    const reply = await request.graph.top.link(request.frame, inodeLoc(request, inode), entryLoc(request, parent, name, inode), undefined);
    const stat = identified(reply.stat, inode);
    const linked = linkNew(request, parent, name, { inode, stat });
    return encodeEntry(entryOut(bridge, request, linked, stat), bridge.options['enable-ino32']);
  } catch (error) {
    throw staleIfAbsent(error);
  }
}

export async function unlink(bridge: FuseBridge, request: Request, name: Bytes): Promise<ReplyBody> {
  const found = resolveExisting(bridge, request, request.header.nodeid, name);
  const { parent, inode } = found instanceof Promise ? await found : found;
  await request.graph.top.unlink(request.frame, entryLoc(request, parent, name, inode), 0, undefined);
  request.graph.table.unlink(inode, parent, name);
  return undefined;
}

export async function rmdir(bridge: FuseBridge, request: Request, name: Bytes): Promise<ReplyBody> {
  const { parent, inode } = await resolveExisting(bridge, request, request.header.nodeid, name);
  await request.graph.top.rmdir(request.frame, entryLoc(request, parent, name, inode), 0, undefined);
  request.graph.table.unlink(inode, parent, name);
  return undefined;
}

export async function rename(bridge: FuseBridge, request: Request, body: BodyOf<'rename'>): Promise<ReplyBody> {
  const { table, top } = request.graph;
  try {
    const found = resolveExisting(bridge, request, request.header.nodeid, body.name);
    const { parent, inode } = found instanceof Promise ? await found : found;
    const target = await renameTarget(bridge, request, body.newdir, body.newname);
    const oldloc = entryLoc(request, parent, body.name, inode);
    const newloc = entryLoc(request, target.parent, body.newname, target.inode);
    const reply = await top.rename(request.frame, oldloc, newloc, undefined);
    table.rename(parent, body.name, target.parent, body.newname, inode, identified(reply.stat, inode));
    return undefined;
  } catch (error) {
    throw staleIfAbsent(error);
  }
}

/** The inode that a rename replaces, or a fresh one. */
async function renameTarget(bridge: FuseBridge, request: Request, newdir: number, newname: Bytes): Promise<{ parent: Inode; inode: Inode }> {
  if (request.graph.isFirst) {
    // The kernel has just looked it up: what is not known here is not there.
    const { parent, child } = await resolveEntry(bridge, request, newdir, newname);
    if (!child) return { parent, inode: request.hold(request.graph.table.create()) };
  }
  try {
    return await resolveExisting(bridge, request, newdir, newname);
  } catch (error) {
    if (!(error instanceof FopError) || error.errno !== Errno.ENOENT) throw error;
    return { parent: await resolveInode(bridge, request, newdir), inode: request.hold(request.graph.table.create()) };
  }
}
