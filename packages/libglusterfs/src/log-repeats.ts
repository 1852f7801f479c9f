import type { Timer, Timers } from './platform/platform.js';

/** Different messages that are remembered, and seconds until their counts are written (spec/client.md, §16.1). */
export const LOG_BUF_SIZE = 5;
export const LOG_BUF_SIZE_MAX = 20;
export const LOG_FLUSH_TIMEOUT_S = 120;

interface Remembered {
  /** The line without its time. */
  readonly words: string;
  repeats: number;
  readonly first: string;
  last: string;
}

/**
 * Keeps a log from filling with one message: its first occurrence is written at once, further ones are counted, and the count is
 * written when others push it out, when the timer fires, or at the end.
 */
export class LogRepeats {
  readonly #timers: Timers;
  readonly #write: (line: string) => void;
  /** Least recent first. */
  readonly #messages = new Map<string, Remembered>();
  #size = LOG_BUF_SIZE;
  #flushTimeoutS = LOG_FLUSH_TIMEOUT_S;
  #timer: Timer | undefined;

  constructor(timers: Timers, write: (line: string) => void) {
    this.#timers = timers;
    this.#write = write;
  }

  /** @param size 0: every message is written. */
  configure(settings: { readonly size?: number | undefined; readonly flushTimeoutS?: number | undefined }): void {
    if (settings.size !== undefined) this.#size = Math.min(settings.size, LOG_BUF_SIZE_MAX);
    while (this.#messages.size > this.#size) this.#evict();
    if (settings.flushTimeoutS === undefined || settings.flushTimeoutS === this.#flushTimeoutS) return;
    this.#flushTimeoutS = settings.flushTimeoutS;
    if (this.#timer?.cancel() === true) this.#arm();
  }

  /**
   * Whether the message is to be written now; otherwise it was counted.
   * @param key what makes messages equal @param words how a repeated one is shown @param time now, as in log lines
   */
  isNew(key: string, words: string, time: () => string): boolean {
    if (this.#size === 0) return true;
    const known = this.#messages.get(key);
    if (known) {
      known.repeats++;
      known.last = time();
      this.#messages.delete(key);
      this.#messages.set(key, known);
      return false;
    }
    if (this.#messages.size >= this.#size) this.#evict();
    const now = time();
    this.#messages.set(key, { words, repeats: 0, first: now, last: now });
    if (!this.#timer) this.#arm();
    return true;
  }

  /** Writes all counts and forgets the messages. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#messages.size > 0) this.#evict();
  }

  #arm(): void {
    this.#timer = this.#timers.after(this.#flushTimeoutS * 1000, () => this.flush(), { background: true });
  }

  #evict(): void {
    for (const [key, { words, repeats, first, last }] of this.#messages) {
      this.#messages.delete(key);
      if (repeats > 0) this.#write(`The message "${words}" repeated ${repeats} times between [${first}] and [${last}]\n`);
      return;
    }
  }
}
