import { Errno } from './errno.js';
import { FopError } from './fop-error.js';
import { FOP_NAMES, type FopName, type Fops } from './fops.js';
import type { Clock } from './platform/platform.js';
import type { Subvolume, Xlator } from './xlator.js';

/** Sees every fop that passes a link while it is installed: the xlator that answers, the fop, its promise, and when it was wound (Clock.monotonic). */
export type Instrument = (xlator: Xlator, fop: FopName, reply: Promise<unknown>, sinceMs: number) => void;

type AnyFop = (...args: readonly unknown[]) => Promise<unknown>;

/** Who defines each fop at or below an xlator, in the order of FOP_NAMES: first children all the way down. */
type Definers = readonly (Xlator | undefined)[];

/** Who answers what in a graph as it is now. Asked children first, a chain of any length costs a step a layer. */
export class DefinerTable {
  readonly #known = new Map<Xlator, Definers>();

  of(xlator: Xlator): Definers {
    const below: Xlator[] = [];
    let definers: Definers | undefined;
    for (let at: Xlator | undefined = xlator; at && !(definers = this.#known.get(at)); at = at.children[0]?.xlator) below.push(at);
    for (let at = below.pop(); at; at = below.pop()) {
      const inherited = definers;
      const layer = at;
      definers = FOP_NAMES.map((fop, i) => (layer[fop] !== undefined ? layer : inherited?.[i]));
      this.#known.set(layer, definers);
    }
    return definers ?? [];
  }
}

/**
 * A parent's link to a child. Bound once the graph stands; until then every fop is refused, so that an xlator that
 * winds from its constructor is found out.
 */
export class Link {
  readonly xlator: Xlator;
  readonly subvolume: Subvolume;
  readonly #fops: Record<FopName, AnyFop>;

  constructor(xlator: Xlator) {
    this.xlator = xlator;
    const fops: Partial<Record<FopName, AnyFop>> = {};
    for (const fop of FOP_NAMES) fops[fop] = refuse(fop);
    this.#fops = fops as Record<FopName, AnyFop>;
    this.subvolume = Object.assign(this.#fops as object as Fops, { xlator, name: xlator.name });
  }

  bind(definers: DefinerTable, instrument: Instrument | undefined, clock: Clock): void {
    const answering = definers.of(this.xlator);
    FOP_NAMES.forEach((fop, i) => {
      const at = answering[i];
      const method: unknown = at?.[fop];
      if (!at || typeof method !== 'function') {
        this.#fops[fop] = refuse(fop);
        return;
      }
      const bound: AnyFop = method.bind(at);
      this.#fops[fop] = instrument === undefined ? bound : instrumented(bound, at, fop, instrument, clock);
    });
  }
}

function refuse(fop: FopName): AnyFop {
  return () => Promise.reject(new FopError(Errno.EOPNOTSUPP, undefined, `no xlator answers ${fop}`));
}

function instrumented(bound: AnyFop, xlator: Xlator, fop: FopName, instrument: Instrument, clock: Clock): AnyFop {
  return (...args) => {
    const since = clock.monotonic();
    const reply = bound(...args);
    instrument(xlator, fop, reply, since);
    return reply;
  };
}
