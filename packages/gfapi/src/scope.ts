import type { Fd, Inode } from '@glusterts/libglusterfs';

/** What an operation holds until it ends: inodes and fds, each with one reference. */
export class Scope {
  readonly #held: (Inode | Fd)[] = [];

  hold<T extends Inode | Fd>(thing: T): T {
    thing.ref();
    this.#held.push(thing);
    return thing;
  }

  end(): void {
    for (const thing of this.#held.splice(0)) thing.unref();
  }
}
