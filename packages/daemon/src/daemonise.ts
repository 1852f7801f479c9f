import { spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';

const STATUS_FD = 3;
const STATUS_VARIABLE = 'GLUSTERTS_STATUS_FD';

/**
 * Each thread of V8's compiler would have an arena of malloc's to itself, the last free piece of which malloc never gives back: 8 to 15 MiB.
 * malloc reads this when the process starts.
 */
const ONE_ARENA = { MALLOC_ARENA_MAX: '1' };

/**
 * V8 forgets that a function was to be optimised when eight others are waiting already: in a rehearsal, in which all of them are due at once, often. V8 reads this when the
 * process starts, and NODE_OPTIONS may not have it.
 */
export const LONG_QUEUE = '--concurrent-recompilation-queue-length=64';

/** Whether this process is the child that was put into the background. */
export function isDaemonChild(): boolean {
  return process.env[STATUS_VARIABLE] !== undefined;
}

/**
 * Node can't fork: the program is started once more, detached, and tells by a pipe when it is ready. Resolves with the exit
 * status for the process in the foreground: the child's own word, or 1 when it ended without one (spec/cli.md, §12).
 */
export function startDaemonChild(): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [LONG_QUEUE, ...process.execArgv, ...process.argv.slice(1)], {
      detached: true,
      argv0: process.argv0,
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      env: { ...ONE_ARENA, ...process.env, [STATUS_VARIABLE]: String(STATUS_FD) },
    });
    let answer = '';
    child.stdio[STATUS_FD]?.on('data', (data: Buffer) => {
      answer += data.toString('latin1');
    });
    child.stdio[STATUS_FD]?.on('close', () => {
      child.unref();
      const status = /^(\d+)\n/.exec(answer);
      resolve(status ? Number(status[1]) & 255 : 1);
    });
    child.once('error', () => resolve(1));
  });
}

let told = false;

/** The child's word to the foreground: 0 is ready, else the errno with which the start failed. Only the first counts. */
export function tellParent(status: number): void {
  if (!isDaemonChild() || told) return;
  told = true;
  try {
    writeSync(STATUS_FD, `${Math.abs(status) & 255}\n`);
    closeSync(STATUS_FD);
  } catch {
    // Nobody waits any more.
  }
}
