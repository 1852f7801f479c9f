import { type Dict, type DictValue, Errno, FopError, IaType, Iatt, valueBytes } from '@glusterts/libglusterfs';
import { countOf } from './geometry.js';

/** One brick's answer to a fop. */
export interface Answer<R> {
  readonly brick: number;
  readonly reply: R | undefined;
  readonly error: FopError | undefined;
}

/** Answers that agree. */
export interface Group<R> {
  mask: number;
  readonly members: Answer<R>[];
}

/** A successful group. */
export interface Winner<R> {
  readonly mask: number;
  readonly replies: readonly R[];
  readonly bricks: readonly number[];
  readonly first: R;
}

/** Whether two successful replies of a fop agree. */
export type Same<R> = (a: R, b: R) => boolean;

/** Keys that differ between good bricks and are left out of the comparison (spec/ec.md, §10). */
const IGNORED: ReadonlySet<string> = new Set(['get-link-count', 'glusterfs.inodelk-count', 'glusterfs.entrylk-count', 'glusterfs.open-fd-count', 'get-size', 'trusted.ec.dirty', 'glusterts.inodelk-generation']);
/** Keys that must be on both, with any value. */
const ANY_VALUE = /^(glusterfs\.content|(trusted\.)?glusterfs\.pathinfo|trusted\.glusterfs\.lockinfo|glusterfs\.clrlk.*|dht-get-iatt-in-xattr|trusted\.glusterfs\.quota\..*|trusted\.glusterfs\..*\.xtime|trusted\.glusterfs\.volume-mark.*|trusted\.glusterfs\.node-uuid|trusted\.glusterfs\.list-node-uuids|virt-gf-prestat|virt-gf-poststat|trusted\.glusterfs\.mdata)$/;

/** How a key takes part in the comparison. */
const enum Weight { ignored, size, present, value }

const weights = new Map<string, Weight>();
/** Names come from the wire: no more of them are remembered. */
const WEIGHTS_MAX = 1024;

function weightOf(key: string): Weight {
  let weight = weights.get(key);
  if (weight === undefined) {
    if (key === 'get-size') weight = Weight.size;
    else if (IGNORED.has(key) || /^trusted\.glusterfs\..*\.stime$/.test(key)) weight = Weight.ignored;
    else weight = ANY_VALUE.test(key) ? Weight.present : Weight.value;
    if (weights.size < WEIGHTS_MAX) weights.set(key, weight);
  }
  return weight;
}

function sameValue(x: DictValue, y: DictValue): boolean {
  if (x === y) return true;
  const xb = valueBytes(x);
  const yb = valueBytes(y);
  if (xb === undefined || yb === undefined || xb.length !== yb.length) return false;
  for (let i = 0; i < xb.length; i++) if (xb[i] !== yb[i]) return false;
  return true;
}

/** The same keys with equal values, but for the exceptions of spec/ec.md, §10, rule 2. `withSize`: `get-size` counts too (§12). */
export function sameDict(a: Dict | undefined, b: Dict | undefined, withSize = false): boolean {
  if (a === b) return true;
  const least = withSize ? Weight.size : Weight.present;
  let left = 0;
  if (a) {
    for (const key of a.keys()) {
      const weight = weightOf(key);
      if (weight < least) continue;
      left++;
      const x = a.get(key);
      const y = b?.get(key);
      if (!x || !y || (weight !== Weight.present && !sameValue(x, y))) return false;
    }
  }
  if (b) for (const key of b.keys()) if (weightOf(key) >= least) left--;
  return left === 0;
}

/** spec/ec.md, §10: identity always; owner and mode only where a lock (or a lookup) vouches for them. */
export function sameIatt(a: Iatt, b: Iatt, strict: boolean): boolean {
  if (a.ia_gfid !== b.ia_gfid || a.ia_type !== b.ia_type) return false;
  if ((a.ia_type === IaType.BLK || a.ia_type === IaType.CHR) && a.ia_rdev !== b.ia_rdev) return false;
  return !strict || (a.ia_uid === b.ia_uid && a.ia_gid === b.ia_gid && a.ia_prot === b.ia_prot);
}

/** The same modification and change time: what one client's clock wrote on all bricks. */
export function sameTimes(a: Iatt, b: Iatt): boolean {
  return a.ia_mtime_nsec === b.ia_mtime_nsec && a.ia_mtime === b.ia_mtime && a.ia_ctime_nsec === b.ia_ctime_nsec && a.ia_ctime === b.ia_ctime;
}

function agrees<R>(first: Answer<R>, other: Answer<R>, same: Same<R>): boolean {
  if (first.error || other.error) return first.error !== undefined && other.error !== undefined && first.error.errno === other.error.errno;
  return first.reply !== undefined && other.reply !== undefined && same(first.reply, other.reply);
}

/** Whether all of them say the same. */
export function answersAgree<R>(answers: readonly Answer<R>[], same: Same<R>): boolean {
  const [first] = answers;
  if (!first) return false;
  for (let i = 1; i < answers.length; i++) {
    const other = answers[i];
    if (!other || !agrees(first, other, same)) return false;
  }
  return true;
}

/** Groups that agree, the largest first; of equal size the one whose first member answered first. */
export function groupAnswers<R>(answers: readonly Answer<R>[], same: Same<R>): Group<R>[] {
  const groups: Group<R>[] = [];
  for (const answer of answers) {
    const group = groups.find(({ members: [first] }) => first !== undefined && agrees(first, answer, same));
    if (group) {
      group.members.push(answer);
      group.mask |= 1 << answer.brick;
    } else groups.push({ mask: 1 << answer.brick, members: [answer] });
  }
  return groups.length < 2 ? groups : groups.sort((a, b) => b.members.length - a.members.length);
}

/** The bricks did not all say the same, and no success came of it: some may have changed what others have not. */
export class Disagreement extends FopError {}

/** The group that decides. Throws its errno if it is one of errors, EIO when none is large enough. */
export function decide<R>(groups: readonly Group<R>[], minimum: number, healing = 0): Winner<R> {
  const best = groups[0];
  if (!best || countOf(best.mask & ~healing) < minimum) throw new Disagreement(Errno.EIO);
  const agreed = best.members[0]?.error;
  if (agreed && groups.length > 1) throw new Disagreement(agreed.errno, agreed.xdata);
  return winnerOf(best);
}

export function winnerOf<R>(group: Group<R>): Winner<R> {
  const error = group.members[0]?.error;
  if (error) throw error;
  const replies: R[] = [];
  for (const { reply } of group.members) if (reply !== undefined) replies.push(reply);
  const [first] = replies;
  if (first === undefined) throw new FopError(Errno.EIO);
  return { mask: group.mask, replies, bricks: group.members.map(({ brick }) => brick), first };
}

/** The members' attributes in one: times and block size the largest, blocks those of the user's file (spec/ec.md, §10). */
export function mergeIatts(iatts: readonly Iatt[], k: number, rebuild = true): Iatt {
  const last = iatts.at(-1);
  if (!last) return new Iatt();
  const merged = last.clone();
  let blocks = 0;
  for (const iatt of iatts) {
    blocks += iatt.ia_blocks;
    merged.ia_blksize = Math.max(merged.ia_blksize, iatt.ia_blksize);
    later(merged, iatt, 'ia_atime', 'ia_atime_nsec');
    later(merged, iatt, 'ia_mtime', 'ia_mtime_nsec');
    later(merged, iatt, 'ia_ctime', 'ia_ctime_nsec');
  }
  merged.ia_blocks = rebuild ? Math.ceil((blocks * k) / iatts.length) : blocks;
  return merged;
}

function later(into: Iatt, from: Iatt, sec: 'ia_atime' | 'ia_mtime' | 'ia_ctime', nsec: 'ia_atime_nsec' | 'ia_mtime_nsec' | 'ia_ctime_nsec'): void {
  if (from[sec] > into[sec] || (from[sec] === into[sec] && from[nsec] > into[nsec])) {
    into[sec] = from[sec];
    into[nsec] = from[nsec];
  }
}

/** One xdata for the caller: the first member's, counts the largest (spec/ec.md, §10). */
export function mergeXdata(dicts: readonly (Dict | undefined)[]): Dict | undefined {
  const first = dicts.find((dict) => dict !== undefined);
  if (!first || dicts.length === 1) return first;
  let merged: Dict | undefined;
  for (const key of ['get-link-count', 'glusterfs.open-fd-count', 'glusterfs.inodelk-count', 'glusterfs.entrylk-count']) {
    let most: bigint | undefined;
    for (const dict of dicts) {
      const value = dict?.getInt(key);
      if (value !== undefined && (most === undefined || value > most)) most = value;
    }
    if (most !== undefined && most !== first.getInt(key)) (merged ??= first.clone()).setInt(key, most);
  }
  return merged ?? first;
}
