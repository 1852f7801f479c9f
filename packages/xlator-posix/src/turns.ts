import { Errno, FopError, type Gfid, IaType, type Inode, type Loc, NULL_GFID, type Storage } from '@glusterts/libglusterfs';

/** Changes that wait for their turn, and looks. */
const WAITING_MAX = 16384;
/** Among more of them nobody looks for those of one file. */
const SOUGHT_MAX = 256;

/** A name, and what lies there; or an open file: as much of a Loc, and of an Fd, as is asked here. */
type Name = Pick<Loc, 'parentGfid' | 'targetGfid' | 'name'> & Open;
interface Open {
  readonly inode: Pick<Inode, 'gfid' | 'ia_type'>;
}
/** What a change, or a look, is about. */
export type Subject = Name | Open | undefined;

interface Turn {
  readonly changes: boolean;
  readonly subject: Subject;
  readonly other?: Name | undefined;
  /** That a new object gets. */
  readonly gfid: Gfid;
  /** A look at the entries of its subject. */
  readonly lists: boolean;
  /** How many hang below it. */
  depth: number;
  /** For those who wait for its end. */
  done?: { readonly promise: Promise<void>; readonly resolve: () => void };
}

const isLoc = (subject: Name | Open): subject is Name => 'parentGfid' in subject;
const gfidOf = (subject: Name | Open): Gfid => (isLoc(subject) ? subject.targetGfid : subject.inode.gfid);

/**
 * Changes and looks that are made at once, each in its turn (`Storage.inTurn`): on the loop, whole, with nothing between its calls. Should the disk hang, and with it one of these
 * calls, another thread goes on with everything else: whoever has to do with what hangs waits here until that is done. On memory there are no turns.
 */
export class Turns {
  readonly #storage: Pick<Storage, 'inTurn' | 'lookInTurn' | 'standsIn'>;
  #never: boolean;
  #waiting: (Turn | undefined)[] = [];
  #first = 0;
  #looks = 0;
  /** Changes for which a look that hangs is in the way. */
  readonly #held = new Set<Turn>();
  /** What is being made, and before it what hangs. */
  readonly #current: Turn[] = [];

  constructor(storage: Pick<Storage, 'inTurn' | 'lookInTurn' | 'standsIn'>, never: boolean) {
    this.#storage = storage;
    this.#never = never;
  }

  /** From now on all is made on the spot: what waits keeps its turn. */
  close(): void {
    this.#never = true;
  }

  /** Who asks may make a change. */
  get running(): boolean {
    if (this.#never) return true;
    const turn = this.#current.at(-1);
    return turn !== undefined && turn.changes && turn.depth === this.#storage.standsIn;
  }

  /** Makes a change in its turn; its part up to the first await, that is. Rejected with EAGAIN when too many wait. */
  run<T>(fop: () => T | Promise<T>, subject: Subject, other?: Name, gfid: Gfid = NULL_GFID): Promise<T> {
    if (this.running) return atOnce(fop);
    if (this.#waiting.length - this.#first + this.#held.size >= WAITING_MAX) return Promise.reject(new FopError(Errno.EAGAIN));
    const turn: Turn = { changes: true, subject, other, gfid, lists: false, depth: 0 };
    this.#waiting.push(turn);
    return new Promise((resolve, reject) => {
      this.#storage.inTurn(() => {
        this.#waiting[this.#first++] = undefined;
        if (this.#first === this.#waiting.length) {
          this.#waiting = [];
          this.#first = 0;
        }
        const wait = this.#hanging((look) => isInTheWay(turn, look.subject, look.lists) || isParent(subject, look.subject));
        if (!wait) return this.#make(turn, fop, resolve, reject);
        this.#held.add(turn);
        void wait.then(() => {
          this.#held.delete(turn);
          resolve(this.run(fop, subject, other, gfid));
        });
      });
    });
  }

  /** Looks in its turn, once nothing that hangs is in its way. Rejected with EAGAIN when too many wait. @param lists its entries are looked at @param job it may need the pool */
  look<T>(fop: () => T | Promise<T>, subject: Name | Open, lists = false, job = false): Promise<T> {
    if (this.#never) return atOnce(fop);
    if (this.#looks >= WAITING_MAX) return Promise.reject(new FopError(Errno.EAGAIN));
    this.#looks++;
    return new Promise((resolve, reject) => {
      this.#storage.lookInTurn(() => {
        const wait = this.obstacle(subject, lists);
        if (wait) {
          void wait.then(() => {
            this.#looks--;
            resolve(this.look(fop, subject, lists, job));
          });
          return;
        }
        this.#looks--;
        this.#make({ changes: false, subject, gfid: NULL_GFID, lists, depth: 0 }, fop, resolve, reject);
      }, job);
    });
  }

  #make<T>(turn: Turn, fop: () => T | Promise<T>, resolve: (result: T | Promise<T>) => void, reject: (error: unknown) => void): void {
    turn.depth = this.#storage.standsIn;
    this.#current.push(turn);
    try {
      resolve(fop());
    } catch (error) {
      reject(error);
    }
    // Those that were made meanwhile, while this one hung, have ended before it.
    this.#current.pop();
    turn.done?.resolve();
  }

  /** Whether a change of this file waits for its turn, or is half made. */
  concern(fd: Open): boolean {
    const { gfid } = fd.inode;
    if (this.#current.some((turn) => turn.changes && touches(turn, gfid))) return true;
    for (const turn of this.#held) if (touches(turn, gfid)) return true;
    const count = this.#waiting.length - this.#first;
    if (count === 0) return false;
    return count > SOUGHT_MAX || this.#waiting.some((turn) => turn !== undefined && touches(turn, gfid));
  }

  /** Nothing when one may look at `subject`; else what to wait for. @param lists its entries are looked at */
  obstacle(subject: Name | Open, lists = false): Promise<void> | undefined {
    // Another look at what hangs would hang as well; and two that list a directory share the place to which it has been read.
    return this.#hanging((turn) => (turn.changes ? isInTheWay(turn, subject, lists) : isTheSame(turn.subject, subject)));
  }

  /** Nothing when none of those that hang is like that; else what to wait for. */
  #hanging(isLikeThat: (turn: Turn) => boolean): Promise<void> | undefined {
    if (this.#current.length === 0) return undefined;
    const turn = this.#current.find((one) => one.depth < this.#storage.standsIn && isLikeThat(one));
    if (!turn) return undefined;
    if (!turn.done) {
      let resolve: () => void = () => undefined;
      const promise = new Promise<void>((settle) => (resolve = settle));
      turn.done = { promise, resolve };
    }
    return turn.done.promise;
  }
}

/** What it answers, or throws, as a promise. */
export function atOnce<T>(fop: () => T | Promise<T>): Promise<T> {
  try {
    return Promise.resolve(fop());
  } catch (error) {
    return Promise.reject(error);
  }
}

function touches({ subject, other, gfid }: Turn, wanted: Gfid): boolean {
  if (wanted === NULL_GFID) return false;
  return wanted === gfid || (subject !== undefined && gfidOf(subject) === wanted) || (other !== undefined && gfidOf(other) === wanted);
}

/** Of a change: whether it is about what is looked at. */
function isInTheWay(turn: Turn, looked: Subject, lists: boolean): boolean {
  const { subject, other } = turn;
  if (!looked) return false;
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

function isTheSame(subject: Subject, other: Name | Open): boolean {
  if (!subject) return false;
  const gfid = gfidOf(other);
  if (gfid !== NULL_GFID && gfid === gfidOf(subject)) return true;
  return isLoc(subject) && isLoc(other) && subject.name !== '' && subject.name === other.name && subject.parentGfid === other.parentGfid;
}

/** A directory in which something is looked for. */
const isParent = (subject: Subject, looked: Subject): boolean => subject !== undefined && looked !== undefined && isLoc(looked) && looked.parentGfid !== NULL_GFID && gfidOf(subject) === looked.parentGfid;
