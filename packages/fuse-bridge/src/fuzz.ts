import { IoVec } from '@glusterts/libglusterfs';
import { FuseProtocolError, decodeRequest } from './decode.js';
import { IN_HEADER_SIZE, Opcode } from './protocol.js';

const OPCODES = Object.values(Opcode);
const SIZE_MAX = 512;

/** A generator of 32-bit numbers (mulberry32). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/**
 * Feeds one generated request to {@link decodeRequest}. It must decode or throw {@link FuseProtocolError}, and hold no byte that
 * the message doesn't.
 *
 * @param seed says everything: the same seed gives the same message
 * @returns whether it decoded. Throws an Error that names the seed when the promise is broken.
 */
export function fuzzRequest(seed: number): boolean {
  const next = generator(seed);
  const bytes = Buffer.alloc(next() % SIZE_MAX);
  // Mostly small numbers, as sizes and offsets are; some text, some noise.
  const style = next() % 3;
  for (let i = 0; i < bytes.length; i++) bytes[i] = style === 0 ? next() : style === 1 ? (next() % 8 === 0 ? next() % 64 : 0) : next() % 32 === 0 ? 0 : 97 + (next() % 26);
  if (bytes.length >= IN_HEADER_SIZE) {
    bytes.writeUInt32LE(OPCODES[next() % OPCODES.length] ?? 0, 4);
    bytes.writeUInt32LE(0, 12);
    bytes.writeUInt32LE(0, 20);
  }
  const payload = next() % 8 === 0 ? IoVec.from(Buffer.alloc(next() % SIZE_MAX)) : undefined;
  if (bytes.length >= 4 && next() % 8 !== 0) bytes.writeUInt32LE(bytes.length + (payload?.size ?? 0), 0);
  try {
    const { body } = decodeRequest(bytes, payload);
    const held = 'value' in body ? body.value.length : body.op === 'write' && body.data instanceof Uint8Array ? body.data.length : 0;
    if (held > bytes.length) throw new Error(`${bytes.length} bytes hold ${held}`);
    return true;
  } catch (error) {
    if (error instanceof FuseProtocolError) return false;
    throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
  }
}
