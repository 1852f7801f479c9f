import {
  type CtxSlot, type Dict, type Direntp, type Fd, type Frame, Iatt, type Inode, type IoVec, type Loc, type OpenReply, type PlainReply, type PrePostReply, type ReaddirReply, type RenameReply,
  type UnlinkReply, type WriteReply, type Xdata, Xlator, type XlatorContext,
} from '@glusterts/libglusterfs';
import { requireOneChild } from '../one-child.js';
import { setPassThrough } from '../pass-through.js';

/** What an entry costs of a reply's size besides its name and a NUL, as on the brick (spec/brick.md, §8). */
const ENTRY_COST = 209;

interface Ahead {
  readonly entry: Direntp;
  /** The generation when its readdirp was sent. */
  readonly start: number;
}

/** A directory that is read: what is there for the reader's next requests. */
interface Listing {
  readonly frame: Frame;
  xdata: Xdata;
  ahead: Ahead[];
  bytes: number;
  /** Where the reader goes on, and where the next fill does. */
  offset: bigint;
  fillFrom: bigint;
  ended: boolean;
  error: unknown;
  filling: Promise<void> | undefined;
  waiting: boolean;
  bypass: boolean;
}

/**
 * performance/readdir-ahead (spec/client.md, §9.3): a directory that was opened is read before anybody asks. A reader who doesn't
 * go straight through it gets the child's own answers from then on. Entries whose file this client has changed since they
 * were fetched are told without attributes, so that they are looked up.
 */
export class ReaddirAhead extends Xlator {
  readonly #listings: CtxSlot<Listing>;
  /** The generation of the last change of an inode. */
  readonly #changes: CtxSlot<number>;
  #generation = 0;
  #total = 0;

  constructor(context: XlatorContext) {
    super(context);
    this.#listings = this.newCtxSlot<Listing>();
    this.#changes = this.newCtxSlot<number>();
    if (this.options.bool('pass-through')) setPassThrough(this, true);
  }

  override init(): void {
    requireOneChild(this);
  }

  override releasedir(fd: Fd): void {
    const listing = this.#listings.get(fd);
    if (!listing) return;
    this.#drop(listing);
    listing.bypass = true;
    this.#listings.delete(fd);
  }

  override forget(inode: Inode): void {
    this.#changes.delete(inode);
  }

  override async opendir(frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    const reply = await this.child.opendir(frame, loc, fd, xdata);
    const listing: Listing = {
      frame: frame.derive({ signal: undefined }), xdata: xdata?.clone(), ahead: [], bytes: 0, offset: 0n, fillFrom: 0n, ended: false, error: undefined, filling: undefined, waiting: false, bypass: false,
    };
    this.#listings.set(fd, listing);
    this.#fill(fd, listing);
    return reply;
  }

  override async readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    const listing = this.#listings.get(fd);
    if (!listing || listing.bypass) return this.child.readdirp(frame, fd, size, offset, xdata);
    const again = offset === 0n && listing.ended && listing.ahead.length === 0 && listing.filling === undefined;
    const first = offset === 0n && listing.offset === 0n;
    if (listing.waiting || (offset !== listing.offset && !again) || (!first && !again && !answers(listing.xdata, xdata))) {
      listing.bypass = true;
      this.#drop(listing);
      return this.child.readdirp(frame, fd, size, offset, xdata);
    }
    listing.waiting = true;
    try {
      if (again || !answers(listing.xdata, xdata)) await this.#restart(listing, xdata);
      // A read that the bypass of another overtook is answered below.
      for (;;) {
        if (listing.bypass) return await this.child.readdirp(frame, fd, size, offset, xdata);
        if (listing.ended || listing.error !== undefined || listing.bytes >= size) break;
        this.#fill(fd, listing);
        if (listing.filling === undefined) break;
        await listing.filling;
      }
      if (listing.ahead.length === 0 && listing.error !== undefined) {
        listing.bypass = true;
        throw listing.error;
      }
      return this.#serve(fd, listing, size);
    } finally {
      listing.waiting = false;
    }
  }

  /** Begins anew, when what is on its way has come. */
  async #restart(listing: Listing, xdata: Xdata): Promise<void> {
    while (listing.filling) await listing.filling;
    this.#drop(listing);
    listing.xdata = xdata?.clone();
    listing.offset = listing.fillFrom = 0n;
    listing.ended = false;
    listing.error = undefined;
  }

  #serve(fd: Fd, listing: Listing, size: number): ReaddirReply<Direntp> {
    const entries: Direntp[] = [];
    let bytes = 0;
    for (const { entry, start } of listing.ahead) {
      const cost = ENTRY_COST + entry.name.length;
      if (bytes + cost > size) break;
      bytes += cost;
      entries.push(this.#current(entry, start));
    }
    listing.ahead.splice(0, entries.length);
    listing.bytes -= bytes;
    this.#total -= bytes;
    listing.offset = entries.at(-1)?.d_off ?? listing.offset;
    if (listing.bytes <= this.options.number('rda-low-wmark')) this.#fill(fd, listing);
    return { entries, eof: listing.ended && listing.ahead.length === 0, xdata: undefined };
  }

  /** An entry as it may be told now. */
  #current(entry: Direntp, start: number): Direntp {
    const { inode } = entry;
    if (!inode) return entry;
    const known = this.graph.inodeTable.find(entry.stat.ia_gfid);
    const changed = known !== undefined && (this.#changes.get(known) ?? 0) > start;
    // An inode that has left the table since has lost what the layers below knew of it.
    const lost = known === undefined && inode.gfid === entry.stat.ia_gfid;
    if (changed || lost) return { ...entry, inode: undefined, dict: undefined, stat: new Iatt() };
    if (known) entry.inode = known;
    return entry;
  }

  /** Reads on, until there is enough. */
  #fill(fd: Fd, listing: Listing): void {
    if (listing.filling !== undefined || !this.#wantsMore(listing)) return;
    fd.ref();
    listing.filling = this.#fetch(fd, listing).finally(() => {
      listing.filling = undefined;
      if (listing.bypass) this.#drop(listing);
      else if (!listing.waiting) this.#fill(fd, listing);
      fd.unref();
    });
  }

  #wantsMore(listing: Listing): boolean {
    if (listing.ended || listing.bypass || listing.error !== undefined) return false;
    if (listing.ahead.length === 0) return listing.waiting || this.#total <= this.options.number('rda-cache-limit');
    return listing.bytes < this.options.number('rda-high-wmark') && this.#total <= this.options.number('rda-cache-limit');
  }

  async #fetch(fd: Fd, listing: Listing): Promise<void> {
    const start = this.#generation;
    try {
      const { entries, eof } = await this.child.readdirp(listing.frame, fd, this.options.number('rda-request-size'), listing.fillFrom, listing.xdata?.clone());
      for (const entry of entries) {
        listing.ahead.push({ entry, start });
        listing.bytes += ENTRY_COST + entry.name.length;
        this.#total += ENTRY_COST + entry.name.length;
      }
      listing.fillFrom = entries.at(-1)?.d_off ?? listing.fillFrom;
      listing.ended = eof || entries.length === 0;
    } catch (error) {
      listing.error = error;
    }
  }

  #drop(listing: Listing): void {
    this.#total -= listing.bytes;
    listing.ahead = [];
    listing.bytes = 0;
  }

  // ---- changes: what was fetched before they ended is told without attributes

  #changed(inode: Inode | undefined): void {
    if (inode) this.#changes.set(inode, ++this.#generation);
  }

  async #change<T>(inode: Inode | undefined, wind: () => Promise<T>): Promise<T> {
    this.#changed(inode);
    try {
      return await wind();
    } finally {
      this.#changed(inode);
    }
  }

  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    return this.#change(fd.inode, () => this.child.writev(frame, fd, vector, offset, flags, xdata));
  }

  override truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(loc.inode, () => this.child.truncate(frame, loc, offset, xdata));
  }

  override ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(fd.inode, () => this.child.ftruncate(frame, fd, offset, xdata));
  }

  override fallocate(frame: Frame, fd: Fd, keep: boolean, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(fd.inode, () => this.child.fallocate(frame, fd, keep, offset, len, xdata));
  }

  override discard(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(fd.inode, () => this.child.discard(frame, fd, offset, len, xdata));
  }

  override zerofill(frame: Frame, fd: Fd, offset: number, len: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(fd.inode, () => this.child.zerofill(frame, fd, offset, len, xdata));
  }

  override setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(loc.inode, () => this.child.setattr(frame, loc, stbuf, valid, xdata));
  }

  override fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    return this.#change(fd.inode, () => this.child.fsetattr(frame, fd, stbuf, valid, xdata));
  }

  override setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return this.#change(loc.inode, () => this.child.setxattr(frame, loc, dict, flags, xdata));
  }

  override fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    return this.#change(fd.inode, () => this.child.fsetxattr(frame, fd, dict, flags, xdata));
  }

  override removexattr(frame: Frame, loc: Loc, name: Parameters<NonNullable<Xlator['removexattr']>>[2], xdata: Xdata): Promise<PlainReply> {
    return this.#change(loc.inode, () => this.child.removexattr(frame, loc, name, xdata));
  }

  override fremovexattr(frame: Frame, fd: Fd, name: Parameters<NonNullable<Xlator['fremovexattr']>>[2], xdata: Xdata): Promise<PlainReply> {
    return this.#change(fd.inode, () => this.child.fremovexattr(frame, fd, name, xdata));
  }

  override unlink(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
    return this.#change(loc.inode, () => this.child.unlink(frame, loc, flags, xdata));
  }

  override rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    return this.#change(oldloc.inode, () => this.#change(newloc.inode, () => this.child.rename(frame, oldloc, newloc, xdata)));
  }
}

/** Whether a listing that was fetched with one request answers another: all that it asks for was asked for. */
function answers(fetched: Xdata, asked: Xdata): boolean {
  return asked === undefined || asked.keys().every((key) => fetched?.has(key) === true);
}
