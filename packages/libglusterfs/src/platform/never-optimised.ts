import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';

/**
 * V8's optimising compiler leaves these functions alone, and doesn't inline them, from now on. For what runs often in a process, but only at one time of its life. Without
 * effect where V8 doesn't know its word for it any more.
 */
export function neverOptimised(functions: Iterable<unknown>): void {
  setFlagsFromString('--allow-natives-syntax');
  try {
    // Each time anew: V8 throws the code of functions away that haven't run for long, and couldn't make it again.
    const mark: unknown = runInThisContext('(f) => { %NeverOptimizeFunction(f); }');
    if (typeof mark === 'function') for (const each of functions) if (typeof each === 'function') mark(each);
  } catch {
    // All that is lost is time.
  } finally {
    setFlagsFromString('--no-allow-natives-syntax');
  }
}

/** The methods and accessors of an object's class, and of the classes that it extends up to `base`; private ones can't be reached. */
export function* methodsOf(object: object, base: object = Object.prototype): Generator<unknown> {
  for (let prototype: unknown = Object.getPrototypeOf(object); typeof prototype === 'object' && prototype !== null && prototype !== base; prototype = Object.getPrototypeOf(prototype)) {
    for (const { value, get, set } of Object.values(Object.getOwnPropertyDescriptors(prototype))) yield* [value, get, set];
  }
}
