import type { Bytes, Fd, Frame, IoVec, WriteReply } from '@glusterts/libglusterfs';

/** Where a request touches its file: bytes from `start` up to, not including, `end`. */
export interface Region {
  readonly start: number;
  readonly end: number;
}

export const WHOLE: Region = { start: 0, end: Infinity };

export function overlap(a: Region, b: Region): boolean {
  return a.start < b.end && b.start < a.end;
}

/** Flushes and fsyncs are barriers, and hear of failed writes. */
export type Barrier = 'flush' | 'fsync';

/** A fop that waits for the writes before it. */
export interface Waiting {
  readonly kind: 'waiting';
  readonly region: Region;
  /** Requests that were lied to before this one came have a smaller one. */
  readonly gen: number;
  readonly barrier: Barrier | undefined;
  /** A write that is not lied to (O_SYNC): it may not overlap with one under way. */
  readonly isWrite: boolean;
  /** The errno of a write that failed before it; told to the caller instead of the answer. */
  errno: number;
  /** Sends it; it calls back when it has its answer. */
  readonly start: (done: () => void) => void;
  readonly refuse: (errno: number) => void;
}

/** A write that may be answered before the child has it. */
export interface Lie {
  readonly kind: 'lie';
  readonly fd: Fd;
  readonly flags: number;
  readonly lkOwner: Bytes;
  readonly pid: number;
  readonly append: boolean;
  readonly region: Region;
  readonly gen: number;
  /** What is still to be written, and where; referenced. */
  vector: IoVec;
  offset: number;
  /** The request's own size in bytes: what its answer says, and what it counts for in the window. */
  readonly size: number;
  /** Not held back for others to join it. */
  go: boolean;
  /** The caller has its answer. */
  lied: boolean;
  /** The errno at which it failed last; it is tried again. */
  errno: number;
  /** Tried again only when something else comes. */
  rests: boolean;
  readonly resolve: (reply: WriteReply) => void;
  readonly reject: (error: unknown) => void;
}

export type Request = Waiting | Lie;

/** What a lie is made from. */
export interface WriteCall {
  readonly frame: Frame;
  readonly fd: Fd;
  readonly vector: IoVec;
  readonly offset: number;
  readonly flags: number;
}
