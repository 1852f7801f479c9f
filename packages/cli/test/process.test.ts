import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createPlatform, GlusterLogger, LogLevel } from '@glusterts/libglusterfs';
import { GlusterCli, type RpcHandler, type RpcProcedure, RpcServer, serve } from '@glusterts/rpc-xdr';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { recordings, Replay, type Vector } from './recorded.js';

const root = resolve(import.meta.dirname, '../../..');
const reason = existsSync(join(root, 'apps/gluster/dist/main.js')) ? undefined : 'apps/gluster is not built: run `npm run build` first';
if (reason !== undefined) console.warn(`bin/gluster against recorded answers: skipped: ${reason}`);

interface Ran { out: string; err: string; status: number | null }

/** bin/gluster, with a socket on which the recording answers in glusterd's place. */
async function run(vector: Vector, socket: string): Promise<Ran> {
  const platform = createPlatform();
  const replay = new Replay(vector.rpc ?? []);
  const problems: unknown[] = [];
  const handlers: Record<number, RpcHandler> = {};
  for (const procedure of Object.values(GlusterCli) as (RpcProcedure<unknown, unknown> | typeof GlusterCli.program)[]) {
    if (!('encodeRequest' in procedure)) continue;
    handlers[procedure.number] = serve(procedure, async (request) => {
      try {
        return await replay.call(procedure, request);
      } catch (error) {
        problems.push(error);
        throw error;
      }
    });
  }
  const server = new RpcServer({ platform, log: GlusterLogger.create('recording', { sink: () => undefined, clock: platform.clock, level: LogLevel.NONE }), name: 'recording' });
  server.register({ ...GlusterCli.program, handlers });
  await server.listen({ path: socket });
  try {
    const ran = await new Promise<Ran>((done) => {
      const child = spawn(join(root, 'bin/gluster'), [`--glusterd-sock=${socket}`, ...vector.argv.slice(1)], { stdio: 'pipe' });
      const result: Ran = { out: '', err: '', status: null };
      child.stdout.on('data', (data: Buffer) => (result.out += data.toString('latin1')));
      child.stderr.on('data', (data: Buffer) => (result.err += data.toString('latin1')));
      child.on('close', (status) => done({ ...result, status }));
      // A program that has ended reads no more.
      child.stdin.on('error', () => undefined);
      child.stdin.end(vector.stdin ?? '');
    });
    expect(problems).toEqual([]);
    expect(replay.left, 'calls that were not made').toBe(0);
    return ran;
  } finally {
    await server.close();
  }
}

describe.skipIf(reason !== undefined)('bin/gluster, as a process', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'glusterts-cli-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test.each(recordings('command-line'))('$name: $argv prints and exits as the real one', async (vector) => {
    const ran = await run(vector, join(dir, 'socket'));
    const banner = /^(glusterfs 10\.3\n)[^]*$/;
    expect({ ...ran, out: ran.out.replace(banner, '$1(rest of the banner elided)\n') }).toEqual({ out: vector.stdout, err: vector.stderr, status: vector.rc });
  }, 60_000);
});
