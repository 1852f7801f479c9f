import type { Declaration, Definition, NativeType, SourceFile, TypeRef } from './ast.js';

/** A file's own definitions and those of the files it includes. */
export class TypeTable {
  readonly #definitions = new Map<string, { definition: Definition; file: string }>();
  readonly natives = new Map<string, NativeType>();
  readonly #sizes = new Map<string, number>();

  /** @param file name without extension */
  add(source: SourceFile, file: string): void {
    for (const definition of source.definitions) {
      const name = definition.kind === 'typedef' ? definition.declaration.name : definition.name;
      this.#definitions.set(name, { definition, file });
    }
    for (const [name, native] of source.natives) this.natives.set(name, native);
  }

  /** Follows a name to its definition. Throws for one that nobody defined. */
  find(name: string): { definition: Definition; file: string } {
    const found = this.#definitions.get(name);
    if (!found) throw new Error(`type ${name} is not defined`);
    return found;
  }

  /** The least number of bytes of a declared thing: bounds counts of arrays by what the record holds. */
  sizeMin(d: Declaration): number {
    switch (d.shape.kind) {
      case 'optional':
      case 'counted':
        return 4;
      case 'fixed':
        if ('basic' in d.type && d.type.basic === 'opaque') return (d.shape.count + 3) & ~3;
        return d.shape.count * this.typeSizeMin(d.type);
      case 'one':
        return this.typeSizeMin(d.type);
    }
  }

  typeSizeMin(type: TypeRef): number {
    if ('basic' in type) return type.basic === 'void' ? 0 : ['hyper', 'unsigned hyper', 'double'].includes(type.basic) ? 8 : 4;
    const native = this.natives.get(type.named);
    if (native) return native.sizeMin;
    const known = this.#sizes.get(type.named);
    if (known !== undefined) return known;
    // A type that contains itself does so through something of at least 4 bytes, which is counted there.
    this.#sizes.set(type.named, 4);
    const size = this.#definitionSizeMin(this.find(type.named).definition);
    this.#sizes.set(type.named, size);
    return size;
  }

  #definitionSizeMin(definition: Definition): number {
    switch (definition.kind) {
      case 'struct':
        return definition.fields.reduce((sum, field) => sum + this.sizeMin(field), 0);
      case 'typedef':
        return this.sizeMin(definition.declaration);
      case 'enum':
      case 'union':
        return 4;
      default:
        throw new Error(`${definition.name} is no type`);
    }
  }
}
