/**
 * cluster/distribute: one namespace over many subvolumes. Files go to the subvolume that their name hashes to in their
 * directory's layout; directories are on all of them.
 *
 * @packageDocumentation
 */
import type { XlatorContext, XlatorDefinition } from '@glusterts/libglusterfs';
import { Distribute } from './distribute.js';
import { PassThrough } from './pass-through.js';
import { options } from './settings.js';

export { Distribute, PassThrough };
export { dmHash } from './hash.js';

const create = (context: XlatorContext): Distribute | PassThrough => (context.children.length === 1 ? new PassThrough(context) : new Distribute(context));

/** What this package implements. */
export const xlators: readonly XlatorDefinition[] = [{ type: 'cluster/distribute', options, create }, { type: 'cluster/dht', options, create }];
