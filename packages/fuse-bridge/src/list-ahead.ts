import type { Direntp, Fd, Frame, ReaddirReply } from '@glusterts/libglusterfs';
import type { ActiveGraph } from './active-graph.js';
import type { FuseBridge } from './bridge.js';
import type { FuseBody } from './decode.js';

/** Pieces of a directory that are read before the kernel asks for them, at most; and directories of which there are any. */
const PIECES_MAX = 2;
const DIRECTORIES_MAX = 32;
/** A piece that is older when the kernel asks for it is read again, milliseconds. */
const AGE_MAX_MS = 200;

/** What changes no file and no directory, so that what was listed before it is true after it. */
const UNCHANGING: ReadonlySet<FuseBody['op']> = new Set<FuseBody['op']>([
  'lookup', 'getattr', 'readlink', 'statfs', 'access', 'getxattr', 'listxattr', 'opendir', 'readdir', 'readdirplus', 'releasedir', 'getlk',
]);

/** Whether a request may change what a listing says. */
export function mayChange({ op }: FuseBody): boolean {
  return !UNCHANGING.has(op);
}

interface Piece {
  readonly offset: bigint;
  readonly since: number;
  /** Undefined: it failed, and is asked for again. */
  readonly reply: Promise<ReaddirReply<Direntp> | undefined>;
}

/** Entries, and how long ago they were asked for, milliseconds; 0: now. */
export interface Listed {
  readonly entries: Direntp[];
  readonly ageMs: number;
}

/** Who reads, and how. */
interface Reader {
  readonly graph: ActiveGraph;
  readonly frame: Frame;
  readonly size: number;
  /** {@link FuseBridge.changes} before the first of the pieces was asked for. */
  readonly changes: number;
}

/**
 * Reads an open directory on while the kernel and the program are busy with what they have: bricks and mount then work at the same time.
 *
 * Names: what follows the first answer after opendir or rewinddir may be of any later moment (POSIX). Attributes: nothing is told that was read before
 * this mount changed anything, or heard that others have, whatever it was; and the kernel trusts it for no longer than if it had asked at once: the caches
 * below have learnt from a piece when it came, and its age is taken off the kernel's timeouts.
 */
export class ListAhead {
  readonly #bridge: FuseBridge;
  readonly fd: Fd;
  #pieces: Piece[] = [];
  #reader: Reader | undefined;
  /** Where the piece after the last one begins; undefined while that isn't known, and at the end. */
  #next: bigint | undefined;
  /** A piece was of no use: the reader works on what it reads, or jumps, or takes its time. So would the next ones be. */
  #off = false;

  constructor(bridge: FuseBridge, fd: Fd) {
    this.#bridge = bridge;
    this.fd = fd;
  }

  /** As the graph's. */
  async readdirp(graph: ActiveGraph, frame: Frame, size: number, offset: bigint): Promise<Listed> {
    const bridge = this.#bridge;
    if (offset === 0n) {
      this.drop();
      this.#off = false;
    }
    const piece = this.#pieces.shift();
    const reader = this.#reader;
    if (piece && reader) {
      const sure = reader.graph === graph && reader.size === size && piece.offset === offset && sameCaller(reader.frame, frame) && this.#now - piece.since <= AGE_MAX_MS;
      const reply = sure && bridge.changes === reader.changes ? await piece.reply : undefined;
      if (reply && bridge.changes === reader.changes) {
        this.#readOn();
        return { entries: reply.entries, ageMs: this.#now - piece.since };
      }
      this.#off = true;
      this.drop();
    }
    const { changes } = bridge;
    const reply = await graph.top.readdirp(frame, this.fd, size, offset, undefined);
    if (!this.#off && changes === bridge.changes && this.#pieces.length === 0) {
      this.#reader = { graph, frame: frame.derive({ signal: undefined }), size, changes };
      this.#next = endOf(reply);
      this.#readOn();
    }
    return { entries: reply.entries, ageMs: 0 };
  }

  /** Nobody will ask for what has been read. */
  drop(): void {
    this.#pieces = [];
    this.#reader = this.#next = undefined;
    this.#bridge.listings.delete(this);
  }

  get #now(): number {
    return this.#bridge.platform.clock.monotonic();
  }

  #readOn(): void {
    const [reader, offset] = [this.#reader, this.#next];
    if (!reader || offset === undefined || this.#pieces.length >= PIECES_MAX) return;
    this.#next = undefined;
    const { listings } = this.#bridge;
    listings.add(this);
    if (listings.size > DIRECTORIES_MAX) for (const oldest of listings) {
      oldest.drop();
      break;
    }
    this.#pieces.push({ offset, since: this.#now, reply: this.#fetch(reader, offset) });
  }

  async #fetch(reader: Reader, offset: bigint): Promise<ReaddirReply<Direntp> | undefined> {
    const { graph, frame, size } = reader;
    this.fd.ref();
    graph.winds++;
    try {
      const reply = await graph.top.readdirp(frame, this.fd, size, offset, undefined);
      if (this.#reader === reader && this.#bridge.changes === reader.changes) {
        this.#next = endOf(reply);
        this.#readOn();
      }
      return reply;
    } catch {
      return undefined;
    } finally {
      this.fd.unref();
      graph.done();
    }
  }
}

/** Where a listing goes on after a piece of it. */
function endOf({ entries, eof }: ReaddirReply<Direntp>): bigint | undefined {
  return eof ? undefined : entries.at(-1)?.d_off;
}

/** The bricks check who may read a directory. */
function sameCaller(a: Frame, b: Frame): boolean {
  return a.uid === b.uid && a.gid === b.gid && a.groups.length === b.groups.length && a.groups.every((group, i) => group === b.groups[i]);
}
