import { FOP_NAMES, type FopName, type XlatorDefinition, Xlator, type XlatorContext } from '@glusterts/libglusterfs';

type AnyFop = (...args: readonly unknown[]) => Promise<unknown>;

/** A fop that is held at the gate. */
export interface Held {
  /** Resolves when the child has answered. */
  readonly answered: Promise<void>;
  /** Lets the answer go up. */
  release(): void;
}

/** Sits below the xlator under test: records the fops that come down, holds answers back, changes them. */
export class Gate extends Xlator {
  /** Names of the fops that came, in order. */
  seen: FopName[] = [];
  /** Their arguments. */
  args: (readonly unknown[])[] = [];
  readonly #alterations = new Map<FopName, (reply: never) => unknown>();
  readonly #held = new Map<FopName, { reached: () => void; wait: Promise<void> }>();

  constructor(context: XlatorContext) {
    super(context);
    for (const fop of FOP_NAMES) Object.defineProperty(this, fop, { value: (...args: readonly unknown[]) => this.#pass(fop, args) });
  }

  async #pass(fop: FopName, args: readonly unknown[]): Promise<unknown> {
    this.seen.push(fop);
    this.args.push(args);
    const held = this.#held.get(fop);
    this.#held.delete(fop);
    try {
      // A brick with features/upcall takes any list of xattrs.
      const reply = fop === 'ipc' ? { xdata: undefined } : await (this.child[fop] as AnyFop)(...args);
      const alter = this.#alterations.get(fop) as ((reply: unknown) => unknown) | undefined;
      return alter ? alter(reply) : reply;
    } finally {
      held?.reached();
      await held?.wait;
    }
  }

  /** The fops since the last call of this. */
  take(): FopName[] {
    const { seen } = this;
    this.seen = [];
    this.args = [];
    return seen;
  }

  /** Holds back the answer to the next such fop. */
  hold(fop: FopName): Held {
    let reached = (): void => undefined;
    let release = (): void => undefined;
    const answered = new Promise<void>((resolve) => (reached = resolve));
    const wait = new Promise<void>((resolve) => (release = resolve));
    this.#held.set(fop, { reached, wait });
    return { answered, release: () => release() };
  }

  /** Changes all answers to a fop, or throws instead; undefined: no more. */
  alter<R>(fop: FopName, change: ((reply: R) => unknown) | undefined): void {
    if (change) this.#alterations.set(fop, change as (reply: never) => unknown);
    else this.#alterations.delete(fop);
  }
}

export const gateDefinition: XlatorDefinition = { type: 'test/gate', options: [], create: (context) => new Gate(context) };
