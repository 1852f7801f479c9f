import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Graph } from '@glusterts/libglusterfs';
import { xlators as memory } from '@glusterts/xlator-memory';
import { testGraph } from '@glusterts/xlator-compliance';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { xlators as server } from '../src/index.js';
import { freePort } from './pair.js';
import { RawConnection } from './raw-connection.js';

interface Entry {
  readonly procedure: string;
  readonly request: { readonly hex: string; readonly body: { readonly dict?: { readonly pairs: readonly (readonly [string, { readonly cstr: string }])[] } } };
  readonly reply: { readonly hex: string; readonly body?: { readonly dict: { readonly pairs: readonly (readonly [string, { readonly cstr: string }])[] } } };
}

const entries = JSON.parse(readFileSync(join(import.meta.dirname, 'vectors/setvolume-errors.json'), 'utf8')) as Entry[];
const VOLUME_ID = 'f1417cff-a1ca-4bf6-980b-335ea12c246f';

/** A pointer of the real brick, and its process's id. */
const OWN: readonly string[] = ['transport-ptr', 'process-uuid'];

/** The pairs of a dict reply in wire order, from the record's bytes. */
function pairs(hex: string): [string, string][] {
  const record = Buffer.from(hex, 'hex');
  let at = 36;
  const count = record.readUInt32BE(at);
  at += 4;
  const found: [string, string][] = [];
  for (let i = 0; i < count; i++) {
    const key = record.readUInt32BE(at);
    const value = record.readUInt32BE(at + 4);
    at += 8;
    found.push([record.toString('latin1', at, at + key), record.toString('latin1', at + key + 1, at + key + value)]);
    at += key + 1 + value;
  }
  return found;
}

const withoutOwn = (list: [string, string][]): [string, string][] => list.map(([key, value]) => [key, OWN.includes(key) ? '' : value]);

describe('SETVOLUME answers as 10.3 did', () => {
  const graphs: Graph[] = [];
  let open = 0;
  let closed = 0;
  beforeAll(async () => {
    open = await freePort();
    const volfile = (port: number, what: string): string => `volume /d/one
 type storage/memory
 option volume-id ${VOLUME_ID}
end-volume
volume server
 type protocol/server
 option transport.socket.listen-port ${port}
 option auth.addr./d/one.${what} *
 subvolumes /d/one
end-volume
`;
    graphs.push(await testGraph(volfile(open, 'allow'), [...memory, ...server]));
    closed = await freePort();
    graphs.push(await testGraph(volfile(closed, 'reject'), [...memory, ...server]));
  });
  afterAll(async () => {
    for (const graph of graphs) await graph.fini();
  });

  for (const [index, entry] of entries.entries()) {
    const asked = (entry.request.body.dict?.pairs ?? []).map(([key, value]) => `${key}=${value.cstr}`).join(' ');
    const refused = index === entries.length - 1;
    it(`${index}: ${entry.procedure} ${asked}`, async () => {
      const connection = await RawConnection.open(refused ? closed : open);
      const reply = await connection.call(entry.request.hex);
      connection.close();
      if (entry.reply.body === undefined) expect(reply).toBe(entry.reply.hex);
      else {
        // Header, op_ret and op_errno; then the dict.
        expect(reply.slice(0, 64)).toBe(entry.reply.hex.slice(0, 64));
        expect(withoutOwn(pairs(reply))).toEqual(withoutOwn(pairs(entry.reply.hex)));
        if (!entry.reply.body.dict.pairs.some(([key]) => OWN.includes(key))) expect(reply).toBe(entry.reply.hex);
      }
    });
  }
});
