import { type Bytes, Dict, type Dirent, type Direntp, type Fd, type Frame, IaType, Iatt, type Loc, type OpenReply, type ReaddirReply, type Xdata, graphLeaves, leafOfDOff, typeFromDirent, type Xlator } from '@glusterts/libglusterfs';
import { type Dht, succeeded } from './dht.js';
import { asDirectory, stripPhase1 } from './iatt-merge.js';
import { Key } from './keys.js';
import type { Subvol } from './subvol.js';

/** opendir, readdir, readdirp (spec/dht.md, §15). */

/** What a subvolume says of entries that a lookup would tell the same of (md-cache asks); not so of directories, which every subvolume has. */
const AGREED = 'glusterts.agreed' as Bytes;

export async function opendir(dht: Dht, frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply> {
  const request = xdata?.clone() ?? new Dict();
  request.setUint(dht.xattr.linkto, 256);
  const first = dht.firstUp();
  const outcomes = await dht.all(dht.subvols, (subvol) => {
    if (!dht.settings.readdirOptimize || subvol === first) return subvol.fops.opendir(frame, loc, fd, request);
    return subvol.fops.opendir(frame, loc, fd, request.clone().setInt(Key.FILTER_DIRECTORIES, 1));
  });
  const [reply] = dht.anySuccess(outcomes);
  return { fd, xdata: reply?.reply.xdata };
}

/** Which subvolume an offset belongs to: that of the leaf that answered it. */
export class LeafMap {
  readonly #bySubvol: readonly (Subvol | undefined)[];

  constructor(dht: Dht, top: Xlator) {
    const owners = new Map<Xlator, Subvol>();
    for (const subvol of dht.subvols) for (const leaf of graphLeaves(subvol.fops.xlator)) owners.set(leaf, subvol);
    this.#bySubvol = graphLeaves(top).map((leaf) => owners.get(leaf));
  }

  subvolOf(dht: Dht, offset: bigint): Subvol | undefined {
    if (offset === 0n) return dht.subvols[0];
    return this.#bySubvol[leafOfDOff(offset, this.#bySubvol.length)] ?? dht.subvols[0];
  }
}

/** Reads on, from one subvolume after the other, until some entry is left after the filter. */
export async function readdirp(dht: Dht, leaves: LeafMap, frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
  return walk(dht, leaves, offset, async (subvol, at) => {
    const request = xdata?.clone() ?? new Dict();
    request.setUint(dht.xattr.linkto, 256);
    if (dht.settings.readdirOptimize && subvol !== dht.firstUp()) request.setInt(Key.FILTER_DIRECTORIES, 1);
    const reply = await subvol.fops.readdirp(frame, fd, size, at, request);
    return { ...reply, kept: reply.entries.filter((entry) => keep(dht, fd, subvol, entry)) };
  });
}

/** Without attributes: only where a name hashes to tells whether it is to be shown. */
export async function readdir(dht: Dht, leaves: LeafMap, frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply> {
  return walk(dht, leaves, offset, async (subvol, at) => {
    const reply = await subvol.fops.readdir(frame, fd, size, at, xdata);
    const kept = reply.entries.filter((entry) => {
      const hashed = dht.hashedIn(fd.inode, entry.name);
      return hashed === undefined || hashed === subvol;
    });
    return { ...reply, kept };
  });
}

async function walk<E extends Dirent>(dht: Dht, leaves: LeafMap, from: bigint, read: (subvol: Subvol, offset: bigint) => Promise<ReaddirReply<E> & { kept: E[] }>): Promise<ReaddirReply<E>> {
  let subvol = leaves.subvolOf(dht, from);
  let offset = from;
  const last = dht.lastUp();
  let failure: unknown;
  let answered = false;
  while (subvol) {
    let eof = true;
    let end = 0n;
    try {
      const reply = await read(subvol, offset);
      answered = true;
      if (reply.kept.length > 0) return { entries: reply.kept, eof: reply.eof && subvol === last, xdata: reply.xdata };
      end = reply.entries.at(-1)?.d_off ?? 0n;
      // No entry fitted into the caller's buffer.
      if (reply.entries.length === 0 && !reply.eof) return { entries: [], eof: false, xdata: reply.xdata };
      eof = reply.eof;
    } catch (error) {
      failure = error;
    }
    if (end === 0n || eof) {
      subvol = dht.subvols[subvol.index + 1];
      offset = 0n;
    } else {
      offset = end;
    }
  }
  if (!answered && failure !== undefined) throw failure;
  return { entries: [], eof: true, xdata: undefined };
}

/** Whether an entry of one subvolume is shown; and what of it. */
function keep(dht: Dht, fd: Fd, subvol: Subvol, entry: Direntp): boolean {
  const type = entry.stat.ia_type !== IaType.INVAL ? entry.stat.ia_type : typeFromDirent(entry.d_type);
  if (dht.isLinkto(entry.stat, entry.dict)) {
    dht.state(fd.inode).misplaced = true;
    return false;
  }
  if (type !== IaType.DIR) {
    if (dht.linktoName(entry.dict) !== undefined) {
      stripPhase1(entry.stat);
      entry.dict?.delete(AGREED);
    }
    if (entry.stat.ia_type !== IaType.INVAL) {
      if (entry.inode) dht.setCached(entry.inode, entry.stat.ia_gfid, subvol);
      else rememberFile(dht, entry, subvol);
    }
    return true;
  }
  if (dht.subvols.length > 1) {
    entry.dict?.delete(AGREED);
    const first = dht.firstUp();
    if (dht.settings.readdirOptimize) {
      if (subvol !== first) return false;
    } else {
      const hashed = dht.hashedIn(fd.inode, entry.name);
      if (hashed !== subvol && (hashed?.up === true || subvol !== first)) return false;
    }
    entry.inode = undefined;
    // Its attributes are one subvolume's: the mount must ask for those of all.
    entry.stat = asDirectory(entry.stat.ia_type === IaType.DIR ? entry.stat : new Iatt());
  }
  return true;
}

/** An inode that the table has already is told where its data is. */
function rememberFile(dht: Dht, entry: Direntp, subvol: Subvol): void {
  const inode = dht.graph.inodeTable.find(entry.stat.ia_gfid);
  if (!inode) return;
  const cached = dht.known(inode)?.cached;
  if (!cached) dht.setCached(inode, entry.stat.ia_gfid, subvol);
  // It has moved: a lookup must find out.
  else if (cached !== subvol) entry.dict?.delete(AGREED);
}

export async function fsyncdir(dht: Dht, frame: Frame, fd: Fd, datasync: boolean, xdata: Xdata): Promise<{ xdata: Xdata }> {
  const outcomes = await dht.all(dht.subvols, (subvol) => subvol.fops.fsyncdir(frame, fd, datasync, xdata));
  const [reply] = dht.anySuccess(outcomes);
  return { xdata: reply && succeeded(reply) ? reply.reply.xdata : undefined };
}
