import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { FlockOp, type Storage } from '@glusterts/libglusterfs';
import { RUN_DIRECTORY } from '../paths.js';
import type { Turn } from './pace.js';

/**
 * One process of the machine has it at a time: a lock (flock(2)) on a file beside the daemons' sockets, which the kernel gives back when the process ends.
 * Where there can be no such file everybody has it.
 */
export class MachineTurn implements Turn, Disposable {
  readonly #storage: Pick<Storage, 'flock'>;
  /** Undefined before it is needed, and where it can't be had. */
  #fd: number | undefined;
  readonly #file: string;

  constructor(storage: Pick<Storage, 'flock'>, folder = RUN_DIRECTORY) {
    this.#storage = storage;
    this.#file = path.join(folder, 'glusterts-rehearsal.lock');
  }

  take(): boolean {
    this.#fd ??= opened(this.#file);
    return this.#fd === undefined || this.#storage.flock(this.#fd, FlockOp.EX | FlockOp.NB) >= 0;
  }

  giveBack(): void {
    if (this.#fd !== undefined) this.#storage.flock(this.#fd, FlockOp.UN);
  }

  /** Gives it back, too. */
  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

function opened(file: string): number | undefined {
  try {
    return openSync(file, 'a', 0o600);
  } catch {
    return undefined;
  }
}
