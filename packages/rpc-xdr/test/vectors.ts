import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CapturedMessage {
  readonly hex: string;
  readonly header?: { readonly accept_stat?: number; readonly cred?: unknown };
  readonly body?: unknown;
  readonly payload_hex?: string;
}

export interface CapturedCall {
  readonly program: string;
  readonly prognum: number;
  readonly progver: number;
  readonly procnum: number;
  readonly procedure: string;
  readonly request: CapturedMessage;
  readonly reply?: CapturedMessage | null;
}

/** Reads a file of test/vectors, which are copies of the captures of GlusterFS 10.3. */
export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'vectors', name), 'utf8')) as T;
}
