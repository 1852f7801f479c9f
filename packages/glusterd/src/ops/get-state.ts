import { type Bytes, Dict } from '@glusterts/libglusterfs';
import { askBrickStatus } from '../brick-queries.js';
import type { Glusterd } from '../glusterd.js';
import { OpError } from '../op-error.js';
import { type Brick, brickName, leafCount, parseBool, subvolumeCount, type Volume, VolumeStatus, VolumeType } from '../volume.js';
import { volumePairs } from './get.js';
import type { OpResult } from './operation.js';
import { StatusCmd } from './status.js';

const Extent = { DETAIL: 1, VOLUME_OPTIONS: 2 } as const;
const STATUS_NAMES = ['Created', 'Started', 'Stopped'];
const TRANSPORT_NAMES = ['tcp', 'rdma', 'tcp,rdma'];
/** Daemons of the node, none of which this release starts. */
const SERVICES = ['bitd', 'scrub', 'quotad'];

/** `get-state`: the daemon's state in a file of `[Section]`s and `key: value` lines (spec/glusterd.md, §16; spec/cli.md, §6.20). */
export async function getState(glusterd: Glusterd, request: Dict): Promise<OpResult> {
  const { files } = glusterd.system;
  const given = request.getStr('odir') ?? `${glusterd.config.rundir}/`;
  const directory = given.endsWith('/') ? given : `${given}/`;
  if (!files.isDirectory(directory)) throw new OpError(`Output directory ${given} does not exist.`, 0);
  const name = request.getStr('filename') ?? `glusterd_state_${timestamp(glusterd)}`;
  const path = `${directory}${name}`;
  const extent = request.getNumber('getstate-cmd');
  const lines = extent === Extent.VOLUME_OPTIONS ? optionLines(glusterd) : await stateLines(glusterd, extent === Extent.DETAIL);
  try {
    files.overwrite(path, lines.map((line) => `${line}\n`).join(''));
  } catch {
    throw new OpError(`Failed to open file at ${path}`, 0);
  }
  return { dict: request.clone().setStr('ofilepath', path as Bytes) };
}

/** `YYYYMMDD_HHMMSS`, local time. */
function timestamp(glusterd: Glusterd): string {
  const time = new Date(glusterd.platform.clock.realtime().sec * 1000);
  const two = (number: number): string => String(number).padStart(2, '0');
  return `${time.getFullYear()}${two(time.getMonth() + 1)}${two(time.getDate())}_${two(time.getHours())}${two(time.getMinutes())}${two(time.getSeconds())}`;
}

async function stateLines(glusterd: Glusterd, detail: boolean): Promise<string[]> {
  const lines = ['[Global]', `MYUUID: ${glusterd.uuid}`, `op-version: ${glusterd.node.opVersion}`, '', '[Global options]'];
  for (const [key, value] of [...glusterd.node.options].reverse()) lines.push(`${key}: ${value}`);
  lines.push('', '[Peers]', '', '[Volumes]');
  for (const [at, volume] of glusterd.volumes.entries()) lines.push(...(await volumeLines(glusterd, volume, `Volume${at + 1}`, detail)), '');
  lines.push('', '[Services]', ...SERVICES.flatMap((name, at) => [`svc${at + 1}.name: ${name}`, `svc${at + 1}.online_status: Offline`, '']));
  return [...lines, '', '[Misc]', `Base port: ${glusterd.config.basePort}`];
}

function typeName(volume: Volume): string {
  const name = volume.type === VolumeType.REPLICATE ? 'Replicate' : volume.type === VolumeType.DISPERSE ? 'Disperse' : 'Distribute';
  return leafCount(volume) > 1 && volume.bricks.length > leafCount(volume) ? `Distributed-${name}` : name;
}

async function volumeLines(glusterd: Glusterd, volume: Volume, key: string, detail: boolean): Promise<string[]> {
  const on = (option: string): boolean => parseBool(volume.options.get(option)) ?? false;
  const profiled = on('diagnostics.latency-measurement') && on('diagnostics.count-fop-hits');
  const started = volume.status !== VolumeStatus.CREATED;
  const head: [string, string | number][] = [
    ['name', volume.name], ['id', volume.id], ['type', typeName(volume)], ['transport_type', TRANSPORT_NAMES[volume.transportType] ?? 'tcp'], ['status', STATUS_NAMES[volume.status] ?? ''],
    ['profile_enabled', profiled ? 1 : 0], ['brickcount', volume.bricks.length],
  ];
  const { nodeState } = volume;
  const counted = (name: string): string => nodeState.get(name) ?? '0';
  const tail: [string, string | number][] = [
    ['snap_count', 0], ['stripe_count', 1], ['replica_count', volume.replicaCount], ['subvol_count', subvolumeCount(volume)], ['arbiter_count', volume.arbiterCount],
    ['disperse_count', volume.disperseCount], ['redundancy_count', volume.redundancyCount], ['quorum_status', volume.options.get('cluster.server-quorum-type') === 'server' ? 'meets' : 'not_applicable'],
    ['snapd_svc.online_status', 'Offline'], ['snapd_svc.inited', started ? 'True' : 'False'],
    ['rebalance.id', nodeState.get('rebalance-id') ?? ''], ['rebalance.status', 'not_started'], ['rebalance.failures', counted('failures')], ['rebalance.skipped', counted('skipped')],
    ['rebalance.lookedup', counted('scanned')], ['rebalance.files', counted('rebalanced-files')], ['rebalance.data', `${counted('size')}Bytes`], ['time_left', 0],
    ['shd_svc.online_status', 'Offline'], ['shd_svc.inited', 'False'], ['gsync_count', 0],
    ...[...volume.options].reverse().map(([option, value]): [string, string] => [`options.${option}`, value]),
  ];
  const bricks = await Promise.all(volume.bricks.map((brick, at) => brickLines(glusterd, volume, brick, `${key}.Brick${at + 1}`, detail)));
  const line = ([name, value]: [string, string | number]): string => `${key}.${name}: ${value}`;
  return [...head.map(line), ...bricks.flat(), ...tail.map(line)];
}

async function brickLines(glusterd: Glusterd, volume: Volume, brick: Brick, key: string, detail: boolean): Promise<string[]> {
  const lines: [string, string | number | bigint][] = [['path', brickName(brick)], ['hostname', brick.hostname]];
  if (brick.uuid === glusterd.uuid) {
    const running = glusterd.bricks.pid(volume, brick) !== undefined;
    lines.push(['port', brick.port], ['rdma_port', brick.rdmaPort], ['port_registered', glusterd.portmap.find(brick.path) === undefined ? 0 : 1], ['status', running ? 'Started' : 'Stopped']);
    lines.push(...spaceLines(glusterd, brick));
    if (detail && volume.status === VolumeStatus.STARTED) lines.push(...(await clientLines(glusterd, volume, brick)));
  }
  return lines.map(([name, value]) => `${key}.${name}: ${value}`);
}

function spaceLines(glusterd: Glusterd, brick: Brick): [string, string][] {
  try {
    const { bavail, blocks, frsize } = glusterd.platform.storage.statvfs(brick.path as Bytes);
    const bytes = (count: number | bigint): string => `${BigInt(count) * BigInt(frsize)}Bytes`;
    return [['spacefree', bytes(bavail)], ['spacetotal', bytes(blocks)]];
  } catch {
    return [['spacefree', '0Bytes'], ['spacetotal', '0Bytes']];
  }
}

/** Who is connected to a brick; nothing when nobody is. */
async function clientLines(glusterd: Glusterd, volume: Volume, brick: Brick): Promise<[string, string | number][]> {
  const request = new Dict().setInt('cmd', StatusCmd.CLIENTS).setStr('volname', volume.name as Bytes);
  const { dict: answer } = await askBrickStatus(glusterd, volume, brick, request);
  const count = answer?.getNumber('clientcount') ?? 0;
  if (!answer || count === 0) return [];
  const lines: [string, string | number][] = [['client_count', count]];
  for (let at = 0; at < count; at++) {
    for (const name of ['hostname', 'bytesread', 'byteswrite', 'opversion']) lines.push([`Client${at + 1}.${name}`, answer.getStr(`client${at}.${name}`) ?? '']);
  }
  return lines;
}

/** Every option of every volume, the last first. */
function optionLines(glusterd: Glusterd): string[] {
  const lines = ['[Volume Options]'];
  for (const [at, volume] of glusterd.volumes.entries()) {
    const key = `Volume${at + 1}`;
    const pairs = volumePairs(glusterd, volume.name, 'all', new Dict());
    lines.push(`${key}.name: ${volume.name}`, `${key}.options.count: ${pairs.length}`);
    for (let option = pairs.length; option > 0; option--) {
      const [name, value] = pairs[option - 1] ?? ['', ''];
      lines.push(`${key}.options.value${option}: ${value ?? ''}`, `${key}.options.key${option}: ${name}`);
    }
  }
  return lines;
}
