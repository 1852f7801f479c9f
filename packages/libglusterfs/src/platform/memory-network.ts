import { Errno } from '../errno.js';
import { FopError } from '../fop-error.js';
import { IoVec } from '../iobuf.js';
import type { Address, Network, SocketOptions, Transport, TransportHandlers } from './network.js';
import type { Timers } from './platform.js';

const EPHEMERAL_FIRST = 49152;

/**
 * A network inside the process, for tests: records arrive whole, in order, after what is running now. Bytes are copied at
 * `send`, as a kernel does. Hosts are names; nobody needs to exist but who listens.
 */
export function createMemoryNetwork(timers: Pick<Timers, 'soon'>): Network {
  const listeners = new Map<string, (transport: Transport) => TransportHandlers>();
  let lastPort = EPHEMERAL_FIRST;
  return {
    connect(address: Address, handlers: TransportHandlers, options: SocketOptions = {}): Transport {
      const port = options.bind?.port !== undefined && options.bind.port > 0 ? options.bind.port : lastPort++;
      const near = new MemoryTransport(handlers, timers, options.bind?.host === undefined ? `client:${port}` : `${options.bind.host}:${port}`, keyOf(address));
      timers.soon(() => {
        if (near.closing) return;
        const accept = listeners.get(keyOf(address)) ?? ('port' in address ? listeners.get(`0.0.0.0:${address.port}`) : undefined);
        if (!accept) {
          near.destroy(new FopError(Errno.ECONNREFUSED));
          return;
        }
        const far = new MemoryTransport({ onRecord() {}, onClose() {} }, timers, near.peer, near.local);
        near.join(far);
        far.handlers = accept(far);
        near.handlers.onConnect?.(near);
      });
      return near;
    },
    async listen(address: Address, accept: (transport: Transport) => TransportHandlers) {
      const bound = 'port' in address && address.port === 0 ? { host: address.host, port: lastPort++ } : address;
      const key = keyOf(bound);
      if (listeners.has(key)) throw new FopError(Errno.EADDRINUSE, undefined, key);
      const open = new Set<Transport>();
      listeners.set(key, (transport) => {
        open.add(transport);
        return accept(transport);
      });
      return {
        address: bound,
        async close() {
          listeners.delete(key);
          for (const transport of open) transport.destroy();
        },
      };
    },
  };
}

function keyOf(address: Address): string {
  return 'path' in address ? address.path : `${address.host}:${address.port}`;
}

class MemoryTransport implements Transport {
  handlers: TransportHandlers;
  readonly local: string;
  readonly peer: string;
  connected = false;
  queuedBytes = 0;
  readonly #timers: Pick<Timers, 'soon'>;
  #far: MemoryTransport | undefined;
  /** Records that came while paused. */
  #held: Uint8Array[] = [];
  #paused = false;
  #finishing = false;
  #closed = false;
  #error: Error | undefined;

  constructor(handlers: TransportHandlers, timers: Pick<Timers, 'soon'>, local: string, peer: string) {
    this.handlers = handlers;
    this.#timers = timers;
    this.local = local;
    this.peer = peer;
  }

  /** Destroyed before it was connected, or ended. */
  get closing(): boolean {
    return this.#finishing;
  }

  /** Connects two ends. */
  join(far: MemoryTransport): void {
    this.#far = far;
    far.#far = this;
    this.connected = far.connected = true;
  }

  send(header: Uint8Array, payload?: IoVec): void {
    const far = this.#far;
    if (!this.connected || !far) return;
    const record = new Uint8Array(header.length + (payload?.size ?? 0));
    record.set(header);
    payload?.copyTo(record, header.length);
    this.queuedBytes += record.length;
    this.#timers.soon(() => {
      this.queuedBytes -= record.length;
      far.#receive(record);
    });
  }

  #receive(record: Uint8Array): void {
    if (this.#closed) return;
    if (this.#paused || this.#held.length > 0) this.#held.push(record);
    else this.handlers.onRecord(IoVec.from(record), this);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#timers.soon(() => {
      while (!this.#paused && !this.#closed) {
        const record = this.#held.shift();
        if (record === undefined) return;
        this.handlers.onRecord(IoVec.from(record), this);
      }
    });
  }

  destroy(error?: Error): void {
    if (this.#finishing) return;
    this.#error = error;
    this.#finish();
    const far = this.#far;
    if (far) far.#finish();
  }

  end(): void {
    this.#timers.soon(() => this.destroy());
  }

  #finish(): void {
    if (this.#finishing) return;
    this.#finishing = true;
    this.connected = false;
    this.#timers.soon(() => {
      this.#closed = true;
      this.#held = [];
      this.handlers.onClose(this.#error, this);
    });
  }
}
