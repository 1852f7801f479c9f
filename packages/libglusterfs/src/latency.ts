import { FOP_NAMES, type FopName } from './fops.js';
import type { StatedumpWriter, Xlator } from './xlator.js';

const NS_PER_MS = 1e6;

/** Calls of one fop of one xlator; times in nanoseconds. */
export interface Latency {
  count: number;
  total: number;
  min: number;
  max: number;
}

/**
 * How long each xlator took for each fop, from wind to unwind, whatever the result (spec/client.md, §14). Switched on by writing to
 * `.meta/measure_latency`; while it is off the graph's links don't know of it, and nothing is paid.
 */
export class LatencyTable {
  readonly #onSwitch: () => void;
  readonly #xlators = new Map<Xlator, Map<FopName, Latency>>();
  #enabled = false;

  /** @param onSwitch binds the graph anew */
  constructor(onSwitch: () => void) {
    this.#onSwitch = onSwitch;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** Changing it resets nothing. */
  set enabled(enabled: boolean) {
    if (enabled === this.#enabled) return;
    this.#enabled = enabled;
    this.#onSwitch();
  }

  add(xlator: Xlator, fop: FopName, elapsedMs: number): void {
    let fops = this.#xlators.get(xlator);
    if (!fops) this.#xlators.set(xlator, (fops = new Map()));
    const ns = Math.round(elapsedMs * NS_PER_MS);
    const latency = fops.get(fop);
    if (!latency) {
      fops.set(fop, { count: 1, total: ns, min: ns, max: ns });
      return;
    }
    latency.count++;
    latency.total += ns;
    latency.min = Math.min(latency.min, ns);
    latency.max = Math.max(latency.max, ns);
  }

  get(xlator: Xlator, fop: FopName): Latency | undefined {
    return this.#xlators.get(xlator)?.get(fop);
  }

  /** `[<xlator>.latency]`: the fops that came, in the order of {@link FOP_NAMES}. */
  dump(writer: StatedumpWriter, xlator: Xlator): void {
    const prefix = `${xlator.name}.latency`;
    writer.section(prefix);
    const fops = this.#xlators.get(xlator);
    if (!fops) return;
    for (const fop of FOP_NAMES) {
      const latency = fops.get(fop);
      if (!latency) continue;
      const { count, total, min, max } = latency;
      writer.write(`${prefix}.${fopLabel(fop)}`, `AVG:${(total / count).toFixed(6)} CNT:${count} TOTAL:${total} MIN:${min} MAX:${max}`);
    }
  }

  /** What `profile` does after it was read. */
  reset(xlator: Xlator): void {
    this.#xlators.delete(xlator);
  }
}

/** GlusterFS's list of fop names, where it isn't the method's. */
const LABELS: Readonly<Partial<Record<string, string>>> = { readv: 'READ', writev: 'WRITE' };

/** The name of a fop in statedumps: `READ` for readv. */
export function fopLabel(op: string): string {
  return LABELS[op] ?? op.toUpperCase();
}
