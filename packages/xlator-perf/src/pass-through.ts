import { FOP_NAMES, type Xlator } from '@glusterts/libglusterfs';

/**
 * The option `pass-through`, which all performance xlators have (spec/client.md, §9): while it is on the xlator has no fops of its
 * own, so that its parents are bound past it. True when that changed something; on a live graph `graph.rebind()` must follow.
 */
export function setPassThrough(xlator: Xlator, on: boolean): boolean {
  if (Object.hasOwn(xlator, 'lookup') === on) return false;
  for (const fop of FOP_NAMES) {
    // An own property that is undefined hides the method of the class.
    if (on) Object.defineProperty(xlator, fop, { value: undefined, configurable: true });
    else Reflect.deleteProperty(xlator, fop);
  }
  return true;
}
