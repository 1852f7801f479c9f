import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { XdrReader, XdrWriter } from '../../../packages/rpc-xdr/src/index.js';
import { XdrSyntaxError, compile } from '../src/index.js';

const rpc = join(import.meta.dirname, '../../../packages/rpc-xdr');

type Codecs = Record<string, (side: XdrWriter | XdrReader, message?: unknown) => unknown>;

/** Compiles one source and loads what came out, without its imports' types. */
async function load(source: string): Promise<Codecs> {
  const module = compile(new Map([['t', source]])).get('t') ?? '';
  const js = ts.transpileModule(module, { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 } }).outputText;
  const at = (path: string): string => join(import.meta.dirname, '../../../packages', path);
  const bound = js
    .replaceAll("'@glusterts/libglusterfs'", JSON.stringify(at('libglusterfs/src/index.ts')))
    .replaceAll("'../xdr-reader.js'", JSON.stringify(at('rpc-xdr/src/xdr-reader.ts')))
    .replaceAll("'../rpc-program.js'", JSON.stringify(at('rpc-xdr/src/rpc-program.ts')));
  const names = [...bound.matchAll(/export (?:function|const) (\w+)/g)].map(([, name]) => name);
  const imports = [...bound.matchAll(/import \{([^}]*)\} from ("[^"]*");\n/g)];
  const values: Record<string, unknown> = {};
  for (const [, list = '', path = '""'] of imports) {
    const imported = (await import(JSON.parse(path) as string)) as Record<string, unknown>;
    for (const name of list.split(',').map((text) => text.trim())) values[name] = imported[name];
  }
  const body = bound.replace(/import [^;]*;\n/g, '').replaceAll('export ', '');
  return new Function(...Object.keys(values), `${body}; return { ${names.join(', ')} };`)(...Object.values(values)) as Codecs;
}

async function roundTrip(source: string, name: string, message: unknown): Promise<string> {
  const codecs = await load(source);
  const w = new XdrWriter();
  codecs[`encode${name}`]?.(w, message);
  const bytes = w.finish();
  const r = new XdrReader(bytes);
  expect(codecs[`decode${name}`]?.(r)).toEqual(message);
  expect(r.remaining).toBe(0);
  return bytes.toString('hex');
}

describe('the committed codecs', () => {
  it('are what the .x files give now, byte for byte', () => {
    const files = readdirSync(join(rpc, 'xdr')).filter((file) => file.endsWith('.x')).sort();
    const modules = compile(new Map(files.map((file) => [file.slice(0, -2), readFileSync(join(rpc, 'xdr', file), 'utf8')])));
    expect([...modules.keys()].map((name) => `${name}.ts`)).toEqual(readdirSync(join(rpc, 'src/generated')).sort());
    for (const [name, text] of modules) expect(readFileSync(join(rpc, 'src/generated', `${name}.ts`), 'utf8')).toBe(text);
  });
});

describe('the language', () => {
  it('integers, floats and bools take their RFC 4506 bytes', async () => {
    const source = 'struct all { int i; unsigned u; unsigned int v; hyper h; unsigned hyper k; float f; double d; bool b; };';
    expect(await roundTrip(source, 'All', { i: -2, u: 0xffffffff, v: 1, h: -2n, k: 2n ** 64n - 1n, f: 1.5, d: -2.5, b: true })).toBe(
      'fffffffe' + 'ffffffff' + '00000001' + 'fffffffffffffffe' + 'ffffffffffffffff' + '3fc00000' + 'c004000000000000' + '00000001',
    );
  });

  it('strings and opaques are padded, fixed ones without a length', async () => {
    const source = 'const N = 5; struct s { string name<>; opaque data<10>; opaque raw[N]; unsigned char uuid[16]; };';
    const uuid = 'abcdefghijklmnop';
    const hex = await roundTrip(source, 'S', { name: 'ab', data: Buffer.from('xyz'), raw: Buffer.from('12345'), uuid });
    expect(hex.slice(0, 48)).toBe('00000002' + '61620000' + '00000003' + '78797a00' + '3132333435000000');
    expect(hex.slice(48)).toBe(Buffer.from(uuid).reduce((text, char) => text + char.toString(16).padStart(8, '0'), ''));
  });

  it('arrays are counted or fixed, optional data has a flag, enums and typedefs are followed', async () => {
    const source = 'enum colour { RED, BLUE = 7 }; typedef int row<3>; struct point { int x; }; struct s { colour c; row r; hyper pair[2]; point *maybe; point *none; };';
    const hex = await roundTrip(source, 'S', { c: 7, r: [1, 2], pair: [3n, 4n], maybe: { x: 9 }, none: undefined });
    expect(hex).toBe('00000007' + '00000002' + '00000001' + '00000002' + '0000000000000003' + '0000000000000004' + '00000001' + '00000009' + '00000000');
  });

  it('a struct that ends in a pointer to itself is a list, read without recursion', async () => {
    const source = 'struct node { int n; node *next; }; struct s { node *list; };';
    const list = Array.from({ length: 100_000 }, (_, n) => ({ n }));
    const hex = await roundTrip(source, 'S', { list });
    expect(hex.slice(0, 32)).toBe('00000001' + '00000000' + '00000001' + '00000001');
  });

  it('unions go by their discriminant', async () => {
    const source = 'union u switch (int kind) { case 1: int number; case 2: case 3: string text<>; case 4: void; };';
    expect(await roundTrip(source, 'U', { kind: 1, number: 5 })).toBe('0000000100000005');
    expect(await roundTrip(source, 'U', { kind: 3, text: 'a' })).toBe('000000030000000161000000');
    expect(await roundTrip(source, 'U', { kind: 4 })).toBe('00000004');
    const codecs = await load(source);
    expect(() => codecs['decodeU']?.(new XdrReader(Buffer.from('00000009', 'hex')))).toThrow('kind 9');
  });

  it('a count that the bytes cannot hold is refused before anything is made', async () => {
    const codecs = await load('struct s { hyper all<>; };');
    expect(() => codecs['decodeS']?.(new XdrReader(Buffer.from('7fffffff0000000000000000', 'hex')))).toThrow('elements');
  });

  it.each([
    ['struct s { int a }', 't.x:1: ; wanted, not }'],
    ['struct s {\n  unknown_t a;\n};', 'type unknown_t is not defined'],
    ['%nonsense', 't.x:1: %nonsense is no directive'],
    ['struct s { int a; }; ?', 't.x:1: what is'],
  ])('%j is refused with its place', (source, message) => {
    expect(() => compile(new Map([['t', source]]))).toThrow(message);
  });

  it('syntax errors have a type of their own', () => {
    expect(() => compile(new Map([['t', 'enum']]))).toThrow(XdrSyntaxError);
  });
});
