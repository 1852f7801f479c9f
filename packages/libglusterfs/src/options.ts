/** Options after parsing: numbers for int, size (bytes), time (seconds), percent and double; booleans; text for the rest. */
export type OptionValue = boolean | number | string;

/** An xlator's options by canonical name. The typed getters throw when the xlator's specs and its code disagree. */
export class OptionValues {
  readonly #values: ReadonlyMap<string, OptionValue>;

  constructor(values: ReadonlyMap<string, OptionValue>) {
    this.#values = values;
  }

  get(key: string): OptionValue | undefined {
    return this.#values.get(key);
  }

  entries(): IterableIterator<[string, OptionValue]> {
    return this.#values.entries();
  }

  bool(key: string): boolean {
    const value = this.#values.get(key);
    if (typeof value !== 'boolean') throw new TypeError(`option ${key} is no boolean`);
    return value;
  }

  number(key: string): number {
    const value = this.#values.get(key);
    if (typeof value !== 'number') throw new TypeError(`option ${key} is no number`);
    return value;
  }

  /** Text, or undefined when the option is not set and has no default. */
  text(key: string): string | undefined {
    const value = this.#values.get(key);
    return value === undefined ? undefined : String(value);
  }
}
