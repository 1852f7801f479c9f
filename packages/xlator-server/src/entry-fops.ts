import { type Bytes, Errno, Fd, FopError, type Gfid, type Iatt, type LookupReply, type Xdata, Loc, NULL_GFID, ROOT_GFID } from '@glusterts/libglusterfs';
import { Glusterfs4, type RpcHandler } from '@glusterts/rpc-xdr';
import { type ServerState, ZERO, fop } from './handlers.js';
import type { Request } from './resolver.js';

const O_EXCL = 0o200;
const MADE = { stat: ZERO, preparent: ZERO, postparent: ZERO };
const GONE = { prestat: ZERO, poststat: ZERO };

/** Fops on names. */
export function entryFops(state: ServerState): Record<number, RpcHandler> {
  const P = Glusterfs4;
  const handlers: [{ readonly number: number }, RpcHandler][] = [
    [P.LOOKUP, fop(P.LOOKUP, state, GONE, (req, r) => lookup(req, r))],
    [P.MKNOD, fop(P.MKNOD, state, MADE, async (req, r) => {
      const loc = await r.entry(req.pargfid, req.bname, 'not');
      return made(r, loc, await r.below.mknod(r.frame, loc, req.mode, req.dev, req.umask, req.xdata));
    })],
    [P.MKDIR, fop(P.MKDIR, state, MADE, async (req, r) => {
      const loc = await r.entry(req.pargfid, req.bname, 'not');
      return made(r, loc, await r.below.mkdir(r.frame, loc, req.mode, req.umask, req.xdata));
    })],
    [P.SYMLINK, fop(P.SYMLINK, state, MADE, async (req, r) => {
      const loc = await r.entry(req.pargfid, req.bname, 'not');
      return made(r, loc, await r.below.symlink(r.frame, req.linkname, loc, req.umask, req.xdata));
    })],
    [P.LINK, fop(P.LINK, state, MADE, async (req, r) => {
      const from = await r.byGfid(req.oldgfid);
      const to = await r.entry(req.newgfid, req.newbname, 'not');
      to.inode = from.inode;
      to.gfid = from.gfid;
      return made(r, to, await r.below.link(r.frame, from, to, req.xdata));
    })],
    [P.CREATE, fop(P.CREATE, state, { ...MADE, fd: 0 }, async (req, r) => {
      const known = await r.entry(req.pargfid, req.bname, (req.flags & O_EXCL) !== 0 ? 'not' : 'dont-care');
      // A new inode goes down, whatever is cached (spec/brick.md, §12.3).
      const loc = new Loc({ ...known, inode: r.hold(r.table.create()), gfid: NULL_GFID });
      let fd = new Fd(loc.inode, { flags: req.flags, pid: r.frame.pid });
      try {
        const reply = await r.below.create(r.frame, loc, req.flags, req.mode, req.umask, fd, req.xdata);
        const answer = made(r, loc, reply);
        fd = adopt(r, fd, loc);
        return { ...answer, fd: r.client.addFd(fd.bind()) };
      } catch (error) {
        fd.unref();
        throw error;
      }
    })],
    [P.UNLINK, fop(P.UNLINK, state, GONE, async (req, r) => {
      const loc = await r.entry(req.pargfid, req.bname, 'must');
      const reply = await r.below.unlink(r.frame, loc, req.xflags, req.xdata);
      if (loc.parent) r.table.unlink(loc.inode, loc.parent, loc.name);
      return { xdata: reply.xdata, prestat: reply.preparent, poststat: reply.postparent };
    })],
    [P.RMDIR, fop(P.RMDIR, state, GONE, async (req, r) => {
      const loc = await r.entry(req.pargfid, req.bname, 'must');
      const reply = await r.below.rmdir(r.frame, loc, req.xflags, req.xdata);
      if (loc.parent) r.table.unlink(loc.inode, loc.parent, loc.name);
      return { xdata: reply.xdata, prestat: reply.preparent, poststat: reply.postparent };
    })],
    [P.RENAME, fop(P.RENAME, state, { stat: ZERO, preoldparent: ZERO, postoldparent: ZERO, prenewparent: ZERO, postnewparent: ZERO }, async (req, r) => {
      const from = await r.entry(req.oldgfid, req.oldbname, 'must');
      const to = await r.entry(req.newgfid, req.newbname, 'may');
      const reply = await r.below.rename(r.frame, from, to, req.xdata);
      if (from.parent && to.parent && reply.stat.ia_gfid !== NULL_GFID) r.table.rename(from.parent, from.name, to.parent, to.name, from.inode, reply.stat);
      return reply;
    })],
  ];
  return Object.fromEntries(handlers.map(([procedure, handler]) => [procedure.number, handler]));
}

interface Made {
  readonly stat: Iatt;
  readonly preparent: Iatt;
  readonly postparent: Iatt;
  readonly xdata: Xdata;
}

/** Links what was made, and gives the reply's fields. */
function made(r: Request, loc: Loc, reply: Made): Made {
  if (loc.parent) loc.inode = r.hold(r.table.link(loc.inode, loc.parent, loc.name, reply.stat));
  return { stat: reply.stat, preparent: reply.preparent, postparent: reply.postparent, xdata: reply.xdata };
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

async function lookup(req: LookupRequest, r: Request): Promise<{ xdata: Xdata; prestat: Iatt; poststat: Iatt }> {
  const named = req.bname !== '' && req.pargfid !== NULL_GFID;
  const loc = named ? await r.entry(req.pargfid, req.bname, 'dont-care') : nameless(r, r.translate(req.gfid));
  const known = loc.inode.gfid !== NULL_GFID;
  try {
    const reply = await r.below.lookup(r.frame, loc, req.xdata);
    if (known && reply.stat.ia_gfid !== loc.inode.gfid) return await freshLookup(req, r, loc);
    return answer(r, loc, reply);
  } catch (error) {
    if (!known || loc.inode.isRoot || !(error instanceof FopError)) throw error;
    // A revalidation that fails is done once more from scratch: the name may be another file's by now.
    if (error.errno === Errno.ENOENT && loc.parent) r.table.unlink(loc.inode, loc.parent, loc.name);
    if (error.errno !== Errno.ENOENT && error.errno !== Errno.ESTALE) throw error;
    return freshLookup(req, r, loc);
  }
}

async function freshLookup(req: LookupRequest, r: Request, loc: Loc): ReturnType<typeof lookup> {
  const fresh = new Loc({ ...loc, inode: r.hold(r.table.create()) });
  return answer(r, fresh, await r.below.lookup(r.frame, fresh, req.xdata));
}

function nameless(r: Request, gfid: LookupRequest['gfid']): Loc {
  if (gfid === NULL_GFID) throw new FopError(Errno.EINVAL);
  const inode = r.hold(r.table.find(gfid) ?? r.table.create());
  return new Loc({ inode, gfid, path: gfid === ROOT_GFID ? ('/' as Bytes) : ('' as Bytes) });
}

function answer(r: Request, loc: Loc, reply: LookupReply): { xdata: Xdata; prestat: Iatt; poststat: Iatt } {
  if (reply.stat.ia_gfid !== NULL_GFID) r.table.link(reply.inode, loc.parent, loc.name, reply.stat);
  const stat = loc.inode.isRoot ? reply.stat.clone().setGfid(ROOT_GFID) : reply.stat;
  return { xdata: reply.xdata, prestat: stat, poststat: reply.postparent };
}
