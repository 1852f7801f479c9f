/** Timing of one thing done again and again in this process. */
export interface MicroRow {
  readonly name: string;
  readonly perSecond: number;
  /** Wall time of one, in microseconds. */
  readonly us: number;
  /** Of it in JavaScript, where that was told apart. */
  readonly javaScriptUs?: number;
  /** Processor time of this process in user space: JavaScript, its collector, and what the addon copies. */
  readonly userUs?: number;
}

const BATCH = 200;
const WARM_MS = 200;

/** Runs it for about `ms` milliseconds after a warm-up. */
export function timed(name: string, run: () => void, ms: number): MicroRow {
  const loop = (until: number): number => {
    let operations = 0;
    const begin = performance.now();
    while (performance.now() - begin < until) {
      for (let i = 0; i < BATCH; i++) run();
      operations += BATCH;
    }
    return operations / (performance.now() - begin);
  };
  loop(WARM_MS);
  const perMs = loop(ms);
  return { name, perSecond: perMs * 1000, us: 1000 / perMs };
}

export async function timedAsync(name: string, run: () => Promise<unknown>, ms: number): Promise<MicroRow> {
  const loop = async (until: number): Promise<number> => {
    let operations = 0;
    const begin = performance.now();
    while (performance.now() - begin < until) {
      for (let i = 0; i < BATCH; i++) await run();
      operations += BATCH;
    }
    return operations / (performance.now() - begin);
  };
  await loop(WARM_MS);
  const perMs = await loop(ms);
  return { name, perSecond: perMs * 1000, us: 1000 / perMs };
}

export function microLine({ name, perSecond, us, javaScriptUs, userUs }: MicroRow): string {
  const parts = [name.padEnd(52), `${Math.round(perSecond).toLocaleString('en').padStart(12)} /s`, `${us.toFixed(2).padStart(9)} µs`];
  if (userUs !== undefined) parts.push(`user space ${userUs.toFixed(2).padStart(7)} µs`);
  if (javaScriptUs !== undefined) parts.push(`JavaScript ${javaScriptUs.toFixed(2).padStart(7)} µs`);
  return parts.join(' ');
}
