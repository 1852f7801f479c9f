import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { SweepResult } from './sweep.js';

/** Drawn in the reader's browser. Runs in the page, with uPlot there; may use nothing from outside. */
const DRAW = `
const dark = matchMedia('(prefers-color-scheme: dark)').matches;
const ink = dark ? '#c9d1d9' : '#24292f', lines = dark ? '#30363d' : '#d8dee4';
const colours = ['#0969da', '#cf222e', '#1a7f37', '#8250df'];
for (const result of results) {
  const figure = document.getElementById(result.question);
  const xs = result.points.map((point) => point.x);
  const data = [xs], series = [{ label: result.axis, value: (u, x) => x === null ? '' : result.labels[xs.indexOf(x)] }];
  result.series.forEach((name, i) => {
    for (const [side, dash] of [['ours', []], ['theirs', [6, 5]]]) {
      data.push(result.points.map((point) => point[side][name]));
      series.push({
        label: name + (side === 'ours' ? ', ours' : ', GlusterFS'), stroke: colours[i % colours.length], width: side === 'ours' ? 2.5 : 1.5, dash,
        points: { show: true, size: 6 }, value: (u, y) => y === null || y === undefined ? '' : y.toPrecision(3) + ' ' + result.unit,
      });
    }
  });
  const axis = { stroke: ink, grid: { stroke: lines, width: 1 }, ticks: { stroke: lines } };
  new uPlot({
    width: figure.clientWidth, height: 340, series,
    scales: { x: { time: false, distr: 3, log: 2, range: () => [xs[0] / 1.2, xs[xs.length - 1] * 1.2] }, y: { distr: 3, log: 10 } },
    axes: [
      { ...axis, label: result.axis, labelSize: 24, splits: () => xs, filter: (u, splits) => splits, values: (u, splits) => splits.map((x) => result.labels[xs.indexOf(x)] ?? '') },
      { ...axis, label: result.unit, labelSize: 24, size: 64, values: (u, splits) => splits.map((y) => y === null ? '' : y >= 1e6 ? y / 1e6 + 'M' : y >= 1000 ? y / 1000 + 'k' : String(y)) },
    ],
  }, data, figure);
}
`;

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.15rem; }
table { border-collapse: collapse; margin-top: 1rem; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #8884; }
details { margin-top: .5rem; }
`;

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** JSON that may stand in a script element. */
function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

function table(result: SweepResult): string {
  const heads = result.series.flatMap((name) => [`${name}, ours`, `${name}, GlusterFS`, 'ratio']);
  const rows = result.points.map((point, i) => {
    const cells = result.series.flatMap((name) => {
      const [ours, theirs] = [point.ours[name] ?? NaN, point.theirs[name] ?? NaN];
      return [ours.toPrecision(3), theirs.toPrecision(3), (ours / theirs).toFixed(2)];
    });
    return `<tr><th>${escaped(result.labels[i] ?? '')}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  return `<details><summary>The numbers</summary><table><tr><th>${escaped(result.axis)}</th>${heads.map((head) => `<th>${escaped(head)}</th>`).join('')}</tr>${rows.join('')}</table></details>`;
}

/** One page that needs nothing else: uPlot, the numbers and what draws them are in it. */
export function sweepPage(results: readonly SweepResult[], about: string): string {
  const uplot = path.dirname(createRequire(import.meta.url).resolve('uplot/package.json'));
  const read = (file: string): string => readFileSync(path.join(uplot, 'dist', file), 'utf8');
  const figures = results.map((result) => `<h2>${escaped(result.title)}</h2><div id="${result.question}"></div>${table(result)}`);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>glusterts and GlusterFS: how the cost grows</title>
<style>${read('uPlot.min.css')}${STYLE}</style></head><body>
<h1>How the cost grows</h1><p>${escaped(about)} Ours with full lines, GlusterFS's dashed; more is better; both axes are logarithmic.</p>
${figures.join('\n')}
<script>${read('uPlot.iife.min.js')}</script><script>const results = ${scriptJson(results)};${DRAW}</script></body></html>
`;
}
