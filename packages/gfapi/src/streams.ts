import { Readable, Writable } from 'node:stream';
import type { File } from './file.js';

/** One fop's worth. */
const CHUNK_SIZE = 1 << 20;

export interface ReadStreamOptions {
  /** First byte. */
  readonly start?: number;
  /** Last byte, included, as in node:fs. */
  readonly end?: number;
  readonly encoding?: BufferEncoding;
  /** Bytes read at once; default 1 MiB. */
  readonly highWaterMark?: number;
  /** Default true. */
  readonly autoClose?: boolean;
}

export interface WriteStreamOptions {
  readonly start?: number;
  readonly highWaterMark?: number;
  readonly autoClose?: boolean;
}

type Opener = File | (() => Promise<File>);

/** The file of a stream, opened at its first use. */
class Source {
  readonly #opener: Opener;
  #file: Promise<File> | undefined;

  constructor(opener: Opener) {
    this.#opener = opener;
  }

  get file(): Promise<File> {
    return (this.#file ??= typeof this.#opener === 'function' ? this.#opener() : Promise.resolve(this.#opener));
  }

  async close(): Promise<void> {
    // What failed to open needs no close.
    const file = await this.#file?.catch(() => undefined);
    await file?.close();
  }
}

/** Bytes of a file, from where it is opened until its end. */
export function readStream(opener: Opener, options: ReadStreamOptions): Readable {
  const source = new Source(opener);
  let at = options.start ?? 0;
  const end = options.end === undefined ? Infinity : options.end + 1;
  return new Readable({
    highWaterMark: options.highWaterMark ?? CHUNK_SIZE,
    ...(options.encoding === undefined ? {} : { encoding: options.encoding }),
    construct(callback) {
      source.file.then(() => callback(), callback);
    },
    read(size) {
      const want = Math.min(Math.max(size, 1), end - at);
      if (want <= 0) {
        this.push(null);
        return;
      }
      const pull = async (): Promise<void> => {
        const buffer = Buffer.allocUnsafe(want);
        const { bytesRead } = await (await source.file).read(buffer, 0, want, at);
        at += bytesRead;
        this.push(bytesRead === 0 ? null : buffer.subarray(0, bytesRead));
      };
      pull().catch((error: Error) => this.destroy(error));
    },
    destroy(error, callback) {
      closeIf(options.autoClose ?? true, source, error, callback);
    },
  });
}

/** Bytes into a file, from `start` on, or at its end when it was opened to append. */
export function writeStream(opener: Opener, options: WriteStreamOptions): Writable {
  const source = new Source(opener);
  let at = options.start ?? 0;
  const put = async (bytes: Buffer): Promise<void> => {
    const file = await source.file;
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await file.write(bytes.subarray(done), at);
      done += bytesWritten;
      at += bytesWritten;
    }
  };
  return new Writable({
    highWaterMark: options.highWaterMark ?? CHUNK_SIZE,
    construct(callback) {
      source.file.then(() => callback(), callback);
    },
    write(chunk: Buffer, _encoding, callback) {
      put(chunk).then(() => callback(), callback);
    },
    writev(chunks, callback) {
      put(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer))).then(() => callback(), callback);
    },
    final(callback) {
      if (options.autoClose ?? true) source.close().then(() => callback(), callback);
      else callback();
    },
    destroy(error, callback) {
      closeIf(options.autoClose ?? true, source, error, callback);
    },
  });
}

function closeIf(autoClose: boolean, source: Source, error: Error | null, callback: (error?: Error | null) => void): void {
  if (!autoClose) return callback(error);
  source.close().then(
    () => callback(error),
    (failure: Error) => callback(error ?? failure),
  );
}
