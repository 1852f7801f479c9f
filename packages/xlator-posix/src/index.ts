/**
 * storage/posix: a brick on a local file system, in GlusterFS’s disk format.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { Posix } from './posix.js';
import { options } from './settings.js';

export { Posix };

/** What this package implements. */
export const xlators: readonly XlatorDefinition[] = [{ type: 'storage/posix', options, create: (context) => new Posix(context) }];
