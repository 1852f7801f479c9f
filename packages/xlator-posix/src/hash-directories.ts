import { type Bytes, Errno, type Gfid, type Storage } from '@glusterts/libglusterfs';

const HASHES = 65536;

/** The directories `.glusterfs/xx/yy` that handles lie in (spec/brick.md, §2.3), made when the first handle comes to lie there. */
export class HashDirectories {
  readonly #storage: Storage;
  readonly #hidden: Bytes;
  /** 1: was seen. Nobody removes one; a call that meets ENOENT all the same makes it anew. */
  readonly #seen = new Uint8Array(HASHES);
  /** What was found the last time: a young brick lacks most of them, an old one none. */
  #usuallyMissing = true;

  constructor(storage: Storage, hidden: Bytes) {
    this.#storage = storage;
    this.#hidden = hidden;
  }

  /** Runs a call that makes the handle of a gfid, `name` (`xx/yy/<G>`), with its directory there. Answers its result. */
  within(gfid: Gfid, name: Bytes, make: () => number): number {
    const hash = gfid.charCodeAt(0) * 256 + gfid.charCodeAt(1);
    if (this.#seen[hash] === 0 && this.#usuallyMissing) this.#make(name);
    let result = make();
    if (result === -Errno.ENOENT) {
      this.#make(name);
      result = make();
    }
    if (result === 0) this.#seen[hash] = 1;
    return result;
  }

  /** How much of a handle's name, `xx/yy/<G>`, is the directory that must be in memory before it is made: the one that it will lie in, or the outer one if that will be made as well. */
  depth(gfid: Gfid): number {
    const hash = gfid.charCodeAt(0) * 256 + gfid.charCodeAt(1);
    return this.#seen[hash] === 0 && this.#usuallyMissing ? 2 : 5;
  }

  #make(name: Bytes): void {
    const inner = `${this.#hidden}/${name.slice(0, 5)}` as Bytes;
    let result = this.#storage.mkdir(inner, 0o700);
    if (result === -Errno.ENOENT) {
      // The outer ones exist since init.
      this.#storage.mkdir(`${this.#hidden}/${name.slice(0, 2)}` as Bytes, 0o700);
      result = this.#storage.mkdir(inner, 0o700);
    }
    this.#usuallyMissing = result === 0;
  }
}
