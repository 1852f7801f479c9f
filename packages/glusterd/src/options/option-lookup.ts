import type { OptionRecord } from './option-record.js';
import { optionTable } from './option-table.js';

const byKey = new Map<string, OptionRecord[]>();
for (const record of optionTable) byKey.set(record.key, [...(byKey.get(record.key) ?? []), record]);

/** Every key, in the table's order, each once. */
export const optionKeys: readonly string[] = [...byKey.keys()];

/** All records of a key; empty when unknown. */
export function recordsOf(key: string): readonly OptionRecord[] {
  return byKey.get(key) ?? [];
}

/** Keys that may stand in a volume's `info`: those of the table, and `user.*`. */
export function isKnownOption(key: string): boolean {
  return byKey.has(key) || key.startsWith('user.');
}

/** The full name of a key that may lack its first part: `cache-size`. Undefined when none or several fit. */
export function completeKey(key: string): string | undefined {
  if (byKey.has(key)) return key;
  if (key.includes('.')) return undefined;
  const found = optionKeys.filter((full) => full.slice(full.indexOf('.') + 1) === key);
  return found.length === 1 ? found[0] : undefined;
}
