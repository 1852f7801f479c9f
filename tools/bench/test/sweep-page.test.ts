import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { sweepPage } from '../src/sweep/page.js';

function missing(): string | undefined {
  try {
    return existsSync(createRequire(import.meta.url).resolve('uplot/package.json')) ? undefined : 'no uplot';
  } catch {
    return 'uplot is not installed (npm install)';
  }
}
const reason = missing();
if (reason !== undefined) console.warn(`the page of pictures is not tested: ${reason}`);

const result = {
  question: 'size', title: 'Sizes <of> files', axis: 'bytes', unit: 'MiB/s', series: ['write'], labels: ['4 KiB', '</script>'],
  points: [{ x: 4096, ours: { write: 10 }, theirs: { write: 5 } }, { x: 8192, ours: { write: 12 }, theirs: { write: 6 } }],
};

describe.skipIf(reason !== undefined)('the page of pictures', () => {
  const page = sweepPage([result], 'Nothing & more.');

  it('needs nothing from elsewhere', () => {
    expect(page).not.toMatch(/<(script|link|img)[^>]+(src|href)=/);
    expect(page).toContain('uPlot');
  });

  it('shows text as text', () => {
    expect(page).toContain('Sizes &#60;of&#62; files');
    expect(page).toContain('Nothing &#38; more.');
    // Two scripts, and their two ends.
    expect(page.match(/<\/script>/g)).toHaveLength(2);
  });

  it('has the numbers and their ratio in a table', () => {
    expect(page).toContain('<td>10.0</td><td>5.00</td><td>2.00</td>');
  });
});
