import { FOP_NAMES, type FopName } from './fops.js';
import type { Xlator } from './xlator.js';

const HIDDEN = { value: undefined, configurable: true };

/**
 * Takes an xlator out of the way of fops, or puts it back: while `on` it has no fops of its own, so that its parents are bound
 * past it and nothing is paid (the option `pass-through` of performance xlators, spec/client.md, §9; features that are switched
 * off). True when that changed something; on a live graph `graph.rebind()` must follow.
 * @param but fops that it answers all the same
 */
export function setPassThrough(xlator: Xlator, on: boolean, but: readonly FopName[] = []): boolean {
  let changed = false;
  for (const fop of FOP_NAMES) {
    if (but.includes(fop) || Object.hasOwn(xlator, fop) === on) continue;
    changed = true;
    // An own property that is undefined hides the method of the class.
    if (on) Object.defineProperty(xlator, fop, HIDDEN);
    else Reflect.deleteProperty(xlator, fop);
  }
  return changed;
}
