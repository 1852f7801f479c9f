/** `npm run bench -- micro`: parts of the data path by themselves, in this process. */
import { codecs } from './codecs.js';
import { layers } from './layers.js';
import { roundTrips } from './round-trips.js';
import { type MicroRow, microLine } from './timing.js';
import { UsageError } from '../usage-error.js';

const SUBJECTS: Readonly<Record<string, (ms: number) => MicroRow[] | Promise<MicroRow[]>>> = { codecs, layers, 'round-trips': roundTrips };
export const MICRO_SUBJECTS: readonly string[] = Object.keys(SUBJECTS);

/** Runs the named subjects, all if none is named, and prints a line for each row. */
export async function micro(names: readonly string[], ms: number): Promise<MicroRow[]> {
  const rows: MicroRow[] = [];
  for (const name of names.length > 0 ? names : MICRO_SUBJECTS) {
    const subject = SUBJECTS[name];
    if (!subject) throw new UsageError(`unknown micro-benchmark ${name}; known: ${MICRO_SUBJECTS.join(', ')}`);
    for (const row of await subject(ms)) {
      console.log(microLine(row));
      rows.push(row);
    }
  }
  return rows;
}
