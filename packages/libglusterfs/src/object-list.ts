/**
 * An empty list for objects. V8 takes `[]` for a list of small integers until the first object is put into it, which changes its shape, once for each list; code that was
 * optimised for lists that had one already, as in a rehearsal, is thrown away then.
 */
export function objectList<T extends object>(): T[] {
  const list: T[] = [{} as T];
  list.length = 0;
  return list;
}
