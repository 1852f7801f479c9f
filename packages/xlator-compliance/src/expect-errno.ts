import { type Errno, errnoName, errnoOf } from '@glusterts/libglusterfs';
import { expect } from 'vitest';

/** Asserts that a fop fails with one of these errnos. */
export async function expectErrno(fop: Promise<unknown>, ...errnos: readonly Errno[]): Promise<void> {
  let failure = 'success';
  try {
    await fop;
  } catch (error) {
    failure = errnoName(errnoOf(error));
    if (errnoOf(error) === 5 && error instanceof Error && error.stack !== undefined) failure += `\n${error.stack}`;
  }
  expect(errnos.map((errno) => errnoName(errno))).toContain(failure);
}
