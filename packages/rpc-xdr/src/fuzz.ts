import { type Dict, RecordFramer, RecordMarkError, decodeLegacyDict, encodeLegacyDict, readTypedDict, writeTypedDict } from '@glusterts/libglusterfs';
import { GlusterBrick } from './generated/brick.js';
import { GlusterCallback } from './generated/callback.js';
import { GlusterCli } from './generated/cli.js';
import { GlusterDump } from './generated/dump.js';
import { GlusterdFriend, GlusterdHandshake, GlusterdMgmt, GlusterdMgmtV3 } from './generated/glusterd.js';
import { Glusterfs33 } from './generated/glusterfs33.js';
import { Glusterfs4 } from './generated/glusterfs4.js';
import { GlusterHandshake } from './generated/handshake.js';
import { GlusterPortmap } from './generated/portmap.js';
import { readCallHeader, readReplyHeader } from './rpc-message.js';
import type { RpcProcedure, RpcProgram } from './rpc-program.js';
import { XdrError, XdrReader } from './xdr-reader.js';
import { XdrWriter } from './xdr-writer.js';

/** A decoder, and the encoder of what it yields; `encode` undefined: only decoding is tried. */
interface Codec {
  readonly name: string;
  decode(r: XdrReader): unknown;
  encode?(w: XdrWriter, message: never): void;
}

const PROGRAMS = [Glusterfs4, Glusterfs33, GlusterBrick, GlusterCallback, GlusterCli, GlusterDump, GlusterHandshake, GlusterPortmap, GlusterdFriend, GlusterdHandshake, GlusterdMgmt, GlusterdMgmtV3];

function allCodecs(): Codec[] {
  const codecs: Codec[] = [
    { name: 'call header', decode: readCallHeader },
    { name: 'reply header', decode: readReplyHeader },
    { name: 'typed dict', decode: readTypedDict, encode: (w, dict: Dict | undefined) => writeTypedDict(w, dict) },
    {
      name: 'legacy dict',
      decode: (r) => decodeLegacyDict(r.bytes.subarray(r.position, r.end)),
      encode: (w, dict: Dict | undefined) => w.raw(encodeLegacyDict(dict)),
    },
  ];
  for (const program of PROGRAMS) {
    for (const value of Object.values(program) as (RpcProgram | RpcProcedure<never, never>)[]) {
      if (!('encodeRequest' in value)) continue;
      const name = `${value.program.name} ${value.name}`;
      codecs.push({ name: `${name} request`, decode: (r) => value.decodeRequest(r), encode: (w, m: never) => value.encodeRequest(w, m) });
      codecs.push({ name: `${name} reply`, decode: (r) => value.decodeReply(r), encode: (w, m: never) => value.encodeReply(w, m) });
    }
  }
  return codecs;
}

const CODECS = allCodecs();
/** Words that hit counts, lengths, types and signs where it hurts. */
const WORDS = [0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 0x3fffffff, 0x10000];
const SIZE_MAX = 1024;

/** A small generator of numbers below 2^32, the same for the same seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

function input(next: () => number, corpus: readonly Uint8Array[]): Buffer {
  const seed = corpus.length > 0 && next() % 4 !== 0 ? corpus[next() % corpus.length] : undefined;
  if (seed) return mutate(Buffer.from(seed), next);
  const bytes = Buffer.alloc((next() % (SIZE_MAX / 4)) * 4 + (next() % 8 === 0 ? next() % 4 : 0));
  for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.writeUInt32BE(next() % 3 === 0 ? next() : (WORDS[next() % WORDS.length] ?? 0), at);
  return bytes;
}

function mutate(bytes: Buffer, next: () => number): Buffer {
  for (let i = next() % 4; i > 0 && bytes.length > 0; i--) {
    const at = next() % bytes.length;
    if (next() % 2 === 0) bytes[at] = next();
    else if (at + 4 <= bytes.length) bytes.writeUInt32BE(WORDS[next() % WORDS.length] ?? 0, at & ~3);
  }
  return next() % 3 === 0 ? bytes.subarray(0, next() % (bytes.length + 1)) : bytes;
}

/** How much larger than its input a message may be when encoded again: texts gain a NUL and padding. */
const GROWTH_MAX = 4;
const GROWTH_SLACK = 1024;

/**
 * Feeds one generated input to one decoder. It must decode or throw XdrError, and what it decoded must encode to bytes that
 * are no more than the input allows and that decode and encode to themselves.
 *
 * @param seed says everything: the same seed and corpus give the same input
 * @param corpus real messages, without headers, to start from
 * @returns whether it decoded. Throws an Error that names the seed when a promise is broken.
 */
export function fuzzOnce(seed: number, corpus: readonly Uint8Array[] = []): boolean {
  const next = generator(seed);
  const codec = CODECS[next() % CODECS.length];
  if (!codec) return false;
  const bytes = input(next, corpus);
  try {
    if (next() % 16 === 0) return fuzzFramer(bytes, next);
    return check(codec, bytes);
  } catch (error) {
    throw new Error(`seed ${seed}, ${codec.name}: ${String(error)}`, { cause: error });
  }
}

function check(codec: Codec, bytes: Buffer): boolean {
  let message: unknown;
  try {
    message = codec.decode(new XdrReader(bytes));
  } catch (error) {
    if (error instanceof XdrError) return false;
    throw error;
  }
  if (!codec.encode) return true;
  const once = encode(codec, message);
  if (once.length > bytes.length * GROWTH_MAX + GROWTH_SLACK) throw new Error(`${bytes.length} bytes became ${once.length}`);
  const twice = encode(codec, codec.decode(new XdrReader(once)));
  if (!once.equals(twice)) throw new Error(`not stable: ${once.toString('hex')} became ${twice.toString('hex')}`);
  return true;
}

function encode(codec: Codec, message: unknown): Buffer {
  const w = new XdrWriter();
  codec.encode?.(w, message as never);
  return w.finish();
}

/** A stream in pieces of any size: the records hold no byte that the stream didn't. */
function fuzzFramer(bytes: Buffer, next: () => number): boolean {
  let taken = 0;
  const framer = new RecordFramer(1 << 20, (record) => (taken += record.length));
  try {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + 1 + (next() % 64));
      framer.push(bytes.subarray(at, end));
      at = end;
    }
  } catch (error) {
    if (error instanceof RecordMarkError) return false;
    throw error;
  }
  if (taken > bytes.length) throw new Error(`${taken} bytes of records in a stream of ${bytes.length}`);
  return true;
}
