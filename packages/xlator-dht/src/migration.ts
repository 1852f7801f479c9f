import { Dict, Errno, type Fd, FopError, type Frame, type Gfid, type Iatt, type Inode, type Loc, OpenFlag, errnoOf } from '@glusterts/libglusterfs';
import { type Dht, isMissing } from './dht.js';
import { hasLinktoMode, isPhase1, stripPhase1 } from './iatt-merge.js';
import { lookup } from './lookup.js';
import { Subvol } from './subvol.js';

/** Files that a rebalance moves while they are in use (spec/dht.md, §19). */

/** What a fop on a file is about, and how it behaves during a migration. */
export interface FileFop<T> {
  readonly inode: Inode;
  readonly loc?: Loc | undefined;
  readonly fd?: Fd | undefined;
  readonly run: (subvol: Subvol) => Promise<T>;
  /** On the destination; default: the same again. */
  readonly again?: ((subvol: Subvol) => Promise<T>) | undefined;
  /** The attributes by which a migration is seen, and from which its marks are hidden. */
  readonly iatts?: ((reply: T) => readonly (Iatt | undefined)[]) | undefined;
  /** Phase 1: done again on the destination. */
  readonly phase1?: boolean | undefined;
  /** Phase 2 is looked for in the reply's attributes, not only in errors. */
  readonly phase2?: boolean | undefined;
  /** What the second reply replaces is thrown away by this. */
  readonly discard?: ((reply: T) => void) | undefined;
}

const REOPEN_MASK = ~(OpenFlag.CREAT | OpenFlag.EXCL | OpenFlag.TRUNC);

/** Runs a fop on the cached subvolume, and where the file is going or has gone if it is being migrated. */
export async function fileFop<T>(dht: Dht, frame: Frame, fop: FileFop<T>): Promise<T> {
  // Every read and write comes here: what nearly always goes well waits for nothing but its answer.
  const cached = dht.known(fop.inode)?.cached ?? (await cachedOf(dht, frame, fop.inode));
  let reply: T;
  try {
    reply = await fop.run(cached);
  } catch (first) {
    try {
      reply = await runOpened(dht, frame, fop, cached, first);
    } catch (error) {
      if (!isMissing(errnoOf(error)) || fop.phase1 === undefined) throw error;
      const moved = await completed(dht, frame, fop, cached);
      if (!moved || moved === cached) throw error;
      return (fop.again ?? fop.run)(moved);
    }
  }
  const iatts = fop.iatts?.(reply);
  const post = iatts?.at(-1);
  if (!post) return reply;
  if (fop.phase2 && hasLinktoMode(post)) {
    const moved = await completed(dht, frame, fop, cached);
    if (!moved || moved === cached) return reply;
    fop.discard?.(reply);
    return (fop.again ?? fop.run)(moved);
  }
  if (!isPhase1(post)) return reply;
  const target = await inProgress(dht, frame, fop, cached);
  // Not ours: another distribute's, or simply a file with these bits.
  if (!target) return reply;
  if (fop.phase1) {
    const second = await (fop.again ?? fop.run)(target);
    for (const iatt of fop.iatts?.(second) ?? []) if (iatt) stripPhase1(iatt);
  }
  for (const iatt of iatts ?? []) if (iatt) stripPhase1(iatt);
  return reply;
}

/** The cached subvolume; an inode that distribute hasn't met yet is looked up by gfid. */
export async function cachedOf(dht: Dht, frame: Frame, inode: Inode): Promise<Subvol> {
  const cached = dht.known(inode)?.cached;
  if (cached) return cached;
  await lookup(dht, dht.rootFrame(frame), dht.inodeLoc(inode, inode.gfid), undefined);
  return dht.cachedOf(inode);
}

/** An fd that the brick doesn't know is opened there, once, if we never did; else the error is thrown again. */
async function runOpened<T>(dht: Dht, frame: Frame, fop: FileFop<T>, subvol: Subvol, error: unknown): Promise<T> {
  const errno = errnoOf(error);
  if ((errno !== Errno.EBADF && errno !== Errno.EBADFD) || !fop.fd || fop.fd.anonymous || isOpened(dht, fop.fd, subvol)) throw error;
  await openOn(dht, frame, fop.fd, subvol);
  return fop.run(subvol);
}

/** Opens an fd where it isn't yet, as root and without what would change the file. */
async function openOn(dht: Dht, frame: Frame, fd: Fd, subvol: Subvol): Promise<void> {
  await subvol.fops.open(dht.rootFrame(frame), dht.inodeLoc(fd.inode, fd.inode.gfid), fd.flags & REOPEN_MASK, fd, undefined);
  noteOpened(dht, fd, subvol);
}

export function noteOpened(dht: Dht, fd: Fd, subvol: Subvol): void {
  const opened = dht.opened.get(fd);
  if (opened === undefined) dht.opened.set(fd, subvol);
  else if (opened instanceof Subvol) dht.opened.set(fd, new Set([opened, subvol]));
  else opened.add(subvol);
}

/** Whether we have opened an fd on a subvolume. */
export function isOpened(dht: Dht, fd: Fd, subvol: Subvol): boolean {
  const opened = dht.opened.get(fd);
  return opened instanceof Subvol ? opened === subvol : opened?.has(subvol) === true;
}

async function openAll(dht: Dht, frame: Frame, inode: Inode, extra: Fd | undefined, subvol: Subvol): Promise<void> {
  for (const fd of new Set(extra ? [...inode.fds, extra] : inode.fds)) if (!fd.anonymous && !isOpened(dht, fd, subvol)) await openOn(dht, frame, fd, subvol);
}

/** The check of phase 1: the destination, or undefined when this is no migration of ours. */
async function inProgress<T>(dht: Dht, frame: Frame, fop: FileFop<T>, from: Subvol): Promise<Subvol | undefined> {
  const state = dht.state(fop.inode);
  if (state.migration?.from === from && state.cached === from) return state.migration.to;
  const root = dht.rootFrame(frame);
  try {
    const target = dht.subvol((await readLinkto(dht, root, fop, from)) ?? '');
    if (!target || target === from) return undefined;
    const gfid: Gfid = fop.inode.gfid;
    const found = await target.fops.lookup(root, dht.inodeLoc(fop.inode, gfid), new Dict());
    if (found.stat.ia_gfid !== gfid) return undefined;
    await openAll(dht, frame, fop.inode, fop.fd, target);
    state.migration = { from, to: target };
    return target;
  } catch (error) {
    dht.log.debug(109000, 'migration check failed', { errno: errnoOf(error) });
    return undefined;
  }
}

async function readLinkto<T>(dht: Dht, frame: Frame, fop: FileFop<T>, subvol: Subvol): Promise<string | undefined> {
  try {
    const { dict } = await subvol.fops.getxattr(frame, dht.inodeLoc(fop.inode, fop.inode.gfid), dht.xattr.linkto, undefined);
    return dht.linktoName(dict);
  } catch (error) {
    if (errnoOf(error) === Errno.ENODATA) return undefined;
    throw error;
  }
}

/** The check of phase 2: where the file is now. */
async function completed<T>(dht: Dht, frame: Frame, fop: FileFop<T>, before: Subvol): Promise<Subvol | undefined> {
  const { gfid } = fop.inode;
  let reply;
  try {
    reply = await lookup(dht, dht.rootFrame(frame), dht.inodeLoc(fop.inode, gfid), undefined);
  } catch {
    return undefined;
  }
  if (reply.stat.ia_gfid !== gfid) throw new FopError(Errno.EIO);
  const state = dht.state(fop.inode);
  state.migration = undefined;
  const now = dht.cachedOf(fop.inode);
  if (now !== before) await openAll(dht, frame, fop.inode, fop.fd, now);
  return now;
}
