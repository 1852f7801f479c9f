/** Numbers in replies to the CLI (spec/glusterd.md, §2). */
export const MgmtErrno = { INTERNAL: 30800, NOT_SUPPORTED: 30801, ANOTHER_TRANSACTION: 30802, NO_VOLUME: 30806 } as const;

/** A refusal: its text is what the user reads. */
export class OpError extends Error {
  readonly errno: number;

  constructor(message: string, errno: number = MgmtErrno.INTERNAL) {
    super(message);
    this.errno = errno;
  }
}
