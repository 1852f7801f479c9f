/** Calls in flight for which there is a place; those that take longer than this many others are kept apart. */
const SLOTS = 1024;

/**
 * Values by xid. Xids come in a row and go soon, in nearly the same order: a ring of them needs no memory from call to call. A Map is
 * rebuilt every few hundred calls, and each of its old tables leads V8's collector of young objects on to all that came later: with a
 * few hundred calls under way a fifth of a mount's time went there.
 */
export class CallTable<T> {
  readonly #xids = new Array<number>(SLOTS).fill(0);
  readonly #values = new Array<T | undefined>(SLOTS).fill(undefined);
  /** Whose places others needed. */
  readonly #late = new Map<number, T>();
  #inPlace = 0;

  get size(): number {
    return this.#inPlace + this.#late.size;
  }

  get(xid: number): T | undefined {
    const slot = xid % SLOTS;
    return this.#xids[slot] === xid ? this.#values[slot] : this.#late.get(xid);
  }

  /** The xid must not be there. */
  set(xid: number, value: T): void {
    const slot = xid % SLOTS;
    const before = this.#values[slot];
    if (before === undefined) this.#inPlace++;
    else this.#late.set(this.#xids[slot] ?? 0, before);
    this.#xids[slot] = xid;
    this.#values[slot] = value;
  }

  delete(xid: number): void {
    const slot = xid % SLOTS;
    if (this.#xids[slot] !== xid || this.#values[slot] === undefined) {
      this.#late.delete(xid);
      return;
    }
    this.#values[slot] = undefined;
    this.#inPlace--;
  }

  /** The late ones first. */
  entries(): [number, T][] {
    const entries: [number, T][] = [...this.#late];
    for (let slot = 0; slot < SLOTS; slot++) {
      const value = this.#values[slot];
      if (value !== undefined) entries.push([this.#xids[slot] ?? 0, value]);
    }
    return entries;
  }

  clear(): void {
    this.#values.fill(undefined);
    this.#late.clear();
    this.#inPlace = 0;
  }
}
