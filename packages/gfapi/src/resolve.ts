import { type Bytes, Dict, Errno, FopError, type Frame, IaType, type Iatt, type Inode, type InodeTable, Loc, type LookupReply, NULL_GFID, type Platform, type Subvolume, gfidPath } from '@glusterts/libglusterfs';
import { components, endsInSlash } from './path.js';
import type { Scope } from './scope.js';

/** Links in links (spec/client.md, §19.3). */
const SYMLINKS_MAX = 2048;
const LINK_SIZE_MAX = 4096;

/** Where a volume's fops go in, and who asks. */
export interface Access {
  readonly top: Subvolume;
  readonly table: InodeTable;
  readonly platform: Platform;
  readonly frame: Frame;
}

/** The end of a path. `inode` and `stat` are missing when there is nothing under the name. For the root, `name` is empty and the parent is the root. */
export interface Resolved {
  readonly parent: Inode;
  readonly name: Bytes;
  readonly inode: Inode | undefined;
  readonly stat: Iatt | undefined;
}

export interface ResolveOptions {
  /** A symlink at the end is followed. */
  readonly follow: boolean;
  /** Names that the table knows are looked up all the same. */
  readonly force: boolean;
}

/** xdata of fops that make an inode. */
export function gfidRequest(access: Access): Dict {
  return new Dict().setGfid('gfid-req', access.platform.random.uuid());
}

/** A loc by name; for the root, and things without a name, by identity. */
export function locOf(access: Access, at: { parent: Inode; name: Bytes }, inode: Inode): Loc {
  if (at.name === '') return inodeLoc(access, inode);
  const path = access.table.path(at.parent, at.name);
  if (path === undefined) throw new FopError(Errno.ENAMETOOLONG);
  return new Loc({ inode, parent: at.parent, name: at.name, path });
}

export function inodeLoc(access: Access, inode: Inode): Loc {
  return new Loc({ inode, path: access.table.path(inode) ?? gfidPath(inode.gfid) });
}

/** LOOKUP of a name; a name that is known is revalidated, and asked for anew when that fails. Resolves with undefined for ENOENT. */
async function lookupName(access: Access, scope: Scope, parent: Inode, name: Bytes): Promise<{ inode: Inode; stat: Iatt } | undefined> {
  const { table, top, frame } = access;
  const known = table.grep(parent, name);
  const finish = (reply: LookupReply): { inode: Inode; stat: Iatt } => {
    if (reply.stat.ia_gfid === NULL_GFID) throw new FopError(Errno.EIO, undefined, 'an entry without a gfid');
    return { inode: scope.hold(table.link(reply.inode, parent, name, reply.stat)), stat: reply.stat };
  };
  if (known) {
    scope.hold(known);
    try {
      return finish(await top.lookup(frame, locOf(access, { parent, name }, known), undefined));
    } catch (error) {
      if (error instanceof FopError && error.errno === Errno.ENOENT) table.unlink(known, parent, name);
    }
  }
  const fresh = scope.hold(table.create());
  try {
    return finish(await top.lookup(frame, locOf(access, { parent, name }, fresh), gfidRequest(access)));
  } catch (error) {
    if (error instanceof FopError && error.errno === Errno.ENOENT) return undefined;
    throw error;
  }
}

async function lookupRoot(access: Access, scope: Scope): Promise<Resolved> {
  const root = scope.hold(access.table.root);
  const { stat } = await access.top.lookup(access.frame, inodeLoc(access, root), undefined);
  return { parent: root, name: '' as Bytes, inode: root, stat };
}

/**
 * Walks a path from the root (spec/client.md, §19.3). Names on the way come from the table when it knows them; the last one is
 * always looked up. Throws ENOENT for a missing directory on the way, ENOTDIR, ELOOP, and what LOOKUP throws.
 */
export async function resolve(access: Access, scope: Scope, path: Bytes, options: ResolveOptions): Promise<Resolved> {
  const state = { links: 0 };
  const resolved = await walk(access, scope, scope.hold(access.table.root), path, options, state);
  if (endsInSlash(path) && resolved.inode && resolved.inode.ia_type !== IaType.DIR) throw new FopError(Errno.ENOTDIR);
  return resolved;
}

async function walk(access: Access, scope: Scope, start: Inode, path: Bytes, options: ResolveOptions, state: { links: number }): Promise<Resolved> {
  const { table } = access;
  let at = path.startsWith('/') ? table.root : start;
  const names = components(path);
  const follow = options.follow || endsInSlash(path);
  for (let i = 0; i < names.length; i++) {
    const name = names[i] ?? ('' as Bytes);
    const isLast = i === names.length - 1;
    if (at.ia_type !== IaType.DIR) throw new FopError(Errno.ENOTDIR);
    if (name === '..') {
      at = scope.hold(table.parentOf(at)?.parent ?? table.root);
      if (isLast) return identity(access, scope, at);
      continue;
    }
    const cached = !isLast && !options.force ? table.grep(at, name) : undefined;
    let found = cached && { inode: scope.hold(cached), stat: undefined as Iatt | undefined };
    found ??= await lookupName(access, scope, at, name);
    if (!found) {
      if (isLast) return { parent: at, name, inode: undefined, stat: undefined };
      throw new FopError(Errno.ENOENT);
    }
    if (found.inode.ia_type === IaType.LNK && (!isLast || follow)) {
      if (++state.links > SYMLINKS_MAX) throw new FopError(Errno.ELOOP);
      const link = await access.top.readlink(access.frame, locOf(access, { parent: at, name }, found.inode), LINK_SIZE_MAX, undefined);
      if (link.path.length === 0) throw new FopError(Errno.ENOENT);
      const rest = names.slice(i + 1).join('/');
      const target = (rest === '' ? link.path : `${link.path}/${rest}`) as Bytes;
      // A path of links in links may grow without end before it loops.
      if (target.length > LINK_SIZE_MAX * 4) throw new FopError(Errno.ENAMETOOLONG);
      return walk(access, scope, at, target, { ...options, follow }, state);
    }
    if (isLast) return { parent: at, name, inode: found.inode, stat: found.stat };
    at = found.inode;
  }
  return at === table.root ? lookupRoot(access, scope) : identity(access, scope, at);
}

/** A directory that was reached by `..`: its own name, looked up. */
async function identity(access: Access, scope: Scope, inode: Inode): Promise<Resolved> {
  if (inode === access.table.root) return lookupRoot(access, scope);
  const dentry = access.table.parentOf(inode);
  if (!dentry) throw new FopError(Errno.ESTALE);
  const { stat } = await access.top.lookup(access.frame, locOf(access, dentry, inode), undefined);
  return { parent: scope.hold(dentry.parent), name: dentry.name, inode, stat };
}
