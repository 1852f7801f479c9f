import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createPlatform, encodeLegacyDict, Dict, GlusterLogger, LogLevel, type Bytes } from '@glusterts/libglusterfs';
import { GlusterBrick, RpcClient } from '@glusterts/rpc-xdr';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

type Value = { readonly cstr: string } | { readonly hex: string };
interface Body { readonly input: { readonly pairs: readonly (readonly [string, Value])[] } }
interface Call { readonly procedure: string; readonly request: { readonly body: Body }; readonly reply: { readonly body: { readonly op_ret: number; readonly output: { readonly pairs: readonly (readonly [string, Value])[] } } } }

const root = path.resolve(import.meta.dirname, '../../..');
const reason = existsSync(path.join(root, 'apps/glusterfsd/dist/main.js')) ? '' : 'glusterfsd is not built: run `npm run build` first';
if (reason) console.warn(`a process that tells its status: skipped: ${reason}`);

/** What glusterd asked real bricks, and what they answered. */
const calls: readonly Call[] = JSON.parse(readFileSync(path.join(import.meta.dirname, 'vectors/brick-ops.json'), 'utf8'));
const asked = (call: Call): string => {
  const words = call.request.body.input.pairs.find(([key]) => key === 'cmd-str')?.[1];
  return words && 'cstr' in words ? words.cstr.replace(/^.* /, '') : '';
};
/** Of clients there are none here: the test of packages/glusterd beside the real one has some. */
const statuses = calls.filter((call) => call.procedure === 'STATUS' && asked(call) !== 'clients');

/** Memory pools that ours hasn't, tables of clients, and times of frames. */
const APART = /^pool\d+\.|^conn\d+\.|\.timings$/;

describe.skipIf(reason !== '')('a process on its unix socket, asked as glusterd was recorded to ask', () => {
  let dir: string;
  let client: RpcClient;
  let end: () => void;

  beforeEach(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'glusterts-status-'));
    writeFileSync(path.join(dir, 'vol'), 'volume m\n  type storage/memory\n  option size 16MB\nend-volume\n');
    const daemon = spawn(path.join(root, 'bin/glusterfsd'), ['-f', path.join(dir, 'vol'), '-l', path.join(dir, 'log'), '-p', path.join(dir, 'pid'), '-S', path.join(dir, 'socket')], { stdio: 'ignore' });
    expect(await new Promise((resolve) => daemon.once('close', resolve))).toBe(0);
    end = () => process.kill(Number(readFileSync(path.join(dir, 'pid'), 'utf8')), 'SIGKILL');
    const platform = createPlatform();
    const log = GlusterLogger.create('test', { sink: () => undefined, clock: platform.clock, level: LogLevel.NONE });
    await new Promise<void>((resolve) => {
      client = new RpcClient({ platform, log, name: 'glusterd', address: { path: path.join(dir, 'socket') }, reconnectDelayMs: false, onConnect: () => resolve() });
      client.connect();
    });
  });
  afterEach(() => {
    client.disconnect();
    end();
    rmSync(dir, { recursive: true, force: true });
  });

  it('answers with the recorded keys', async () => {
    expect(statuses.map(asked)).toEqual(['mem', 'inode', 'fd', 'callpool']);
    for (const call of statuses) {
      const input = new Dict();
      for (const [key, value] of [...call.request.body.input.pairs].reverse()) {
        if ('cstr' in value) input.setStr(key, value.cstr as Bytes);
        else input.setBin(key, Buffer.from(value.hex, 'hex'));
      }
      const reply = await client.invoke(GlusterBrick.STATUS, { name: '' as Bytes, op: GlusterBrick.STATUS.number, input: encodeLegacyDict(input), dict: undefined });
      const keys = (list: Iterable<string>): string[] => [...list].filter((key) => !APART.test(key)).sort();
      expect(reply.op_ret, asked(call)).toBe(call.reply.body.op_ret);
      expect(keys(reply.output?.keys() ?? []), asked(call)).toEqual(keys(call.reply.body.output.pairs.map(([key]) => key)));
    }
  });

  it('refuses to list clients when there are none, as real bricks do', async () => {
    for (const cmd of [0x102, 0x180]) {
      const reply = await client.invoke(GlusterBrick.STATUS, { name: '' as Bytes, op: GlusterBrick.STATUS.number, input: encodeLegacyDict(new Dict().setInt('cmd', cmd)), dict: undefined });
      expect(reply.op_ret).toBe(-1);
    }
  });
});
