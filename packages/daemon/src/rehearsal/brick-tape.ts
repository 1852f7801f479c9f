import { type IobufPool, IoVec, type Network, type Transport, type TransportHandlers, methodsOf, neverOptimised } from '@glusterts/libglusterfs';

interface TapedAnswer {
  readonly header: Uint8Array;
  readonly payload: Uint8Array | undefined;
}

/** The answers to equal requests, in the order in which they were given, again and again. */
class AnswersInTurn {
  readonly #answers: TapedAnswer[] = [];
  #next = 0;

  add(answer: TapedAnswer): void {
    this.#answers.push(answer);
  }

  rewind(): void {
    this.#next = 0;
  }

  take(): TapedAnswer | undefined {
    if (this.#next >= this.#answers.length) this.#next = 0;
    return this.#answers[this.#next++];
  }
}

/** What a brick answered in one round: to each request, and, for those that come with other times in them, to each procedure. */
interface TapedRound {
  readonly byRequest: Map<string, AnswersInTurn>;
  readonly byProcedure: Map<string, AnswersInTurn>;
}

/** In a call's header (RFC 5531): where program, version and procedure stand, and the length of the credential. */
const PROGRAM = 12;
const CREDENTIAL = 24;
const CREDENTIAL_LENGTH = 28;
const CALL_HEADER_MIN = 40;
const REPLY = 1;
/** Requests of a connection whose answer has not come yet. */
const UNANSWERED_MAX = 4096;

/**
 * A brick's answers, recorded, to be given once more, and again, without the brick: who asks the same questions in the same order does the work that a client
 * does, and of the brick's own only this is left.
 */
export class BrickTape {
  readonly #iobufs: IobufPool;
  readonly #rounds = new Map<number, TapedRound>();
  #recorded: TapedRound | undefined;
  #played: TapedRound | undefined;
  #answered = 0;
  #other = 0;

  constructor(iobufs: IobufPool) {
    this.#iobufs = iobufs;
    neverOptimised([...methodsOf(this), ...methodsOf(new AnswersInTurn())]);
  }

  /** Requests that the tape has answered. */
  get answered(): number {
    return this.#answered;
  }

  /** Requests of a round that is played that were not asked in just these words when it was recorded. */
  get other(): number {
    return this.#other;
  }

  /** A round begins: recorded the first time, played when it has been recorded. */
  begin(variant: number): void {
    const known = this.#rounds.get(variant);
    this.#played = known;
    this.#recorded = undefined;
    if (known) {
      for (const answers of known.byRequest.values()) answers.rewind();
      for (const answers of known.byProcedure.values()) answers.rewind();
    } else {
      this.#recorded = { byRequest: new Map(), byProcedure: new Map() };
      this.#rounds.set(variant, this.#recorded);
    }
  }

  /** A network on which a brick listens, and whose connections are recorded and played. */
  listening(network: Network): Network {
    return {
      connect: (address, handlers, options) => network.connect(address, handlers, options),
      listen: (address, accept, options) => network.listen(address, (transport) => this.tap(transport, accept(transport)), options),
    };
  }

  tap(transport: Transport, brick: TransportHandlers): TransportHandlers {
    /** Of the requests that the brick is asking itself about: which, by xid. */
    const asked = new Map<number, string>();
    const send = transport.send.bind(transport);
    const record = (header: Uint8Array, payload?: IoVec): void => {
      const view = Buffer.from(header.buffer, header.byteOffset, header.byteLength);
      const request = view.length >= 8 && view.readUInt32BE(4) === REPLY ? asked.get(view.readUInt32BE(0)) : undefined;
      if (request !== undefined) {
        asked.delete(view.readUInt32BE(0));
        this.keep(request, { header: new Uint8Array(header), payload: payload && payload.size > 0 ? new Uint8Array(payload.toUint8Array()) : undefined });
      }
      send(header, payload);
    };
    const onRecord = (call: IoVec, from: Transport): void => {
      const [first] = call.chunks;
      if (first !== undefined && first.length >= CALL_HEADER_MIN && (this.#played || this.#recorded)) {
        const view = Buffer.from(first.buffer, first.byteOffset, first.byteLength);
        const request = requestOf(view);
        const answer = this.#played && this.find(request);
        if (answer) {
          this.give(send, view.readUInt32BE(0), answer);
          call.unref();
          return;
        }
        if (this.#recorded && asked.size < UNANSWERED_MAX) asked.set(view.readUInt32BE(0), request);
      }
      brick.onRecord(call, from);
    };
    neverOptimised([record, onRecord, requestOf]);
    transport.send = record;
    return { onRecord, onDrain: (from) => brick.onDrain?.(from), onClose: (error, from) => brick.onClose(error, from) };
  }

  keep(request: string, answer: TapedAnswer): void {
    const round = this.#recorded;
    if (!round) return;
    for (const [map, key] of [
      [round.byRequest, request],
      [round.byProcedure, procedureOf(request)],
    ] as const) {
      const known = map.get(key);
      const answers = known ?? new AnswersInTurn();
      if (!known) map.set(key, answers);
      answers.add(answer);
    }
  }

  find(request: string): TapedAnswer | undefined {
    const round = this.#played;
    const exact = round?.byRequest.get(request)?.take();
    // Taken in any case: it stays in step with what was recorded.
    const inTurn = round?.byProcedure.get(procedureOf(request))?.take();
    if (!exact) this.#other++;
    return exact ?? inTurn;
  }

  give(send: Transport['send'], xid: number, { header, payload }: TapedAnswer): void {
    this.#answered++;
    const own = Buffer.from(header);
    own.writeUInt32BE(xid, 0);
    if (!payload) {
      send(own);
      return;
    }
    const page = this.#iobufs.get(payload.length);
    page.memory.set(payload);
    const vector = new IoVec([page.memory.subarray(0, payload.length)], [page]);
    send(own, vector);
    vector.unref();
  }
}

const PROCEDURE_LENGTH = CREDENTIAL - PROGRAM;

/** A call without what differs each time: its xid, and who asks (whose time is in it). */
function requestOf(call: Buffer): string {
  const verifier = CREDENTIAL_LENGTH + 4 + padded(call.readUInt32BE(CREDENTIAL_LENGTH));
  const body = verifier + 8 <= call.length ? verifier + 8 + padded(call.readUInt32BE(verifier + 4)) : call.length;
  return call.toString('latin1', PROGRAM, CREDENTIAL) + call.toString('latin1', Math.min(body, call.length));
}

function procedureOf(request: string): string {
  return request.slice(0, PROCEDURE_LENGTH);
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
