import { type Bytes, Dict, DictType, Errno, Fd, FopError, type Inode, Loc, gfidPath } from '@glusterts/libglusterfs';
import type { ActiveGraph } from './active-graph.js';
import type { FuseBridge } from './bridge.js';
import type { FuseHeader } from './decode.js';
import type { OpenFile } from './fd-table.js';
import { reopenFlags } from './ops-file.js';
import { Request } from './request.js';
import { lookupGfid } from './resolve.js';

const LOCKINFO = 'trusted.glusterfs.lockinfo' as Bytes;

/** Requests of the mount itself. */
const OWN_HEADER: FuseHeader = { opcode: 0, unique: 0, nodeid: 1, uid: 0, gid: 0, pid: 0 };

/**
 * Makes `next` the graph that serves (spec/client.md, §6.12). New requests wait meanwhile; those under way end in the old
 * graph. Open files are opened in the new one, with their locks. Resolves when the old graph serves nothing any more.
 */
export async function switchGraph(bridge: FuseBridge, next: ActiveGraph): Promise<void> {
  const old = bridge.active;
  if (!old) {
    bridge.activate(next);
    return;
  }
  bridge.hold();
  const request = new Request(OWN_HEADER, next, bridge.ownFrame(), 'stack');
  try {
    const { root } = next.table;
    await next.top.lookup(request.frame, new Loc({ inode: root, path: '/' as Bytes }), undefined).catch(() => undefined);
    for (const file of bridge.files.values()) await migrate(bridge, request, file, old);
  } finally {
    request.end();
    bridge.activate(next);
  }
  bridge.log.info(0, `switched to graph ${next.graph.id}`);
  await old.drained();
}

/** A request came for an fd that is still in an older graph. Throws EBADF. */
export async function migrateIfOld(bridge: FuseBridge, request: Request, file: OpenFile): Promise<void> {
  await migrate(bridge, request, file, undefined);
  if (file.lost) throw new FopError(Errno.EBADF);
}

async function migrate(bridge: FuseBridge, request: Request, file: OpenFile, old: ActiveGraph | undefined): Promise<void> {
  const from = file.fd;
  if (file.lost || from.inode.table === request.graph.table) return;
  try {
    if (old) await settle(request, file, old);
    const inode = await inodeInNewGraph(request, from.inode);
    const to = new Fd(inode, { flags: from.flags, pid: from.pid });
    try {
      await reopen(request, file, inode, to);
    } catch (error) {
      to.unref();
      throw error;
    }
    to.bind();
    if (old && file.lockOwners.size > 0) await moveLocks(request, old, from, to);
    file.fd = to;
    bridge.log.info(0, `migrated basefd ${file.fh} to a new fd (new-subvolume: ${request.graph.top.name}-${request.graph.graph.id})`);
    from.unref();
  } catch (error) {
    file.lost = true;
    bridge.log.warning(0, `fd ${file.fh} could not be migrated: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What was written before the switch shall be there after it; a failure is the old graph's last word, and changes nothing. */
async function settle(request: Request, file: OpenFile, old: ActiveGraph): Promise<void> {
  const fsync = file.directory
    ? old.top.fsyncdir(request.frame, file.fd, false, undefined)
    : old.top.fsync(request.frame, file.fd, false, new Dict().set('last-fsync', { type: DictType.INT, value: 1n }));
  await fsync.then(
    () => undefined,
    () => undefined,
  );
}

async function inodeInNewGraph(request: Request, inode: Inode): Promise<Inode> {
  const { graph } = request;
  const found = graph.table.find(inode.gfid);
  return found && graph.isKnown(found) ? request.hold(found) : lookupGfid(request, inode.gfid, found);
}

async function reopen(request: Request, file: OpenFile, inode: Inode, to: Fd): Promise<void> {
  const { graph, frame } = request;
  const loc = new Loc({ inode, path: graph.table.path(inode) ?? gfidPath(inode.gfid) });
  if (file.directory) await graph.top.opendir(frame, loc, to, undefined);
  else await graph.top.open(frame, loc, reopenFlags(to.flags), to, undefined);
}

/** The bricks hand the locks of one fd to another by the `lockinfo` of the first. */
async function moveLocks(request: Request, old: ActiveGraph, from: Fd, to: Fd): Promise<void> {
  const { dict } = await old.top.fgetxattr(request.frame, from, LOCKINFO, undefined);
  await request.graph.top.fsetxattr(request.frame, to, dict, 0, undefined);
}
