import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root } from './volume.js';

/** Programs in C that do the work, compiled for this run. */
export class Programs {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'glusterts-bench-programs-'));
  readonly smallfiles: string;

  constructor() {
    this.smallfiles = path.join(this.#folder, 'smallfiles');
    execFileSync('cc', ['-O2', '-o', this.smallfiles, path.join(root, 'tools/bench/native/smallfiles.c')]);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
