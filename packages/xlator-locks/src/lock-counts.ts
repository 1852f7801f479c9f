import { type Bytes, Dict, type Xdata } from '@glusterts/libglusterfs';
import type { InodeLocks } from './inode-locks.js';

/* Lock counts that requests ask for in xdata (spec/brick.md, §13.8). */

const INODELK_COUNT = 'glusterfs.inodelk-count' as Bytes;
const INODELK_DOM_COUNT = 'glusterfs.inodelk-dom-count' as Bytes;
const MULTI_DOM = 'glusterfs.multi-dom-lk-cnt-req' as Bytes;
const DOM_PREFIX = 'glusterfs.inodelk-dom-prefix:';
const ENTRYLK_COUNT = 'glusterfs.entrylk-count' as Bytes;
const POSIXLK_COUNT = 'glusterfs.posixlk-count' as Bytes;
const PARENT_ENTRYLK = 'glusterfs.parent-entrylk' as Bytes;
/** Our own question, which no brick of GlusterFS's answers: see `LockTable.generationOf`. */
const GENERATION = 'glusterts.inodelk-generation' as Bytes;
const KEYS: ReadonlySet<string> = new Set([INODELK_COUNT, INODELK_DOM_COUNT, MULTI_DOM, ENTRYLK_COUNT, POSIXLK_COUNT, PARENT_ENTRYLK, GENERATION]);

/** What a request asks, and the request without it. */
export interface CountRequest {
  readonly rest: Dict;
  readonly inodelk: boolean;
  readonly domain: Bytes | undefined;
  readonly domains: readonly Bytes[];
  readonly entrylk: boolean;
  readonly posixlk: boolean;
  readonly parentEntrylk: boolean;
  readonly generation: boolean;
  readonly onlyGeneration: boolean;
}

/** Undefined when xdata asks for no count. */
export function countsAsked(xdata: Xdata): CountRequest | undefined {
  let rest: Dict | undefined;
  if (xdata) for (let i = xdata.size - 1; i >= 0; i--) if (KEYS.has(xdata.keyAt(i))) (rest ??= xdata.clone()).delete(xdata.keyAt(i));
  if (!xdata || !rest) return undefined;
  const domains = xdata.has(MULTI_DOM) ? xdata.keys().filter((key) => key.startsWith(DOM_PREFIX)) : [];
  for (const key of domains) rest.delete(key);
  return {
    rest,
    inodelk: xdata.has(INODELK_COUNT),
    domain: xdata.getStr(INODELK_DOM_COUNT),
    domains,
    entrylk: xdata.has(ENTRYLK_COUNT),
    posixlk: xdata.has(POSIXLK_COUNT),
    parentEntrylk: xdata.has(PARENT_ENTRYLK),
    generation: xdata.has(GENERATION),
    onlyGeneration: xdata.has(GENERATION) && rest.size === xdata.size - 1,
  };
}

/**
 * Adds the answers to a reply's xdata.
 * @param locks of the inodes that count; the highest counts. Undefined elements are inodes without locks.
 * @param parent the locks of the parent, and the name in it, for `glusterfs.parent-entrylk`
 * @param generation of the inode that the fop is about, where the fop tells it
 */
export function addCounts(reply: Xdata, asked: CountRequest, locks: readonly (InodeLocks | undefined)[], parent?: { locks: InodeLocks | undefined; name: Bytes }, generation?: number): Dict {
  const dict = reply?.clone() ?? new Dict();
  if (asked.generation && generation !== undefined) dict.setUint(GENERATION, generation);
  if (asked.onlyGeneration) return dict;
  const most = (count: (locks: InodeLocks) => number): number => Math.max(0, ...locks.map((each) => (each ? count(each) : 0)));
  if (asked.parentEntrylk && parent) dict.setInt(PARENT_ENTRYLK, parent.locks?.holdsEntry(parent.name) ? 1 : 0);
  if (asked.entrylk) dict.setInt(ENTRYLK_COUNT, most((each) => each.entrylkCount()));
  if (asked.inodelk || asked.domain !== undefined) dict.setInt(INODELK_COUNT, most((each) => each.inodelkCount(asked.inodelk ? undefined : asked.domain)));
  for (const key of asked.domains) dict.setInt(key, most((each) => each.inodelkCount(key.slice(DOM_PREFIX.length) as Bytes)));
  if (asked.posixlk) dict.setInt(POSIXLK_COUNT, most((each) => each.posix.count));
  return dict;
}
