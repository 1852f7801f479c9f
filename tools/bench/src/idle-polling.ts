import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

const PROCESSORS = '/sys/devices/system/cpu';
const MICROSECONDS = 1e6;

/**
 * Seconds that all processors of the machine have spent polling while they had nothing to do, since it started. No process's processor time has them; our daemons ask for
 * it while requests come one after the other (docs/rpc.md, "Who waits"). 0 where Linux doesn't tell.
 */
export function idlePollingSeconds(): number {
  let us = 0;
  for (const processor of readdirSync(PROCESSORS).filter((name) => /^cpu\d+$/.test(name))) {
    try {
      const folder = path.join(PROCESSORS, processor, 'cpuidle');
      for (const state of readdirSync(folder)) {
        if (readFileSync(path.join(folder, state, 'name'), 'latin1').trim() === 'POLL') us += Number(readFileSync(path.join(folder, state, 'time'), 'latin1'));
      }
    } catch {
      // A processor without idle states.
    }
  }
  return us / MICROSECONDS;
}
