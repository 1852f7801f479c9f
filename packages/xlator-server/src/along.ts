import { type Bytes, Dict, Errno, type Fd, type Flock, FopError, type Gfid, InodelkCmd, LkType, Loc, type PlainReply, type Xdata, XattropOp } from '@glusterts/libglusterfs';
import { CONNECTION_ID, type ServerState, failureOf } from './handlers.js';
import type { Request } from './resolver.js';

/*
 * Calls that our own disperse clients send within another one, to be done when that has succeeded (docs/chained-calls.md): the lock of the file that a CREATE makes, an
 * FXATTROP behind a WRITE. Each passes the brick's graph by itself.
 */

/** In the request: something is to be done behind it, or the client only wants to know whether the brick can do so. In the answer: how that went, 0 or an errno. */
const ALONG = 'glusterts.along' as Bytes;
/** The domain and the owner of the inodelk. */
const DOMAIN = 'glusterts.along-domain' as Bytes;
const OWNER = 'glusterts.along-owner' as Bytes;
/** Before the names of the xattrs that the FXATTROP adds to. */
const ADD = 'glusterts.along:';
/** The lock's answer: who had it last (`LockTable.generationOf` of features/locks). */
const GENERATION = 'glusterts.inodelk-generation' as Bytes;
const ALONG_GENERATION = 'glusterts.along-generation' as Bytes;

const WHOLE: Flock = { type: LkType.WRLCK, whence: 0, start: 0n, len: 0n, pid: 0, owner: '' as Bytes };

/** What is to be done behind a call. */
export interface Along {
  readonly lock: { readonly domain: Bytes; readonly owner: Bytes } | undefined;
  readonly add: Dict | undefined;
}

/** What a request brings along, taken out of its xdata. */
export function alongOf(xdata: Xdata): Along | undefined {
  if (xdata?.has(ALONG) !== true) return undefined;
  const domain = xdata.getStr(DOMAIN);
  const owner = xdata.getBin(OWNER);
  let add: Dict | undefined;
  for (const key of xdata.keys()) {
    if (key.startsWith(ADD)) {
      const value = xdata.getBin(key);
      if (value) (add ??= new Dict()).setBin(key.slice(ADD.length), value);
    } else if (key !== ALONG && key !== DOMAIN && key !== OWNER) continue;
    xdata.delete(key);
  }
  return { lock: domain === undefined || owner === undefined ? undefined : { domain, owner: Buffer.from(owner.buffer, owner.byteOffset, owner.length).toString('latin1') as Bytes }, add };
}

/** Does it, and tells in the reply how that went. */
async function told<Reply extends { readonly xdata: Xdata }>(state: ServerState, reply: Reply, name: string, doing: Promise<PlainReply>): Promise<Reply> {
  const xdata = reply.xdata?.clone() ?? new Dict();
  try {
    const answer = await doing;
    xdata.setUint(ALONG, 0);
    const generation = answer.xdata?.get(GENERATION);
    if (generation) xdata.set(ALONG_GENERATION, generation);
  } catch (error) {
    xdata.setUint(ALONG, failureOf(error, state, name).op_errno);
  }
  return { ...reply, xdata };
}

/** Takes the lock of the file that a CREATE has made, if it has the gfid that the client wanted and nobody else has it: it doesn't wait. */
export function lockMade<Reply extends { readonly xdata: Xdata }>(state: ServerState, r: Request, { lock }: Along, reply: Reply, loc: Loc, gfid: Gfid, wanted: Gfid | undefined): Promise<Reply> {
  if (!lock || gfid !== wanted) return Promise.resolve({ ...reply, xdata: (reply.xdata?.clone() ?? new Dict()).setUint(ALONG, Errno.ECANCELED) });
  const question = new Dict().setUint(GENERATION, 0).setStr(CONNECTION_ID, r.client.uid);
  const made = new Loc({ inode: loc.inode, gfid, path: loc.path });
  return told(state, reply, 'INODELK', r.below.inodelk(r.frame.derive({ lk_owner: lock.owner }), lock.domain, made, InodelkCmd.SETLK, WHOLE, question));
}

/** Adds to xattrs behind a WRITE that has been done in full. */
export function addBehind<Reply extends { readonly xdata: Xdata; readonly written: number }>(state: ServerState, r: Request, { add }: Along, reply: Reply, fd: Fd, size: number): Promise<Reply> | Reply {
  if (!add || reply.written !== size) return reply;
  return told(state, reply, 'FXATTROP', r.below.fxattrop(r.frame, fd, XattropOp.ADD_ARRAY64, add, undefined));
}

/** In an INODELK that gives a lock back: gfids and owners, 16 and 8 bytes, of other locks of the domain that go back with it. */
const UNLOCK_ALSO = 'glusterts.unlock-also' as Bytes;
const GFID_BYTES = 16;
const OWNER_BYTES = 8;
/** Of one message; what is beyond is refused. */
const UNLOCKS_MAX = 1024;

interface Other {
  readonly gfid: Gfid;
  readonly owner: Bytes;
}

/** The other locks that go back with one, taken out of the request's xdata. Errors: EINVAL for nonsense. */
export function othersToUnlock(type: number, xdata: Xdata): Other[] | undefined {
  const value = xdata?.getBin(UNLOCK_ALSO);
  if (!value) return undefined;
  xdata?.delete(UNLOCK_ALSO);
  const each = GFID_BYTES + OWNER_BYTES;
  if (type !== LkType.UNLCK || value.length % each !== 0 || value.length > each * UNLOCKS_MAX) throw new FopError(Errno.EINVAL);
  const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString('latin1');
  const others: Other[] = [];
  for (let at = 0; at < text.length; at += each) others.push({ gfid: text.slice(at, at + GFID_BYTES) as Gfid, owner: text.slice(at + GFID_BYTES, at + each) as Bytes });
  return others;
}

/** Gives them back, each by itself: one that isn't there is nobody's loss. */
export async function unlockOthers(r: Request, domain: Bytes, others: readonly Other[]): Promise<void> {
  const unlock: Flock = { ...WHOLE, type: LkType.UNLCK };
  for (const { gfid, owner } of others) {
    try {
      await r.onGfid(gfid, (loc) => r.below.inodelk(r.frame.derive({ lk_owner: owner }), domain, loc, InodelkCmd.SETLK, unlock, new Dict().setStr(CONNECTION_ID, r.client.uid)));
    } catch (error) {
      if (!(error instanceof FopError)) throw error;
    }
  }
}
