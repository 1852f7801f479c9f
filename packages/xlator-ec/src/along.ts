import { Dict, Errno, FopError, type PlainReply, type Xdata } from '@glusterts/libglusterfs';
import type { Answer } from './answers.js';
import { ALONG, ALONG_GENERATION, GENERATION } from './version-xattrs.js';

/** How the calls went that left within a fop, one on each brick (docs/chained-calls.md). */
export class AlongAnswers {
  readonly answers: Answer<PlainReply>[] = [];
  /** Bricks that can do so. */
  able = 0;

  /** The fop's own answer, without what it tells of the other call. */
  async watch<Reply extends { readonly xdata: Xdata }>(brick: number, fop: Promise<Reply>): Promise<Reply> {
    let reply: Reply;
    try {
      reply = await fop;
    } catch (error) {
      this.#add(brick, Errno.ECANCELED, undefined);
      throw error;
    }
    const { xdata } = reply;
    const errno = xdata?.getNumber(ALONG);
    if (errno !== undefined) this.able |= 1 << brick;
    this.#add(brick, errno ?? Errno.ECANCELED, xdata?.getNumber(ALONG_GENERATION));
    xdata?.delete(ALONG);
    xdata?.delete(ALONG_GENERATION);
    return reply;
  }

  #add(brick: number, errno: number, generation: number | undefined): void {
    if (errno !== 0) this.answers.push({ brick, reply: undefined, error: new FopError(errno) });
    else this.answers.push({ brick, reply: { xdata: generation === undefined ? undefined : new Dict().setUint(GENERATION, generation) }, error: undefined });
  }
}
