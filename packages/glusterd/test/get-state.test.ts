import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPlatform, Dict, GlusterLogger, LogLevel, type Bytes } from '@glusterts/libglusterfs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readConfig } from '../src/config.js';
import { Glusterd } from '../src/glusterd.js';
import { getState } from '../src/ops/get-state.js';
import { localSystem } from '../src/platform/local-system.js';
import { emptyVolume } from '../src/store/volume-files.js';
import { type Brick, VolumeStatus, VolumeType, type Volume } from '../src/volume.js';

const vectors = join(import.meta.dirname, 'vectors/get-state');
const read = (file: string): string => readFileSync(join(vectors, file), 'utf8');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'glusterd-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const OTHER_NODE = '99999999-9999-9999-9999-999999999999';
const TYPES: Readonly<Record<string, number>> = { Distribute: VolumeType.DISTRIBUTE, Replicate: VolumeType.REPLICATE, Disperse: VolumeType.DISPERSE };

/** The volume that a recorded state describes; its bricks of other nodes are those without a port. */
function volumeOf(lines: ReadonlyMap<string, string>, uuid: string): Volume {
  const number = (key: string): number => Number(lines.get(key));
  const text = (key: string): string => lines.get(key) ?? '';
  const volume = emptyVolume(text('name'));
  volume.id = text('id');
  volume.type = TYPES[text('type').replace('Distributed-', '')] ?? -1;
  volume.status = VolumeStatus[text('status').toUpperCase() as keyof typeof VolumeStatus];
  Object.assign(volume, { replicaCount: number('replica_count'), arbiterCount: number('arbiter_count'), disperseCount: number('disperse_count'), redundancyCount: number('redundancy_count') });
  volume.bricks = Array.from({ length: number('brickcount') }, (_, at): Brick => {
    const key = `Brick${at + 1}`;
    const path = text(`${key}.path`).slice(text(`${key}.hostname`).length + 1);
    return {
      uuid: lines.has(`${key}.port`) ? uuid : OTHER_NODE, hostname: text(`${key}.hostname`), path, realPath: path, port: lines.has(`${key}.port`) ? number(`${key}.port`) : 0, rdmaPort: 0, decommissioned: 0,
      id: `${volume.name}-client-${at}`, mountDir: '', devicePath: '', fsType: '', mountOptions: '', snapStatus: 0, fsid: '0',
    };
  });
  volume.options = new Map([...lines].filter(([key]) => key.startsWith('options.')).map(([key, value]): [string, string] => [key.slice('options.'.length), value]).reverse());
  return volume;
}

/** glusterd with what a recorded state says of its node. */
function glusterdOf(state: string): Glusterd {
  const platform = createPlatform();
  const config = readConfig('volume management\n    type mgmt/glusterd\n    option working-directory /var/lib/glusterd\nend-volume\n', new Map([['working-directory', directory], ['run-directory', directory]]), []);
  const glusterd = new Glusterd(platform, localSystem, config, GlusterLogger.create('management', { sink: () => undefined, clock: platform.clock, level: LogLevel.NONE }));
  glusterd.node.uuid = /^MYUUID: (.*)$/m.exec(state)?.[1] ?? '';
  glusterd.node.opVersion = Number(/^op-version: (.*)$/m.exec(state)?.[1]);
  const globals = /\[Global options\]\n([^]*?)\n\n/.exec(state)?.[1] ?? '';
  for (const line of globals.split('\n').filter((each) => each.includes(': ')).reverse()) glusterd.node.options.set(line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2));
  const volumes = new Map<string, Map<string, string>>();
  for (const [, name = '', key = '', value = ''] of state.matchAll(/^(Volume\d+)\.([^:]+): (.*)$/gm)) volumes.set(name, (volumes.get(name) ?? new Map<string, string>()).set(key, value));
  glusterd.volumes = [...volumes.values()].map((lines) => volumeOf(lines, glusterd.uuid));
  for (const [name, lines] of volumes) {
    glusterd.volumes[Number(name.slice('Volume'.length)) - 1]?.bricks.forEach((brick, at) => {
      if (lines.get(`Brick${at + 1}.port_registered`) === '1') glusterd.portmap.signIn(brick.path, brick.port, undefined);
    });
  }
  return glusterd;
}

/** What the recording has of disks, processes and parts that are not here: peers, the self-heal daemon, snapshots, bricks that were replaced. */
function comparable(state: string): string {
  return state
    .replace(/^Peer\d+\..*\n/gm, '')
    .replace(/^(Volume\d+\.Brick\d+\.(?:spacefree|spacetotal|status)): .*$/gm, '$1: X')
    .replace(/^Volume\d+\.Brick\d+\.(?:client_count|Client\d+\.\w+): .*\n/gm, '')
    .replace(/^Volume\d+\.replace_brick\..*\n/gm, '')
    .replace(/^(Volume\d+\.(?:shd_svc|snapd_svc)\.\w+): .*$/gm, '$1: X');
}

describe.each(['glusterd-get-state.txt', 'get-state.txt', 'get-state-detail.txt'])('%s', (file) => {
  test('the state of the recorded volumes is written as recorded, line for line', async () => {
    const recorded = read(file);
    const glusterd = glusterdOf(recorded);
    const request = new Dict().setStr('odir', directory as Bytes).setStr('filename', 'state' as Bytes);
    const { dict } = await getState(glusterd, file.includes('detail') ? request.setInt('getstate-cmd', 1) : request);
    expect(dict.getStr('ofilepath')).toBe(`${directory}/state`);
    expect(comparable(readFileSync(join(directory, 'state'), 'utf8'))).toBe(comparable(recorded));
  });
});

test('every option of a volume is listed, the last first, as recorded', async () => {
  const glusterd = glusterdOf(read('get-state.txt'));
  await getState(glusterd, new Dict().setStr('odir', directory as Bytes).setStr('filename', 'state' as Bytes).setInt('getstate-cmd', 2));
  const head = read('get-state-volumeoptions-head.txt');
  // The recording is cut within a line.
  const lines = head.slice(0, head.lastIndexOf('\n')).split('\n');
  expect(readFileSync(join(directory, 'state'), 'utf8').split('\n').slice(0, lines.length)).toEqual(lines);
});
