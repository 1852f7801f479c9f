import type { Bytes } from '@glusterts/libglusterfs';

/** What GlusterFS counts for a directory, a name that is not there, and one that is; bytes. */
const SIZE = { DIRECTORY: 120, NEGATIVE: 32, POSITIVE: 40 } as const;

const NAME_MAX = 255;
/** GlusterFS's bits. */
const STATE = { FULL: 1, PARTIAL: 2, NEGATIVE: 4 } as const;

/** What nl-cache knows of the names in a directory. */
export class DirectoryNames {
  /** Names that are not there. */
  readonly #negative = new Set<Bytes>();
  /** Names that are there: of those that this client has made. */
  readonly #positive = new Set<Bytes>();
  /** This client made the directory, and knows all names in it. */
  full = false;
  /** When the first of them was learnt, ms of the monotonic clock. */
  time = 0;
  /** The store's generation at that moment; 0: nothing is known. */
  since = 0;
  /** A lookup that began before this generation may have seen what isn't true any more. */
  changed = 0;

  /** Bytes, as GlusterFS counts them: without the names themselves. */
  get size(): number {
    return SIZE.DIRECTORY + this.#negative.size * SIZE.NEGATIVE + this.#positive.size * SIZE.POSITIVE;
  }

  get positives(): number {
    return this.#positive.size;
  }

  /** For statedumps: what there is, and the names, newest first. */
  get figures(): { readonly state: number; readonly negative: readonly Bytes[]; readonly positive: readonly Bytes[] } {
    const positive = [...this.#positive].reverse();
    const negative = [...this.#negative].reverse();
    return { state: (this.full ? STATE.FULL : positive.length > 0 ? STATE.PARTIAL : 0) | (negative.length > 0 ? STATE.NEGATIVE : 0), negative, positive };
  }

  /** Surely not there. Of a name that cannot be, the brick says why. */
  lacks(name: Bytes): boolean {
    return this.#negative.has(name) || (this.full && name.length <= NAME_MAX && !this.#positive.has(name));
  }

  /** The name that is equal but for the case of its letters; undefined: none is known. */
  realName(name: string): Bytes | undefined {
    const wanted = fold(name);
    for (const known of this.#positive) if (fold(known) === wanted) return known;
    return undefined;
  }

  addNegative(name: Bytes): void {
    this.#positive.delete(name);
    this.#negative.add(name);
  }

  addPositive(name: Bytes): void {
    this.#negative.delete(name);
    this.#positive.add(name);
  }

  /** It is there, or may be. */
  removeNegative(name: Bytes): void {
    this.#negative.delete(name);
  }

  clear(): void {
    this.#negative.clear();
    this.#positive.clear();
    this.full = false;
    this.since = 0;
  }
}

/** strcasecmp's idea of case in the C locale. */
function fold(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
