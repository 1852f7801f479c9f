// In a daemon or a program of a test: every graph that is loaded has the xlators of GLUSTERTS_SWITCHED switched.
import { appendFileSync } from 'node:fs';
import { Graph } from '@glusterts/libglusterfs';
import { switched } from './volfile.mjs';

const names = process.env.GLUSTERTS_SWITCHED ?? '';
const load = Graph.load.bind(Graph);
Graph.load = (text, options) => {
  const other = switched(text, names);
  if (other === undefined) return load(text, options);
  try {
    appendFileSync(process.env.GLUSTERTS_SWITCHED_COUNT ?? '/dev/null', 'x');
  } catch {
    // A namespace that doesn't show the file: the graph is switched all the same, and isn't counted.
  }
  return load(other, options);
};
