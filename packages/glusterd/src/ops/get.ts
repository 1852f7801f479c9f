import type { Dict } from '@glusterts/libglusterfs';
import type { Glusterd } from '../glusterd.js';
import { OpError } from '../op-error.js';
import { didYouMean } from '../options/option-hint.js';
import { completeKey, recordsOf } from '../options/option-lookup.js';
import { isGlobalKey, type OptionRecord } from '../options/option-record.js';
import { optionTable } from '../options/option-table.js';
import { MAX_OP_VERSION } from '../store/node-store.js';
import { type Volume, VolumeType } from '../volume.js';

/** The cluster-wide keys, in the order of `get all all`, with what unset ones show. */
const globalKeys: readonly (readonly [string, string])[] = [
  ['cluster.server-quorum-ratio', '51'], ['cluster.enable-shared-storage', 'disable'], ['cluster.op-version', ''], ['cluster.max-op-version', ''], ['cluster.brick-multiplex', 'disable'],
  ['cluster.max-bricks-per-process', '250'], ['glusterd.vol_count_per_thread', '100'], ['cluster.localtime-logging', 'disable'], ['cluster.daemon-log-level', 'INFO'],
  ['cluster.brick-graceful-cleanup', 'disable'],
];
/** To the byte: the continuation lines' indentation is in the original's string. */
const GLOBAL_WARNING = ['Warning: support to get', 'global option value using volume get', '<volname>` will be deprecated from', 'next release. Consider using `volume', 'get all` instead for global options'].join(' '.repeat(41));

/** `volume get` (spec/cli.md, §6.6). */
export function getOptions(glusterd: Glusterd, request: Dict): Dict {
  const name = request.getStr('volname') ?? '';
  const given = request.getStr('key') ?? 'all';
  const dict = request.clone();
  const pairs = name === 'all' ? globalPairs(glusterd, given) : volumePairs(glusterd, name, given, dict);
  pairs.forEach(([key, value], at) => {
    dict.setStr(`key${at + 1}`, key);
    if (value !== undefined) dict.setStr(`value${at + 1}`, value);
  });
  return dict.setInt('count', pairs.length);
}

function globalPairs(glusterd: Glusterd, given: string): [string, string][] {
  if (given === 'all') return globalKeys.map(([key]) => [key, globalValue(glusterd, key)]);
  const key = globalKeys.some(([name]) => name === given) ? given : completeKey(given);
  if (key === undefined) throw new OpError(didYouMean(given), 0);
  if (!globalKeys.some(([name]) => name === key)) throw new OpError('Not a valid option for all volumes', 0);
  return [[key, globalValue(glusterd, key)]];
}

function globalValue(glusterd: Glusterd, key: string): string {
  if (key === 'cluster.op-version') return String(glusterd.node.opVersion);
  if (key === 'cluster.max-op-version') return String(MAX_OP_VERSION);
  return glusterd.node.options.get(key) ?? `${globalKeys.find(([name]) => name === key)?.[1] ?? '(null)'} (DEFAULT)`;
}

/** The pairs of a volume: those of one option, or all. `dict` may get a warning. */
export function volumePairs(glusterd: Glusterd, name: string, given: string, dict: Dict): [string, string | undefined][] {
  const volume = glusterd.find(name);
  if (!volume) throw new OpError(`Volume ${name} does not exist`, 0);
  if (given === 'all') {
    // A key that is in the table twice is listed twice.
    return optionTable.flatMap((record): [string, string][] => {
      const value = volumeValue(glusterd, volume, record);
      return value === undefined ? [] : [[record.key, value]];
    });
  }
  if (given.startsWith('user.')) {
    const value = volume.options.get(given);
    if (value === undefined) throw new OpError('', 0, -2);
    return [[given, value]];
  }
  const key = completeKey(given);
  if (key === undefined) throw new OpError(didYouMean(given), 0);
  if (isGlobalKey(key)) dict.setStr('warning', GLOBAL_WARNING);
  const values = recordsOf(key).map((record) => volumeValue(glusterd, volume, record));
  // One that isn't listed has a key without a value in the reply.
  return [[key, values.find((value) => value !== undefined)]];
}

/** Undefined: neither set nor listed. */
function volumeValue(glusterd: Glusterd, volume: Volume, record: OptionRecord): string | undefined {
  const set = volume.options.get(record.key) ?? (isGlobalKey(record.key) ? glusterd.node.options.get(record.key) : undefined);
  if (set !== undefined) return set;
  if (volume.type === VolumeType.DISPERSE && record.shownDisperse !== undefined) return record.shownDisperse;
  if (volume.type === VolumeType.REPLICATE && volume.replicaCount > 2 && record.shownReplica3 !== undefined) return record.shownReplica3;
  return record.shown;
}
