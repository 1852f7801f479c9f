import { Emitter } from './emitter.js';
import { parse } from './parser.js';
import { TypeTable } from './type-table.js';

/**
 * Compiles `.x` files that may include each other to TypeScript modules.
 *
 * @param sources text by file name without extension
 * @returns the modules by the same names. Throws for syntax errors and undefined names, with file and line.
 */
export function compile(sources: ReadonlyMap<string, string>): Map<string, string> {
  const parsed = new Map([...sources].map(([file, text]) => [file, parse(text, `${file}.x`)] as const));
  const modules = new Map<string, string>();
  for (const [file, source] of parsed) {
    const table = new TypeTable();
    for (const include of source.includes) {
      const other = parsed.get(include);
      if (!other) throw new Error(`${file}.x includes ${include}.x, which is not there`);
      table.add(other, include);
    }
    table.add(source, file);
    modules.set(file, new Emitter(table, file).emit(source));
  }
  return modules;
}
