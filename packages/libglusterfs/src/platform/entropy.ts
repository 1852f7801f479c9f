import { randomBytes, randomFillSync, randomInt } from 'node:crypto';
import { fromBuffer } from '../bytes.js';
import type { Gfid } from '../gfid.js';
import type { Random } from './platform.js';

const POOL_BYTES = 8192;

/** Random bytes from a buffer that is filled a few thousand at a time: gfids are made by the thousand. */
export class Entropy {
  readonly #poolBytes: number;
  #pool: Buffer = Buffer.alloc(0);
  #used = 0;

  /** @param poolBytes what is drawn at once, and what `restart` can go back to */
  constructor(poolBytes = POOL_BYTES) {
    this.#poolBytes = poolBytes;
  }

  /** Of the pool, and so a view: valid until the next call. */
  take(count: number): Buffer {
    if (count > this.#poolBytes / 8) return randomBytes(count);
    if (this.#used + count > this.#pool.length) this.#fill();
    const bytes = this.#pool.subarray(this.#used, this.#used + count);
    this.#used += count;
    return bytes;
  }

  /** Gives the bytes from this place of the pool on, which it gave before: for a play that is to be the same each time, never for what must be unique. */
  restart(at: number): void {
    if (this.#pool.length === 0) this.#fill();
    this.#used = at;
  }

  #fill(): void {
    this.#pool = randomFillSync(Buffer.alloc(this.#poolBytes));
    this.#used = 0;
  }
}

/** All that come from here look alike to V8: code that was optimised for one is right for the others. */
export function randomOf(entropy: Entropy): Random {
  return {
    bytes: (count) => Uint8Array.from(entropy.take(count)),
    below: (limit) => randomInt(limit),
    uuid: () => {
      const bytes = entropy.take(16);
      bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
      bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
      return fromBuffer(bytes) as string as Gfid;
    },
  };
}
