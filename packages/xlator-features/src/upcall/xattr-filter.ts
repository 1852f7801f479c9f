import { type Bytes, Dict, fnmatch, valueBytes } from '@glusterts/libglusterfs';

const AFR_PREFIX = 'trusted.afr.';
/** Patterns that clients may register; GlusterFS has no limit, a client can send no sensible list of more. */
const PATTERNS_MAX = 1024;

/** The xattrs that some client keeps: changes of others are told to nobody (spec/features.md, §11.4). */
export class XattrFilter {
  readonly #patterns = new Set<Bytes>();

  /** Adds a client's names and fnmatch patterns. They stay. */
  register(patterns: Dict | undefined): void {
    for (const pattern of patterns?.keys() ?? []) if (this.#patterns.size < PATTERNS_MAX) this.#patterns.add(pattern);
  }

  /** What is left of a change after all that nobody keeps, and pending counts of 0, are taken out; undefined: nothing. */
  apply(changed: Dict): Dict | undefined {
    let left: Dict | undefined;
    for (const [name, value] of changed.entries().reverse()) {
      if (!this.#isKept(name)) continue;
      if (name.startsWith(AFR_PREFIX) && (valueBytes(value) ?? new Uint8Array(0)).every((byte) => byte === 0)) continue;
      (left ??= new Dict()).set(name, value);
    }
    return left;
  }

  #isKept(name: Bytes): boolean {
    for (const pattern of this.#patterns) if (fnmatch(pattern, name)) return true;
    return false;
  }
}

/** Whether a pending count was there before: the answer to an xattrop then differs from what it added. */
export function wasPendingBefore(request: Dict, reply: Dict | undefined): boolean {
  return request.entries().some(([name, value]) => {
    if (!name.startsWith(AFR_PREFIX)) return false;
    const stored = reply?.getBin(name);
    const asked = valueBytes(value);
    return stored === undefined || asked === undefined || Buffer.compare(stored, asked) !== 0;
  });
}
