/** A store file that breaks the format; the daemon doesn't start over it (spec/glusterd.md, §3.2). */
export class StoreError extends Error {}

/**
 * The pairs of a store file, in its order. An unterminated last line is lost, empty lines are skipped.
 *
 * @throws StoreError on a line without a value.
 */
export function parseKeyValues(text: string, file: string): [string, string][] {
  const end = text.lastIndexOf('\n');
  const pairs: [string, string][] = [];
  for (const line of text.slice(0, Math.max(end, 0)).split('\n')) {
    if (line === '') continue;
    const at = line.indexOf('=');
    if (at <= 0 || at === line.length - 1) throw new StoreError(`${file}: not key=value: ${line}`);
    pairs.push([line.slice(0, at), line.slice(at + 1)]);
  }
  return pairs;
}

/** Text of a store file. */
export function formatKeyValues(pairs: Iterable<readonly [string, string | number]>): string {
  let text = '';
  for (const [key, value] of pairs) text += `${key}=${value}\n`;
  return text;
}
