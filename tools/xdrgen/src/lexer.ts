export interface Token {
  readonly kind: 'word' | 'number' | 'sign' | 'end';
  readonly text: string;
  readonly line: number;
}

export class XdrSyntaxError extends Error {
  override readonly name = 'XdrSyntaxError';
}

const PATTERN = /(\s+)|(\/\*[\s\S]*?\*\/|\/\/[^\n]*)|([A-Za-z_][A-Za-z0-9_]*)|(-?(?:0[xX][0-9a-fA-F]+|[0-9]+))|([{}()[\]<>;,:=*])/y;

/** Splits a source into tokens, and takes out its directives: lines that begin with `%`. */
export function tokenize(source: string, file: string): { tokens: Token[]; directives: { text: string; line: number }[] } {
  const directives: { text: string; line: number }[] = [];
  const text = source
    .split('\n')
    .map((row, i) => {
      if (!row.startsWith('%')) return row;
      directives.push({ text: row.slice(1).trim(), line: i + 1 });
      return '';
    })
    .join('\n');
  const tokens: Token[] = [];
  let line = 1;
  PATTERN.lastIndex = 0;
  while (PATTERN.lastIndex < text.length) {
    const at = PATTERN.lastIndex;
    const match = PATTERN.exec(text);
    if (!match) throw new XdrSyntaxError(`${file}:${line}: what is ${JSON.stringify(text.slice(at, at + 20))}?`);
    const [whole, , , word, number, sign] = match;
    if (word !== undefined) tokens.push({ kind: 'word', text: word, line });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, line });
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign, line });
    line += whole.split('\n').length - 1;
  }
  tokens.push({ kind: 'end', text: 'end of file', line });
  return { tokens, directives };
}
