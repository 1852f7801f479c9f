import type { Direntp, Iatt } from '@glusterts/libglusterfs';
import { BLKSIZE, NOT_VALID, type Validity, direntSize, encodeRdev, squashIno } from './encode.js';
import { DIRENT_SIZE, ENTRY_OUT_SIZE, ROOT_NODEID } from './protocol.js';

const TWO_32 = 2 ** 32;
/** A loop over chars beats a call into C++ up to about this length. */
const SHORT_NAME = 24;

/**
 * Writes the answer to a READDIRPLUS, entry after entry (fuse_direntplus). Everything in it lies at multiples of 8 bytes, and FUSE has the byte
 * order of the machine: words are stored as they are, which costs a few instructions each, also in code that has just been loaded.
 */
export class DirentplusWriter {
  readonly bytes: Buffer;
  readonly #words: Uint32Array;
  readonly #longs: BigUint64Array;
  readonly #entry: Validity;
  readonly #attr: Validity;
  readonly #ino32: boolean;
  /** Where the next entry begins. */
  #at = 0;

  /** @param size of all entries, bytes */
  constructor(size: number, entry: Validity, attr: Validity, ino32: boolean) {
    // All zero, so that only what isn't has to be written.
    const memory = new ArrayBuffer(size);
    this.bytes = Buffer.from(memory);
    this.#words = new Uint32Array(memory);
    this.#longs = new BigUint64Array(memory);
    this.#entry = entry;
    this.#attr = attr;
    this.#ino32 = ino32;
  }

  /** @param nodeid 0: the kernel must look the entry up */
  add(entry: Direntp, nodeid: number): void {
    if (nodeid !== 0) {
      // Without a ctime nobody below vouches for the attributes.
      this.#entryOut(nodeid, entry.stat, entry.stat.ia_ctime === 0 ? NOT_VALID : this.#attr);
    }
    const { name } = entry;
    const at = this.#at + ENTRY_OUT_SIZE;
    const word = at / 4;
    const long = at / 8;
    this.#longs[long] = squashIno(entry.d_ino, this.#ino32);
    this.#longs[long + 1] = entry.d_off;
    this.#words[word + 4] = name.length;
    this.#words[word + 5] = entry.d_type;
    const { bytes } = this;
    const start = at + DIRENT_SIZE;
    if (name.length <= SHORT_NAME) for (let i = 0; i < name.length; i++) bytes[start + i] = name.charCodeAt(i);
    else bytes.write(name, start, 'latin1');
    this.#at = at + direntSize(name);
  }

  /** A number of 64 bits that may be negative, at a word. */
  #put(word: number, value: number): void {
    this.#words[word] = value;
    if (value >= TWO_32 || value < 0) this.#words[word + 1] = Math.floor(value / TWO_32);
  }

  #entryOut(nodeid: number, stat: Iatt, attr: Validity): void {
    const words = this.#words;
    const at = this.#at / 4;
    this.#put(at, nodeid);
    this.#put(at + 4, this.#entry.sec);
    this.#put(at + 6, attr.sec);
    words[at + 8] = this.#entry.nsec;
    words[at + 9] = attr.nsec;
    this.#longs[this.#at / 8 + 5] = nodeid === ROOT_NODEID ? 1n : squashIno(stat.ia_ino, this.#ino32);
    this.#put(at + 12, stat.ia_size);
    this.#put(at + 14, stat.ia_blocks);
    this.#put(at + 16, stat.ia_atime);
    this.#put(at + 18, stat.ia_mtime);
    this.#put(at + 20, stat.ia_ctime);
    words[at + 22] = stat.ia_atime_nsec;
    words[at + 23] = stat.ia_mtime_nsec;
    words[at + 24] = stat.ia_ctime_nsec;
    words[at + 25] = stat.mode;
    words[at + 26] = stat.ia_nlink;
    words[at + 27] = stat.ia_uid;
    words[at + 28] = stat.ia_gid;
    if (stat.ia_rdev !== 0n) words[at + 29] = encodeRdev(stat.ia_rdev);
    words[at + 30] = BLKSIZE;
  }
}
