import { describe, expect, it } from 'vitest';
import { GlusterCallback, GlusterCli, GlusterDump, GlusterHandshake, GlusterPortmap, GlusterdFriend, GlusterdHandshake, GlusterdMgmt, GlusterdMgmtV3, type RpcProcedure, type RpcProgram, XdrReader, XdrWriter } from '../src/index.js';
import { AcceptStat, readCallHeader, readReplyHeader } from '../src/rpc-message.js';
import { vectors } from './vectors.js';

type AnyProcedure = RpcProcedure<unknown, unknown>;
interface Message {
  readonly kind: string;
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly name: string;
  readonly record: string;
}

const procedures = new Map<string, AnyProcedure>();
for (const descriptor of [GlusterdFriend, GlusterdMgmt, GlusterdMgmtV3, GlusterdHandshake, GlusterDump, GlusterHandshake, GlusterCallback, GlusterCli, GlusterPortmap]) {
  for (const value of Object.values(descriptor) as (RpcProgram | AnyProcedure)[]) {
    if ('encodeRequest' in value) procedures.set(`${value.program.number}/${value.program.version}/${value.number}`, value);
  }
}

/** Every object in the file that is a captured message, however deep it lies. */
function messages(node: unknown, found: Message[] = []): Message[] {
  if (Array.isArray(node)) for (const item of node) messages(item, found);
  else if (typeof node === 'object' && node !== null) {
    if ('record' in node && typeof node.record === 'string' && 'program' in node && 'kind' in node) found.push(node as Message);
    else for (const item of Object.values(node)) messages(item, found);
  }
  return found;
}

describe.each(['friend-probe-gda-gdb.json', 'transactions-v3.json', 'transactions-status.json'])('%s', (file) => {
  it('every message between glusterds decodes, and encodes to the same bytes', () => {
    const all = messages(vectors(`glusterd/${file}`));
    expect(all.length).toBeGreaterThan(5);
    const failures: string[] = [];
    for (const message of all) {
      const procedure = procedures.get(`${message.program}/${message.version}/${message.procedure}`);
      if (!procedure) {
        failures.push(`${message.name}: unknown`);
        continue;
      }
      const r = new XdrReader(Buffer.from(message.record, 'hex'));
      r.position = 12;
      const w = new XdrWriter();
      let start: number;
      try {
        if (message.kind === 'call') {
          readCallHeader(r);
          start = r.position;
          procedure.encodeRequest(w, procedure.decodeRequest(r));
        } else {
          if (readReplyHeader(r) !== AcceptStat.SUCCESS) continue;
          start = r.position;
          procedure.encodeReply(w, procedure.decodeReply(r));
        }
      } catch (error) {
        failures.push(`${message.name} ${message.kind}: ${String(error)}`);
        continue;
      }
      const body = message.record.slice(start * 2);
      const encoded = w.finish().toString('hex');
      if (encoded !== body) failures.push(`${message.name} ${message.kind}\n  ${encoded}\n  ${body}`);
    }
    expect(failures).toEqual([]);
  });
});
