/**
 * performance/write-behind: what may be told before it is true is spec/client.md, §9.1.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { options } from './options.js';
import { WriteBehind } from './write-behind.js';

export { WriteBehind };

/** What a volfile names `performance/write-behind`. */
export const writeBehind: XlatorDefinition = { type: 'performance/write-behind', options, create: (context) => new WriteBehind(context) };
