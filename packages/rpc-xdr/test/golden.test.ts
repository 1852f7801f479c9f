import { describe, expect, it } from 'vitest';
import {
  GlusterBrick,
  GlusterCallback,
  GlusterDump,
  GlusterHandshake,
  GlusterPortmap,
  Glusterfs33,
  Glusterfs4,
  type RpcProcedure,
  type RpcProgram,
  XdrReader,
  XdrWriter,
} from '../src/index.js';
import { readCallHeader, readReplyHeader, writeCallHeader, writeReplyHeader, AcceptStat, MessageType } from '../src/rpc-message.js';
import { AuthFlavor, type AuthForm } from '../src/index.js';
import { type CapturedCall, vectors } from './vectors.js';

type AnyProcedure = RpcProcedure<unknown, unknown>;

const procedures = new Map<string, AnyProcedure>();
for (const descriptor of [Glusterfs4, Glusterfs33, GlusterDump, GlusterHandshake, GlusterCallback, GlusterPortmap, GlusterBrick]) {
  for (const value of Object.values(descriptor) as (RpcProgram | AnyProcedure)[]) {
    if ('encodeRequest' in value) procedures.set(`${value.program.number}/${value.program.version}/${value.number}`, value);
  }
}

const FORMS = new Map<number, AuthForm>([
  [AuthFlavor.NULL, 'null'],
  [AuthFlavor.GLUSTERFS_V2, 'v2'],
  [AuthFlavor.GLUSTERFS_V3, 'v3'],
]);

const files = [
  'fops-v4.json', 'fops-v330.json', 'handshake-procs.json', 'callbacks.json', 'brick-ops.json', 'dump.json', 'portmap.json', 'setvolume-errors.json', 'event-notify-unanswered.json',
  'seq-mount-remote.json', 'seq-mount-local-trusted.json', 'seq-subdir-mount.json', 'seq-subdir-missing.json', 'seq-reconnect-open-fd.json', 'seq-reconnect-open-fd-locked.json',
];

describe.each(files)('%s', (file) => {
  const calls = vectors<CapturedCall[]>(file);

  it('requests decode, and encode to the same bytes', () => {
    const failures: string[] = [];
    for (const call of calls) {
      const procedure = procedures.get(`${call.prognum}/${call.progver}/${call.procnum}`);
      if (!procedure || !call.request?.hex) {
        failures.push(`${call.procedure}: unknown`);
        continue;
      }
      const record = Buffer.from(call.request.hex, 'hex');
      const r = new XdrReader(record);
      const xid = r.u32();
      expect(r.u32()).toBe(MessageType.CALL);
      const header = readCallHeader(r);
      const form = header.credential && FORMS.get(header.credential.flavor);
      const headerBytes = record.subarray(0, r.position);
      try {
        const message = procedure.decodeRequest(r);
        const w = new XdrWriter();
        // Clients send three of the five flavors; of the others the body is compared.
        if (header.credential && form !== undefined) writeCallHeader(w, xid, { number: header.program, version: header.version, name: '' }, header.procedure, form, header.credential);
        else w.raw(headerBytes);
        procedure.encodeRequest(w, message);
        const rest = record.subarray(r.position);
        const hex = Buffer.concat([w.finish(), rest]).toString('hex');
        const payload = call.request.payload_hex ?? '';
        if (hex !== call.request.hex) failures.push(`${call.procedure}\n  ${hex}\n  ${call.request.hex}`);
        if (rest.toString('hex') !== payload) failures.push(`${call.procedure} payload ${rest.toString('hex')} ${payload}`);
      } catch (error) {
        failures.push(`${call.procedure} ${String(error)}`);
      }
    }
    expect(failures).toEqual([]);
  });

  it('replies decode, and encode to the same bytes', () => {
    const failures: string[] = [];
    for (const call of calls) {
      const procedure = procedures.get(`${call.prognum}/${call.progver}/${call.procnum}`);
      if (!procedure || !call.reply?.hex) continue;
      const record = Buffer.from(call.reply.hex, 'hex');
      const r = new XdrReader(record);
      const xid = r.u32();
      expect(r.u32()).toBe(MessageType.REPLY);
      if (readReplyHeader(r) !== AcceptStat.SUCCESS) continue;
      try {
        const message = procedure.decodeReply(r);
        const w = new XdrWriter();
        writeReplyHeader(w, xid, AcceptStat.SUCCESS);
        procedure.encodeReply(w, message);
        const rest = record.subarray(r.position);
        const hex = Buffer.concat([w.finish(), rest]).toString('hex');
        if (hex !== call.reply.hex) failures.push(`${call.procedure}\n  ${hex}\n  ${call.reply.hex}`);
        if (rest.toString('hex') !== (call.reply.payload_hex ?? '')) failures.push(`${call.procedure} payload`);
      } catch (error) {
        failures.push(`${call.procedure} ${String(error)}`);
      }
    }
    expect(failures).toEqual([]);
  });
});
