import { once } from 'node:events';
import { type Socket, connect } from 'node:net';

const LAST_FRAGMENT = 0x80000000;

/** A connection that sends records as bytes and receives them as bytes. */
export class RawConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => socket.destroy());
    socket.on('data', (data) => (this.#received = Buffer.concat([this.#received, data])));
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Sends one record, given without its mark, and returns the next record, without its mark, both in hex. */
  async call(hex: string): Promise<string> {
    const record = Buffer.from(hex, 'hex');
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE(LAST_FRAGMENT + record.length);
    this.write(Buffer.concat([mark, record]));
    for (;;) {
      if (this.#received.length >= 4) {
        const length = this.#received.readUInt32BE(0) & ~LAST_FRAGMENT;
        if (this.#received.length >= 4 + length) {
          const reply = this.#received.subarray(4, 4 + length).toString('hex');
          this.#received = this.#received.subarray(4 + length);
          return reply;
        }
      }
      if (this.#socket.closed) throw new Error('the server hung up');
      await Promise.race([once(this.#socket, 'data'), once(this.#socket, 'close')]);
    }
  }

  async closed(): Promise<void> {
    if (!this.#socket.closed) await once(this.#socket, 'close');
  }

  close(): void {
    this.#socket.destroy();
  }
}
