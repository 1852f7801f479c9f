import { IoVec, type Iobuf } from '../iobuf.js';
import { type SharedArena, borrowArena, sharedArenaOf } from './shared-arena.js';

/*
 * Large payloads don't pass through the unix socket of a local path: who sends tells where they lie in memory that both have mapped, and doesn't use that
 * again before the other says that it is done. These records stand among those of RPC; their second word, in place of CALL or REPLY, says what they are:
 *   arena    its number, and its size; its descriptor comes along
 *   loan     a number, how many pieces, for each of them arena, offset and length; then an RPC record but for its payload, which is the pieces
 *   done     the number of a loan; the addon reads these itself (EVENT_RETURNED)
 *   gone     the number of an arena that is used no more
 */
export const LocalRecord = { DESCRIPTOR: 0x474c4644, ARENA: 0x474c4152, LOAN: 0x474c4c4e, DONE: 0x474c444e, GONE: 0x474c474e } as const;

/** A smaller payload is copied in less time than it takes to get it back. */
export const LOAN_BYTES_MIN = 64 << 10;
/** Of one connection: bytes on loan. What is more goes through the socket. */
const LENT_BYTES_MAX = 64 << 20;
/** Of one connection: arenas that the other end has mapped. */
const ARENAS_MAX = 64;
const ARENA_BYTES_MAX = 16 << 20;
const PIECES_MAX = 256;
export const MARK_LAST = 0x80000000;
export const MARK_BYTES = 4;
const HEAD_BYTES = 12;
const PIECE_BYTES = 12;

/** A record of a number, what it is, and perhaps a size. */
export function localRecord(number: number, kind: number, size?: number): Buffer {
  const record = Buffer.allocUnsafe(size === undefined ? 8 : 12);
  record.writeUInt32BE(number, 0);
  record.writeUInt32BE(kind, 4);
  if (size !== undefined) record.writeUInt32BE(size, 8);
  return record;
}

/** The side that lends. */
export class Lender {
  /** Sends a record, with a descriptor of its own if one is given. */
  readonly #send: (record: Buffer, descriptor?: number) => void;
  readonly #arenas = new Map<SharedArena, number>();
  /** By number; numbers come again. */
  readonly #lent: (IoVec | undefined)[] = [];
  readonly #free: number[] = [];
  #lentBytes = 0;
  #arenaNumber = 0;
  /** Where the last piece lay. */
  #memory: ArrayBufferLike | undefined;
  #memoryNumber = 0;
  readonly #gone = (arena: SharedArena): void => {
    const number = this.#arenas.get(arena);
    this.#arenas.delete(arena);
    this.#memory = undefined;
    if (number !== undefined) this.#send(localRecord(number, LocalRecord.GONE));
  };

  constructor(send: (record: Buffer, descriptor?: number) => void) {
    this.#send = send;
  }

  /**
   * Lends the payload of a record whose header has this length: the mark, and what has to be sent before the header. Undefined when it must go through
   * the socket.
   */
  lend(payload: IoVec, headerBytes: number): Buffer | undefined {
    const { chunks, size } = payload;
    if (chunks.length > PIECES_MAX || this.#lentBytes + size > LENT_BYTES_MAX) return undefined;
    const head = Buffer.allocUnsafe(MARK_BYTES + HEAD_BYTES + chunks.length * PIECE_BYTES);
    let at = MARK_BYTES + HEAD_BYTES;
    for (const chunk of chunks) {
      const number = chunk.buffer === this.#memory ? this.#memoryNumber : this.#numberOf(chunk.buffer);
      if (number === undefined) return undefined;
      head.writeUInt32BE(number, at);
      head.writeUInt32BE(chunk.byteOffset, at + 4);
      head.writeUInt32BE(chunk.length, at + 8);
      at += PIECE_BYTES;
    }
    const loan = this.#free.pop() ?? this.#lent.length;
    head.writeUInt32BE((MARK_LAST | (head.length - MARK_BYTES + headerBytes)) >>> 0, 0);
    head.writeUInt32BE(loan, 4);
    head.writeUInt32BE(LocalRecord.LOAN, 8);
    head.writeUInt32BE(chunks.length, 12);
    this.#lent[loan] = payload.ref();
    this.#lentBytes += size;
    return head;
  }

  /** The number of an arena at the other end, which hears of it now if it doesn't know it. */
  #numberOf(memory: ArrayBufferLike): number | undefined {
    const arena = sharedArenaOf(memory);
    const number = arena && (this.#arenas.get(arena) ?? this.#introduce(arena));
    if (number === undefined) return undefined;
    this.#memory = memory;
    this.#memoryNumber = number;
    return number;
  }

  #introduce(arena: SharedArena): number | undefined {
    if (arena.descriptor < 0 || this.#arenas.size >= ARENAS_MAX || arena.size > ARENA_BYTES_MAX) return undefined;
    const number = this.#arenaNumber++;
    this.#arenas.set(arena, number);
    arena.watch(this.#gone);
    this.#send(localRecord(number, LocalRecord.ARENA, arena.size), arena.descriptor);
    return number;
  }

  /** The other end is done with a loan. False when there is no such loan. */
  returned(loan: number): boolean {
    const payload = this.#lent[loan];
    if (!payload) return false;
    this.#lent[loan] = undefined;
    this.#free.push(loan);
    this.#lentBytes -= payload.size;
    payload.unref();
    return true;
  }

  /** The connection is over. The other process may still be reading: what is on loan then is never used again. */
  end(): void {
    for (const payload of this.#lent) {
      if (!payload) continue;
      for (const buf of payload.bufs) buf.retire?.();
      payload.unref();
    }
    this.#lent.length = this.#free.length = 0;
    this.#memory = undefined;
    for (const arena of this.#arenas.keys()) arena.unwatch(this.#gone);
    this.#arenas.clear();
  }
}

/** A borrowed payload, until its last reference is gone. */
class Loan implements Iobuf {
  readonly memory: Uint8Array;
  readonly #borrower: Borrower;
  readonly #number: number;
  #refs = 1;

  constructor(memory: Uint8Array, borrower: Borrower, number: number) {
    this.memory = memory;
    this.#borrower = borrower;
    this.#number = number;
  }

  ref(): void {
    if (this.#refs <= 0) throw new Error('a loan that was given back was referenced');
    this.#refs++;
  }

  unref(): void {
    if (this.#refs <= 0) throw new Error('a loan was given back twice');
    if (--this.#refs === 0) this.#borrower.giveBack(this.#number);
  }
}

/** The side that borrows. Its methods throw what is wrong with a record. */
export class Borrower {
  readonly #giveBack: (loan: number) => void;
  readonly #arenas = new Map<number, ArrayBuffer>();

  /** @param giveBack tells the other end that a loan is done with */
  constructor(giveBack: (loan: number) => void) {
    this.#giveBack = giveBack;
  }

  /** @param descriptor its own from now on */
  arena(record: Buffer, descriptor: number): void {
    const size = record.length === HEAD_BYTES ? record.readUInt32BE(8) : 0;
    const memory = borrowArena(descriptor, Math.min(size, ARENA_BYTES_MAX));
    if (!memory || size === 0 || size > ARENA_BYTES_MAX || this.#arenas.size >= ARENAS_MAX) throw new Error('memory that cannot be borrowed');
    this.#arenas.set(record.readUInt32BE(0), memory);
  }

  giveBack(loan: number): void {
    this.#giveBack(loan);
  }

  gone(number: number): void {
    this.#arenas.delete(number);
  }

  /** The RPC record that a loan stands for. */
  loan(record: Buffer): IoVec {
    const number = record.readUInt32BE(0);
    const count = record.length < HEAD_BYTES ? 0 : record.readUInt32BE(8);
    const end = HEAD_BYTES + count * PIECE_BYTES;
    if (count === 0 || count > PIECES_MAX || record.length < end) throw new Error('a loan without its pieces');
    const chunks: Uint8Array[] = [record.subarray(end)];
    for (let at = HEAD_BYTES; at < end; at += PIECE_BYTES) {
      const memory = this.#arenas.get(record.readUInt32BE(at));
      const offset = record.readUInt32BE(at + 4);
      const length = record.readUInt32BE(at + 8);
      if (!memory || offset + length > memory.byteLength) throw new Error('a loan outside of its memory');
      chunks.push(new Uint8Array(memory, offset, length));
    }
    return new IoVec(chunks, [new Loan(chunks[1] ?? record, this, number)]);
  }
}
