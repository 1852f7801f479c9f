/**
 * V8 notes of each field of a class whether it has held nothing but small integers. The first number from a Float64Array, or beyond 31 bits, makes it change all objects of
 * the class, and throw all code away that was optimised for them; and from then on each such field of each object has a box of its own. A field that has once held something
 * else than a number may hold any, without either. To be called once for a class, or for literals with the same keys in the same order, before there are others.
 * @param sample is spoilt by it
 * @param keys default: of all that are numbers
 */
export function holdAnyNumber<T extends object>(sample: T, keys?: readonly (keyof T)[]): void {
  for (const key of keys ?? Object.keys(sample).filter((name) => typeof Reflect.get(sample, name) === 'number')) Reflect.set(sample, key, null);
}
