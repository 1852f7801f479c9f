import { type IobufPool, IoVec, type Network, type Transport, methodsOf, neverOptimised } from '@glusterts/libglusterfs';
import type { Next } from './pace.js';

/** A record that was sent. */
interface TapedRecord {
  readonly header: Uint8Array;
  readonly payload: Uint8Array | undefined;
  /** How many answers had come before it was sent: of those it may depend. */
  readonly after: number;
}

interface TapedRound {
  readonly records: readonly TapedRecord[];
  /** Bytes of each answer, in the order in which they came. */
  readonly answers: readonly number[];
}

/**
 * What a client sends over a connection, recorded, to be sent once more, and again: the other end does the work that it would do for a client, and
 * of a client's own only this is left. A round must leave nothing behind at the other end: then the same bytes mean the same there.
 */
export class ClientTape {
  readonly #iobufs: IobufPool;
  readonly #rounds: TapedRound[] = [];
  #transport: Transport | undefined;
  #records: TapedRecord[] | undefined;
  #answers: number[] = [];
  #differing = 0;
  #closed = false;
  #answered: () => void = () => undefined;

  constructor(iobufs: IobufPool) {
    this.#iobufs = iobufs;
  }

  /** Answers that were not as long as they were when it was recorded. */
  get differing(): number {
    return this.#differing;
  }

  /** A network whose first connection is the one that is recorded. */
  listening(network: Network): Network {
    return {
      connect: (address, handlers, options) => {
        const transport = network.connect(
          address,
          {
            ...handlers,
            onRecord: (record, from) => {
              this.#answers.push(record.size);
              handlers.onRecord(record, from);
            },
          },
          options,
        );
        if (!this.#transport) this.#tap(transport);
        return transport;
      },
      listen: (address, accept, options) => network.listen(address, accept, options),
    };
  }

  /** All that is sent while this goes on is a round. */
  async record(round: () => Promise<boolean>): Promise<boolean> {
    this.#records = [];
    this.#answers = [];
    const whole = await round();
    if (whole) this.#rounds.push({ records: this.#records, answers: this.#answers });
    this.#records = undefined;
    return whole;
  }

  /** Sends the rounds in turn, until `next` says no. The client of before hears nothing any more. Resolves with the number of rounds. */
  async play(next: Next): Promise<number> {
    const transport = this.#transport;
    if (!transport || this.#rounds.length === 0) return 0;
    neverOptimised([...methodsOf(this), ...methodsOf(transport.handlers)]);
    let expected: readonly number[] = [];
    const handlers = transport.handlers;
    transport.handlers = {
      onRecord: (record) => {
        if (record.size !== expected[this.#answers.length]) this.#differing++;
        this.#answers.push(record.size);
        record.unref();
        this.#answered();
      },
      onClose: () => {
        this.#closed = true;
        this.#answered();
      },
    };
    neverOptimised(Object.values(transport.handlers));
    try {
      for (let count = 0; ; count++) {
        const round = this.#rounds[count % this.#rounds.length];
        if (!round || this.#closed) return count;
        expected = round.answers;
        if (!(await this.playRound(transport, round, next))) return count;
      }
    } finally {
      transport.handlers = handlers;
    }
  }

  /** Whether it came to its end. */
  async playRound(transport: Transport, { records, answers }: TapedRound, next: Next): Promise<boolean> {
    this.#answers = [];
    let sent = 0;
    for (const { header, payload, after } of records) {
      if (this.#answers.length < after) {
        await this.#until(after);
        if (!(await next())) break;
      }
      this.sendOne(transport, header, payload);
      sent++;
    }
    // Each record is a call, and each has its answer.
    await this.#until(sent);
    return sent === answers.length;
  }

  /** Of which nothing is changed: what it sends may be sent again. */
  sendOne(transport: Transport, header: Uint8Array, payload: Uint8Array | undefined): void {
    if (!payload) {
      transport.send(header);
      return;
    }
    // Lent memory comes back later, so that each time takes its own.
    const page = this.#iobufs.get(payload.length);
    page.memory.set(payload);
    const vector = new IoVec([page.memory.subarray(0, payload.length)], [page]);
    transport.send(header, vector);
    vector.unref();
  }

  #until(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#answered = () => {
        if (this.#answers.length >= count || this.#closed) resolve();
      };
      this.#answered();
    });
  }

  #tap(transport: Transport): void {
    this.#transport = transport;
    const send = transport.send.bind(transport);
    transport.send = (header, payload) => {
      this.#records?.push({ header: new Uint8Array(header), payload: payload && payload.size > 0 ? new Uint8Array(payload.toUint8Array()) : undefined, after: this.#answers.length });
      send(header, payload);
    };
  }
}
