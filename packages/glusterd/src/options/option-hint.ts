import { optionKeys } from './option-lookup.js';

const HINTS_MAX = 2;

function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}

/** `Did you mean A?` or `Did you mean A or B?`: the nearest names, however far. The real one's choice among equals may differ. */
export function didYouMean(key: string): string {
  const words = key.includes('.') ? optionKeys : [...new Set(optionKeys.map((full) => full.slice(full.indexOf('.') + 1)))];
  const ranked = words.map((word) => ({ word, far: distance(key.slice(0, 256), word) })).sort((a, b) => a.far - b.far);
  const nearest = ranked.filter(({ far }) => far === ranked[0]?.far).slice(0, HINTS_MAX);
  return `Did you mean ${nearest.map(({ word }) => word).join(' or ')}?`;
}
