import { type Bytes, Errno, Fd, FopError, type Gfid, type Iatt, type LookupReply, type UnlinkReply, type Xdata, Loc, NULL_GFID, ROOT_GFID } from '@glusterts/libglusterfs';
import { Glusterfs4, type RpcHandler } from '@glusterts/rpc-xdr';
import { alongOf, lockMade } from './along.js';
import { type ServedReply, type ServerState, ZERO, asItIs, fop } from './handlers.js';
import type { Request } from './resolver.js';

const O_EXCL = 0o200;
const MADE = { stat: ZERO, preparent: ZERO, postparent: ZERO };
const GONE = { prestat: ZERO, poststat: ZERO };

/** Fops on names. */
export function entryFops(state: ServerState): Record<number, RpcHandler> {
  const P = Glusterfs4;
  const handlers: [{ readonly number: number }, RpcHandler][] = [
    [P.LOOKUP, fop(P.LOOKUP, state, GONE, (req, r) => lookup(req, r), asItIs)],
    [P.MKNOD, fop(P.MKNOD, state, MADE, (req, r) => r.onEntry(req.pargfid, req.bname, 'not', async (loc) => made(r, loc, await r.below.mknod(r.frame, loc, req.mode, req.dev, req.umask, req.xdata))), asItIs)],
    [P.MKDIR, fop(P.MKDIR, state, MADE, (req, r) => r.onEntry(req.pargfid, req.bname, 'not', async (loc) => made(r, loc, await r.below.mkdir(r.frame, loc, req.mode, req.umask, req.xdata))), asItIs)],
    [P.SYMLINK, fop(P.SYMLINK, state, MADE, (req, r) => r.onEntry(req.pargfid, req.bname, 'not', async (loc) => made(r, loc, await r.below.symlink(r.frame, req.linkname, loc, req.umask, req.xdata))), asItIs)],
    [P.LINK, fop(P.LINK, state, MADE, async (req, r) => {
      const from = await r.byGfid(req.oldgfid);
      const to = await r.entry(req.newgfid, req.newbname, 'not');
      to.inode = from.inode;
      to.gfid = from.gfid;
      return made(r, to, await r.below.link(r.frame, from, to, req.xdata));
    }, asItIs)],
    [P.CREATE, fop(P.CREATE, state, { ...MADE, fd: 0 }, (req, r) => {
      const along = alongOf(req.xdata);
      const presence = (req.flags & O_EXCL) !== 0 ? 'not' : 'dont-care';
      if (!along) return r.onEntry(req.pargfid, req.bname, presence, (loc) => create(req, r, loc));
      const wanted = req.xdata?.getGfid('gfid-req');
      return r.onEntry(req.pargfid, req.bname, presence, (loc) => create(req, r, loc).then((answer) => lockMade(state, r, along, answer, loc, answer.stat.ia_gfid, wanted)));
    }, asItIs)],
    [P.UNLINK, fop(P.UNLINK, state, GONE, (req, r) => r.onEntry(req.pargfid, req.bname, 'must', async (loc) => gone(r, loc, await r.below.unlink(r.frame, loc, req.xflags, req.xdata))), asItIs)],
    [P.RMDIR, fop(P.RMDIR, state, GONE, (req, r) => r.onEntry(req.pargfid, req.bname, 'must', async (loc) => gone(r, loc, await r.below.rmdir(r.frame, loc, req.xflags, req.xdata))), asItIs)],
    [P.RENAME, fop(P.RENAME, state, { stat: ZERO, preoldparent: ZERO, postoldparent: ZERO, prenewparent: ZERO, postnewparent: ZERO }, async (req, r) => {
      const from = r.knownEntry(req.oldgfid, req.oldbname, 'must') ?? (await r.entry(req.oldgfid, req.oldbname, 'must'));
      const to = r.knownEntry(req.newgfid, req.newbname, 'may') ?? (await r.entry(req.newgfid, req.newbname, 'may'));
      const { stat, preoldparent, postoldparent, prenewparent, postnewparent, xdata } = await r.below.rename(r.frame, from, to, req.xdata);
      if (from.parent && to.parent && stat.ia_gfid !== NULL_GFID) r.table.rename(from.parent, from.name, to.parent, to.name, from.inode, stat);
      return { op_ret: 0, op_errno: 0, xdata, stat, preoldparent, postoldparent, prenewparent, postnewparent };
    }, asItIs)],
  ];
  return Object.fromEntries(handlers.map(([procedure, handler]) => [procedure.number, handler]));
}

type CreateRequest = ReturnType<typeof Glusterfs4.CREATE.decodeRequest>;

async function create(req: CreateRequest, r: Request, loc: Loc): Promise<Made & ServedReply & { fd: number }> {
  // A new inode goes down, whatever is cached (spec/brick.md, §12.3).
  if (loc.inode.gfid !== NULL_GFID) loc.inode = r.hold(r.table.create());
  loc.gfid = NULL_GFID;
  let fd = new Fd(loc.inode, { flags: req.flags, pid: r.frame.pid });
  try {
    const { stat, preparent, postparent, xdata } = made(r, loc, await r.below.create(r.frame, loc, req.flags, req.mode, req.umask, fd, req.xdata));
    fd = adopt(r, fd, loc);
    return { op_ret: 0, op_errno: 0, xdata, stat, preparent, postparent, fd: r.client.addFd(fd.bind()) };
  } catch (error) {
    fd.unref();
    throw error;
  }
}

interface Made {
  readonly stat: Iatt;
  readonly preparent: Iatt;
  readonly postparent: Iatt;
  readonly xdata: Xdata;
}

/** Links what was made, and gives the reply. */
function made(r: Request, loc: Loc, { stat, preparent, postparent, xdata }: Made): Made & ServedReply {
  if (loc.parent) {
    const linked = r.table.link(loc.inode, loc.parent, loc.name, stat);
    if (linked !== loc.inode) loc.inode = r.hold(linked);
  }
  return { op_ret: 0, op_errno: 0, xdata, stat, preparent, postparent };
}

/** Forgets the name of what was removed, and gives the reply. */
function gone(r: Request, loc: Loc, { preparent, postparent, xdata }: UnlinkReply): ServedReply & { prestat: Iatt; poststat: Iatt } {
  if (loc.parent) r.table.unlink(loc.inode, loc.parent, loc.name);
  return { op_ret: 0, op_errno: 0, xdata, prestat: preparent, poststat: postparent };
}

/** An existing file was opened by CREATE without O_EXCL: the fd belongs to the inode that the table knows. */
function adopt(r: Request, fd: Fd, loc: Loc): Fd {
  if (fd.inode === loc.inode) return fd;
  const other = new Fd(loc.inode, { flags: fd.flags, pid: fd.pid });
  // What the xlators below keep for the open file goes with it.
  other.takeCtx(fd);
  fd.unref();
  return other;
}

interface LookupRequest {
  readonly gfid: Gfid;
  readonly pargfid: Gfid;
  readonly bname: Bytes;
  readonly xdata: Xdata;
}

type LookedUp = ServedReply & { prestat: Iatt; poststat: Iatt };

function lookup(req: LookupRequest, r: Request): Promise<LookedUp> {
  if (req.bname !== '' && req.pargfid !== NULL_GFID) return r.onEntry(req.pargfid, req.bname, 'dont-care', (loc) => lookupLoc(req, r, loc));
  return lookupLoc(req, r, nameless(r, r.translate(req.gfid)));
}

function lookupLoc(req: LookupRequest, r: Request, loc: Loc): Promise<LookedUp> {
  if (loc.inode.gfid !== NULL_GFID) return revalidate(req, r, loc);
  return r.below.lookup(r.frame, loc, req.xdata).then((reply) => answer(r, loc, reply));
}

async function revalidate(req: LookupRequest, r: Request, loc: Loc): Promise<LookedUp> {
  try {
    const reply = await r.below.lookup(r.frame, loc, req.xdata);
    if (reply.stat.ia_gfid !== loc.inode.gfid) return await freshLookup(req, r, loc);
    return answer(r, loc, reply);
  } catch (error) {
    if (loc.inode.isRoot || !(error instanceof FopError)) throw error;
    // A revalidation that fails is done once more from scratch: the name may be another file's by now.
    if (error.errno === Errno.ENOENT && loc.parent) r.table.unlink(loc.inode, loc.parent, loc.name);
    if (error.errno !== Errno.ENOENT && error.errno !== Errno.ESTALE) throw error;
    return freshLookup(req, r, loc);
  }
}

async function freshLookup(req: LookupRequest, r: Request, loc: Loc): Promise<LookedUp> {
  const fresh = new Loc({ ...loc, inode: r.hold(r.table.create()) });
  return answer(r, fresh, await r.below.lookup(r.frame, fresh, req.xdata));
}

function nameless(r: Request, gfid: LookupRequest['gfid']): Loc {
  if (gfid === NULL_GFID) throw new FopError(Errno.EINVAL);
  const inode = r.hold(r.table.find(gfid) ?? r.table.create());
  return new Loc({ inode, gfid, path: gfid === ROOT_GFID ? ('/' as Bytes) : ('' as Bytes) });
}

function answer(r: Request, loc: Loc, reply: LookupReply): LookedUp {
  if (reply.stat.ia_gfid !== NULL_GFID) r.table.link(reply.inode, loc.parent, loc.name, reply.stat);
  const stat = loc.inode.isRoot ? reply.stat.clone().setGfid(ROOT_GFID) : reply.stat;
  return { op_ret: 0, op_errno: 0, xdata: reply.xdata, prestat: stat, poststat: reply.postparent };
}
