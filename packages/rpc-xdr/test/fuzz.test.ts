import { describe, expect, it } from 'vitest';
import { XdrReader, fuzzOnce } from '../src/index.js';
import { readCallHeader, readReplyHeader } from '../src/rpc-message.js';
import { type CapturedCall, vectors } from './vectors.js';

/** Bodies of the captured messages. */
function corpus(): Buffer[] {
  const bodies: Buffer[] = [];
  for (const file of ['fops-v4.json', 'fops-v330.json', 'handshake-procs.json', 'brick-ops.json']) {
    for (const { request, reply } of vectors<CapturedCall[]>(file)) {
      for (const [message, skip] of [[request, readCallHeader], [reply, readReplyHeader]] as const) {
        if (!message?.hex) continue;
        const r = new XdrReader(Buffer.from(message.hex, 'hex'));
        r.position = 8;
        skip(r);
        bodies.push(r.bytes.subarray(r.position));
      }
    }
  }
  return bodies;
}

describe('hostile bytes', () => {
  it('every decoder decodes or throws XdrError, and what it decoded is stable', () => {
    const bodies = corpus();
    const inputs = Number(process.env['FUZZ_INPUTS'] ?? 20_000);
    let decoded = 0;
    for (let seed = 1; seed <= inputs; seed++) if (fuzzOnce(seed, bodies)) decoded++;
    // Both ways must be taken, or the generator tests nothing.
    expect(decoded).toBeGreaterThan(inputs / 50);
    expect(decoded).toBeLessThan(inputs);
  });
});
