import type { Dict } from '@glusterts/libglusterfs';
import type { Glusterd } from '../glusterd.js';
import { OpError } from '../op-error.js';
import { judgeValue } from '../options/option-check.js';
import { didYouMean } from '../options/option-hint.js';
import { optionHelp, optionHelpXml } from '../options/option-help.js';
import { completeKey, recordsOf } from '../options/option-lookup.js';
import { isGlobalKey } from '../options/option-record.js';
import { checkRules } from '../options/option-rules.js';
import { MAX_OP_VERSION } from '../store/node-store.js';
import { parseBool, type Volume } from '../volume.js';
import { setDefaultOptions } from './create.js';
import { busyText, type OpResult } from './operation.js';

const PAIRS_MAX = 1000;
const ALL = 'all';

/** The pairs of a request. `count` is twice their number, or not: it isn't trusted (spec/glusterd.md, §11.3). */
function readPairs(request: Dict): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 1; at <= PAIRS_MAX; at++) {
    const key = request.getStr(`key${at}`);
    const value = request.getStr(`value${at}`);
    if (key === undefined || value === undefined) break;
    if (/[\n\0]/.test(key + value)) throw new OpError('Options hold no newlines');
    pairs.push([key, value]);
  }
  return pairs;
}

/** `volume set`. */
export async function setOptions(glusterd: Glusterd, request: Dict): Promise<OpResult> {
  const name = request.getStr('volname') ?? '';
  if (request.has('help')) return { dict: request.clone().setStr('help-str', optionHelp()) };
  if (request.has('help-xml')) return { dict: request.clone().setStr('help-str', optionHelpXml()) };
  const volume = name === ALL ? undefined : glusterd.need(name);
  return glusterd.locked(volume ? name : '*', volume ? busyText(name) : busyText(ALL), async () => {
    const pairs = readPairs(request).map(([key, value]): [string, string] => [checkPair(glusterd, volume, key, value), value]);
    const dict = request.clone();
    if (!volume) {
      setGlobals(glusterd, pairs);
      return { dict };
    }
    const changed: Volume = { ...volume, options: new Map([...volume.options, ...pairs]) };
    checkGraphs(glusterd, changed, pairs);
    const words = pairs.flatMap(([key, value]) => ['-o', `${key}=${value}`]);
    await glusterd.hooks('set', 'pre', name, [...words, `--gd-workdir=${glusterd.config.workdir}`]);
    volume.options = changed.options;
    glusterd.commit(volume, { newVersion: true });
    await glusterd.hooks('set', 'post', name, [...words, `--gd-workdir=${glusterd.config.workdir}`]);
    return { dict: dict.setStr('vol-id', volume.id) };
  });
}

/** The full key of a pair that may be set, judged in the order that decides which refusal is shown (spec/cli.md, §8). */
function checkPair(glusterd: Glusterd, volume: Volume | undefined, given: string, value: string): string {
  if (['features.quota', 'features.inode-quota'].includes(given)) {
    const words = given === 'features.quota' ? 'quota' : 'inode-quota';
    throw new OpError(` 'gluster volume set <VOLNAME> ${given} ${value}' is deprecated. Use 'gluster volume ${words} <VOLNAME> ${parseBool(value) ? 'enable' : 'disable'}' instead.`);
  }
  if (given === 'features.bitrot') throw new OpError(" 'gluster volume set <VOLNAME> features.bitrot' is invalid command. Use 'gluster volume bitrot <VOLNAME> {enable|disable}' instead.");
  if (given.startsWith('user.') && volume) return given;
  const key = completeKey(given);
  if (key === undefined) throw new OpError(`option : ${given} does not exist\n${didYouMean(given)}`);
  const records = recordsOf(key);
  const global = isGlobalKey(key);
  if (key === 'cluster.op-version') checkOpVersion(glusterd, volume, value);
  else if (volume && global) throw new OpError('Not a valid option for single volume');
  else if (!volume && !global) throw new OpError('Not a valid option for all volumes');
  const refusal = checkRules(volume, key, value, glusterd.node.options);
  if (refusal !== undefined) throw new OpError(refusal);
  if (key !== 'cluster.op-version') {
    for (const record of records) {
      // glusterd judges its own options; those of xlators are judged by the graph that has them.
      if (volume && record.xlator !== 'mgmt/glusterd') continue;
      const wrong = judgeValue(record, record.option, value);
      if (wrong !== undefined) throw new OpError(wrong);
    }
  }
  return key;
}

function checkOpVersion(glusterd: Glusterd, volume: Volume | undefined, value: string): void {
  if (volume) throw new OpError('Option "cluster.op-version" is not valid for a single volume');
  const wanted = Number(value);
  const current = glusterd.node.opVersion;
  if (!Number.isInteger(wanted) || wanted > MAX_OP_VERSION) throw new OpError(`Required op_version (${value}) is not supported. Max supported op version is ${MAX_OP_VERSION}`);
  if (wanted <= current) throw new OpError(`Required op-version (${wanted}) should not be equal or lower than current cluster op-version (${current}).`);
}

/** Generates the files with the change, and lets each xlator that is in them judge its options. */
function checkGraphs(glusterd: Glusterd, changed: Volume, pairs: readonly (readonly [string, string])[]): void {
  let volfiles: Map<string, string>;
  try {
    volfiles = glusterd.volfilesOf(changed);
  } catch (error) {
    glusterd.log.error(106084, `${changed.name}: ${String(error)}`);
    throw new OpError('Commit failed on localhost. Please check the log file for more details.');
  }
  const names = new Set([...volfiles.values()].flatMap((text) => [...text.matchAll(/^volume (.*)$/gm)].map((match) => match[1])));
  const types = new Set([...volfiles.values()].flatMap((text) => [...text.matchAll(/^ {4}type (.*)$/gm)].map((match) => match[1])));
  for (const [key, value] of pairs) {
    for (const record of recordsOf(key)) {
      const switches = record.option === '!perf' || record.option === '!features' || record.option === '!shard';
      if (switches && parseBool(value) === undefined) throw new OpError('Error, Validation Failed');
      if (!types.has(record.xlator)) continue;
      const special = record.option === '!server-auth' ? `auth.addr.${changed.bricks[0]?.path}.${key.slice(key.lastIndexOf('.') + 1)}` : record.option.replace(/^!(client-|brick-)?/, '');
      const wrong = record.type === 'xlator' && !names.has(value) ? `option ${special} ${value}: '${value}' is not a valid volume name` : judgeValue(record, special, value);
      if (wrong !== undefined) throw new OpError(wrong);
    }
  }
}

function setGlobals(glusterd: Glusterd, pairs: readonly (readonly [string, string])[]): void {
  const { node } = glusterd;
  const opVersion = pairs.find(([key]) => key === 'cluster.op-version')?.[1];
  if (opVersion !== undefined) {
    if (pairs.length > 1) throw new OpError('Option "cluster.op-version" cannot be set along with other options');
    node.opVersion = Number(opVersion);
    node.storeInfo();
    for (const volume of glusterd.volumes) glusterd.commit(volume, { newVersion: false });
  }
  if (pairs.some(([key, value]) => key === 'cluster.brick-multiplex' && parseBool(value))) throw new OpError('Brick multiplexing is not supported');
  if (pairs.some(([key, value]) => key === 'cluster.enable-shared-storage' && value === 'enable')) throw new OpError('Shared storage is not supported');
  for (const [key, value] of pairs) node.options.set(key, value);
  node.optionsVersion++;
  node.storeOptions();
}

/** `volume reset` of one option or of all. */
export async function resetOptions(glusterd: Glusterd, request: Dict): Promise<OpResult> {
  const name = request.getStr('volname') ?? '';
  const volume = name === ALL ? undefined : glusterd.need(name);
  return glusterd.locked(volume ? name : '*', volume ? busyText(name) : busyText(ALL), async () => {
    const force = request.getNumber('force') === 1;
    const key = resetKey(request.getStr('key') ?? ALL);
    const dict = request.clone();
    if (!volume) {
      resetGlobals(glusterd, key);
      return { dict };
    }
    await glusterd.hooks('reset', 'pre', name, ['--version=1', '--volume-op=reset', `--gd-workdir=${glusterd.config.workdir}`]);
    const note = resetVolume(glusterd, volume, key, force);
    glusterd.commit(volume, { newVersion: true });
    await glusterd.hooks('reset', 'post', name, ['--version=1', '--volume-op=reset', `--gd-workdir=${glusterd.config.workdir}`]);
    return { dict: dict.setStr('vol-id', volume.id), note };
  });
}

function resetKey(given: string): string {
  if (given === ALL || given.startsWith('user.')) return given;
  if (['features.quota', 'features.inode-quota'].includes(given)) {
    throw new OpError(`'gluster volume reset <VOLNAME> ${given}' is deprecated. Use 'gluster volume quota <VOLNAME> disable' instead.`);
  }
  const key = completeKey(given);
  if (key === undefined) throw new OpError(`Option ${given} does not exist\n${didYouMean(given)}`);
  return key;
}

function resetVolume(glusterd: Glusterd, volume: Volume, key: string, force: boolean): string | undefined {
  const has = (each: string, flag: 'force' | 'neverReset'): boolean => recordsOf(each).some((record) => record[flag]);
  let kept = false;
  for (const each of key === ALL ? [...volume.options.keys()] : [key]) {
    if (has(each, 'neverReset') || !volume.options.has(each)) continue;
    if (has(each, 'force') && !force) kept = true;
    else volume.options.delete(each);
  }
  setDefaultOptions(volume, glusterd, { afterReset: true });
  if (!kept) return undefined;
  return key === ALL ? "All unprotected fields were reset. To reset the protected fields, use 'force'." : `'${key}' is protected. To reset use 'force'.`;
}

function resetGlobals(glusterd: Glusterd, key: string): void {
  const { node } = glusterd;
  if (key === ALL) node.options.clear();
  else if (!isGlobalKey(key)) throw new OpError('Not a valid option for all volumes');
  else node.options.delete(key);
  node.optionsVersion++;
  node.storeOptions();
}
