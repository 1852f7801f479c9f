import type { Volume } from '../volume.js';
import type { OptionValues } from './option-pass.js';
import { optionPass } from './option-pass.js';
import type { VolfileGraph } from './volfile-graph.js';

const debugKeys = ['debug.trace', 'debug.error-gen', 'debug.delay-gen'];

/**
 * Adds debugging xlators if an option names this place: then all that are set anywhere, as the real one does, and again
 * for each further option that names it (spec/volgen.md, §14, gives a milder rule than the vector dist1-debug shows).
 */
export function addDebugXlators(graph: VolfileGraph, volume: Volume, values: OptionValues, place: string): void {
  for (const key of debugKeys) {
    if (values.get(key) !== place) continue;
    optionPass(values, (record) => {
      if (record.option === '!debug') graph.add(record.xlator, `${volume.name}-${lastPart(record.xlator)}`);
    });
  }
}

/** Adds `user/NAME` for each `user.xlator.NAME` whose value is this place. */
export function addUserXlators(graph: VolfileGraph, volume: Volume, values: OptionValues, place: string): void {
  for (const [key, value] of values) {
    const name = /^user\.xlator\.([^.]+)$/.exec(key)?.[1];
    if (name === undefined || value !== place) continue;
    const prefix = `user.xlator.${name}.`;
    const options = [...values].filter(([option]) => option.startsWith(prefix)).map(([option, text]): [string, string] => [option.slice(prefix.length), text]);
    graph.add(`user/${name}`, `${volume.name}-${name}`, options);
  }
}

/** The name of a type after its slash. */
export function lastPart(type: string): string {
  return type.slice(type.indexOf('/') + 1);
}
