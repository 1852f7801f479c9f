import { Dict, NULL_GFID } from '@glusterts/libglusterfs';
import { XdrWriter, encodeTypedDict } from '@glusterts/rpc-xdr';

/** A small generator of numbers below 2^32, the same for the same seed. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** Up to six pairs of all types that both encodings have. */
export function randomDict(seed: number): Dict {
  const next = generator(seed);
  const dict = new Dict();
  for (let count = next() % 7; count > 0; count--) {
    const key = `k${next() % 10}.${'x'.repeat(next() % 20)}`;
    switch (next() % 6) {
      case 0:
        dict.setInt(key, BigInt.asIntN(64, (BigInt(next()) << 32n) | BigInt(next())));
        break;
      case 1:
        dict.setUint(key, next());
        break;
      case 2:
        dict.setDouble(key, next() / 1000);
        break;
      case 3:
        dict.setStr(key, 'text'.repeat(next() % 5));
        break;
      case 4:
        dict.setBin(key, Uint8Array.from({ length: next() % 40 }, () => next() & 0xff));
        break;
      default:
        dict.setGfid(key, NULL_GFID);
    }
  }
  return dict;
}

export function typedBytes(seed: number): Buffer {
  const w = new XdrWriter();
  w.rewind();
  encodeTypedDict(w, randomDict(seed));
  return Buffer.from(w.finish());
}
