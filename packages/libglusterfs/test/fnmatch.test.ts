import { describe, expect, it } from 'vitest';
import { fnmatch } from '../src/index.js';

describe('fnmatch', () => {
  it.each([
    ['*-posix', 'v-posix', true], ['*-posix', 'v-posix-1', false], ['*replicate*', 'v-replicate-0', true], ['auth.addr.*.allow', 'auth.addr./d/b.allow', true],
    ['a?c', 'abc', true], ['a?c', 'ac', false], ['', '', true], ['*', '', true], ['**', 'x', true], ['a*', '', false], ['*a', 'aab', false], ['*ab*', 'aab', true],
    ['[a-c]x', 'bx', true], ['[!a-c]x', 'bx', false], ['[^a-c]x', 'dx', true], ['[]x]', ']', true], ['[!]]', 'a', true], ['[a-]', '-', true], ['[z-a]', 'm', false],
    ['[', '[', true], ['[ab', '[ab', true], ['a.c', 'abc', false], ['(a|b)+', '(a|b)+', true], ['a\\*', 'a\\bc', true], ['?', '\n', true], ['\xe9*', '\xe9\xff', true],
  ] as const)('%j on %j is %s', (pattern, text, matches) => {
    expect(fnmatch(pattern, text)).toBe(matches);
  });

  it('ignores case only when told', () => {
    expect(fnmatch('WriteBack', 'writeback')).toBe(false);
    expect(fnmatch('WriteBack', 'writeback', true)).toBe(true);
  });

  it('does not take longer for many stars', () => {
    expect(fnmatch(`${'*a'.repeat(200)}*b`, 'a'.repeat(4000))).toBe(false);
  });
});
