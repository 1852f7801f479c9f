import { type CommandEntry, commandTable } from './command-table.js';

interface Node {
  readonly children: Map<string, Node>;
  /** Present on the last word of a command. */
  entry: CommandEntry | undefined;
}

/** The literal words of a pattern: all before the first that opens a bracket. */
export function patternWords(pattern: string): string[] {
  const words = pattern.trim().split(' ');
  const end = words.findIndex((word) => /^[(<[{|]/.test(word));
  return end < 0 ? words : words.slice(0, end);
}

const extra: readonly CommandEntry[] = ['help', 'help all', 'quit', 'exit'].map((pattern) => ({ group: 'system', pattern, description: '' }));

const root: Node = { children: new Map(), entry: undefined };
for (const entry of [...commandTable, ...extra]) {
  let node = root;
  for (const word of patternWords(entry.pattern)) {
    let child = node.children.get(word);
    if (!child) node.children.set(word, (child = { children: new Map(), entry: undefined }));
    node = child;
  }
  node.entry = entry;
}

/** What the words typed mean. */
export type Match =
  | { readonly kind: 'command'; readonly name: string; readonly entry: CommandEntry; readonly words: readonly string[] }
  | { readonly kind: 'unknown-word'; readonly word: string; readonly position: number }
  | { readonly kind: 'incomplete' };

/** The one of these names that a word is, or is the prefix of; undefined when none or several. */
export function uniquePrefix<T extends string>(word: string, names: readonly T[]): T | undefined {
  const exact = names.find((name) => name === word);
  if (exact !== undefined) return exact;
  const found = names.filter((name) => name.startsWith(word));
  return found.length === 1 ? found[0] : undefined;
}

/** Walks the tree by unique prefixes to the first command on the way. */
export function matchCommand(words: readonly string[]): Match {
  let node = root;
  const path: string[] = [];
  for (const [position, word] of words.entries()) {
    const name = uniquePrefix(word, [...node.children.keys()]);
    const child = name === undefined ? undefined : node.children.get(name);
    if (!child || name === undefined) return { kind: 'unknown-word', word, position };
    node = child;
    path.push(name);
    const last = position === words.length - 1;
    const goesOn = !last && node.children.size > 0 && uniquePrefix(words[position + 1] ?? '', [...node.children.keys()]) !== undefined;
    if (node.entry && !goesOn) return { kind: 'command', name: path.join(' '), entry: node.entry, words };
  }
  return { kind: 'incomplete' };
}
