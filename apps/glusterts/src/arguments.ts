import path from 'node:path';
import { parseArgs } from 'node:util';

/** What `npm start` was asked for. */
export interface StartOptions {
  /** Everything lies in this directory. */
  readonly dir: string;
  readonly bricks: number;
  /** Bricks that may be lost; 0: a distribute volume. */
  readonly redundancy: number;
  readonly mountpoint: string;
  /** Runs in the mount once it is ready; then everything stops. */
  readonly exec: string | undefined;
}

export const USAGE = `npm start -- [options]     a Gluster volume on this machine: glusterd, bricks and a mount

  --dir DIR          keeps everything in DIR (default ./.glusterts)
  --bricks N         bricks of the volume (default 6)
  --redundancy R     bricks that may be lost; 0: distribute, nothing may be lost (default 2)
  --mount DIR        where to mount (default DIR/mnt)
  --exec 'CMD'       once ready, run CMD with the mount as working directory, stop everything, exit with CMD's status
  --help             this text
`;

export class UsageError extends Error {}

/** Parses and checks the command line; relative paths count from `cwd`. Throws UsageError. */
export function parseArguments(argv: readonly string[], cwd: string): StartOptions | 'help' {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        dir: { type: 'string', default: '.glusterts' },
        bricks: { type: 'string', default: '6' },
        redundancy: { type: 'string', default: '2' },
        mount: { type: 'string' },
        exec: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  if (values.help) return 'help';
  const bricks = count('--bricks', values.bricks, 1, 64);
  const redundancy = count('--redundancy', values.redundancy, 0, 16);
  if (redundancy > 0 && bricks <= 2 * redundancy) {
    throw new UsageError(`a disperse volume needs more than twice as many bricks as it may lose: ${bricks} bricks can't lose ${redundancy}`);
  }
  const dir = path.resolve(cwd, values.dir);
  // The store of glusterd keeps one value a line.
  if (/[\n\r]/.test(dir)) throw new UsageError('--dir must not contain a line break');
  return { dir, bricks, redundancy, mountpoint: values.mount === undefined ? path.join(dir, 'mnt') : path.resolve(cwd, values.mount), exec: values.exec };
}

function count(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) throw new UsageError(`${option} takes a number from ${min} to ${max}, not ${text}`);
  return value;
}
