import type { OptionRecord } from '../options/option-record.js';
import { optionTable } from '../options/option-table.js';
import type { VolfileGraph } from './volfile-graph.js';

/** Options of a volume as volgen reads them: what is set, over the table's own values. */
export type OptionValues = ReadonlyMap<string, string>;

/** Calls the handler for every record that has a value, in the table's order (spec/volgen.md, §2). */
export function optionPass(values: OptionValues, handle: (record: OptionRecord, value: string) => void): void {
  for (const record of optionTable) {
    const value = values.get(record.key) ?? record.volfileDefault;
    if (value !== undefined) handle(record, value);
  }
}

/** The value that volgen sees for a key. */
export function effectiveValue(values: OptionValues, key: string): string | undefined {
  return values.get(key) ?? optionTable.find((record) => record.key === key)?.volfileDefault;
}

/** Sets an option on every xlator of a type. */
export function setOnType(graph: VolfileGraph, type: string, option: string, value: string): void {
  for (const xlator of graph.xlators) if (xlator.type === type) xlator.options.set(option, value);
}

/** Copies every plain option into the xlators it is for. */
export function basicPass(graph: VolfileGraph, values: OptionValues): void {
  optionPass(values, (record, value) => basicOption(graph, record, value));
}

/** One step of {@link basicPass}. */
export function basicOption(graph: VolfileGraph, record: OptionRecord, value: string): void {
  if (record.option.startsWith('!')) return;
  const thinArbiterOnly = record.option === 'ta-remote-port';
  for (const xlator of graph.xlators) {
    if (xlator.type !== record.xlator || (thinArbiterOnly && !xlator.name.includes('-ta-'))) continue;
    xlator.options.set(thinArbiterOnly ? 'remote-port' : record.option, value);
  }
}

const specials = ['log-level', 'sys-log-level', 'logger', 'log-format', 'log-buf-size', 'log-flush-timeout', 'localtime-logging', 'threads'];

function special(record: OptionRecord, name: string, role: 'client' | 'brick'): boolean {
  return (record.option === `!client-${name}` || record.option === `!brick-${name}`) && record.key.includes(role);
}

/** The specials of io-stats in client graphs: a pass for each. */
export function clientSpecialPasses(graph: VolfileGraph, values: OptionValues): void {
  for (const name of specials) {
    optionPass(values, (record, value) => {
      if (special(record, name, 'client')) setOnType(graph, record.xlator, name, value);
    });
  }
}

/** The specials of io-stats and the addresses of auth in a brick's graph: one pass for all. */
export function brickSpecialPass(graph: VolfileGraph, values: OptionValues, brickPath: string): void {
  optionPass(values, (record, value) => {
    if (record.option === '!server-auth') {
      const verb = record.key.slice(record.key.lastIndexOf('.') + 1);
      graph.head.options.set(`auth.addr.${brickPath}.${verb}`, value);
      return;
    }
    const name = specials.find((candidate) => special(record, candidate, 'brick'));
    if (name !== undefined) setOnType(graph, record.xlator, name, value);
  });
}
