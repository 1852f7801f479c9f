import { Errno } from './errno.js';
import { FopError } from './fop-error.js';

/** One `volume … end-volume`. Names and values are text as latin-1 bytes, like the file. */
export interface VolfileVolume {
  readonly name: string;
  readonly type: string;
  readonly line: number;
  readonly typeLine: number;
  /** In the order of the file; of a key that comes twice the later one counts. */
  readonly options: ReadonlyMap<string, string>;
  readonly subvolumes: readonly { readonly name: string; readonly line: number }[];
}

export interface Volfile {
  /** In the order of the file: children before parents; the last is the default top. */
  readonly volumes: readonly VolfileVolume[];
  /** `key is doubly defined` and the like: said in the log, not fatal. */
  readonly warnings: readonly string[];
}

/** Bytes of the largest volfile that is read. Real ones of a thousand bricks have about a megabyte. */
export const VOLFILE_SIZE_MAX = 64 << 20;

/** What is wrong, in GlusterFS's words, and where: `<file>:<line>:<column>: …, expected …`. */
export class VolfileError extends FopError {
  readonly line: number;
  readonly column: number;
  readonly msgid: number;
  /** GlusterFS's own message, as its log has it. */
  readonly glusterMessage: string;

  constructor(file: string, at: { line: number; column: number }, msgid: number, glusterMessage: string, expected: string) {
    super(Errno.EINVAL);
    this.line = at.line;
    this.column = at.column;
    this.msgid = msgid;
    this.glusterMessage = glusterMessage;
    Object.defineProperty(this, 'message', { value: `${file}:${at.line}:${at.column}: ${glusterMessage} (expected ${expected})` });
  }
}

type Keyword = 'volume' | 'type' | 'end-volume' | 'subvolumes' | 'option';
interface Token {
  readonly kind: Keyword | 'word' | 'end';
  readonly text: string;
  /** How messages quote it: as GlusterFS's scanner saw it last, which of a string is its closing quote. */
  readonly shown: string;
  readonly line: number;
  readonly column: number;
}

const KEYWORDS: ReadonlyMap<string, Keyword> = new Map([
  ['volume', 'volume'], ['type', 'type'], ['end-volume', 'end-volume'], ['subvolumes', 'subvolumes'], ['subvolumeS', 'subvolumes'], ['option', 'option'],
]);

/** Splits the text into tokens (spec/client.md, §3.2), one at a time. */
class Tokenizer {
  readonly #text: string;
  readonly #file: string;
  #at = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  next(): Token {
    const text = this.#text;
    for (;;) {
      const c = text.charAt(this.#at);
      if (c === '') return this.#token('end', '', this.#at);
      if (c === '\n') {
        this.#at++;
        this.#newLine();
      } else if (c === ' ' || c === '\t' || c === '\r' || c === '\\') this.#at++;
      else if (c === '#') {
        const end = text.indexOf('\n', this.#at);
        this.#at = end < 0 ? text.length : end;
      } else if (c === '"') return this.#string();
      else if (c === '`') throw this.#refuseBacktick();
      else return this.#word();
    }
  }

  #word(): Token {
    const begin = this.#at;
    while (this.#at < this.#text.length && !' \t\r\n"\\`'.includes(this.#text.charAt(this.#at))) this.#at++;
    if (this.#text.charAt(this.#at) === '`') throw this.#refuseBacktick();
    const text = this.#text.slice(begin, this.#at);
    return this.#token(KEYWORDS.get(text) ?? 'word', text, begin);
  }

  #string(): Token {
    const begin = this.#at++;
    const token = this.#token('word', '', begin);
    let value = '';
    for (;;) {
      const c = this.#text.charAt(this.#at);
      if (c === '') throw new VolfileError(this.#file, token, 101021, `syntax error in line ${token.line}: ""`, 'a closing quote (")');
      this.#at++;
      if (c === '"') return { ...token, text: value, shown: '"' };
      if (c === '\n') this.#newLine();
      else if (c === '\\' && this.#text.charAt(this.#at) !== '\n' && this.#at < this.#text.length) value += this.#text.charAt(this.#at++);
      else if (c === '`') {
        this.#at--;
        throw this.#refuseBacktick();
      } else if (c !== '\\') value += c;
    }
  }

  /** Backticks would run commands as root at parse time; glusterd writes none. */
  #refuseBacktick(): VolfileError {
    return new VolfileError(this.#file, { line: this.#line, column: this.#at - this.#lineStart + 1 }, 101022, 'parsing of backticks failed', 'a value: commands in backticks are not run');
  }

  #newLine(): void {
    this.#line++;
    this.#lineStart = this.#at;
  }

  #token(kind: Token['kind'], text: string, begin: number): Token {
    return { kind, text, shown: text, line: this.#line, column: begin - this.#lineStart + 1 };
  }
}

/**
 * Parses a volfile (spec/client.md, §3.3). Pure: neither types nor children are looked up. Throws VolfileError.
 * @param text the file's bytes as latin-1
 * @param file its name, for messages
 */
export function parseVolfile(text: string, file = 'volfile'): Volfile {
  if (text.length > VOLFILE_SIZE_MAX) throw new VolfileError(file, { line: 1, column: 1 }, 100026, 'failed to construct the graph', `at most ${VOLFILE_SIZE_MAX} bytes`);
  const tokens = new Tokenizer(text, file);
  const volumes = new Map<string, VolfileVolume>();
  const warnings: string[] = [];
  let token = tokens.next();
  const outside = (at: Token, expected: string): VolfileError => new VolfileError(file, at, 101021, `syntax error in line ${at.line}: "${at.shown}"`, expected);
  do {
    if (token.kind !== 'volume') throw outside(token, '"volume"');
    const nameToken = tokens.next();
    if (nameToken.kind !== 'word' || nameToken.text === '') throw outside(nameToken, 'the name of the volume');
    const name = nameToken.text;
    if (volumes.has(name)) throw new VolfileError(file, nameToken, 101179, `Line ${nameToken.line}: volume '${name}' defined again`, 'a name that is not used yet');
    const inside = (at: Token, expected: string): VolfileError => new VolfileError(file, at, 101021, `syntax error: line ${at.line} (volume '${name}'): "${at.shown}"`, expected);
    let type: string | undefined;
    let typeLine = nameToken.line;
    const options = new Map<string, string>();
    let subvolumes: { name: string; line: number }[] | undefined;
    token = tokens.next();
    body: for (;;) {
      switch (token.kind) {
        case 'type': {
          const word = tokens.next();
          if (word.kind !== 'word') throw new VolfileError(file, word, 101021, `Volume '${name}', line ${word.line}: type ${word.shown} is not allowed`, 'the type, as category/name');
          if (type !== undefined) throw inside(token, '"option", "subvolumes" or "end-volume"');
          type = word.text;
          typeLine = word.line;
          token = tokens.next();
          break;
        }
        case 'option': {
          const key = tokens.next();
          const value = key.kind === 'word' ? tokens.next() : key;
          if (key.kind !== 'word' || value.kind !== 'word' || value.text === '') {
            throw new VolfileError(file, value, 101179, `Volume ${name}, before line ${value.line}: Please specify option <key> <value>`, key.kind === 'word' ? 'the value of the option' : 'the name of the option');
          }
          if (options.has(key.text)) warnings.push(`Volume '${name}', line ${key.line}: duplicate entry ('option ${key.text}')`);
          // Deleted first, so that the order stays that of the lines that count.
          options.delete(key.text);
          options.set(key.text, value.text);
          token = tokens.next();
          break;
        }
        case 'subvolumes': {
          if (subvolumes) throw inside(token, '"option" or "end-volume"');
          subvolumes = [];
          for (token = tokens.next(); token.kind === 'word'; token = tokens.next()) subvolumes.push({ name: token.text, line: token.line });
          if (subvolumes.length === 0) throw new VolfileError(file, token, 101179, `Volume ${name}, before line ${token.line}: Please specify subvolumes`, 'the names of the subvolumes');
          break;
        }
        case 'end-volume':
          break body;
        default:
          throw inside(token, '"type", "option", "subvolumes" or "end-volume"');
      }
    }
    if (type === undefined) throw new VolfileError(file, token, 101019, `"type" not specified for volume ${name}`, '"type" with a name');
    if (options.size === 0 && !subvolumes) throw inside(token, 'an option or subvolumes');
    volumes.set(name, { name, type, line: nameToken.line, typeLine, options, subvolumes: subvolumes ?? [] });
    token = tokens.next();
  } while (token.kind !== 'end');
  return { volumes: [...volumes.values()], warnings };
}
