import { type Bytes, Errno, FopError, type Xdata } from '@glusterts/libglusterfs';

/** Our own clients number a fop by this key, so that another can name it; CREATE's answer says so back (docs/chained-calls.md). */
export const CHAIN = 'glusterts.chain' as Bytes;
/** Names the fop that must have succeeded before this one is done. */
export const AFTER = 'glusterts.after' as Bytes;

/** Outcomes of one client that are kept for a fop that hasn't come yet, at most. */
const KEPT_MAX = 1024;

/** Fops of one client of which a later one is done only if an earlier one has succeeded. */
export class Chains {
  readonly #outcomes = new Map<number, Promise<boolean>>();

  /** The number that the client has given a fop, taken out of its xdata. */
  numberOf(xdata: Xdata): number | undefined {
    const number = xdata?.getNumber(CHAIN);
    if (number !== undefined) xdata?.delete(CHAIN);
    return number;
  }

  /** A numbered fop has begun. */
  begin(number: number, succeeded: Promise<boolean>): void {
    this.#outcomes.set(number, succeeded);
    if (this.#outcomes.size <= KEPT_MAX) return;
    for (const oldest of this.#outcomes.keys()) {
      this.#outcomes.delete(oldest);
      return;
    }
  }

  /** Winds at once, or after the fop that the xdata names. Errors: ECANCELED when that has failed, or isn't known. */
  after<Reply>(xdata: Xdata, wind: () => Promise<Reply>): Promise<Reply> {
    const number = xdata?.getNumber(AFTER);
    if (number === undefined) return wind();
    xdata?.delete(AFTER);
    const outcome = this.#outcomes.get(number);
    this.#outcomes.delete(number);
    const stop = (): never => {
      throw new FopError(Errno.ECANCELED, undefined, 'the fop before it has failed');
    };
    return outcome === undefined ? Promise.resolve().then(stop) : outcome.then((succeeded) => (succeeded ? wind() : stop()));
  }
}
