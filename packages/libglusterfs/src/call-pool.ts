import { Frame } from './frame.js';
import { fopLabel } from './latency.js';
import type { MemPool, MemPools } from './mem-pool.js';
import type { Clock } from './platform/platform.js';
import type { StatedumpWriter } from './xlator.js';

/** sizeof(call_stack_t) of GlusterFS 10.3. */
const SIZEOF_CALL_STACK = 1864;
/** Stacks that one dump shows. */
const DUMP_MAX = 4096;
const NOBODY = new Frame();

/** Where a stack comes from: the type number of statedumps. */
export const CallType = { FOP: 1, MGMT: 2, HANDSHAKE: 3 } as const;
export type CallType = (typeof CallType)[keyof typeof CallType];

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

  /** `[global.callpool]` and a section for each stack (spec/client.md, §15.3). An xlator's turn is a JavaScript await: there are no frames to show. */
  dump(writer: StatedumpWriter): void {
    writer.section('global.callpool');
    writer.write('callpool.cnt', this.cnt);
    let number = 0;
    for (const { frame, op, unique, type, sinceMs } of this.stacks()) {
      if (++number > DUMP_MAX) return;
      writer.section(`global.callpool.stack.${number}`);
      writer.write('callstack-creation-time', monotonicText(sinceMs));
      writer.write('uid', frame.uid);
      writer.write('gid', frame.gid);
      writer.write('pid', frame.pid);
      writer.write('unique', unique);
      writer.write('lk-owner', lkOwnerText(frame.lk_owner));
      writer.write('ctime', `${frame.ctime}.${String(frame.ctime_nsec).padStart(9, '0')}`);
      writer.write('op', fopLabel(op));
      writer.write('type', type);
      writer.write('cnt', 1);
    }
  }
}

/** As GlusterFS prints its monotonic clock: seconds since start as if they were a date, then `.` and nanoseconds. */
function monotonicText(ms: number): string {
  const date = new Date(Math.floor(ms / 1000) * 1000).toISOString();
  return `${date.slice(0, 10)} ${date.slice(11, 19)} +0000.${String(Math.floor((ms % 1000) * 1e6)).padStart(9, '0')}`;
}

function lkOwnerText(owner: string): string {
  return Buffer.from(owner, 'latin1').toString('hex');
}
