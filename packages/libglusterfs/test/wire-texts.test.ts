import { describe, expect, it } from 'vitest';
import { wireKey, wireText } from '../src/wire-texts.js';

const both = [wireText, wireKey];

describe('texts that come again', () => {
  it('are what the bytes say, whatever came before them', () => {
    // More than there are places, so that many share one.
    for (let i = 0; i < 20_000; i++) {
      const text = `trusted.key-${i % 9973}-\xff\0`;
      const bytes = Buffer.from(`..${text}..`, 'latin1');
      for (const read of both) expect(read(bytes, 2, 2 + text.length) === text).toBe(true);
    }
  });

  it('have any length', () => {
    const bytes = Buffer.from('x'.repeat(3000), 'latin1');
    for (const length of [0, 1, 3, 4, 5, 63, 64, 65, 3000]) for (const read of both) for (const _ of [1, 2]) expect(read(bytes, 0, length)).toBe('x'.repeat(length));
    for (const read of both) expect(read(Buffer.from('__proto__'), 0, 9)).toBe('__proto__');
    for (const read of both) expect(read(Buffer.from('1234567'), 0, 7)).toBe('1234567');
  });
});
