import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bytes, createPlatform, Dict, GlusterLogger, LogLevel } from '@glusterts/libglusterfs';
import { type GfCliReq, type GfCliRsp, GlusterCli, RpcClient, type RpcProcedure, RpcServer } from '@glusterts/rpc-xdr';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../src/config.js';
import { Glusterd } from '../src/glusterd.js';
import { setDefaultOptions } from '../src/ops/create.js';
import { localSystem } from '../src/platform/local-system.js';
import { cliService } from '../src/rpc/cli-program.js';
import { emptyVolume } from '../src/store/volume-files.js';
import { type Brick, type Volume, VolumeStatus, VolumeType } from '../src/volume.js';

type Pairs = readonly (readonly [string, string | { readonly hex: string }])[];
interface Rpc { readonly proc: number; readonly request_dict?: Pairs; readonly op_ret: number; readonly op_errno: number; readonly op_errstr: string; readonly reply_dict?: Pairs }
interface Vector { readonly name: string; readonly argv: readonly string[]; readonly stdout: string; readonly rpc?: readonly Rpc[] | null }

const vectors: readonly Vector[] = JSON.parse(readFileSync(join(import.meta.dirname, 'vectors/cli/options.json'), 'utf8'));
const UUID = '55f454f1-80cd-47ec-af91-422a3978261f';
const procedures = new Map<number, RpcProcedure<GfCliReq, GfCliRsp>>([GlusterCli.SET_VOLUME, GlusterCli.RESET_VOLUME, GlusterCli.GET_VOL_OPT].map((procedure) => [procedure.number, procedure]));

/** What the original's transaction leaves in its replies for its own peers; no client reads it. */
const OF_THE_TRANSACTION = /^(vol-id|originator_uuid|transaction_id|sync-mgmt-operation|check-op-version|new-op-version|op-version\d+|is_synctasked|max-opversion|is-special-key)$/;

/** Replies of 10.3 that ours don't give, and why. */
const APART: Readonly<Record<string, string>> = {
  'set-global-q': 'brick multiplexing is not built, and refuses',
  'set-global': 'belongs to brick multiplexing',
  'set-brick-mux-1': 'belongs to brick multiplexing',
  'get-all-all': 'shows what brick multiplexing was set to', 'get-all-all-xml': 'shows what brick multiplexing was set to', 'get-defaults-global': 'shows what brick multiplexing was set to',
  'get-global-on-vol': 'shows what brick multiplexing was set to',
};

const kept = vectors.filter((vector) => vector.rpc?.some(({ proc }) => procedures.has(proc)));
console.warn(`options.json: ${kept.filter(({ name }) => name in APART).length} of ${kept.length} requests to glusterd are not compared with: brick multiplexing`);

/** The recording's volumes, with bricks below one directory, all of this node: whose they are doesn't matter to options. */
function volumesOf(glusterd: Glusterd, directory: string): Volume[] {
  const make = (name: string, type: number, count: number, started: boolean): Volume => {
    const volume = emptyVolume(name);
    Object.assign(volume, { type, status: started ? VolumeStatus.STARTED : VolumeStatus.CREATED, id: glusterd.newUuid(), username: glusterd.newUuid(), password: glusterd.newUuid() });
    if (type === VolumeType.REPLICATE) Object.assign(volume, { replicaCount: count, subCount: count });
    if (type === VolumeType.DISPERSE) Object.assign(volume, { disperseCount: count, redundancyCount: 1, subCount: count });
    volume.bricks = Array.from({ length: count }, (_, at): Brick => {
      const path = `/d/${name.slice(1)}${at + 1}`;
      return {
        uuid: UUID, hostname: 'clia', path, realPath: path, port: 0, rdmaPort: 0, decommissioned: 0, id: `${name}-client-${at}`, mountDir: directory, devicePath: '', fsType: '', mountOptions: '', snapStatus: 0, fsid: '0',
      };
    });
    setDefaultOptions(volume, glusterd);
    return volume;
  };
  const { DISTRIBUTE, DISPERSE, REPLICATE } = VolumeType;
  return [make('vd', DISTRIBUTE, 2, true), make('ve', DISPERSE, 3, true), make('vf', DISTRIBUTE, 2, false), make('vr', REPLICATE, 3, true), make('vx', REPLICATE, 3, false)];
}

describe('the recorded set, reset and get requests, one after the other, to our glusterd', () => {
  let directory: string;
  let server: RpcServer;
  let client: RpcClient;
  let glusterd: Glusterd;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'glusterd-'));
    const platform = createPlatform();
    const log = GlusterLogger.create('management', { sink: () => undefined, clock: platform.clock, level: LogLevel.NONE });
    const settings = new Map([['working-directory', directory], ['run-directory', `${directory}/run`], ['logging-directory', `${directory}/log`]]);
    glusterd = new Glusterd(platform, localSystem, readConfig('volume management\n    type mgmt/glusterd\n    option base-port 49152\nend-volume\n', settings, []), log);
    glusterd.restore();
    glusterd.node.uuid = UUID;
    glusterd.volumes = volumesOf(glusterd, directory);
    for (const volume of glusterd.volumes) glusterd.commit(volume, { newVersion: false });
    server = new RpcServer({ platform, log, name: 'glusterd' });
    server.register(cliService(glusterd, 'unix'));
    await server.listen({ path: `${directory}/socket` });
    await new Promise<void>((resolve) => {
      client = new RpcClient({ platform, log, name: 'cli', address: { path: `${directory}/socket` }, reconnectDelayMs: false, onConnect: () => resolve() });
      client.connect();
    });
  });
  afterAll(async () => {
    client.disconnect();
    await server.close();
    rmSync(directory, { recursive: true });
  });

  test.each(kept)('$name: $argv', async ({ name, stdout, rpc }) => {
    if (name in APART) return;
    for (const call of rpc ?? []) {
      const procedure = procedures.get(call.proc);
      if (!procedure) continue;
      const dict = new Dict();
      for (const [key, value] of [...(call.request_dict ?? [])].reverse()) if (typeof value === 'string') dict.setStr(key, value as Bytes);
      const reply = await client.invoke(procedure, { dict });
      expect({ op_ret: reply.op_ret, op_errno: reply.op_errno, op_errstr: reply.op_errstr }).toEqual({ op_ret: call.op_ret, op_errno: call.op_errno, op_errstr: call.op_errstr });
      const recorded = (call.reply_dict ?? []).filter(([key]) => !OF_THE_TRANSACTION.test(key));
      if (recorded[0]?.[0] === '(elided)') {
        // The whole list was left out of the recording, but is in what was printed.
        if (!stdout.startsWith('<?xml')) expect(withoutMultiplexing(rows(reply.dict ?? new Dict()))).toBe(withoutMultiplexing(stdout));
        continue;
      }
      const ours = (reply.dict?.entries() ?? []).filter(([key]) => !OF_THE_TRANSACTION.test(key)).map(([key]) => [key, reply.dict?.getStr(key)]);
      const help = (text: string | undefined): string | undefined => text?.replace(/^Description: .*$/gm, 'Description: (elided)').replace(/<description>[^<]*<\/description>/g, '<description>(elided)</description>');
      const sorted = (pairs: readonly (readonly [string, unknown])[]): unknown[] => pairs.map(([key, value]) => [key, key === 'help-str' ? help(String(value)) : value]).sort();
      expect(sorted(ours as [string, unknown][])).toEqual(sorted(recorded.map(([key, value]) => [key, key === 'help-str' ? stdout.replace(/\n$/, '') : value])));
    }
  });
});

const withoutMultiplexing = (text: string): string => text.replace(/^cluster\.brick-multiplex .*\n/m, '');

/** A reply of `get` as the CLI prints it. */
function rows(dict: Dict): string {
  const line = (key: string, value: string): string => `${key.padEnd(40)} ${value.padEnd(39)}\n`;
  const lines = Array.from({ length: dict.getNumber('count') ?? 0 }, (_, at) => line(dict.getStr(`key${at + 1}`) ?? '', dict.getStr(`value${at + 1}`) ?? ''));
  return line('Option', 'Value') + line('------', '-----') + lines.join('');
}
