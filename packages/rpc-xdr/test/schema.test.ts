import { describe, expect, it } from 'vitest';
import { type Bytes, Dict, encodeLegacyDict } from '@glusterts/libglusterfs';
import { GlusterBrick, GlusterCallback, GlusterDump, GlusterHandshake, GlusterPortmap, Glusterfs33, Glusterfs4, type RpcProcedure, type RpcProgram, XdrReader, XdrWriter, encodeTypedDict } from '../src/index.js';
import { vectors } from './vectors.js';

interface Field { readonly name: string; readonly type: string }
interface Schema {
  readonly types: Readonly<Record<string, readonly Field[]>>;
  readonly programs: readonly { readonly name: string; readonly number: number; readonly version: number; readonly procedures: readonly { readonly number: number; readonly name: string; readonly request: readonly Field[]; readonly reply: readonly Field[] }[] }[];
}
type AnyProcedure = RpcProcedure<unknown, unknown>;

/** schema.json: the whole message form of GlusterFS 10.3's programs. */
const schema = vectors<Schema>('schema.json');

const ours = new Map([Glusterfs4, Glusterfs33, GlusterDump, GlusterHandshake, GlusterCallback, GlusterPortmap, GlusterBrick].map((descriptor) => {
  const values = Object.values(descriptor) as (RpcProgram | AnyProcedure)[];
  return [`${descriptor.program.number}/${descriptor.program.version}`, { program: descriptor.program, procedures: values.filter((value): value is AnyProcedure => 'encodeRequest' in value) }];
}));

/** Messages made from the schema alone: no two integers are equal, so fields that change places are seen. */
class Maker {
  readonly #w = new XdrWriter();
  #next = 1;

  bytes(): Buffer {
    return Buffer.from(this.#w.finish());
  }

  /** Writes one field; what it must be read as, where that is a plain number or text. */
  field({ name, type }: Field): number | string | undefined {
    const value = this.#next++;
    switch (type) {
      case 'i32':
      case 'u32': {
        // A mode is that of a file.
        const number = name === 'mode' ? 0o100600 + (value % 64) : value;
        this.#w.u32(number);
        return number;
      }
      case 'i64':
      case 'u64':
        this.#w.u64(BigInt(value));
        return value;
      case 'str':
        this.#w.str(`text ${value}` as Bytes);
        return `text ${value}`;
      case 'op':
        this.#w.opaque(Buffer.from(`opaque ${value}`));
        return undefined;
      case 'o16':
        this.#w.raw(Buffer.alloc(16, value));
        return undefined;
      case 'dict':
        encodeTypedDict(this.#w, new Dict().setInt(`k${value}`, value));
        return undefined;
      case 'ldict':
        this.#w.opaque(encodeLegacyDict(new Dict().setStr(`k${value}`, `v${value}` as Bytes)));
        return undefined;
      default:
        this.#composed(type);
        return undefined;
    }
  }

  #composed(type: string): void {
    const list = type.startsWith('*');
    const fields = schema.types[list ? type.slice(1) : type];
    if (!fields) throw new Error(`the schema has no type ${type}`);
    // A list: two elements, each after a 1, then a 0.
    for (let element = 0; element < (list ? 2 : 1); element++) {
      if (list) this.#w.u32(1);
      for (const field of fields) this.field(field);
    }
    if (list) this.#w.u32(0);
  }
}

function check(fields: readonly Field[], decode: (r: XdrReader) => unknown, encode: (w: XdrWriter, message: unknown) => void): void {
  const maker = new Maker();
  const expected = new Map(fields.map((field): [string, number | string | undefined] => [field.name, maker.field(field)]));
  const bytes = maker.bytes();
  const reader = new XdrReader(bytes);
  const message = decode(reader);
  expect(reader.remaining, 'bytes that were not read').toBe(0);
  const read: Readonly<Record<string, unknown>> = typeof message === 'object' && message !== null ? { ...message } : {};
  expect(Object.keys(read)).toEqual([...expected.keys()]);
  for (const [name, value] of expected) {
    const got = read[name];
    if (value !== undefined) expect(typeof got === 'bigint' ? Number(got) : got, name).toBe(value);
  }
  const w = new XdrWriter();
  encode(w, message);
  expect(Buffer.from(w.finish()).toString('hex')).toBe(bytes.toString('hex'));
}

describe.each(schema.programs)('$name ($number/$version)', ({ number, version, procedures }) => {
  const program = ours.get(`${number}/${version}`);

  it('has the procedures of the schema, by number and name, and no others', () => {
    const named = (list: readonly { readonly number: number; readonly name: string }[]): string[] => list.map((each) => `${each.number} ${each.name}`).sort();
    expect(named(program?.procedures ?? [])).toEqual(named(procedures));
  });

  it.each(procedures)('$number $name: messages have the fields of the schema, in its order and sizes', (procedure) => {
    const codec = program?.procedures.find((each) => each.number === procedure.number);
    if (!codec) throw new Error('missing');
    check(procedure.request, (r) => codec.decodeRequest(r), (w, message) => codec.encodeRequest(w, message));
    check(procedure.reply, (r) => codec.decodeReply(r), (w, message) => codec.encodeReply(w, message));
  });
});
