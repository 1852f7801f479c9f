import type { OptionSpec } from './option-spec.js';
import { type InstalledPackages, scanInstalled } from './platform/installed-packages.js';
import type { XlatorDefinition } from './xlator.js';

/** dlopen's job, done by `import()`: finds the module that implements a type, and loads it once. */
export class XlatorLoader {
  readonly #known = new Map<string, XlatorDefinition>();
  readonly #installed: InstalledPackages;

  /**
   * @param options.from directories above which packages are searched (default: this package's own, and the working directory)
   * @param options.xlatorPath directories that hold packages or single modules of xlators
   */
  constructor(options: { readonly from?: readonly string[]; readonly xlatorPath?: readonly string[] } = {}) {
    this.#installed = scanInstalled(options);
  }

  /** Makes a definition known without a package: for programs and tests. */
  add(...definitions: readonly XlatorDefinition[]): this {
    for (const definition of definitions) this.#known.set(definition.type, definition);
    return this;
  }

  /** The definition of a type, or undefined when no installed package declares it. Errors of the module itself are thrown. */
  async find(type: string): Promise<XlatorDefinition | undefined> {
    const known = this.#known.get(type);
    if (known) return known;
    const load = await this.#installed.find(type);
    if (!load) return undefined;
    for (const definition of definitionsOf(await load())) if (!this.#known.has(definition.type)) this.#known.set(definition.type, definition);
    return this.#known.get(type);
  }
}

function definitionsOf(module: unknown): XlatorDefinition[] {
  if (typeof module !== 'object' || module === null || !('xlators' in module) || !Array.isArray(module.xlators)) return [];
  return module.xlators.filter(isDefinition);
}

function isDefinition(value: unknown): value is XlatorDefinition & { options: readonly OptionSpec[] } {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' && 'create' in value && typeof value.create === 'function' && 'options' in value && Array.isArray(value.options);
}
