/**
 * features/locks: posix locks, inodelks, entrylks, and what hangs on them.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { Locks } from './locks.js';
import { options } from './settings.js';

export { Locks };

/** What this package implements: one xlator under two names. */
export const xlators: readonly XlatorDefinition[] = ['features/locks', 'features/posix-locks'].map((type) => ({ type, options, create: (context) => new Locks(context) }));
