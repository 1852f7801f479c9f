const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function escape(text: string, pattern: RegExp): string {
  return text.replace(pattern, (char) => escapes[char] ?? char);
}

/** An element: text, or elements, or (only `<brick>` of info) text with elements after it. */
export interface XmlElement {
  readonly name: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly text?: string;
  readonly children?: readonly XmlElement[];
}

/** Shorthand: an element with text. */
export function leaf(name: string, text: string | number | bigint | undefined): XmlElement {
  return { name, text: text === undefined ? '' : String(text) };
}

function print(element: XmlElement, indent: string): string {
  const { name, text = '', children = [] } = element;
  const attributes = Object.entries(element.attributes ?? {}).map(([key, value]) => ` ${key}="${escape(value, /[&<>"]/g)}"`).join('');
  const body = escape(text, /[&<>]/g);
  if (body === '' && children.length === 0) return `${indent}<${name}${attributes}/>\n`;
  if (children.length === 0) return `${indent}<${name}${attributes}>${body}</${name}>\n`;
  if (body !== '') return `${indent}<${name}${attributes}>${body}${children.map((child) => print(child, '').trimEnd()).join('')}</${name}>\n`;
  return `${indent}<${name}${attributes}>\n${children.map((child) => print(child, `${indent}  `)).join('')}${indent}</${name}>\n`;
}

/** A whole answer, with the head that all have (spec/cli.md, §7). */
export function xmlDocument(head: { readonly opRet: number; readonly opErrno: number; readonly opErrstr: string }, payload: readonly XmlElement[]): string {
  const children = [leaf('opRet', head.opRet), leaf('opErrno', head.opErrno), leaf('opErrstr', head.opErrstr), ...payload];
  return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n${print({ name: 'cliOutput', children }, '')}`;
}
