import { FOP_LABELS } from './fop-numbers.js';
import type { StatedumpWriter } from './xlator.js';

const NS_PER_MS = 1e6;

/** Calls of one fop of one xlator; times in nanoseconds. */
export interface Latency {
  count: number;
  total: number;
  min: number;
  max: number;
}

/** What latencies are kept of: an xlator, or the mount above the graph. */
export interface LatencyOwner {
  readonly name: string;
}

/**
 * How long each xlator took for each fop, from wind to unwind, whatever the result (spec/client.md, §14). Switched on by writing to
 * `.meta/measure_latency`; while it is off the graph's links don't know of it, and nothing is paid.
 */
export class LatencyTable {
  readonly #onSwitch: () => void;
  /** By label: READ for readv. */
  readonly #owners = new Map<LatencyOwner, Map<string, Latency>>();
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

  /** @param label see fopLabel */
  add(owner: LatencyOwner, label: string, elapsedMs: number): void {
    let fops = this.#owners.get(owner);
    if (!fops) this.#owners.set(owner, (fops = new Map()));
    const ns = Math.round(elapsedMs * NS_PER_MS);
    const latency = fops.get(label);
    if (!latency) {
      fops.set(label, { count: 1, total: ns, min: ns, max: ns });
      return;
    }
    latency.count++;
    latency.total += ns;
    latency.min = Math.min(latency.min, ns);
    latency.max = Math.max(latency.max, ns);
  }

  get(owner: LatencyOwner, label: string): Latency | undefined {
    return this.#owners.get(owner)?.get(label);
  }

  /** `[<xlator>.latency]`: the fops that came, by their numbers. */
  dump(writer: StatedumpWriter, owner: LatencyOwner): void {
    const prefix = `${owner.name}.latency`;
    writer.section(prefix);
    const fops = this.#owners.get(owner);
    if (!fops) return;
    for (const label of FOP_LABELS) {
      const latency = fops.get(label);
      if (!latency) continue;
      const { count, total, min, max } = latency;
      writer.write(`${prefix}.${label}`, `AVG:${(total / count).toFixed(6)} CNT:${count} TOTAL:${total} MIN:${min} MAX:${max}`);
    }
  }

  /** What `profile` does after it was read. */
  reset(owner: LatencyOwner): void {
    this.#owners.delete(owner);
  }
}
