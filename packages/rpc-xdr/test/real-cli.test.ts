import { Dict, createPlatform, type Bytes } from '@glusterts/libglusterfs';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { GlusterCallback, GlusterCli, RpcServer, serve } from '../src/index.js';
import { ListLogger, portablePlatform } from './test-platform.js';

const reason = spawnSync('gluster', ['--version']).status === 0 ? undefined : 'no gluster command installed';
if (reason !== undefined) console.warn(`real command line: skipped: ${reason}`);

const real = createPlatform();

describe.skipIf(reason !== undefined).each([
  ['the portable network', portablePlatform()],
  ...(real.portable ? [] : [['the native network', real] as const]),
] as const)('the real gluster command and a server on %s', (_title, platform) => {
  const dir = mkdtempSync(join(tmpdir(), 'rpc-cli-'));
  const cleanups: (() => unknown)[] = [() => rmSync(dir, { recursive: true })];
  afterAll(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  it('understand each other, a callback in between', async () => {
    const log = new ListLogger();
    const server = new RpcServer({ platform, log, name: 'glusterd' });
    server.register(server.dumpProgram);
    server.register({
      ...GlusterCli.program,
      handlers: {
        [GlusterCli.LIST_VOLUME.number]: serve(GlusterCli.LIST_VOLUME, async (request, call) => {
          // It sends no dict at all: length 0.
          expect(request.dict).toBeUndefined();
          call.connection.callback(GlusterCallback.FETCHSPEC, undefined);
          return { op_ret: 0, op_errno: 0, op_errstr: '' as Bytes, dict: new Dict().setInt('count', 2).setStr('volume0', 'one').setStr('volume1', 'two') };
        }),
      },
    });
    const path = join(dir, 'glusterd.socket');
    await server.listen({ path });
    cleanups.push(() => server.close());
    const { stdout, code } = await new Promise<{ stdout: string; code: unknown }>((resolve) => {
      execFile('gluster', [`--glusterd-sock=${path}`, `--log-file=${join(dir, 'log')}`, 'volume', 'list'], (error, output) => resolve({ stdout: output, code: error?.code ?? 0 }));
    });
    expect(stdout).toBe('one\ntwo\n');
    expect(code).toBe(0);
    expect(log.lines).toEqual([]);
  });
});
