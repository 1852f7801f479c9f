import {
  type Bytes, type CreateReply, type CtxSlot, Dict, type Dirent, Errno, type Fd, FopError, type Frame, type GetxattrReply, type Gfid, IaType, Iatt, type Inode, type Loc,
  type LookupReply, NULL_GFID, type OpenReply, type OptionSpec, type ReaddirReply, type StatReply, type StatedumpWriter, type UnlinkReply, type Xdata, Xlator, type XlatorContext, XattropOp, type XattropReply, gfidToString,
} from '@glusterts/libglusterfs';
import { FOLDERS, type FolderName, IndexFolders } from './folders.js';

/** Options: spec/afr.md, §22; the watchlists are prefixes of xattr names, separated by commas. */
export const options: readonly OptionSpec[] = [
  { key: 'index-base', type: 'path' },
  { key: 'xattrop-dirty-watchlist', type: 'str', default: 'trusted.afr.dirty' },
  { key: 'xattrop-pending-watchlist', type: 'str', default: 'trusted.afr.{{ volume.name }}' },
  { key: 'xattrop64-watchlist', type: 'str' },
];

type State = 'unknown' | 'in' | 'out';
interface InodeState {
  xattrop: State;
  dirty: State;
  /** The xattrop under way for this inode: they follow one another, so that link and unlink keep the order of the disk. */
  tail: Promise<unknown> | undefined;
  /** How many there have been. */
  turns: number;
}

const GFID_KEYS: Readonly<Record<string, FolderName>> = {
  'glusterfs.xattrop_index_gfid': 'xattrop',
  'glusterfs.xattrop_dirty_gfid': 'dirty',
  'glusterfs.xattrop_entry_changes_gfid': 'entry-changes',
};
const COUNT_KEYS: Readonly<Record<string, FolderName>> = { 'glusterfs.xattrop_index_count': 'xattrop', 'glusterfs.xattrop_dirty_count': 'dirty' };
const LINK_COUNT = 'link-count' as Bytes;

/**
 * Before an xattrop that makes a watched xattr nonzero reaches the disk, a link named by the inode's gfid goes into the
 * index; when the answer says that all watched ones are zero, it goes away again (spec/afr.md, §22.2).
 */
export class Index extends Xlator {
  readonly #state: CtxSlot<InodeState>;
  readonly #virtual = new Map<Gfid, FolderName>();
  readonly #gfids = new Map<FolderName, Gfid>();
  #folders: IndexFolders | undefined;
  #pending: readonly string[] = [];
  #dirty: readonly string[] = [];
  #pending64: readonly Bytes[] = [];

  constructor(context: XlatorContext) {
    super(context);
    this.#state = this.newCtxSlot<InodeState>();
  }

  override init(): void {
    const base = this.options.text('index-base');
    if (base === undefined) throw new FopError(Errno.EINVAL, undefined, 'option index-base is needed');
    this.#folders = new IndexFolders(this.graph.platform, base as Bytes);
    this.#folders.create();
    for (const name of FOLDERS) {
      const gfid = this.graph.platform.random.uuid();
      this.#virtual.set(gfid, name);
      this.#gfids.set(name, gfid);
    }
    const list = (key: string): Bytes[] => (this.options.text(key) ?? '').split(',').map((word) => word.trim() as Bytes).filter((word) => word !== '');
    this.#pending = list('xattrop-pending-watchlist');
    this.#dirty = list('xattrop-dirty-watchlist');
    this.#pending64 = list('xattrop64-watchlist');
  }

  override xattrop(frame: Frame, loc: Loc, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    return this.#track(loc.inode, flags, dict, () => this.child.xattrop(frame, loc, flags, dict, xdata));
  }

  override fxattrop(frame: Frame, fd: Fd, flags: XattropOp, dict: Dict, xdata: Xdata): Promise<XattropReply> {
    return this.#track(fd.inode, flags, dict, () => this.child.fxattrop(frame, fd, flags, dict, xdata));
  }

  /** Our disperse clients have a file made with its dirty mark set (`glusterts.inodelk-generation`): it goes into the index as after an xattrop. */
  override create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    const gfid = this.#marked(xdata) ? xdata?.getGfid('gfid-req') : undefined;
    return gfid === undefined ? this.child.create(frame, loc, flags, mode, umask, fd, xdata) : this.#createMarked(gfid, frame, loc, flags, mode, umask, fd, xdata);
  }

  async #createMarked(gfid: Gfid, frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    const added = this.#folders?.add('xattrop', gfid);
    if (added) await added;
    try {
      const reply = await this.child.create(frame, loc, flags, mode, umask, fd, xdata);
      if (reply.stat.ia_gfid === gfid) this.#state.set(reply.inode, { xattrop: 'in', dirty: 'unknown', tail: undefined, turns: 0 });
      else await this.#folders?.remove('xattrop', gfidToString(gfid) as Bytes);
      return reply;
    } catch (error) {
      await this.#folders?.remove('xattrop', gfidToString(gfid) as Bytes);
      throw error;
    }
  }

  #marked(xdata: Xdata): boolean {
    return xdata !== undefined && someNonzero(xdata, this.#pending64);
  }

  override getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    const reply = name === undefined ? undefined : this.#virtualXattr(name);
    return reply ? Promise.resolve(reply) : this.child.getxattr(frame, loc, name, xdata);
  }

  override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    const folder = this.#virtual.get(loc.targetGfid);
    if (folder !== undefined) {
      let answer: Dict | undefined;
      if (xdata?.has('glusterfs.index-ia-type-get-req')) answer = new Dict().setUint('glusterfs.index-ia-type-get-rsp', folder === 'entry-changes' ? IaType.DIR : IaType.REG);
      return Promise.resolve({ inode: loc.inode, stat: this.#virtualIatt(folder), postparent: new Iatt(), xdata: answer });
    }
    const reply = this.child.lookup(frame, loc, xdata);
    return this.#wantsLinkCount(xdata) ? this.#counted(reply) : reply;
  }

  override fstat(frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
    const reply = this.child.fstat(frame, fd, xdata);
    return this.#wantsLinkCount(xdata) ? this.#counted(reply) : reply;
  }

  async #counted<Reply extends { xdata: Xdata }>(fop: Promise<Reply>): Promise<Reply> {
    const reply = await fop;
    return { ...reply, xdata: this.#withLinkCount(reply.xdata) };
  }

  override opendir(frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    if (this.#virtual.has(fd.inode.gfid)) return Promise.resolve({ fd, xdata: undefined });
    return this.child.opendir(frame, loc, fd, xdata);
  }

  override async readdir(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply> {
    const folder = this.#virtual.get(fd.inode.gfid);
    if (folder === undefined) return this.child.readdir(frame, fd, size, offset, xdata);
    const names = this.#folders?.list(folder) ?? [];
    const entries: Dirent[] = [];
    let room = size;
    for (let i = Number(offset); i < names.length; i++) {
      const name = names[i];
      if (name === undefined) break;
      room -= 24 + name.length;
      if (room < 0) return { entries, eof: false, xdata: undefined };
      entries.push({ d_ino: BigInt(i + 1), d_off: BigInt(i + 1), d_type: 0, name });
    }
    return { entries, eof: true, xdata: undefined };
  }

  override unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    const folder = this.#virtual.get(loc.parentGfid);
    if (folder === undefined) return this.child.unlink(frame, loc, xflags, xdata);
    const reply = { preparent: new Iatt(), postparent: new Iatt(), xdata: undefined };
    const removed = this.#folders?.remove(folder, loc.name);
    return removed ? removed.then(() => reply) : Promise.resolve(reply);
  }

  override forget(inode: Inode): void {
    this.#state.delete(inode);
  }

  override dump(writer: StatedumpWriter): void {
    writer.section(`${this.type}.${this.name}`);
    writer.write('xattrop-pending-count', this.#folders?.count('xattrop') ?? 0);
  }

  #track(inode: Inode, flags: XattropOp, dict: Dict, wind: () => Promise<XattropReply>): Promise<XattropReply> {
    const pending = watchedKeys(dict, flags === XattropOp.ADD_ARRAY ? this.#pending : flags === XattropOp.ADD_ARRAY64 ? this.#pending64 : NONE);
    const dirty = watchedKeys(dict, flags === XattropOp.ADD_ARRAY ? this.#dirty : NONE);
    if (pending.length === 0 && dirty.length === 0) return wind();
    let state = this.#state.get(inode);
    if (!state) this.#state.set(inode, (state = { xattrop: 'unknown', dirty: 'unknown', tail: undefined, turns: 0 }));
    return (state.tail = this.#inTurn(inode, state, ++state.turns, pending, dirty, dict, wind));
  }

  async #inTurn(inode: Inode, state: InodeState, turn: number, pending: readonly Bytes[], dirty: readonly Bytes[], dict: Dict, wind: () => Promise<XattropReply>): Promise<XattropReply> {
    try {
      // Whether the one before succeeded is its caller's business.
      if (state.tail) await state.tail.catch(() => undefined);
      const linked = someNonzero(dict, pending) ? this.#put(inode, state, 'xattrop', 'in') : undefined;
      if (linked) await linked;
      const marked = someNonzero(dict, dirty) ? this.#put(inode, state, 'dirty', 'in') : undefined;
      if (marked) await marked;
      const reply = await wind();
      const after = reply.dict;
      if (after) {
        const changed = someIn(after, pending) ? this.#put(inode, state, 'xattrop', someNonzero(after, pending) ? 'in' : 'out') : undefined;
        if (changed) await changed;
        const changedMark = someIn(after, dirty) ? this.#put(inode, state, 'dirty', someNonzero(after, dirty) ? 'in' : 'out') : undefined;
        if (changedMark) await changedMark;
      }
      return reply;
    } finally {
      // Nobody follows.
      if (state.turns === turn) state.tail = undefined;
    }
  }

  #put(inode: Inode, state: InodeState, folder: 'xattrop' | 'dirty', wanted: 'in' | 'out'): Promise<void> | undefined {
    if (state[folder] === wanted || inode.gfid === NULL_GFID) return undefined;
    const change = wanted === 'in' ? this.#folders?.add(folder, inode.gfid) : this.#folders?.remove(folder, gfidToString(inode.gfid) as Bytes);
    if (!change) state[folder] = wanted;
    return change?.then(() => void (state[folder] = wanted));
  }

  #virtualXattr(name: Bytes): GetxattrReply | undefined {
    const folder = GFID_KEYS[name];
    if (folder !== undefined) {
      return { dict: new Dict().setBin(name, Buffer.from(this.#gfids.get(folder) ?? NULL_GFID, 'latin1')), xdata: undefined };
    }
    const counted = COUNT_KEYS[name];
    if (counted === undefined) return undefined;
    return { dict: new Dict().setUint(name, this.#folders?.count(counted) ?? 0), xdata: undefined };
  }

  #virtualIatt(folder: FolderName): Iatt {
    const stat = new Iatt();
    stat.mode = 0o040600;
    stat.ia_nlink = 2;
    stat.ia_gfid = this.#gfids.get(folder) ?? NULL_GFID;
    stat.ia_ino = 0xffffffffffffffffn;
    return stat;
  }

  #wantsLinkCount(xdata: Xdata): boolean {
    return xdata?.getStr(LINK_COUNT) === 'glusterfs.xattrop_index_count';
  }

  #withLinkCount(xdata: Xdata): Dict {
    return (xdata?.clone() ?? new Dict()).setInt(LINK_COUNT, (this.#folders?.count('xattrop') ?? 0) > 0 ? 1 : 0);
  }
}

function isNonzero(value: Uint8Array | undefined): boolean {
  if (value) for (let i = 0; i < value.length; i++) if (value[i] !== 0) return true;
  return false;
}

const NONE: readonly never[] = [];

/** The keys that begin with one of the prefixes. */
function watchedKeys(dict: Dict, prefixes: readonly string[]): readonly Bytes[] {
  if (prefixes.length === 0) return NONE;
  let watched: Bytes[] | undefined;
  for (let i = dict.size - 1; i >= 0; i--) {
    const key = dict.keyAt(i);
    for (const prefix of prefixes) {
      if (!key.startsWith(prefix)) continue;
      (watched ??= []).push(key);
      break;
    }
  }
  return watched ?? NONE;
}

function someNonzero(dict: Dict, keys: readonly Bytes[]): boolean {
  for (const key of keys) if (isNonzero(dict.getBin(key))) return true;
  return false;
}

function someIn(dict: Dict, keys: readonly Bytes[]): boolean {
  for (const key of keys) if (dict.has(key)) return true;
  return false;
}
