import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { RUN_DIRECTORY } from '../paths.js';

const TMPFS_MAGIC = 0x01021994;
const SHARED_MEMORY = '/dev/shm';
const NAME = /^glusterts-rehearsal-(\d+)\.(\d+)-/;

/** A folder of our own, which is removed with all that is in it; what processes that are dead have left behind goes too. */
export class ScratchFolder implements Disposable {
  readonly path: string;

  /** Throws what mkdtemp throws. */
  constructor(parent: string) {
    this.path = mkdtempSync(path.join(parent, `glusterts-rehearsal-${pidNamespace()}.${process.pid}-`));
  }

  /** For sockets: beside those of the daemons, if that may be. Throws what mkdtemp throws. */
  static forSockets(): ScratchFolder {
    return made(RUN_DIRECTORY) ?? new ScratchFolder(tmpdir());
  }

  /** For a brick: in memory, where root may set trusted xattrs and nothing wears out; undefined when there is no such place. */
  static inMemory(): ScratchFolder | undefined {
    for (const parent of [RUN_DIRECTORY, SHARED_MEMORY]) {
      const folder = isTmpfs(parent) ? made(parent) : undefined;
      if (folder) return folder;
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function made(parent: string): ScratchFolder | undefined {
  try {
    mkdirSync(parent, { recursive: true });
    removeStale(parent);
    return new ScratchFolder(parent);
  } catch {
    return undefined;
  }
}

function removeStale(parent: string): void {
  for (const name of readdirSync(parent)) {
    const [, namespace, pid] = NAME.exec(name) ?? [];
    // Of another namespace's processes nothing is known here, though they may share the folder.
    if (namespace === pidNamespace() && !isAlive(Number(pid))) rmSync(path.join(parent, name), { recursive: true, force: true });
  }
}

/** The number of the namespace in which this process has its pid; 0 where nobody says. */
function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function isTmpfs(folder: string): boolean {
  try {
    return statfsSync(folder).type === TMPFS_MAGIC;
  } catch {
    return false;
  }
}
