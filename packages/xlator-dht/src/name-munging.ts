import type { Bytes } from '@glusterts/libglusterfs';
import { dmHash } from './hash.js';

/** What part of a name is hashed (spec/dht.md, §3). */

const RSYNC_DEFAULT = '^\\.(.+)\\.[^.]+$';
const CLASSES: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z', digit: '0-9', alnum: 'A-Za-z0-9', upper: 'A-Z', lower: 'a-z', space: ' \\t\\n\\r\\f\\v', blank: ' \\t', punct: '!-\\/:-@\\[-`{-~', xdigit: '0-9A-Fa-f', cntrl: '\\x00-\\x1f\\x7f', print: ' -~', graph: '!-~',
};

/** A POSIX extended regex as a JavaScript one on bytes; undefined when it doesn't compile. */
export function posixRegex(pattern: string): RegExp | undefined {
  let text = '';
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern.charAt(i);
    if (char === '\\') {
      const next = pattern.charAt(++i);
      if (next === '') return undefined;
      text += /[A-Za-z0-9]/.test(next) ? next : `\\${next}`;
    } else if (char === '[') {
      const end = bracketEnd(pattern, i);
      if (end < 0) return undefined;
      text += bracket(pattern.slice(i + 1, end));
      i = end;
    } else {
      text += char;
    }
  }
  try {
    return new RegExp(text, 's');
  } catch {
    return undefined;
  }
}

/** Where a bracket expression ends; a `]` that comes first, and `[:class:]`, are part of it. */
function bracketEnd(pattern: string, start: number): number {
  let at = start + 1;
  if (pattern.charAt(at) === '^') at++;
  if (pattern.charAt(at) === ']') at++;
  for (; at < pattern.length; at++) {
    if (pattern.startsWith('[:', at)) {
      at = pattern.indexOf(':]', at) + 1;
      if (at === 0) return -1;
    } else if (pattern.charAt(at) === ']') {
      return at;
    }
  }
  return -1;
}

function bracket(inner: string): string {
  const negated = inner.startsWith('^');
  const body = (negated ? inner.slice(1) : inner).replaceAll('\\', '\\\\').replace(/\[:(\w+):\]/g, (_match, name: string) => CLASSES[name] ?? '').replace(/[[\]^]/g, '\\$&');
  // The classes' own escapes were written after the backslashes of the pattern were doubled.
  return `[${negated ? '^' : ''}${body}]`;
}

export class NameHasher {
  readonly #regexes: readonly RegExp[];

  /** @param rsync undefined: the built-in pattern; `none`: off. @param extra undefined or `none`: off. */
  constructor(rsync: string | undefined, extra: string | undefined, warn: (pattern: string) => void = () => {}) {
    const regexes: RegExp[] = [];
    for (const pattern of [extra, rsync ?? RSYNC_DEFAULT]) {
      if (pattern === undefined || pattern === 'none') continue;
      const regex = posixRegex(pattern);
      if (regex) regexes.push(regex);
      else warn(pattern);
    }
    this.#regexes = regexes;
  }

  /** The bytes that are hashed for a name: the first group of the first pattern that matches, else all of it. */
  munge(name: string): string {
    for (const regex of this.#regexes) {
      const group = regex.exec(name)?.[1];
      if (group !== undefined) return group;
    }
    return name;
  }

  hash(name: Bytes | string): number {
    return dmHash(this.munge(name));
  }
}
