import { GlusterLogger, LogLevel, type Address, type Platform } from '@glusterts/libglusterfs';
import { type CliArguments, parseArguments } from './arguments.js';
import { isQuit, runCommand, USAGE } from './cli.js';
import { helpClasses } from './commands/help.js';
import { GlusterdChannel } from './glusterd-channel.js';
import { createPrompt, processIo, readCommandLine } from './platform/terminal.js';
import type { CliIo, CliOptions } from './session.js';

const BANNER = "Welcome to gluster prompt, type 'help' to see the available commands.\n";
const GLUSTERD_PORT = 24007;
const VERSION =
  'glusterfs 10.3\nglusterts: GlusterFS in TypeScript, compatible with GlusterFS 10.3.\nIt is licensed to you under your choice of the GNU Lesser\n' +
  'General Public License, version 3 or any later version (LGPLv3\nor later), or the GNU General Public License, version 2 (GPLv2),\nin all cases as published by the Free Software Foundation.\n';
const answers = { help: helpClasses(), version: VERSION, 'print-logdir': '/var/log/glusterfs\n', 'print-statedumpdir': '/var/run/gluster\n' };

export interface GlusterProcess {
  readonly platform: Platform;
  /** Whether stdin is a terminal. */
  readonly interactive: boolean;
  /** A line of the CLI's log. */
  readonly log: (line: string) => void;
}

/** The whole of `gluster`; resolves with its exit status. */
export async function runGluster(argv: readonly string[], host: GlusterProcess): Promise<number> {
  const args = parseArguments(argv, USAGE);
  if (typeof args === 'string') {
    processIo.out(answers[args]);
    return 0;
  }
  if ('status' in args) {
    processIo.out(args.out);
    processIo.err(args.err);
    return args.status;
  }
  for (const warning of args.warnings) processIo.err(`${warning}\n`);
  if (args.words.length > 0) return withChannel(args, host, (channel) => runCommand(processIo, channel, optionsOf(args), args.words));
  processIo.err(BANNER);
  return host.interactive ? prompt(args, host) : runStdin(args, host);
}

function optionsOf(args: CliArguments): CliOptions {
  const { script, xml, wignore, wignorePartition, timeoutS } = args;
  return { script, xml, wignore, wignorePartition, timeoutS };
}

function addressOf(args: CliArguments): Address {
  // A socket that is named wins over a host.
  return args.remoteHost !== undefined && args.socket === '/var/run/glusterd.socket' ? { host: args.remoteHost, port: GLUSTERD_PORT } : { path: args.socket };
}

/** Connects when the first call is made: help needs no glusterd. */
class LazyChannel {
  #channel: GlusterdChannel | undefined;
  readonly #make: () => GlusterdChannel;

  constructor(make: () => GlusterdChannel) {
    this.#make = make;
  }

  readonly call: GlusterdChannel['call'] = (procedure, request) => (this.#channel ??= this.#make()).call(procedure, request);

  close(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }
}

function lazyChannel(args: CliArguments, host: GlusterProcess): LazyChannel {
  const log = GlusterLogger.create('cli', { sink: host.log, clock: host.platform.clock, level: LogLevel.WARNING });
  return new LazyChannel(() => new GlusterdChannel(host.platform, log, addressOf(args), args.timeoutS));
}

async function withChannel(args: CliArguments, host: GlusterProcess, use: (channel: LazyChannel) => Promise<number>): Promise<number> {
  const channel = lazyChannel(args, host);
  try {
    return await use(channel);
  } finally {
    channel.close();
  }
}

const split = (line: string): string[] => line.split(/[ \t]+/).filter((word) => word !== '');

/** Commands from a pipe: script mode, and the first failure ends it. */
function runStdin(args: CliArguments, host: GlusterProcess): Promise<number> {
  return withChannel(args, host, async (channel) => {
    for (let line = readCommandLine(); line !== undefined; line = readCommandLine()) {
      const words = split(line);
      if (words.length === 0) continue;
      if (isQuit(words)) return 0;
      const status = await runCommand(processIo, channel, { ...optionsOf(args), script: true }, words);
      if (status !== 0) return status;
    }
    return 0;
  });
}

/** Commands from a person: errors don't end the session. */
async function prompt(args: CliArguments, host: GlusterProcess): Promise<number> {
  const session = createPrompt();
  const io: CliIo = session.io;
  try {
    for (let line = await session.next(); line !== undefined; line = await session.next()) {
      const words = split(line);
      if (words.length === 0) continue;
      if (isQuit(words)) return 0;
      // A connection for each command: glusterd may have been restarted since the last one.
      await withChannel(args, host, (channel) => runCommand(io, channel, optionsOf(args), words));
    }
    return 0;
  } finally {
    session.close();
  }
}
