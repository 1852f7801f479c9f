import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Dict, type Bytes } from '@glusterts/libglusterfs';
import { type RpcProcedure, RpcRejected, XdrReader, XdrWriter } from '@glusterts/rpc-xdr';
import { describe, expect, test } from 'vitest';
import { parseArguments } from '../src/arguments.js';
import { runCommand, USAGE } from '../src/cli.js';
import { helpClasses } from '../src/commands/help.js';
import type { CliChannel, CliIo } from '../src/session.js';

type Pairs = [string, string | { hex: string }][];
interface Rpc { prog: number; vers: number; proc: number; request_dict?: Pairs; request_xdr_hex?: string; reply_xdr_hex?: string; op_ret?: number; op_errno?: number; op_errstr?: string; reply_dict?: Pairs | { keys: number } | string }
interface Vector { name: string; argv: string[]; stdin?: string; rc: number; stdout: string; stderr: string; rpc?: Rpc[] | null }

/** Whole commands of the real CLI: what it typed, printed, exited with, and said to glusterd. */
const files = ['volume-create-start-stop', 'volume-info-list-status', 'options', 'command-line', 'peer', 'misc'];
const read = (file: string): Vector[] => JSON.parse(readFileSync(join(import.meta.dirname, `vectors/${file}.json`), 'utf8'));

/** Why a vector isn't replayed; each is told. */
function reasonToSkip({ name, argv, rpc, stdout }: Vector): string | undefined {
  const words = argv.filter((word) => !word.startsWith('--'));
  const line = words.slice(1).join(' ');
  if (argv[0] !== 'gluster') return 'not the CLI';
  if (words.length === 1) return 'reads commands from stdin: see the process test';
  if (/^vol\w* (log|clear|barrier|profile|top|heal|sync|geo|rebal|quota|bitrot|inode-quota)|^get-state|^nfs|^snapshot|^system:: (exec|copy|mount|umount|fsm|uuid reset)/.test(line)) return 'a command that is not built';
  if (/elided/.test(stdout)) return 'elided in the vector';
  if (/geo-replication/.test(stdout)) return 'lists geo-replication, which needs gsyncd';
  if (/ (mem|clients|inode|fd|callpool|client-list)$/.test(line) && /^volume status/.test(line)) return 'status of bricks beyond detail is not built';
  if (rpc?.some((each) => each.reply_dict !== undefined && !Array.isArray(each.reply_dict))) return 'the reply is reduced in the vector';
  if (/getspec-(vol|brick)$|remote|timeout-in-dict|--glusterd-sock/.test(name) || argv.some((word) => word.startsWith('--remote-host'))) return 'went straight to a daemon';
  if ((rpc ?? []).length === 0 && stdout === '' && name.startsWith('getspec')) return 'went straight to a daemon';
  return undefined;
}

function makeDict(pairs: Pairs | undefined): Dict {
  const dict = new Dict();
  // Newest first on the wire.
  for (const [key, value] of [...(pairs ?? [])].reverse()) {
    if (typeof value === 'string') dict.setStr(key, value as Bytes);
    else dict.setBin(key, Buffer.from(value.hex, 'hex'));
  }
  return dict;
}

class Replay implements CliChannel {
  readonly #rpcs: Rpc[];
  readonly problems: string[] = [];

  constructor(rpcs: readonly Rpc[]) {
    this.#rpcs = [...rpcs];
  }

  get left(): number {
    return this.#rpcs.length;
  }

  call<Request, Reply>(procedure: RpcProcedure<Request, Reply>, request: Request): Promise<Reply> {
    const rpc = this.#rpcs.shift();
    if (!rpc) throw new Error(`unexpected call of ${procedure.name}`);
    expect([procedure.program.number, procedure.program.version, procedure.number]).toEqual([rpc.prog, rpc.vers, rpc.proc]);
    const asked: unknown = typeof request === 'object' && request !== null && 'dict' in request ? request.dict : undefined;
    if (rpc.request_dict) {
      const pairs = asked instanceof Dict ? asked.entries().map(([key]) => [key, asked.getStr(key)]) : [];
      expect(pairs).toEqual(rpc.request_dict);
    }
    const w = new XdrWriter();
    procedure.encodeRequest(w, request);
    if (rpc.request_xdr_hex !== undefined) expect(Buffer.from(w.finish()).toString('hex')).toBe(rpc.request_xdr_hex);
    // No body: the listener doesn't offer the program.
    if (rpc.reply_xdr_hex === '') return Promise.reject(new RpcRejected(procedure.name, 1));
    if (rpc.reply_xdr_hex !== undefined) return Promise.resolve(procedure.decodeReply(new XdrReader(Buffer.from(rpc.reply_xdr_hex, 'hex'))));
    const reply = { op_ret: rpc.op_ret ?? 0, op_errno: rpc.op_errno ?? 0, op_errstr: (rpc.op_errstr ?? '') as Bytes, dict: Array.isArray(rpc.reply_dict) ? makeDict(rpc.reply_dict) : undefined };
    const encoded = new XdrWriter();
    procedure.encodeReply(encoded, reply as Reply);
    return Promise.resolve(procedure.decodeReply(new XdrReader(Buffer.from(encoded.finish()))));
  }
}

async function replay(vector: Vector): Promise<void> {
  let out = '';
  let err = '';
  let input = vector.stdin ?? '';
  const groups: Record<string, string> = { mygroup: '# a group\nfeatures.cache-invalidation=on\nfeatures.cache-invalidation-timeout=600\nperformance.stat-prefetch=on\n', emptygroup: '', badgroup: 'nonsense\n' };
  const io: CliIo = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    readAnswer: () => {
      const at = input.indexOf('\n');
      if (input === '') return Promise.resolve(undefined);
      const line = at < 0 ? input : input.slice(0, at + 1);
      input = input.slice(line.length);
      return Promise.resolve(line.slice(0, 3));
    },
    readFile: (path) => {
      const text = groups[path.slice(path.lastIndexOf('/') + 1)];
      return text === undefined ? { error: 'No such file or directory' } : { text };
    },
  };
  const channel = new Replay(vector.rpc ?? []);
  const args = parseArguments(vector.argv.slice(1), USAGE);
  let status = 0;
  if (args === 'help') out = helpClasses();
  else if (args === 'print-logdir') out = '/var/log/glusterfs\n';
  else if (args === 'print-statedumpdir') out = '/var/run/gluster\n';
  else if (typeof args === 'string') throw new Error(args);
  else if ('status' in args) ({ out, err, status } = args);
  else {
    for (const warning of args.warnings) err += `${warning}\n`;
    status = await runCommand(io, channel, args, args.words);
  }
  expect({ out, err, status }).toEqual({ out: vector.stdout, err: vector.stderr, status: vector.rc });
  expect(channel.left, 'calls that were not made').toBe(0);
}

for (const file of files) {
  const vectors = read(file);
  describe(`${file}: words, calls, output and exit status of the real CLI`, () => {
    const skipped = new Map<string, number>();
    for (const vector of vectors) {
      const reason = reasonToSkip(vector);
      if (reason !== undefined) {
        skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
        continue;
      }
      test(`${vector.name}: ${vector.argv.join(' ').slice(0, 120)}`, () => replay(vector));
    }
    for (const [reason, count] of skipped) test.skip(`${count} not replayed: ${reason}`, () => undefined);
  });
}
