/* GlusterFS's hash of names, DHT's above all: TEA in a Davies-Meyer chain (spec/dht.md, §2). */

const DELTA = 0x9e3779b9;
const PARTIAL_ROUNDS = 10;
const FULL_ROUNDS = 6;

/** State of a run; reused, for a hash never waits. */
let h0 = 0;
let h1 = 0;

function mix(rounds: number, k0: number, k1: number, k2: number, k3: number): void {
  let sum = 0;
  let a = h0;
  let b = h1;
  for (let i = 0; i < rounds; i++) {
    sum = (sum + DELTA) | 0;
    a = (a + (((b << 4) + k0) ^ (b + sum) ^ ((b >>> 5) + k1))) | 0;
    b = (b + (((a << 4) + k2) ^ (a + sum) ^ ((a >>> 5) + k3))) | 0;
  }
  h0 = (h0 + a) | 0;
  h1 = (h1 + b) | 0;
}

/** A char as C's signed char: what real peers (x86) shift in. */
const signed = (code: number): number => (code << 24) >> 24;

/** The 32-bit hash of a byte string, unsigned. */
export function dmHash(text: string): number {
  const length = text.length;
  h0 = 0x9464a485 | 0;
  h1 = 0x542e1a94;
  let pad = length | (length << 8);
  pad |= pad << 16;

  const word = (at: number): number => text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8) | (text.charCodeAt(at + 2) << 16) | (text.charCodeAt(at + 3) << 24);
  let at = 0;
  for (; length - at >= 16; at += 16) mix(FULL_ROUNDS, word(at), word(at + 4), word(at + 8), word(at + 12));

  const words = [pad, pad, pad, pad];
  let j = 0;
  for (; length - at >= 4; at += 4) words[j++] = word(at);
  if (j < 4) {
    let rest = pad;
    for (; at < length; at++) rest = (rest << 8) | signed(text.charCodeAt(at));
    words[j] = rest;
  }
  mix(PARTIAL_ROUNDS, words[0] ?? 0, words[1] ?? 0, words[2] ?? 0, words[3] ?? 0);
  return (h0 ^ h1) >>> 0;
}
