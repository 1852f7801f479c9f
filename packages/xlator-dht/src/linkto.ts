import { type Gfid, type Iatt, type Frame, Iatt as IattClass, type Loc, Loc as LocClass, SetAttr, type EntryReply, Errno, errnoOf } from '@glusterts/libglusterfs';
import type { Dht } from './dht.js';
import { Key, guardedUnlink, internal } from './keys.js';
import type { Subvol } from './subvol.js';

/** Linkto files (spec/dht.md, §9). */

const S_IFREG = 0o100000;
const LINKTO_MODE = 0o1000;

/** Makes a linkto at `loc` on `on` that names `target`. A file that is there already is taken for one. */
export async function makeLinkto(dht: Dht, frame: Frame, loc: Loc, on: Subvol, target: Subvol, gfid: Gfid, options: { replace?: boolean } = {}): Promise<EntryReply | undefined> {
  const xdata = internal().setStr(dht.xattr.linkto, target.name).setGfid(Key.GFID_REQ, gfid);
  if (options.replace) xdata.setStr(Key.FORCE_REPLACE, 'yes');
  try {
    return await on.fops.mknod(dht.rootFrame(frame), loc, S_IFREG | LINKTO_MODE, 0n, 0, xdata);
  } catch (error) {
    if (errnoOf(error) !== Errno.EEXIST) throw error;
    // Whatever is there may have another gfid than the inode in `loc`.
    const there = new LocClass({ inode: loc.inode.table.create(), parent: loc.parent, name: loc.name, path: loc.path, pargfid: loc.pargfid });
    const found = await on.fops.lookup(dht.rootFrame(frame), there, dht.lookupXdata(undefined, false));
    if (!dht.isLinkto(found.stat, found.xdata)) dht.log.warning(109000, `${loc.path} is no linkto file`, { subvol: on.name });
    return undefined;
  }
}

/** Gives a linkto the owner of its data, in the background: until then it is root's. */
export function ownLinkto(dht: Dht, frame: Frame, loc: Loc, on: Subvol, data: Iatt): void {
  if (data.ia_uid === 0 && data.ia_gid === 0) return;
  const wanted = new IattClass();
  wanted.ia_uid = data.ia_uid;
  wanted.ia_gid = data.ia_gid;
  const only = dht.inodeLoc(loc.inode, data.ia_gfid, loc.path);
  dht.background('owning a linkto', () => on.fops.setattr(dht.rootFrame(frame).derive({ signal: undefined }), only, wanted, SetAttr.UID | SetAttr.GID, internal()));
}

/** Unlinks a stale linkto, if that is what it is and nobody has it open. Answers the errno. */
export async function unlinkStale(dht: Dht, frame: Frame, loc: Loc, on: Subvol): Promise<number> {
  try {
    await on.fops.unlink(dht.rootFrame(frame), loc, 0, guardedUnlink());
    return 0;
  } catch (error) {
    return errnoOf(error);
  }
}
