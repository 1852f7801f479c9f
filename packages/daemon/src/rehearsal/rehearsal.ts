import { type CallPool, type Graph, type InodeTableOptions, type Logger, type Platform, type XlatorLoader, hurryCompiler } from '@glusterts/libglusterfs';
import { playBrick } from './brick-play.js';
import { withBrickStage } from './brick-stage.js';
import { withClientStage } from './client-stage.js';
import { MachineTurn } from './machine-turn.js';
import { type Next, Pace } from './pace.js';
import type { PrivateWorld } from './private-world.js';

/** Before the mount is reported ready: as much processor time, or as long where others want the processors, as bricks do that rehearse at the same time. */
const MOUNT_AHEAD_WORK_MS = 1800;
const MOUNT_AHEAD_MS = 2000;
/** In all: from then on in long pauses, one process of the machine at a time. */
const MOUNT_WORK_MS = 5000;
const BRICK_WORK_MS = 3500;
/** In each pause it works for so long, as a mount that is made at once takes to be ready; and so much, for most of which V8 has work. */
const BRICK_EAGER_MS = 2500;
const BRICK_EAGER_WORK_MS = 1200;

export interface MountPlay {
  readonly world: PrivateWorld;
  readonly next: Next;
  /** Which of the two that play at once. */
  readonly cast: number;
  /** Told before each round: those of one variant ask the same. */
  readonly begin: (variant: number) => void;
}

/** Plays a mount's requests in a graph that serves nobody else, until `next` says no. Resolves with how many they were. */
export type PlayMount = (graph: Graph, play: MountPlay) => Promise<number>;

/**
 * Two graphs are played in turn. Of one alone V8 would learn that a layer always calls this very function of this very object below it, and make
 * code that is thrown away when the real graph calls another.
 */
const CASTS = [0, 1];

export interface RehearsalInit {
  readonly platform: Platform;
  readonly loader: XlatorLoader;
  readonly log: Logger;
  /** The process's real requests. */
  readonly calls: CallPool;
  /** The volfile that it serves. */
  readonly text: string;
  readonly xlatorOptions: readonly string[];
  readonly autoload: readonly string[];
  readonly inodeTable?: InodeTableOptions;
}

/**
 * Whether processes rehearse (docs/rehearsal.md): GLUSTERTS_REHEARSAL=0 says no. Portable ones don't: they are for machines where nobody
 * waits for speed.
 */
export function rehearsalWanted(platform: Platform): boolean {
  return process.env['GLUSTERTS_REHEARSAL'] !== '0' && !platform.portable;
}

/**
 * V8 makes a function fast when it has run often. A process that rehearses runs what it will be asked for, in graphs of its own that
 * nobody sees, before it is asked (docs/rehearsal.md).
 */
export class Rehearsal {
  /** Resolves when the process may say that it is ready. */
  readonly ahead: Promise<void>;
  /** Resolves when everything of it is gone. Never rejects. */
  readonly over: Promise<void>;
  readonly #pace: Pace;
  readonly #log: Logger;

  private constructor(init: RehearsalInit, pace: Pace, turn: Disposable, what: string, perform: () => Promise<number | undefined>) {
    this.#log = init.log;
    this.#pace = pace;
    this.ahead = pace.ahead;
    this.over = this.#run(init, turn, what, perform);
  }

  /** Of a mount: for most of a second at once, and then as far as it is idle. */
  static ofMount(init: RehearsalInit, play: PlayMount): Rehearsal {
    const { platform, loader, text, xlatorOptions, autoload, inodeTable } = init;
    const turn = new MachineTurn(platform.storage);
    const pace = new Pace({ clock: platform.clock, calls: init.calls, turn, workMs: MOUNT_WORK_MS, ahead: MOUNT_AHEAD_MS, aheadWorkMs: MOUNT_AHEAD_WORK_MS, onWait: (waiting) => hurryCompiler(!waiting) });
    const inStage = (cast: number): Promise<number | undefined> =>
      withClientStage(text, platform, loader, { xlatorOptions, autoload, ...(inodeTable ? { inodeTable } : {}) }, ({ graph, world, tapes }) => {
        const begin = (variant: number): void => {
          if (tapes.length > 0) world.begin(variant);
          for (const tape of tapes) tape.begin(variant);
        };
        return play(graph, { world, next: () => pace.next(), cast, begin });
      });
    return new Rehearsal(init, pace, turn, 'mount', () => together((cast) => againAfterPauses(pace, () => inStage(cast))));
  }

  /** Of a brick: as far as it is idle. */
  static ofBrick(init: RehearsalInit): Rehearsal {
    const { platform, loader, text, xlatorOptions } = init;
    const turn = new MachineTurn(platform.storage);
    const pace = new Pace({ clock: platform.clock, calls: init.calls, turn, workMs: BRICK_WORK_MS, eager: BRICK_EAGER_MS, eagerWorkMs: BRICK_EAGER_WORK_MS, onWait: (waiting) => hurryCompiler(!waiting) });
    return new Rehearsal(init, pace, turn, 'brick', () =>
      together(() => withBrickStage(text, platform, loader, { xlatorOptions }, (stage) => playBrick(stage, () => pace.next()))),
    );
  }

  /** Ends it soon. */
  stop(): void {
    this.#pace.end();
  }

  async #run({ platform }: RehearsalInit, turn: Disposable, what: string, perform: () => Promise<number | undefined>): Promise<void> {
    const begin = platform.clock.monotonic();
    hurryCompiler(true);
    try {
      const count = await perform();
      this.#log.debug(0, count === undefined ? `no rehearsal of this ${what}` : `rehearsed as a ${what}`, { count: count ?? 0, ms: Math.round(platform.clock.monotonic() - begin) });
    } catch (error) {
      this.#log.debug(0, `the rehearsal as a ${what} failed: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      hurryCompiler(false);
      this.#pace.end();
      turn[Symbol.dispose]();
    }
  }
}

/**
 * Once more, in another graph, when it has failed after a pause: what xlators knew has grown old in it, or their timers have fired, so that they ask for
 * what isn't on the tape, and the bricks, which did nothing of what is, know no such file.
 */
async function againAfterPauses(pace: Pace, perform: () => Promise<number | undefined>): Promise<number | undefined> {
  for (;;) {
    const { pauses } = pace;
    try {
      return await perform();
    } catch (error) {
      if (pace.pauses === pauses || !(await pace.next())) throw error;
    }
  }
}

/** All casts at once; throws the first failure when all have ended. */
async function together(perform: (cast: number) => Promise<number | undefined>): Promise<number | undefined> {
  const ends = await Promise.allSettled(CASTS.map(perform));
  let sum: number | undefined;
  for (const end of ends) {
    if (end.status === 'rejected') throw end.reason;
    if (end.value !== undefined) sum = (sum ?? 0) + end.value;
  }
  return sum;
}
