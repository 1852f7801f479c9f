import { describe, expect, it } from 'vitest';
import { TARGETS } from '../src/targets.js';

describe('decoders of bytes from outside', () => {
  it.each(TARGETS)('$name: accepts some of 5,000 generated inputs, refuses others, and never misbehaves', ({ run }) => {
    let accepted = 0;
    for (let seed = 1; seed <= 5000; seed++) if (run(seed)) accepted++;
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(5000);
  });
});
