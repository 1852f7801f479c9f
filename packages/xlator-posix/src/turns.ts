import { Errno, type Fd, FopError, type Gfid, IaType, type Loc, NULL_GFID, type Storage } from '@glusterts/libglusterfs';

/** Changes that wait for their turn. */
const WAITING_MAX = 16384;
/** Among more of them nobody looks for those of one file. */
const SOUGHT_MAX = 256;

/** What a change is about. */
export type Subject = Loc | Fd | undefined;

interface Turn {
  readonly subject: Subject;
  readonly other: Loc | undefined;
  /** That a new object gets. */
  readonly gfid: Gfid;
}

const isLoc = (subject: Loc | Fd): subject is Loc => 'parentGfid' in subject;
const gfidOf = (subject: Loc | Fd): Gfid => (isLoc(subject) ? subject.targetGfid : subject.inode.gfid);

/**
 * Changes that are made at once, each in its turn (`Storage.inTurn`): on the loop, whole, with nothing between its calls. Should the disk hang, and with it one of these
 * calls, another thread goes on with everything else: whoever looks at what is being changed waits here until that is done. On memory there are no turns.
 */
export class Turns {
  readonly #storage: Storage;
  #never: boolean;
  #waiting: (Turn | undefined)[] = [];
  #first = 0;
  #current: Turn | undefined;
  #done: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(storage: Storage, never: boolean) {
    this.#storage = storage;
    this.#never = never;
  }

  /** From now on changes are made on the spot: those that wait keep their turn. */
  close(): void {
    this.#never = true;
  }

  /** Who asks may make a change. */
  get running(): boolean {
    return this.#never || (this.#current !== undefined && !this.#storage.standsIn);
  }

  /** Makes a change in its turn; its part up to the first await, that is. Rejected with EAGAIN when too many wait. */
  run<T>(fop: () => T | Promise<T>, subject: Subject, other?: Loc, gfid: Gfid = NULL_GFID): Promise<T> {
    if (this.running) {
      try {
        return Promise.resolve(fop());
      } catch (error) {
        return Promise.reject(error);
      }
    }
    if (this.#waiting.length - this.#first >= WAITING_MAX) return Promise.reject(new FopError(Errno.EAGAIN));
    const turn = { subject, other, gfid };
    this.#waiting.push(turn);
    return new Promise((resolve, reject) => {
      this.#storage.inTurn(() => {
        this.#begin(turn);
        try {
          resolve(fop());
        } catch (error) {
          reject(error);
        }
        this.#end();
      });
    });
  }

  #begin(turn: Turn): void {
    this.#waiting[this.#first++] = undefined;
    if (this.#first === this.#waiting.length) {
      this.#waiting = [];
      this.#first = 0;
    }
    this.#current = turn;
  }

  #end(): void {
    this.#current = undefined;
    this.#done?.resolve();
    this.#done = undefined;
  }

  /** Whether a change of this file waits for its turn, or is half made. */
  concern(fd: Fd): boolean {
    const { gfid } = fd.inode;
    if (this.#current && touches(this.#current, gfid)) return true;
    const count = this.#waiting.length - this.#first;
    if (count === 0) return false;
    return count > SOUGHT_MAX || this.#waiting.some((turn) => turn !== undefined && touches(turn, gfid));
  }

  /** Nothing when one may look at `subject`; else what to wait for. @param lists its entries are looked at */
  obstacle(subject: Loc | Fd, lists = false): Promise<void> | undefined {
    if (!this.#storage.standsIn) return undefined;
    const turn = this.#current;
    if (!turn || !isInTheWay(turn, subject, lists)) return undefined;
    if (!this.#done) {
      let resolve: () => void = () => undefined;
      const promise = new Promise<void>((settle) => (resolve = settle));
      this.#done = { promise, resolve };
    }
    return this.#done.promise;
  }
}

function touches({ subject, other, gfid }: Turn, wanted: Gfid): boolean {
  if (wanted === NULL_GFID) return false;
  return wanted === gfid || (subject !== undefined && gfidOf(subject) === wanted) || (other !== undefined && gfidOf(other) === wanted);
}

function isInTheWay(turn: Turn, looked: Loc | Fd, lists: boolean): boolean {
  const { subject, other } = turn;
  // A directory that moves takes the paths of all that is in it along.
  if (other && subject && subject.inode.ia_type === IaType.DIR) return true;
  const gfid = gfidOf(looked);
  if (touches(turn, gfid)) return true;
  for (const name of [subject, other]) {
    if (!name || !isLoc(name) || name.name === '') continue;
    if (lists ? name.parentGfid === gfid : isLoc(looked) && looked.name === name.name && looked.parentGfid === name.parentGfid) return true;
  }
  return false;
}
