import type { Bytes } from '@glusterts/libglusterfs';

/** A node of the virtual tree. Contents and entries are made when they are asked for: they show the process as it is now. */
export type MetaNode =
  | { readonly kind: 'dir'; readonly entries: () => ReadonlyMap<Bytes, () => MetaNode> }
  /** `write` takes what was written to a file that can be written; it ignores what it doesn't understand. */
  | { readonly kind: 'file'; readonly content: () => string; readonly write?: (text: string) => void }
  | { readonly kind: 'link'; readonly target: () => string };

export function dir(entries: () => Iterable<readonly [string, () => MetaNode]>): MetaNode {
  return { kind: 'dir', entries: () => new Map([...entries()].map(([name, node]) => [name as Bytes, node])) };
}

export function file(content: () => string, write?: (text: string) => void): MetaNode {
  return { kind: 'file', content, ...(write ? { write } : {}) };
}

export function link(target: () => string): MetaNode {
  return { kind: 'link', target };
}
