import { type Bytes, Dict, Errno, FopError, type Gfid, type Iatt, type Inode, Loc, type LookupReply, NULL_GFID, gfidPath } from '@glusterts/libglusterfs';
import type { FuseBridge } from './bridge.js';
import { ROOT_NODEID } from './protocol.js';
import type { Request } from './request.js';

/** ENOENT of an inode's own operation makes the VFS give up; ESTALE makes it look the name up anew (spec/client.md, §6.5). */
export function staleIfAbsent(error: unknown): unknown {
  return error instanceof FopError && error.errno === Errno.ENOENT ? new FopError(Errno.ESTALE, error.xdata) : error;
}

/** xdata of fops that may make an inode: the gfid that it shall have. */
export function gfidRequest(bridge: FuseBridge): Dict {
  return new Dict().setGfid('gfid-req', bridge.platform.random.uuid());
}

/**
 * The inode of a node id in the request's graph, held; looked up by gfid when the graph doesn't know it yet. `await` it only when it
 * is a promise: a turn of the microtask queue for each of a path's directories adds up.
 */
export function resolveInode(bridge: FuseBridge, request: Request, nodeid: number): Inode | Promise<Inode> {
  const { graph } = request;
  if (nodeid === ROOT_NODEID) return request.hold(graph.table.root);
  const inode = bridge.nodes.get(nodeid);
  if (!inode) throw new FopError(Errno.ESTALE);
  if (inode.table === graph.table && graph.isKnown(inode)) return request.hold(inode);
  return resolveUnknown(bridge, request, nodeid, inode);
}

async function resolveUnknown(bridge: FuseBridge, request: Request, nodeid: number, { gfid }: Inode): Promise<Inode> {
  const { graph } = request;
  const found = graph.table.find(gfid);
  const inode = found && graph.isKnown(found) ? request.hold(found) : await lookupGfid(request, gfid, found);
  // Meanwhile the kernel may have forgotten it, or another request found it.
  const now = bridge.nodes.get(nodeid);
  if (now) bridge.nodes.move(now, inode);
  return inode;
}

/** A LOOKUP without a name. Throws ESTALE when the file is gone. */
export async function lookupGfid(request: Request, gfid: Gfid, known?: Inode): Promise<Inode> {
  const { graph } = request;
  const inode = request.hold(known ?? graph.table.create());
  try {
    const loc = new Loc({ inode, gfid, path: known ? (graph.table.path(known) ?? gfidPath(gfid)) : gfidPath(gfid) });
    const reply = await graph.top.lookup(request.frame, loc, undefined);
    const linked = request.hold(graph.table.link(reply.inode, undefined, '' as Bytes, reply.stat));
    graph.markKnown(linked);
    return linked;
  } catch (error) {
    throw staleIfAbsent(error);
  }
}

/** Where a name is: its directory, held, and what the graph knows to be there. */
export interface Entry {
  readonly parent: Inode;
  readonly name: Bytes;
  readonly child: Inode | undefined;
}

export function resolveEntry(bridge: FuseBridge, request: Request, nodeid: number, name: Bytes): Entry | Promise<Entry> {
  const parent = resolveInode(bridge, request, nodeid);
  return parent instanceof Promise ? parent.then((known) => entryIn(request, known, name)) : entryIn(request, parent, name);
}

function entryIn(request: Request, parent: Inode, name: Bytes): Entry {
  const child = request.graph.table.grep(parent, name);
  if (child) request.hold(child);
  return { parent, name, child };
}

/** The inode under a name that shall exist; looked up when the graph doesn't know it. Throws ENOENT. */
export function resolveExisting(bridge: FuseBridge, request: Request, nodeid: number, name: Bytes): Existing | Promise<Existing> {
  const entry = resolveEntry(bridge, request, nodeid, name);
  if (!(entry instanceof Promise) && entry.child && request.graph.isKnown(entry.child)) return { parent: entry.parent, inode: entry.child };
  return lookupExisting(bridge, request, entry);
}

/** Where a name is, and what is there. */
export interface Existing {
  readonly parent: Inode;
  readonly inode: Inode;
}

async function lookupExisting(bridge: FuseBridge, request: Request, found: Entry | Promise<Entry>): Promise<Existing> {
  const entry = await found;
  if (entry.child && request.graph.isKnown(entry.child)) return { parent: entry.parent, inode: entry.child };
  const { inode } = await lookupEntry(bridge, request, entry);
  return { parent: entry.parent, inode };
}

/** A loc by name. */
export function entryLoc(request: Request, parent: Inode, name: Bytes, inode: Inode): Loc {
  return new Loc({ inode, parent, name, path: pathOf(request, parent, name) });
}

/** A loc of a file that is known. */
export function inodeLoc(request: Request, inode: Inode): Loc {
  return new Loc({ inode, path: pathOf(request, inode) });
}

function pathOf(request: Request, inode: Inode, name?: Bytes): Bytes {
  const path = request.graph.table.path(inode, name);
  if (path === undefined) throw new FopError(Errno.ENAMETOOLONG);
  return path;
}

/**
 * LOOKUP: revalidates what is known under the name; when that fails, asks once more as for an unknown name
 * (spec/client.md, §6.5). The inode that it resolves with is linked and held.
 */
export function lookupEntry(bridge: FuseBridge, request: Request, entry: Entry): Promise<Found> {
  return entry.child ? revalidate(bridge, request, entry, entry.child) : lookupUnknown(bridge, request, entry);
}

interface Found {
  readonly inode: Inode;
  readonly stat: Iatt;
}

async function revalidate(bridge: FuseBridge, request: Request, entry: Entry, child: Inode): Promise<Found> {
  const { parent, name } = entry;
  const { graph } = request;
  try {
    return finish(request, entry, await graph.top.lookup(request.frame, entryLoc(request, parent, name, child), undefined));
  } catch (error) {
    if (error instanceof FopError && error.errno === Errno.ENOENT) graph.table.unlink(child, parent, name);
  }
  return lookupUnknown(bridge, request, entry);
}

/** That a name is not there is the usual answer: it passes without being caught and thrown again. */
function lookupUnknown(bridge: FuseBridge, request: Request, entry: Entry): Promise<Found> {
  const { graph } = request;
  const fresh = request.hold(graph.table.create());
  return graph.top.lookup(request.frame, entryLoc(request, entry.parent, entry.name, fresh), gfidRequest(bridge)).then((reply) => finish(request, entry, reply));
}

function finish(request: Request, entry: Entry, reply: LookupReply): Found {
  return { inode: linkNew(request, entry.parent, entry.name, reply), stat: reply.stat };
}

/** Links what a LOOKUP or a creation answered, holds it and marks it known. Throws EIO for a null gfid. */
export function linkNew(request: Request, parent: Inode, name: Bytes, reply: { inode: Inode; stat: Iatt }): Inode {
  if (reply.stat.ia_gfid === NULL_GFID) throw new FopError(Errno.EIO, undefined, 'an entry without a gfid');
  const linked = request.hold(request.graph.table.link(reply.inode, parent, name, reply.stat));
  request.graph.markKnown(linked);
  return linked;
}
