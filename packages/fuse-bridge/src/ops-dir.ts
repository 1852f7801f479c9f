import { type Direntp, type Dirent, Fd, type Inode, NULL_GFID } from '@glusterts/libglusterfs';
import type { FuseBridge } from './bridge.js';
import type { BodyOf } from './dispatch.js';
import { DirentplusWriter } from './direntplus.js';
import { type Validity, direntSize, encodeOpen, validity, writeDirent } from './encode.js';
import { ListAhead } from './list-ahead.js';
import { fileOf } from './ops-file.js';
import { ENTRY_OUT_SIZE } from './protocol.js';
import type { ReplyBody, Request } from './request.js';
import { inodeLoc, resolveInode, staleIfAbsent } from './resolve.js';

const EMPTY = Buffer.alloc(0);

export async function opendir(bridge: FuseBridge, request: Request, flags: number): Promise<ReplyBody> {
  const { frame, graph, header } = request;
  let fd: Fd | undefined;
  try {
    const inode = await resolveInode(bridge, request, header.nodeid);
    fd = new Fd(inode, { flags, pid: header.pid });
    await graph.top.opendir(frame, inodeLoc(request, inode), fd, undefined);
    fd.bind();
    const file = bridge.files.add(fd, { nodeid: header.nodeid, directory: true, directIo: false });
    request.undo = () => bridge.files.remove(file.fh);
    return encodeOpen(file.fh, 0);
  } catch (error) {
    fd?.unref();
    throw staleIfAbsent(error);
  }
}

/** RELEASE and RELEASEDIR. */
export function release(bridge: FuseBridge, fh: number): void {
  bridge.files.find(fh)?.listing?.drop();
  bridge.files.remove(fh);
}

export async function fsyncdir(bridge: FuseBridge, request: Request, fh: number, datasync: boolean): Promise<ReplyBody> {
  await request.graph.top.fsyncdir(request.frame, await fileOf(bridge, request, fh), datasync, undefined);
  return undefined;
}

/** As many entries as fit: the kernel asks again from the last one's offset. */
function fitting<E extends Dirent>(entries: readonly E[], size: number, extra: number): { count: number; bytes: number } {
  let bytes = 0;
  let count = 0;
  for (const entry of entries) {
    const next = bytes + extra + direntSize(entry.name);
    if (next > size) break;
    bytes = next;
    count++;
  }
  return { count, bytes };
}

export async function readdir(bridge: FuseBridge, request: Request, body: BodyOf<'readdir'>): Promise<ReplyBody> {
  const fd = await fileOf(bridge, request, body.fh);
  const { entries } = await request.graph.top.readdir(request.frame, fd, body.size, body.offset, undefined);
  const { count, bytes } = fitting(entries, body.size, 0);
  if (count === 0) return EMPTY;
  const out = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const entry of entries.slice(0, count)) at = writeDirent(out, at, entry, bridge.options['enable-ino32']);
  return out;
}

export async function readdirplus(bridge: FuseBridge, request: Request, body: BodyOf<'readdirplus'>): Promise<ReplyBody> {
  // Before anything is waited for: the kernel may close it meanwhile.
  const file = bridge.files.get(body.fh);
  const fd = await fileOf(bridge, request, body.fh);
  if (file.listing?.fd !== fd) {
    // Another graph's.
    file.listing?.drop();
    file.listing = new ListAhead(bridge, fd);
  }
  // An entry counts for more below than it takes here (spec/brick.md, §8): all that comes fits.
  const { entries, ageMs } = await file.listing.readdirp(request.graph, request.frame, body.size, body.offset);
  if (bridge.files.find(body.fh) !== file) file.listing.drop();
  const { count, bytes } = fitting(entries, body.size, ENTRY_OUT_SIZE);
  if (count === 0) return EMPTY;
  const { options } = bridge;
  const [entryValid, attrValid] = ageMs === 0 ? [bridge.entryValid, bridge.attrValid] : [validFor(options['entry-timeout'], ageMs), validFor(options['attribute-timeout'], ageMs)];
  const writer = new DirentplusWriter(bytes, entryValid, attrValid, options['enable-ino32']);
  const told: number[] = [];
  request.undo = () => {
    for (const id of told) bridge.nodes.forget(id, 1);
  };
  const { table } = request.graph;
  // The kernel's references hold what it is told of, but for a table so full that it would let go of entries before the kernel has them.
  const hold = table.lruLimit > 0 && table.lruSize + count > table.lruLimit;
  for (let i = 0; i < count; i++) {
    const entry = entries[i] as Direntp;
    const inode = entryInode(request, fd.inode, entry, hold);
    // The kernel knows `.` and `..` already, and doesn't count them (spec/client.md, §6.4).
    const id = inode ? bridge.nodes.lookup(inode) : knownNode(bridge, entry);
    if (inode && id !== undefined) told.push(id);
    writer.add(entry, id ?? 0);
  }
  return writer.bytes;
}

/** What is left of a timeout, which is in seconds. */
function validFor(timeout: number, ageMs: number): Validity {
  return validity(Math.max(0, timeout - ageMs / 1000));
}

/** The number of `.` and of `..`; undefined for what is none of them, and for what lies above the root. */
function knownNode(bridge: FuseBridge, { name, stat }: Direntp): number | undefined {
  return (name === '.' || name === '..') && stat.ia_type !== 0 ? bridge.nodes.find(stat.ia_gfid) : undefined;
}

/** The inode of an entry, linked; undefined for those that the kernel must look up itself. */
function entryInode(request: Request, parent: Inode, entry: Direntp, hold: boolean): Inode | undefined {
  if (entry.name === '.' || entry.name === '..' || entry.stat.ia_type === 0) return undefined;
  const { table } = request.graph;
  // One that has left the table since the listing was read has lost what the layers below knew of it.
  if (entry.inode && entry.inode.gfid !== NULL_GFID && !entry.inode.listed && table.find(entry.inode.gfid) !== entry.inode) return undefined;
  const inode = entry.inode ?? table.find(entry.stat.ia_gfid) ?? table.create();
  try {
    const linked = table.link(inode, parent, entry.name, entry.stat);
    return hold ? request.hold(linked) : linked;
  } catch {
    return undefined;
  }
}
