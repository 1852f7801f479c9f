import type { Bytes } from './bytes.js';
import { Errno } from './errno.js';
import type { Fd } from './fd.js';
import { FopError } from './fop-error.js';
import { type Gfid, NULL_GFID, ROOT_GFID, gfidPath } from './gfid.js';
import { IaType, type Iatt } from './iatt.js';
import { Inode } from './inode.js';

/** What a table tells the graph it belongs to. */
export interface InodeTableListener {
  /** An inode is leaving the table: run every xlator's forget. */
  forget(inode: Inode): void;
  /** An fd lost its last reference: run every xlator's release or releasedir. */
  release(fd: Fd, directory: boolean): void;
}

export interface InodeTableOptions {
  /** Unreferenced inodes kept at most; 0: no limit. Inodes that the kernel knows count, but are not dropped. */
  lruLimit: number;
  /**
   * Asks the kernel to forget an inode that it knows (mount/fuse). Called for the oldest one when the LRU list is over
   * its limit; the inode leaves the table when the FORGET arrives. False: not now, there are too many requests of that kind.
   */
  invalidate?: (inode: Inode) => boolean;
}

interface Dentry {
  parent: Inode;
  name: Bytes;
}

const PATH_MAX = 4096;

/**
 * Inodes by age, linked through themselves: every request takes one out and puts it back, and a Set would be rebuilt again
 * and again for the holes that this leaves.
 */
class InodeList {
  oldest: Inode | undefined;
  #youngest: Inode | undefined;
  size = 0;

  /** At the young end. It must not be in the list. */
  add(inode: Inode): void {
    inode.listed = true;
    inode.older = this.#youngest;
    inode.younger = undefined;
    if (this.#youngest) this.#youngest.younger = inode;
    else this.oldest = inode;
    this.#youngest = inode;
    this.size++;
  }

  delete(inode: Inode): void {
    if (!inode.listed) return;
    inode.listed = false;
    if (inode.older) inode.older.younger = inode.younger;
    else this.oldest = inode.younger;
    if (inode.younger) inode.younger.older = inode.older;
    else this.#youngest = inode.older;
    inode.older = inode.younger = undefined;
    this.size--;
  }
}

/**
 * The inodes of one graph by gfid, and the names they are known under (spec/client.md, §17.1). All inodes of a table
 * are in exactly one place: active (referenced, or a directory of which names are known), lru, or retired.
 */
export class InodeTable {
  readonly name: string;
  readonly root: Inode;
  lruLimit: number;
  /** Fds of its inodes that somebody has a reference on. Kept by Fd. */
  fdCount = 0;
  #dentryCount = 0;
  readonly #listener: InodeTableListener;
  readonly #invalidate: ((inode: Inode) => boolean) | undefined;
  readonly #byGfid = new Map<Gfid, Inode>();
  /** The older names of inodes that have several; the newest lies in the inode. */
  readonly #olderNames = new Map<Inode, Dentry[]>();
  readonly #lru = new InodeList();
  /** Those in `lru` that the kernel was asked to forget. */
  readonly #invalidated = new Set<Inode>();

  constructor(name: string, listener: InodeTableListener, options: InodeTableOptions) {
    this.name = name;
    this.#listener = listener;
    this.lruLimit = options.lruLimit;
    this.#invalidate = options.invalidate;
    this.root = new Inode(this);
    this.root.gfid = ROOT_GFID;
    this.root.ia_type = IaType.DIR;
    this.#byGfid.set(ROOT_GFID, this.root);
  }

  /** Names that are known. */
  get dentryCount(): number {
    return this.#dentryCount;
  }

  /** Linked inodes. */
  get size(): number {
    return this.#byGfid.size;
  }

  /** Unreferenced inodes that the kernel was not asked to forget. */
  get lruSize(): number {
    return this.#lru.size - this.#invalidated.size;
  }

  get invalidateSize(): number {
    return this.#invalidated.size;
  }

  /** The kernel was asked to forget it, and has not yet. */
  isInvalidated(inode: Inode): boolean {
    return this.#invalidated.has(inode);
  }

  get activeSize(): number {
    return this.#byGfid.size - this.#lru.size;
  }

  /** All linked inodes, for statedumps. */
  inodes(): Iterable<Inode> {
    return this.#byGfid.values();
  }

  /** A fresh inode, not yet in the table. */
  create(): Inode {
    return new Inode(this);
  }

  find(gfid: Gfid): Inode | undefined {
    return this.#byGfid.get(gfid);
  }

  /** The child of a directory that is known under a name. */
  grep(parent: Inode, name: Bytes): Inode | undefined {
    return parent.entries?.get(name);
  }

  /**
   * Makes an inode known after a successful lookup or creation, under a name if `parent` is given. Returns the inode to
   * go on with: the one that the table already has for that gfid, if any. Takes no reference.
   * Errors: EINVAL for a null gfid, a parent that is no directory or an empty name; ELOOP when a directory would lie in itself.
   */
  link(inode: Inode, parent: Inode | undefined, name: Bytes, iatt: Iatt): Inode {
    if (iatt.ia_gfid === NULL_GFID) throw new FopError(Errno.EINVAL, undefined, 'a null gfid cannot be linked');
    if (parent && (parent.ia_type !== IaType.DIR || name.length === 0 || name.includes('/'))) {
      throw new FopError(Errno.EINVAL, undefined, 'no directory, or no name');
    }
    let linked = this.#byGfid.get(iatt.ia_gfid);
    if (linked === undefined) {
      if (inode.gfid !== NULL_GFID && inode.gfid !== iatt.ia_gfid) inode = new Inode(this);
      linked = inode;
      linked.gfid = iatt.ia_gfid;
      linked.ia_type = iatt.ia_type;
      this.#byGfid.set(linked.gfid, linked);
      if (linked.refs === 0) this.idled(linked);
    } else if (linked.ia_type === IaType.INVAL) {
      linked.ia_type = iatt.ia_type;
    }
    if (parent && name !== '.' && name !== '..') this.#addDentry(linked, parent, name);
    return linked;
  }

  /** Forgets a name. The inode stays as long as it has another, or is in use. */
  unlink(inode: Inode, parent: Inode, name: Bytes): void {
    const siblings = parent.entries;
    if (siblings?.get(name) !== inode) return;
    siblings.delete(name);
    this.#dentryCount--;
    if (siblings.size === 0) {
      parent.entries = undefined;
      if (parent.refs === 0 && parent !== this.root && this.#byGfid.get(parent.gfid) === parent) this.#list(parent);
    }
    const older = this.#olderNames.get(inode);
    if (inode.parent === parent && inode.basename === name) {
      const next = older?.shift();
      inode.parent = next?.parent;
      inode.basename = next?.name;
    } else if (older) {
      const at = older.findIndex((dentry) => dentry.parent === parent && dentry.name === name);
      if (at >= 0) older.splice(at, 1);
    }
    if (older?.length === 0) this.#olderNames.delete(inode);
    if (inode.parent) return;
    inode.unlinked = true;
    if (this.#isDone(inode) && this.#byGfid.get(inode.gfid) === inode) this.#retire(inode);
  }

  /** A file that was removed, which nobody has open or knows: nothing will ask for it again. */
  #isDone(inode: Inode): boolean {
    return inode.unlinked && inode.refs === 0 && inode.nlookup === 0;
  }

  /** A rename has succeeded. */
  rename(oldParent: Inode, oldName: Bytes, newParent: Inode, newName: Bytes, inode: Inode, iatt: Iatt): Inode {
    const linked = this.link(inode, newParent, newName, iatt);
    if (oldParent !== newParent || oldName !== newName) this.unlink(linked, oldParent, oldName);
    return linked;
  }

  /** The kernel was told of the inode once more. */
  lookup(inode: Inode): void {
    inode.nlookup++;
    this.#invalidated.delete(inode);
  }

  /** The kernel forgets `count` of its lookups. */
  forget(inode: Inode, count: number): void {
    inode.nlookup = Math.max(0, inode.nlookup - count);
    const asked = inode.nlookup === 0 && this.#invalidated.delete(inode);
    if ((asked && inode.refs === 0) || this.#isDone(inode)) this.#retire(inode);
    // Its directory may be one more in no use.
    this.#prune();
  }

  /** A path to the inode, or `<gfid:…>/rest` where a name on the way to the root is not known. Over PATH_MAX: undefined. */
  path(inode: Inode, name?: Bytes): Bytes | undefined {
    let rest = name === undefined ? '' : `/${name}`;
    let at = inode;
    while (at !== this.root) {
      if (!at.parent) return (gfidPath(at.gfid) + rest) as Bytes;
      rest = `/${at.basename ?? ''}${rest}`;
      if (rest.length > PATH_MAX) return undefined;
      at = at.parent;
    }
    return (rest === '' ? '/' : rest) as Bytes;
  }

  /** A known parent of the inode. */
  parentOf(inode: Inode): { parent: Inode; name: Bytes } | undefined {
    const { parent, basename } = inode;
    return parent && basename !== undefined ? { parent, name: basename } : undefined;
  }

  /** All names of the inode that are known. */
  namesOf(inode: Inode): readonly { parent: Inode; name: Bytes }[] {
    const newest = this.parentOf(inode);
    return newest ? [newest, ...(this.#olderNames.get(inode) ?? [])] : [];
  }

  /** Called by Inode when it gets its first reference. */
  activated(inode: Inode): void {
    this.#unlist(inode);
  }

  /** Called by Inode when it loses its last reference. */
  idled(inode: Inode): void {
    if (inode === this.root) return;
    if (this.#byGfid.get(inode.gfid) !== inode) {
      // Never linked, or retired meanwhile.
      this.#listener.forget(inode);
      return;
    }
    if (this.#isDone(inode)) this.#retire(inode);
    else {
      this.#list(inode);
      this.#prune();
    }
  }

  /** Into the lru list, unless names in it are known: as in GlusterFS those hold a directory (vectors/client/process-exit-and-unmount.txt). */
  #list(inode: Inode): void {
    if (!inode.listed && inode.entries === undefined) this.#lru.add(inode);
  }

  #unlist(inode: Inode): void {
    if (!inode.listed) return;
    this.#lru.delete(inode);
    if (this.#invalidated.size > 0) this.#invalidated.delete(inode);
  }

  /** Called by Fd when it loses its last reference. */
  released(fd: Fd, directory: boolean): void {
    this.#listener.release(fd, directory);
  }

  /** Drops all that is not referenced, whatever the kernel knows: the graph is going down. */
  clear(): void {
    for (let inode = this.#lru.oldest; inode; inode = this.#lru.oldest) this.#retire(inode);
  }

  #addDentry(inode: Inode, parent: Inode, name: Bytes): void {
    if (inode.ia_type === IaType.DIR && this.#isBelow(parent, inode)) throw new FopError(Errno.ELOOP);
    const other = parent.entries?.get(name);
    if (other === inode) return;
    if (other) this.unlink(other, parent, name);
    (parent.entries ??= new Map()).set(name, inode);
    this.#unlist(parent);
    this.#dentryCount++;
    const known = this.parentOf(inode);
    if (known) {
      const older = this.#olderNames.get(inode);
      if (older) older.unshift(known);
      else this.#olderNames.set(inode, [known]);
    }
    inode.parent = parent;
    inode.basename = name;
    inode.unlinked = false;
  }

  #isBelow(inode: Inode, ancestor: Inode): boolean {
    for (let at: Inode | undefined = inode; at; at = at.parent) if (at === ancestor) return true;
    return false;
  }

  #prune(): void {
    if (this.lruLimit === 0) return;
    let again = false;
    while (this.lruSize > this.lruLimit) {
      const oldest = this.#lru.oldest;
      if (!oldest) return;
      if (oldest.nlookup > 0 && this.#invalidate) {
        // At the young end it waits for its FORGET. One that has come round again was in use then, as somebody's working directory, say; it must not stand in the others' way.
        this.#lru.delete(oldest);
        this.#lru.add(oldest);
        const known = this.#invalidated.has(oldest);
        if (this.#invalidate(oldest)) this.#invalidated.add(oldest);
        else this.#invalidated.delete(oldest);
        if (!known || again) return;
        again = true;
        continue;
      }
      this.#retire(oldest);
    }
  }

  #retire(inode: Inode): void {
    this.#lru.delete(inode);
    this.#invalidated.delete(inode);
    this.#byGfid.delete(inode.gfid);
    for (const { parent, name } of this.namesOf(inode)) this.unlink(inode, parent, name);
    if (inode.entries) for (const [name, child] of [...inode.entries]) this.unlink(child, inode, name);
    this.#listener.forget(inode);
  }
}
