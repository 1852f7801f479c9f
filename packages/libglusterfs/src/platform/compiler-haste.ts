import { setFlagsFromString } from 'node:v8';

/** Bytes of bytecode that a function runs before V8 thinks of making it faster: V8's own number, and one for what is played only to make it so. */
const INTERRUPT_BUDGET = 67584;
const HASTY_BUDGET = 10_000;

/**
 * While it is hurried V8 optimises a function after a seventh of the calls that it usually waits for. For a process that rehearses: it has to play the less, and
 * what it plays is as varied after a few rounds as after many. Not for real requests: what they bring that was not played would be compiled beside them.
 */
export function hurryCompiler(hurried: boolean): void {
  setFlagsFromString(`--interrupt-budget=${hurried ? HASTY_BUDGET : INTERRUPT_BUDGET}`);
}
