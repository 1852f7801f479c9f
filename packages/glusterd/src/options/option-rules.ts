import { parseInteger } from '@glusterts/libglusterfs';
import { leafCount, parseBool, subvolumeCount, type Volume, VolumeStatus, VolumeType } from '../volume.js';

/** The extra checks that glusterd itself makes on a pair, before any xlator is asked (spec/cli.md, §8). Texts of refusals. */
export function checkRules(volume: Volume | undefined, key: string, value: string, globals: ReadonlyMap<string, string>): string | undefined {
  if (booleansOfGlusterd.has(key) && parseBool(value) === undefined) return `${value} is not a valid boolean value. ${key} expects a valid boolean value.`;
  const global = checkGlobal(key, value, globals);
  if (global !== undefined || !volume) return global;
  return rules[key]?.(volume, value, key);
}

const booleansOfGlusterd = new Set([
  'client.strict-locks', 'features.worm', 'features.worm-file-level', 'features.worm-files-deletable', 'cluster.brick-multiplex', 'cluster.brick-graceful-cleanup', 'cluster.localtime-logging',
  'features.ctime', 'ctime.noatime', 'features.enforce-mandatory-lock',
]);

function checkGlobal(key: string, value: string, globals: ReadonlyMap<string, string>): string | undefined {
  const multiplexed = parseBool(globals.get('cluster.brick-multiplex')) ?? false;
  if (key === 'cluster.enable-shared-storage' && value !== 'enable' && value !== 'disable') return `Invalid option(${value}). Valid options are 'enable' and 'disable'`;
  if (key === 'cluster.daemon-log-level' && !['INFO', 'WARNING', 'ERROR', 'DEBUG', 'TRACE'].includes(value)) {
    return `Invalid option(${value}). Valid options are 'INFO' or 'WARNING' or 'ERROR' or 'DEBUG' or  'TRACE'`;
  }
  if (key === 'cluster.max-bricks-per-process' || key === 'glusterd.vol_count_per_thread') {
    if (!multiplexed) return 'Brick-multiplexing is not enabled. Please enable brick multiplexing before trying to set this option.';
    if (Number(value) === 1) return 'Brick-multiplexing is enabled. Please set this option to a value other than 1 to make use of the brick-multiplexing feature.';
  }
  return undefined;
}

type Rule = (volume: Volume, value: string, key: string) => string | undefined;

const onReplicate: Rule = (volume) => (volume.type === VolumeType.REPLICATE ? undefined : `Volume ${volume.name} is not of replicate type`);
const replicateOnly: Rule = (volume, _value, key) => (volume.type === VolumeType.REPLICATE ? undefined : `Cannot set ${key} for a non-replicate volume.`);
const disperseOnly: Rule = (volume, _value, key) => (volume.type === VolumeType.DISPERSE ? undefined : `Cannot set ${key} for a non-disperse volume.`);
const onDisperse: Rule = (volume) => (volume.type === VolumeType.DISPERSE ? undefined : `Volume ${volume.name} is not of disperse type`);
const stoppedOnly: Rule = (volume, _value, key) =>
  volume.status === VolumeStatus.STARTED ? `Changing '${key}' is not supported when the volume is in started state. Please stop the volume first.` : undefined;

const rules: Record<string, Rule> = {
  'cluster.metadata-self-heal': onReplicate,
  'cluster.data-self-heal': onReplicate,
  'cluster.entry-self-heal': onReplicate,
  'cluster.self-heal-daemon': onReplicate,
  'cluster.shd-max-threads': replicateOnly,
  'cluster.disperse-self-heal-daemon': onDisperse,
  'disperse.shd-max-threads': disperseOnly,
  'disperse.quorum-count': (volume, value, key) => {
    const count = parseInteger(value);
    if (count === undefined) return `${value} is not an integer. ${key} expects a valid integer value.`;
    const refusal = disperseOnly(volume, value, key);
    if (refusal !== undefined) return refusal;
    const data = volume.disperseCount - volume.redundancyCount;
    return count >= data && count <= volume.disperseCount ? undefined : `${count} for ${key} is out of range [${data} - ${volume.disperseCount}]`;
  },
  'cluster.quorum-count': (volume, value, key) => {
    const refusal = onReplicate(volume, value, key);
    if (refusal !== undefined) return refusal;
    const count = Number(value);
    return count >= 1 && count <= volume.replicaCount ? undefined : `${value} in ${key} ${value} is out of range [1 - ${volume.replicaCount}]`;
  },
  'cluster.subvols-per-directory': (volume, value) => {
    const subvolumes = subvolumeCount(volume);
    return Number(value) > subvolumes ? `subvols-per-directory(${Number(value)}) is greater than the number of subvolumes(${subvolumes}).` : undefined;
  },
  'cluster.lock-migration': (volume) =>
    leafCount(volume) > 1 ? 'Lock migration is a experimental feature. Currently works with pure distribute volume only' : undefined,
  'cluster.granular-entry-heal': (volume) =>
    volume.status === VolumeStatus.CREATED ? undefined : " 'gluster volume set <VOLNAME> cluster.granular-entry-heal {enable, disable}' is not supported. Use 'gluster volume heal <VOLNAME> granular-entry-heal {enable, disable}' instead.",
  'features.retention-mode': (_volume, value, key) =>
    value === 'relax' || value === 'enterprise' ? undefined : `The value of retention mode should be either relax or enterprise. But the value of ${key} is ${value}`,
  'features.snapshot-directory': (_volume, value, key) => (value.startsWith('.') ? undefined : `${key} expects value starting with '.' `),
  'features.trash-dir': (volume) =>
    parseBool(volume.options.get('features.trash')) ? undefined : `Trash translator is not enabled. Use volume set ${volume.name} trash on`,
  'features.quota-deem-statfs': (volume, _value, key) => (parseBool(volume.options.get('features.quota')) ? undefined : `Cannot set ${key}. Enable quota first.`),
  'config.transport': (_volume, value) => (['tcp', 'rdma', 'tcp,rdma', 'rdma,tcp'].includes(value) ? undefined : `transport-type ${value} does not exist`),
  'storage.linux-aio': stoppedOnly,
  'storage.linux-io_uring': stoppedOnly,
};
