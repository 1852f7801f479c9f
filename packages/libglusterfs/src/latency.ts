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

/** How often one fop of one xlator was called while that was counted. */
export interface FopCount {
  /** Since the start, and since the metrics before. */
  total: number;
  interval: number;
  /** Of those of the interval. */
  failed: number;
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
  readonly #counts = new Map<LatencyOwner, Map<string, FopCount>>();
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
  add(owner: LatencyOwner, label: string, elapsedMs: number, failed = false): void {
    const count = this.#count(owner, label);
    count.total++;
    count.interval++;
    if (failed) count.failed++;
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

  #count(owner: LatencyOwner, label: string): FopCount {
    let fops = this.#counts.get(owner);
    if (!fops) this.#counts.set(owner, (fops = new Map()));
    let count = fops.get(label);
    if (!count) fops.set(label, (count = { total: 0, interval: 0, failed: 0 }));
    return count;
  }

  /**
   * The lines of metrics (spec/client.md, §15.5): `<xlator>.total.<FOP>.count N` and so on, by fop number. What is of the interval, and the
   * latencies, begin again.
   */
  metrics(owner: LatencyOwner): string[] {
    const { name } = owner;
    const lines: string[] = [];
    const latencies = this.#owners.get(owner);
    let totals = 0;
    let intervals = 0;
    for (const label of FOP_LABELS) {
      const count = this.#counts.get(owner)?.get(label);
      if (count) {
        lines.push(`${name}.total.${label}.count ${count.total}`);
        if (count.interval > 0) lines.push(`${name}.interval.${label}.count ${count.interval}`);
        if (count.failed > 0) lines.push(`${name}.interval.${label}.fail_count ${count.failed}`);
        totals += count.total;
        intervals += count.interval;
        count.interval = count.failed = 0;
      }
      const latency = latencies?.get(label);
      if (latency) lines.push(`${name}.interval.${label}.latency ${(latency.total / latency.count).toFixed(6)}`, `${name}.interval.${label}.max ${latency.max}`, `${name}.interval.${label}.min ${latency.min}`);
    }
    this.reset(owner);
    lines.push(`${name}.total.fop-count ${totals}`, `${name}.interval.fop-count ${intervals}`);
    return lines;
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
