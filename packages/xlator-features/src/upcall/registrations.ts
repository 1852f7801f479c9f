import type { Client, Clock, CtxSlot, Inode } from '@glusterts/libglusterfs';

/** Who used an inode, by the client's uid, and when, in ms of the monotonic clock. */
type Users = Map<string, { client: Client; time: number }>;

/** Inodes that one round of the reaper looks at before it lets others run. */
export const REAP_SLICE = 8192;

/** Which clients have used which inodes lately, and so have them in their caches (spec/features.md, §11.1). */
export class Registrations {
  /** Milliseconds for which a client that did nothing with an inode is told of its changes. */
  timeout: number;
  readonly #slot: CtxSlot<Users>;
  readonly #clock: Clock;
  /** All inodes with users: the reaper's rounds. */
  readonly #inodes = new Set<Inode>();
  readonly #gone = new WeakSet<Client>();

  constructor(slot: CtxSlot<Users>, clock: Clock, timeout: number) {
    this.#slot = slot;
    this.#clock = clock;
    this.timeout = timeout;
  }

  get size(): number {
    return this.#inodes.size;
  }

  /** The client has used the inode. */
  register(inode: Inode, client: Client): void {
    let users = this.#slot.get(inode);
    if (!users) {
      this.#slot.set(inode, (users = new Map()));
      this.#inodes.add(inode);
    }
    const user = users.get(client.uid);
    const time = this.#clock.monotonic();
    if (!user) users.set(client.uid, { client, time });
    else {
      user.client = client;
      user.time = time;
    }
  }

  /** Calls `tell` for each client that has the inode in its cache, but for `but`; and forgets those that have long not used it. */
  others(inode: Inode, but: Client | undefined, tell: (client: Client) => void): void {
    const users = this.#slot.get(inode);
    if (!users) return;
    const now = this.#clock.monotonic();
    for (const [uid, { client, time }] of users) {
      if (uid === but?.uid) continue;
      if (this.#isExpired(client, time, now)) users.delete(uid);
      else if (now - time < this.timeout) tell(client);
    }
  }

  /** Whether {@link others} tells this client of the inode's changes. */
  isTold(inode: Inode, client: Client): boolean {
    const user = this.#slot.get(inode)?.get(client.uid);
    return user !== undefined && this.#clock.monotonic() - user.time < this.timeout;
  }

  #isExpired(client: Client, time: number, now: number): boolean {
    return now - time > 2 * this.timeout || this.#gone.has(client);
  }

  /** The client's last connection is gone; it is told of nothing any more. */
  disconnected(client: Client): void {
    this.#gone.add(client);
  }

  /** Everybody who is registered, whenever that was. The inode leaves the brick's memory. */
  forget(inode: Inode, tell: (client: Client) => void): void {
    const users = this.#slot.get(inode);
    if (!users) return;
    this.#inodes.delete(inode);
    this.#slot.delete(inode);
    for (const { client } of users.values()) if (!this.#gone.has(client)) tell(client);
  }

  /** Drops those that expired, a slice at each step: the brick serves requests in between. */
  *reap(): Generator<void, void, void> {
    let left = REAP_SLICE;
    for (const inode of this.#inodes) {
      const users = this.#slot.get(inode);
      const now = this.#clock.monotonic();
      if (users) for (const [uid, { client, time }] of users) if (this.#isExpired(client, time, now)) users.delete(uid);
      if (!users || users.size === 0) {
        this.#inodes.delete(inode);
        this.#slot.delete(inode);
      }
      if (--left > 0) continue;
      left = REAP_SLICE;
      yield;
    }
  }
}
