import { type ArgumentSpec, GROUPS } from './argument-table.js';

const WIDTH = 79;
const INDENT = 12;

/** argp's order within a heading: by the letter, else by the name's first one; small before capital, names without a letter first. */
function inOrder(a: ArgumentSpec, b: ArgumentSpec): number {
  const letter = (spec: ArgumentSpec): string => spec.short ?? spec.name.charAt(0);
  const [x, y] = [letter(a), letter(b)];
  if (x.toLowerCase() !== y.toLowerCase()) return x.toLowerCase() < y.toLowerCase() ? -1 : 1;
  if ((a.short === undefined) !== (b.short === undefined)) return a.short === undefined ? -1 : 1;
  if (x !== y) return x > y ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

const longForm = (spec: ArgumentSpec): string => `--${spec.name}${spec.takes === 'none' ? '' : spec.takes === 'required' ? `=${spec.placeholder ?? ''}` : `[=${spec.placeholder ?? ''}]`}`;

/** What is said to wrong words: where the help is. */
export function tryHelp(program: string): string {
  return `Try \`${program} --help' or \`${program} --usage' for more information.`;
}

/** The forms that there are, without the options. */
export function shortUsage(program: string): string {
  return `Usage: ${program} [OPTION...] --volfile-server=SERVER [MOUNT-POINT]\n  or:  ${program} [OPTION...] --volfile=VOLFILE [MOUNT-POINT]\n`;
}

/** `--usage`: every option that is listed, in lines. */
export function usageText(program: string): string {
  const specs = GROUPS.flatMap((group) => [...group.specs].sort(inOrder));
  const letters = (takes: boolean): ArgumentSpec[] => specs.filter((spec) => spec.short !== undefined && (spec.takes !== 'none') === takes);
  const words = [
    `[-${letters(false).map((spec) => spec.short).join('')}]`,
    ...letters(true).map((spec) => `[-${spec.short ?? ''} ${spec.placeholder ?? ''}]`),
    ...specs.map((spec) => `[${longForm(spec)}]`),
    '--volfile-server=SERVER [MOUNT-POINT]',
  ];
  const lines: string[] = [];
  let line = `Usage: ${program}`;
  for (const word of words) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = `${' '.repeat(INDENT)}${word}`;
    } else line += ` ${word}`;
  }
  return `${[...lines, line].join('\n')}\n  or:  ${program} [OPTION...] --volfile=VOLFILE [MOUNT-POINT]\n`;
}

/** `--help`, from the table itself. */
export function helpText(program: string): string {
  const lines = GROUPS.flatMap(({ title, specs }) => [
    '',
    ` ${title}:`,
    ...[...specs].sort(inOrder).map((spec) => `  ${spec.short === undefined ? '   ' : `-${spec.short},`} ${longForm(spec)}`),
  ]);
  return `${shortUsage(program)}${lines.join('\n')}\n`;
}
