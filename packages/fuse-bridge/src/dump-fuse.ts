import { type Bytes, FopError, type FuseDevice, type IoVec, type Logger, OpenFlag, type Platform } from '@glusterts/libglusterfs';
import { Opcode } from './protocol.js';

/** What each record bears. */
const SIGNATURE = Buffer.from('GLUSTER\xf5', 'latin1');
const HEAD_SIZE = 1 + 4 + 16 + 12;
/** Of requests with a later opcode only the answers are written (spec/client.md, §6.14). */
const LAST_OPCODE = Opcode.LSEEK;

/** The file of --dump-fuse: every message of the device, as 10.3 writes it (spec/client.md, §6.14). Writes at once, for debugging. */
export class FuseDump {
  readonly #platform: Platform;
  readonly #log: Logger;
  #fd: number;
  #size = 0;

  /** The file is made anew, for root alone. Throws a FopError when it can't be. */
  constructor(platform: Platform, path: Bytes, log: Logger) {
    this.#platform = platform;
    this.#log = log;
    const { storage } = platform;
    storage.unlink(path);
    this.#fd = storage.open(path, OpenFlag.WRONLY | OpenFlag.CREAT | OpenFlag.EXCL, 0o600);
    if (this.#fd < 0) throw new FopError(-this.#fd, undefined, `cannot open the fuse dump file ${path}`);
  }

  request(message: Uint8Array, payload: IoVec | undefined): void {
    const opcode = Buffer.from(message.buffer, message.byteOffset, message.byteLength).readUInt32LE(4);
    if (opcode <= LAST_OPCODE) this.#record('R', payload ? [message, ...payload.chunks] : [message]);
  }

  /** The device, with what is sent through it written down. */
  watch(device: FuseDevice): FuseDevice {
    return {
      write: (chunks) => {
        this.#record('W', chunks);
        return device.write(chunks);
      },
      notify: (messages) => {
        for (const message of messages) this.#record('W', [message]);
        return device.notify(messages);
      },
      pause: () => device.pause(),
      resume: () => device.resume(),
      close: () => {
        device.close();
        this.#close();
      },
    };
  }

  #record(direction: 'R' | 'W', message: readonly Uint8Array[]): void {
    if (this.#fd < 0) return;
    const head = Buffer.alloc(HEAD_SIZE);
    const { sec, nsec } = this.#platform.clock.realtime();
    head.write(direction, 0, 'latin1');
    head.writeUInt32LE(3, 1);
    head.writeUInt32LE(16, 5);
    head.writeBigUInt64LE(BigInt(sec), 9);
    head.writeUInt32LE(nsec, 17);
    head.writeUInt32LE(12, 21);
    SIGNATURE.copy(head, 25);
    const written = this.#platform.storage.pwritev(this.#fd, [Buffer.concat([head, ...message])], this.#size);
    if (written >= 0) this.#size += written;
    else {
      this.#log.warning(0, `the fuse dump ends: errno ${-written}`);
      this.#close();
    }
  }

  #close(): void {
    if (this.#fd >= 0) this.#platform.storage.close(this.#fd);
    this.#fd = -1;
  }
}
