import { type Bytes, type CallPool, type CallStack, type Fd, type Frame, type Inode, type IoVec, fopLabel } from '@glusterts/libglusterfs';
import type { ActiveGraph } from './active-graph.js';
import type { FuseHeader } from './decode.js';
import type { FdTable, OpenFile } from './fd-table.js';

/** What stands behind the header of a reply; an IoVec is unref'd when it was sent. */
export type ReplyBody = Buffer | IoVec | undefined;

/** One request of the kernel while it is served, with what it holds for that time. */
export class Request {
  readonly header: FuseHeader;
  readonly graph: ActiveGraph;
  readonly frame: Frame;
  /** Takes back what the reply would have told the kernel, when the kernel no longer wants it. */
  undo: (() => void) | undefined;
  readonly #held: (Inode | Fd)[] = [];
  readonly #calls: CallPool;
  readonly #stack: CallStack;

  /** @param op what statedumps call it while it is in flight */
  constructor(header: FuseHeader, graph: ActiveGraph, frame: Frame, op: string) {
    this.header = header;
    this.graph = graph;
    this.frame = frame;
    graph.winds++;
    this.#calls = graph.graph.callPool;
    this.#stack = this.#calls.enter(op, frame, header.unique);
  }

  /** Keeps an inode or fd for the length of the request. */
  hold<T extends Inode | Fd>(thing: T): T {
    thing.ref();
    this.#held.push(thing);
    return thing;
  }

  /** The open file of an fh, its fd held. Throws EBADF. */
  file(files: FdTable, fh: number): OpenFile {
    const file = files.get(fh);
    this.hold(file.fd);
    return file;
  }

  /** As a lock owner's: the frame carries it from now on. */
  ownedBy(owner: Bytes): void {
    if (owner.length > 0) this.frame.lk_owner = owner;
  }

  end(): void {
    for (let i = 0; i < this.#held.length; i++) this.#held[i]?.unref();
    const { latency, root, platform } = this.graph.graph;
    if (latency?.enabled === true && root) latency.add(root, fopLabel(this.#stack.op), platform.clock.monotonic() - this.#stack.sinceMs);
    this.#calls.leave(this.#stack);
    this.graph.done();
  }
}
