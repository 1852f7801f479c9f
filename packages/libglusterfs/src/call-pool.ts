import { Frame } from './frame.js';
import { fopLabel } from './fop-numbers.js';
import type { MemPool, MemPools } from './mem-pool.js';
import type { Clock } from './platform/platform.js';
import type { GraphView, StatedumpWriter } from './xlator.js';

/** sizeof(call_stack_t) of GlusterFS 10.3. */
const SIZEOF_CALL_STACK = 1864;
/** Stacks that one dump shows. */
const DUMP_MAX = 4096;
const NOBODY = new Frame();

/** Where a stack comes from: the type number of statedumps. */
export const CallType = { FOP: 1, MGMT: 2, HANDSHAKE: 3 } as const;
export type CallType = (typeof CallType)[keyof typeof CallType];

/** Between whom the requests of a graph go: statedumps and `.meta/frames` name them. */
export interface CallPath {
  /** Who has the request: `fuse`, or the server xlator. */
  readonly root: string;
  /** The prefix of its functions in GlusterFS. */
  readonly prefix: string;
  /** The xlator that it asks. */
  readonly top: string;
}

export function callPath({ root, top }: Pick<GraphView, 'root' | 'top'>): CallPath {
  if (root) return { root: root.name, prefix: root.name, top: top.name };
  if (top.type === 'protocol/server') return { root: top.name, prefix: 'server4', top: top.children[0]?.name ?? '' };
  return { root: 'gfapi', prefix: 'glfs', top: top.name };
}

/** An xlator's turn in a request, as GlusterFS shows it. */
export interface CallFrame {
  readonly xlator: string;
  readonly parent?: string;
  readonly windFrom?: string;
  readonly windTo?: string;
  readonly unwindTo?: string;
}

/** The frames of a request that is being served: an xlator's turn is a JavaScript await, so only the first two are known. Functions are named as GlusterFS names them. */
export function callFrames({ root, prefix, top }: CallPath, op: string): CallFrame[] {
  const fop = op === 'read' || op === 'write' ? `${op}v` : op;
  return [{ xlator: top, parent: root, windFrom: `${prefix}_${fop}_resume`, windTo: `xl->fops->${fop}`, unwindTo: `${prefix}_${fop}_cbk` }, { xlator: root }];
}

/** One request between its arrival at the top of a graph and its answer. */
export class CallStack {
  frame: Frame = NOBODY;
  op = '';
  unique = 0;
  type: CallType = CallType.FOP;
  /** Platform time, see Clock.monotonic. */
  sinceMs = 0;
  /** The pool's own. */
  older: CallStack | undefined = undefined;
  younger: CallStack | undefined = undefined;
}

/**
 * The requests that a process is serving, oldest first: GlusterFS's call_pool (spec/client.md, §17.6). The tops of graphs enter
 * and leave; a stack is used again and again, so nothing is allocated for it.
 */
export class CallPool {
  readonly #clock: Clock;
  readonly #stacks: MemPool<CallStack>;
  #oldest: CallStack | undefined;
  #youngest: CallStack | undefined;

  constructor(pools: MemPools, clock: Clock) {
    this.#clock = clock;
    this.#stacks = pools.newPool({ name: 'call_stack_t', xlator: 'glusterfs', sizeofType: SIZEOF_CALL_STACK, make: () => new CallStack() });
  }

  /** Requests in flight. */
  get cnt(): number {
    return this.#stacks.active;
  }

  /** Requests since the start. */
  get total(): number {
    return this.#stacks.allocated;
  }

  /** Requests in flight, oldest first. */
  *stacks(): IterableIterator<CallStack> {
    for (let stack = this.#oldest; stack; stack = stack.younger) yield stack;
  }

  /** @param op GlusterFS's name of the fop, in any case: `lookup`. @param unique the number of the request where it came from. */
  enter(op: string, frame: Frame, unique: number, type: CallType = CallType.FOP): CallStack {
    const stack = this.#stacks.get();
    stack.op = op;
    stack.frame = frame;
    stack.unique = unique;
    stack.type = type;
    stack.sinceMs = this.#clock.monotonic();
    stack.older = this.#youngest;
    if (this.#youngest) this.#youngest.younger = stack;
    else this.#oldest = stack;
    this.#youngest = stack;
    return stack;
  }

  /** It was answered. */
  leave(stack: CallStack): void {
    if (stack.older) stack.older.younger = stack.younger;
    else this.#oldest = stack.younger;
    if (stack.younger) stack.younger.older = stack.older;
    else this.#youngest = stack.older;
    stack.older = stack.younger = undefined;
    stack.frame = NOBODY;
    this.#stacks.put(stack);
  }

  /** `[global.callpool]`, a section for each stack, and for each frame of it (spec/client.md, §15.3). Stacks and frames have numbers for addresses. */
  dump(writer: StatedumpWriter, path: CallPath): void {
    writer.section('global.callpool');
    writer.write('callpool_address', address(0));
    writer.write('callpool.cnt', this.cnt);
    let number = 0;
    for (const { frame, op, unique, type, sinceMs } of this.stacks()) {
      if (++number > DUMP_MAX) return;
      const section = `global.callpool.stack.${number}`;
      const frames = callFrames(path, op);
      writer.section(section);
      writer.write('callstack-creation-time', monotonicText(sinceMs));
      writer.write('stack', address(unique));
      writer.write('uid', frame.uid);
      writer.write('gid', frame.gid);
      writer.write('pid', frame.pid);
      writer.write('unique', unique);
      writer.write('lk-owner', lkOwnerText(frame.lk_owner));
      writer.write('ctime', `${frame.ctime}.${String(frame.ctime_nsec).padStart(9, '0')}`);
      writer.write('op', fopLabel(op));
      writer.write('type', type);
      writer.write('cnt', frames.length);
      frames.forEach((each, i) => dumpFrame(each, `${section}.frame.${i + 1}`, sinceMs, unique, writer));
    }
  }
}

function dumpFrame(frame: CallFrame, section: string, sinceMs: number, unique: number, writer: StatedumpWriter): void {
  writer.section(section);
  writer.write('frame-creation-time', monotonicText(sinceMs));
  writer.write('timings', `${Math.floor(sinceMs / 1000)}.${nanoseconds(sinceMs)} -> 0.000000000`);
  writer.write('frame', address(unique));
  writer.write('translator', frame.xlator);
  writer.write('complete', 0);
  if (frame.parent !== undefined) writer.write('parent', frame.parent);
  if (frame.windFrom !== undefined) writer.write('wind_from', frame.windFrom);
  if (frame.windTo !== undefined) writer.write('wind_to', frame.windTo);
  if (frame.unwindTo !== undefined) writer.write('unwind_to', frame.unwindTo);
}

function address(number: number): string {
  return `0x${number.toString(16)}`;
}

function nanoseconds(ms: number): string {
  return String(Math.floor((ms % 1000) * 1e6)).padStart(9, '0');
}

/** As GlusterFS prints its monotonic clock: seconds since start as if they were a date, then `.` and nanoseconds. */
function monotonicText(ms: number): string {
  const date = new Date(Math.floor(ms / 1000) * 1000).toISOString();
  return `${date.slice(0, 10)} ${date.slice(11, 19)} +0000.${nanoseconds(ms)}`;
}

function lkOwnerText(owner: string): string {
  return Buffer.from(owner, 'latin1').toString('hex');
}
