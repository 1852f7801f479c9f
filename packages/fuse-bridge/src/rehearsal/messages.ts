import type { Bytes } from '@glusterts/libglusterfs';
import { IN_HEADER_SIZE, type Opcode } from '../protocol.js';

const TWO_32 = 2 ** 32;

/** Who asks: the same for all requests of a rehearsal. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}

/** The arguments of a request in the making, little endian, as Linux writes them (linux/fuse.h). */
export class Arguments {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(size: number) {
    this.#bytes = Buffer.alloc(size);
  }

  u32(...values: readonly number[]): this {
    for (const value of values) this.#at = this.#bytes.writeUInt32LE(value >>> 0, this.#at);
    return this;
  }

  u64(...values: readonly number[]): this {
    for (const value of values) {
      this.#bytes.writeUInt32LE(value % TWO_32, this.#at);
      this.#at = this.#bytes.writeUInt32LE(Math.floor(value / TWO_32), this.#at + 4);
    }
    return this;
  }

  big(value: bigint): this {
    this.#at = this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, value), this.#at);
    return this;
  }

  /** With the NUL that ends it. */
  name(text: string): this {
    this.#at += this.#bytes.write(text, this.#at, 'latin1') + 1;
    return this;
  }

  data(bytes: Uint8Array): this {
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }
}

export const NO_ARGUMENTS = Buffer.alloc(0);

/** One message of the kernel. `apart`: bytes of a WRITE that don't lie in it. */
export function encodeRequest(opcode: (typeof Opcode)[keyof typeof Opcode], unique: number, nodeid: number, caller: Caller, body: Buffer, apart = 0): Buffer {
  const message = Buffer.allocUnsafe(IN_HEADER_SIZE + body.length);
  message.writeUInt32LE(message.length + apart, 0);
  message.writeUInt32LE(opcode, 4);
  message.writeUInt32LE(unique % TWO_32, 8);
  message.writeUInt32LE(Math.floor(unique / TWO_32), 12);
  message.writeUInt32LE(nodeid % TWO_32, 16);
  message.writeUInt32LE(Math.floor(nodeid / TWO_32), 20);
  message.writeUInt32LE(caller.uid, 24);
  message.writeUInt32LE(caller.gid, 28);
  message.writeUInt32LE(caller.pid, 32);
  message.writeUInt32LE(0, 36);
  body.copy(message, IN_HEADER_SIZE);
  return message;
}

/** Bytes of a name with its NUL. */
export const nameSize = (name: string): number => name.length + 1;

/** As Linux asks for it after each open for writing. */
export const CAPABILITY = 'security.capability' as Bytes;
