import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { type Platform, FlockOp } from '@glusterts/libglusterfs';

/** A pid file: locked for as long as the process lives, its pid in it, removed at exit (spec/cli.md, §12). */
export class PidFile {
  readonly #file: string;
  readonly #fd: number;

  private constructor(file: string, fd: number) {
    this.#file = file;
    this.#fd = fd;
  }

  /** Throws when another process has it locked. Without the addon there is no flock(2), so that nobody is kept out. */
  static create(file: string, platform: Platform): PidFile {
    const fd = openSync(file, 'a', 0o644);
    if (platform.storage.available && platform.storage.flock(fd, FlockOp.EX | FlockOp.NB) < 0) {
      closeSync(fd);
      throw new Error(`pidfile ${file} lock failed`);
    }
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`);
    return new PidFile(file, fd);
  }

  remove(): void {
    rmSync(this.#file, { force: true });
    closeSync(this.#fd);
  }
}
