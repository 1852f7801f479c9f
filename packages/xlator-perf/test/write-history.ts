/**
 * What a file may hold after writes and truncates that overlapped in time: a register for each cell (some bytes that are always written together), and one for the size in cells. An
 * operation A is before B when A was answered before B was asked. A read may see every operation that was asked before the read was
 * answered, unless another, which counts, came between them for certain.
 */

/** A change of the file. It `counts` when it was answered with success and nobody was told since that it may be lost. */
export interface Change {
  readonly kind: 'write' | 'truncate';
  readonly start: number;
  /** Of a write; a truncate's is Infinity. */
  readonly end: number;
  /** What its cells are. */
  readonly value: number;
  readonly asked: number;
  /** Infinity while it is not answered. */
  answered: number;
  /** Who asks later sees it, or what came after it. Later than `answered` for what another client did, of which caches hear late. */
  seen: number;
  counts: boolean;
  /** A barrier said that it is on the bricks: what fails later cannot take it away. */
  settled: boolean;
}

const BEGINNING: Change = { kind: 'truncate', start: 0, end: Infinity, value: 0, asked: -2, answered: -1, seen: -1, counts: true, settled: true };

export class WriteHistory {
  #time = 0;
  #changes: Change[] = [BEGINNING];

  /** The next moment. */
  now(): number {
    return ++this.#time;
  }

  write(start: number, end: number, value: number): Change {
    return this.#add({ kind: 'write', start, end, value, asked: this.now(), answered: Infinity, seen: Infinity, counts: false, settled: false });
  }

  truncate(size: number): Change {
    return this.#add({ kind: 'truncate', start: size, end: Infinity, value: 0, asked: this.now(), answered: Infinity, seen: Infinity, counts: false, settled: false });
  }

  #add(change: Change): Change {
    this.#changes.push(change);
    return change;
  }

  /** @param known to everybody from now on */
  answered(change: Change, succeeded: boolean, known = true): void {
    change.answered = this.now();
    if (known) change.seen = change.answered;
    change.counts = succeeded;
  }

  /** All who ask from now on see it. */
  seen(change: Change): void {
    change.seen = this.now();
  }

  /** A barrier asked at `asked` has succeeded: all that was answered before it is on the bricks. */
  synced(asked: number): void {
    for (const change of this.#changes) if (change.counts && change.answered < asked) change.settled = true;
  }

  /** Somebody was told of a failure: whatever no barrier has confirmed may be lost. */
  lost(): void {
    for (const change of this.#changes) if (!change.settled) change.counts = false;
  }

  /** The size, when nothing is in doubt: no change is under way, and none may have been lost. */
  get certainSize(): number | undefined {
    if (this.#changes.some((change) => change.answered === Infinity)) return undefined;
    const now = this.now();
    const { low, high } = this.sizes(now, now);
    return low === high ? low : undefined;
  }

  /** Forgets what no read that was asked at that time or later can see, whatever fails. */
  prune(asked: number): void {
    this.#changes = this.#changes.filter((change) => {
      const later = this.#changes.filter((other) => other.settled && other.asked > change.answered && other.seen < asked);
      if (change.kind === 'truncate') return !later.some((other) => other.kind === 'truncate' && other.start <= change.start);
      for (let at = change.start; at < change.end; at++) if (!later.some((other) => other.start <= at && at < other.end)) return true;
      return false;
    });
  }

  /** Values that a cell may have for a reader of that time. */
  values(at: number, asked: number, answered: number): Set<number> {
    const found = new Set<number>();
    const here = this.#changes.filter((change) => change.start <= at && at < change.end && change.asked <= answered);
    for (const change of here) {
      if (!here.some((other) => other.counts && other.asked > change.answered && other.seen < asked)) found.add(change.value);
    }
    return found;
  }

  /** Bounds of the size that a reader of that time may see. */
  sizes(asked: number, answered: number): { low: number; high: number } {
    let [low, high] = [0, 0];
    for (const change of this.#changes) {
      if (change.asked > answered) continue;
      const size = change.kind === 'write' ? change.end : change.start;
      const overtaken = this.#changes.some((other) => other !== change && other.kind === 'truncate' && other.counts && other.asked > change.answered && other.seen < asked);
      if (!overtaken) high = Math.max(high, size);
      if (!change.counts || change.seen > asked) continue;
      const cut = this.#changes.some((other) => other !== change && other.kind === 'truncate' && other.start < size && other.answered > change.asked && other.asked < answered);
      if (!cut) low = Math.max(low, size);
    }
    return { low, high };
  }
}
