import {
  type Bytes, ClientPid, type CtxSlot, Dict, Errno, type Fd, FopError, type Frame, type Gfid, type GraphView, IaType, type Iatt, type Inode, Loc, type Logger, NULL_GFID, ROOT_GFID, type Subvolume, errnoOf, gfidToString,
} from '@glusterts/libglusterfs';
import { type Times, asDirectory, keepLatestTimes, timesOf } from './iatt-merge.js';
import { Key, type XattrNames, xattrNames } from './keys.js';
import type { Layout } from './layout.js';
import { NameHasher } from './name-munging.js';
import type { Settings } from './settings.js';
import { Subvol } from './subvol.js';

/** What distribute knows of an inode (spec/dht.md, §18.1). */
export interface InodeState {
  /** Directories. */
  layout: Layout | undefined;
  /** Other inodes: where the data is. */
  cached: Subvol | undefined;
  /** Directories: the metadata subvolume. */
  mds: Subvol | undefined;
  /** Directories: where locks of users are taken, from the first one on. */
  lockSubvol: Subvol | undefined;
  /** A migration under way: writes go to both. */
  migration: { from: Subvol; to: Subvol } | undefined;
  /** The newest times shown. */
  times: Times | undefined;
  /** A readdir saw entries of this directory away from their hashed subvolume. */
  misplaced: boolean;
}

/** What one subvolume answered. */
export type Outcome<T> = { readonly subvol: Subvol; readonly reply: T; readonly errno: 0; readonly error?: undefined } | { readonly subvol: Subvol; readonly reply?: undefined; readonly errno: number; readonly error: unknown };

const MISSING_ERRNOS: readonly number[] = [Errno.ENOENT, Errno.ESTALE];
export const isMissing = (errno: number): boolean => MISSING_ERRNOS.includes(errno);

/** The state of one distribute xlator, and what all its fops use. */
export class Dht {
  readonly name: string;
  readonly graph: GraphView;
  readonly log: Logger;
  readonly subvols: readonly Subvol[];
  readonly xattr: XattrNames;
  settings: Settings;
  hasher: NameHasher;
  /** The volume's commit hash, as last read from the root (spec/dht.md, §8.6). */
  commitHash = 0;
  commitHashFixed = false;
  /** Grows with every subvolume that comes up: layouts read before are stale. */
  generation = 1;
  readonly #states: CtxSlot<InodeState>;
  /** By subvolume: the state that all files share of which it is known that they lie there, and nothing else. There may be a million. */
  readonly #placed: InodeState[] = [];
  /** Where an fd is open: on one subvolume, but for files that move. */
  readonly opened: CtxSlot<Subvol | Set<Subvol>>;
  #owners = 0;

  constructor(init: { name: string; graph: GraphView; log: Logger; children: readonly Subvolume[]; settings: Settings; xattrName: string; states: CtxSlot<InodeState>; opened: CtxSlot<Subvol | Set<Subvol>> }) {
    this.name = init.name;
    this.graph = init.graph;
    this.log = init.log;
    this.subvols = init.children.map((child, i) => new Subvol(i, child));
    this.xattr = xattrNames(init.xattrName);
    this.#states = init.states;
    this.opened = init.opened;
    this.settings = init.settings;
    this.hasher = this.#makeHasher();
    this.#decommission();
  }

  configure(settings: Settings): void {
    this.settings = settings;
    this.hasher = this.#makeHasher();
    this.#decommission();
  }

  #makeHasher(): NameHasher {
    return new NameHasher(this.settings.rsyncRegex, this.settings.extraRegex, (pattern) => this.log.warning(109000, `compiling regex ${pattern} failed`));
  }

  #decommission(): void {
    for (const name of this.settings.decommissioned) if (!this.subvol(name)) throw new FopError(Errno.EINVAL, undefined, `option decommissioned-bricks: ${name} is no subvolume`);
    for (const subvol of this.subvols) subvol.decommissioned = this.settings.decommissioned.includes(subvol.name);
  }

  subvol(name: string): Subvol | undefined {
    return this.subvols.find((subvol) => subvol.name === name);
  }

  // ------------------------------------------------------------------------------------------------ inode state

  /** For changes: the inode's own. */
  state(inode: Inode): InodeState {
    let state = this.#states.get(inode);
    if (!state || this.#isShared(state)) this.#states.set(inode, (state = stateOf(state?.cached)));
    return state;
  }

  #isShared(state: InodeState): boolean {
    return state.cached !== undefined && this.#placed[state.cached.index] === state;
  }

  known(inode: Inode): Readonly<InodeState> | undefined {
    return this.#states.get(inode) ?? this.#linked(inode);
  }

  /** As {@link known}, for changes. */
  knownState(inode: Inode): InodeState {
    const linked = this.#states.get(inode) || !this.#linked(inode) ? inode : inode.table.find(inode.gfid);
    return this.state(linked ?? inode);
  }

  /** A top may go on with another inode object than the one that the lookup came with. */
  #linked(inode: Inode): InodeState | undefined {
    const linked = inode.gfid === NULL_GFID ? undefined : inode.table.find(inode.gfid);
    return linked && this.#states.get(linked);
  }

  /** Remembers where a lookup, a creation or a listing has found a file, also for the inode that the table has for the gfid already. */
  setCached(inode: Inode, gfid: Gfid, subvol: Subvol): void {
    this.#place(inode, subvol);
    const linked = inode.table.find(gfid);
    if (linked && linked !== inode) this.#place(linked, subvol);
  }

  #place(inode: Inode, subvol: Subvol): void {
    const state = this.#states.get(inode);
    if (state && !this.#isShared(state)) {
      state.cached = subvol;
      state.layout = undefined;
    } else this.#states.set(inode, (this.#placed[subvol.index] ??= stateOf(subvol)));
  }

  /** The same of a directory's layout. */
  setLayout(inode: Inode, gfid: Gfid, layout: Layout, mds: Subvol | undefined): void {
    layout.generation = this.generation;
    placeDirectory(this.state(inode), layout, mds);
    const linked = inode.table.find(gfid);
    if (linked && linked !== inode) placeDirectory(this.state(linked), layout, mds);
  }

  /** Where the data of a non-directory is. Throws EINVAL when no lookup has found it. */
  cachedOf(inode: Inode): Subvol {
    const cached = this.known(inode)?.cached;
    if (!cached) throw new FopError(Errno.EINVAL, undefined, 'no cached subvolume');
    return cached;
  }

  /** Shows no older times of a directory than were shown before (spec/dht.md, §16). */
  parentTimes(inode: Inode | undefined, iatt: Iatt): Iatt {
    asDirectory(iatt);
    if (!inode || iatt.ia_type !== IaType.DIR) return iatt;
    const state = this.state(inode);
    if (state.times) keepLatestTimes(iatt, state.times);
    state.times = timesOf(iatt);
    return iatt;
  }

  /** After utimes: what was shown before no longer counts. */
  resetTimes(inode: Inode, iatt: Iatt): void {
    const state = this.state(inode);
    state.times = undefined;
    this.parentTimes(inode, iatt);
  }

  // ------------------------------------------------------------------------------------------------ hashing

  /** The subvolume that a name of a directory hashes to. undefined: no layout, or a hole. */
  hashedIn(parent: Inode | undefined, name: string): Subvol | undefined {
    if (!parent) return undefined;
    return this.known(parent)?.layout?.search(this.hasher.hash(name));
  }

  hashed(loc: Loc): Subvol | undefined {
    if (loc.targetGfid === ROOT_GFID || loc.name === '') return this.longestUp();
    return this.hashedIn(loc.parent, loc.name);
  }

  hashedOrThrow(loc: Loc, errno: Errno): Subvol {
    const hashed = this.hashed(loc);
    if (!hashed) throw new FopError(errno, undefined, `no hashed subvolume for ${loc.name}`);
    return hashed;
  }

  longestUp(): Subvol | undefined {
    let best: Subvol | undefined;
    for (const subvol of this.subvols) if (subvol.up && (!best || subvol.upSince < best.upSince)) best = subvol;
    return best;
  }

  firstUp(): Subvol | undefined {
    return this.subvols.find((subvol) => subvol.up);
  }

  lastUp(): Subvol | undefined {
    return [...this.subvols].reverse().find((subvol) => subvol.up);
  }

  anyDown(): boolean {
    return this.subvols.some((subvol) => !subvol.up);
  }

  /** What decides where a directory's ranges begin (spec/dht.md, §6.1). */
  layoutKey(loc: Loc, gfid: Gfid): string {
    if (this.settings.byGfid) return gfidToString(gfid);
    if (loc.parent && loc.name !== '') return loc.inode.table.path(loc.parent, loc.name) ?? loc.path;
    if (gfid === ROOT_GFID) return '/';
    return loc.inode.table.path(loc.inode) ?? loc.path;
  }

  /** `NAME@<this xlator>:<subvolume>`: the name, and where it is forced to (spec/dht.md, §3). */
  forced(loc: Loc): { loc: Loc; subvol: Subvol } | undefined {
    const at = loc.name.lastIndexOf('@');
    if (at <= 0 || !loc.name.startsWith(`${this.name}:`, at + 1)) return undefined;
    const subvol = this.subvol(loc.name.slice(at + this.name.length + 2));
    if (!subvol) return undefined;
    const real = loc.clone();
    real.name = loc.name.slice(0, at) as Bytes;
    return { loc: real, subvol };
  }

  // ------------------------------------------------------------------------------------------------ winding

  /** Asks many subvolumes at once; answers in their order, failures included. */
  all<T>(subvols: readonly Subvol[], wind: (subvol: Subvol) => Promise<T>): Promise<Outcome<T>[]> {
    return Promise.all(subvols.map((subvol) => outcome(subvol, wind)));
  }

  /** Throws the last failure when no outcome is a success. */
  anySuccess<T>(outcomes: readonly Outcome<T>[]): readonly (Outcome<T> & { reply: T })[] {
    const successes = outcomes.filter(succeeded);
    if (successes.length > 0) return successes;
    throw outcomes.at(-1)?.error ?? new FopError(Errno.ENOTCONN);
  }

  /** Work that nobody waits for; what goes wrong is logged. */
  background(what: string, work: () => Promise<unknown>): void {
    work().catch((error: unknown) => this.log.debug(109000, `${what} failed`, { errno: errnoOf(error) }));
  }

  // ------------------------------------------------------------------------------------------------ frames, xdata

  /** As root, with the caller's pid and times. */
  rootFrame(frame: Frame): Frame {
    return frame.uid === 0 && frame.gid === 0 ? frame : frame.derive({ uid: 0, gid: 0, groups: [] });
  }

  /** The frame of directory heals, which root-squash lets through (spec/dht.md, §12.2). */
  healFrame(frame: Frame, keepTimes = false): Frame {
    const base = { uid: 0, gid: 0, groups: [], pid: ClientPid.NO_ROOT_SQUASH, lk_owner: '' as Bytes, signal: undefined };
    return frame.derive(keepTimes ? base : { ...base, flags: 0, ctime: 0, ctime_nsec: 0 });
  }

  /** An owner for the locks of one transaction, unlike all others of this process. */
  newLockOwner(): Bytes {
    const owner = ++this.#owners >>> 0;
    const graph = (this.graph.id & 0xffff) + 0x10000;
    return String.fromCharCode(owner & 0xff, (owner >>> 8) & 0xff, (owner >>> 16) & 0xff, owner >>> 24, graph & 0xff, (graph >>> 8) & 0xff, (graph >>> 16) & 0xff, graph >>> 24) as Bytes;
  }

  /** The xattrs that every lookup asks for (spec/dht.md, §8). */
  lookupXdata(xdata: Dict | undefined, isRoot: boolean): Dict {
    const request = xdata?.clone() ?? new Dict();
    request.setUint(this.xattr.layout, 16);
    request.setUint(this.xattr.mds, 4);
    request.setUint(this.xattr.linkto, 256);
    request.setUint(Key.OPEN_FD_COUNT, 4);
    if (!request.has(Key.ACL_ACCESS)) request.setInt(Key.ACL_ACCESS, 0);
    if (!request.has(Key.ACL_DEFAULT)) request.setInt(Key.ACL_DEFAULT, 0);
    if (isRoot) request.setUint(this.xattr.commitHash, 4);
    return request;
  }

  /** The linkto target that a reply names, whether or not it is a subvolume of ours. */
  linktoName(xdata: Dict | undefined): string | undefined {
    const value = xdata?.getStr(this.xattr.linkto);
    return value === undefined || value === '' ? undefined : value;
  }

  /** A linkto file: the mode and the xattr, both. */
  isLinkto(iatt: Iatt, xdata: Dict | undefined): boolean {
    return iatt.ia_type === IaType.REG && iatt.ia_prot === 0o1000 && this.linktoName(xdata) !== undefined;
  }

  /** The pre-op keys with which a brick checks that our layout of the parent is the one on its disk (spec/dht.md, §11). */
  addPreop(xdata: Dict, parent: Inode | undefined, hashed: Subvol): Uint8Array | undefined {
    const layout = parent && this.known(parent)?.layout;
    const entry = layout?.entryOf(hashed);
    if (!layout || !entry) return undefined;
    const bytes = hashed.diskLayout(entry, layout.type);
    xdata.setStr(Key.PREOP_PARENT_KEY, this.xattr.layout);
    xdata.setBin(this.xattr.layout, bytes);
    return bytes;
  }

  // ------------------------------------------------------------------------------------------------ free space

  /** Over its fill limit (spec/dht.md, §10.1). */
  isFilled(subvol: Subvol): boolean {
    return !this.#hasSpace(subvol) || subvol.disk.inodePercent < this.settings.minFreeInodes;
  }

  #hasSpace(subvol: Subvol): boolean {
    const { minFreeDisk } = this.settings;
    return minFreeDisk < 100 ? subvol.disk.availPercent >= minFreeDisk : subvol.disk.availBytes >= minFreeDisk;
  }

  /** Where a new file goes when its hashed subvolume is filled. */
  chooseUnfilled(parent: Inode | undefined, hashed: Subvol): Subvol {
    const layout = parent && this.known(parent)?.layout;
    const allowed = this.subvols.filter((subvol) => !subvol.decommissioned && subvol.up && (layout?.entryOf(subvol)?.err ?? 0) <= 0);
    let best: Subvol | undefined;
    const space = (subvol: Subvol): number => (this.settings.minFreeDisk < 100 ? subvol.disk.availPercent : subvol.disk.availBytes);
    for (const subvol of allowed) {
      if (this.isFilled(subvol)) continue;
      if (!best || subvol.disk.inodePercent > best.disk.inodePercent || space(subvol) > space(best)) best = subvol;
    }
    if (best) return best;
    for (const subvol of allowed) if (subvol.disk.inodePercent > 0 && (!best || space(subvol) > space(best))) best = subvol;
    return best && space(best) > 0 ? best : hashed;
  }

  // ------------------------------------------------------------------------------------------------ locs

  /** The object itself, without its name. */
  inodeLoc(inode: Inode, gfid: Gfid, path: Bytes = '' as Bytes): Loc {
    return new Loc({ inode, gfid, path });
  }

  fdLoc(fd: Fd): Loc {
    return new Loc({ inode: fd.inode, path: fd.inode.table.path(fd.inode) ?? ('' as Bytes) });
  }
}

export const succeeded = <T>(outcome: Outcome<T>): outcome is Outcome<T> & { reply: T; errno: 0 } => outcome.errno === 0;

export async function outcome<T>(subvol: Subvol, wind: (subvol: Subvol) => Promise<T>): Promise<Outcome<T>> {
  try {
    return { subvol, reply: await wind(subvol), errno: 0 };
  } catch (error) {
    return { subvol, errno: errnoOf(error), error };
  }
}

const stateOf = (cached: Subvol | undefined): InodeState => ({ layout: undefined, cached, mds: undefined, lockSubvol: undefined, migration: undefined, times: undefined, misplaced: false });

function placeDirectory(state: InodeState, layout: Layout, mds: Subvol | undefined): void {
  state.layout = layout;
  state.cached = undefined;
  if (mds) state.mds = mds;
}
