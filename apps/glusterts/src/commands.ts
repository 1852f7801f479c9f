import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';

export interface Outcome {
  readonly status: number;
  readonly output: string;
}

/** Runs a command to its end and gathers what it prints. */
export function run(command: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let output = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    child.stderr.on('data', (data: Buffer) => (output += data.toString()));
    child.once('error', reject);
    child.once('close', (status) => resolve({ status: status ?? 1, output }));
  });
}

/**
 * Starts a daemon in the foreground of a process group of its own: a terminal's Ctrl-C reaches only `npm start`, which
 * stops the daemons in their order. Its output goes to a file.
 */
export function startDaemon(command: string, args: readonly string[], outputFile: string): ChildProcess {
  const output = openSync(outputFile, 'a');
  return spawn(command, [...args], { stdio: ['ignore', output, output], detached: true });
}

export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/** SIGTERM, and SIGKILL when that doesn't help in time. */
export async function stopDaemon(child: ChildProcess, graceMs = 10_000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await ended(child);
  clearTimeout(timer);
}

/** Asks until `condition` holds; throws `what` when `limitMs` have passed, or when `alive` says that waiting is in vain. */
export async function until(what: string, condition: () => Promise<boolean> | boolean, limitMs: number, alive: () => boolean = () => true): Promise<void> {
  const deadline = process.hrtime.bigint() + BigInt(limitMs) * 1_000_000n;
  for (;;) {
    if (await condition()) return;
    if (!alive() || process.hrtime.bigint() > deadline) throw new Error(what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
