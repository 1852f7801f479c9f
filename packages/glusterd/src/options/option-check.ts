import { parseSize } from '../volgen/size.js';
import { parseBool } from '../volume.js';
import type { OptionRecord } from './option-record.js';

const TIME_UNITS: Record<string, number> = { '': 1, s: 1, sec: 1, m: 60, min: 60, h: 3600, hr: 3600, d: 86400, days: 86400, w: 604800, wk: 604800 };

/**
 * What is wrong with a value, in the words of the xlator that would refuse it; undefined when it is fine (spec/cli.md, §8).
 *
 * @param name the option's name inside the xlator
 */
export function judgeValue(record: OptionRecord, name: string, value: string): string | undefined {
  if (record.key === 'server.statedump-path' && !value.startsWith('/')) return `Failed: ${value} is not a directory`;
  switch (record.type) {
    case 'bool':
      return parseBool(value) === undefined ? `option ${name} ${value}: '${value}' is not a valid boolean value` : undefined;
    case 'int':
      return judgeInt(record, name, value);
    case 'size': {
      const size = parseSize(value);
      return size === undefined ? `invalid number format "${value}" in option "${name}"` : judgeRange(record, name, value, size, String(size));
    }
    case 'percent':
      return judgePercent(name, value);
    case 'percent-or-size':
      return judgePercentOrSize(record, name, value);
    case 'time': {
      const match = /^([0-9]+)([a-z]*)$/.exec(value);
      const unit = match?.[2] === undefined ? undefined : TIME_UNITS[match[2]];
      if (!match || unit === undefined) return `invalid time format "${value}" in "option ${name}"`;
      const seconds = Number(match[1]) * unit;
      return judgeRange(record, name, value, seconds, String(seconds));
    }
    case 'string':
      if (!record.values || record.values.includes(value)) return undefined;
      return `option ${name} ${value}: '${value}' is not valid (possible options are ${record.values.join(', ')}.)`;
    case 'path':
      return value.startsWith('/') ? undefined : `option ${name} ${value}: '${value}' is not an absolute path name`;
    case 'internet-address-list':
      return value.split(',').every(isAddressPattern) ? undefined : `option ${name} ${value}: '${value}' is not a valid internet-address-list`;
    case 'xlator':
    case 'client-auth-address':
    case 'priority-list':
    case 'any':
      return undefined;
  }
}

function judgeInt(record: OptionRecord, name: string, value: string): string | undefined {
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]+|[0-9]+)$/.exec(value.trim());
  if (!match?.[2]) return `invalid number format "${value}" in option "${name}"`;
  const digits = match[2];
  const magnitude = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  const number = match[1] === '-' ? -magnitude : magnitude;
  return judgeRange(record, name, value, number, String(number));
}

function judgeRange(record: OptionRecord, name: string, value: string, number: number, shown: string): string | undefined {
  const [min, max] = record.range ?? [undefined, undefined];
  if ((min === undefined || number >= min) && (max === undefined || number <= max)) return undefined;
  const option = `'${shown}' in 'option ${name} ${value}'`;
  if (max === undefined) return `${option} is smaller than minimum value '${min}'`;
  if (min === undefined) return `${option} is greater than maximum value '${max}'`;
  return `${option} is out of range [${min} - ${max}]`;
}

function judgePercent(name: string, value: string): string | undefined {
  const match = /^([0-9]+(?:\.[0-9]*)?)%?$/.exec(value);
  if (!match) return `invalid percent format "${value}" in "option ${name}"`;
  const percent = Number(match[1]);
  return percent <= 100 ? undefined : `'${percent.toFixed(6)}' in 'option ${name} ${value}' is out of range [0 - 100]`;
}

function judgePercentOrSize(record: OptionRecord, name: string, value: string): string | undefined {
  if (value.endsWith('%')) return judgePercent(name, value);
  const size = parseSize(value);
  if (size === undefined) return `invalid number format "${value}" in option "${name}"`;
  if (/^[0-9]*\.[0-9]*$/.test(value)) return `'${Number(value)}' in 'option ${name} ${value}' should not be fractional value. Use valid unsigned integer value.`;
  return judgeRange(record, name, value, size, String(size));
}

/** A name, address, network or wildcard that auth.allow takes. */
function isAddressPattern(word: string): boolean {
  if (word === '*') return true;
  // Digits and dots that make no address are a host name.
  if (/^[0-9.*]+(\/[0-9]+)?$/.test(word)) return word.replace(/\/.*$/, '').split('.').every((part) => part !== '');
  if (word.includes(':')) return /^[0-9a-fA-F:.*]+$/.test(word);
  return /^[A-Za-z0-9*]([A-Za-z0-9.*-]*[A-Za-z0-9*])?$/.test(word);
}
