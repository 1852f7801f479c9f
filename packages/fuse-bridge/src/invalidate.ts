import { type Bytes, Errno, type Inode } from '@glusterts/libglusterfs';
import type { FuseBridge } from './bridge.js';
import { encodeInvalEntry, encodeInvalInode, encodePrune } from './encode.js';

/** What the kernel answers to notifications about what it doesn't have (spec/client.md, §6.10). */
const EXPECTED: ReadonlySet<number> = new Set([Errno.ENOENT, Errno.ENOTDIR, Errno.EBUSY, Errno.ENOTEMPTY, Errno.ENODEV]);
/** With invalidate-limit 0. */
const QUEUE_MAX = 1 << 20;
/** Notifications that one thread sends before it comes back. */
const BATCH_MAX = 64;
/** Files in one notification. */
const PRUNE_MAX = 256;
/** So many wait for each other before the kernel is asked to let go of them. */
const PRUNE_MIN = 64;
/**
 * The oldest inode of a smaller table may have been told of in a reply that the kernel has not looked at yet, and it wouldn't let go of what it doesn't have. To take a name away it waits for the directory's
 * lock, which who reads the reply holds.
 */
const PRUNED_TABLE_MIN = 16384;

type Notify = (messages: readonly Uint8Array[]) => Promise<readonly number[]>;

/**
 * Tells the kernel what to drop. One notification at a time, from a thread of its own: the kernel may hold it until a
 * request is answered that we are just serving.
 */
export class Invalidator {
  readonly #bridge: FuseBridge;
  readonly #notify: Notify;
  readonly #queue: Uint8Array[] = [];
  /** Node ids of the files that the kernel shall let go of. */
  #prunes: number[] = [];
  #canPrune = true;
  #running = false;

  constructor(bridge: FuseBridge, notify: Notify) {
    this.#bridge = bridge;
    this.#notify = notify;
  }

  get queued(): number {
    return this.#queue.length + this.#prunes.length;
  }

  /** Attributes and pages of a file, if the kernel keeps pages at all. False when the queue is full. */
  inode(inode: Inode): boolean {
    this.#bridge.changes++;
    const id = this.#bridge.nodes.find(inode.gfid);
    if (id === undefined || !this.#bridge.keepCache) return true;
    return this.#push(encodeInvalInode(id));
  }

  /** Attributes alone; resolves when the kernel has dropped them. It holds no request back for that. */
  async attributes(inode: Inode): Promise<void> {
    const id = this.#bridge.nodes.find(inode.gfid);
    if (id === undefined) return;
    const [result = 0] = await this.#notify([encodeInvalInode(id, false)]);
    this.#check(result);
  }

  /**
   * A file for which its table has no room: the kernel shall forget it, if nobody uses it. False when the queue is full.
   * By its number where Linux takes that (6.18 on); by its names otherwise, each of which waits for the directory's lock, which lookups hold.
   * @param limit of the table
   */
  prune(inode: Inode, limit: number): boolean {
    if (!this.#canPrune || limit < PRUNED_TABLE_MIN) return this.entries(inode);
    if (this.#full) return false;
    const id = this.#bridge.nodes.find(inode.gfid);
    if (id === undefined) return true;
    this.#prunes.push(id);
    if (this.#prunes.length >= Math.min(PRUNE_MIN, this.#limit) && !this.#running) void this.#run();
    return true;
  }

  /** All names of a file that its table knows: the kernel shall forget them, and in the end the file. False when the queue is full. */
  entries(inode: Inode): boolean {
    let accepted = true;
    for (const { parent, name } of inode.table.namesOf(inode)) accepted = this.#entry(parent, name) && accepted;
    return accepted;
  }

  #entry(parent: Inode, name: Bytes): boolean {
    const id = this.#bridge.nodes.find(parent.gfid);
    return id === undefined ? true : this.#push(encodeInvalEntry(id, name));
  }

  get #limit(): number {
    return this.#bridge.options['invalidate-limit'] || QUEUE_MAX;
  }

  get #full(): boolean {
    return this.queued >= this.#limit;
  }

  #push(message: Uint8Array): boolean {
    if (this.#full) return false;
    this.#queue.push(message);
    if (!this.#running) void this.#run();
    return true;
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.queued > 0) {
      if (this.#prunes.length > 0) await this.#sendPrunes(this.#prunes.splice(0, PRUNE_MAX));
      if (this.#queue.length > 0) for (const result of await this.#notify(this.#queue.splice(0, BATCH_MAX))) this.#check(result);
    }
    this.#running = false;
  }

  async #sendPrunes(ids: readonly number[]): Promise<void> {
    const [result = 0] = await this.#notify([encodePrune(ids)]);
    if (result !== -Errno.EINVAL) return this.#check(result);
    // An older kernel doesn't know the code.
    this.#canPrune = false;
    const all = [...ids, ...this.#prunes];
    this.#prunes = [];
    for (const id of all) {
      const inode = this.#bridge.nodes.get(id);
      if (inode) this.entries(inode);
    }
  }

  #check(result: number): void {
    if (result < 0 && !EXPECTED.has(-result)) this.#bridge.log.warning(0, `an invalidation failed: errno ${-result}`);
  }
}
