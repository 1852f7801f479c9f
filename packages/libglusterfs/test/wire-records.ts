import type { Iobuf, IobufPool, Network } from '../src/index.js';

/** Counts pages; each is fresh memory. */
export class CountingPool implements IobufPool {
  active = 0;
  trim(): void {
    // Nothing is kept.
  }
  get(size: number): Iobuf {
    const pool = this;
    let refs = 1;
    this.active++;
    return {
      memory: new Uint8Array(size),
      ref: () => void refs++,
      unref: () => {
        if (--refs === 0) pool.active--;
      },
    };
  }
}

export const noTls: Network = {
  connect: () => {
    throw new Error('no TLS here');
  },
  listen: () => Promise.reject(new Error('no TLS here')),
};

export function u32(...words: number[]): Buffer {
  const buffer = Buffer.alloc(words.length * 4);
  words.forEach((word, i) => buffer.writeUInt32BE(word >>> 0, i * 4));
  return buffer;
}

/** A WRITE call as far as the framer looks: header, credential of `cred` bytes, fixed arguments, xdata of `xdata` bytes. */
export function writeCall(xid: number, cred: number, xdata: number): Buffer {
  return Buffer.concat([u32(xid, 0, 2, 1298437, 400, 13, 390040, cred), Buffer.alloc(cred), u32(0, 0), Buffer.alloc(40), u32(xdata, 0, 0), Buffer.alloc(xdata, 7)]);
}

export function readCall(xid: number): Buffer {
  return Buffer.concat([u32(xid, 0, 2, 1298437, 400, 12, 0, 0, 0, 0), Buffer.alloc(52)]);
}

export function readReply(xid: number, xdata: number): Buffer {
  return Buffer.concat([u32(xid, 1, 0, 0, 0, 0), Buffer.alloc(160), u32(xdata, 0, 0), Buffer.alloc(xdata, 9)]);
}

export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed) & 0xff;
  return bytes;
}
