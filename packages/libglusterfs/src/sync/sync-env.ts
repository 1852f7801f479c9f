import { Errno } from '../errno.js';
import { FopError } from '../fop-error.js';
import { Frame } from '../frame.js';
import type { Platform } from '../platform/platform.js';
import type { StatedumpWriter } from '../xlator.js';
import { WaitQueue } from './wait-queue.js';

/** GlusterFS's bounds for tasks that run at once (spec/client.md, §17.7). */
export const SYNC_PROCS_MIN = 2;
export const SYNC_PROCS_MAX = 16;
/** Tasks that may wait for their turn; more are refused with EAGAIN. */
export const SYNC_QUEUE_MAX = 65536;

export interface SyncTaskOptions {
  /** On whose behalf; default: uid and gid 0, as GlusterFS's. */
  readonly frame?: Frame;
  /** Aborted: the task's own signal is, too; a task that has not begun fails with ECANCELED. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from its start after which its signal is aborted and it fails with ETIMEDOUT. */
  readonly timeoutMs?: number;
}

/** What a task's body is given. */
export class SyncTask {
  readonly name: string;
  readonly frame: Frame;
  /** Aborted by whoever submitted it, by its timeout, or by the end of the environment. */
  readonly signal: AbortSignal;
  readonly #env: SyncEnv;

  constructor(env: SyncEnv, name: string, frame: Frame, signal: AbortSignal) {
    this.#env = env;
    this.name = name;
    this.frame = frame;
    this.signal = signal;
  }

  /** Awaits something that takes long, or another task, and lets others run meanwhile: GlusterFS's yield. */
  async yieldTo<T>(reply: Promise<T>): Promise<T> {
    this.#env.suspend();
    try {
      return await reply;
    } finally {
      await this.#env.resume();
    }
  }

  /** Yields for a time. Throws ECANCELED when the task is aborted. */
  sleep(delayMs: number): Promise<void> {
    const alarm = new WaitQueue(this.#env.platform.timers, 1).wait({ timeoutMs: delayMs, signal: this.signal });
    return this.yieldTo(
      alarm.catch((error: unknown) => {
        if (!(error instanceof FopError) || error.errno !== Errno.ETIMEDOUT) throw error;
      }),
    );
  }
}

export interface SyncEnvStats {
  readonly running: number;
  readonly waiting: number;
  readonly suspended: number;
  readonly begun: number;
  readonly done: number;
  readonly failed: number;
  readonly refused: number;
  readonly runningMax: number;
  readonly waitingMax: number;
}

/**
 * Work in the background of a process, a bounded number of tasks at once: GlusterFS's syncenv. See docs/architecture.md,
 * "Tasks".
 */
export class SyncEnv {
  readonly platform: Pick<Platform, 'timers' | 'clock'>;
  readonly procs: number;
  readonly #turns: WaitQueue;
  readonly #end = new AbortController();
  readonly #live = new Set<Promise<unknown>>();
  #running = 0;
  #suspended = 0;
  #begun = 0;
  #done = 0;
  #failed = 0;
  #refused = 0;
  #runningMax = 0;
  #waitingMax = 0;

  /** @param options.procs tasks at once, 2 to 16. Throws a RangeError for others. */
  constructor(platform: Pick<Platform, 'timers' | 'clock'>, options: { readonly procs?: number; readonly queueMax?: number } = {}) {
    this.platform = platform;
    this.procs = options.procs ?? SYNC_PROCS_MAX;
    if (!Number.isInteger(this.procs) || this.procs < SYNC_PROCS_MIN || this.procs > SYNC_PROCS_MAX) {
      throw new RangeError(`${this.procs} tasks at once; ${SYNC_PROCS_MIN} to ${SYNC_PROCS_MAX} are possible`);
    }
    this.#turns = new WaitQueue(platform.timers, options.queueMax ?? SYNC_QUEUE_MAX);
  }

  get stats(): SyncEnvStats {
    return {
      running: this.#running, waiting: this.#turns.size, suspended: this.#suspended, begun: this.#begun, done: this.#done, failed: this.#failed, refused: this.#refused,
      runningMax: this.#runningMax, waitingMax: this.#waitingMax,
    };
  }

  /**
   * Runs a task when its turn has come. Resolves and rejects as its body does; EAGAIN when too many wait, ECANCELED when it was
   * aborted before its turn or the environment has ended, ETIMEDOUT.
   */
  run<T>(name: string, body: (task: SyncTask) => T | Promise<T>, options: SyncTaskOptions = {}): Promise<T> {
    const result = this.#run(name, body, options);
    this.#live.add(result);
    const gone = (): void => void this.#live.delete(result);
    result.then(gone, gone);
    return result;
  }

  /** Aborts all tasks and takes no more. Resolves when the last has ended. */
  async destroy(): Promise<void> {
    this.#end.abort();
    await Promise.allSettled([...this.#live]);
  }

  /** A task waits: its place is another's. */
  suspend(): void {
    this.#suspended++;
    this.#leave();
  }

  /** It goes on when a place is free. Never refused: it has begun. */
  async resume(): Promise<void> {
    if (this.#running >= this.procs) await this.#turns.wait().catch(() => this.#running++);
    else this.#running++;
    this.#suspended--;
  }

  dump(writer: StatedumpWriter): void {
    writer.section('syncenv');
    writer.write('procs', this.procs);
    for (const [key, value] of Object.entries(this.stats)) writer.write(key, Number(value));
  }

  async #run<T>(name: string, body: (task: SyncTask) => T | Promise<T>, options: SyncTaskOptions): Promise<T> {
    const abort = new AbortController();
    const stop = (): void => abort.abort();
    const sources = [this.#end.signal, options.signal];
    for (const source of sources) {
      if (source?.aborted === true) throw new FopError(Errno.ECANCELED, undefined, `the task ${name} is not wanted any more`);
      source?.addEventListener('abort', stop, { once: true });
    }
    try {
      await this.#enter(abort.signal);
      this.#begun++;
      try {
        const result = await this.#timed(name, body(new SyncTask(this, name, options.frame ?? new Frame(), abort.signal)), abort, options.timeoutMs);
        this.#done++;
        return result;
      } catch (error) {
        this.#failed++;
        throw error;
      } finally {
        this.#leave();
      }
    } finally {
      for (const source of sources) source?.removeEventListener('abort', stop);
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    if (this.#running < this.procs) {
      this.#running++;
    } else {
      const turn = this.#turns.wait({ signal });
      this.#waitingMax = Math.max(this.#waitingMax, this.#turns.size);
      await turn.catch((error: unknown) => {
        if (error instanceof FopError && error.errno === Errno.EAGAIN) this.#refused++;
        throw error;
      });
    }
    this.#runningMax = Math.max(this.#runningMax, this.#running);
  }

  /** The place goes to the one that has waited longest, without being free in between. */
  #leave(): void {
    if (!this.#turns.wakeOne()) this.#running--;
  }

  async #timed<T>(name: string, work: T | Promise<T>, abort: AbortController, timeoutMs: number | undefined): Promise<T> {
    if (timeoutMs === undefined) return work;
    let late = false;
    const timer = this.platform.timers.after(timeoutMs, () => {
      late = true;
      abort.abort();
    });
    // The place is kept until the body has really ended: a body that doesn't heed its signal still runs.
    try {
      const result = await work;
      if (late) throw new FopError(Errno.ETIMEDOUT, undefined, `the task ${name} took longer than ${timeoutMs} ms`);
      return result;
    } catch (error) {
      throw late ? new FopError(Errno.ETIMEDOUT, undefined, `the task ${name} took longer than ${timeoutMs} ms`) : error;
    } finally {
      timer.cancel();
    }
  }
}
