import { type Bytes, Errno, OpenFlag, type Timer } from '@glusterts/libglusterfs';
import { type Brick, check } from './brick.js';

/* The health check (spec/brick.md, §10.1, §2.7). */

const TEXT_LENGTH = 25;

/** Writes and reads `.glusterfs/health_check` every interval; calls `failed` once, when the disk doesn't answer as it should. */
export class HealthCheck {
  readonly #brick: Brick;
  readonly #failed: (reason: string) => void;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(brick: Brick, failed: (reason: string) => void) {
    this.#brick = brick;
    this.#failed = failed;
  }

  start(): void {
    const { platform, settings } = this.#brick;
    if (settings.healthCheckIntervalS === 0) return;
    this.#stopped = false;
    this.#timer = platform.timers.after(settings.healthCheckIntervalS * 1000, () => void this.#round(), { background: true });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #round(): Promise<void> {
    try {
      await this.#probe();
      if (!this.#stopped) this.start();
    } catch (error) {
      if (this.#stopped) return;
      this.stop();
      this.#failed(String(error));
    }
  }

  async #probe(): Promise<void> {
    const { storage, hidden, platform, gate, turns } = this.#brick;
    const wait = gate.pass();
    if (wait) await wait;
    const path = `${hidden}/health_check` as Bytes;
    const text = Buffer.from(timestamp(platform.clock.realtime().sec), 'latin1');
    const writer = await turns.run(() => check(storage.open(path, OpenFlag.CREAT | OpenFlag.WRONLY | OpenFlag.TRUNC, 0o644)), undefined);
    try {
      if (check(await storage.pwritevAsync(writer, [text], 0)) !== text.length) throw new Error('short write');
    } finally {
      storage.close(writer);
    }
    const reader = check(storage.open(path, OpenFlag.RDONLY, 0));
    const found = new Uint8Array(TEXT_LENGTH);
    try {
      check(await storage.preadvAsync(reader, [found], 0));
    } finally {
      storage.close(reader);
    }
    if (Buffer.compare(text, found) !== 0) throw new Error(`errno ${Errno.EUCLEAN}: read what was not written`);
  }
}

/** Local time with its offset, e.g. `2026-11-21 02:47:11 +0000`. */
export function timestamp(seconds: number): string {
  const date = new Date(seconds * 1000);
  const two = (number: number): string => String(number).padStart(2, '0');
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`;
}
