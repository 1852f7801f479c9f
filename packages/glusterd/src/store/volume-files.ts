import { isKnownOption } from '../options/option-lookup.js';
import type { Brick, Volume } from '../volume.js';
import { brickFileName, newNodeState, nullUuid, VolumeType } from '../volume.js';
import { formatKeyValues, parseKeyValues, StoreError } from './key-values.js';

type Pairs = [string, string | number][];

/** Text of a volume's `info` (spec/glusterd.md, §3.5). */
export function formatInfo(volume: Volume, opVersion: number): string {
  const pairs: Pairs = [
    ['type', volume.type], ['count', volume.bricks.length], ['status', volume.status], ['sub_count', volume.subCount], ['replica_count', volume.replicaCount],
  ];
  if (opVersion < 100000) pairs.push(['stripe_count', 1]);
  if (volume.arbiterCount > 0) pairs.push(['arbiter_count', volume.arbiterCount]);
  pairs.push(
    ['disperse_count', volume.disperseCount], ['redundancy_count', volume.redundancyCount], ['version', volume.version], ['transport-type', volume.transportType],
    ['volume-id', volume.id], ['username', volume.username], ['password', volume.password], ['op-version', volume.opVersion], ['client-op-version', volume.clientOpVersion],
    ['quota-version', volume.quotaVersion], ['tier-enabled', 0],
  );
  if (volume.thinArbiterCount > 0) pairs.push(['thin_arbiter_count', volume.thinArbiterCount]);
  pairs.push(['parent_volname', volume.parentVolname], ['restored_from_snap', volume.restoredFromSnap], ['snap-max-hard-limit', volume.snapMaxHardLimit]);
  pairs.push(...[...volume.options].reverse(), ...volume.secondaries);
  volume.bricks.forEach((brick, at) => pairs.push([`brick-${at}`, brickFileName(brick)]));
  if (volume.thinArbiter) pairs.push(['ta-brick-0', brickFileName(volume.thinArbiter)]);
  return formatKeyValues(pairs);
}

/** Text of a brick's file (spec/glusterd.md, §3.6). */
export function formatBrick(brick: Brick): string {
  const pairs: Pairs = [
    ['uuid', brick.uuid], ['hostname', brick.hostname], ['path', brick.path], ['real_path', brick.realPath], ['listen-port', brick.port],
    ['rdma.listen-port', brick.rdmaPort], ['decommissioned', brick.decommissioned], ['brick-id', brick.id],
  ];
  const rest: Pairs = [['device_path', brick.devicePath], ['mount_dir', brick.mountDir], ['fs-type', brick.fsType], ['mnt-opts', brick.mountOptions]];
  pairs.push(...rest.filter(([, value]) => value !== ''), ['snap-status', brick.snapStatus], ['brick-fsid', brick.fsid]);
  return formatKeyValues(pairs);
}

/** Reads back what {@link formatBrick} writes; ports below `basePort` count as none. */
export function parseBrick(text: string, file: string, basePort: number): Brick {
  const values = new Map(parseKeyValues(text, file));
  const required = (key: string): string => {
    const value = values.get(key);
    if (value === undefined) throw new StoreError(`${file}: no ${key}`);
    return value;
  };
  const port = (key: string): number => {
    const value = Number(values.get(key) ?? '0');
    return value < basePort ? 0 : value;
  };
  const path = required('path');
  return {
    uuid: values.get('uuid') ?? nullUuid, hostname: required('hostname'), path, realPath: values.get('real_path') ?? path, port: port('listen-port'), rdmaPort: port('rdma.listen-port'),
    decommissioned: Number(values.get('decommissioned') ?? '0'), id: values.get('brick-id') ?? '', mountDir: values.get('mount_dir') ?? '', devicePath: values.get('device_path') ?? '',
    fsType: values.get('fs-type') ?? '', mountOptions: values.get('mnt-opts') ?? '', snapStatus: Number(values.get('snap-status') ?? '0'), fsid: values.get('brick-fsid') ?? '0',
  };
}

/** What `info` says, with the names of the brick files still to be read. */
export interface ParsedInfo {
  readonly volume: Volume;
  readonly brickFiles: readonly string[];
  readonly thinArbiterFile: string | undefined;
  /** Lines that were neither keys nor options, for the log. */
  readonly unknown: readonly string[];
}

/** Keys of `info` that are numbers, and the fields they fill. */
const numbers = {
  type: 'type', status: 'status', sub_count: 'subCount', replica_count: 'replicaCount', arbiter_count: 'arbiterCount', disperse_count: 'disperseCount',
  redundancy_count: 'redundancyCount', version: 'version', 'transport-type': 'transportType', 'op-version': 'opVersion', 'client-op-version': 'clientOpVersion',
  'quota-version': 'quotaVersion', thin_arbiter_count: 'thinArbiterCount', 'snap-max-hard-limit': 'snapMaxHardLimit',
} as const satisfies Record<string, keyof Volume>;
const texts = { 'volume-id': 'id', username: 'username', password: 'password', parent_volname: 'parentVolname', restored_from_snap: 'restoredFromSnap' } as const satisfies Record<string, keyof Volume>;
const ignored = new Set(['count', 'stripe_count', 'tier-enabled', 'features.limit-usage', 'caps']);

/** A volume with nothing in it yet. */
export function emptyVolume(name: string): Volume {
  return {
    name, type: VolumeType.DISTRIBUTE, status: 0, bricks: [], thinArbiter: undefined, subCount: 0, replicaCount: 1, arbiterCount: 0, thinArbiterCount: 0, disperseCount: 0, redundancyCount: 0,
    version: 1, transportType: 0, id: nullUuid, username: '', password: '', opVersion: 0, clientOpVersion: 0, quotaVersion: 0, parentVolname: 'N/A', restoredFromSnap: nullUuid,
    snapMaxHardLimit: 256, options: new Map(), secondaries: new Map(), nodeState: newNodeState(), snapdPort: 0,
  };
}

/** Reads back what {@link formatInfo} writes. */
export function parseInfo(name: string, text: string, file: string): ParsedInfo {
  const volume = emptyVolume(name);
  const brickFiles: string[] = [];
  const unknown: string[] = [];
  let thinArbiterFile: string | undefined;
  for (const [key, value] of parseKeyValues(text, file)) {
    const brick = /^brick-([0-9]+)$/.exec(key);
    if (Object.hasOwn(numbers, key)) volume[numbers[key as keyof typeof numbers]] = Number(value);
    else if (Object.hasOwn(texts, key)) volume[texts[key as keyof typeof texts]] = value;
    else if (brick) brickFiles[Number(brick[1])] = value;
    else if (key === 'ta-brick-0') thinArbiterFile = value;
    else if (/^(secondary|slave)[0-9]+$/.test(key)) volume.secondaries.set(key.replace('slave', 'secondary'), value);
    else if (ignored.has(key)) continue;
    else if (isKnownOption(key)) volume.options.set(key, value);
    else unknown.push(key);
  }
  if (volume.type === VolumeType.REPLICATE) volume.replicaCount = volume.subCount;
  if (volume.type === VolumeType.DISTRIBUTE) volume.replicaCount = 1;
  for (let at = 0; at < brickFiles.length; at++) if (brickFiles[at] === undefined) throw new StoreError(`${file}: no brick-${at}`);
  return { volume, brickFiles, thinArbiterFile, unknown };
}
