import { setFlagsFromString } from 'node:v8';

/**
 * Bytes of bytecode that a function runs before V8 thinks of making it faster (67,584 if it isn't told). To optimise one takes 3 to 20 ms of a processor that mount and bricks want as
 * well, as long as it runs for V8's own number many times over: real requests have it wait for six times as much, and what is
 * played only to make it faster does not.
 */
const INTERRUPT_BUDGET = 400_000;
const HASTY_BUDGET = 10_000;

/**
 * While it is hurried V8 optimises a function after a seventh of the calls that it waits for by itself, else after six times as many. For a process that rehearses: it has to play the less, and
 * what it plays is as varied after a few rounds as after many. Not for real requests: what they bring that was not played would be compiled beside them.
 */
export function hurryCompiler(hurried: boolean): void {
  setFlagsFromString(`--interrupt-budget=${hurried ? HASTY_BUDGET : INTERRUPT_BUDGET}`);
}
