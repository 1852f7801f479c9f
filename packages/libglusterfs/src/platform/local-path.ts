import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IoVec } from '../iobuf.js';
import type { NativeTransport } from './native-transport.js';
import type { Transport, TransportHandlers } from './network.js';

/*
 * Records between two processes of one machine may go through a unix socket beside their TCP connection. The one who connected asks for it:
 *   on the unix socket   hello, the local name of its TCP connection
 *   on the unix socket   the answer: a nonce
 *   on TCP               claim, the nonce: only who owns both ends of both could know it
 *   on the unix socket   done; from here on both send there
 * Nothing else is sent before, so nothing can overtake.
 */

const HELLO = Buffer.from('glusterts local path 2\0');
const CLAIM = Buffer.from('glusterts local claim 2\0');
const DONE = Buffer.from('glusterts local done 2\0');
const NONCE_BYTES = 16;
/** How long the other side may take to answer; without an answer it goes on by TCP. */
export const LOCAL_PATH_TIMEOUT_MS = 2000;
/** And to change over, from which there is no way back: a busy machine must not cost the connection. */
const CHANGE_OVER_TIMEOUT_MS = 30_000;
/** Unix connections whose TCP connection isn't known yet; more are closed. */
const WAITING_MAX = 256;

/** The abstract name beside a TCP port; abstract names belong to the network namespace, as ports do. */
export function localPathName(port: number): Buffer {
  return Buffer.from(`\0glusterts/brick/${port}`, 'latin1');
}

/** Host and port of `host:port`. */
export function splitName(name: string): { host: string; port: number } {
  const colon = name.lastIndexOf(':');
  return { host: name.slice(0, colon), port: Number(name.slice(colon + 1)) };
}

/** Whether a connection's two ends are one machine: who connects to an own address does so from that address. */
export function isSameMachine(transport: Transport): boolean {
  return transport.peer !== '' && splitName(transport.local).host === splitName(transport.peer).host;
}

function contents(record: IoVec): Buffer {
  const bytes = Buffer.concat(record.chunks);
  record.unref();
  return bytes;
}

/**
 * The side that connected: what its unix socket's events do.
 * @param settled called once it is decided: records pass through the unix socket now, or through TCP as before
 */
export function askForLocalPath(owner: NativeTransport, side: NativeTransport, settled: () => void): TransportHandlers {
  let state: 'hello' | 'claimed' | 'settled' = 'hello';
  const settle = (): void => {
    clearTimeout(timer);
    state = 'settled';
    settled();
  };
  /** After the claim there is no way back: the other side may have changed over. */
  const giveUp = (): void => {
    if (state === 'settled') return;
    if (state === 'claimed') {
      clearTimeout(timer);
      state = 'settled';
      owner.destroy(new Error('the local path broke while it was taken'));
    } else settle();
    side.destroy();
  };
  let timer = setTimeout(giveUp, LOCAL_PATH_TIMEOUT_MS);
  return {
    onConnect: () => side.send(Buffer.concat([HELLO, Buffer.from(owner.local, 'latin1')])),
    onRecord: (record) => {
      const bytes = contents(record);
      if (state === 'hello' && bytes.length === NONCE_BYTES) {
        state = 'claimed';
        clearTimeout(timer);
        timer = setTimeout(giveUp, CHANGE_OVER_TIMEOUT_MS);
        owner.send(Buffer.concat([CLAIM, bytes]));
      } else if (state === 'claimed' && bytes.equals(DONE)) {
        owner.adopt(side, 'lends');
        settle();
      } else giveUp();
    },
    onClose: giveUp,
  };
}

/** The side that listens: brings unix and TCP connections of one port together. */
export class LocalPathListener {
  /** TCP connections from this machine that may still ask, by the peer's name. */
  readonly #owners = new Map<string, NativeTransport>();
  /** Unix connections that said hello before their TCP connection was accepted. */
  readonly #waiting = new Map<string, NativeTransport>();

  /** A TCP connection was accepted. */
  add(owner: NativeTransport): void {
    if (!isSameMachine(owner)) return;
    this.#owners.set(owner.peer, owner);
    const side = this.#waiting.get(owner.peer);
    if (side) this.#join(owner, side);
  }

  /** A TCP connection is gone, or has sent something else. */
  remove(owner: NativeTransport): void {
    if (this.#owners.get(owner.peer) === owner) this.#owners.delete(owner.peer);
  }

  /** A unix connection was accepted. */
  accept(side: NativeTransport): TransportHandlers {
    let named: string | undefined;
    return {
      onRecord: (record) => {
        const bytes = contents(record);
        if (named !== undefined || !bytes.subarray(0, HELLO.length).equals(HELLO) || this.#waiting.size >= WAITING_MAX) return side.destroy();
        named = bytes.toString('latin1', HELLO.length);
        if (this.#waiting.has(named)) return side.destroy();
        this.#waiting.set(named, side);
        const owner = this.#owners.get(named);
        if (owner) this.#join(owner, side);
      },
      onClose: () => {
        if (named !== undefined && this.#waiting.get(named) === side) this.#waiting.delete(named);
      },
    };
  }

  #join(owner: NativeTransport, side: NativeTransport): void {
    const { peer } = owner;
    const nonce = randomBytes(NONCE_BYTES);
    const claim = Buffer.concat([CLAIM, nonce]);
    owner.claim = (record) => {
      owner.claim = undefined;
      this.#owners.delete(peer);
      this.#waiting.delete(peer);
      if (record.size !== claim.length || side.destroyed) {
        // It does without.
        side.destroy();
        owner.handlers.onRecord(record, owner);
        return;
      }
      const bytes = contents(record);
      if (!timingSafeEqual(bytes, claim)) return owner.destroy(new Error('a wrong claim to a local path'));
      side.send(DONE);
      owner.adopt(side, 'borrows');
    };
    side.send(nonce);
  }
}
