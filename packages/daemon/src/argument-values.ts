import { logLevelByName, parseBoolean } from '@glusterts/libglusterfs';

/** A value that its option doesn't take; the message is what GlusterFS says after its own name. */
export class ValueError extends Error {}

/** Takes an option's text (undefined: it stood alone) and gives the value to keep. Throws ValueError. */
export type ReadValue = (text: string | undefined) => string;

/** A boolean of GlusterFS's; an option that stands alone means `bare`. */
export function boolean(bare: 'on' | 'off', refusal: (text: string) => string, others: readonly string[] = []): ReadValue {
  return (text) => {
    if (text === undefined) return bare;
    if (others.includes(text)) return text;
    const value = parseBoolean(text);
    if (value === undefined) throw new ValueError(refusal(text));
    return value ? 'on' : 'off';
  };
}

/** Given at all, it is on: GlusterFS doesn't look at the value, not even at `no`. */
export const switchedOn: ReadValue = () => 'on';

/** As a boolean that stands alone, but what is none leaves the default without a word. */
export const lenientBoolean: ReadValue = (text) => {
  const value = text === undefined ? true : parseBoolean(text);
  return value === undefined ? '' : value ? 'on' : 'off';
};

interface Range {
  readonly min: number;
  readonly max: number;
  /** Words for a number outside of it; absent: the words for what is no number. */
  readonly refusal?: (text: string) => string;
}

/** strtol(3), base 0: blanks before it, a sign, 0x and 0 as prefixes; nothing may follow. */
function integerOf(text: string): number | undefined {
  const match = /^\s*([+-]?)(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)$/i.exec(text);
  if (!match) return undefined;
  const digits = match[2] ?? '';
  const value = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return match[1] === '-' ? -value : value;
}

/** An integer as C reads it. */
export function integer(name: string, { min, max, refusal = undefined }: Range): ReadValue {
  return (text) => {
    const number = text === undefined ? undefined : integerOf(text);
    if (number !== undefined && number >= min && number <= max) return String(number);
    // C's unsigned parsers take no minus at all.
    const isNumber = number !== undefined && !(min >= 0 && number < 0);
    throw new ValueError(isNumber && refusal && text !== undefined ? refusal(text) : `${name} ${text ?? '(null)'}`);
  };
}

/** A port number in decimal. */
export function decimal(name: string): ReadValue {
  return (text = '') => {
    const digits = /^\s*\+?(\d+)$/.exec(text)?.[1];
    if (digits === undefined) throw new ValueError(`${name} ${text}`);
    return digits;
  };
}

/** Seconds with a fraction. `lenient`: what is no number counts as 0. */
export function seconds(name: string, lenient: boolean): ReadValue {
  return (text = '') => {
    const value = /\S/.test(text) && !/\s$/.test(text) ? Number(text) : Number.NaN;
    if (value < 0 || (Number.isNaN(value) && !lenient)) throw new ValueError(`unknown ${name} ${text}`);
    return String(Number.isNaN(value) ? 0 : value);
  };
}

/** One of some words, in any case. */
export function oneOf(name: string, words: readonly string[]): ReadValue {
  return (text = '') => {
    if (!words.includes(text.toLowerCase())) throw new ValueError(`unknown ${name} ${text}`);
    return text.toLowerCase();
  };
}

export const logLevel: ReadValue = (text = '') => {
  if (logLevelByName(text) === undefined) throw new ValueError(`unknown log level ${text}`);
  return text;
};

export const subdirectory: ReadValue = (text = '') => {
  if (!text.startsWith('/')) throw new ValueError(`expect '/${text}', provided just "${text}"`);
  return text;
};

/** `VOLUME.KEY=VALUE`. */
export const xlatorOption: ReadValue = (text = '') => {
  const equals = text.indexOf('=');
  if (!text.includes('.') || equals < 0 || equals === text.length - 1) throw new ValueError(`invalid xlator option  ${text}`);
  return text;
};

/** `PORT` or `PORT,PORT`. */
export const brickPorts: ReadValue = (text = '') => {
  const ports = text.split(',').filter((port) => port !== '');
  if (!/^\d+$/.test(ports[0] ?? '')) throw new ValueError(`unknown brick (listen) port ${text.replace(/^(,*[^,]*),.*/, '$1')}`);
  if (ports[1] !== undefined && !/^\d+$/.test(ports[1])) throw new ValueError(`wrong brick (listen) port ${ports[0] ?? ''}`);
  return text;
};

/** An engine's name must stand there, any name. */
export const ioEngine: ReadValue = (text) => {
  if (text === undefined) throw new ValueError('Failed to allocate memory for io-engine');
  return text;
};
