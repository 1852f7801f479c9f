/** Numbers in replies to the CLI (spec/glusterd.md, §2). */
export const MgmtErrno = { INTERNAL: 30800, NOT_SUPPORTED: 30801, ANOTHER_TRANSACTION: 30802, NO_VOLUME: 30806 } as const;

/** A refusal: its text is what the user reads. */
export class OpError extends Error {
  readonly errno: number;
  /** op_ret of the reply: −1, but for the few that users can tell apart by the CLI's exit status. */
  readonly opRet: number;

  constructor(message: string, errno: number = MgmtErrno.INTERNAL, opRet = -1) {
    super(message);
    this.errno = errno;
    this.opRet = opRet;
  }
}
