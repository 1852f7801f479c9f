import { CHUNK_SIZE, Dict, type Fd, type Frame, type LookupReply, type ReadReply, type Xdata } from '@glusterts/libglusterfs';
import { type Answer, mergeIatts, mergeXdata, sameDict, sameIatt } from './answers.js';
import type { Cluster } from './cluster.js';
import { countOf } from './geometry.js';
import { type QuietState, merged, quietState } from './quiet-state.js';
import { clipped, decodeFragments } from './read-write.js';
import { CONFIG, DIRTY, GENERATION, SIZE, VERSION } from './version-xattrs.js';

const QUESTION = new Dict().setUint(SIZE, 0).setUint(VERSION, 0).setUint(DIRTY, 0).setUint(GENERATION, 0).setUint(CONFIG, 0);

/** What was asked of the bricks of one read, and what they said; `reads` in the order of `bricks`. */
interface Asked {
  readonly bricks: readonly number[];
  readonly reads: (ReadReply | undefined)[];
  /** Of bricks whose state wasn't known. */
  readonly lookups: Answer<LookupReply>[];
  readonly lookupsAsked: number;
}

/**
 * readv without the lock, which is right when no lock was held on any of the k bricks from the moment they showed version and size
 * until they read: whoever writes holds it on all of them. Bricks that have shown neither are asked beside the read. Only bricks
 * that number their locks can tell; undefined: the lock must be taken.
 */
export async function readUnlocked(cluster: Cluster, frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply | undefined> {
  const { geometry, k } = cluster;
  const { inode } = fd;
  if (size <= 0 || cluster.locks.get(inode)?.busy === true) return undefined;
  const mask = cluster.up & cluster.vouching & cluster.readMask;
  if (countOf(mask) < k) return undefined;
  const head = geometry.head(offset);
  const aligned = offset - head;
  const known = cluster.quiet.get(inode);
  if (known?.marked === true) return undefined;
  // Those first of which something is known already.
  const order = cluster.order(mask, inode);
  const isKnown = (brick: number): boolean => (known?.generations[brick] ?? 0) !== 0;
  const bricks = known ? [...order.filter(isKnown), ...order.filter((brick) => !isKnown(brick))].slice(0, k) : order.slice(0, k);
  const asked = await ask(cluster, frame, fd, bricks, aligned, geometry.up(size + head), flags, xdata, known);
  try {
    const state = stateOf(cluster, asked, known);
    const replies = state && agreeing(asked, state);
    // Less than the size says: a fragment was cut behind everybody's back.
    if (!state || !replies || (replies[0]?.stat.ia_size ?? 0) * k < state.size) {
      cluster.quiet.delete(inode);
      return undefined;
    }
    cluster.quiet.set(inode, state);
    const { data, iobuf } = decodeFragments(cluster, asked.bricks, replies.map(({ vector }) => vector));
    const answer = mergeXdata(replies.map((reply) => reply.xdata))?.clone();
    answer?.delete(GENERATION);
    return clipped({ data, page: iobuf, stat: mergeIatts(replies.map(({ stat }) => stat), k), xdata: answer }, state.size, head, size, offset);
  } finally {
    for (const reply of asked.reads) reply?.vector.unref();
  }
}

async function ask(cluster: Cluster, frame: Frame, fd: Fd, bricks: readonly number[], offset: number, length: number, flags: number, xdata: Xdata, known: QuietState | undefined): Promise<Asked> {
  const { k } = cluster;
  const request = (xdata?.clone() ?? new Dict()).setUint(GENERATION, 0);
  const asked = { bricks, reads: bricks.map((): ReadReply | undefined => undefined), lookups: [] as Answer<LookupReply>[], lookupsAsked: 0 };
  const running: Promise<unknown>[] = [];
  // An error is no answer here: under the lock it is asked for again.
  const fails = (): void => undefined;
  bricks.forEach((brick, place) => {
    const child = cluster.child(brick);
    running.push(child.readv(frame, fd, length / k, offset / k, flags, request).then((reply) => void (asked.reads[place] = reply), fails));
    if ((known?.generations[brick] ?? 0) !== 0) return;
    asked.lookupsAsked++;
    running.push(child.lookup(cluster.internal(frame), cluster.locOf(fd.inode), QUESTION).then((reply) => void asked.lookups.push({ brick, reply, error: undefined }), fails));
  });
  await Promise.all(running);
  return asked;
}

/** What was known and what was learned beside the reads, if it is the same. */
function stateOf(cluster: Cluster, asked: Asked, known: QuietState | undefined): QuietState | undefined {
  if (asked.lookupsAsked === 0) return known;
  if (asked.lookups.length < asked.lookupsAsked) return undefined;
  const learned = quietState(cluster, asked.lookups);
  if (!learned || !known || asked.lookupsAsked === asked.bricks.length) return learned;
  return merged(known, learned);
}

/** The replies, if each brick named the lock number that belongs to the state, and they agree. */
function agreeing(asked: Asked, state: QuietState): ReadReply[] | undefined {
  const replies: ReadReply[] = [];
  for (const [place, brick] of asked.bricks.entries()) {
    const reply = asked.reads[place];
    const generation = reply?.xdata?.getNumber(GENERATION) ?? 0;
    if (!reply || generation === 0 || generation !== state.generations[brick] || reply.vector.size % CHUNK_SIZE !== 0) return undefined;
    const [first] = replies;
    if (first && (first.vector.size !== reply.vector.size || first.stat.ia_size !== reply.stat.ia_size || !sameIatt(first.stat, reply.stat, true) || !sameDict(first.xdata, reply.xdata))) return undefined;
    replies.push(reply);
  }
  return replies;
}
