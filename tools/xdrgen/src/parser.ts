import type { BasicType, Declaration, Definition, EnumDef, NativeType, ProcedureDef, ProgramDef, Shape, SourceFile, StructDef, TypeRef, UnionDef } from './ast.js';
import { type Token, XdrSyntaxError, tokenize } from './lexer.js';

const ONE: Shape = { kind: 'one' };

/** Parses one `.x` file: RFC 4506 with RFC 5531's programs, `unsigned char` and GlusterFS's linked lists. */
export function parse(source: string, file: string): SourceFile {
  const { tokens, directives } = tokenize(source, file);
  const natives = new Map<string, NativeType>();
  const programNames = new Map<string, string>();
  const includes: string[] = [];
  for (const { text, line } of directives) {
    const native = /^(codec|method) (\w+) (.+?) (\w+) (\d+)$/.exec(text);
    const name = /^name (\w+) "([^"]*)"$/.exec(text);
    const include = /^include ([\w-]+)\.x$/.exec(text);
    if (native?.[2] && native[3] && native[4]) {
      natives.set(native[2], { kind: native[1] === 'codec' ? 'codec' : 'method', tsType: native[3], name: native[4], sizeMin: Number(native[5]) });
    } else if (name?.[1] && name[2] !== undefined) programNames.set(name[1], name[2]);
    else if (include?.[1]) includes.push(include[1]);
    else throw new XdrSyntaxError(`${file}:${line}: %${text} is no directive`);
  }
  return { definitions: new Parser(tokens, file).definitions(), natives, programNames, includes };
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #file: string;
  #at = 0;
  readonly #constants = new Map<string, number>([['TRUE', 1], ['FALSE', 0]]);

  constructor(tokens: readonly Token[], file: string) {
    this.#tokens = tokens;
    this.#file = file;
  }

  definitions(): Definition[] {
    const all: Definition[] = [];
    while (this.#peek().kind !== 'end') all.push(...this.#definition());
    return all;
  }

  #peek(): Token {
    const token = this.#tokens[this.#at];
    if (!token) throw new XdrSyntaxError(`${this.#file}: unexpected end`);
    return token;
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #fail(token: Token, wanted: string): never {
    throw new XdrSyntaxError(`${this.#file}:${token.line}: ${wanted} wanted, not ${token.text}`);
  }

  #expect(text: string): void {
    const token = this.#next();
    if (token.text !== text) this.#fail(token, text);
  }

  #accept(text: string): boolean {
    if (this.#peek().text !== text) return false;
    this.#at++;
    return true;
  }

  #word(): string {
    const token = this.#next();
    return token.kind === 'word' ? token.text : this.#fail(token, 'a name');
  }

  #value(): number {
    const token = this.#next();
    if (token.kind === 'number') return /^-?0[0-7]+$/.test(token.text) ? parseInt(token.text, 8) : Number(token.text);
    return this.#constants.get(token.text) ?? this.#fail(token, 'a number or constant');
  }

  #definition(): Definition[] {
    const token = this.#next();
    switch (token.text) {
      case 'const': {
        const name = this.#word();
        this.#expect('=');
        const value = this.#value();
        this.#expect(';');
        this.#constants.set(name, value);
        return [{ kind: 'const', name, value }];
      }
      case 'typedef': {
        const declaration = this.#declaration();
        this.#expect(';');
        return [{ kind: 'typedef', declaration }];
      }
      case 'enum':
        return [this.#enum()];
      case 'struct':
        return [this.#struct()];
      case 'union':
        return [this.#union()];
      case 'program':
        return this.#program();
      default:
        return this.#fail(token, 'const, typedef, enum, struct, union or program');
    }
  }

  #enum(): EnumDef {
    const name = this.#word();
    const members: [string, number][] = [];
    this.#expect('{');
    do {
      const member = this.#word();
      const value = this.#accept('=') ? this.#value() : (members.at(-1)?.[1] ?? -1) + 1;
      this.#constants.set(member, value);
      members.push([member, value]);
    } while (this.#accept(','));
    this.#expect('}');
    this.#expect(';');
    return { kind: 'enum', name, members };
  }

  #struct(): StructDef {
    const name = this.#word();
    const fields: Declaration[] = [];
    this.#expect('{');
    while (!this.#accept('}')) {
      fields.push(this.#declaration());
      this.#expect(';');
    }
    this.#expect(';');
    const last = fields.at(-1);
    const listNode = last?.shape.kind === 'optional' && 'named' in last.type && last.type.named === name;
    if (listNode) fields.pop();
    return { kind: 'struct', name, fields, listNode };
  }

  #union(): UnionDef {
    const name = this.#word();
    this.#expect('switch');
    this.#expect('(');
    const discriminant = this.#declaration();
    this.#expect(')');
    this.#expect('{');
    const arms: { cases: number[]; body: Declaration | undefined }[] = [];
    let fallback: Declaration | undefined | null = null;
    while (!this.#accept('}')) {
      if (this.#accept('default')) {
        this.#expect(':');
        fallback = this.#armBody();
        continue;
      }
      const cases: number[] = [];
      while (this.#accept('case')) {
        cases.push(this.#value());
        this.#expect(':');
      }
      if (cases.length === 0) this.#fail(this.#peek(), 'case');
      arms.push({ cases, body: this.#armBody() });
    }
    this.#expect(';');
    return { kind: 'union', name, discriminant, arms, fallback };
  }

  #armBody(): Declaration | undefined {
    if (this.#accept('void')) {
      this.#expect(';');
      return undefined;
    }
    const body = this.#declaration();
    this.#expect(';');
    return body;
  }

  #program(): ProgramDef[] {
    this.#word();
    this.#expect('{');
    const versions: { name: string; version: number; procedures: ProcedureDef[] }[] = [];
    while (this.#accept('version')) {
      const name = this.#word();
      const procedures: ProcedureDef[] = [];
      this.#expect('{');
      while (!this.#accept('}')) {
        const result = this.#type();
        const procedure = this.#word();
        this.#expect('(');
        const argument = this.#type();
        this.#expect(')');
        this.#expect('=');
        procedures.push({ name: procedure, number: this.#value(), argument, result });
        this.#expect(';');
      }
      this.#expect('=');
      versions.push({ name, version: this.#value(), procedures });
      this.#expect(';');
    }
    this.#expect('}');
    this.#expect('=');
    const number = this.#value();
    this.#expect(';');
    return versions.map((version) => ({ kind: 'program', number, ...version }));
  }

  #type(): TypeRef {
    const word = this.#word();
    if (word === 'struct' || word === 'enum' || word === 'union') return { named: this.#word() };
    if (word === 'unsigned') {
      if (this.#accept('hyper')) return { basic: 'unsigned hyper' };
      if (this.#accept('char')) return { basic: 'unsigned char' };
      this.#accept('int');
      return { basic: 'unsigned int' };
    }
    const basics: readonly string[] = ['int', 'hyper', 'float', 'double', 'bool', 'opaque', 'string', 'void'] satisfies BasicType[];
    return basics.includes(word) ? { basic: word as BasicType } : { named: word };
  }

  #declaration(): Declaration {
    const type = this.#type();
    if (this.#accept('*')) return { type, name: this.#word(), shape: { kind: 'optional' } };
    const name = this.#word();
    if (this.#accept('[')) {
      const count = this.#value();
      this.#expect(']');
      return { type, name, shape: { kind: 'fixed', count } };
    }
    if (this.#accept('<')) {
      const max = this.#peek().text === '>' ? undefined : this.#value();
      this.#expect('>');
      return { type, name, shape: { kind: 'counted', max } };
    }
    return { type, name, shape: ONE };
  }
}
