import { describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../src/config.js';

const volfile = (option: string): string => `volume management\n    type mgmt/glusterd\n    option working-directory /var/lib/glusterd\n    ${option}\nend-volume\n`;

describe('glusterd.vol', () => {
  it('says how many event threads there are: one, or up to 32', () => {
    expect(readConfig(volfile(''), new Map(), []).eventThreads).toBe(1);
    expect(readConfig(volfile('option event-threads 32'), new Map(), []).eventThreads).toBe(32);
    expect(readConfig(volfile('option event-threads 1'), new Map([['event-threads', '4']]), []).eventThreads).toBe(4);
  });

  it.each([
    ['0', "'0' in 'option event-threads 0' is out of range [1 - 32]"],
    ['99', "'99' in 'option event-threads 99' is out of range [1 - 32]"],
    ['many', 'invalid number format "many" in option "event-threads"'],
  ])('with %s of them is refused in the words of GlusterFS 10.3', (count, words) => {
    expect(() => readConfig(volfile(`option event-threads ${count}`), new Map(), [])).toThrow(new ConfigError(words));
  });
});
