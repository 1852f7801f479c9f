import { type CommandGroup, commandTable } from '../command-table.js';
import type { CommandRun } from '../session.js';

/** The commands of a group, sorted by pattern (spec/cli.md, §3). */
function entries(group: CommandGroup): string {
  const own = commandTable.filter((entry) => entry.group === group).sort((a, b) => (a.pattern < b.pattern ? -1 : 1));
  return own.map((entry) => `${entry.pattern} - ${entry.description}\n`).join('');
}

function block(group: CommandGroup): string {
  const title = `gluster ${group} commands`;
  // The original underlines by hand: snapshot's rule is as long as its title, the others' are one longer.
  return `\n${title}\n${'='.repeat(title.length + (group === 'snapshot' ? 0 : 1))}\n\n${entries(group)}\n\n`;
}

export const groupHelp = (group: CommandGroup) => (run: CommandRun): Promise<void> => {
  run.io.out(group === 'system' ? entries(group) : block(group));
  return Promise.resolve();
};

export const helpAll = (run: CommandRun): Promise<void> => {
  for (const group of ['peer', 'volume', 'bitrot', 'quota', 'snapshot', 'global'] as const) run.io.out(block(group));
  run.io.out('\n\n');
  return Promise.resolve();
};

/** The classes of help, for `gluster help` and `--help`. */
export function helpClasses(): string {
  const classes = ['peer help', 'volume help', 'volume bitrot help', 'volume quota help', 'snapshot help', 'global help'];
  return `${classes.map((pattern) => ` ${pattern.padEnd(25)}- ${commandTable.find((entry) => entry.pattern === pattern)?.description ?? ''}\n`).join('')}\n`;
}
