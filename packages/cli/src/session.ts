import { Dict, type Bytes } from '@glusterts/libglusterfs';
import type { GfCliReq, GfCliRsp, RpcProcedure } from '@glusterts/rpc-xdr';
import type { CommandEntry } from './command-table.js';
import { type XmlElement, xmlDocument } from './xml.js';

/** The process around the CLI; the real one is in `platform/`. */
export interface CliIo {
  out(text: string): void;
  err(text: string): void;
  /** At most three bytes of an answer, up to and with its newline; the rest of the line is thrown away. Undefined: end of input. */
  readAnswer(): Promise<string | undefined>;
  /** Text of a file, or why it can't be read. */
  readFile(path: string): { readonly text: string } | { readonly error: string };
}

/** The connection to glusterd, made when first needed. */
export interface CliChannel {
  call<Request, Reply>(procedure: RpcProcedure<Request, Reply>, request: Request): Promise<Reply>;
}

export interface CliOptions {
  readonly script: boolean;
  readonly xml: boolean;
  readonly wignore: boolean;
  readonly wignorePartition: boolean;
  readonly timeoutS: number;
}

/** Seconds that a command may take; a longer `--timeout` is told to glusterd. */
export const DEFAULT_TIMEOUT_S = 120;

/** Ends a command with an exit status, after what was to be said has been said. */
export class CommandFailure extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`exit status ${status}`);
    this.status = status;
  }
}

/** One command being run: what it may ask, say and call. */
export class CommandRun {
  readonly io: CliIo;
  readonly options: CliOptions;
  readonly entry: CommandEntry;
  /** All words typed, options taken out. */
  readonly words: readonly string[];
  /** For `cmd-str`, where create puts bricks in canonical form. */
  commandText: string;
  readonly #channel: CliChannel;

  constructor(io: CliIo, channel: CliChannel, options: CliOptions, entry: CommandEntry, words: readonly string[]) {
    this.io = io;
    this.options = options;
    this.entry = entry;
    this.words = words;
    this.commandText = words.join(' ');
    this.#channel = channel;
  }

  out(line: string): void {
    this.io.out(`${line}\n`);
  }

  err(line: string): void {
    this.io.err(`${line}\n`);
  }

  /** The usage error, after any messages. */
  usage(...messages: string[]): CommandFailure {
    for (const message of messages) this.err(message);
    this.io.err(`\nUsage:\n${this.entry.pattern}\n\n`);
    return new CommandFailure(1);
  }

  /** Says why on stderr; exit status 1. */
  fail(message: string): CommandFailure {
    this.err(message);
    return new CommandFailure(1);
  }

  /** Asks; script mode answers yes (spec/cli.md, §4). */
  async confirm(question: string): Promise<boolean> {
    if (this.options.script) return true;
    this.io.out(`${question} (y/n) `);
    const answer = await this.io.readAnswer();
    if (answer === undefined) this.out('gluster cli read error');
    const word = (answer ?? '').replace(/\n$/, '').toLowerCase();
    if (word === 'y' || word === 'yes') return true;
    if (word !== 'n' && word !== 'no') this.out('Invalid input, please enter y/n');
    return false;
  }

  call<Request, Reply>(procedure: RpcProcedure<Request, Reply>, request: Request): Promise<Reply> {
    return this.#channel.call(procedure, request);
  }

  /** A call of the common form, with `cmd-str` and, when it is long, `timeout` (spec/cli.md, §5). */
  request(procedure: RpcProcedure<GfCliReq, GfCliRsp>, dict: Dict): Promise<GfCliRsp> {
    dict.setStr('cmd-str', this.commandText as Bytes);
    if (this.options.timeoutS > DEFAULT_TIMEOUT_S) dict.setInt('timeout', this.options.timeoutS);
    return this.call(procedure, { dict });
  }

  xml(reply: Pick<GfCliRsp, 'op_ret' | 'op_errno' | 'op_errstr'>, payload: readonly XmlElement[]): void {
    this.io.out(xmlDocument({ opRet: reply.op_ret, opErrno: reply.op_errno, opErrstr: reply.op_errstr }, payload));
  }
}

/** Runs a command; what it throws is a {@link CommandFailure}. */
export type Command = (run: CommandRun) => Promise<void>;

export function dictOf(reply: { readonly dict: Dict | undefined }): Dict {
  return reply.dict ?? new Dict();
}
