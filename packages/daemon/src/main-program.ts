import { ArgumentError, type Arguments, helpText, parseArguments } from './arguments.js';
import { isDaemonChild, startDaemonChild, tellParent } from './daemonise.js';
import { tuneEngine } from './engine.js';
import { GlusterfsProcess, type ProcessHooks } from './glusterfs-process.js';
import { LIBEXEC_DIRECTORY, LOG_DIRECTORY, RUN_DIRECTORY, VERSION, XLATOR_DIRECTORY } from './paths.js';
import { setProcessName } from './process-name.js';

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
  if (args.has('help') || args.has('usage')) return helpText(args.program);
  if (args.has('print-logdir')) return `${LOG_DIRECTORY}\n`;
  if (args.has('print-statedumpdir')) return `${RUN_DIRECTORY}\n`;
  if (args.has('print-libexecdir')) return `${LIBEXEC_DIRECTORY}\n`;
  if (args.has('print-xlatordir')) return `${XLATOR_DIRECTORY}\n`;
  return undefined;
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
    return args;
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    process.stderr.write(`${error.message}\n`);
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
