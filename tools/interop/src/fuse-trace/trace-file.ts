/*
 * The text of a decoded fuse dump (vectors/fuse-trace-*.txt): `->` a request, `<-` its answer, `!!` a notification, `###` the
 * command that made them. Node ids and file handles have names, N1 and F1.
 */

export interface TraceLine {
  readonly arrow: '->' | '<-' | '!!';
  readonly op: string;
  /** What stands behind the operation. */
  readonly rest: string;
}

export interface TraceSection {
  readonly title: string;
  readonly lines: readonly TraceLine[];
}

export function parseTrace(text: string): TraceSection[] {
  const sections: { title: string; lines: TraceLine[] }[] = [];
  for (const line of text.split('\n')) {
    const title = /^### (.*)/.exec(line)?.[1];
    if (title !== undefined) sections.push({ title, lines: [] });
    const [, arrow, op, rest] = /^(->|<-|!!) (\w+) *(.*)$/.exec(line) ?? [];
    if ((arrow === '->' || arrow === '<-' || arrow === '!!') && op !== undefined) sections.at(-1)?.lines.push({ arrow, op, rest: rest ?? '' });
  }
  return sections;
}

/** `key=value`, and what stands in quotes, of a line's rest. */
export class Words {
  readonly #fields: ReadonlyMap<string, string>;
  /** What stands in quotes without a key. */
  readonly strings: readonly string[];

  constructor(rest: string) {
    this.#fields = new Map([...rest.matchAll(/(\w+)=(?:'([^']*)'|([^\s',]+))/g)].map(([, key, quoted, word]) => [key ?? '', quoted ?? word ?? '']));
    this.strings = [...rest.matchAll(/(?<![\w=])'([^']*)'/g)].map(([, word]) => word ?? '');
  }

  text(key: string): string | undefined {
    return this.#fields.get(key);
  }

  /** Decimal, `0x…`, `0o…`, `-1`. Absent: 0. */
  big(key: string): bigint {
    return BigInt(this.#fields.get(key) ?? 0);
  }

  number(key: string): number {
    return Number(this.big(key));
  }

  /** Octal without a prefix, as modes are written. */
  octal(key: string): number {
    return Number.parseInt(this.#fields.get(key) ?? '0', 8);
  }
}

/**
 * Which of our node ids and file handles are the trace's N1 and F1. A name is bound where the trace says it first; a file
 * handle's name comes again when its file was closed.
 */
export class Names {
  readonly #nodes = new Map<string, bigint>();
  readonly #files = new Map<string, bigint>();

  /** Our number of a name in a request; plain numbers stand for themselves. */
  nodeNumber(name: string): bigint {
    return numberOf(this.#nodes, name);
  }

  fileNumber(name: string): bigint {
    return numberOf(this.#files, name);
  }

  /** The name of our number in an answer; `expected` is bound to it when neither is bound yet. */
  nodeName(id: bigint, expected: string | undefined): string {
    if (id <= 1n) return String(id);
    for (const [name, number] of this.#nodes) if (number === id) return name;
    if (expected === undefined || !/^N\d+$/.test(expected) || this.#nodes.has(expected)) return `an unknown node ${id}`;
    this.#nodes.set(expected, id);
    return expected;
  }

  /** The same of the handle of a file that was opened just now. */
  openedName(id: bigint, expected: string | undefined): string {
    if (expected === undefined) return `an unknown file ${id}`;
    this.#files.set(expected, id);
    return expected;
  }

  forget(name: string): void {
    this.#nodes.delete(name);
  }
}

function numberOf(names: ReadonlyMap<string, bigint>, name: string): bigint {
  const number = /^\d+$/.test(name) ? BigInt(name) : names.get(name);
  if (number === undefined) throw new Error(`${name} has no number yet`);
  return number;
}
