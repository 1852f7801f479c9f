import { existsSync } from 'node:fs';
import { ArgumentError, type Arguments, EX_BAD_VALUE, parseArguments } from './arguments.js';
import { isDaemonChild, startDaemonChild, tellParent } from './daemonise.js';
import { tuneEngine } from './engine.js';
import { GlusterfsProcess, type ProcessHooks } from './glusterfs-process.js';
import { defaultVolfile, LIBEXEC_DIRECTORY, LOG_DIRECTORY, RUN_DIRECTORY, VERSION, XLATOR_DIRECTORY } from './paths.js';
import { setProcessName } from './process-name.js';
import { helpText, usageText } from './usage-text.js';

const VERSION_TEXT = `glusterfs ${VERSION}
glusterts: GlusterFS in TypeScript, compatible with GlusterFS ${VERSION}.
It is licensed to you under your choice of the GNU Lesser
General Public License, version 3 or any later version (LGPLv3
or later), or the GNU General Public License, version 2 (GPLv2),
in all cases as published by the Free Software Foundation.
`;

/** Options that print something and end the process with 0; undefined when there is none of them. */
export function printedAnswer(args: Arguments): string | undefined {
  if (args.has('version')) return VERSION_TEXT;
  if (args.has('help')) return helpText(args.program);
  if (args.has('usage')) return usageText(args.program);
  if (args.has('print-logdir')) return `${LOG_DIRECTORY}\n`;
  if (args.has('print-statedumpdir')) return `${RUN_DIRECTORY}\n`;
  if (args.has('print-libexecdir')) return `${LIBEXEC_DIRECTORY}\n`;
  if (args.has('print-xlatordir')) return `${XLATOR_DIRECTORY}\n`;
  return undefined;
}

/**
 * What each option took, but all together don't make a process; only the first of these says why where the user sees it.
 * Throws ArgumentError (spec/cli.md, §9).
 */
export function checkTogether(args: Arguments): void {
  const { program } = args;
  const server = args.has('volfile-server');
  if (program !== 'glusterd' && !server && !args.has('volfile') && !existsSync(defaultVolfile(program))) throw new ArgumentError(`USAGE: ${program} [options] [mountpoint]`, EX_BAD_VALUE);
  if (server && !args.has('volfile-id')) throw new ArgumentError('', EX_BAD_VALUE);
  if (program !== 'glusterfs' && args.mountpoint !== undefined) throw new ArgumentError('', EX_BAD_VALUE);
}

/** Parses argv as one of the three programs does; prints and exits where they do. */
export function argumentsOrExit(program: string, argv: readonly string[]): Arguments {
  try {
    const args = parseArguments(program, argv);
    const text = printedAnswer(args);
    if (text !== undefined) {
      process.stdout.write(text);
      process.exit(0);
    }
    checkTogether(args);
    return args;
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    if (error.message !== '') process.stderr.write(`${error.message}\n`);
    process.exit(error.status);
  }
}

/** In the foreground of a daemon: starts the child in the background and exits with its word. In the child, and with -N: returns. */
export async function daemoniseOrReturn(args: Arguments): Promise<void> {
  if (args.has('no-daemon') || args.has('debug') || isDaemonChild()) return;
  process.exit(await startDaemonChild());
}

/** The whole life of glusterfs and glusterfsd. */
export async function runGlusterfs(program: string, argv: readonly string[], hooks: ProcessHooks = {}): Promise<void> {
  const args = argumentsOrExit(program, argv);
  await daemoniseOrReturn(args);
  tuneEngine();
  setProcessName(program);
  try {
    await new GlusterfsProcess(args, hooks).run();
  } catch (error) {
    const status = error instanceof ArgumentError ? error.status : 1;
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    tellParent(status);
    process.exit(status);
  }
}
