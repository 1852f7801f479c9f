import { type Bytes, type Direntp, Iatt, type Xdata, direntType } from '@glusterts/libglusterfs';
import type { Entry, MemoryNode } from './node.js';

/** What an entry costs in a reply besides its name (spec/brick.md, §8). */
const ENTRY_BYTES = 209;
const DOT_COOKIE = 1;
const DOTDOT_COOKIE = 2;

/** Where the last readdir of an fd stopped, so that the next one need not search. */
export interface Listing {
  readonly rest: Iterator<Entry>;
  /** Taken from `rest`, not returned yet. */
  pending: Entry | undefined;
  offset: number;
}

export interface OpenDirectory {
  listing: Listing | undefined;
}

/** How an entry is described. */
export interface Describe {
  iatt(node: MemoryNode): Iatt;
  xdata(node: MemoryNode): Xdata;
  readonly noDirectories: boolean;
}

/** Entries after `offset`, as many as fit in `size`. */
export function listDirectory(open: OpenDirectory, node: MemoryNode, size: number, offset: bigint, describe: Describe): { entries: Direntp[]; eof: boolean } {
  const entries: Direntp[] = [];
  let filled = 0;
  const add = (name: Bytes, of: MemoryNode | undefined, cookie: number): boolean => {
    if (describe.noDirectories && (of === undefined || of.isDirectory)) return true;
    if (filled + ENTRY_BYTES + name.length > size) return false;
    filled += ENTRY_BYTES + name.length;
    const stat = of ? describe.iatt(of) : new Iatt();
    entries.push({ d_ino: stat.ia_ino, d_off: BigInt(cookie), d_type: of ? direntType(of.type) : 4, name, stat, dict: of ? describe.xdata(of) : undefined, inode: undefined });
    return true;
  };
  const from = Number(offset);
  if (from < DOT_COOKIE && !add('.' as Bytes, node, DOT_COOKIE)) return { entries, eof: false };
  if (from < DOTDOT_COOKIE && !add('..' as Bytes, node.parent, DOTDOT_COOKIE)) return { entries, eof: false };

  const listing = open.listing?.offset === from && from > DOTDOT_COOKIE ? open.listing : start(node, from);
  open.listing = listing;
  for (;;) {
    if (!listing.pending) {
      const next = listing.rest.next();
      if (next.done) return { entries, eof: true };
      listing.pending = next.value;
    }
    const entry = listing.pending;
    // Removed since it was taken from the iterator.
    if (node.entries.get(entry.name) === entry && !add(entry.name, entry.node, entry.cookie)) return { entries, eof: false };
    listing.pending = undefined;
    listing.offset = entry.cookie;
  }
}

function start(node: MemoryNode, after: number): Listing {
  const rest = node.entries.values();
  const listing: Listing = { rest, pending: undefined, offset: after };
  if (after <= DOTDOT_COOKIE) return listing;
  for (;;) {
    const next = rest.next();
    if (next.done) return listing;
    if (next.value.cookie > after) {
      listing.pending = next.value;
      return listing;
    }
  }
}
