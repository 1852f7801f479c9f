import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Dict, type Bytes } from '@glusterts/libglusterfs';
import { type RpcProcedure, RpcRejected, XdrReader, XdrWriter } from '@glusterts/rpc-xdr';
import { expect } from 'vitest';
import type { CliChannel } from '../src/session.js';

type Pairs = [string, string | { hex: string }][];
interface Rpc { prog: number; vers: number; proc: number; request_dict?: Pairs; request_xdr_hex?: string; reply_xdr_hex?: string; op_ret?: number; op_errno?: number; op_errstr?: string; reply_dict?: Pairs }
export interface Vector { name: string; argv: string[]; stdin?: string; rc: number; stdout: string; stderr: string; rpc?: Rpc[] | null }

/** Whole commands of the real CLI: what it typed, printed, exited with, and said to glusterd. */
export const files = ['volume-create-start-stop', 'volume-info-list-status', 'options', 'command-line', 'peer', 'misc', 'bricks', 'heal'];

/** Commands that this release hasn't: their recordings wait for it. */
const UNBUILT = /^vol\w* (log|clear-locks|barrier|profile|top|sync|geo|rebal|quota|bitrot|inode-quota|add-brick|remove-brick|replace-brick|reset-brick)|^vol\w* heal \w+ (info|statistics|split-brain|granular)|^nfs|^snapshot|^system:: (exec|copy|mount|umount|fsm|uuid reset)/;

/** Why a recording is not compared with; undefined: it is. */
export function whyNot({ name, argv, stdin, rpc, stdout }: Vector): string | undefined {
  const line = argv.slice(1).filter((word) => !word.startsWith('--')).join(' ');
  if (argv[0] !== 'gluster') return 'another program: umount, cat, or a terminal with its line editing';
  if (UNBUILT.test(line)) return `a command that is not built (${line.split(' ').slice(0, /^vol/.test(line) ? 2 : 1).join(' ')})`;
  // Neither a call was recorded nor typed text: the command went to a daemon's port, which the recorder was not on.
  if ((rpc ?? []).length === 0 && (argv.some((word) => word.startsWith('--remote-host')) || (/^system:: getspec/.test(line) && stdin === undefined))) return 'its calls were not recorded: it went straight to a daemon';
  if (/^remote|--glusterd-sock/.test(name) || stdout === '(elided)') return 'its calls were not recorded: it went straight to a daemon';
  return undefined;
}

/** The rows of `volume get`, from which a recording that left its long reply out is completed. */
function rowsOf(text: string): [string, string][] {
  if (text.startsWith('<?xml')) return [...text.matchAll(/<Option>(.*)<\/Option>\s*<Value>(.*)<\/Value>/g)].map((row) => [row[1] ?? '', row[2] ?? '']);
  return text.split('\n').slice(2, -1).map((row) => {
    const key = row.slice(0, row.indexOf(' '));
    return [key, row.slice(Math.max(41, key.length + 1)).trimEnd()];
  });
}

/** What the recording left out of replies, put back from what was printed of it. */
function complete(vector: Vector): Vector {
  const rpc = vector.rpc?.map((each): Rpc => {
    const pairs = each.reply_dict ?? [];
    if (pairs[0]?.[0] === '(elided)') {
      const rows = rowsOf(vector.stdout);
      return { ...each, reply_dict: [...rows.flatMap(([key, value], at): Pairs => [[`key${at + 1}`, key], [`value${at + 1}`, value]]), ['count', String(rows.length)]] };
    }
    return { ...each, reply_dict: pairs.map(([key, value]) => [key, value === '(elided)' ? vector.stdout.replace(/\n$/, '') : value]) };
  });
  // geo-replication's commands are listed where gsyncd is installed; ours never is.
  const stdout = vector.argv.includes('help') ? vector.stdout.replace(/^volume geo-replication[^]*?- Geo-sync operations\n/gm, '') : vector.stdout;
  return { ...vector, stdout, ...(rpc === undefined ? {} : { rpc }) };
}

/** The recordings of a file that concern us; the others are counted and told. */
export function recordings(file: string): Vector[] {
  const all: Vector[] = JSON.parse(readFileSync(join(import.meta.dirname, `vectors/${file}.json`), 'utf8'));
  const left = new Map<string, number>();
  const kept = all.filter((vector) => {
    const reason = whyNot(vector);
    if (reason !== undefined) left.set(reason, (left.get(reason) ?? 0) + 1);
    return reason === undefined;
  });
  for (const [reason, count] of left) console.warn(`${file}.json: ${count} of ${all.length} recordings are not compared with: ${reason}`);
  return kept.map(complete);
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

/** Answers as the recording did, and expects its calls. */
export class Replay implements CliChannel {
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

