import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { LogSink } from '@glusterts/libglusterfs';

/** A log file: append, mode 0600, opened again after a rotation (spec/cli.md, §13). `-` and /dev/stderr are the terminal. */
export class LogFile {
  readonly file: string;
  #fd: number;

  /** Throws when the file can't be opened. */
  constructor(file: string) {
    this.file = file;
    this.#fd = LogFile.#open(file);
  }

  static #open(file: string): number {
    if (file === '-' || file === '/dev/stderr') return 2;
    if (file === '/dev/stdout') return 1;
    mkdirSync(path.dirname(file), { recursive: true });
    return openSync(file, 'a', 0o600);
  }

  readonly sink: LogSink = (line) => {
    try {
      writeSync(this.#fd, line);
    } catch {
      // A full disk must not take the daemon down with it.
    }
  };

  /** After SIGHUP: the old file may have been moved away. */
  reopen(): void {
    if (this.#fd <= 2) return;
    const old = this.#fd;
    this.#fd = LogFile.#open(this.file);
    closeSync(old);
  }
}
