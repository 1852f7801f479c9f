import { readFileSync, readSync, writeSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { createInterface } from 'node:readline/promises';
import type { CliIo } from '../session.js';

const ANSWER_MAX = 3;
const LINE_MAX = 1023;
const NEWLINE = 10;
const RETRY_MS = 10;

const pause = new Int32Array(new SharedArrayBuffer(4));

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** One byte of stdin; undefined at its end. */
function readByte(): number | undefined {
  const byte = Buffer.alloc(1);
  for (;;) {
    try {
      return readSync(0, byte, 0, 1, null) === 1 ? byte[0] : undefined;
    } catch (error) {
      if (hasCode(error, 'EOF') || !hasCode(error, 'EAGAIN')) return undefined;
      Atomics.wait(pause, 0, 0, RETRY_MS);
    }
  }
}

/** A line of stdin, newline included, its first `max` bytes; the rest is thrown away when `discard`. Undefined: end of input. */
function readLine(max: number): string | undefined {
  let text = '';
  let any = false;
  for (let byte = readByte(); byte !== undefined; byte = readByte()) {
    any = true;
    if (text.length < max) text += String.fromCharCode(byte);
    if (byte === NEWLINE) break;
  }
  return any ? text : undefined;
}

/** All of a text, however often a pipe is full. */
function write(fd: number, text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if (hasCode(error, 'EPIPE')) return;
      if (!hasCode(error, 'EAGAIN')) throw error;
      Atomics.wait(pause, 0, 0, RETRY_MS);
    }
  }
}

function strerror(error: unknown): string {
  const errno = error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? error.errno : undefined;
  if (hasCode(error, 'ENOENT')) return 'No such file or directory';
  const text = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
  return text === undefined ? String(error) : text.charAt(0).toUpperCase() + text.slice(1);
}

/** stdin, stdout and stderr as they are. */
export const processIo: CliIo = {
  out: (text) => write(1, text),
  err: (text) => write(2, text),
  readAnswer: () => Promise.resolve(readLine(ANSWER_MAX)),
  readFile(path) {
    try {
      return { text: readFileSync(path, 'latin1') };
    } catch (error) {
      return { error: strerror(error) };
    }
  },
};

/** Lines of stdin, cut at 1,023 bytes; undefined: end of input. */
export function readCommandLine(): string | undefined {
  return readLine(LINE_MAX)?.replace(/\n$/, '');
}

/** A prompt with history, and answers through it. */
export function createPrompt(): { readonly io: CliIo; next(): Promise<string | undefined>; close(): void } {
  const lines = createInterface({ input: process.stdin, output: process.stdout, terminal: true, prompt: 'gluster> ' });
  let ended = false;
  const ended$ = new Promise<undefined>((resolve) => {
    lines.once('close', () => {
      ended = true;
      resolve(undefined);
    });
  });
  const ask = async (text: string): Promise<string | undefined> => (ended ? undefined : Promise.race([lines.question(text), ended$]));
  return {
    io: { ...processIo, readAnswer: async () => (await ask(''))?.slice(0, ANSWER_MAX) },
    next: () => ask('gluster> '),
    close: () => lines.close(),
  };
}
