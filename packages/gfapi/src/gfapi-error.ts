import { getSystemErrorMap } from 'node:util';
import { type Errno, FopError, VolfileError, errnoMessage, errnoName, errnoOf } from '@glusterts/libglusterfs';

/** What a path was given as. */
export type PathLike = string | Buffer | Uint8Array;

/**
 * A failed operation, as node:fs's errors are: `code` ('ENOENT'), `errno` (negative), `syscall`, `path` and, with two paths,
 * `dest`; its message reads `ENOENT: no such file or directory, open 'a/b'`.
 */
export class GfapiError extends Error {
  override readonly name = 'Error';
  readonly errno: number;
  readonly code: string;
  readonly syscall: string;
  declare readonly path?: string;
  declare readonly dest?: string;

  constructor(errno: Errno, syscall: string, path?: PathLike, dest?: PathLike, cause?: unknown) {
    const code = errnoName(errno);
    const words = getSystemErrorMap().get(-errno)?.[1] ?? errnoMessage(errno).toLowerCase();
    const from = path === undefined ? '' : ` '${shown(path)}'`;
    const to = dest === undefined ? '' : ` -> '${shown(dest)}'`;
    super(`${code}: ${words}, ${syscall}${from}${to}`, cause === undefined ? undefined : { cause });
    this.errno = -errno;
    this.code = code;
    this.syscall = syscall;
    if (path !== undefined) this.path = shown(path);
    if (dest !== undefined) this.dest = shown(dest);
  }
}

function shown(path: PathLike): string {
  return typeof path === 'string' ? path : Buffer.from(path).toString('utf8');
}

/** Runs a part of an operation; what fops throw becomes a {@link GfapiError}. Errors of a volfile, and programming errors, pass unchanged. */
export async function asSyscall<T>(syscall: string, path: PathLike | undefined, run: () => Promise<T>, dest?: PathLike): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw error instanceof FopError && !(error instanceof VolfileError) ? new GfapiError(errnoOf(error), syscall, path, dest, error) : error;
  }
}

/** A FopError with this errno. */
export function hasErrno(error: unknown, errno: Errno): boolean {
  return error instanceof FopError && error.errno === errno;
}
