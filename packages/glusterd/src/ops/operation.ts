import type { Dict } from '@glusterts/libglusterfs';

/** What an operation answers when it succeeds. */
export interface OpResult {
  readonly dict: Dict;
  /** Text that comes with success: shown by some commands. */
  readonly note?: string | undefined;
}

/** Refusal when a volume is locked by a transaction of the older kind. */
export function busyText(volume: string): string {
  return `Another transaction is in progress for ${volume}. Please try again after some time.`;
}

/** The same, of the newer kind. */
export const BUSY = 'Another transaction is in progress. Please try again after some time.';
