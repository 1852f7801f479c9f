import type { Dict } from './dict.js';
import { type Errno, errnoMessage, errnoName } from './errno.js';

/**
 * What a fop throws: an errno, and the xdata that came with it, if any.
 *
 * It is an Error for `instanceof`, but is made without a stack trace: ENOENT is an answer, not an accident, and
 * capturing a stack costs more than the rest of a lookup.
 */
export class FopError {
  readonly errno: Errno;
  readonly xdata: Dict | undefined;
  readonly #detail: string | undefined;
  declare readonly name: string;
  declare readonly stack?: string;

  /** @param detail more than the errno's own words, for people. */
  constructor(errno: Errno, xdata?: Dict, detail?: string) {
    this.errno = errno;
    this.xdata = xdata;
    this.#detail = detail;
  }

  /** As Node's system errors: `'ENOENT'`. */
  get code(): string {
    return errnoName(this.errno);
  }

  get message(): string {
    const words = `${this.code}: ${errnoMessage(this.errno)}`;
    return this.#detail === undefined ? words : `${words}, ${this.#detail}`;
  }

  toString(): string {
    return `FopError: ${this.message}`;
  }
}
Object.setPrototypeOf(FopError.prototype, Error.prototype);
Object.defineProperty(FopError.prototype, 'name', { value: 'FopError' });

/** The errno of whatever was caught: a FopError's, a Node system error's, else EIO for an error of our own making. */
export function errnoOf(error: unknown): Errno {
  if (error instanceof FopError) return error.errno;
  if (error instanceof Error && 'errno' in error && typeof error.errno === 'number') return Math.abs(error.errno);
  return 5;
}
