import { Dict, type Direntp, Errno, Fd, FopError, type Frame, type Inode, Loc, type UnlinkReply, type Xdata, errnoOf } from '@glusterts/libglusterfs';
import { type Dht, isMissing, outcome, succeeded } from './dht.js';
import { healDirectory } from './directory-heal.js';
import { viewOf } from './directory-lookup.js';
import { ensureParent } from './entry-fops.js';
import { mergeDirectory } from './iatt-merge.js';
import { guardedUnlink } from './keys.js';
import { LockSet } from './locks.js';
import type { Subvol } from './subvol.js';

/** rmdir (spec/dht.md, §13). */

const LISTING_BYTES = 4096;

export async function rmdir(dht: Dht, frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
  if (dht.anyDown()) throw new FopError(Errno.ENOTCONN);
  await ensureParent(dht, frame, loc);
  if (flags === 0) await checkEmpty(dht, frame, loc);
  const hashed = dht.hashed(loc);
  if (!hashed) throw new FopError(Errno.EINVAL, undefined, 'no hashed subvolume');
  const locks = new LockSet(dht, dht.rootFrame(frame));
  await locks.protectName(hashed, loc);
  let reply: UnlinkReply | undefined;
  let removed = 0;
  try {
    let failure: unknown;
    for (const each of await dht.all(dht.subvols.filter((subvol) => subvol !== hashed), (subvol) => subvol.fops.rmdir(frame, loc, flags, xdata))) {
      if (succeeded(each)) {
        removed++;
        reply = merge(reply, each.reply);
      } else if (!isMissing(each.errno)) {
        failure = each.error;
      }
    }
    if (failure === undefined) {
      const last = await outcome(hashed, (subvol) => subvol.fops.rmdir(frame, loc, flags, xdata));
      if (succeeded(last)) return finish(dht, loc, merge(reply, last.reply));
      if (reply && isMissing(last.errno)) return finish(dht, loc, reply);
      failure = last.error;
    }
    if (removed > 0 && errnoOf(failure) !== Errno.EACCES) await restore(dht, frame, loc, locks);
    throw failure;
  } finally {
    locks.release();
  }
}

function merge(into: UnlinkReply | undefined, next: UnlinkReply): UnlinkReply {
  return { preparent: mergeDirectory(into?.preparent, next.preparent), postparent: mergeDirectory(into?.postparent, next.postparent), xdata: next.xdata };
}

function finish(dht: Dht, loc: Loc, reply: UnlinkReply): UnlinkReply {
  dht.parentTimes(loc.parent, reply.preparent);
  dht.parentTimes(loc.parent, reply.postparent);
  return reply;
}

/** Some subvolumes have removed it and one would not: it is made again where it was. */
async function restore(dht: Dht, frame: Frame, loc: Loc, locks: LockSet): Promise<void> {
  locks.release();
  const outcomes = await dht.all(dht.subvols, (subvol) => subvol.fops.lookup(dht.rootFrame(frame), loc, dht.lookupXdata(undefined, false)));
  const { view } = viewOf(dht, outcomes, false);
  if (!view) return;
  await healDirectory(dht, frame, loc, view, { evenIfBroken: true });
  dht.setLayout(loc.inode, view.gfid, view.layout, view.mds);
}

/** Throws ENOTEMPTY when some subvolume has more than stale linkto files, which go. */
async function checkEmpty(dht: Dht, frame: Frame, loc: Loc): Promise<void> {
  const fd = new Fd(loc.inode, { pid: frame.pid });
  try {
    const xdata = new Dict().setUint(dht.xattr.linkto, 256);
    const opened = await dht.all(dht.subvols, (subvol) => subvol.fops.opendir(frame, loc, fd, xdata));
    for (const each of opened) if (!succeeded(each) && !isMissing(each.errno)) throw each.error;
    const checks = await dht.all(opened.filter(succeeded).map(({ subvol }) => subvol), (subvol) => checkEmptyOn(dht, frame, loc, fd, subvol));
    for (const check of checks) if (!succeeded(check)) throw check.error;
  } finally {
    fd.unref();
  }
}

async function checkEmptyOn(dht: Dht, frame: Frame, loc: Loc, fd: Fd, subvol: Subvol): Promise<void> {
  const xdata = new Dict().setUint(dht.xattr.linkto, 256);
  for (;;) {
    const { entries } = await subvol.fops.readdirp(frame, fd, LISTING_BYTES, 0n, xdata);
    const real = entries.filter((entry) => entry.name !== '.' && entry.name !== '..');
    if (real.length === 0) return;
    if (!real.every((entry) => dht.isLinkto(entry.stat, entry.dict))) throw new FopError(Errno.ENOTEMPTY);
    for (const entry of real) await dropStale(dht, dht.rootFrame(frame), loc.inode, entry, subvol);
  }
}

/** A linkto in a directory that is to go: only if its data is nowhere. */
async function dropStale(dht: Dht, frame: Frame, directory: Inode, entry: Direntp, subvol: Subvol): Promise<void> {
  const { table } = directory;
  const loc = new Loc({ inode: table.create(), gfid: entry.stat.ia_gfid, parent: directory, name: entry.name, path: table.path(directory, entry.name) ?? entry.name });
  const target = dht.subvol(dht.linktoName(entry.dict) ?? '');
  if (target && target !== subvol) {
    const there = await outcome(target, () => target.fops.lookup(frame, loc, dht.lookupXdata(undefined, false)));
    if (succeeded(there)) throw new FopError(Errno.ENOTEMPTY);
    if (there.errno !== Errno.ENOENT) throw there.error;
  }
  const again = await outcome(subvol, () => subvol.fops.lookup(frame, loc, dht.lookupXdata(undefined, false)));
  if (succeeded(again)) {
    if (!dht.isLinkto(again.reply.stat, again.reply.xdata)) throw new FopError(Errno.ENOTEMPTY);
    await subvol.fops.unlink(frame, loc, 0, guardedUnlink());
  } else if (!isMissing(again.errno)) {
    throw again.error;
  }
}
