/** A word as a volfile has it: in quotes only if it would be read as something else without (spec/client.md, §3.2). */
function quoted(word: string): string {
  return /[ \t\r"\\`]/.test(word) ? `"${word.replace(/["\\`]/g, '\\$&')}"` : word;
}

/** An xlator of a volfile being made. */
export interface VolfileXlator {
  readonly name: string;
  type: string;
  /** In the order of setting; printed in reverse. */
  readonly options: Map<string, string>;
  children: VolfileXlator[];
}

/**
 * A volfile in the making: a list whose head is the newest xlator (spec/volgen.md, §1).
 *
 * Options print newest first, and volumes oldest first, so that every volume stands before its users.
 */
export class VolfileGraph {
  /** Oldest first; the last one is the head. */
  readonly xlators: VolfileXlator[] = [];

  get head(): VolfileXlator {
    const head = this.xlators.at(-1);
    if (!head) throw new Error('an empty graph has no head');
    return head;
  }

  /** A new head on top of the old one. */
  add(type: string, name: string, options: readonly (readonly [string, string])[] = []): VolfileXlator {
    const children = this.xlators.length > 0 ? [this.head] : [];
    return this.#push(type, name, options, children);
  }

  /** A new head without children. */
  addNoLink(type: string, name: string, options: readonly (readonly [string, string])[] = []): VolfileXlator {
    return this.#push(type, name, options, []);
  }

  /** Puts the `members` newest xlators, oldest first, in groups of `size` under new xlators numbered from 0. */
  link(type: string, name: (index: number) => string, members: number, size: number): VolfileXlator[] {
    const children = this.xlators.slice(-members);
    if (children.length !== members || members % size !== 0) throw new Error(`cannot group ${children.length} xlators by ${size}`);
    const made: VolfileXlator[] = [];
    for (let at = 0; at < members; at += size) {
      const xlator = this.addNoLink(type, name(at / size));
      xlator.children = children.slice(at, at + size);
      made.push(xlator);
    }
    return made;
  }

  #push(type: string, name: string, options: readonly (readonly [string, string])[], children: VolfileXlator[]): VolfileXlator {
    const xlator = { name, type, options: new Map(options), children };
    this.xlators.push(xlator);
    return xlator;
  }

  /** The volfile's text. */
  print(): string {
    return this.xlators
      .map((xlator) => {
        const lines = [`volume ${quoted(xlator.name)}`, `    type ${xlator.type}`];
        for (const [key, value] of [...xlator.options].reverse()) lines.push(`    option ${quoted(key)} ${quoted(value)}`);
        if (xlator.children.length > 0) lines.push(`    subvolumes ${xlator.children.map((child) => quoted(child.name)).join(' ')}`);
        return `${lines.join('\n')}\nend-volume\n`;
      })
      .join('\n');
  }
}
