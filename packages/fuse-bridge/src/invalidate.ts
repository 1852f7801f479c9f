import { type Bytes, Errno, type Inode } from '@glusterts/libglusterfs';
import type { FuseBridge } from './bridge.js';
import { encodeInvalEntry, encodeInvalInode } from './encode.js';

/** What the kernel answers to notifications about what it doesn't have (spec/client.md, §6.10). */
const EXPECTED: ReadonlySet<number> = new Set([Errno.ENOENT, Errno.ENOTDIR, Errno.EBUSY, Errno.ENOTEMPTY, Errno.ENODEV]);
/** With invalidate-limit 0. */
const QUEUE_MAX = 1 << 20;

/**
 * Tells the kernel what to drop. One notification at a time, from a thread of its own: the kernel may hold it until a
 * request is answered that we are just serving.
 */
export class Invalidator {
  readonly #bridge: FuseBridge;
  readonly #notify: (message: Uint8Array) => Promise<number>;
  readonly #queue: Uint8Array[] = [];
  #running = false;

  constructor(bridge: FuseBridge, notify: (message: Uint8Array) => Promise<number>) {
    this.#bridge = bridge;
    this.#notify = notify;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Attributes and pages of a file, if the kernel keeps pages at all. False when the queue is full. */
  inode(inode: Inode): boolean {
    this.#bridge.changes++;
    const node = this.#bridge.nodes.find(inode.gfid);
    if (!node || !this.#bridge.keepCache) return true;
    return this.#push(encodeInvalInode(node.id));
  }

  /** Attributes alone; resolves when the kernel has dropped them. It holds no request back for that. */
  async attributes(inode: Inode): Promise<void> {
    const node = this.#bridge.nodes.find(inode.gfid);
    if (node) this.#check(await this.#notify(encodeInvalInode(node.id, false)));
  }

  /** All names of a file that its table knows: the kernel shall forget them, and in the end the file. False when the queue is full. */
  entries(inode: Inode): boolean {
    let accepted = true;
    for (const { parent, name } of inode.table.namesOf(inode)) accepted = this.#entry(parent, name) && accepted;
    return accepted;
  }

  #entry(parent: Inode, name: Bytes): boolean {
    const node = this.#bridge.nodes.find(parent.gfid);
    return node ? this.#push(encodeInvalEntry(node.id, name)) : true;
  }

  #push(message: Uint8Array): boolean {
    if (this.#queue.length >= (this.#bridge.options['invalidate-limit'] || QUEUE_MAX)) return false;
    this.#queue.push(message);
    if (!this.#running) void this.#run();
    return true;
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let message = this.#queue.shift(); message; message = this.#queue.shift()) {
      this.#check(await this.#notify(message));
    }
    this.#running = false;
  }

  #check(result: number): void {
    if (result < 0 && !EXPECTED.has(-result)) this.#bridge.log.warning(0, `an invalidation failed: errno ${-result}`);
  }
}
