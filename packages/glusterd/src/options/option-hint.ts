import { optionKeys } from './option-lookup.js';

const KEY_MAX = 256;

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

/** The nearest of some words, however far; of equals the first ones bytewise, at most so many. */
function nearest(word: string, words: Iterable<string>, most: number): string[] {
  const ranked = [...new Set(words)].sort((a, b) => (a < b ? -1 : 1)).map((each) => ({ each, far: distance(word, each) }));
  const least = Math.min(...ranked.map(({ far }) => far));
  return ranked.filter(({ far }) => far === least).slice(0, most).map(({ each }) => each);
}

const first = (key: string): string => key.slice(0, key.indexOf('.'));
/** Between a key's first dot and its second, or its end. */
const second = (key: string): string => key.split('.')[1] ?? '';

/** `Did you mean A?` or `Did you mean A or B?`: the nearest first part, and with it the nearest second ones (spec/cli.md, §6.6). */
export function didYouMean(given: string): string {
  const key = given.slice(0, KEY_MAX);
  const dot = key.indexOf('.');
  if (dot < 0) return `Did you mean ${nearest(key, optionKeys.map(second), 2).join(' or ')}?`;
  const domain = nearest(key.slice(0, dot), optionKeys.map(first), 1)[0] ?? '';
  const names = nearest(key.slice(dot + 1), optionKeys.filter((each) => first(each) === domain).map(second), 2);
  return `Did you mean ${domain}.${names.join(' or ...')}?`;
}
