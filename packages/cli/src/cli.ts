import { FopError } from '@glusterts/libglusterfs';
import { RpcRejected } from '@glusterts/rpc-xdr';
import { findCommand } from './commands.js';
import { matchCommand } from './command-tree.js';
import { type CliChannel, type CliIo, type CliOptions, CommandFailure, CommandRun } from './session.js';

/** The text that follows words that mean nothing. It begins and ends with an empty line. */
export const USAGE =
  '\n Usage: gluster [options] <help> <peer> <pool> <volume>\n Options:\n --help  Shows the help information\n --version  Shows the version\n --print-logdir  Shows the log directory\n' +
  ' --print-statedumpdir Shows the state dump directory\n\n';

/** glusterd can't be reached; the status tells a refusal (1) from a wait that ran out (110). */
export class NotConnected extends Error {
  readonly status: number;

  constructor(status: number) {
    super('Connection failed. Please check if gluster daemon is operational.');
    this.status = status;
  }
}

/** No answer came in time. */
export class CallTimedOut extends Error {}

/** The words with which a session ends. */
export function isQuit(words: readonly string[]): boolean {
  const match = matchCommand(words);
  return match.kind === 'command' && (match.name === 'quit' || match.name === 'exit');
}

/** Runs one command; its exit status (spec/cli.md, §2). */
export async function runCommand(io: CliIo, channel: CliChannel, options: CliOptions, words: readonly string[]): Promise<number> {
  const match = matchCommand(words);
  if (match.kind !== 'command') {
    io.out(match.kind === 'incomplete' ? 'unrecognized command\n' : `unrecognized word: ${match.word} (position ${match.position})\n`);
    io.out(USAGE);
    return 1;
  }
  if (match.name === 'quit' || match.name === 'exit') return 0;
  const run = new CommandRun(io, channel, options, match.entry, words);
  try {
    await findCommand(match.name)(run);
    return 0;
  } catch (error) {
    return failureStatus(io, match.name, error);
  }
}

function failureStatus(io: CliIo, name: string, error: unknown): number {
  if (error instanceof CommandFailure) return error.status;
  if (error instanceof NotConnected) {
    io.out(`${error.message}\n`);
    return error.status;
  }
  if (error instanceof CallTimedOut) {
    io.out('Error : Request timed out\n');
    return 1;
  }
  // What a listener doesn't offer is refused without a word, but for one command.
  if (error instanceof RpcRejected) {
    if (name === 'volume get') io.out('volume get option failed. Check the cli/glusterd log file for more details\n');
    return 1;
  }
  if (error instanceof FopError) {
    io.out('Connection failed. Please check if gluster daemon is operational.\n');
    return 1;
  }
  throw error;
}
