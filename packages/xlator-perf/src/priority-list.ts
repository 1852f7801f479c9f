import { Errno, FopError, fnmatch } from '@glusterts/libglusterfs';

/** `pattern:weight,…`; of several patterns that match, the last counts. */
export class PriorityList {
  readonly #rules: readonly { readonly pattern: string; readonly priority: number }[];

  readonly #otherwise: number;

  /**
   * Throws EINVAL for what is no list of patterns with weights.
   * @param otherwise the weight of what no pattern matches
   */
  constructor(text: string | undefined, otherwise: number) {
    this.#otherwise = otherwise;
    this.#rules = (text ?? '').split(',').filter((rule) => rule !== '').map((rule) => {
      const [pattern = '', weight = ''] = rule.split(':').filter((part) => part !== '');
      if (!/^[0-9]+$/.test(weight)) throw new FopError(Errno.EINVAL, undefined, `priority takes pattern:weight,…, not ${rule}`);
      return { pattern, priority: Number(weight) };
    });
  }

  of(path: string): number {
    let priority = this.#otherwise;
    for (const rule of this.#rules) if (fnmatch(rule.pattern, path)) priority = rule.priority;
    return priority;
  }

  get empty(): boolean {
    return this.#rules.length === 0;
  }
}
