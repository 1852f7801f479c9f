/** A declared thing: `int x`, `opaque x<16>`, `T *x` … */
export interface Declaration {
  readonly type: TypeRef;
  readonly name: string;
  readonly shape: Shape;
}

/** How often the type occurs: once, a fixed or counted array, or optionally. `max` is undefined for `<>`. */
export type Shape =
  | { readonly kind: 'one' }
  | { readonly kind: 'fixed'; readonly count: number }
  | { readonly kind: 'counted'; readonly max: number | undefined }
  | { readonly kind: 'optional' };

export type BasicType = 'int' | 'unsigned int' | 'hyper' | 'unsigned hyper' | 'float' | 'double' | 'bool' | 'opaque' | 'string' | 'unsigned char' | 'void';
export type TypeRef = { readonly basic: BasicType } | { readonly named: string };

export interface StructDef {
  readonly kind: 'struct';
  readonly name: string;
  readonly fields: readonly Declaration[];
  /** The struct is a node of a linked list: its last member pointed to the next one, and is not among the fields. */
  readonly listNode: boolean;
}

export interface EnumDef {
  readonly kind: 'enum';
  readonly name: string;
  readonly members: readonly (readonly [string, number])[];
}

export interface UnionDef {
  readonly kind: 'union';
  readonly name: string;
  readonly discriminant: Declaration;
  readonly arms: readonly { readonly cases: readonly number[]; readonly body: Declaration | undefined }[];
  /** `default:`; null when there is none. */
  readonly fallback: Declaration | undefined | null;
}

export interface TypedefDef {
  readonly kind: 'typedef';
  readonly declaration: Declaration;
}

export interface ConstDef {
  readonly kind: 'const';
  readonly name: string;
  readonly value: number;
}

export interface ProcedureDef {
  readonly name: string;
  readonly number: number;
  readonly argument: TypeRef;
  readonly result: TypeRef;
}

/** One version of a program. */
export interface ProgramDef {
  readonly kind: 'program';
  readonly name: string;
  readonly number: number;
  readonly version: number;
  readonly procedures: readonly ProcedureDef[];
}

export type Definition = StructDef | EnumDef | UnionDef | TypedefDef | ConstDef | ProgramDef;

/** `%codec type TsType Name size`: a type with a codec written by hand. `%method`: one that is a method of reader and writer. */
export interface NativeType {
  readonly kind: 'codec' | 'method';
  readonly tsType: string;
  readonly name: string;
  /** The least number of bytes that it takes. */
  readonly sizeMin: number;
}

/** What one `.x` file says. */
export interface SourceFile {
  readonly definitions: readonly Definition[];
  readonly natives: ReadonlyMap<string, NativeType>;
  /** Names of programs on the wire, by the version's identifier. */
  readonly programNames: ReadonlyMap<string, string>;
  /** Other `.x` files whose types are used here, without extension. */
  readonly includes: readonly string[];
}
