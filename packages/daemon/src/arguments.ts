import { LogLevel, logLevelByName, parseBoolean } from '@glusterts/libglusterfs';
import { ARGUMENTS, type ArgumentSpec } from './argument-table.js';
import { ValueError } from './argument-values.js';
import { shortUsage, tryHelp } from './usage-text.js';

/** Wrong words on the command line; `status` is GlusterFS's exit status for it. */
export class ArgumentError extends Error {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** Words that no option knows. */
export const EX_USAGE = 64;
/** A value that its option doesn't take. */
export const EX_BAD_VALUE = 255;

/** What was asked for, by long option name, every value one that its option takes; flags have the value ''. */
export class Arguments {
  readonly program: string;
  readonly #values: ReadonlyMap<string, readonly string[]>;
  readonly mountpoint: string | undefined;
  /** argv joined with single blanks, as logs and `.meta/cmdline` show it. */
  readonly commandLine: string;

  constructor(program: string, values: ReadonlyMap<string, readonly string[]>, mountpoint: string | undefined, commandLine: string) {
    this.program = program;
    this.#values = values;
    this.mountpoint = mountpoint;
    this.commandLine = commandLine;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The last value of an option. */
  get(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** Throws ArgumentError when it is no number. */
  number(name: string): number | undefined {
    const text = this.get(name);
    if (text === undefined) return undefined;
    const number = Number(text);
    if (text === '' || !Number.isFinite(number)) throw new ArgumentError(`${this.program}: unknown ${name.replaceAll('-', ' ')} ${text}`, EX_BAD_VALUE);
    return number;
  }

  /** An option that may stand alone (`--x`) or with a boolean (`--x=no`). */
  boolean(name: string, otherwise: boolean): boolean {
    return parseBoolean(this.get(name) ?? '') ?? otherwise;
  }

  /** All that were given, for xlators and the mount. */
  entries(): ReadonlyMap<string, string> {
    return new Map([...this.#values].map(([name, values]) => [name, values.at(-1) ?? '']));
  }
}

function findLong(program: string, text: string): ArgumentSpec {
  const exact = ARGUMENTS.find((spec) => spec.name === text);
  if (exact) return exact;
  const candidates = ARGUMENTS.filter((spec) => spec.name.startsWith(text));
  const [only] = candidates;
  if (only && candidates.length === 1) return only;
  if (candidates.length > 1) {
    throw new ArgumentError(`${program}: option '--${text}' is ambiguous; possibilities:${candidates.map((spec) => ` '--${spec.name}'`).join('')}\n${tryHelp(program)}`, EX_USAGE);
  }
  throw new ArgumentError(`${program}: unrecognized option '--${text}'\n${tryHelp(program)}`, EX_USAGE);
}

function valueOf(program: string, spec: ArgumentSpec, text: string | undefined): string {
  try {
    return spec.read ? spec.read(text) : (text ?? '');
  } catch (error) {
    if (error instanceof ValueError) throw new ArgumentError(`${program}: ${error.message}`, EX_BAD_VALUE);
    throw error;
  }
}

/** GNU argp's rules: long options may be abbreviated, `--x=v` or `--x v`, short ones may be joined. Throws ArgumentError. */
export function parseArguments(program: string, argv: readonly string[]): Arguments {
  const values = new Map<string, string[]>();
  const positional: string[] = [];
  const put = (spec: ArgumentSpec, given: string | undefined): void => {
    const text = valueOf(program, spec, given);
    const list = values.get(spec.name);
    if (list && spec.repeats === true) list.push(text);
    else values.set(spec.name, [text]);
  };
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--') {
      positional.push(...argv.slice(i + 1));
      break;
    }
    if (word.startsWith('--')) {
      const equals = word.indexOf('=');
      const spec = findLong(program, equals < 0 ? word.slice(2) : word.slice(2, equals));
      if (equals >= 0 && spec.takes === 'none') throw new ArgumentError(`${program}: option '--${spec.name}' doesn't allow an argument\n${tryHelp(program)}`, EX_USAGE);
      if (equals >= 0) put(spec, word.slice(equals + 1));
      else if (spec.takes !== 'required') put(spec, undefined);
      else {
        const next = argv[++i];
        if (next === undefined) throw new ArgumentError(`${program}: option '--${spec.name}' requires an argument\n${tryHelp(program)}`, EX_USAGE);
        put(spec, next);
      }
    } else if (word.startsWith('-') && word.length > 1) {
      for (let at = 1; at < word.length; at++) {
        const letter = word.charAt(at);
        const spec = ARGUMENTS.find((candidate) => candidate.short === letter);
        if (!spec) throw new ArgumentError(`${program}: invalid option -- '${letter}'\n${tryHelp(program)}`, EX_USAGE);
        if (spec.takes === 'none') {
          put(spec, undefined);
          continue;
        }
        const rest = word.slice(at + 1);
        const text = rest !== '' ? rest : argv[++i];
        if (text === undefined) throw new ArgumentError(`${program}: option requires an argument -- '${letter}'\n${tryHelp(program)}`, EX_USAGE);
        put(spec, text);
        break;
      }
    } else positional.push(word);
  }
  if (positional.length > 1) throw new ArgumentError(`${shortUsage(program)}${tryHelp(program)}`, EX_USAGE);
  return new Arguments(program, values, positional[0], [program, ...argv].join(' '));
}

/** --log-level, in any case. Throws ArgumentError with GlusterFS's words. */
export function logLevelOf(args: Arguments): LogLevel {
  if (args.has('debug')) return LogLevel.DEBUG;
  const text = args.get('log-level');
  if (text === undefined) return LogLevel.INFO;
  const level = logLevelByName(text);
  if (level === undefined) throw new ArgumentError(`${args.program}: unknown log level ${text}`, EX_BAD_VALUE);
  return level;
}
