import { Errno } from './errno.js';
import { fnmatch } from './fnmatch.js';
import { FopError } from './fop-error.js';
import type { OptionSpec } from './option-spec.js';
import { type OptionValue, OptionValues } from './options.js';

/** A value that its option doesn't take; the message is GlusterFS's own. */
export class OptionError extends FopError {
  constructor(message: string) {
    super(Errno.EINVAL, undefined, message);
    Object.defineProperty(this, 'message', { value: message });
  }
}

const TRUE: ReadonlySet<string> = new Set(['1', 'on', 'yes', 'true', 'enable']);
const FALSE: ReadonlySet<string> = new Set(['0', 'off', 'no', 'false', 'disable']);

/** GlusterFS's booleans, in any case; undefined for anything else. */
export function parseBoolean(text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (TRUE.has(word)) return true;
  if (FALSE.has(word)) return false;
  return undefined;
}

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30, tb: 2 ** 40, pb: 2 ** 50 };
const TIME_UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, sec: 1, m: 60, min: 60, h: 3600, hr: 3600, d: 86400, days: 86400, w: 604800, wk: 604800 };

/** A size in bytes: decimal or fraction, with B KB MB GB TB PB in any case; undefined when malformed. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(b|kb|mb|gb|tb|pb)?$/i.exec(text);
  if (!match) return undefined;
  const value = Math.floor(Number(match[1]) * (SIZE_UNITS[(match[2] ?? '').toLowerCase()] ?? 1));
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A time in seconds; undefined when malformed. */
export function parseTime(text: string): number | undefined {
  const match = /^(\d+)(s|sec|m|min|h|hr|d|days|w|wk)?$/i.exec(text);
  return match ? Number(match[1]) * (TIME_UNITS[(match[2] ?? '').toLowerCase()] ?? 1) : undefined;
}

/** A whole number, decimal, octal (0…) or hexadecimal (0x…), as C's strtol has it; undefined when malformed. */
export function parseInteger(text: string): number | undefined {
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]+|\d+)$/.exec(text);
  if (!match) return undefined;
  const digits = match[2] ?? '';
  const value = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return match[1] === '-' ? -value : value;
}

function inRange(spec: OptionSpec, key: string, text: string, value: number): number {
  const { min = 0, max = 0 } = spec;
  if ((min !== 0 || max !== 0) && (value < min || (max !== 0 && value > max))) {
    throw new OptionError(`'${spec.type === 'size' ? value : text}' in 'option ${key} ${text}' is out of range [${min} - ${max}]`);
  }
  return value;
}

/** Parses one value by its spec. Throws OptionError with GlusterFS's words (spec/client.md, §18). */
export function parseOption(spec: OptionSpec, key: string, text: string): OptionValue {
  switch (spec.type) {
    case 'bool': {
      const value = parseBoolean(text);
      if (value === undefined) throw new OptionError(`option ${key} ${text}: '${text}' is not a valid boolean value`);
      return value;
    }
    case 'int': {
      const value = parseInteger(text);
      if (value === undefined) throw new OptionError(`invalid number format "${text}" in option "${key}"`);
      return inRange(spec, key, text, value);
    }
    case 'size': {
      const value = parseSize(text);
      if (value === undefined) throw new OptionError(`invalid number format "${text}" in option "${key}"`);
      return inRange(spec, key, text, value);
    }
    case 'time': {
      const value = parseTime(text);
      if (value === undefined) throw new OptionError(`invalid time format "${text}" in option "${key}"`);
      return inRange(spec, key, text, value);
    }
    case 'percent': {
      const value = Number(text.replace(/%$/, ''));
      if (text === '' || !Number.isFinite(value) || value < 0 || value > 100) throw new OptionError(`invalid percent format "${text}" in "option ${key}"`);
      return value;
    }
    case 'percent-or-size': {
      if (text.endsWith('%')) {
        const percent = Number(text.slice(0, -1));
        if (!Number.isFinite(percent) || percent < 0 || percent > 100) throw new OptionError(`invalid percent format "${text}" in "option ${key}"`);
        return text;
      }
      const size = parseSize(text);
      if (size === undefined) throw new OptionError(`invalid number format "${text}" in option "${key}"`);
      return text;
    }
    case 'double': {
      const value = Number(text);
      if (text === '' || !Number.isFinite(value)) throw new OptionError(`invalid number format "${text}" in option "${key}"`);
      return inRange(spec, key, text, value);
    }
    case 'path':
      if (!text.startsWith('/')) throw new OptionError(`option ${key} ${text}: '${text}' is not an absolute path name`);
      return text;
    case 'str':
      if (spec.values && !spec.values.some((value) => fnmatch(value, text, true))) {
        throw new OptionError(`option ${key} ${text}: '${text}' is not valid (possible options are ${spec.values.join(', ')}.)`);
      }
      return text;
    default:
      return text;
  }
}

export interface ParsedOptions {
  readonly values: OptionValues;
  /** Keys that no spec knows: GlusterFS warns of them and goes on. */
  readonly unknown: readonly string[];
}

/** All options of an xlator: aliases made canonical, defaults filled in, everything checked. Throws OptionError. */
export function parseOptions(specs: readonly OptionSpec[], given: ReadonlyMap<string, string>): ParsedOptions {
  const values = new Map<string, OptionValue>();
  const unknown: string[] = [];
  const exact = new Map<string, { spec: OptionSpec; canonical: string }>();
  const patterns: { spec: OptionSpec; pattern: string }[] = [];
  for (const spec of specs) {
    const names = typeof spec.key === 'string' ? [spec.key] : spec.key;
    const canonical = names[0] ?? '';
    for (const name of names) {
      if (/[*?[]/.test(name)) patterns.push({ spec, pattern: name });
      else exact.set(name, { spec, canonical });
    }
    if (spec.default !== undefined && !/[*?[]/.test(canonical)) values.set(canonical, parseOption(spec, canonical, spec.default));
  }
  for (const [key, text] of given) {
    const known = exact.get(key);
    if (known) {
      values.set(known.canonical, parseOption(known.spec, key, text));
      continue;
    }
    const pattern = patterns.find((candidate) => fnmatch(candidate.pattern, key));
    if (pattern) values.set(key, parseOption(pattern.spec, key, text));
    else unknown.push(key);
  }
  return { values: new OptionValues(values), unknown };
}
