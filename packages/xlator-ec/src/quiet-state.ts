import { type Dict, IaType, type Inode, type LookupReply, type Xdata } from '@glusterts/libglusterfs';
import type { Answer } from './answers.js';
import type { Cluster } from './cluster.js';
import { CONFIG, DIRTY, GENERATION, HEALING_BIT, SIZE, VERSION, readPair, readU64 } from './version-xattrs.js';

/**
 * A regular file as bricks showed it while nobody held its lock: size and version, and of each of those bricks the number of the
 * last lock granted there. As long as a brick names the same number, its fragment is the one that belongs to this state.
 */
export interface QuietState {
  readonly size: number;
  readonly data: bigint;
  readonly metadata: bigint;
  /** By brick; 0: not known. */
  readonly generations: number[];
  /** We had it made with its dirty mark set: it is ours to take away. */
  readonly marked?: boolean;
}

/** So many are remembered: the longest unseen go first. */
const QUIET_MAX = 65_536;
/** So many of the oldest are looked at for each that is new. */
const LOOKS_MAX = 4;

/** The quiet states of files. */
export class QuietStates {
  readonly #states = new Map<Inode, QuietState>();

  get(inode: Inode): QuietState | undefined {
    return this.#states.get(inode);
  }

  set(inode: Inode, state: QuietState): void {
    this.#states.delete(inode);
    this.#states.set(inode, state);
    let looked = 0;
    for (const [oldest, old] of this.#states) {
      if (this.#states.size <= QUIET_MAX || looked++ === LOOKS_MAX) return;
      this.#states.delete(oldest);
      // Nobody else would take its mark away.
      if (old.marked === true) this.#states.set(oldest, old);
    }
  }

  delete(inode: Inode): void {
    this.#states.delete(inode);
  }
}

/** Asks for what a quiet state needs, of bricks that can answer. */
export function askQuiet(cluster: Cluster, request: Dict): Dict {
  return cluster.someMayVouch ? request.setUint(GENERATION, 0).setUint(CONFIG, 0) : request;
}

/** Nothing is pending and nothing to be healed. */
export function isClean(xdata: Xdata): boolean {
  const [data, metadata] = readPair(xdata, DIRTY) ?? [0n, 0n];
  return data === 0n && metadata === 0n && ((readPair(xdata, VERSION)?.[0] ?? 0n) & HEALING_BIT) === 0n;
}

/** What one brick's lookup says, if the file is quiet there. */
export function quietIn(cluster: Cluster, reply: LookupReply): (Omit<QuietState, 'generations'> & { generation: number }) | undefined {
  const { xdata, stat } = reply;
  const generation = xdata?.getNumber(GENERATION) ?? 0;
  if (stat.ia_type !== IaType.REG || generation === 0 || !isClean(xdata) || readU64(xdata, CONFIG) !== cluster.geometry.config) return undefined;
  const version = readPair(xdata, VERSION);
  const size = readU64(xdata, SIZE);
  if (!version || size === undefined || size > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  return { size: Number(size), data: version[0], metadata: version[1], generation };
}

/** The state that all these lookups agree on. */
export function quietState(cluster: Cluster, answers: readonly Answer<LookupReply>[]): QuietState | undefined {
  let state: QuietState | undefined;
  for (const { brick, reply } of answers) {
    const quiet = reply && quietIn(cluster, reply);
    if (!quiet) return undefined;
    state ??= { size: quiet.size, data: quiet.data, metadata: quiet.metadata, generations: new Array<number>(cluster.geometry.n).fill(0) };
    if (quiet.size !== state.size || quiet.data !== state.data || quiet.metadata !== state.metadata) return undefined;
    state.generations[brick] = quiet.generation;
  }
  return state;
}

/** A file that has just been made on all bricks, when all of them have numbered it. */
export function newbornState(cluster: Cluster, answers: readonly (readonly [brick: number, xdata: Xdata])[], marked: boolean): QuietState | undefined {
  const generations = new Array<number>(cluster.geometry.n).fill(0);
  for (const [brick, xdata] of answers) generations[brick] = xdata?.getNumber(GENERATION) ?? 0;
  return generations.includes(0) ? undefined : { size: 0, data: 0n, metadata: 0n, generations, marked };
}

/** Both, if they are the same state: what `newer` says of a brick counts. */
export function merged(older: QuietState, newer: QuietState): QuietState | undefined {
  if (older.size !== newer.size || older.data !== newer.data || older.metadata !== newer.metadata) return undefined;
  return { ...newer, generations: newer.generations.map((generation, brick) => (generation === 0 ? (older.generations[brick] ?? 0) : generation)) };
}
