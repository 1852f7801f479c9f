import type { Bytes } from '@glusterts/libglusterfs';

/** A node of the virtual tree. Contents and entries are made when they are asked for: they show the process as it is now. */
export type MetaNode =
  | { readonly kind: 'dir'; readonly entries: () => ReadonlyMap<Bytes, () => MetaNode> }
  | { readonly kind: 'file'; readonly content: () => string }
  | { readonly kind: 'link'; readonly target: () => string };

export function dir(entries: () => Iterable<readonly [string, () => MetaNode]>): MetaNode {
  return { kind: 'dir', entries: () => new Map([...entries()].map(([name, node]) => [name as Bytes, node])) };
}

export function file(content: () => string): MetaNode {
  return { kind: 'file', content };
}

export function link(target: () => string): MetaNode {
  return { kind: 'link', target };
}
