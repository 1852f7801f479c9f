import type { Bytes } from './bytes.js';
import type { Client } from './frame.js';
import type { Gfid } from './gfid.js';
import type { Iatt } from './iatt.js';
import type { EntrylkType, Flock } from './lock.js';

/**
 * What a brick tells a client of its own accord: the data of {@link GfEvent.UPCALL}, sent upwards. On a brick `client` is
 * whom it is for, and protocol/server sends it there; on a client protocol/client made it, and `client` is undefined.
 * The kinds' numbers on the wire are 1 to 4 (spec/rpc-wire.md, §9.11 and §11).
 */
export type Upcall = CacheInvalidation | LeaseRecall | InodelkContention | EntrylkContention;

export interface UpcallTarget {
  /** Whom it is for (bricks only). */
  readonly client: Client | undefined;
  readonly gfid: Gfid;
}

/** Another client changed the file. */
export interface CacheInvalidation extends UpcallTarget {
  readonly kind: 'cache-invalidation';
  readonly flags: number;
  readonly expire_time_attr: number;
  readonly stat: Iatt;
  readonly parent_stat: Iatt;
  readonly oldparent_stat: Iatt;
  readonly dict: import('./dict.js').Dict | undefined;
}

/** A lease must be given back. */
export interface LeaseRecall extends UpcallTarget {
  readonly kind: 'lease-recall';
  readonly lease_type: number;
  readonly tid: Bytes;
}

/** Somebody waits for an inodelk that the client holds (spec/brick.md, §13.5). `flock` is the held lock as it was asked for, `pid` its holder's. */
export interface InodelkContention extends UpcallTarget {
  readonly kind: 'inodelk-contention';
  readonly flock: Flock;
  readonly pid: number;
  readonly domain: Bytes;
}

/** Somebody waits for an entrylk that the client holds; an empty name is the whole directory. */
export interface EntrylkContention extends UpcallTarget {
  readonly kind: 'entrylk-contention';
  readonly type: EntrylkType;
  readonly pid: number;
  readonly name: Bytes;
  readonly domain: Bytes;
}
