import { WireFormatError, decodeLegacyDict, encodeLegacyDict, fuzzVolfile, readTypedDict } from '@glusterts/libglusterfs';
import { fuzzRequest } from '@glusterts/fuse-bridge';
import { XdrReader, fuzzOnce } from '@glusterts/rpc-xdr';
import { generator, randomDict, typedBytes } from './random-dict.js';

export interface Target {
  readonly name: string;
  /** One input from a seed; true when it was accepted. Throws when the decoder misbehaves. */
  readonly run: (seed: number) => boolean;
}

/** A decoder that must answer or throw WireFormatError, on bytes that begin as a valid dict and are then damaged. */
function dictTarget(name: string, encode: (seed: number) => Buffer, decode: (bytes: Uint8Array) => unknown): Target {
  return {
    name,
    run: (seed) => {
      const next = generator(seed ^ 0x5bd1e995);
      let bytes = next() % 8 === 0 ? Buffer.from(Uint8Array.from({ length: next() % 96 }, () => next() & 0xff)) : encode(seed);
      for (let damage = next() % 5; damage > 0 && bytes.length > 0; damage--) {
        const at = next() % bytes.length;
        const kind = next() % 4;
        if (kind === 0) bytes[at] = next() & 0xff;
        else if (kind === 1) bytes = bytes.subarray(0, at);
        else if (kind === 2) bytes.fill(0xff, at, Math.min(bytes.length, at + 4));
        else bytes = Buffer.concat([bytes, bytes.subarray(0, at)]);
      }
      try {
        decode(bytes);
        return true;
      } catch (error) {
        if (error instanceof WireFormatError) return false;
        throw error;
      }
    },
  };
}

export const TARGETS: readonly Target[] = [
  { name: 'XDR messages and records', run: (seed) => fuzzOnce(seed) },
  dictTarget('legacy dict', (seed) => encodeLegacyDict(randomDict(seed)), decodeLegacyDict),
  dictTarget('typed dict', typedBytes, (bytes) => readTypedDict(new XdrReader(bytes))),
  { name: 'volfile', run: fuzzVolfile },
  { name: 'FUSE requests', run: fuzzRequest },
];
