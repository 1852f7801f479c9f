/**
 * performance/md-cache: what is kept and what drops it is spec/client.md, §9.6.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { MdCache } from './md-cache.js';
import { options } from './options.js';

export { MdCache };

/** What a volfile names `performance/md-cache`. */
export const mdCache: XlatorDefinition = { type: 'performance/md-cache', options, create: (context) => new MdCache(context) };
